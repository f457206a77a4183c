#!/usr/bin/env bash
# mbsync: two-way sync of 1,000 messages; flags, deletes, new mail and folders both ways
. "$(dirname "$0")/lib.sh"
wipe
fill INBOX 1000
maildir=$W/maildir
mkdir -p "$maildir"
cat >"$W/mbsyncrc" <<END
FSync no

IMAPAccount far
Host $NAME
Port $IMAPS
User $USER
Pass $PASS
SSLType IMAPS
CertificateFile $CA
PipelineDepth 50

IMAPStore far
Account far

MaildirStore near
Path $maildir/
Inbox $maildir/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
CopyArrivalDate yes
SyncState *
END
state() { "$PY" "$HERE/mbsync_state.py" "$1" "$maildir"; }
sync() { check "$1" timeout 120 mbsync -c "$W/mbsyncrc" -a; }

sync "first sync"
check "near has what far has" state compare
state change
sync "sync of changes on both sides"
check "both sides as the model says" state model
state mark
sync "sync with nothing to do"
check "nothing changed" state unchanged
finish

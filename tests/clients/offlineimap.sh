#!/usr/bin/env bash
# offlineimap3: two-way sync of 300 messages in two mailboxes; flags and deletes both ways
. "$(dirname "$0")/lib.sh"
wipe
fill INBOX 250
fill Archive 50
cat >"$W/rc" <<END
[general]
accounts = a
metadata = $W/metadata
ui = quiet
[Account a]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = $W/md
[Repository far]
type = IMAP
remotehost = $NAME
remoteport = $IMAPS
remoteuser = $USER
remotepass = $PASS
ssl = yes
sslcacertfile = $CA
maxconnections = 2
END
near() { find "$W/md/$1/cur" "$W/md/$1/new" -type f | wc -l; }
sync() { check "$1" timeout 120 offlineimap -c "$W/rc"; }

sync "first sync"
eq "INBOX" "$(near INBOX)" 250
eq "Archive" "$(near Archive)" 50
sync "second sync"
eq "INBOX the same" "$(near INBOX)" 250

# Near: 20 gone, 15 read and flagged, one new. Far: one new, ten gone.
find "$W/md/INBOX/cur" -type f | sort | head -n 20 | xargs -d '\n' rm
find "$W/md/INBOX/new" -type f | sort | head -n 15 | while read -r file; do
  name=$(basename "${file%:2,*}")
  mv "$file" "$W/md/INBOX/cur/$name:2,FS"
done
printf 'From: l@example.org\nSubject: near\nMessage-ID: <near@example.org>\n\nnear\n' \
  >"$W/md/INBOX/new/1.near.x"
"$PY" - <<'END'
import look
session = look.connect()
session.select("INBOX")
raw = b"From: q@example.org\r\nSubject: far\r\nMessage-ID: <far@example.org>\r\n\r\nfar\r\n"
session.append("INBOX", None, None, raw)
last = session.search(None, "SUBJECT", '"fill 24"')[1][0].split()[-10:]
session.store(b",".join(last).decode(), "+FLAGS", "(\\Deleted)")
session.expunge()
session.logout()
END
far=$(count INBOX)
eq "far lost ten and has one more" "$far" 241
sync "third sync"
eq "far" "$(count INBOX)" "$(near INBOX)"
eq "far flagged" "$(look flagged INBOX)" 15
before=$(count INBOX)
sync "fourth sync"
eq "far the same" "$(count INBOX)" "$before"
eq "near the same" "$(near INBOX)" "$before"
finish

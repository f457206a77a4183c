#!/usr/bin/env bash
# neomutt on a terminal of tmux: open, read, flag, delete, file, notice new mail; its screens are
# checked. Sends where there is submission.
. "$(dirname "$0")/lib.sh"
wipe
fill INBOX 30
cat >"$W/rc" <<END
set imap_user="$USER" imap_pass="$PASS" folder="imaps://$NAME:$IMAPS/"
set spoolfile="+INBOX" record="+Sent" postponed="+Drafts" trash="+Trash"
set from="$USER" realname="Alice" ssl_force_tls=yes ssl_starttls=yes
set ssl_ca_certificates_file="$CA" header_cache="$W/headers" sort=date
set confirmappend=no confirmcreate=no delete=yes quit=yes editor="true" beep=no move=no
set abort_unmodified=no abort_nosubject=no edit_headers=no fast_reply=yes copy=yes
set mail_check=2 timeout=2 imap_keepalive=10 imap_idle=yes imap_condstore=yes imap_qresync=yes
END
messages=30
if [ -n "$SUB$SUBS" ]; then
  echo "set smtp_url=\"smtps://$USER@$NAME:$SUBS/\" smtp_pass=\"$PASS\"" >>"$W/rc"
  check "batch send" timeout 60 sh -c \
    "echo hello | neomutt -F $W/rc -n -s 'batch send' -- $USER"
  check "batch arrived" waitcount INBOX 31
  messages=31
fi

terminal() { tmux -S "$W/tmux" -f /dev/null "$@"; }
screen() { terminal capture-pane -p; }
key() { terminal send-keys "$@"; }
seen() { # NAME PATTERN: waits up to 15 s for the screen to show it
  for _ in $(seq 75); do
    if screen | grep -qE -- "$2"; then
      ok "$1"
      return
    fi
    sleep 0.2
  done
  bad "$1: screen lacks /$2/"
  screen | grep -v '^$' | tail -n 12
}
letter() { # SUBJECT: appended by another session
  SUBJECT=$1 "$PY" - <<'END'
import os
import look
session = look.connect()
lines = ["From: late@example.org", "To: a@example.org", "Subject: " + os.environ["SUBJECT"]]
lines += ["Date: Fri, 01 Mar 2024 10:00:00 +0000", "", "late", ""]
session.append("INBOX", None, None, "\r\n".join(lines).encode())
session.logout()
END
}

terminal new-session -d -x 120 -y 40 "neomutt -F $W/rc -n 2>$W/errors; echo EXIT \$?; sleep 100"
seen "index" "fill 29"
seen "message count" "Msgs:$messages"
key Home
key Enter
seen "message shown" 'Body 0'
key q
seen "back in the index" "Msgs:$messages"
key F
seen "flagged" '! .*fill 0|!.*Sender 0'
key D '~s "fill 2"' Enter
seen "marked" 'Del:11'
key '$'
seen "synced" "Msgs:$((messages - 11))"
check "trash got 11" waitcount Trash 11
key s '=Archive' Enter
seen "filed" 'Del:1'
key '$'
seen "synced again" "Msgs:$((messages - 12))"
letter latecomer
seen "new mail noticed" 'latecomer'
if [ -n "$SUB$SUBS" ]; then
  key m "$USER2" Enter
  key "tmux sent" Enter
  seen "compose" 'Send'
  key y
  seen "sent" '(Mail sent|Msgs:)'
  check "the other got it" waitcount INBOX 1 "$USER2" "$PASS2"
fi
key c '=Archive' Enter
seen "folder change" 'Archive'
key q
seen "clean exit" 'EXIT 0'
terminal kill-server
eq "flagged on the server" "$(look flagged INBOX)" 1
eq "archive got one" "$(count Archive)" 1
finish

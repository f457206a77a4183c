#!/usr/bin/env bash
# curl: IMAP and POP3, STARTTLS and implicit TLS, and SMTP
. "$(dirname "$0")/lib.sh"
wipe
curl_() { curl -sS --max-time 30 --ssl-reqd --user "$USER:$PASS" "$@"; }

printf 'From: %s\r\nTo: %s\r\nSubject: curl smtp\r\n\r\nhello curl\r\n.dot line\r\n..two dots\r\n' \
  "$USER" "$USER" >"$W/mail"
arrived=2
for _ in 1 2; do
  check "smtp 25" curl -sS --max-time 30 --ssl-reqd --mail-from x@example.org \
    --mail-rcpt "$USER" -T "$W/mail" "smtp://$NAME:$SMTP"
done
if [ -n "$SUB$SUBS" ]; then
  check "smtp 587" curl_ --mail-from "$USER" --mail-rcpt "$USER" -T "$W/mail" "smtp://$NAME:$SUB"
  check "smtps 465" curl_ --mail-from "$USER" --mail-rcpt "$USER" -T "$W/mail" "smtps://$NAME:$SUBS"
  arrived=4
fi
check "arrived" waitcount INBOX $arrived

drafts=0
for url in "imap://$NAME:$IMAP" "imaps://$NAME:$IMAPS"; do
  kind=${url%%:*}
  match "$kind list" "$(curl_ "$url/" 2>&1)" 'INBOX'
  match "$kind capability" "$(curl_ "$url" -X CAPABILITY 2>&1)" 'IMAP4rev1'
  o=$(curl_ "$url/INBOX;MAILINDEX=1" | tr -d '\r')
  match "$kind fetch" "$o" '^hello curl'
  match "$kind dot" "$o" '^\.dot line'
  match "$kind two dots" "$o" '^\.\.two dots'
  match "$kind search" "$(curl_ "$url/INBOX" -X 'SEARCH SUBJECT curl')" 'SEARCH 1 2'
  o=$(curl_ "$url/INBOX;MAILINDEX=2;SECTION=HEADER.FIELDS%20(SUBJECT)")
  match "$kind header" "$o" 'Subject: curl smtp'
  check "$kind append" curl_ -T "$W/mail" "$url/Drafts"
  drafts=$((drafts + 1))
  match "$kind flags" "$(curl_ "$url/INBOX" -X 'UID FETCH 1:* (FLAGS)' 2>&1)" 'FLAGS \('
  o=$(curl_ "$url" -X 'STATUS Drafts (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)' 2>&1)
  match "$kind status" "$o" "MESSAGES $drafts"
  for mechanism in PLAIN LOGIN; do
    check "$kind $mechanism" curl_ --login-options AUTH=$mechanism "$url/"
  done
done

for url in "pop3://$NAME:$POP3" "pop3s://$NAME:$POP3S"; do
  kind=${url%%:*}
  match "$kind list" "$(curl_ "$url/")" '^2 [0-9]+'
  o=$(curl_ "$url/1" | tr -d '\r')
  match "$kind retr" "$o" '^hello curl'
  match "$kind dot" "$o" '^\.dot line'
  match "$kind two dots" "$o" '^\.\.two dots'
  match "$kind uidl" "$(curl_ "$url/" -X UIDL)" '^2 [!-~]+'
  match "$kind top" "$(curl_ "$url/" -X 'TOP 1 0')" 'Subject: curl smtp'
  for mechanism in PLAIN LOGIN; do
    check "$kind $mechanism" curl_ --login-options AUTH=$mechanism "$url/"
  done
done
check "pop3 dele" curl_ "pop3s://$NAME:$POP3S/1" -X DELE -I
check "one less" waitcount INBOX $((arrived - 1))

# A peer at another address than the server's own is not trusted with clear text.
for url in "imap://$NAME:$IMAP/" "pop3://$NAME:$POP3/"; do
  if curl -sS --interface 127.0.0.9 --max-time 20 --user "$USER:$PASS" "$url" >/dev/null 2>&1; then
    bad "${url%%:*} clear-text log-in refused"
  else
    ok "${url%%:*} clear-text log-in refused"
  fi
done
result=0
curl -sS --max-time 20 --ssl-reqd --user "$USER:wrong" "imaps://$NAME:$IMAPS/" \
  >/dev/null 2>&1 || result=$?
eq "wrong password is curl's 67" $result 67
finish

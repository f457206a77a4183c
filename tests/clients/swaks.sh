#!/usr/bin/env bash
# swaks: SMTP features, TLS, recipient rules, delivery; log-in and submission where offered
. "$(dirname "$0")/lib.sh"
wipe
wipe "$USER2" "$PASS2"
outside=x@example.org

swaks_() {
  timeout 40 swaks --helo client.example --timeout 20 --tls-ca-path "$CA" --tls-verify "$@" 2>&1
}
receive() { swaks_ --server "$NAME:$SMTP" --from $outside "$@"; }
refused='<[~*]\*'

o=$(receive --quit-after EHLO)
for word in PIPELINING 'SIZE [0-9]+' 8BITMIME STARTTLS ENHANCEDSTATUSCODES SMTPUTF8 CHUNKING DSN; do
  match "25 offers $word" "$o" "250[- ]$word"
done
nomatch "25 offers no AUTH before TLS" "$o" '250[- ]AUTH'
nomatch "25 offers no BINARYMIME" "$o" 'BINARYMIME'

o=$(receive --tls --to "$USER" --header "Subject: sw tls")
match "25 STARTTLS delivery" "$o" '<~  250 .*'
match "25 certificate verified" "$o" 'TLS started with cipher TLSv1\.[23]'
nomatch "25 offers no STARTTLS in TLS" "$(sed -n '/TLS started/,$p' <<<"$o")" '250[- ]STARTTLS'
o=$(receive --to "$USER" --header "Subject: sw plain")
nomatch "25 plain delivery" "$o" "$refused"
o=$(receive --to someone@example.net)
match "25 refuses to relay" "$o" '<\*\* +55[0-9]'
o=$(receive --to "nobody-here@$DOMAIN")
match "25 refuses an unknown recipient" "$o" '<\*\* +550'
o=$(receive --to "nobody-here@$DOMAIN,$USER" --header "Subject: sw half")
match "25 takes the known of two recipients" "$o" '<-  250.*'
o=$(swaks_ --server "$NAME:$SMTP" --from '<>' --to "$USER" --header "Subject: sw null")
nomatch "25 null sender" "$o" "$refused"
o=$(receive --to "$USER,$USER2" --header "Subject: sw two")
nomatch "25 two recipients" "$o" "$refused"
if [ -n "${PEER:-}" ]; then plus=$USER; else plus=${USER%@*}+lists@$DOMAIN; fi
o=$(receive --to "$plus" --header "Subject: sw plus")
nomatch "25 plus address" "$o" "$refused"
o=$(receive --pipeline --tls --to "$USER2" --header "Subject: sw pipelined")
nomatch "25 PIPELINING" "$o" "$refused"
head -c 3000000 /dev/urandom >"$W/blob"
o=$(receive --tls --to "$USER2" --attach "@$W/blob" --header "Subject: sw blob" --suppress-data)
nomatch "25 4 MB attachment" "$o" "$refused"
o=$(receive --tls --to "$USER2" --header "Subject: Überraschung ☃" --body "Grüße")
nomatch "25 8-bit body" "$o" "$refused"

here=6 there=4
if [ -n "$SUB$SUBS" ]; then
  submit() {
    local mechanism=$1
    shift
    swaks_ --auth "$mechanism" --auth-user "$USER" --auth-password "$PASS" --from "$USER" "$@"
  }
  o=$(swaks_ --server "$NAME:$SUB" --from "$USER" --to "$USER2")
  match "587 refuses without TLS" "$o" '<\*\* +5'
  o=$(swaks_ --server "$NAME:$SUB" --tls --from "$USER" --to "$USER2")
  match "587 refuses without log-in" "$o" '<[~*]\* +5'
  o=$(swaks_ --server "$NAME:$SUB" --tls --quit-after EHLO)
  match "587 offers AUTH in TLS" "$o" '<~  250[- ]AUTH.*PLAIN'
  for mechanism in PLAIN LOGIN; do
    o=$(submit $mechanism --server "$NAME:$SUB" --tls --to "$USER2" --header "Subject: sw 587")
    nomatch "587 $mechanism" "$o" "$refused"
    match "587 $mechanism accepted" "$o" '<~  235'
    o=$(submit $mechanism --server "$NAME:$SUBS" --tlsc --to "$USER2" --header "Subject: sw 465")
    nomatch "465 $mechanism" "$o" "$refused"
    match "465 $mechanism accepted" "$o" '<~  235'
  done
  there=$((there + 4))
  for who in "$USER" "nobody@$DOMAIN"; do
    o=$(swaks_ --server "$NAME:$SUBS" --tlsc --auth PLAIN --auth-user "$who" \
      --auth-password wrong --from "$USER" --to "$USER2")
    match "wrong password 535 for $who" "$o" '<~\* +535'
  done
fi

check "USER got $here" waitcount INBOX $here
check "USER2 got $there" waitcount INBOX $there "$USER2" "$PASS2"
o=$(curl -sS --user "$USER2:$PASS2" "imaps://$NAME:$IMAPS/INBOX;MAILINDEX=1" 2>&1)
match "Return-Path added" "$o" '^Return-Path: <x@example\.org>'
match "Received added" "$o" '^Received: from client\.example'
o=$(curl -sS --user "$USER2:$PASS2" "imaps://$NAME:$IMAPS/INBOX" -X 'SEARCH LARGER 4000000' 2>&1)
match "attachment is there" "$o" '^\* SEARCH [0-9]+'
finish

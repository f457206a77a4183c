#!/usr/bin/env bash
# mpop, fetchmail and getmail6 pull over POP3 and IMAP, STARTTLS and implicit TLS;
# msmtp sends where there is submission
. "$(dirname "$0")/lib.sh"
wipe

letters() { # FROM TO NUMBER
  printf 'From: %s\r\nTo: %s\r\nSubject: pull %s\r\n\r\nbody\r\n.dot\r\nFrom line\r\n' "$@"
}
for n in 1 2 3 4; do
  letters x@example.org "$USER" $n >"$W/mail"
  check "letter $n" curl -sS --ssl-reqd --mail-from x@example.org --mail-rcpt "$USER" \
    -T "$W/mail" "smtp://$NAME:$SMTP"
done
mail=4

if [ -n "$SUB$SUBS" ]; then
  cat >"$W/msmtprc" <<END
defaults
tls on
tls_trust_file $CA
auth on
user $USER
password $PASS
from $USER
account sub
host $NAME
port $SUB
tls_starttls on
account subs
host $NAME
port $SUBS
tls_starttls off
END
  chmod 600 "$W/msmtprc"
  for account in sub subs; do
    for mechanism in plain login; do
      letters "$USER" "$USER" $account | tr -d '\r' >"$W/mail"
      check "msmtp $account $mechanism" sh -c \
        "msmtp -C $W/msmtprc -a $account --auth=$mechanism $USER <$W/mail"
      mail=$((mail + 1))
    done
  done
fi
check "arrived" waitcount INBOX $mail

maildir() { mkdir -p "$W/$1/cur" "$W/$1/new" "$W/$1/tmp"; }
pulled() { find "$W/$1/new" "$W/$1/cur" -type f 2>/dev/null | wc -l; }

# --- mpop
mpop_config() { # NAME KEEP: two accounts that deliver to NAME and NAME-s
  maildir "$1"
  maildir "$1-s"
  cat >"$W/$1.rc" <<END
defaults
host $NAME
tls on
tls_trust_file $CA
user $USER
password $PASS
keep $2
account p3
port $POP3
tls_starttls on
uidls_file $W/$1.uidls
delivery maildir $W/$1
account p3s
port $POP3S
tls_starttls off
uidls_file $W/$1-s.uidls
delivery maildir $W/$1-s
END
  chmod 600 "$W/$1.rc"
}
mpop_config mpop on
check "mpop STLS" mpop -C "$W/mpop.rc" p3
eq "mpop got" "$(pulled mpop)" $mail
check "mpop again" mpop -C "$W/mpop.rc" p3
eq "mpop again got no more (UIDL)" "$(pulled mpop)" $mail
check "mpop pop3s" mpop -C "$W/mpop.rc" p3s
eq "mpop pop3s got" "$(pulled mpop-s)" $mail
check "dots are right" grep -rqE '^\.dot' "$W/mpop"
for mechanism in user plain login scram-sha-256; do
  check "mpop --auth=$mechanism" mpop -C "$W/mpop.rc" --auth=$mechanism --auth-only p3s
done

# --- fetchmail
fetch() { # NAME PROTOCOL PORT SERVER-OPTIONS USER-OPTIONS
  local box=fetchmail-$1 result=0
  maildir "$box"
  cat >"$W/$box.mda" <<END
#!/bin/sh
cat >$W/$box/new/\$\$.\$(date +%N)
END
  chmod 755 "$W/$box.mda"
  cat >"$W/$box.rc" <<END
set idfile $W/$box.ids
poll $NAME protocol $2 service $3 $4 user "$USER" password "$PASS" $5 sslcertck
  sslcertfile "$CA" keep mda "$W/$box.mda"
END
  chmod 600 "$W/$box.rc"
  FETCHMAILHOME=$W timeout 60 fetchmail -v --nodetach --nosyslog -f "$W/$box.rc" \
    >"$W/$box.log" 2>&1 || result=$?
  eq "fetchmail $1 status" $result 0
  eq "fetchmail $1 got" "$(pulled "$box")" $mail
}
fetch pop3s pop3 "$POP3S" uidl ssl
fetch pop3 pop3 "$POP3" uidl "sslproto tls1.2+"
fetch imaps imap "$IMAPS" "" "ssl fetchall"
fetch imap imap "$IMAP" "" "sslproto tls1.2+ fetchall"

# --- getmail6
pull() { # NAME TYPE PORT EXTRA
  local box=getmail-$1
  maildir "$box"
  mkdir -p "$W/getmail"
  cat >"$W/$box.rc" <<END
[retriever]
type = $2
server = $NAME
port = $3
username = $USER
password = $PASS
ca_certs = $CA
$4
[destination]
type = Maildir
path = $W/$box/
[options]
read_all = false
delete = false
END
  # getmail refuses to deliver as root; in a user namespace of its own it is nobody.
  local run=(timeout 60 unshare --user getmail --getmaildir "$W/getmail" --rcfile "$W/$box.rc")
  check "getmail $1" "${run[@]}"
  eq "getmail $1 got" "$(pulled "$box")" $mail
  check "getmail $1 again" "${run[@]}"
  eq "getmail $1 again got no more" "$(pulled "$box")" $mail
}
pull pop3s SimplePOP3SSLRetriever "$POP3S"
pull imaps SimpleIMAPSSLRetriever "$IMAPS" 'mailboxes = ("INBOX",)'

# --- the last one takes the letters away
mpop_config mpop-away off
check "mpop taking away" mpop -C "$W/mpop-away.rc" p3
eq "mpop took" "$(pulled mpop-away)" $mail
check "mailbox empty" waitcount INBOX 0
finish

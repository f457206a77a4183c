#!/usr/bin/env bash
# sslscan on every TLS port: protocols, ciphers, old holes; and the chain and name by openssl
. "$(dirname "$0")/lib.sh"

scan() { # PORT [STARTTLS-OPTION]
  local o
  o=$(timeout 90 sslscan --no-colour "${@:2}" "$HOST:$1" 2>&1)
  match "$1 TLS 1.2" "$o" 'TLSv1\.2 +enabled'
  match "$1 TLS 1.3" "$o" 'TLSv1\.3 +enabled'
  nomatch "$1 old protocols" "$o" '(SSLv2|SSLv3|TLSv1\.0|TLSv1\.1) +enabled'
  nomatch "$1 weak ciphers" "$o" '^(Accepted|Preferred).*(RC4|DES|NULL|EXP|anon|ADH|AECDH|MD5)'
  nomatch "$1 compression" "$o" 'Compression enabled'
  nomatch "$1 heartbleed" "$(grep -v 'not vulnerable' <<<"$o")" ' vulnerable to heartbleed'
  nomatch "$1 insecure renegotiation" "$o" 'Insecure session renegotiation supported'
}
scan "$SMTP" --starttls-smtp
scan "$IMAP" --starttls-imap
scan "$IMAPS"
scan "$POP3" --starttls-pop3
scan "$POP3S"
if [ -n "$SUB$SUBS" ]; then
  scan "$SUB" --starttls-smtp
  scan "$SUBS"
fi

for port in "$SMTP -starttls smtp" "$IMAP -starttls imap" "$POP3 -starttls pop3" \
  "$IMAPS" "$POP3S"; do
  # shellcheck disable=SC2086  # port and options are words
  o=$(openssl s_client -connect $NAME:$port -CAfile "$CA" -verify_hostname "$NAME" \
    -verify_return_error </dev/null 2>&1 | tr -d "\0")
  match "${port%% *} chain and name" "$o" 'Verify return code: 0'
done
finish

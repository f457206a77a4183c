#!/usr/bin/env bash
# Log-in mechanisms: GNU gsasl over IMAP and submission (STARTTLS), with and without channel
# binding, gsasl's tokens carried over POP3, and every binding and refusal by sasl.py
. "$(dirname "$0")/lib.sh"

gsasl_() { # MECHANISM PASSWORD OPTIONS...
  timeout 30 gsasl --imap --connect="$NAME:$IMAP" --starttls --x509-ca-file="$CA" --verbose \
    --mechanism="$1" --authentication-id="$USER" --password="$2" \
    "${@:3}" </dev/null 2>&1
}
# It takes the STARTTLS it is offered; made to (--starttls), gsasl says it before EHLO.
gsasl_smtp() { # MECHANISM PASSWORD OPTIONS...
  timeout 30 gsasl --smtp --connect="$NAME:$SUB" --x509-ca-file="$CA" --verbose \
    --mechanism="$1" --authentication-id="$USER" --password="$2" \
    "${@:3}" </dev/null 2>&1
}
let_in='Client authentication finished \(server trusted\)'

for mechanism in PLAIN LOGIN SCRAM-SHA-256; do
  o=$(gsasl_ $mechanism "$PASS" --no-cb)
  match "gsasl $mechanism" "$o" "$let_in"
  o=$(gsasl_ $mechanism wrong --no-cb)
  nomatch "gsasl $mechanism, wrong password" "$o" "$let_in"
done
if [ -z "${PEER:-}" ]; then
  # GnuTLS 3.7 with TLS 1.3 gives gsasl 2.2 tls-exporter; tls-server-end-point it does not know.
  o=$(gsasl_ SCRAM-SHA-256-PLUS "$PASS" --priority=NORMAL:-VERS-ALL:+VERS-TLS1.3)
  match "gsasl SCRAM-SHA-256-PLUS with tls-exporter" "$o" "$let_in"
  o=$(gsasl_ SCRAM-SHA-256-PLUS wrong --priority=NORMAL:-VERS-ALL:+VERS-TLS1.3)
  nomatch "gsasl SCRAM-SHA-256-PLUS, wrong password" "$o" "$let_in"
  if [ -n "$SUB" ]; then
    o=$(gsasl_smtp SCRAM-SHA-256 "$PASS" --no-cb)
    match "gsasl SCRAM-SHA-256 on submission" "$o" "$let_in"
    # It is not in EHLO's list (neomutt would take it and fail), and done for who asks for it.
    o=$(gsasl_smtp SCRAM-SHA-256-PLUS "$PASS" --priority=NORMAL:-VERS-ALL:+VERS-TLS1.3)
    match "gsasl SCRAM-SHA-256-PLUS on submission" "$o" "$let_in"
    o=$(gsasl_smtp SCRAM-SHA-256-PLUS wrong --priority=NORMAL:-VERS-ALL:+VERS-TLS1.3)
    nomatch "gsasl SCRAM-SHA-256-PLUS on submission, wrong password" "$o" "$let_in"
  fi
fi
"$PY" "$HERE/sasl.py"
[ $? = 0 ] || failed=$((failed + 1))
finish

# Sourced by every script here. Parameters by environment (tests/clients/run sets them):
#   HOST (a 127.x address)   SMTP SMTPS IMAP IMAPS POP3 POP3S (ports)
#   SUB SUBS (submission ports; checks that need them are left out while they are empty)
#   DOMAIN NAME (the server's TLS name)   USER PASS USER2 PASS2   CA (PEM file)
#   PY (Python with the packages)   NODE_PATH   VERBOSE=1 lists checks   KEEP=1 keeps the folder
# Runs the script again in a private mount namespace where /etc/hosts maps NAME to HOST and the
# system's CA bundle also holds CA: clients really check the certificate, and nothing on the
# machine itself is changed.

: "${HOST:=127.0.0.1}" "${SUB:=}" "${SUBS:=}"
: "${SMTP:?}" "${IMAP:?}" "${IMAPS:?}" "${POP3:?}" "${POP3S:?}"
: "${DOMAIN:?}" "${NAME:?}" "${USER:?}" "${PASS:?}" "${USER2:?}" "${PASS2:?}" "${CA:?}"
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PY=${PY:-$HERE/../../.tools/venv/bin/python3}
export HOST SMTP SUB SUBS IMAP IMAPS POP3 POP3S DOMAIN NAME USER PASS USER2 PASS2 CA PY HERE
case "$HOST" in
  127.* | ::1) ;;
  *) echo "HOST must be loopback" >&2; exit 2 ;;
esac

if [ -z "${IN_NAMESPACE:-}" ]; then
  own=()
  [ "$(id -u)" = 0 ] || own=(--map-root-user)
  IN_NAMESPACE=1 exec unshare "${own[@]}" --mount --propagation private \
    timeout -k 10 "${LIMIT:-280}" bash "$0" "$@"
fi

W=$(mktemp -d /tmp/mailroom-client.XXXXXX)
export W HOME=$W XDG_CONFIG_HOME=$W/.config XDG_CACHE_HOME=$W/.cache
export XDG_DATA_HOME=$W/.local/share LC_ALL=C.UTF-8 PYTHONPATH=$HERE
leave() {
  local result=$?
  if [ -n "${KEEP:-}" ]; then echo "work folder $W" >&2; else rm -rf "$W"; fi
  exit $result
}
trap leave EXIT

cat >"$W/hosts" <<END
127.0.0.1 localhost $(hostname)
$HOST $NAME
END
mount --bind "$W/hosts" /etc/hosts
bundle=/etc/ssl/certs/ca-certificates.crt
cat "$CA" >"$W/ca-bundle.crt"
if [ -f $bundle ]; then
  cat $bundle >>"$W/ca-bundle.crt"
  mount --bind "$W/ca-bundle.crt" $bundle
fi

passed=0
failed=0
ok() { passed=$((passed + 1)); [ -z "${VERBOSE:-}" ] || echo "ok   $*"; }
bad() { failed=$((failed + 1)); echo "FAIL $*"; }

# check NAME COMMAND...: the command succeeds (its output goes to $W/out.log)
check() {
  local name=$1 result=0
  shift
  "$@" >"$W/last.log" 2>&1 || result=$?
  cat "$W/last.log" >>"$W/out.log"
  if [ $result = 0 ]; then
    ok "$name"
  else
    bad "$name (status $result): $(tail -n 4 "$W/last.log" | head -c 600 | tr '\n' '|')"
  fi
}
# eq NAME GOT WANTED
eq() { if [ "$2" = "$3" ]; then ok "$1"; else bad "$1: got '$2', want '$3'"; fi; }
# match NAME TEXT PATTERN, nomatch likewise
match() {
  if grep -qE -- "$3" <<<"$2"; then ok "$1"; else
    bad "$1: /$3/ not in: $(tail -c 900 <<<"$2" | tr '\r\n' ' |')"
  fi
}
nomatch() {
  local line
  if line=$(grep -m1 -E -- "$3" <<<"$2"); then bad "$1: /$3/ found: $line"; else ok "$1"; fi
}

look() { "$PY" "$HERE/look.py" "$@"; }
wipe() { look wipe "$@"; }           # [user password]: leaves the standard mailboxes, empty
count() { look count "$@"; }         # MAILBOX [user password]: messages in it
waitcount() { look waitcount "$@"; } # MAILBOX N [user password]: waits up to 20 s for N
fill() { look fill "$@"; }           # MAILBOX N: appends N messages, every third seen

finish() {
  echo "$(basename "$0"): $passed passed, $failed failed"
  [ $failed = 0 ] && [ $passed -gt 0 ]
  exit
}

#!/usr/bin/env bash
# imapflow (npm), the client library of many web mailers
. "$(dirname "$0")/lib.sh"
wipe
fill INBOX 20
NODE_PATH=${NODE_PATH:-$HERE/../../.tools/node/node_modules} NODE_EXTRA_CA_CERTS=$CA \
  node "$HERE/imapflow.js"

#!/usr/bin/env bash
# nodemailer (npm), the library by which web applications send
. "$(dirname "$0")/lib.sh"
wipe
NODE_PATH=${NODE_PATH:-$HERE/../../.tools/node/node_modules} NODE_EXTRA_CA_CERTS=$CA \
  node "$HERE/nodemailer.js"

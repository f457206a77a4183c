#!/usr/bin/env bash
# python.sh SCRIPT.py [arguments]: a Python script in the same private namespace as the shell's
. "$(dirname "$0")/lib.sh"
"$PY" "$@"

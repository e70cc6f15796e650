#!/bin/sh
# Prints the todos of the user who created the key. Reads the key from a file: arguments are visible in process lists.
set -eu
: "${LATCHKEY:=http://localhost:3000}"
: "${KEY_FILE:=latchkey-key}"
printf 'header = "Authorization: Bearer %s"\n' "$(cat "$KEY_FILE")" |
  curl --fail --silent --show-error --config - "$LATCHKEY/v1/todos"

#!/usr/bin/env bash
# npm start: sets up what is missing, then runs postern on the default interface with the shipped
# example. Further arguments go to `postern run` (a later -c or -i wins over these).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/scripts/setup.sh" run
cd "$root"
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
example=config/knockd.conf

# postern refuses a configuration that others could change (T8). That is right for a machine's own
# file; the example in a clone may be its group's (umask 002) or, with sudo, another user's.
chmod go-w "$example" 2>/dev/null || true
arguments=(-c "$example")
if [ "$EUID" != 0 ]; then
  # /var/lib/postern is root's.
  arguments+=(--state-dir "$root/.postern")
elif [ "$(stat -c %u "$example")" != 0 ]; then
  install -d -m 700 /var/lib/postern
  install -m 600 "$example" /var/lib/postern/example.conf
  arguments=(-c /var/lib/postern/example.conf)
  echo "Reading $example as the copy /var/lib/postern/example.conf, which is root's." >&2
fi
exec node dist/src/cli/postern.js run "${arguments[@]}" "$@"

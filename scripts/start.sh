#!/usr/bin/env bash
# npm start: sets up what is missing, then runs postern on the default interface with the shipped
# example. Further arguments go to `postern run` (a later -c or -i wins over these).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/scripts/setup.sh" run
cd "$root"
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
arguments=(-c config/knockd.conf)
# /var/lib/postern is root's.
[ "$EUID" = 0 ] || arguments+=(--state-dir "$root/.postern")
# A clone made with umask 002 is writable by its group, and postern refuses such a configuration.
chmod go-w config/knockd.conf 2>/dev/null || true
exec node dist/src/cli/postern.js run "${arguments[@]}" "$@"

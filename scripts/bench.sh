#!/usr/bin/env bash
# npm run bench: knock to start command, postern beside knockd and the floor, in one run. Needs root.
# COUNT knocks each (100).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
[ "$EUID" = 0 ] || { echo "The bench makes two network namespaces, which takes root: sudo npm run bench" >&2; exit 1; }
bash "$root/scripts/setup.sh" test
cd "$root"
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
exec node dist/bench/knock-to-command.js "$@"

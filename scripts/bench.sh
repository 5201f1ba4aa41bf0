#!/usr/bin/env bash
# npm run bench: knockd and postern measured in turn, beside the goals; the results go to
# bench/results. Needs root, but for --report. What else it takes: npm run bench -- --help
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
case " $* " in
  *' --report '* | *' --help '*) ;;
  *) [ "$EUID" = 0 ] || { echo "The bench makes network namespaces, which takes root: sudo npm run bench" >&2; exit 1; } ;;
esac
bash "$root/scripts/setup.sh" test
cd "$root"
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
exec node dist/bench/main.js "$@"

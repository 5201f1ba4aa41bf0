#!/usr/bin/env bash
# npm run bench:cluster: completions that a cluster of one, two and three hosts sustains, and what they
# cost the shared Redis. The results go to bench/results/cluster.json. The best of
# ROUNDS (4) of MS milliseconds (600).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/scripts/setup.sh" test
cd "$root"
exec node dist/bench/cluster.js "$@"

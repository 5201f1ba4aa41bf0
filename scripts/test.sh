#!/usr/bin/env bash
# npm test: sets up what is missing, then runs every test. Further arguments go to mocha
# (npm test -- --grep journal). End-to-end tests need root; with CI=true a skip is a failure.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/scripts/setup.sh" test
cd "$root"
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
options=(--reporter scripts/reporter.cjs --fail-zero)
[ "${CI:-}" != true ] || options+=(--forbid-only --retries 1)
exec node node_modules/mocha/bin/mocha.js "${options[@]}" "$@"

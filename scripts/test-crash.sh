#!/usr/bin/env bash
# npm run test:crash: the crash tests at their full figures (200 kills; CRASH_KILLS says how many).
# A run prints its seed; CRASH_SEED=N replays its choices. Needs root.
set -euo pipefail

export CRASH_KILLS=${CRASH_KILLS:-200} CRASH_PAUSES=${CRASH_PAUSES:-50}
folder=$(dirname "${BASH_SOURCE[0]}")
exec bash "$folder/test.sh" --no-config --timeout 20000 'dist/test/crash/**/*.test.js' "$@"

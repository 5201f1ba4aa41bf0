#!/usr/bin/env bash
# npm run test:faults: Redis away, flushed and on a full disk, links that go, at their full figures.
# FAULTS_SEED=N replays a run's choices. Needs root.
set -euo pipefail

export FAULTS_AWAY_SECONDS=${FAULTS_AWAY_SECONDS:-60} FAULTS_FLUSHES=${FAULTS_FLUSHES:-200}
export FAULTS_LINKS=${FAULTS_LINKS:-50}
folder=$(dirname "${BASH_SOURCE[0]}")
exec bash "$folder/test.sh" --no-config --timeout 20000 'dist/test/faults/**/*.test.js' "$@"

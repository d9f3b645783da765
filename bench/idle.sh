#!/usr/bin/env bash
# memory of serve + runner + worker at rest, and time from start to ready
#   --rounds N (default 5) starts
set -eu
exec /usr/bin/python3 -B -m bench.idle "$@"

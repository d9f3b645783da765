#!/usr/bin/env bash
# durable webhook intake beside a bare libmicrohttpd that stores nothing; then kill -9 in the middle of a load
#   --seconds N (default 6) of each measurement, --rounds N (default 3), --connections N (default 64)
set -eu
command -v wrk >/dev/null || { echo "intake: install wrk" >&2; exit 1; }
exec /usr/bin/python3 -B -m bench.intake --bare build/bench_bare_mhd "$@"

#!/usr/bin/env bash
# webhook sent → first output byte of its runbook's SSH command stored, warm, beside plain SSH exec on a warm connection
#   --count N (default 200) measurements of each, in turns
set -eu
exec /usr/bin/python3 -B -m bench.latency --bare build/bench_bare_ssh "$@"

#!/usr/bin/env bash
# 100,000 calls of a Lua function, with and without the way to the loop, and 1,000 trivial runs, beside bare Lua and busted
#   --rounds N (default 5) in turns
set -eu
exec /usr/bin/python3 -B -m bench.lua --bare build/bench_bare_lua "$@"

#!/usr/bin/env bash
# lint of 10,000 runbooks made from examples/ beside cmark-gfm and a bare libcmark-gfm parse of the same files
#   --count N (default 10000), --rounds N (default 5) in turns
set -eu
exec /usr/bin/python3 -B -m bench.lint --bare build/bench_bare_parse "$@"

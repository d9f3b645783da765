#!/usr/bin/env bash
# coverage of 10,000 manifests by 10,000 documents beside cmark-gfm and a plain libfyaml parse of the same bytes
#   --count N (default 10000) of each, --rounds N (default 5) in turns
set -eu
exec /usr/bin/python3 -B -m bench.coverage --bare build/bench_bare_parse "$@"

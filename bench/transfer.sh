#!/usr/bin/env bash
# one file to a host and back, with a process and a connection each time, beside scp and sftp
#   --mib N (default 24) its size; --rounds N (default 5) of each, in turns
set -eu
exec /usr/bin/python3 -B -m bench.transfer "$@"

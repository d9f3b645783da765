#!/usr/bin/env bash
# one command on many hosts, cold and warm, beside pdsh, clush, parallel-ssh, ansible raw and OpenSSH's ControlMaster
#   --hosts N,… (default 200) loopback addresses of one sshd; --full: 200 and 1,000; --at-once N (default 64); --rounds N (default 1);
#   --peers NAME,… of pdsh, clush, parallel-ssh, controlmaster, ansible (default: all that are installed); --cold: only that
set -eu
scripts/bootstrap fanout
exec /usr/bin/python3 -B -m bench.fanout "$@"

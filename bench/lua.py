"""lua: what a step's calls and a run cost by themselves.

calls: 100,000 of time.now(), which looks at the clock and returns, measured over 100 times as many; bare: a C function that does the
same, in a plain state of the same Lua library (bare_lua.c). services: 100,000 of sleep(0), which yields, is carried to the loop's thread, is over at once, and
resumes; bare: the same way between two threads with nothing on either side. runs: 1,000 cases of a runbook of one step through `hikeshi test`, each
with a run, a loop, a thread and a fresh Lua state of its own; busted: as many `it` of one assertion, which share all of that; lua: as many starts of
`lua -e ''`, one after the other."""
import argparse
import json
import os
import subprocess
import sys
import tempfile

from bench.measure import in_turns, lines, measured, put_out
from tests.box.support.server import HIKESHI

CALLS, RUNS = 100000, 1000
RUNBOOK = """---
hikeshi: 1
title: Calls
---
```lua {step=one effect=read timeout=2m}
local start = time.now()
for i = 1, %d do %s end
data.ms = (time.now() - start) * 1000
```
"""
TRIVIAL = """---
hikeshi: 1
title: Trivial
---
```lua {step=one effect=read}
check(1 + 1 == 2)
```
"""


def write(folder, name, text):
    with open(os.path.join(folder, name), "w") as file:
        file.write(text)


def write_all(folder):
    write(folder, "call.md", RUNBOOK % (CALLS * 100, "time.now()"))
    write(folder, "service.md", RUNBOOK % (CALLS, "sleep(0)"))
    write(folder, "trivial.md", TRIVIAL)
    write(folder, "trivial.test.yaml", "cases:\n" + "".join(f"  - {{name: case {n}, expect: {{state: succeeded}}}}\n" for n in range(RUNS)))
    write(folder, "trivial_spec.lua", "describe('trivial', function()\n" +
          "".join(f"  it('case {n}', function() assert(1 + 1 == 2) end)\n" for n in range(RUNS)) + "end)\n")
    write(folder, "starts.sh", f"for i in $(seq {RUNS}); do lua5.4 -e ''; done\n")


def of_step(folder, runbook, times):
    """Milliseconds as the step itself took them, for CALLS calls."""
    done = subprocess.run([HIKESHI, "run", runbook, "--json"], cwd=folder, capture_output=True, check=True, stdin=subprocess.DEVNULL)
    return {"wall": json.loads(done.stdout)["data"]["ms"] / times}


def of_bare(options, mode, times):
    done = subprocess.run([options.bare, mode, str(CALLS * times)], capture_output=True, check=True)
    return {"wall": int(done.stdout) / 1000 / times}


def runs(folder):
    figures, text = measured([HIKESHI, "test", ".", "--json"], folder)
    summary = json.loads(text)
    assert summary["passed"] == RUNS, text[-300:]
    return figures


def cases(options, folder):
    return {
        f"{CALLS} calls": {"hikeshi": lambda: of_step(folder, "call.md", 100), "bare": lambda: of_bare(options, "call", 100)},
        f"{CALLS} services": {"hikeshi": lambda: of_step(folder, "service.md", 1), "bare": lambda: of_bare(options, "bridge", 1)},
        f"{RUNS} runs": {"hikeshi": lambda: runs(folder), "busted": lambda: measured(["busted", "-o", "plainTerminal", "trivial_spec.lua"], folder)[0],
                         "lua": lambda: measured(["bash", "starts.sh"], folder)[0]},
    }


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench lua")
    parser.add_argument("--bare", required=True, type=os.path.abspath, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hikeshi-bench-", ignore_cleanup_errors=True) as folder:
        write_all(folder)
        put_out([line for case, contestants in cases(options, folder).items() for line in lines("lua", case, in_turns(contestants, options.rounds))],
                options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())

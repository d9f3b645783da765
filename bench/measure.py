"""measure: what benchmarks of whole commands share: one process measured, contestants in turns, the lines of --json."""
import json
import statistics
import subprocess
import time

MIB = 1024 * 1024
UNITS = {"wall": "ms", "cpu": "ms", "peak": "MiB"}


def measured(argv, cwd, stdin=None, statuses=(0, 1)):
    """{wall ms, cpu ms, peak MiB} of a process, and what it printed. time(1) starts it: a child of Python would inherit Python's own peak."""
    start = time.monotonic()
    done = subprocess.run(["time", "-q", "-f", "%U %S %M", *argv], cwd=cwd, stdin=open(stdin) if stdin else subprocess.DEVNULL, capture_output=True)
    wall = (time.monotonic() - start) * 1000
    assert done.returncode in statuses, done.stderr
    user, system, peak = (float(value) for value in done.stderr.split()[-3:])
    return {"wall": wall, "cpu": (user + system) * 1000, "peak": peak / 1024}, done.stdout


def in_turns(contestants, rounds):
    """The median of each figure of each contestant. The round before the first warms the page cache."""
    figures = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, contestant in contestants.items():
            taken = contestant()
            if turn:
                figures[name].append(taken)
    return {name: {metric: statistics.median(one[metric] for one in taken) for metric in taken[0]} for name, taken in figures.items()}


def lines(bench, case, figures):
    """One line of --json a metric; figures["hikeshi"] beside all others."""
    peers = [name for name in figures if name != "hikeshi"]
    return [{"bench": bench, "case": case, "metric": metric, "unit": UNITS[metric], "hikeshi": round(value, 1),
             "peers": {name: round(figures[name][metric], 1) for name in peers if metric in figures[name]}} for metric, value in figures["hikeshi"].items()]


def show(all_lines):
    """The same for people: a ratio is hikeshi's figure by the peer's."""
    case = None
    for line in all_lines:
        if line["case"] != case:
            case = line["case"]
            print(f"\n{case}")
        peers = "".join(f"{name:>20} {value:>9.1f} {line['hikeshi'] / value if value else 0:>6.2f}x" for name, value in line["peers"].items())
        print(f"  {line['metric'] + ', ' + line['unit']:<12}{line['hikeshi']:>10.1f}{peers}")


def put_out(all_lines, as_json):
    if not as_json:
        return show(all_lines)
    for line in all_lines:
        print(json.dumps(line))

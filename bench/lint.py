"""lint: `hikeshi lint` on a large repository, beside parsers that read the same files and say nothing about them.

Each example is copied many times under other names, beside the examples' inventory, teams and modules. cmark-gfm: the command, its HTML thrown
away; libraries: one process, libcmark-gfm on one file after another (bare_parse.c). hikeshi does the same, reads the YAML, compiles the Lua and
compares names, on all cores. The page cache is warm."""
import argparse
import glob
import json
import os
import re
import shutil
import sys
import tempfile

from bench.measure import MIB, in_turns, lines, measured, put_out
from tests.box.support.server import HIKESHI

EXAMPLES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "examples")


def varied(text, number):
    """Another title, heading and id, where there is one."""
    for pattern, with_number in ((r"^id: (.*)$", r"id: \1-{}"), (r"^title: (.*)$", r"title: \1 {}"), (r"^# (.*)$", r"# \1 ({})")):
        text = re.sub(pattern, with_number.format(number), text, count=1, flags=re.MULTILINE)
    return text


def write_repository(folder, count):
    """Paths of the runbooks and documents, below `folder`."""
    shutil.copytree(os.path.join(EXAMPLES, "hikeshi"), os.path.join(folder, "hikeshi"))
    sources = sorted(glob.glob(os.path.join(EXAMPLES, "runbooks", "**", "*.md"), recursive=True))
    texts = [open(path).read() for path in sources]
    paths = []
    for number in range(count):
        source = number % len(sources)
        name = f"runbooks/team-{number % 100}/{os.path.basename(sources[source])[:-3]}-{number}.md"
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(varied(texts[source], number))
        paths.append(name)
    return paths


def hikeshi(folder, count):
    figures, text = measured([HIKESHI, "lint", ".", "--json"], folder)
    found = json.loads(text)
    assert found["runbooks"] + found["documents"] == count, text[-200:]
    assert not [one for one in found["findings"] if one["level"] == "error"], found["findings"][:3]
    return figures


def measure(options, folder):
    paths = write_repository(folder, options.count)
    listing = os.path.join(folder, "paths")
    with open(listing, "w") as file:
        file.write("\n".join(paths) + "\n")
    contestants = {"hikeshi": lambda: hikeshi(folder, options.count),
                   "cmark-gfm": lambda: measured(["cmark-gfm", *paths], folder)[0],
                   "libraries": lambda: measured([os.path.abspath(options.bare)], folder, listing)[0]}
    size = sum(os.path.getsize(os.path.join(folder, path)) for path in paths) / MIB
    return in_turns(contestants, options.rounds), size


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench lint")
    parser.add_argument("--bare", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hikeshi-bench-", ignore_cleanup_errors=True) as folder:
        figures, size = measure(options, folder)
    put_out(lines("lint", f"{options.count} runbooks ({size:.0f} MiB)", figures), options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())

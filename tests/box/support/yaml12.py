"""yaml12: YAML as hikeshi and yaml-language-server read it (1.2, core schema): `on`, `22:30` and dates are text."""
import re

import yaml


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = {}


for _tag, _pattern, _first in [
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", list("-+0123456789.")),
]:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)


def load(text):
    return yaml.load(text, _Loader)


def front_matter(text):
    """The settings of a runbook, or None."""
    match = re.match(r"---\n(.*?\n)---\n", text, re.S)
    return load(match[1]) if match else None


def attributes(text):
    """The attribute lines of each step, as one map each."""
    for match in re.finditer(r"^```(lua|sh|bash) \{[^}\n]*step=[^}\n]*\}\n(.*?)^```$", text, re.M | re.S):
        prefix = "--|" if match[1] == "lua" else "#|"
        lines = [line[len(prefix):].lstrip() for line in match[2].split("\n") if line.startswith(prefix)]
        yield load("\n".join(lines)) or {}

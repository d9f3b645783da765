"""examples: the code blocks of README.md and docs/*.md, each with its place and its language."""
import re
import shlex
import textwrap
from dataclasses import dataclass
from pathlib import Path

import yaml

from . import yaml12

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# What the first word of a shell command may be.
PROGRAMS = ("hikeshi build-dev/hikeshi scripts/ git curl mkdir cp chgrp chmod tar gdb sqlite3 docker systemctl export sed").split()


@dataclass
class Block:
    page: str
    line: int
    language: str
    text: str

    @property
    def place(self):
        return f"{self.page}:{self.line}"


def looks_like_shell(text):
    lines = [line for line in text.split("\n") if line.strip() and not line.startswith("#")]
    return bool(lines) and re.sub(r"^[A-Z_]+=\S+ ", "", lines[0]).startswith(tuple(PROGRAMS))


def looks_like_yaml(text):
    try:
        return isinstance(yaml12.load(text), (dict, list))
    except yaml.YAMLError:
        return False


def language_of(text):
    """Of an indented block, which cannot say it; "" when it does not show."""
    if looks_like_shell(text):
        return "sh"
    if re.match(r"(local \w+ = |[\w.]+[({])", text) and not text.startswith("{"):
        return "lua"
    if looks_like_yaml(text):
        return "yaml"
    return ""


def blocks(page):
    lines, at, name = page.read_text().split("\n"), 0, str(page.relative_to(ROOT))
    while at < len(lines):
        fence = re.match(r"(`{3,})(.*)$", lines[at])
        end = at + 1
        if fence:
            while lines[end] != fence[1]:
                end += 1
            yield Block(name, at + 1, fence[2].strip(), "\n".join(lines[at + 1:end]) + "\n")
            end += 1
        elif lines[at].startswith("    ") and lines[at - 1] == "":
            while end < len(lines) and (lines[end].startswith("    ") or lines[end] == ""):
                end += 1
            text = textwrap.dedent("\n".join(lines[at:end])).strip("\n") + "\n"
            yield Block(name, at + 1, language_of(text), text)
        at = end


def all_blocks(language=None):
    return [block for page in PAGES for block in blocks(page) if language is None or block.language == language]


def commands(text):
    """Every simple command of a shell block, as words; variables and heredocs stay as they are."""
    text = re.sub(r"\\\n", " ", text)
    for line in join_quoted(text):
        words = shlex.shlex(line, posix=True, punctuation_chars=";&|<>")
        words.whitespace_split = True
        command = []
        for word in words:
            if set(word) <= set(";&|"):
                if command:
                    yield command
                command = []
            else:
                command.append(word)
        if command:
            yield command


def join_quoted(text):
    """Lines, those of one quoted word together."""
    line = ""
    for part in text.split("\n"):
        line += ("\n" if line else "") + part
        try:
            shlex.split(line, comments=True)
        except ValueError:
            continue
        yield line
        line = ""

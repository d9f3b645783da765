"""scripts/lua-api check, against trees in which one thing is missing; and what `hikeshi editor` writes."""
import shutil
import subprocess
from pathlib import Path

import pytest

from .support.server import HIKESHI

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tree(tmp_path):
    for folder in ("lua", "docs", "tests/unit", "tests/box", "core", "scripts"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def check(tree):
    return subprocess.run([tree / "scripts/lua-api", "check"], capture_output=True, text=True)


def change(path, old, new, count=1):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, count))


def test_the_tree_as_it_is(tree):
    result = check(tree)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("file, old, new, message", [
    ("lua/bind_text.c", " * @example\n *     log(sha256(\"hikeshi\")) */", " */", "sha256: no @example"),
    ("lua/bind_text.c", " * The hash in lower-case hexadecimal.\n", "", "sha256: no sentence says what it does"),
    ("lua/bind_ssh.c", " * @param argv (string|number)[]\n", "", "h:run: @param for opts, and the signature has argv, opts"),
    ("lua/bind_ssh.c", " * @return Result result\n", "", "h:run: no @return"),
    ("lua/bind_ssh.c", "exit, signal", "exti, signal", "@raise exti: core/errors.def has no such code"),
    ("lua/bind_ssh.c", "@return Handle h", "@return Handel h", "there is no class Handel"),
    ("lua/bind_ssh.c", " * @field pty? boolean", " * @field tty? boolean", "option 'pty' is in no @class"),
    ("lua/std/retry.lua", '{"attempts", "delay"}', '{"attempts", "delay", "most"}', "option 'most' is in no @class"),
    ("lua/std/hikeshi/systemd.lua", "---@param unit string  `app` is `app.service`\n", "", "systemd.unit: no @param unit"),
    ("lua/std/hikeshi/psql.lua", "function database:row(", "function database:line(", "docs/stdlib.md has no entry for database:line"),
    ("docs/lua.md", "The hash in lower-case hexadecimal.", "The hash.", "is not what the comment says"),
    ("docs/lua.md", "### `sha256(", "### `sha257(", "docs/lua.md has no entry for sha256"),
])
def test_what_is_missing_is_named(tree, file, old, new, message):
    change(tree / file, old, new)
    result = check(tree)
    assert result.returncode == 1
    assert message in result.stderr


def test_a_function_without_a_test(tree):
    for path in [*(tree / "tests/unit").glob("*.[ch]"), *(tree / "tests/box").rglob("*.py")]:
        path.write_text(path.read_text().replace("wait_" "until", "gone"))
    assert "wait_" "until: no test calls it" in check(tree).stderr


def test_editor_writes_the_stubs(tmp_path):
    result = subprocess.run([HIKESHI, "editor", "help"], cwd=tmp_path, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert "help/lua/hikeshi.lua\n" in result.stdout
    text = (tmp_path / "help/lua/hikeshi.lua").read_text()
    assert text.startswith("---@meta _\n")
    assert "---@return hikeshi.Result result\nfunction Handle:run(argv, opts) end\n" in text
    module = (tmp_path / "help/lua/hikeshi/systemd.lua").read_text()
    assert "---@return hikeshi.systemd.Unit\nfunction systemd.unit(host, unit) end\n" in module and module.endswith("return systemd\n")
    again = subprocess.run([HIKESHI, "editor", "help"], cwd=tmp_path, capture_output=True, text=True)
    assert (again.returncode, again.stdout) == (0, result.stdout)


def test_editor_says_where_it_cannot_write(tmp_path):
    (tmp_path / "file").write_text("")
    result = subprocess.run([HIKESHI, "editor", "file"], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 1
    assert "cannot make the folder 'file/lua'" in result.stderr

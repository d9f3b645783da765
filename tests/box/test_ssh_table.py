"""docs/design/ssh-tests.md names tests that exist."""
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]
NAMED = sorted(set(re.findall(r"`(test_\w+)::(\w+)`", (ROOT / "docs/design/ssh-tests.md").read_text())))


@pytest.mark.parametrize("file, function", NAMED)
def test_it_exists(file, function):
    unit, box = ROOT / f"tests/unit/{file}.c", ROOT / f"tests/box/{file}.py"
    if unit.exists():
        assert f"cmocka_unit_test({function})" in unit.read_text(), f"{unit} runs no {function}"
    else:
        assert f"\ndef {function}(" in box.read_text(), f"{box} has no {function}"

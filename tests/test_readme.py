"""What the README shows works, and its table of methods is the present one."""

from __future__ import annotations

import doctest
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def test_there_are_examples():
    assert BLOCKS


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_example_runs_by_itself(number):
    """Each block starts from nothing, as a reader who copies only that one would."""
    source = BLOCKS[number]
    line = TEXT[: TEXT.index(source)].count("\n")
    if ">>>" not in source:
        exec(compile(source, f"README.md, block at line {line}", "exec"), {"__name__": "readme"})
        return
    example = doctest.DocTestParser().get_doctest(source, {}, f"block {number + 1}", "README.md", line)
    said: list[str] = []
    result = doctest.DocTestRunner(optionflags=FLAGS).run(example, out=said.append)
    assert result.failed == 0, "".join(said)


def test_table_of_methods_is_up_to_date():
    spec = importlib.util.spec_from_file_location("readme_table", ROOT / "tools" / "readme_table.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert tool.updated(TEXT) == TEXT, "run `make readme`"


def test_links_into_the_repository_lead_somewhere():
    places = [place for place in re.findall(r"\]\(([^)#]+)\)", TEXT) if "://" not in place]
    missing = [place for place in places if not (ROOT / place).exists()]
    assert places
    assert not missing

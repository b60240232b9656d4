"""What the README shows works, and its table of methods is the present one."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<output>.*?)^```\n)?", re.DOTALL | re.MULTILINE)
BLOCKS = list(BLOCK.finditer(TEXT))


def test_there_are_examples():
    assert BLOCKS


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"line{TEXT[: block.start()].count(chr(10)) + 1}")
def test_example_runs_by_itself_and_prints_what_is_shown(block, capsys):
    """Each block starts from nothing, as a reader who copies only that one would."""
    exec(compile(block["code"], "README.md", "exec"), {"__name__": "readme"})
    printed = capsys.readouterr().out
    assert _lines(printed) == _lines(block["output"] or "")


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip("\n").splitlines()]


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

"""What the README shows works, and its table of methods is the present one."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import matplotlib
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


def tool_of(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


def test_table_of_methods_is_up_to_date():
    tool = tool_of("readme_table")
    assert tool.updated(TEXT) == TEXT, "run `make readme`"


def test_pictures_are_those_that_the_tool_draws_and_have_words():
    tool = tool_of("readme_pictures")
    shown = {Path(place).name: words for words, place in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", TEXT)}
    assert set(shown) == set(tool.PICTURES)
    assert all(len(words) > 40 for words in shown.values()), "a picture needs words for those who cannot see it"
    sizes = {name: (tool.FOLDER / name).stat().st_size for name in tool.PICTURES}
    assert all(0 < size < tool.LARGEST for size in sizes.values()), sizes


def test_a_picture_is_drawn_alike_twice(tmp_path):
    tool = tool_of("readme_pictures")
    first, again = tmp_path / "first.png", tmp_path / "again.png"
    with matplotlib.rc_context():
        matplotlib.use("agg")
        tool.love(first)
        tool.love(again)
    assert first.read_bytes() == again.read_bytes()


def test_links_into_the_repository_lead_somewhere():
    places = [place for place in re.findall(r"\]\(([^)#]+)\)", TEXT) if "://" not in place]
    missing = [place for place in places if not (ROOT / place).exists()]
    assert places
    assert not missing

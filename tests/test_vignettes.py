"""Every vignette runs from top to bottom at the size of a check."""

from __future__ import annotations

from pathlib import Path

import pytest

from statinf.vignette import execute

FOLDER = Path(__file__).resolve().parents[1] / "vignettes"
# a name that starts with an underscore is a part that others include
FILES = sorted(path for path in FOLDER.rglob("*.qmd") if not path.name.startswith("_"))
SECONDS_A_CELL = 120


def test_there_are_vignettes():
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_vignette_runs(path):
    done = execute(path, size="smoke", timeout=SECONDS_A_CELL)
    assert done.size == "smoke"
    assert done.outputs, f"{path.name} has no cell that puts anything out"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_vignette_says_what_it_is(path):
    from statinf.vignette import available

    about = {vignette.path: vignette for vignette in available()}[path]
    assert about.title
    assert about.description, f"{path.name} needs an abstract or a description in its front matter"

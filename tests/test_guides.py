"""Guides for those who come from other software: their Python runs, and the numbers shown are those of both programs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "docs" / "guides").glob("from-*.md"))
OTHERS = sorted(set((ROOT / "docs" / "guides").glob("*.md")) - set(FILES))
NUMBERS = json.loads((ROOT / "tests" / "reference" / "guides" / "guides.json").read_text(encoding="utf-8"))
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
WIDTH = 100
DIGITS = 1e-6


def weightit() -> dict[str, float]:
    """Numbers of WeightIt, which stand among those of the balancing methods."""
    import pandas as pd

    table = pd.read_csv(ROOT / "tests" / "reference" / "balance" / "estimates.csv")
    rows = table.query("dataset == 'lalonde' and package == 'WeightIt' and estimand == 'ATT'").set_index("method")
    glm, ebal = rows.loc["glm"], rows.loc["ebal"]
    return {"glm, effect": glm.estimate, "glm, error": glm.se_weightit_asympt, "ebal, effect": ebal.estimate}


def test_there_are_guides():
    assert len(FILES) == 8


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_guide_runs_and_both_programs_say_what_it_shows(file, capsys):
    text = file.read_text(encoding="utf-8")
    names: dict = {"__name__": "guide"}
    with matplotlib.rc_context():
        matplotlib.use("agg")
        for block in BLOCK.finditer(text):
            line = text[: block.start()].count("\n") + 1
            exec(compile(block[1], f"{file.name}, block at line {line}", "exec"), names)
        plt.close("all")
    assert capsys.readouterr().out
    software = file.stem.removeprefix("from-")
    theirs, ours = names["theirs"], names["ours"]
    kept = weightit() if software == "weightit" else NUMBERS[software]["numbers"]
    assert theirs and set(theirs) == set(ours)
    for name, value in theirs.items():
        np.testing.assert_allclose(value, kept[name], rtol=DIGITS, err_msg=f"{file.name}: {name} as recorded")
        np.testing.assert_allclose(ours[name], kept[name], rtol=DIGITS, err_msg=f"{file.name}: {name}")
    if software != "weightit":
        assert NUMBERS[software]["version"] in text


@pytest.mark.parametrize("file", OTHERS, ids=lambda file: file.stem)
def test_other_guides_run(file, capsys):
    names: dict = {"__name__": "guide"}
    for block in BLOCK.finditer(file.read_text(encoding="utf-8")):
        exec(compile(block[1], file.name, "exec"), names)
    assert capsys.readouterr().out


@pytest.mark.parametrize("file", [*FILES, *OTHERS], ids=lambda file: file.stem)
def test_code_of_guides_fits_the_page(file):
    for block in BLOCK.finditer(file.read_text(encoding="utf-8")):
        long = [row for row in block[1].split("\n") if len(row) > WIDTH]
        assert not long, f"{file.name}: {long}"

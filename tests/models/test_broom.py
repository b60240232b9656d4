"""Tables under the names of R's broom, against what the functions of base R that it calls give."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import statinf as si

RECORD = json.loads((Path(__file__).parents[1] / "reference" / "broom" / "broom.json").read_text())


@pytest.fixture(scope="module")
def fits():
    data = si.datasets.load("mtcars")
    return {
        "lm": si.lm("mpg ~ wt + hp", data, vcov="iid"),
        "weighted": si.lm("mpg ~ wt + hp", data, vcov="iid", weights="qsec"),
        "binomial": si.glm("am ~ wt", data, family="binomial"),
        "poisson": si.glm("carb ~ wt + hp", data, family="poisson"),
        "gamma": si.glm("mpg ~ wt + hp", data, family="gamma", link="log"),
    }


@pytest.mark.parametrize("name", ["lm", "weighted", "binomial", "poisson", "gamma"])
def test_rows_and_whole_fits(fits, name):
    rows, whole = fits[name].augment(style="broom"), fits[name].glance(style="broom")
    assert rows.columns[-6:].tolist() == list(RECORD[name]["augment"])
    for column, want in RECORD[name]["augment"].items():
        np.testing.assert_allclose(rows[column], want, rtol=1e-8, atol=1e-10)
    for column, want in RECORD[name]["glance"].items():
        np.testing.assert_allclose(whole[column][0], want, rtol=1e-9, err_msg=column)
    tidy = fits[name].tidy(style="broom")
    assert tidy.columns.tolist() == [
        "term", "estimate", "std.error", "statistic", "p.value", "conf.low", "conf.high",
    ]  # fmt: skip


def test_styles_are_checked(fits):
    for call in (fits["lm"].augment, fits["lm"].glance, fits["lm"].tidy):
        with pytest.raises(si.OptionError, match="style='R'"):
            call(style="R")
    frame = fits["lm"].augment()
    assert [c for c in frame.columns if c.startswith(".")] == [] and "leverage" in frame.columns


def test_a_row_fitted_exactly_and_a_row_of_weight_zero():
    data = si.datasets.load("mtcars").assign(one=lambda d: (d.index == 3) * 1.0, w=lambda d: (d.index != 5) * 1.0)
    table = si.lm("mpg ~ wt + one", data, weights="w", vcov="iid").augment(style="broom")
    assert np.isnan(table[".std.resid"][3]) and table[".hat"][3] == pytest.approx(1)
    rest = si.lm("mpg ~ wt + one", data[data["w"] > 0], vcov="iid").augment(style="broom")
    np.testing.assert_allclose(table[".sigma"].drop([3, 5]), rest[".sigma"].drop(3))


@pytest.mark.parametrize(("verb", "options"), [(si.lm, {}), (si.glm, {"family": "poisson"})])
def test_absorbed_effects_are_what_their_columns_would_be(verb, options):
    data = si.datasets.load("mtcars")
    rows = verb("carb ~ wt", data, absorb="cyl", **options).augment(style="broom")
    full = verb("carb ~ wt + C(cyl)", data, **options).augment(style="broom")
    for column in RECORD["lm"]["augment"]:
        np.testing.assert_allclose(rows[column], full[column], rtol=1e-6, atol=1e-9, err_msg=column)

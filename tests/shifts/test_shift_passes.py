"""Regressions for a target of tables in blocks are those of rows in memory, with errors that count the ratio's estimation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import statinf as si
from shifts.block_tables import in_blocks, same_fit, two
from statinf.errors import DataError, OptionError

FORMULA = "y ~ x + g"
pytestmark = pytest.mark.filterwarnings("ignore:.*effective sample size:UserWarning")


def same(here: Any, there: Any) -> None:
    same_fit(here, there)
    ours, theirs = there.glance_items(), here.glance_items()
    np.testing.assert_allclose([ours[k] for k in theirs], list(theirs.values()), rtol=1e-8)
    assert (there.formula, dict(there.dropped)) == (here.formula, dict(here.dropped))


@pytest.mark.parametrize(
    "options",
    [
        {"method": "mle", "cluster": ["firm", "team"], "weights": "s"},
        {
            "method": "mwle", "ratio_formula": "~ x + z", "weights": "s", "target_weights": "s", "cluster": "firm",
        },
        {"method": "mwle", "ratio": "moment", "power": 0.5, "vcov": "HC3"},
        {"method": "mwle", "family": "binomial", "formula": "b ~ x + g", "vcov": "fixed"},
    ],
)  # fmt: skip
def test_fits_and_stacked_errors(options: dict[str, Any]) -> None:
    source, target = two()
    formula = options.pop("formula", FORMULA)
    here = si.shift(formula, source, target, **options)
    there = si.shift(formula, *in_blocks(source, target), **options)
    same(here, there)
    new = target.head(5)
    np.testing.assert_allclose(there.predict(new)["estimate"], here.predict(new)["estimate"], rtol=1e-10)
    if "power" in options:
        # A column that was not named at the fit.
        same(here.with_vcov({"cluster": "firm"}), there.with_vcov({"cluster": "firm"}))
        assert "passes over 1200 rows" in str(there.summary())


def test_given_ratios_and_known_margins() -> None:
    source, target = two()
    ratio, held = si.density_ratio("~ x", source, target), si.density_ratio("~ x", *in_blocks(source, target))
    here = si.shift(FORMULA, source, target, method="mwle", ratio=ratio)
    there = si.shift(FORMULA, *in_blocks(source, target), method="mwle", ratio=held)
    same(here, there)
    margins = {"x": 0.3, "g": {"a": 0.2, "b": 0.4, "c": 0.3, "d": 0.1}}
    one = si.shift(FORMULA, source, margins, method="mwle")
    same(one, si.shift(FORMULA, si.blocks(source, rows=290), margins, method="mwle"))


def test_refusals() -> None:
    source, target = two()
    pair = in_blocks(source, target)
    for options, match in (
        ({"method": "dro"}, "mle and mwle"),
        ({"method": "double"}, "mle and mwle"),
        ({"method": "mwle", "ratio": "kliep"}, "logistic, moment"),
        ({"method": "mwle", "ratio": np.ones(len(source))}, "as the name of a method"),
    ):
        with pytest.raises(OptionError, match=match):
            si.shift(FORMULA, *pair, **options)
    fit = si.shift(FORMULA, *pair)
    for ask in (fit.specification_test, fit.risk, fit.cross_validate, fit.predict):
        with pytest.raises(DataError, match="read in blocks"):
            ask()

"""Several outcomes on the same columns share a design and a factorisation, and are what they are alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.errors import DroppedRowsWarning


@pytest.fixture(scope="module")
def data():
    return si.datasets.load("mtcars").assign(a=lambda d: np.where(d.index == 3, np.nan, d["hp"]))


@pytest.mark.parametrize(
    ("verb", "outcomes", "right", "options"),
    [
        (si.lm, ("mpg", "log(qsec)", "drat"), "wt + C(cyl) + a", {}),
        (si.lm, ("mpg", "qsec"), "wt + offset(drat)", {"weights": "hp", "vcov": "HC3"}),
        (si.lm, ("mpg", "qsec"), "poly(wt, 2)", {"cluster": "name"}),
        (si.lm, ("mpg", "scale(qsec)"), "wt", {"weights": [0.0, 2.0] + [1.0] * 30}),
        (si.glm, ("carb", "gear"), "wt + C(am)", {"family": "poisson", "vcov": "HC0"}),
    ],
)
def test_outcomes_share_columns_and_nothing_else(data, verb, outcomes, right, options):
    fits = verb(f"cbind({', '.join(outcomes)}) ~ {right}", data, **options)
    for outcome, fit in zip(outcomes, fits, strict=True):
        alone = verb(f"{outcome} ~ {right}", data, **options)
        assert fit.formula == alone.formula and fit.dropped == alone.dropped and fit.outcome == outcome
        pd.testing.assert_frame_equal(fit.tidy(), alone.tidy(), rtol=1e-9)
        pd.testing.assert_frame_equal(fit.glance(), alone.glance(), rtol=1e-9)
        pd.testing.assert_frame_equal(fit.augment(), alone.augment(), rtol=1e-8)
        np.testing.assert_allclose(fit.predict(data.head(3)), alone.predict(data.head(3)), rtol=1e-9)
        assert fit.recipe.columns == alone.recipe.columns
    assert all(fit.design.parts is fits[0].design.parts for fit in fits)


def test_outcomes_with_other_rows_are_read_alone(data):
    fits = si.lm("cbind(mpg, a, qsec) ~ wt", data)
    assert [f.nobs for f in fits] == [32, 31, 32] and fits[1].dropped == si.lm("a ~ wt", data).dropped
    assert fits[2].design.parts is fits[0].design.parts is not fits[1].design.parts
    quoted = data.rename(columns={"qsec": "q sec"})
    both = si.lm("cbind(mpg, `q sec`) ~ wt", quoted)
    assert both[1].outcome == "q sec" and both[1].params.equals(si.lm("`q sec` ~ wt", quoted).params)
    weights = si.balance("am ~ wt", data, method="entropy")
    weighted = si.lm("cbind(mpg, qsec) ~ am", data, weights=weights)
    assert weighted[1].std_errors.equals(si.lm("qsec ~ am", data, weights=weights).std_errors)


def test_faults_are_those_of_the_fit_that_has_them(data):
    with pytest.raises(si.FormulaError, match="'wt' stands on the right") as caught:
        si.lm("cbind(mpg, wt) ~ wt", data)
    assert caught.value.__notes__ == ["in the fit of 'wt ~ wt'"]
    with pytest.raises(si.FormulaError, match="'zzz' is not a column") as caught:
        si.lm("cbind(mpg, zzz) ~ wt", data)
    assert caught.value.__notes__ == ["in the fit of 'zzz ~ wt'"]
    with pytest.raises(si.DataError, match="constant") as caught:
        si.lm("cbind(mpg, one) ~ wt", data.assign(one=1.0))
    assert caught.value.__notes__ == ["in the fit of 'one ~ wt'"]
    with pytest.raises(si.DataError, match="na_action") as caught:
        si.lm("cbind(mpg, a) ~ wt", data, na_action="raise")
    with pytest.warns(DroppedRowsWarning, match="is not finite") as said:
        fits = si.lm("cbind(log(carb - 1), mpg) ~ wt", data)
    assert len(said) == 1 and [f.nobs for f in fits] == [25, 32]

"""Balancing weights of data in blocks are those of rows in memory, and so are the errors that count their estimation."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.errors import DataError, InfeasibleError, NotIdentifiedError, OptionError
from statinf.formula.frame import as_frame

N, ROWS = 1_200, 300
FORMULA = "t ~ x + z + g"


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    d = pd.DataFrame(
        {
            "x": rng.normal(size=N),
            "z": rng.normal(size=N) * 2 + 1e5,
            "g": rng.choice(list("cabd"), N),
            "s": rng.integers(0, 3, N).astype(float),
            "firm": rng.integers(0, 31, N),
        }
    )
    eta = 0.5 * d.x - 0.2 * (d.z - 1e5) + 0.5 * (d.g == "b")
    d["t"] = (rng.random(N) < 1 / (1 + np.exp(-eta))).astype(int)
    d["y"] = d.t + d.x + 0.3 * (d.z - 1e5) + (d.g == "b") + rng.normal(size=N)
    d["arm"] = np.where(d.t == 1, "drug", "placebo")
    d.loc[rng.choice(N, 30), "z"] = np.nan
    # Outcomes that are missing in whole blocks: their rows help to estimate the weights alone.
    d.loc[N - 400 :, "y"] = np.nan
    d.loc[rng.choice(N, 40), "y"] = np.nan
    return d


def both(data: pd.DataFrame, **options: Any) -> tuple[Any, Any]:
    formula = options.pop("formula", FORMULA)
    return si.balance(formula, data, **options), si.balance(formula, si.blocks(data, rows=ROWS), **options)


def same_fit(here: Any, there: Any, tol: float) -> None:
    np.testing.assert_allclose(there.theta, here.theta, rtol=tol)
    np.testing.assert_allclose(there.std_errors, here.std_errors, rtol=tol)
    assert (there.cov.label, there.nobs, there.cov.df) == (here.cov.label, here.nobs, pytest.approx(here.cov.df))


@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC"])
@pytest.mark.parametrize("method", ["ipw", "entropy", "cbps"])
def test_weights_and_stacked_errors(data: pd.DataFrame, method: str, estimand: str) -> None:
    sampling = "s" if estimand == "ATT" else None
    here, there = both(data, method=method, estimand=estimand, weights=sampling, tol=1e-13)
    ours, theirs = there.diagnostics(), here.diagnostics()
    assert list(ours["term"]) == list(theirs["term"]) and list(ours["denominator"]) == list(theirs["denominator"])
    for column in theirs.columns[3:]:
        if not column.startswith("ks"):
            np.testing.assert_allclose(ours[column], theirs[column], rtol=1e-8, atol=1e-10, err_msg=column)
    np.testing.assert_allclose(
        there.sizes().iloc[:, 1:].astype(float), here.sizes().iloc[:, 1:].astype(float), rtol=1e-9
    )
    every = estimand == "ATE" and method == "ipw"
    kinds = (None, "HC3", {"cluster": "firm"}) if every else ({"cluster": "firm"},) if estimand == "ATE" else (None,)
    for vcov in kinds:
        one = si.lm("y ~ t", data, weights=here, vcov=vcov)
        same_fit(one, si.lm("y ~ t", si.blocks(data, rows=ROWS), weights=there, vcov=vcov), 1e-10)


def test_other_propensities(data: pd.DataFrame) -> None:
    for options in (
        {"method": "ipw", "estimand": "ATO", "link": "probit"},
        {"method": "ipw", "stabilize": True},
        {"method": "cbps", "estimand": "ATO"},
    ):
        here, there = both(data, tol=1e-13, **options)
        same_fit(
            si.lm("y ~ t + x", data, weights=here, vcov="HC1"),
            si.lm("y ~ t + x", si.blocks(data, rows=ROWS), weights=there, vcov="HC1"),
            1e-9,
        )


def test_labels_scores_and_dropped_columns(data: pd.DataFrame) -> None:
    frame = data.assign(x2=2 * data.x + 1)
    with pytest.warns(UserWarning, match="determined by"):
        here, there = both(frame, formula="arm ~ x + x2 + g", tol=1e-13)
    assert there.treatment_level == "drug" == here.treatment_level
    np.testing.assert_allclose(there.coef, here.coef, rtol=1e-8)
    new = frame.iloc[:50].copy()
    new.loc[3, "x2"] = 9.0
    with pytest.warns(UserWarning, match="no estimate"):
        one, two = here.score(new), there.score(new)
    np.testing.assert_allclose(one, two, rtol=1e-8)
    assert np.isnan(two[3]) and "data read in blocks" in str(there)


def test_saved_weights_keep_their_table(data: pd.DataFrame, tmp_path: Any) -> None:
    there = si.balance("t ~ x", si.blocks(data, rows=ROWS))
    back = si.load(there.save(tmp_path / "w.si"))
    pd.testing.assert_frame_equal(back.diagnostics(), there.diagnostics())
    assert back.ess == there.ess
    with pytest.raises(DataError, match="estimate them again"):
        si.lm("y ~ t", si.blocks(data), weights=back)


def test_other_rows_are_refused(data: pd.DataFrame) -> None:
    there = si.balance("t ~ x", si.blocks(data, rows=ROWS))
    with pytest.raises(DataError, match="Give the table"):
        si.lm("y ~ t", si.blocks(data.iloc[:900]), weights=there)
    with pytest.raises(DataError, match="no values"):
        there.values  # noqa: B018
    with pytest.raises(OptionError, match="same blocks"):
        si.lm("y ~ t", si.blocks(data), weights=si.balance("t ~ x", data))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"method": "sbw"}, "ipw, entropy, cbps"),
        ({"moments": 2}, "powers and products"),
        ({"trim": 0.1}, "trim"),
        ({"by": "g"}, "by="),
        ({"formula": "x ~ z"}, "many values"),
        ({"formula": "g ~ z"}, "4 arms"),
        ({"weights": np.ones(3)}, "name of a column"),
    ],
)
def test_refusals(data: pd.DataFrame, options: dict, match: str) -> None:
    formula = options.pop("formula", "t ~ x")
    with pytest.raises(OptionError, match=match):
        si.balance(formula, si.blocks(data, rows=ROWS), **options)


def test_no_overlap() -> None:
    x = np.linspace(-1, 1, 400)
    apart = si.blocks(pd.DataFrame({"x": x, "t": (x > 0).astype(int)}), rows=100)
    with pytest.raises(NotIdentifiedError, match="no overlap"):
        si.balance("t ~ x", apart)
    with pytest.raises(InfeasibleError, match="runs off"):
        si.balance("t ~ x", apart, method="entropy")


def test_weights_go_where_blocks_are_read(data: pd.DataFrame) -> None:
    there = si.balance("t ~ x", si.blocks(data, rows=ROWS))
    frame = as_frame(data.iloc[:50])
    one, two = there.carried.on_block(frame), pickle.loads(pickle.dumps(there.carried)).on_block(frame)
    np.testing.assert_array_equal(one.values, two.values)
    np.testing.assert_array_equal(one.influence, two.influence)
    # The table stays behind.
    assert len(pickle.dumps(there.carried)) < 20_000

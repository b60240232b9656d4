"""Effects on data in blocks are those of rows in memory with the same folds, whatever the blocks and their order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.errors import DataError, NotIdentifiedError, OptionError

N, ROWS = 1_200, 300


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    d = pd.DataFrame(
        {
            "x": rng.normal(size=N),
            "z": rng.normal(size=N) * 2 + 1e4,
            "g": rng.choice(list("cabd"), N),
            "w": rng.integers(0, 3, N).astype(float),
            "firm": rng.integers(0, 41, N),
            "k": rng.integers(0, 5, N),
        }
    )
    eta = 0.5 * d.x - 0.2 * (d.z - 1e4) + 0.3 * (d.g == "b")
    d["t"] = (rng.random(N) < 1 / (1 + np.exp(-eta))).astype(int)
    d["arm"] = np.where(d.t == 1, "drug", "placebo")
    d["dose"] = d.x + rng.normal(size=N)
    d["y"] = d.t + d.x + 0.3 * (d.z - 1e4) + (d.g == "b") + rng.normal(size=N)
    d.loc[rng.choice(N, 30), "z"] = np.nan
    d.loc[rng.choice(N, 40), "y"] = np.nan
    return d


def same(formula: str, data: pd.DataFrame, tol: float = 1e-9, **options: Any) -> None:
    here, there = si.effect(formula, data, **options), si.effect(formula, si.blocks(data, rows=ROWS), **options)
    np.testing.assert_allclose(there.theta, here.theta, rtol=tol)
    np.testing.assert_allclose(there.std_errors, here.std_errors, rtol=tol)
    assert (there.terms, there.cov.label, there.nobs) == (here.terms, here.cov.label, here.nobs)
    assert there.cov.df == pytest.approx(here.cov.df)
    assert dict(there.dropped) == dict(here.dropped)
    for name, fact in here.facts.items():
        assert there.facts[name] == (pytest.approx(fact, rel=1e-8) if isinstance(fact, float) else fact), name


@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC"])
def test_scores(data: pd.DataFrame, estimand: str) -> None:
    formula = "y ~ t | x + z + g"
    same(formula, data, method="irm", estimand=estimand, folds="k", normalize=True, weights="w")
    same(formula, data, method="aipw", estimand=estimand)
    same(formula, data, method="ipw", estimand=estimand, weights="w")


def test_other_methods(data: pd.DataFrame) -> None:
    same("y ~ t", data, method="dim")
    same("y ~ arm | x + z + g", data, method="regression", estimand="ATT", cluster="firm")
    same("y ~ t | x + z + g", data, method="regression", interactions=False, weights="w")
    same("y ~ t | x + z + g", data, method="ipw", normalize=False)
    same("y ~ t | x + z + g", data, method="ipw", estimand="ATO", folds="k")
    same("y ~ t | x + z + g", data, method="plr", folds="k", cluster="firm")
    same("y ~ dose | x + z + g", data, method="plr", folds="k", learner="ridge", weights="w")
    same("y ~ t | x + g", data, method="irm", folds="k", learner="ridge", treatment_model="logit")


@pytest.mark.parametrize("learner", ["ridge", "binned_trees"])
def test_penalties_count_rows_in_any_unit_of_weights(data: pd.DataFrame, learner: str) -> None:
    found = [
        si.effect(
            "y ~ dose | x + z + g", si.blocks(data.assign(w=unit * data["w"]), rows=200), method="plr", folds="k",
            outcome_model=learner, weights="w",
        )
        for unit in (1.0, 2.0**-12)
    ]  # fmt: skip
    np.testing.assert_allclose(found[1].theta, found[0].theta, rtol=1e-9)
    np.testing.assert_allclose(found[1].std_errors, found[0].std_errors, rtol=1e-9)


def test_folds_know_neither_blocks_nor_order(data: pd.DataFrame) -> None:
    one = si.effect("y ~ t | x + g", si.blocks(data, rows=97), method="irm", seed=3)
    two = si.effect("y ~ t | x + g", si.blocks(data.sample(frac=1, random_state=0), rows=500), method="irm", seed=3)
    np.testing.assert_allclose(two.theta, one.theta, rtol=1e-12)
    other = si.effect("y ~ t | x + g", si.blocks(data, rows=500), method="irm", seed=4)
    assert other.theta[0] != one.theta[0]
    whole = si.effect("y ~ t | x", si.blocks(data, rows=500), method="plr", cluster="firm")
    assert whole.cov.label == "clustered by firm (HC1)"


@pytest.mark.parametrize("method", ["plr", "irm"])
def test_equal_rows_are_in_all_folds(method: str) -> None:
    """Of 24 different rows, each in one fold, the other folds would lack values of the outcome that this one has."""
    rng = np.random.default_rng(0)
    d = pd.DataFrame({"x": rng.integers(0, 2, 4000), "z": rng.integers(0, 3, 4000)}).astype(float)
    d["t"] = (rng.random(4000) < 0.3 + 0.3 * d.x).astype(int)
    d["y"] = (rng.random(4000) < 0.2 + 0.2 * d.t + 0.3 * d.x).astype(float)
    d.loc[rng.choice(4000, 40), "z"] = np.nan
    here = si.effect("y ~ t | x + z", d, method=method, folds=2)
    one, two = (si.effect("y ~ t | x + z", si.blocks(d, rows=r), method=method, folds=2) for r in (97, 1500))
    # Folds of other rows move the estimate by far less than its error.
    assert abs(one.theta[0] - here.theta[0]) < 0.5 * here.std_errors.iloc[0]
    np.testing.assert_allclose([two.theta, two.std_errors], [one.theta, one.std_errors], rtol=1e-9)
    drawn = [fit.bootstrap(replicas=20, seed=1).std_errors for fit in (one, two)]
    np.testing.assert_allclose(drawn[1], drawn[0], rtol=1e-9)


def test_weights_estimated_in_blocks(data: pd.DataFrame) -> None:
    table = si.blocks(data, rows=ROWS)
    here, there = si.balance("t ~ x + g", data, tol=1e-13), si.balance("t ~ x + g", table, tol=1e-13)
    for formula, method in (("y ~ t | x", "regression"), ("y ~ t | x", "aipw")):
        a = si.effect(formula, data, method=method, weights=here)
        b = si.effect(formula, table, method=method, weights=there)
        np.testing.assert_allclose([b.theta[0], b.std_errors.iloc[0]], [a.theta[0], a.std_errors.iloc[0]], rtol=1e-9)
        assert a.cov.label == b.cov.label


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"method": "tmle"}, "dim, regression, ipw, aipw, plr, irm"),
        ({"learner": "forest"}, "'lm', 'ridge', 'logit' or 'binned_trees'"),
        ({"repeats": 2, "folds": 3}, "repeats"),
        ({"by": "g"}, "by="),
        ({"propensity": 0.5}, "propensity"),
        ({"formula": "y ~ g | x"}, "4 arms"),
        ({"folds": np.ones(N, int)}, "column of labels"),
        ({"method": "regression", "target": "population"}, "population"),
    ],
)
def test_refusals(data: pd.DataFrame, options: dict, match: str) -> None:
    formula = options.pop("formula", "y ~ t | x")
    with pytest.raises(OptionError, match=match):
        si.effect(formula, si.blocks(data, rows=ROWS), **options)


def test_what_needs_rows_says_so(data: pd.DataFrame) -> None:
    fit = si.effect("y ~ t | x", si.blocks(data, rows=ROWS))
    with pytest.raises(DataError, match="read in blocks"):
        fit.means()
    with pytest.raises(DataError, match="read in blocks"):
        fit.sensitivity()
    with pytest.raises(NotIdentifiedError, match="leverages"):
        fit.with_vcov("HC2")
    labels = data.assign(k=data.t)
    with pytest.raises(DataError, match="leaves no row"):
        si.effect("y ~ t | x", si.blocks(labels, rows=ROWS), method="irm", folds="k")


@pytest.mark.filterwarnings("ignore::statinf.StatinfWarning")
def test_rows_without_a_fold_are_left_out_and_counted():
    rng = np.random.default_rng(0)
    data = pd.DataFrame(rng.normal(size=(200, 2)), columns=["x", "y"]).assign(
        t=rng.integers(0, 2, 200), f=np.arange(200) % 3.0
    )
    data.loc[[3, 7], "f"] = np.nan
    fits = [
        si.effect("y ~ t | x", source, method="aipw", folds="f")
        for source in (data.dropna(), data, si.blocks([data.iloc[:90], data.iloc[90:]]))
    ]
    for fit in fits[1:]:
        np.testing.assert_allclose(fit.params, fits[0].params, rtol=1e-8)
        assert dict(fit.dropped) == {"f is missing": 2} and fit.nobs == 198

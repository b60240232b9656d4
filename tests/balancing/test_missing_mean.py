"""Means of missing outcomes: the dual against its primal, identities, influence values by brute force, coverage, bad input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.balancing.missing.functions import fold_codes
from statinf.balancing.missing.reading import read_rows
from statinf.balancing.table import MISSING_MEAN
from statinf.numerics.tilting.hinged import hinged_tilt


def sample(n: int = 300, seed: int = 0) -> pd.DataFrame:
    """A linear logit of being observed; the outcome is not linear. Its mean is 2."""
    rng = np.random.default_rng([21, seed])
    x = rng.normal(size=(n, 2))
    o = rng.random(n) < 1 / (1 + np.exp(-(0.3 + 0.8 * x[:, 0] - 0.5 * x[:, 1])))
    y = 1 + x[:, 0] + x[:, 1] ** 2 + x[:, 0] * x[:, 1] + rng.normal(size=n)
    s, g = rng.uniform(0.5, 2.0, n), rng.integers(0, 30, n)
    return pd.DataFrame(
        {"y": np.where(o, y, np.nan), "a": x[:, 0], "b": x[:, 1], "o": o * 1, "s": s, "g": g, "full": y}
    )


DATA = sample()


@pytest.mark.parametrize(("price", "tolerance"), [(100.0, 1e-3), (0.05, 1e-3), (np.inf, 2e-2)])
@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")
def test_the_dual_solves_the_primal(price, tolerance):
    import cvxpy as cp

    rng = np.random.default_rng(1)
    x = rng.normal(size=(150, 3))
    anchors = x[:12]
    k = np.exp(-((x[:, None] - anchors) ** 2).sum(axis=2) / 4)
    z, exact = np.column_stack([x, k]), np.arange(15) < 3
    inside = rng.random(150) < 1 / (1 + np.exp(x[:, 0]))
    z = (z - z.mean(axis=0))[inside]
    q = rng.uniform(1.0, 3.0, len(z))
    bounds = np.where(exact, 0.0, tolerance), np.where(exact, np.inf, price)
    found = hinged_tilt(z, q, *bounds)
    assert found.converged and found.residual < 1e-9
    p = cp.Variable(len(z))
    objective, rules = cp.sum(cp.rel_entr(p, q / q.sum())), [cp.sum(p) == 1, p @ z[:, exact] == 0]
    over = cp.abs(p @ z[:, ~exact]) - tolerance
    if np.isfinite(price):
        objective = objective + price * cp.sum(cp.pos(over))
    else:
        rules.append(over <= 0)
    tight = {"tol_gap_abs": 1e-11, "tol_gap_rel": 1e-11, "tol_feas": 1e-11}
    cp.Problem(cp.Minimize(objective), rules).solve(solver=cp.CLARABEL, **tight)
    np.testing.assert_allclose(found.p, p.value, atol=1e-6)


def test_many_collinear_functions_are_solved_exactly():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(200, 2))
    k = np.exp(-((x[:, None] - x) ** 2).sum(axis=2) / 8)
    inside = rng.random(200) < 0.5
    z = (k - k.mean(axis=0))[inside]
    found = hinged_tilt(z, np.ones(len(z)), np.full(200, 1e-4), np.full(200, 100.0))
    assert found.converged and np.abs(found.p @ z).max() <= 1e-4 + 1e-8


@pytest.mark.parametrize("options", [{}, {"anchors": "worst"}, {"anchors": "adaptive", "anchor_folds": 1}, {"anchors": "all"},
                                     {"kernel": "exponential"}])  # fmt: skip
def test_weights_sum_to_the_rows_and_balance_what_they_should(options):
    fit = si.missing_mean("y ~ a + b", DATA, **options)
    table = fit.imbalance()
    assert fit.weights.values.sum() == pytest.approx(len(DATA))
    assert (fit.weights.values > 0).tolist() == DATA["y"].notna().tolist()
    assert table["after"][:2].abs().max() < 1e-9 and table["after"][2:].abs().max() <= 1e-3 + 1e-8
    assert len(table) == 2 + (len(DATA) if options.get("anchors") == "all" else 20)
    mean = np.average(DATA["full"], weights=fit.weights.values)
    assert fit.params["y"] == pytest.approx(mean)


@pytest.mark.parametrize("augmented", [False, True])
def test_the_weights_of_a_fold_never_see_its_outcomes(augmented):
    options = {"anchors": "adaptive", "n_anchors": 8, "augmented": augmented}
    problem = read_rows("y ~ a + b", DATA).problem(0)
    codes = fold_codes(problem, 2)
    fit = si.missing_mean("y ~ a + b", DATA, **options)
    table = fit.imbalance()
    exact = ~table["term"].str.startswith("kernel")
    assert exact.sum() == 5 and table["after"][exact].abs().max() < 1e-9
    assert table["after"][~exact].abs().max() <= 1e-3 + 1e-8
    w = fit.weights.values
    for fold in (0, 1):
        here = codes == fold
        assert w[here].sum() == pytest.approx(here.sum())
        means = [np.average(DATA[c][here], weights=w[here]) for c in ("a", "b")]
        np.testing.assert_allclose(means, DATA.loc[here, ["a", "b"]].mean(), atol=1e-8)
        moved = replace(problem, y=np.where(here & problem.observed, problem.y**2 - 3.0, problem.y))
        chosen, settings = MISSING_MEAN.read("kernel", options)
        found = chosen.estimate(moved, settings)
        np.testing.assert_allclose(found.weights.values[here], w[here], rtol=1e-7)
        assert np.abs(found.weights.values[~here] / np.where(w[~here] > 0, w[~here], 1.0) - 1.0).max() > 1e-3


def test_a_wide_tolerance_leaves_the_base_weights():
    fit = si.missing_mean("y ~ a + b", DATA, linear=False, tols=1.0)
    ipw = si.missing_mean("y ~ a + b", DATA, method="ipw", clip=0.0)
    np.testing.assert_allclose([fit.theta[0], fit._se()[0]], [ipw.theta[0], ipw._se()[0]], rtol=1e-10)


def test_covariates_alone_are_entropy_balancing():
    fit = si.missing_mean("y ~ a + b", DATA, base="uniform", tols=1.0)
    weights = si.balance("o ~ a + b", DATA, method="entropy")
    seen = DATA["o"] == 1
    np.testing.assert_allclose(fit.weights.values[seen] / len(DATA), weights.values[seen] / seen.sum(), atol=1e-8)


def test_repeated_rows_as_anchors_change_nothing():
    twice = pd.concat([DATA, DATA], ignore_index=True)
    first, second = (si.missing_mean("y ~ a + b", d, anchors="all") for d in (DATA, twice))
    assert second.theta[0] == pytest.approx(first.theta[0], rel=1e-7)
    assert second._se()[0] == pytest.approx(first._se()[0] / np.sqrt(2), rel=1e-6)


CASES = {
    "kernel": ("kernel", {"n_anchors": 8}),
    "price": ("kernel", {"n_anchors": 8, "slack": 0.02}),
    "uniform": ("kernel", {"n_anchors": 8, "base": "uniform", "linear": False}),
    "augmented": ("kernel", {"n_anchors": 8, "linear": False, "augmented": True}),
    "ipw": ("ipw", {}),
    "horvitz-thompson": ("ipw", {"normalize": False}),
    "aipw": ("aipw", {}),
    "aipw, normalized": ("aipw", {"normalize": True}),
}


@pytest.mark.parametrize("case", CASES)
def test_influence_values_are_the_derivatives_by_row_weights(case):
    method, options = CASES[case]
    chosen, settings = MISSING_MEAN.read(method, options)
    problem = read_rows("y ~ a + b", DATA, weights="s").problem(0)
    found = chosen.estimate(problem, settings)
    influence = found.own + found.pushed
    assert abs(influence.sum()) < 1e-10

    def mean(row: int, step: float) -> float:
        s = problem.s.copy()
        s[row] *= 1.0 + step
        moved = replace(problem, s=s)
        moved.__dict__["standard"] = problem.standard  # kernels and anchors stay
        return chosen.estimate(moved, settings).mean

    rows, step = (0, 3, 17, 80, 211), 1e-4
    numeric = [(mean(r, step) - mean(r, -step)) / (2 * step) for r in rows]
    # Central differences err by step^2 relative to the size of the influence values.
    np.testing.assert_allclose(influence[list(rows)], numeric, atol=2e-6 * np.abs(influence).max())


@pytest.mark.parametrize("options", [{}, {"method": "ipw"}, {"weights": "s"}])
def test_its_weights_go_into_any_verb(options):
    fit = si.missing_mean("y ~ a + b", DATA, **options)
    again = si.lm("y ~ 1", DATA, weights=fit.weights)
    assert again.theta[0] == pytest.approx(fit.theta[0], rel=1e-12)
    for vcov in ("HC0", "fixed"):
        assert again.with_vcov(vcov)._se()[0] == pytest.approx(fit.with_vcov(vcov)._se()[0], rel=1e-9)
    assert si.rq("y ~ a", DATA, weights=fit.weights).nobs == int(DATA["o"].sum())


def test_the_indicator_decides_which_outcomes_count():
    first = si.missing_mean("y ~ a + b", DATA)
    second = si.missing_mean("full ~ a + b | o", DATA)
    np.testing.assert_array_equal([first.theta[0], first._se()[0]], [second.theta[0], second._se()[0]])
    assert (first.dropped, first.nobs) == ({}, len(DATA)) and second.terms == ("full",)
    dot = si.missing_mean("y ~ .", DATA[["y", "a", "b"]])
    assert dot.theta[0] == first.theta[0]


def test_without_missing_outcomes_it_is_the_mean():
    for method in MISSING_MEAN:
        fit = si.missing_mean("full ~ a + b", DATA, method=method)
        lm = si.lm("full ~ 1", DATA, vcov="HC0")
        assert (fit.theta[0], fit._se()[0]) == pytest.approx((lm.theta[0], lm._se()[0]), rel=1e-10)


def test_no_covariates_is_the_mean_of_the_observed():
    for method in MISSING_MEAN:
        fit = si.missing_mean("y ~ 1", DATA, method=method)
        lm = si.lm("y ~ 1", DATA, vcov="HC0")
        assert (fit.theta[0], fit._se()[0]) == pytest.approx((lm.theta[0], lm._se()[0]), rel=1e-10)


def test_other_learners_are_cross_fitted():
    fit = si.missing_mean("y ~ a + b", DATA, method="aipw", outcome_model="ridge")
    assert abs(fit.theta[0] - 2.0) < 4 * fit._se()[0]
    known = si.missing_mean("y ~ a + b", DATA, method="ipw", treatment_model=0.6)
    assert "taken as fixed" in known.cov.label
    assert known.theta[0] == pytest.approx(DATA["y"].mean())


@pytest.mark.parametrize("case", ["kernel", "ipw", "aipw", "augmented"])
def test_intervals_cover(case):
    method, options = CASES[case]
    fits = [si.missing_mean("y ~ a + b", sample(300, r), method=method, **options) for r in range(30)]
    errors, ses = np.array([(f.theta[0] - 2.0, f._se()[0]) for f in fits]).T
    # Four standard errors of a share of .95 among 30, and of the mean of the standard errors over their own spread.
    assert np.mean(np.abs(errors) < 1.96 * ses) > 0.95 - 4 * np.sqrt(0.95 * 0.05 / 30)
    assert 0.6 < ses.mean() / errors.std() < 1.6


REFUSED = {
    "no outcome": ({"data": DATA.assign(y=np.nan)}, si.DataError, "no row has the outcome 'y'"),
    "too many anchors": ({"n_anchors": 250}, si.DataError, "n_anchors=250"),
    "negative bound": ({"tols": -1.0}, si.OptionError, "tols="),
    "no price": ({"slack": 0.0}, si.OptionError, "slack="),
    "word": ({"anchors": "nearest"}, si.OptionError, "random.*worst.*adaptive.*all"),
    "foreign": ({"method": "ipw", "anchors": "random"}, si.OptionError, "option of method='kernel'"),
    "model without use": ({"outcome_model": "ridge"}, si.OptionError, "augmented=True"),
    "infinite covariate": ({"data": DATA.assign(a=np.where(DATA.index == 4, np.inf, DATA["a"]))}, si.DataError, "'a'"),
    "outcome among covariates": ({"formula": "y ~ a + I(y ** 2)"}, si.FormulaError, "'y'"),
    "log of a negative": ({"formula": "log(y) ~ a"}, si.DataError, "not finite"),
    "indicator": ({"formula": "y ~ a | b"}, si.DataError, "0 and 1"),
    "indicator of nothing": ({"formula": "y ~ a | I(1 - o)"}, si.DataError, "observed where it is missing"),
    "offset": ({"formula": "y ~ a + offset(b)"}, si.FormulaError, "offset"),
    "no left side": ({"formula": "~ a"}, si.FormulaError, "outcome ~ covariates"),
    "estimated weights": ({"weights": si.balance("o ~ a", DATA)}, si.OptionError, "sampling weights"),
    "separated": ({"data": DATA.assign(a=np.where(DATA["o"] == 1, 1.0, -1.0) + 0.1 * DATA["a"])}, si.NotIdentifiedError,
                  "separate"),
    "out of reach": ({"data": DATA.assign(a=np.where(DATA["o"] == 1, 1.0, -1.0) + 0.1 * DATA["a"]), "base": "uniform"},
                     si.InfeasibleError, "'a'"),
    "hard bounds": ({"slack": np.inf, "tols": 0.0, "anchors": "all", "linear": False}, si.InfeasibleError, "slack=inf"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.filterwarnings("ignore::statinf.StatinfWarning")
def test_bad_input_is_refused_by_name(case):
    given, error, words = REFUSED[case]
    given = {"formula": "y ~ a + b", "data": DATA} | given
    with pytest.raises(error, match=f"(?s){words}"):
        si.missing_mean(given.pop("formula"), given.pop("data"), **given)


def test_clipping_is_told():
    far = DATA.assign(a=DATA["a"] * 3)
    fit = si.missing_mean("y ~ a + b", far, method="ipw", clip=0.12)
    assert int(fit.facts["Clipped rows"]) > 0
    with pytest.warns(si.StatinfWarning, match="below 0.6"):
        si.missing_mean("y ~ a + b", far, method="ipw", clip=0.6)


def test_clusters_are_summed():
    fit = si.missing_mean("y ~ a + b", DATA, cluster="g")
    sums = np.bincount(DATA["g"], fit.influence[:, 0])
    factor = len(sums) / (len(sums) - 1)
    assert fit._se()[0] == pytest.approx(np.sqrt(factor * (sums @ sums)), rel=1e-10)


def test_augmented_rows_and_files(tmp_path):
    fit = si.missing_mean("y ~ a + b", DATA)
    rows = fit.augment()
    assert list(rows.columns[-3:]) == ["observed", "weight", "influence"] and rows["weight"].sum() == pytest.approx(
        300.0
    )
    back = si.load(fit.save(tmp_path / "fit.si"))
    assert back.imbalance().equals(fit.imbalance()) and back.weights is None
    with pytest.raises(si.NotIdentifiedError, match="kernel"):
        si.missing_mean("y ~ a", DATA, method="ipw").imbalance()


def test_clusters_stay_whole_in_folds(monkeypatch):
    from statinf.balancing.missing import ipw

    seen = []
    first = ipw.fold_ids
    monkeypatch.setattr(ipw, "fold_ids", lambda *a, **k: seen.append((first(*a, **k), k["groups"])) or seen[-1][0])
    si.missing_mean("y ~ a + b", DATA, method="aipw", outcome_model="ridge", vcov={"cluster": "g"})
    for folds, groups in seen:
        assert all(len(np.unique(folds[groups == g])) == 1 for g in np.unique(groups))
    assert len(seen) == 1

"""Censored quantile regressions: against R's quantreg, linear programmes, brute force and the Kaplan-Meier curve."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog
from scipy.stats import norm

import statinf as si
from statinf.numerics.quantreg.censored import martingale_path, redistributed_path
from statinf.numerics.quantreg.powell import minimise_powell, powell_loss

HERE = Path(__file__).parents[1] / "reference" / "quantile"
DATA = pd.read_csv(HERE / "crq_data.csv")
NUMBERS = pd.read_csv(HERE / "crq_numbers.csv")
X = np.column_stack([np.ones(len(DATA)), DATA.x1, DATA.x2])
Y, SEEN = DATA.y.to_numpy(), DATA.d.to_numpy(np.float64)
ONE = np.ones((1, len(Y)))
FORMULA = "cbind(y, d) ~ x1 + x2"


def reference(method: str) -> tuple[np.ndarray, np.ndarray]:
    rows = NUMBERS[NUMBERS.method == method]
    return rows.tau.to_numpy(), rows[["Intercept", "x1", "x2"]].to_numpy()


def sample(n: int, seed: int) -> pd.DataFrame:
    """Slopes 1 + .3 q and .5, intercept 2 + q, at the quantile q of the normal law; 30 percent censored."""
    random = np.random.default_rng(seed)
    x1, x2 = random.uniform(-1, 1, n), random.integers(0, 2, n).astype(float)
    t = 2 + x1 + 0.5 * x2 + (1 + 0.3 * x1) * random.standard_normal(n)
    c = random.uniform(1, 6, n)
    return pd.DataFrame({"y": np.minimum(t, c), "d": (t <= c) * 1.0, "x1": x1, "x2": x2})


# --- estimates --------------------------------------------------------------------------------------------


def test_portnoy_is_that_of_r_on_its_grid() -> None:
    levels, wanted = reference("portnoy")
    found = redistributed_path(X, Y, SEEN, levels, ONE)[0]
    # R counts censored rows below the first level as seen there; later levels agree. It repeats the last vertex once it is
    # stuck, where no level is left.
    assert np.isfinite(found[:, 0]).sum() >= len(levels) - 1
    np.testing.assert_allclose(found[1:-1], wanted[1:-1], atol=1e-9)


def test_portnoy_on_a_fine_grid_is_the_exact_pivoting_of_r() -> None:
    breaks, wanted = reference("pivot")
    levels = np.arange(1, 400) / 500
    found = redistributed_path(X, Y, SEEN, levels, ONE)[0]
    last = np.searchsorted(breaks, levels) - 1
    far = np.abs(found - wanted[last]).max(axis=1) > 1e-8
    # A level within a grid step of one of the 291 breaks may be on its other side.
    assert far.mean() < 0.02


def test_peng_huang_is_that_of_r() -> None:
    levels, wanted = reference("peng-huang")
    found = martingale_path(X, Y, SEEN, levels, ONE)[0][: len(levels)]
    gap = np.abs(found - wanted).max(axis=1)
    # R compares interpolated rows with the fit after rounding, and so counts some of them as below it: the paths part for
    # some levels and meet again.
    first = int(np.argmax(gap > 1e-8))
    assert first >= 5
    assert (gap < 1e-8).mean() > 0.3
    spread = si.crq(FORMULA, DATA, tau=0.5, method="peng-huang").std_errors.to_numpy()
    assert (np.abs(found - wanted)[10:70].max(axis=0) < spread).all()


@pytest.mark.parametrize("path", [martingale_path, redistributed_path])
def test_each_level_solves_its_linear_programme(path) -> None:
    """Both methods again, with HiGHS for each level and plain sums for what earlier levels tell."""
    n = 60
    rows = slice(0, n)
    A, y, seen, levels = X[rows], Y[rows], SEEN[rows], np.arange(1, 8) / 10
    weights = np.random.default_rng(5).uniform(0.5, 2.0, n)
    found = path(A, y, seen, levels, weights[None])[0]
    hazard = np.diff(-np.log1p(-np.concatenate([[0.0], levels])))
    compensator, passed, fitted = np.zeros(n), np.full(n, np.nan), np.zeros(n)
    for j, t in enumerate(levels):
        if path is martingale_path:
            compensator += weights * (y >= (A @ found[j - 1] if j else -np.inf) - 1e-9) * hazard[j]
            oracle = programme(A, y, weights * seen, 0.5, A.T @ (compensator - 0.5 * weights * seen))
        else:
            share = np.where(seen == 1, 1.0, np.where(np.isnan(passed), 0.0, (t - passed) / (1 - passed)))
            oracle = programme(A, y, weights * share, t, A.T @ (t * weights * (1 - share)))
            now, before = A @ found[j], levels[j - 1] if j else 0.0
            new = (seen == 0) & np.isnan(passed) & (y < now)
            assert j or not new.any()
            passed[new] = t - (t - before) * (now[new] - y[new]) / (now[new] - fitted[new])
            fitted = now
        np.testing.assert_allclose(found[j], oracle, atol=1e-7)


def programme(A: np.ndarray, y: np.ndarray, w: np.ndarray, tau: float, pull: np.ndarray) -> np.ndarray:
    """Coefficients b that minimise sum w rho_tau(y - A b) - pull'b."""
    n, p = A.shape
    cost = np.concatenate([-pull, tau * w, (1 - tau) * w])
    equal = np.hstack([A, np.eye(n), -np.eye(n)])
    bounds = [(None, None)] * p + [(0, None)] * (2 * n)
    found = linprog(cost, A_eq=equal, b_eq=y, bounds=bounds, method="highs-ds")
    assert found.status == 0
    return found.x[:p]


def test_without_regressors_portnoy_is_kaplan_meier() -> None:
    rows = NUMBERS[NUMBERS.method == "kaplan-meier"]
    fit = si.crq("cbind(y, d) ~ 1", DATA, tau=rows.tau.tolist())
    np.testing.assert_allclose(fit.coef[:, 0], rows.Intercept, atol=1e-12)


@pytest.mark.parametrize("method", ["portnoy", "peng-huang"])
def test_without_censoring_it_is_quantile_regression(method: str) -> None:
    data = sample(151, 3).assign(d=1.0)
    plain = si.rq("y ~ x1 + x2", data, tau=[0.253, 0.504])  # levels with one solution
    fit = si.crq(FORMULA, data, tau=[0.253, 0.504], method=method)
    # The martingale equation at a level t of a grid integrates a step function, and so moves a row or two.
    spread = 1e-9 if method == "portnoy" else 0.35 * plain.std_errors.to_numpy()
    assert (np.abs(fit.params - plain.params) <= spread).all()


def test_powell_is_the_global_minimum_of_small_samples() -> None:
    for seed in range(4):
        data = sample(25, seed)
        A = np.column_stack([np.ones(25), data.x1])
        limit = np.full(25, 2.5)
        y, w = np.minimum(data.y.to_numpy(), limit), np.random.default_rng(seed).uniform(0.5, 2, 25)
        found = minimise_powell(A, y, limit, 0.4, w, perturbed=np.random.default_rng(0).exponential(size=(10, 25)))
        vertices = [list(pair) for pair in combinations(range(25), 2)]
        best = min(powell_loss(A, y, limit, 0.4, w, np.linalg.solve(A[v], y[v])) for v in vertices)
        assert found.loss == pytest.approx(best, rel=1e-12)


def test_powell_is_no_higher_than_r() -> None:
    levels, wanted = (part[:2] for part in reference("powell"))  # R has no fit at .75
    fit = si.crq("yc ~ x1 + x2", DATA, tau=levels.tolist(), method="powell", limit=3.0)
    y, limit, w = DATA.yc.to_numpy(), np.full(len(Y), 3.0), np.ones(len(Y))
    for t, ours, theirs in zip(levels, fit.coef, wanted, strict=True):
        assert powell_loss(X, y, limit, t, w, ours) <= powell_loss(X, y, limit, t, w, theirs) + 1e-10
    np.testing.assert_allclose(fit.coef[0], wanted[0], atol=1e-9)


def test_powell_reads_the_limit_from_a_column_an_array_or_the_censored_rows() -> None:
    data = DATA.assign(limit=3.0, seen=(DATA.yc < 3.0) * 1.0)
    one = si.crq("yc ~ x1 + x2", data, method="powell", limit=3.0)
    for again in (
        si.crq("yc ~ x1 + x2", data, method="powell", limit="limit"),
        si.crq("yc ~ x1 + x2", data, method="powell", limit=np.full(len(data), 3.0)),
        si.crq("cbind(yc, seen) ~ x1 + x2", data, method="powell"),
    ):
        assert again.params.equals(one.params)


def test_limits_in_a_series_go_by_its_index() -> None:
    limit = pd.Series(np.where(np.arange(len(DATA)) % 2, 3.0, 2.5))
    data = DATA.assign(y=np.minimum(DATA.yc, limit))
    call = {"tau": 0.467, "method": "powell", "limit": limit}  # a level with one solution
    one = si.crq("y ~ x1 + x2", data, **call)
    again = si.crq("y ~ x1 + x2", data.sample(frac=1.0, random_state=0), **call)
    np.testing.assert_allclose(again.params, one.params, rtol=1e-9)


def test_a_level_beside_a_point_of_the_grid_costs_no_more() -> None:
    near = si.crq(FORMULA, DATA, tau=[0.0100001, 0.2])
    assert near.facts["Levels looked at"] < 30
    np.testing.assert_allclose(near.coef[1], si.crq(FORMULA, DATA, tau=0.2).coef[0], atol=0.05)


@pytest.mark.parametrize("method", ["portnoy", "peng-huang", "powell"])
def test_left_censoring_is_the_mirror_image(method: str) -> None:
    more = {"limit": 3.0} if method == "powell" else {}
    less = {"limit": -3.0} if method == "powell" else {}
    data = DATA.assign(d=(DATA.yc < 3.0) * 1.0, y=DATA.yc, m=-DATA.yc) if method == "powell" else DATA.assign(m=-DATA.y)
    right = si.crq(FORMULA, data, tau=[0.3, 0.6], method=method, **more)
    left = si.crq("cbind(m, d) ~ x1 + x2", data, tau=[0.4, 0.7], method=method, side="left", **less)
    np.testing.assert_allclose(left.coef, -right.coef[::-1], atol=1e-12)
    np.testing.assert_allclose(
        left.std_errors.to_numpy().reshape(2, 3), right.std_errors.to_numpy().reshape(2, 3)[::-1], rtol=1e-9
    )


# --- errors -----------------------------------------------------------------------------------------------


def test_influence_is_the_derivative_of_the_estimate_in_a_rows_weight() -> None:
    """One-step approximations of refits under exponential weights correlate with the refits themselves."""
    data = sample(400, 2)
    fit = si.crq(FORMULA, data, tau=[0.25, 0.5], method="peng-huang")
    weights = np.random.default_rng(1).exponential(size=(60, len(data)))
    refits = fit.refit_solver(False)(weights) - fit.theta
    steps = (weights - 1.0) @ fit.moments().scores
    for j in range(fit.theta.size):
        assert np.corrcoef(refits[:, j], steps[:, j])[0, 1] > 0.8


@pytest.mark.parametrize("method", ["portnoy", "peng-huang", "powell"])
def test_errors_are_near_those_of_the_bootstrap(method: str) -> None:
    data = sample(300, 4)
    formula, more = FORMULA, {}
    if method == "powell":
        data, formula, more = data.assign(y=np.minimum(data.y, 3.5)), "y ~ x1 + x2", {"limit": 3.5}
    fit = si.crq(formula, data, tau=0.4, method=method, **more)
    again = fit.bootstrap(100, "bayesian", seed=1)
    ratio = fit.std_errors / again.std_errors
    # 100 draws know a standard error to 7 percent; bootstrap errors of quantiles are known to be a little long.
    assert ((ratio > 0.7) & (ratio < 1.3)).all()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["portnoy", "peng-huang"])
def test_intervals_cover(method: str) -> None:
    covered = np.zeros((2, 3))
    samples, levels = 300, np.array([0.25, 0.5])
    q = norm.ppf(levels)
    truth = np.column_stack([2 + q, 1 + 0.3 * q, np.full(2, 0.5)])
    for seed in range(samples):
        limits = si.crq(FORMULA, sample(300, seed), tau=levels.tolist(), method=method).conf_int().to_numpy()
        covered += (limits[:, 0].reshape(2, 3) <= truth) & (truth <= limits[:, 1].reshape(2, 3))
    # Three binomial standard errors, and .01 for n = 300.
    assert (np.abs(covered / samples - 0.95) < 3 * np.sqrt(0.95 * 0.05 / samples) + 0.01).all()


# --- calls ------------------------------------------------------------------------------------------------


def test_one_level_is_that_level_of_several() -> None:
    several = si.crq(FORMULA, DATA, tau=[0.2, 0.5])
    np.testing.assert_allclose(several.coef[1], si.crq(FORMULA, DATA, tau=0.5).coef[0], atol=0.05)
    assert list(several.predict(DATA.head(2)).columns) == ["q0.2", "q0.5"]
    assert several.tidy()["tau"].tolist() == [0.2] * 3 + [0.5] * 3
    assert "Censored" in str(several.summary())


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        ({"tau": 0.995}, si.NotIdentifiedError, "reaches levels up to"),
        ({"formula": "y ~ x1"}, si.FormulaError, "cbind(time, event)"),
        ({"formula": "cbind(y, x1) ~ x2"}, si.DataError, "'x1' must be 1"),
        ({"formula": "cbind(y, d, x1) ~ x2"}, si.FormulaError, "3 columns"),
        ({"method": "powell"}, si.OptionError, "do not share one value"),
        ({"method": "powell", "limit": 2.0}, si.DataError, "above its limit"),
        ({"method": "powell", "limit": 9.0}, si.DataError, "other than its limit"),
        ({"method": "powell", "limit": "nowhere"}, si.DataError, "nowhere"),
        ({"side": "both"}, si.OptionError, "side"),
        ({"step": 0.7}, si.OptionError, "step"),
        ({"vcov": {"boot": "wild"}}, si.OptionError, "wild"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_cannot_be_done_is_said(call: dict, error: type, words: str) -> None:
    call = {"formula": FORMULA, "data": DATA} | call
    with pytest.raises(error, match=words.replace("(", r"\(").replace(")", r"\)")):
        si.crq(**call)

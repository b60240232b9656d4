"""The sigmoid metric: its search, its programs, and the weights, against grids and general solvers."""

from __future__ import annotations

from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest
from scipy.special import expit

from balancing.balance_samples import simulated, solve
from statinf.balancing import entropy, ipm
from statinf.balancing.problem import BalanceProblem
from statinf.errors import ConvergenceError, OptionError
from statinf.numerics.discrepancy.minimax import smallest_largest_gap
from statinf.numerics.discrepancy.sigmoids import Landscape

TIGHT = {"tol_gap_abs": 1e-13, "tol_gap_rel": 1e-13, "tol_feas": 1e-13}


def signed_weights(sample: BalanceProblem, solution) -> np.ndarray:
    t, w = sample.treated, solution.values
    return np.where(t, w / w[t].sum(), -w / w[~t].sum())


def largest_gap(x: np.ndarray, signed: np.ndarray, slope: float, starts: int = 400) -> float:
    land = Landscape.of(x, slope)
    return float(land.climb(signed, *land.scatter(starts, np.random.default_rng(99)), steps=40).gap.max())


@pytest.mark.parametrize("slope", [0.5, 2.0, 8.0])
def test_steepest_sigmoid_against_a_grid(slope):
    """In two dimensions every direction and threshold can be tried."""
    rng = np.random.default_rng(0)
    x, signed = rng.normal(size=(60, 2)), rng.normal(size=60)
    signed -= signed.mean()
    angles, thresholds = np.linspace(0, np.pi, 721), np.linspace(-3.5, 3.5, 701)
    along = x @ np.vstack([np.cos(angles), np.sin(angles)])
    grid = max(np.abs(signed @ expit(slope * (along - c))).max() for c in thresholds)
    found = largest_gap(x, signed, slope)
    # a point of the grid is within half a step of the peak, whose second derivatives are below slope^2 sum|signed|
    step = slope**2 * np.abs(signed).sum() * (1.0 + np.abs(x).max() ** 2) * (0.005**2)
    assert grid - 1e-12 <= found <= grid + step


def test_gap_is_attained_by_the_sigmoid_returned():
    rng = np.random.default_rng(1)
    x, signed = rng.normal(size=(80, 3)), rng.normal(size=80)
    signed -= signed.mean()
    land = Landscape.of(x, 3.0)
    peaks = land.climb(signed, *land.scatter(50, rng), steps=30)
    direct = expit(3.0 * (x @ peaks.direction) + peaks.shift).T @ signed
    np.testing.assert_allclose(peaks.gap, direct, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(peaks.direction, axis=0), 1.0, atol=1e-12)
    # curvature without the stored products is the same
    plain = replace(land, products=None).climb(signed, peaks.direction, peaks.shift, steps=30)
    np.testing.assert_allclose(plain.gap, peaks.gap, rtol=1e-4)


def test_smaller_slopes_tell_no_more():
    """A sigmoid of a smaller slope is a mixture of shifts of steeper ones, so the metric rises with the slope."""
    rng = np.random.default_rng(2)
    x, signed = rng.normal(size=(70, 3)), rng.normal(size=70)
    signed -= signed.mean()
    gaps = [largest_gap(x, signed, slope) for slope in (0.5, 1.0, 2.0, 4.0, 8.0)]
    assert np.all(np.diff(gaps) > 0)


@pytest.mark.parametrize("near", [False, True])
def test_program_over_given_gaps_against_cvxpy(near):
    rng = np.random.default_rng(3)
    phi, target, price = rng.random((50, 30)), 0.5 + 0.1 * rng.random(30), 0.01 + 0.01 * rng.random(50)
    start = None
    if near:
        first = smallest_largest_gap(phi[:, :20], target[:20], price, tol=1e-3)
        start = (first.w, np.r_[first.multipliers, np.zeros(10)])
    found = smallest_largest_gap(phi, target, price, start=start, tol=1e-11)
    w, t = cp.Variable(50), cp.Variable()
    value = cp.square(t) + cp.sum(cp.multiply(price, cp.square(w)))
    problem = cp.Problem(cp.Minimize(value), [w >= 0, cp.sum(w) == 1, target - phi.T @ w <= t])
    problem.solve(solver=cp.CLARABEL, **TIGHT)
    np.testing.assert_allclose(found.w, w.value, atol=1e-7)
    assert found.value == pytest.approx(problem.value, rel=1e-9)
    assert found.lower <= found.value * (1 + 1e-12)
    assert found.lower == pytest.approx(problem.value, rel=1e-9)


def one_column(n: int = 80) -> tuple[BalanceProblem, np.ndarray, np.ndarray]:
    """A sample with one column and the values (thresholds, rows) of a fine grid of its sigmoids of slope 2."""
    sample, _ = simulated(n, 1, 5, strength=1.0)
    x = ipm.standardised(sample).x[:, 0]
    grid = np.linspace(x.min() - 3, x.max() + 3, 1501)
    return sample, x, expit(2.0 * (x[None, :] - grid[:, None]))


def test_weights_of_one_column_against_cvxpy_over_a_grid_of_sigmoids():
    sample, _, values = one_column()
    t = sample.treated
    m = int((~t).sum())
    w, top = cp.Variable(m), cp.Variable()
    gap = values[:, t].mean(axis=1) - values[:, ~t] @ w
    problem = cp.Problem(
        cp.Minimize(4 * cp.square(top) + 0.01 * cp.sum_squares(w)), [w >= 0, cp.sum(w) == 1, cp.abs(gap) <= top]
    )
    problem.solve(solver=cp.CLARABEL, **TIGHT)
    solution = solve(ipm, sample, "ATT", ipm="sipm", tol=1e-5)
    v = solution.values[~t] / m
    # the grid leaves out thresholds between its points, so that its optimum is at most a little below
    assert 4 * solution.details["sipm"][0] ** 2 + 0.01 * v @ v == pytest.approx(problem.value, rel=1e-4)
    # strong convexity: the ridge turns an excess of the objective into a distance of the weights
    assert 0.01 * np.sum((v - w.value) ** 2) <= 2e-4 * problem.value


def test_tilted_weights_of_one_column_against_all_tilts():
    sample, x, values = one_column()
    t = sample.treated
    best = np.inf
    for theta in np.linspace(-3, 3, 6001):
        w = np.exp(theta * x[~t])
        best = min(best, float(np.abs(values[:, t].mean(axis=1) - values[:, ~t] @ (w / w.sum())).max()))
    solution = solve(ipm, sample, "ATT", ipm="sipm", form="parametric", tol=1e-4)
    assert solution.details["sipm"][0] == pytest.approx(best, rel=1e-3)


@pytest.mark.parametrize("form", ["nonparametric", "parametric"])
def test_optimum_is_below_the_iterated_answer(form):
    """Against an independent search; free weights beat it also over steeper sigmoids than they were made for."""
    sample, _ = simulated(200, 4, 0, strength=1.0)
    x = ipm.standardised(sample).x
    exact = signed_weights(sample, solve(ipm, sample, "ATT", ipm="sipm", form=form))
    adam = signed_weights(sample, solve(ipm, sample, "ATT", ipm="sipm", form=form, optimizer="adam"))
    for slope in (2.0, 4.0, 8.0) if form == "nonparametric" else (2.0,):
        assert largest_gap(x, exact, slope) < largest_gap(x, adam, slope)


def test_details_name_the_worst_sigmoid():
    sample, _ = simulated(150, 2, 7, strength=1.0)
    solution = solve(ipm, sample, "ATE", ipm="sipm")
    x = ipm.standardised(sample).x
    assert set(solution.details["worst_discriminator"]) == {0, 1}
    for k, arm in enumerate((1, 0)):
        worst = solution.details["worst_discriminator"][arm]
        rows = sample.treated == bool(arm)
        values = expit(x @ worst["slope"] + worst["intercept"])
        gap = values.mean() - np.average(values[rows], weights=solution.values[rows])
        assert abs(gap) == pytest.approx(solution.details["sipm"][k], rel=1e-9)
        assert np.linalg.norm(worst["slope"]) == pytest.approx(2.0)
        assert solution.details["sipm"][k] < 0.2 * solution.details["sipm_before"][k]
    assert solution.residual <= 0.01


@pytest.mark.parametrize("form", ["nonparametric", "parametric"])
def test_row_weights_stand_for_rows(form):
    sample, _ = simulated(120, 2, 2)
    twice = np.r_[np.arange(120), np.arange(20)]
    doubled = BalanceProblem(sample.x[twice], sample.treated[twice], np.ones(140), sample.names)
    weighted = replace(sample, s=1.0 + (np.arange(120) < 20))
    options = {"ipm": "sipm", "form": form, "tol": 1e-6}
    # sampling weights have no scale, so the ridge counts the arm's rows and not the sum of their weights
    rows, total = (~sample.treated).sum(), weighted.s[~sample.treated].sum()
    a = solve(ipm, doubled, "ATT", **options).values
    ridge = {"ridge": 0.01 * rows / total} if form == "nonparametric" else {}
    b = solve(ipm, weighted, "ATT", **ridge, **options).values
    merged = a[:120].copy()
    merged[:20] += a[120:]
    np.testing.assert_allclose(merged, b, atol=0.01)
    left_out = replace(sample, s=np.where(np.arange(120) % 6 == 0, 0.0, 1.0))
    keep = left_out.s > 0
    small = BalanceProblem(sample.x[keep], sample.treated[keep], np.ones(keep.sum()), sample.names)
    full = solve(ipm, left_out, "ATT", **options).values
    assert np.all(full[~keep] == 0)
    np.testing.assert_allclose(full[keep], solve(ipm, small, "ATT", **options).values, atol=0.01)


def test_same_seed_same_weights_and_another_the_same_optimum():
    sample, _ = simulated(150, 3, 4)
    first, again, other = (solve(ipm, sample, "ATT", ipm="sipm", tol=1e-4, seed=k).values for k in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(other, first, atol=0.1)


def test_equal_samples_keep_equal_weights():
    sample, _ = simulated(60, 2, 3)
    twins = BalanceProblem(np.vstack([sample.x, sample.x]), np.arange(120) < 60, np.ones(120), sample.names)
    for form in ("nonparametric", "parametric"):
        np.testing.assert_allclose(solve(ipm, twins, "ATT", ipm="sipm", form=form).values, 1.0, atol=1e-9)


def test_nearly_linear_sigmoids_balance_means():
    """With a tiny slope the tilted weights that leave the smallest gap are those of entropy balancing."""
    sample, _ = simulated(200, 2, 5)
    found = solve(ipm, sample, "ATT", ipm="sipm", form="parametric", slope=0.02, tol=1e-3)
    np.testing.assert_allclose(found.values, solve(entropy, sample, "ATT").values, atol=0.05)


def test_options_of_the_sigmoid_metric():
    sample, _ = simulated(60, 2, 0)
    for options, message in (
        ({"slope": 0.0}, "slope"),
        ({"slope": np.inf}, "slope"),
        ({"tol": 0.0}, "tol"),
        ({"epochs": 10}, "iterative"),
    ):
        with pytest.raises(OptionError, match=message):
            solve(ipm, sample, "ATT", ipm="sipm", **options)
    with pytest.raises(OptionError, match="'adam'"):
        solve(ipm, sample, "ATT", ipm="wasserstein", optimizer="exact")
    with pytest.raises(ConvergenceError, match="2 rounds"):
        solve(ipm, sample, "ATT", ipm="sipm", tol=1e-8, max_iter=2)


@pytest.mark.parametrize("metric", ["mmd", "sipm"])
@pytest.mark.parametrize("sampling", [1.0, 3.0])
def test_parametric_weights_for_everybody_invert_a_propensity_of_linear_logit(metric, sampling):
    # Odds of treatment 1/2, 1 and 2 at x = -1, 0 and 1: the weights are 1 / e(x), each row's own mass included.
    counts = {(-1.0, 1): 20, (0.0, 1): 40, (1.0, 1): 80, (-1.0, 0): 40, (0.0, 0): 40, (1.0, 0): 40}
    x = np.concatenate([np.full(m, at) for (at, _), m in counts.items()])
    t = np.concatenate([np.full(m, arm == 1) for (_, arm), m in counts.items()])
    sample = BalanceProblem(x[:, None], t, np.full(len(x), sampling), ("x",))
    solution = solve(ipm, sample, "ATE", ipm=metric, form="parametric")
    chance = 1.0 / (1.0 + 2.0**-x)
    truth = np.where(t, 1.0 / chance, 1.0 / (1.0 - chance))
    for arm in (t, ~t):
        got, right = solution.values[arm] / solution.values[arm].mean(), truth[arm] / truth[arm].mean()
        np.testing.assert_allclose(got, right, rtol=1e-4)

"""The array layer against independent solvers, identities and perturbation of the rows."""

from __future__ import annotations

from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest
from scipy.optimize import minimize

from balancing.balance_samples import data, hajek, simulated, solve
from statinf.balancing import cbps, energy, entropy, ipm, ipm_mmd, ipw, kernel, sbw
from statinf.balancing.ipm_mmd import solve_mmd
from statinf.balancing.problem import BalanceProblem, tasks
from statinf.errors import InfeasibleError, NotIdentifiedError, OptionError
from statinf.numerics.kernels.distances import distances, gaussian

SMOOTH = {
    "entropy": lambda s, e: solve(entropy, s, e),
    "cbps": lambda s, e: solve(cbps, s, e),
    "ipt": lambda s, e: solve(cbps, s, e, separate=True),
    "ipw": lambda s, e: solve(ipw, s, e),
    "probit": lambda s, e: solve(ipw, s, e, link="probit"),
    "stabilised": lambda s, e: solve(ipw, s, e, stabilize=True),
    "sbw": lambda s, e: solve(sbw, s, e),
    "sbw-negative": lambda s, e: solve(sbw, s, e, negative=True),
}


@pytest.mark.parametrize("method", SMOOTH)
@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC"])
def test_influence_is_the_derivative_in_the_row_weights(method, estimand):
    """Moving one row's sampling weight moves the estimate by its influence value: target, weights and means together."""
    sample, y = simulated(150, 3, 1)
    made = SMOOTH[method]
    influence = hajek(sample, y, made(sample, estimand))[1]
    for row in (0, 7, 50, 149):
        step = np.zeros(sample.n)
        step[row] = 1e-4
        up, down = (hajek(sample, y, made(replace(sample, s=sample.s + sign * step), estimand))[0] for sign in (1, -1))
        assert (up - down) / 2e-4 == pytest.approx(influence[row], rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC"])
def test_influence_of_tilts_that_minimise_mmd_is_the_derivative_in_the_row_weights(estimand):
    sample, y = simulated(150, 3, 1)
    standard = ipm.standardised(sample)  # the kernel's units are the sample's, not estimated

    def estimate(s):
        found = solve_mmd(
            replace(s, estimand=estimand), form="parametric", width=10.0, ridge=0.01, tol=1e-9, max_iter=2000
        )
        return hajek(standard, y, found)

    influence = estimate(standard)[1]
    for row in (0, 7, 50, 149):
        step = np.zeros(sample.n)
        step[row] = 1e-3
        up, down = (estimate(replace(standard, s=standard.s + sign * step))[0] for sign in (1, -1))
        # BFGS stops at a gradient of 1e-9; the difference divides the error that leaves by 2e-3.
        assert (up - down) / 2e-3 == pytest.approx(influence[row], rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("method", [*SMOOTH, "mmd-parametric"])
def test_a_row_of_weight_two_is_two_rows(method):
    made = SMOOTH | {"mmd-parametric": lambda s, e: solve(ipm, s, e, form="parametric")}
    sample, y = simulated(120, 2, 2)
    twice = np.r_[np.arange(120), np.arange(20)]
    doubled = BalanceProblem(sample.x[twice], sample.treated[twice], np.ones(140), sample.names)
    weighted = replace(sample, s=1.0 + (np.arange(120) < 20))
    a = hajek(doubled, y[twice], made[method](doubled, "ATT"))[0]
    b = hajek(weighted, y, made[method](weighted, "ATT"))[0]
    assert a == pytest.approx(b, rel=1e-7)


def test_att_identities():
    sample, y = data("lalonde")
    estimates = [
        hajek(sample, y, s)[:2]
        for s in (solve(entropy, sample, "ATT"), solve(cbps, sample, "ATT"), solve(cbps, sample, "ATT", separate=True))
    ]
    for estimate, influence in estimates[1:]:
        assert estimate == pytest.approx(estimates[0][0], rel=1e-9)
        np.testing.assert_allclose(influence, estimates[0][1], atol=1e-6)


@pytest.mark.parametrize(("estimand", "arm"), [("ATT", 0), ("ATC", 1)])
def test_cbps_coefficients_are_a_logit_whose_odds_are_the_weights(estimand, arm):
    sample, _ = data("lalonde")
    solution = solve(cbps, sample, estimand)
    rows = sample.treated == bool(arm)
    logit = np.column_stack([np.ones(sample.n), sample.x]) @ solution.details["coefficients"]
    np.testing.assert_allclose(solution.propensity, 1 / (1 + np.exp(-logit)), rtol=1e-9)
    np.testing.assert_allclose(solution.values[rows], np.exp(logit if arm == 0 else -logit)[rows], rtol=1e-9)
    assert solution.values[rows].sum() == pytest.approx(np.sum(~rows), rel=1e-12)


def test_exact_sbw_with_negative_weights_is_regression_imputation():
    sample, y = data("lalonde")
    t = sample.treated
    z = np.column_stack([np.ones(sample.n), sample.x])
    beta = np.linalg.lstsq(z[~t], y[~t], rcond=None)[0]
    expected = (y[t] - z[t] @ beta).mean()
    assert hajek(sample, y, solve(sbw, sample, "ATT", negative=True))[0] == pytest.approx(expected, rel=1e-8)


def test_identical_groups_get_unit_weights():
    x = np.random.default_rng(0).normal(size=(40, 2))
    sample = BalanceProblem(np.vstack([x, x]), np.arange(80) < 40, np.ones(80), ("a", "b"))
    for solution in (
        solve(entropy, sample),
        solve(sbw, sample),
        solve(cbps, sample, "ATT"),
        solve(ipm, sample, "ATT"),
        solve(energy, sample, "ATT"),
    ):
        np.testing.assert_allclose(solution.values, 1.0, atol=1e-7)


@pytest.mark.parametrize("method", ["entropy", "cbps", "sbw", "ipw", "energy", "kernel", "ipm"])
def test_order_and_scale_of_columns_do_not_matter(method):
    module = {"entropy": entropy, "cbps": cbps, "sbw": sbw, "ipw": ipw, "energy": energy, "kernel": kernel, "ipm": ipm}[
        method
    ]
    sample, _ = data("kang_schafer_X")
    moved = BalanceProblem(
        sample.x[:, ::-1] * np.array([1e6, 1.0, 1e-4, 1.0]) + 5.0, sample.treated, sample.s, sample.names[::-1]
    )
    np.testing.assert_allclose(solve(module, moved, "ATT").values, solve(module, sample, "ATT").values, atol=2e-6)


def test_entropy_against_a_general_optimiser():
    sample, _ = data("kang_schafer_X")
    t = sample.treated
    c = (sample.x[~t] - sample.x[t].mean(axis=0)) / sample.x.std(axis=0)
    found = minimize(lambda slope: np.log(np.exp(c @ slope).sum()), np.zeros(4), method="BFGS", options={"gtol": 1e-10})
    p = np.exp(c @ found.x)
    np.testing.assert_allclose(solve(entropy, sample, "ATT").values[~t], p / p.mean(), rtol=1e-5)


@pytest.mark.parametrize("tols", [0.0, 0.03])
def test_sbw_against_cvxpy(tols):
    sample, _ = data("kang_schafer_X")
    t, s = sample.treated, sample.s
    target = sample.x.mean(axis=0)
    sd = np.sqrt((sample.x[t].var(axis=0, ddof=1) + sample.x[~t].var(axis=0, ddof=1)) / 2)
    solution = solve(sbw, sample, "ATE", tols=tols)
    for arm in (t, ~t):
        w = cp.Variable(int(arm.sum()))
        gap = ((sample.x[arm] - target) / sd).T @ w / arm.sum()
        problem = cp.Problem(
            cp.Minimize(cp.sum_squares(w - 1)), [w >= 0, cp.sum(w) == arm.sum(), cp.abs(gap) <= tols + 1e-15]
        )
        problem.solve(solver=cp.CLARABEL, tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12)
        np.testing.assert_allclose(solution.values[arm], w.value, atol=1e-5)
        assert s[arm] @ (solution.values[arm] - 1) ** 2 == pytest.approx(problem.value, rel=1e-7)


def _quadratic_value(matrix, linear, v):
    return float(0.5 * v @ matrix @ v + linear @ v)


@pytest.mark.parametrize("estimand", ["ATE", "ATT"])
def test_energy_objective_is_not_above_cvxpy(estimand):
    sample, _ = simulated(150, 3, 3, strength=1.0)
    z = sample.x / sample.x.std(axis=0, ddof=1)
    t, d = sample.treated, distances(z, z)
    if estimand == "ATT":
        index, groups, sign = np.flatnonzero(~t), np.zeros((~t).sum(), int), 1.0
        linear = 2 * d[~t][:, t].mean(axis=1)
    else:
        index, groups = np.arange(150), t.astype(int)
        sign = np.where(np.equal.outer(groups, groups), 2.0, -1.0)
        linear = 2 * d.mean(axis=1)
    same = np.equal.outer(groups, groups)
    matrix = -2 * d[np.ix_(index, index)] * (sign * (same if estimand == "ATT" else 1.0)) + 1e-4 * np.eye(len(index))
    lift = same * (40 * d.mean())
    v = cp.Variable(len(index))
    sums = [cp.sum(v[np.flatnonzero(groups == g)]) == 1 for g in np.unique(groups)]
    problem = cp.Problem(cp.Minimize(0.5 * cp.quad_form(v, cp.psd_wrap(matrix + lift)) + linear @ v), [v >= 0, *sums])
    problem.solve(solver=cp.CLARABEL, tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12)
    ours = solve(energy, sample, estimand).values[index]
    for g in np.unique(groups):
        ours[groups == g] /= ours[groups == g].sum()
    assert _quadratic_value(matrix, linear, ours) == pytest.approx(_quadratic_value(matrix, linear, v.value), abs=1e-7)
    assert _quadratic_value(matrix, linear, ours) <= _quadratic_value(matrix, linear, np.maximum(v.value, 0)) + 1e-9


@pytest.mark.parametrize("seed", range(8))
def test_energy_converges_on_hard_overlap(seed):
    sample, _ = simulated(200, 2 + seed % 3, seed, strength=4.0)
    for estimand in ("ATE", "ATT", "ATC"):
        assert solve(energy, sample, estimand).residual < 1e-8


def test_energy_in_leading_directions_approaches_the_exact_program():
    """With every direction the two programs are one, up to the least weight of 1e-8."""
    sample, _ = simulated(200, 3, 11, strength=1.0)
    exact = solve(energy, sample, "ATT").values
    found = {rank: solve(energy, sample, "ATT", rank=rank) for rank in (40, 120, 200)}
    distance = {rank: np.abs(f.values - exact).mean() for rank, f in found.items()}
    assert distance[200] < 1e-5 < distance[120] < distance[40]
    assert found[200].details["trace_left"] < 1e-9 < found[120].details["trace_left"] < found[40].details["trace_left"]


def test_mmd_program_against_dense_cvxpy():
    sample, _ = simulated(120, 3, 4, strength=1.0)
    t = sample.treated
    x = (sample.x - sample.x.mean(axis=0)) / sample.x.std(axis=0)
    k = gaussian(x, x, 200.0)
    w = cp.Variable(int((~t).sum()))
    u = t / t.sum()
    value = 100 * cp.quad_form(w, cp.psd_wrap(k[~t][:, ~t])) - 200 * w @ (k[~t] @ u) + 0.01 * cp.sum_squares(w)
    cp.Problem(cp.Minimize(value), [w >= 0, cp.sum(w) == 1]).solve(
        solver=cp.CLARABEL, tol_gap_abs=1e-13, tol_gap_rel=1e-13, tol_feas=1e-13
    )
    np.testing.assert_allclose(solve(ipm, sample, "ATT").values[~t] / (~t).sum(), w.value, atol=5e-6)


def test_mmd_limits():
    """Parametric MMD weights balance means in a nearly linear kernel; a tiny bandwidth returns uniform weights."""
    sample, _ = simulated(200, 2, 5)
    t = sample.treated
    wide = solve(ipm, sample, "ATT", form="parametric", bandwidth=300.0)
    np.testing.assert_allclose(wide.values, solve(entropy, sample, "ATT").values, atol=2e-3)
    narrow = solve(ipm, sample, "ATT", bandwidth=1e-3, ridge=1e-8)
    np.testing.assert_allclose(narrow.values[~t], 1.0, atol=1e-6)


def test_one_binary_column_is_poststratification():
    rng = np.random.default_rng(6)
    t = np.arange(200) < 80
    x = (rng.random(200) < np.where(t, 0.7, 0.3)).astype(float)
    sample = BalanceProblem(x[:, None], t, np.ones(200), ("x",))
    share1, share0 = x[t].mean(), x[~t].mean()
    expected = np.where(x[~t] == 1, share1 / share0, (1 - share1) / (1 - share0))
    for solution in (solve(entropy, sample, "ATT"), solve(sbw, sample, "ATT"), solve(ipm, sample, "ATT", ridge=1e-7)):
        np.testing.assert_allclose(solution.values[~t], expected, atol=1e-4)


@pytest.mark.parametrize("metric", ["mmd", "sipm", "wasserstein"])
@pytest.mark.parametrize("form", ["nonparametric", "parametric"])
def test_iterated_schemes_reduce_the_metric_and_repeat(metric, form):
    sample, _ = simulated(150, 2, 7, strength=1.5)
    options = {"ipm": metric, "optimizer": "adam"}
    first, again = (solve(ipm, sample, "ATT", form=form, epochs=60, seed=3, **options) for _ in range(2))
    np.testing.assert_array_equal(first.values, again.values)
    t, x = sample.treated, sample.x
    gap = np.linalg.norm(x[t].mean(axis=0) - x[~t].mean(axis=0))
    after = np.linalg.norm(x[t].mean(axis=0) - np.average(x[~t], axis=0, weights=first.values[~t]))
    assert after < 0.7 * gap
    assert first.values[~t].mean() == pytest.approx(1.0)


def test_exact_mmd_is_not_above_the_iterated_one():
    sample, _ = simulated(150, 3, 8)
    exact = solve(ipm, sample, "ATT", ridge=1e-6)
    factor = ipm_mmd.kernel_factor(ipm.standardised(sample).x, 10.0)
    task = tasks(replace(sample, estimand="ATT"))[0]
    adam = solve(ipm, sample, "ATT", optimizer="adam", epochs=300)
    gaps = [ipm_mmd.discrepancy(factor, task, s.values[task.index] / len(task.index)) for s in (exact, adam)]
    assert gaps[0] <= gaps[1] + 1e-9


def test_weights_with_zero_sampling_weight_are_zero_and_ignored():
    sample, _ = simulated(150, 2, 9)
    s = np.where(np.arange(150) % 5 == 0, 0.0, 1.0)
    keep = s > 0
    small = BalanceProblem(sample.x[keep], sample.treated[keep], s[keep], sample.names)
    for module in (entropy, sbw, cbps, ipw, energy, ipm):
        full = solve(module, replace(sample, s=s), "ATE")
        assert np.all(full.values[~keep] == 0)
        np.testing.assert_allclose(full.values[keep], solve(module, small, "ATE").values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("n", [200, 1300])
def test_kernel_bias_bound_is_the_norm_of_the_signed_weights(n):
    """With all rows as landmarks the bound counts the components that are left out too."""
    sample, _ = simulated(n, 2, 12)
    solution = solve(kernel, sample, "ATT", bandwidth=0.5, landmarks=n)
    t = sample.treated
    x = (sample.x - sample.x.mean(axis=0)) / sample.x.std(axis=0, ddof=1)
    k = gaussian(x, x, 0.5)
    for values, bound in zip((np.ones(n), solution.values), solution.details["bias_bound"][0], strict=True):
        signed = np.where(t, 1.0 / t.sum(), -values / values[~t].sum())
        assert bound == pytest.approx(np.sqrt(signed @ k @ signed), rel=1e-7)


def test_landmarks_span_the_same_space_when_they_are_all_rows():
    sample, _ = simulated(150, 2, 10)
    full = solve(kernel, sample, "ATT", bandwidth=4.0, dimensions=6)
    some = solve(kernel, sample, "ATT", bandwidth=4.0, dimensions=6, landmarks=140, seed=1)
    assert np.max(np.abs(full.values - some.values)) < 0.02


def test_infeasible_target_is_named_with_its_gap():
    sample, _ = data("nsw_psid")
    with pytest.raises(InfeasibleError, match=r"'black'.*0\.409 standard deviations.*feasible from tols=0\.41"):
        solve(entropy, sample, "ATE")
    with pytest.raises(InfeasibleError, match=r"'black'.*raise tols to at least"):
        solve(sbw, sample, "ATE")


def test_smallest_feasible_tolerance_is_feasible():
    x = np.r_[np.random.default_rng(0).uniform(0, 1, 50), np.random.default_rng(1).uniform(2, 3, 50)]
    sample = BalanceProblem(x[:, None], np.arange(100) < 50, np.ones(100), ("dose",))
    with pytest.raises(InfeasibleError, match=r"'dose'.*at least ([\d.]+)") as caught:
        solve(sbw, sample, "ATT", tols=0.1)
    smallest = float(str(caught.value).split("at least ")[1].split()[0].rstrip("."))
    assert np.isfinite(solve(sbw, sample, "ATT", tols=smallest * 1.001).values).all()
    with pytest.raises(InfeasibleError):
        solve(sbw, sample, "ATT", tols=smallest * 0.9)


def test_separation_is_named():
    x = np.r_[np.linspace(-2, -1, 30), np.linspace(1, 2, 30)]
    sample = BalanceProblem(np.column_stack([x, np.tile([0.0, 1.0], 30)]), x > 0, np.ones(60), ("dose", "noise"))
    with pytest.raises(NotIdentifiedError, match="no overlap: 'dose'"):
        solve(ipw, sample, "ATO")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: solve(sbw, s, tols=-0.1), "not negative"),
        (lambda s: solve(sbw, s, tols=[0.1]), "1 values for 2 columns"),
        (lambda s: solve(sbw, s, tols="best"), "'auto'"),
        (lambda s: solve(ipw, s, "ATX"), "ATEN"),
        (lambda s: solve(ipw, s, trim=0.7), "above 0 and below 0.5"),
        (lambda s: solve(ipw, s, truncate=1.2), "above 0.5 and at most 1"),
        (lambda s: solve(ipw, s, link="cauchit"), "'probit'"),
        (lambda s: solve(entropy, s, "ATO"), "ATE, ATT, ATC"),
        (lambda s: solve(energy, s, ridge=-1.0), "ridge"),
        (lambda s: solve(kernel, s, landmarks=1), "landmarks"),
        (lambda s: solve(kernel, s, dimensions=0), "at least 1"),
        (lambda s: solve(kernel, s, dimensions=1000), "between 1 and"),
        (lambda s: solve(ipm, s, ipm="tv"), "'wasserstein'"),
        (lambda s: solve(ipm, s, ridge=0.0), "ridge"),
        (lambda s: solve(ipm, s, bandwidth=-1.0), "bandwidth"),
        (lambda s: solve(ipm, s, epochs=10), "iterative"),
        (lambda s: solve(ipm, s, slope=1.0), "slope= means nothing for ipm='mmd'"),
        (lambda s: solve(ipm, s, form="parametric", ridge=0.1), "ridge= means nothing"),
        (lambda s: solve(ipm, s, ipm="energy", bandwidth=1.0), "bandwidth= means nothing"),
        (lambda s: solve(energy, s, rank=5, improved=True), "one arm at a time"),
        (lambda s: solve(cbps, s, twostep=True), "over=True"),
        (lambda s: solve(cbps, s, over=True, separate=True), "exclude each other"),
        (lambda s: solve(cbps, s, "ATO", over=True), "with over=True"),
        (lambda s: solve(ipm, s, ipm="sipm", optimizer="adam", epochs=0), "epochs"),
    ],
)
def test_options_outside_their_domain(call, message):
    with pytest.raises(OptionError, match=message):
        call(simulated(60, 2, 0)[0])

"""Density ratios against reference numbers, convex solvers and brute force."""

import cvxpy as cp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import statinf as si
from shifts.samples import QUADRATIC, matrices, number, two
from statinf.numerics.programs.band_qp import solve_band_qp
from statinf.shifts import kliep, ulsif
from statinf.shifts.kernels import median_distance, rbf
from statinf.shifts.overlap import pareto_k, weighted_ks

NO_BAND = 1e6


@pytest.mark.parametrize(("columns", "name"), [("x1 + x2", "linear"), (QUADRATIC, "quadratic")])
def test_logistic_meets_reference(columns, name):
    source, target = two()
    w = si.density_ratio(f"~ {columns}", source, target, method="logistic")
    gamma = number(name, "gamma")
    assert_allclose(w.rule.slope, gamma[1:], rtol=1e-8)
    assert_allclose(w.rule.constant - w.rule.centre @ w.rule.slope, gamma[0] + np.log(300 / 200), rtol=1e-8)
    assert_allclose(w.values, number(name, "weights"), rtol=1e-8)
    assert_allclose(w.ess, number(name, "ess")[0], rtol=1e-8)


def test_logistic_score_equations_hold():
    source, target = two()
    w = si.density_ratio("~ x1 + x2", source, target)
    odds_s, odds_t = w.score(source) * 200 / 300, w.score(target) * 200 / 300
    left = (odds_s / (1 + odds_s)) @ source[["x1", "x2"]].to_numpy()
    right = (1 / (1 + odds_t)) @ target[["x1", "x2"]].to_numpy()
    assert_allclose(left, right, atol=1e-8)


@pytest.mark.parametrize(("columns", "name"), [("x1 + x2", "mean"), (QUADRATIC, "mean+second")])
def test_moment_meets_reference_and_matches_the_moments(columns, name):
    source, target = two()
    w = si.density_ratio(f"~ {columns}", source, target, method="moment")
    assert_allclose(w.values, number(name, "weights"), rtol=1e-8)
    assert_allclose(w.values.sum(), 300, rtol=1e-12)
    assert np.abs(w.diagnostics()["smd_after"]).max() < 1e-10


@pytest.mark.parametrize("ridge", [0.1, 1, 10])
def test_kmm_meets_reference(ridge):
    source, target = two()
    w = si.density_ratio("~ x1 + x2", source, target, method="kmm", ridge=float(ridge), eps=NO_BAND, scale=False)
    name = f"B=1000 eps inactive ridge={ridge} (w>=0 only)"
    assert_allclose(w.settings["bandwidth"], number("median_heuristic", "sigma")[0], rtol=1e-10)
    assert_allclose(w.facts["objective"], number(name, "objective")[0], rtol=1e-9)
    assert_allclose(w.values, number(name, "weights"), rtol=1e-6, atol=1e-7)
    assert_allclose(w.facts["MMD^2 after"], number(name, "mmd2_biased")[0], rtol=1e-6)
    assert_allclose(w.score(source), w.values, atol=1e-8)


@pytest.mark.parametrize(
    ("bound", "eps", "start"), [(1000.0, None, "B=1000 eps=(sqrt(n)-1)"), (10.0, 0.05, "B=10 eps=0.05")]
)
def test_kmm_without_ridge_reaches_the_reference_objective(bound, eps, start):
    source, target = two()
    slack = (np.sqrt(300) - 1) / np.sqrt(300) if eps is None else eps
    w = si.density_ratio("~ x1 + x2", source, target, method="kmm", ridge=0.0, bound=bound, eps=slack, scale=False)
    name = {
        "B=1000 eps=(sqrt(n)-1)": "B=1000 eps=(sqrt(n)-1)/sqrt(n) ridge=0 (exact active set; ILL-CONDITIONED weights)",
        "B=10 eps=0.05": "B=10 eps=0.05 ridge=0 (exact active set; ILL-CONDITIONED weights)",
    }[start]
    assert_allclose(w.facts["objective"], number(name, "objective")[0], rtol=1e-6)
    assert w.values.max() <= bound * (1 + 1e-9)
    with pytest.raises(si.NotIdentifiedError, match="positive ridge"):
        w.score(target)


@pytest.mark.parametrize("band", [(0.0, 1e9), (70.0, 72.0), (20.0, 25.0)])
@pytest.mark.parametrize("top", [0.8, 50.0])
def test_band_programme_against_cvxpy(band, top):
    rng = np.random.default_rng(4)
    factor, linear = rng.standard_normal((60, 7)), rng.standard_normal(60) * 3 + 4
    c = rng.uniform(0.5, 2.0, 60)
    band = (min(band[0], 0.5 * top * c.sum()), band[1])
    u = cp.Variable(60)
    objective = 0.5 * cp.sum_squares(factor.T @ u) + 0.35 * cp.sum_squares(u) - linear @ u
    cp.Problem(
        cp.Minimize(objective), [u >= 0, u <= top, *([] if band[1] > 1e6 else [c @ u >= band[0], c @ u <= band[1]])]
    ).solve(solver=cp.CLARABEL, tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12)
    ours = solve_band_qp(factor, linear, 0.7, np.full(60, top), c, band)
    assert_allclose(ours.values, u.value, atol=1e-6)
    assert_allclose(ours.objective, objective.value, rtol=1e-8)


@pytest.mark.parametrize(("sigma", "score"), [(1.0, 0.1), (0.5, 0.01)])
def test_ulsif_meets_reference(sigma, score):
    xs, xt = matrices()
    centers = xt[:100]
    phi_s, phi_t = rbf(xs, centers, sigma), rbf(xt, centers, sigma)
    theta = ulsif.solve(phi_s, phi_t, np.ones(300), np.ones(200), score)
    name = f"sigma={sigma} lambda={score}"
    assert_allclose(phi_s @ theta, number(f"{name} alpha=0.0", "weights_unclipped_theta"), rtol=1e-7, atol=1e-9)
    assert_allclose(phi_s @ np.maximum(theta, 0), number(f"{name} alpha=0.0", "weights_clipped_theta"), rtol=1e-8)
    found = ulsif.loocv(xs, xt, centers, np.array([sigma]), np.array([score]))
    assert_allclose(found, [number(name, "loocv_exact_clipped")], rtol=1e-9)


def test_ulsif_leave_one_out_is_refitting():
    rng = np.random.default_rng(0)
    xs, xt = rng.standard_normal((25, 2)), rng.standard_normal((18, 2)) + 0.5
    centers, lam = xt[:6], 0.05
    total = 0.0
    for i in range(18):
        s, t = np.delete(xs, i, axis=0), np.delete(xt, i, axis=0)
        theta = ulsif.solve(rbf(s, centers, 0.9), rbf(t, centers, 0.9), np.ones(24), np.ones(17), lam)
        theta = np.maximum(theta, 0)
        total += 0.5 * (rbf(xs[[i]], centers, 0.9) @ theta)[0] ** 2 - (rbf(xt[[i]], centers, 0.9) @ theta)[0]
    found = ulsif.loocv(xs, xt, centers, np.array([0.9]), np.array([lam]))[0, 0]
    assert_allclose(found, total / 18, rtol=1e-10)


def test_ulsif_with_one_centre_is_a_quotient():
    xs, xt = matrices()
    a, b = rbf(xs, xt[:1], 0.7)[:, 0], rbf(xt, xt[:1], 0.7)[:, 0]
    theta = ulsif.solve(a[:, None], b[:, None], np.ones(300), np.ones(200), 0.2)
    assert_allclose(theta, [b.mean() / ((a**2).mean() + 0.2)], rtol=1e-12)


@pytest.mark.parametrize("sigma", [1.0, 0.5])
def test_kliep_meets_reference(sigma):
    xs, xt = matrices()
    phi, level = rbf(xt, xt[:100], sigma), rbf(xs, xt[:100], sigma).mean(axis=0)
    theta = kliep.maximise(phi[None], level[None], np.full((1, 200), 1 / 200))[0]
    name = f"sigma={sigma}"
    assert_allclose(np.log(phi @ theta).mean(), number(name, "objective")[0], rtol=1e-9)
    assert_allclose(rbf(xs, xt[:100], sigma) @ theta, number(name, "weights"), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("seed", [1, 5, 6])
def test_kliep_with_tied_rows_reaches_the_maximum(seed):
    """Counts: many centres are equal, and the curvature is singular but for rounding."""
    rng = np.random.default_rng(seed)
    source, target = rng.poisson(2, 90).astype(float), rng.poisson(2.3, 80).astype(float)
    w = si.density_ratio("~ z", {"z": source}, {"z": target}, method="kliep")
    spread, width = np.concatenate([source, target]).std(), w.settings["bandwidth"]
    places = np.unique(target)

    def bumps(x):
        return np.exp(-(((x[:, None] - places) / spread) ** 2) / (2.0 * width**2))

    theta = cp.Variable(len(places), nonneg=True)
    fitted = cp.sum(cp.log(bumps(target) @ theta)) / len(target)
    value = cp.Problem(cp.Maximize(fitted), [bumps(source).mean(axis=0) @ theta == 1.0]).solve(solver="CLARABEL")
    # Interior-point solutions are accurate to about 1e-8 in the objective.
    assert_allclose(w.facts["mean log ratio"], value, atol=1e-7)
    assert_allclose(np.log(w.score({"z": target})).mean(), value, atol=1e-7)


def test_kliep_batches_solve_each_problem():
    rng = np.random.default_rng(1)
    phi, level = rng.uniform(0.1, 1.0, (3, 30, 5)), rng.uniform(0.2, 1.0, (3, 5))
    weights = rng.uniform(size=(3, 30))
    weights /= weights.sum(axis=1, keepdims=True)
    theta = kliep.maximise(phi, level, weights)
    for k in range(3):
        t = cp.Variable(5)
        value = weights[k] @ cp.log(phi[k] @ t)
        cp.Problem(cp.Maximize(value), [t >= 0, level[k] @ t == 1]).solve(solver=cp.CLARABEL)
        assert_allclose(weights[k] @ np.log(phi[k] @ theta[k]), value.value, atol=1e-7)
        assert_allclose(level[k] @ theta[k], 1.0, rtol=1e-12)


def test_chosen_tuning_is_close_to_the_true_ratio():
    """Each method beats weights of one; the logit needs the squares, as the two variances differ."""
    source, target = two()
    truth = source["w_true"].to_numpy()
    plain = np.mean((truth - 1) ** 2)
    for method in ("logistic", "moment", "kmm", "kliep", "ulsif"):
        columns = QUADRATIC if method in ("logistic", "moment") else "x1 + x2"
        w = si.density_ratio(f"~ {columns}", source, target, method=method)
        assert np.mean((w.values - truth) ** 2) < plain / 2, method


def test_median_distance_is_that_of_all_pairs():
    xs, xt = matrices()
    pooled = np.concatenate([xs, xt])
    pairs = np.linalg.norm(pooled[:, None] - pooled[None], axis=2)[np.triu_indices(500, 1)]
    assert_allclose(median_distance(pooled), np.median(pairs), rtol=1e-12)


def test_pareto_k_recovers_the_tail():
    rng = np.random.default_rng(3)
    for k in (0.2, 0.5, 0.9):
        draws = np.array([pareto_k(1.0 + (rng.uniform(size=4000) ** -k - 1) / k) for _ in range(40)])
        # The fit uses 190 exceedances: its standard deviation is near (1 + k) / sqrt(190).
        assert abs(draws.mean() - k) < 4 * (1 + k) / np.sqrt(190 * 40) + 0.05


def test_weighted_ks_is_scipys_with_equal_weights():
    from scipy.stats import ks_2samp

    rng = np.random.default_rng(5)
    a, b = rng.integers(0, 8, 70).astype(float), rng.integers(1, 9, 50).astype(float)
    assert_allclose(weighted_ks(a, b, np.ones(70), np.ones(50)), ks_2samp(a, b).statistic, atol=1e-14)

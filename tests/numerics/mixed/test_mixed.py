"""Random-intercept models against dense likelihoods and the closed forms of generalised least squares."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit

import statinf as si
from statinf.numerics.mixed.laplace import fit_logistic
from statinf.numerics.mixed.reml import fit_reml
from statinf.numerics.mixed.rows import PooledRows


def _problem(n: int = 150, seed: int = 2):
    rng = np.random.default_rng(seed)
    codes = (rng.integers(0, 8, n), rng.integers(0, 5, n))
    x = np.column_stack([np.ones(n), rng.normal(size=n)])
    eta = x @ [0.3, 0.7] + 0.9 * rng.normal(size=8)[codes[0]] + 0.8 * rng.normal(size=5)[codes[1]]
    w = rng.integers(1, 4, n).astype(float)
    return PooledRows(x, codes, (8, 5)), eta + rng.normal(size=n), (rng.random(n) < expit(eta)).astype(float), w


def _dense(rows: PooledRows) -> np.ndarray:
    return np.column_stack([(c[:, None] == np.arange(k)) for c, k in zip(rows.codes, rows.sizes, strict=True)]) * 1.0


def _repeated(rows: PooledRows, y: np.ndarray, w: np.ndarray):
    again = np.repeat(np.arange(len(y)), w.astype(int))
    return PooledRows(rows.x[again], tuple(c[again] for c in rows.codes), rows.sizes), y[again]


def _restricted(rows: PooledRows, y: np.ndarray, variances: np.ndarray, dispersion: float) -> float:
    z, n, p = _dense(rows), len(y), rows.p
    v = z @ np.diag(rows.repeat(variances)) @ z.T + dispersion * np.eye(n)
    inverse = np.linalg.inv(v)
    inner = rows.x.T @ inverse @ rows.x
    r = y - rows.x @ np.linalg.solve(inner, rows.x.T @ inverse @ y)
    return (n - p) * np.log(2 * np.pi) + np.linalg.slogdet(v)[1] + np.linalg.slogdet(inner)[1] + r @ inverse @ r


def test_sums_are_those_of_the_dense_matrix():
    rows, y, _, w = _problem()
    t = np.column_stack([rows.x, _dense(rows)])
    assert_allclose(rows.gram(w), t.T @ (t * w[:, None]), atol=1e-11)
    assert_allclose(rows.transposed(y), t.T @ y, atol=1e-12)
    assert_allclose(rows.predictor(t.T @ y), t @ (t.T @ y), rtol=1e-12)
    square = t.T @ t
    assert_allclose(rows.quadratic(square), np.einsum("ij,jk,ik->i", t, square, t), rtol=1e-12)


def test_restricted_likelihood_and_predictions_are_those_of_dense_matrices():
    weighted, y, _, w = _problem()
    fit = fit_reml(weighted, y, w)
    rows, y = _repeated(weighted, y, w)  # weights count rows
    assert_allclose(fit_reml(rows, y, np.ones(len(y))).covariance, fit.covariance, rtol=1e-7)
    assert_allclose(fit.criterion, _restricted(rows, y, fit.variances, fit.dispersion), rtol=1e-10)
    z, d = _dense(rows), np.diag(rows.repeat(fit.variances))
    inverse = np.linalg.inv(z @ d @ z.T + fit.dispersion * np.eye(len(y)))
    beta = np.linalg.solve(rows.x.T @ inverse @ rows.x, rows.x.T @ inverse @ y)
    assert_allclose(fit.coef, np.r_[beta, d @ z.T @ inverse @ (y - rows.x @ beta)], rtol=1e-8, atol=1e-10)
    assert_allclose(fit.conditional[:2, :2], np.linalg.inv(rows.x.T @ inverse @ rows.x), rtol=1e-8)
    # At the minimum central differences of step h leave their own error, h^2 times a third derivative.
    for k in range(3):
        at = np.r_[fit.variances, fit.dispersion]
        h = 1e-4 * at[k]
        step = h * (np.arange(3) == k)
        ends = [_restricted(rows, y, *np.split(at + s * step, [2])) for s in (1, -1)]
        assert abs(ends[0] - ends[1]) / (2 * h) * at[k] < 1e-5


def test_errors_of_components_are_those_of_the_observed_information():
    rows, y, _, _ = _problem(60)
    fit = fit_reml(rows, y, np.ones(60))
    at, step = np.r_[fit.variances, fit.dispersion], 1e-3

    def value(shift: np.ndarray) -> float:
        moved = at * (1 + shift)
        return _restricted(rows, y, moved[:2], moved[2])

    eye = np.eye(3) * step
    hessian = [[(value(a + b) - value(a - b) - value(b - a) + value(-a - b)) / (4 * step**2) for b in eye] for a in eye]
    expected = 2 * np.linalg.inv(hessian) * np.outer(at, at)
    # Differences of step h: an error of h^2.
    assert_allclose(fit.components * fit.dispersion**2, expected, rtol=1e-3, atol=1e-4 * expected.max())


def test_logistic_criterion_is_laplaces_and_at_its_minimum():
    rows, _, y, w = _problem()
    fit = fit_logistic(rows, y, w, np.zeros(2))
    t = np.column_stack([rows.x, _dense(rows)])
    deviation = rows.repeat(np.sqrt(fit.variances))

    def criterion(beta: np.ndarray, scale: np.ndarray) -> float:
        z, u = t[:, 2:] * scale, np.zeros(rows.q)
        for _ in range(50):
            mean = expit(t[:, :2] @ beta + z @ u)
            curve = z.T @ (z * (w * mean * (1 - mean))[:, None]) + np.eye(rows.q)
            u = u + np.linalg.solve(curve, z.T @ (w * (y - mean)) - u)
        eta = t[:, :2] @ beta + z @ u
        return 2 * w @ (np.logaddexp(0, eta) - y * eta) + u @ u + np.linalg.slogdet(curve)[1]

    beta = fit.coef[:2]
    assert_allclose(fit.criterion, criterion(beta, deviation), rtol=1e-10)
    for j in range(2):
        h = 1e-4 * np.eye(2)[j]
        assert abs(criterion(beta + h, deviation) - criterion(beta - h, deviation)) / 2e-4 < 1e-5
        s = rows.repeat(h)
        assert abs(criterion(beta, deviation + s) - criterion(beta, deviation - s)) / 2e-4 < 1e-5
    both, outcome = _repeated(rows, y, w)
    again = fit_logistic(both, outcome, np.ones(len(outcome)), np.zeros(2))
    assert_allclose(again.coef, fit.coef, rtol=1e-6, atol=1e-7)
    assert_allclose(again.covariance, fit.covariance, rtol=1e-4, atol=1e-7)


def test_components_of_nothing_are_zero_and_a_penalty_keeps_them_from_it():
    rows, _, _, w = _problem()
    y = np.tile([1.0, -1.0], len(w) // 2)
    fit = fit_reml(rows, y, w)
    assert (fit.variances >= 0).all() and np.isfinite(fit.covariance).all()
    flat = PooledRows(rows.x, (np.arange(len(y)) // 2 % 8,), (8,))
    assert fit_reml(flat, y, np.ones(len(y))).variances == 0
    assert fit_reml(flat, y, np.ones(len(y)), penalty=1.0).variances > 0
    binary = (y > 0).astype(float)
    assert fit_logistic(flat, binary, np.ones(len(y)), np.zeros(2)).variances == 0
    kept = fit_logistic(flat, binary, np.ones(len(y)), np.zeros(2), penalty=1.0)
    assert kept.variances > 0 and (np.diag(kept.covariance) > 0).all()


def test_separation_does_not_pass_for_a_fit():
    rows, _, _, w = _problem()
    with pytest.raises(si.StatinfError):
        fit_logistic(rows, (rows.x[:, 1] > 0).astype(float), w, np.zeros(2))

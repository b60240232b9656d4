"""Exact quantile regression against a linear programme, its own certificate, and exact equivariances."""

import numpy as np
import pytest
from scipy.optimize import linprog

from statinf.errors import DataError, OptionError
from statinf.numerics.quantreg.classic import barrodale_roberts
from statinf.numerics.quantreg.solver import fit_quantiles, solve_quantiles
from statinf.numerics.quantreg.vertex import descend


def loss(X, y, coef, tau, w=None):
    r = y - X @ coef
    return float(((1 if w is None else w) * np.maximum(tau * r, (tau - 1) * r)).sum())


def programme(X, y, tau, w):
    """Multipliers of the dual linear programme by HiGHS."""
    Xw, yw = X * w[:, None], y * w
    out = linprog(-yw, A_eq=Xw.T, b_eq=(1 - tau) * Xw.sum(axis=0), bounds=(0, 1), method="highs-ds")
    return -out.eqlin.marginals


def shapes(n):
    rng = np.random.default_rng(n)
    one, x = np.ones(n), rng.standard_normal((n, 3))
    groups = np.eye(12)[np.minimum(rng.geometric(0.25, n) - 1, 11)]
    groups = groups[:, groups.sum(axis=0) > 0]
    y = x[:, 0] + (1 + 0.5 * np.abs(x[:, 1])) * rng.standard_t(3, n)
    return {
        "continuous": (np.c_[one, x], y, None),
        "counts": (np.c_[one, x], rng.poisson(3, n).astype(float), None),
        "groups": (np.c_[groups, x[:, :1]], y, None),
        "groups, counts": (groups, rng.poisson(3, n).astype(float), None),
        "heavy regressors": (np.c_[one, rng.standard_cauchy((n, 2))], rng.standard_cauchy(n), None),
        "weights with zeros": (np.c_[one, x], y, rng.integers(0, 3, n).astype(float)),
        "uneven weights": (np.c_[one, x], y, rng.exponential(size=n) ** 4),
        "uneven scales": (np.c_[one, x * [1e-6, 1, 1e6]], 1e-6 * y, None),
        "censored": (np.c_[one, x], np.maximum(y, 0), None),
        "twenty columns": (np.c_[one, rng.standard_normal((n, 19))], y, None),
        "forty columns": (np.c_[one, rng.standard_normal((n, 39))], y, rng.random(n)),
        "sixty cells": (np.c_[x, np.arange(n)[:, None] % 60 == np.arange(60)], y, None),
        "sixty cells, ties": (np.c_[x, np.arange(n)[:, None] % 60 == np.arange(60)], np.round(y), None),
    }


@pytest.mark.parametrize("n", [250, 2000])
@pytest.mark.parametrize("shape", list(shapes(250)))
def test_objective_equals_that_of_a_linear_programme(n, shape):
    X, y, w = shapes(n)[shape]
    taus = np.array([0.03, 0.4, 0.5, 0.9])
    weight = np.ones(n) if w is None else w
    for tau, coef in zip(taus, fit_quantiles(X, y, taus, w), strict=True):
        best = loss(X, y, programme(X, y, tau, weight), tau, w)
        assert loss(X, y, coef, tau, w) <= best * (1 + 1e-10) + 1e-12 * np.abs(y).sum() * 1e-3


def test_many_columns_from_a_far_start():
    """Hundreds of exchanges, over which the inverse of the basis is updated and made anew."""
    rng = np.random.default_rng(3)
    n, p = 300, 40
    X = np.c_[np.ones(n), rng.standard_normal((n, p - 1))]
    y, tau = X @ rng.standard_normal(p) + rng.standard_normal(n), np.array([0.3, 0.8])
    got = descend(
        np.stack([X, X]), np.stack([y, y]), np.ones((2, n)), np.zeros((2, p)), tau, np.tile(np.arange(p), (2, 1))
    )
    assert got.optimal.all() and (got.steps > 64).all()
    for t, coef in zip(tau, got.coef, strict=True):
        np.testing.assert_allclose(coef, programme(X, y, t, np.ones(n)), rtol=1e-9, atol=1e-9)


def test_dependent_columns_are_found_among_many():
    rng = np.random.default_rng(4)
    X = rng.standard_normal((700, 40))
    X[:, 7] = X[:, 3] - 2 * X[:, 20]
    with pytest.raises(DataError, match="full column rank"):
        fit_quantiles(X, rng.standard_normal(700), 0.5)


def test_coefficients_equal_those_of_a_linear_programme_where_unique():
    X, y, w = shapes(2000)["uneven weights"]
    for tau in (0.1, 0.5, 0.8):
        np.testing.assert_allclose(fit_quantiles(X, y, tau, w)[0], programme(X, y, tau, w), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("n", [400, 30_000])
def test_certificate_on_all_rows(n):
    rng = np.random.default_rng(5)
    X = np.c_[np.ones(n), rng.standard_normal((n, 6))]
    y = X @ np.arange(7) + rng.standard_t(2, n)
    tau = np.array([0.01, 0.35, 0.5, 0.99])
    out = solve_quantiles(X, y, tau)
    for k in range(len(tau)):
        residual = y - X @ out.coef[k]
        assert np.abs(residual[out.basis[k]]).max() < 1e-9
        psi = tau[k] - (residual < 0)
        psi[out.basis[k]] = out.dual[k]
        assert np.abs(psi @ X).max() < 1e-7
        assert (out.dual[k] > tau[k] - 1 - 1e-9).all() and (out.dual[k] < tau[k] + 1e-9).all()
        below = (residual < -1e-9).sum()
        assert below <= n * tau[k] <= below + 7


def test_equivariances():
    rng = np.random.default_rng(2)
    X = np.c_[np.ones(900), rng.standard_normal((900, 3))]
    y = X.sum(axis=1) + rng.standard_normal(900)
    tau = np.array([0.2, 0.5, 0.7])
    coef = fit_quantiles(X, y, tau)
    np.testing.assert_allclose(fit_quantiles(X, 1e-7 * y, tau), 1e-7 * coef, rtol=1e-9)
    np.testing.assert_allclose(fit_quantiles(X, -y, 1 - tau), -coef, rtol=1e-9)
    shift = np.array([3.0, -2.0, 1.0, 0.5])
    np.testing.assert_allclose(fit_quantiles(X, y + X @ shift, tau), coef + shift, rtol=1e-9)
    A = rng.standard_normal((4, 4))
    np.testing.assert_allclose(fit_quantiles(X @ A, y, tau), np.linalg.solve(A, coef.T).T, rtol=1e-8)
    above = y > X @ coef[1]
    moved = np.where(above & (rng.random(900) < 0.3), y + 50, y)
    np.testing.assert_allclose(fit_quantiles(X, moved, 0.5)[0], coef[1], rtol=1e-9)


def test_many_levels_equal_one_at_a_time():
    rng = np.random.default_rng(9)
    X = np.c_[np.ones(5000), rng.standard_normal((5000, 4))]
    y = X.sum(axis=1) + rng.standard_normal(5000)
    tau = np.arange(1, 40) / 40
    together = fit_quantiles(X, y, tau)
    alone = np.concatenate([fit_quantiles(X, y, t) for t in tau])
    np.testing.assert_allclose(together, alone, rtol=1e-10, atol=1e-12)


def test_replica_weights_equal_repeated_rows():
    rng = np.random.default_rng(3)
    X = np.c_[np.ones(800), rng.standard_normal((800, 2))]
    y = X.sum(axis=1) + rng.standard_normal(800)
    picks = rng.integers(0, 800, (5, 800))
    W = np.stack([np.bincount(p, minlength=800) for p in picks]).astype(float)
    start = np.tile(fit_quantiles(X, y, 0.3), (5, 1))
    out = solve_quantiles(X, y, np.full(5, 0.3), W, start=start)
    for coef, p in zip(out.coef, picks, strict=True):
        assert loss(X[p], y[p], coef, 0.3) == pytest.approx(
            loss(X[p], y[p], fit_quantiles(X[p], y[p], 0.3)[0], 0.3), rel=1e-12
        )


def test_linear_term_shifts_the_subgradient():
    rng = np.random.default_rng(4)
    X = np.c_[np.ones(700), rng.standard_normal((700, 2))]
    y = rng.standard_normal(700)
    pull = rng.standard_normal((3, 3)) * 5
    tau = np.full(3, 0.4)
    out = solve_quantiles(X, y, tau, pull=pull, start=np.tile(fit_quantiles(X, y, 0.4), (3, 1)))
    for k in range(3):
        psi = 0.4 - (y - X @ out.coef[k] < 0)
        psi[out.basis[k]] = out.dual[k]
        np.testing.assert_allclose(psi @ X, -pull[k], atol=1e-8)


@pytest.mark.parametrize("n", [50, 3000])
def test_exact_fits_and_constants(n):
    rng = np.random.default_rng(6)
    X = np.c_[np.ones(n), rng.standard_normal((n, 2))]
    np.testing.assert_allclose(fit_quantiles(X, X @ [1.0, 2.0, 3.0], 0.7)[0], [1, 2, 3], rtol=1e-10)
    np.testing.assert_allclose(fit_quantiles(X, np.full(n, 4.0), 0.2)[0], [4, 0, 0], atol=1e-10)


def test_repeated_rows_of_nearly_collinear_columns():
    """Repeated measurements of a smooth spectrum: exact ties and a condition number of about 1e4."""
    rng = np.random.default_rng(8)
    grid = np.linspace(0, 1, 10)
    curves = rng.standard_normal((60, 4)) @ np.stack([grid**k for k in range(4)]) + 1e-3 * rng.standard_normal((60, 10))
    X = np.c_[np.ones(60), curves][np.r_[np.arange(60), np.arange(40), np.arange(40)]]
    y = np.round(X[:, 1:4].sum(axis=1), 1)
    taus = np.arange(1, 20) / 20
    for tau, coef in zip(taus, fit_quantiles(X, y, taus), strict=True):
        assert loss(X, y, coef, tau) <= loss(X, y, programme(X, y, tau, np.ones(140)), tau) * (1 + 1e-8)


def test_intercept_is_a_sample_quantile():
    y = np.random.default_rng(7).standard_normal(1001)
    taus = np.array([0.1, 0.25, 0.5, 0.9])
    expected = np.sort(y)[np.ceil(1001 * taus).astype(int) - 1]
    np.testing.assert_allclose(fit_quantiles(np.ones((1001, 1)), y, taus)[:, 0], expected)


def test_as_many_rows_as_columns():
    X = np.array([[1.0, 0.0], [1.0, 1.0]])
    np.testing.assert_allclose(fit_quantiles(X, np.array([1.0, 3.0]), 0.5)[0], [1.0, 2.0])


def test_bad_input_is_named():
    X = np.c_[np.ones(30), np.arange(30.0), 2 * np.arange(30.0)]
    y = np.random.default_rng(0).standard_normal(30)
    with pytest.raises(DataError, match="full column rank"):
        fit_quantiles(X, y, 0.5)
    with pytest.raises(DataError, match="2 rows"):
        fit_quantiles(X[:2], y[:2], 0.5)
    with pytest.raises(OptionError, match="strictly between"):
        fit_quantiles(X[:, :2], y, [0.5, 1.0])


def test_classic_simplex_reaches_the_same_objective():
    rng = np.random.default_rng(11)
    X = np.c_[np.ones(80), rng.standard_normal((80, 2))]
    for y in (rng.standard_normal(80), rng.poisson(2, 80).astype(float) + 0.5):
        for tau in (0.2, 0.5, 0.75):
            assert loss(X, y, barrodale_roberts(X, y, tau), tau) == pytest.approx(
                loss(X, y, fit_quantiles(X, y, tau)[0], tau), rel=1e-10
            )

"""Joint fits that do not cross, against cvxpy."""

import cvxpy as cp
import numpy as np
import pytest

from statinf.numerics.quantreg.noncrossing import crossing_depth, fit_noncrossing
from statinf.numerics.quantreg.solver import fit_quantiles


def data(n, seed):
    rng = np.random.default_rng(seed)
    X = np.c_[np.ones(n), rng.random((n, 2)) * [3, 1] + 1]
    return X, X.sum(axis=1) + rng.standard_normal(n) * X[:, 1]


def total(X, y, taus, coef, w):
    r = y - coef @ X.T
    return float((np.maximum(taus[:, None] * r, (taus[:, None] - 1) * r) @ w).sum())


@pytest.mark.parametrize("weighted", [False, True])
def test_agrees_with_cvxpy(weighted):
    X, y = data(60, 1)
    taus = np.arange(1, 10) / 10
    w = np.random.default_rng(3).exponential(size=60) if weighted else np.ones(60)
    low, width = X.min(axis=0), np.ptp(X, axis=0)
    free = fit_quantiles(X, y, taus, w)
    assert crossing_depth(free, low, width, 0).min() < -0.1
    coef = fit_noncrossing(X, y, taus, w if weighted else None, 0)
    assert crossing_depth(coef, low, width, 0).min() > -1e-9
    Z = np.c_[np.ones(60), (X[:, 1:] - low[1:]) / width[1:]]
    b = cp.Variable((9, 3))
    r = [y - Z @ b[k] for k in range(9)]
    goal = sum(w @ cp.maximum(t * r[k], (t - 1) * r[k]) for k, t in enumerate(taus))
    apart = [b[k, 0] - b[k - 1, 0] - cp.sum(cp.neg(b[k, 1:] - b[k - 1, 1:])) >= 0 for k in range(1, 9)]
    best = cp.Problem(cp.Minimize(goal), apart).solve(solver="CLARABEL")
    assert total(X, y, taus, coef, w) == pytest.approx(best, rel=1e-6)


def test_equals_the_unconstrained_fit_where_that_does_not_cross():
    X, y = data(400, 2)
    taus = np.array([0.1, 0.5, 0.9])
    np.testing.assert_array_equal(fit_noncrossing(X, y, taus, None, 0), fit_quantiles(X, y, taus))

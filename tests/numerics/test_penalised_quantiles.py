"""Penalised quantile regressions against linear and cone programs of other solvers."""

import numpy as np
import pytest
from scipy.optimize import linprog

from statinf.numerics.quantreg.group_lasso import GroupProblems, group_lasso_path, largest_group_penalty, lengths
from statinf.numerics.quantreg.lasso import LassoProblems, largest_penalty, lasso_path, null_gradient


def rows(n, p, seed=0):
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, p))
    y = X[:, :3] @ [2.0, -1.0, 0.4] + random.standard_t(3, size=n) * (1 + 0.3 * np.abs(X[:, 0])) + 1
    return np.column_stack([np.ones(n), X]), y


def check_loss(r, tau, w):
    return np.where(r < 0, (tau - 1) * r, tau * r) @ w / w.sum()


def programme(X, y, w, tau, penalty, factors):
    """The same minimum as a linear programme in b+, b-, r+, r-."""
    n, p = X.shape
    cost = np.concatenate([penalty * factors, penalty * factors, tau * w / w.sum(), (1 - tau) * w / w.sum()])
    A = np.hstack([X, -X, np.eye(n), -np.eye(n)])
    found = linprog(cost, A_eq=A, b_eq=y, method="highs", options={"dual_feasibility_tolerance": 1e-10})
    return found.x[:p] - found.x[p : 2 * p], found.fun


# 500 rows go to the simplex at once, 1,500 by Newton steps and a band of rows
@pytest.mark.parametrize("n", [200, 900])
def test_every_penalty_of_the_path_solves_the_linear_programme(n):
    X, y = rows(n, 6)
    w = np.random.default_rng(1).uniform(0.0, 2.0, size=(2, n)).round(1)
    tau, factors = np.array([0.3, 0.9]), np.array([0.0, 1, 1, 1, 1, 0.5, 0])
    problems = LassoProblems(X, y, w, tau, factors)
    begin = largest_penalty(problems)
    penalties = begin[0].max() * np.array([1.0, 0.3, 0.05, 0.0])
    path = lasso_path(problems, penalties, begin)
    for k in (1, 2, 3) if n < 600 else (2,):
        for q in range(2):
            b, best = programme(X, y, w[q], tau[q], penalties[k], factors)
            mine = check_loss(y - X @ path[k, q], tau[q], w[q]) + penalties[k] * factors @ np.abs(path[k, q])
            assert mine - best <= 1e-12
            np.testing.assert_allclose(path[k, q], b, atol=1e-8)
    assert (path[1, 0] == 0).any()


def test_the_largest_penalty_is_where_the_first_column_enters():
    X, y = rows(300, 5)
    problems = LassoProblems(X, y, np.ones((1, 300)), np.array([0.4]), np.array([0.0, 1, 1, 1, 1, 1]))
    begin = largest_penalty(problems)
    above, below = lasso_path(problems, begin[0] * np.array([1.0001, 0.999]), begin)
    assert (above[0, 1:] == 0).all()
    assert (below[0, 1:] != 0).any()


def test_a_path_in_a_batch_is_each_problem_alone():
    X, y = rows(900, 4)
    w = np.random.default_rng(2).integers(0, 3, size=(3, 900)).astype(float)
    tau = np.array([0.2, 0.5, 0.5])
    problems = LassoProblems(X, y, w, tau, np.array([0.0, 1, 1, 1, 1]))
    penalties = np.array([0.1, 0.02])
    most, null = largest_penalty(problems)
    together = lasso_path(problems, penalties, (most, null))
    for q in range(3):
        one = LassoProblems(X, y, w[[q]], tau[[q]], problems.factors)
        np.testing.assert_allclose(lasso_path(one, penalties, (most[[q]], null[[q]]))[:, 0], together[:, q], atol=1e-12)


@pytest.mark.parametrize("n", [200, 1500])
def test_groups_reach_the_minimum_of_a_cone_programme(n):
    import cvxpy as cp

    X, y = rows(n, 6)
    group, factors, tau = np.array([-1, 0, 0, 1, 1, 2, 2]), np.array([1.4, 1.0, 1.4]), 0.7
    problems = GroupProblems(X, y, np.ones((1, n)), np.array([tau]), group, factors)
    begin = largest_group_penalty(problems)
    penalties = begin[0] * np.array([1.0001, 0.5, 0.05])
    path = group_lasso_path(problems, penalties, begin)[:, 0]
    assert (path[0, 1:] == 0).all()
    assert (path[1, group == 2] == 0).all()
    assert (path[1, group == 0] != 0).all()
    for penalty, mine in zip(penalties[1:], path[1:], strict=True):
        b = cp.Variable(7)
        r = y - X @ b
        size = cp.sum([f * cp.norm(b[np.flatnonzero(group == g)]) for g, f in enumerate(factors)])
        goal = cp.Problem(cp.Minimize(cp.sum(cp.maximum(tau * r, (tau - 1) * r)) / n + penalty * size))
        goal.solve(solver=cp.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11)
        value = check_loss(y - X @ mine, tau, np.ones(n)) + penalty * lengths(mine, group, 3) @ factors
        assert abs(value - goal.value) < 1e-9
        np.testing.assert_allclose(mine, np.asarray(b.value), atol=1e-5)  # the minimum is flat: its root of 1e-10


def test_groups_of_one_column_are_the_lasso():
    X, y = rows(700, 4)
    tau, w = np.array([0.25]), np.ones((1, 700))
    groups = GroupProblems(X, y, w, tau, np.arange(-1, 4), np.ones(4))
    lasso = LassoProblems(X, y, w, tau, np.array([0.0, 1, 1, 1, 1]))
    begin = largest_penalty(lasso)
    assert largest_group_penalty(groups)[0] == pytest.approx(begin[0], rel=1e-14)
    penalties = begin[0] * np.array([0.5, 0.1])
    one, other = group_lasso_path(groups, penalties, begin), lasso_path(lasso, penalties, begin)
    np.testing.assert_allclose(one, other, atol=1e-7)
    assert ((one == 0) == (other == 0)).all()


def many_columns(n, p, round_to=None):
    random = np.random.default_rng(5)
    X = np.column_stack([np.ones(n), random.normal(size=(n, p)) @ np.linalg.cholesky(0.5 * np.eye(p) + 0.5).T])
    y = 1 + X[:, 1:4] @ [1.0, 0.7, -0.6] + random.normal(size=n)
    return X, y if round_to is None else np.round(y / round_to) * round_to, random.integers(0, 4, size=(2, n)) / 1.0


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(("n", "p", "round_to"), [(60, 150, None), (90, 40, None), (60, 40, 1.0), (700, 60, None)])
def test_columns_that_join_one_after_the_other_reach_the_minimum_of_all(n, p, round_to, intercept):
    X, y, w = many_columns(n, p, round_to)
    tau, factors = np.array([0.3, 0.7]), np.full(p + 1, 1.0)
    factors[0], factors[7] = 0.0 if intercept else 1.0, 0.4
    problems = LassoProblems(X, y, w, tau, factors)
    begin = largest_penalty(problems)
    penalties = begin[0].max() * np.array([1.0001, 0.4, 0.1])
    path = lasso_path(problems, penalties, begin)
    for k in range(3):
        for q in range(2):
            _, best = programme(X, y, w[q], tau[q], penalties[k], factors)
            mine = check_loss(y - X @ path[k, q], tau[q], w[q]) + penalties[k] * factors @ np.abs(path[k, q])
            assert abs(mine - best) <= 1e-11
    assert (path[0][:, factors > 0] == 0).all()
    assert np.count_nonzero(path[2, 0]) > 4


def test_few_columns_are_solved_for_where_few_enter(monkeypatch):
    import statinf.numerics.quantreg.lasso as module

    X, y, w = many_columns(80, 400)
    seen = []

    class Counted(module._PathRows):
        def __init__(self, problems):
            seen.append(problems.X.shape[1])
            super().__init__(problems)

    monkeypatch.setattr(module, "_PathRows", Counted)
    problems = LassoProblems(X, y, w, np.array([0.5, 0.5]), np.r_[0.0, np.ones(400)])
    begin = largest_penalty(problems)
    lasso_path(problems, begin[0].max() * np.array([0.8, 0.5]), begin)
    assert max(seen) < 100


def test_the_largest_penalty_does_not_move_with_the_size_of_the_weights():
    X, y, w = many_columns(50, 5)
    w[:, ::7] = 0.0
    sizes = [largest_penalty(LassoProblems(X, y, c * w, np.array([0.4, 0.6]), np.ones(6)))[0] for c in (1.0, 9.0)]
    np.testing.assert_allclose(sizes[0], sizes[1], rtol=1e-13)
    free = np.r_[0.0, np.ones(5)]
    sizes = [largest_penalty(LassoProblems(X, y, c * w, np.array([0.4, 0.6]), free))[0] for c in (1.0, 9.0)]
    np.testing.assert_allclose(sizes[0], sizes[1], rtol=1e-13)


@pytest.mark.parametrize("tau", [0.3, 0.5, 0.8])
def test_the_largest_penalty_leaves_every_column_out_where_outcomes_tie(tau):
    for seed in range(12):
        random = np.random.default_rng(seed)
        X = np.column_stack([np.ones(60), random.normal(size=(60, 8))])
        y, w = random.poisson(np.exp(0.3 + 0.3 * X[:, 1])).astype(float), random.integers(0, 3, size=(1, 60)) / 1.0
        problems = LassoProblems(X, y, w, np.array([tau]), np.r_[0.0, np.ones(8)])
        gradient, null = null_gradient(problems)
        assert abs(gradient[0, 0]) < 1e-14
        penalty = largest_penalty(problems)[0][0]
        _, best = programme(X, y, w[0], tau, penalty, problems.factors)
        assert abs(check_loss(y - X @ null[0], tau, w[0]) - best) < 1e-12

"""Rank-revealing least squares against LAPACK's own, and its identities."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from statinf.numerics.linear import factors
from statinf.numerics.linear import least_squares as ls


@pytest.fixture
def problem():
    rng = np.random.default_rng(1)
    x = np.column_stack([np.ones(500), rng.normal(size=(500, 4))])
    return x, x @ np.arange(5.0) + rng.normal(size=500), rng.uniform(0.0, 2.0, 500)


def test_weighted_solution_is_lapacks(problem):
    x, y, w = problem
    root = np.sqrt(w)
    expected, rss, _, _ = np.linalg.lstsq(x * root[:, None], y * root, rcond=None)
    found = ls.solve(x, y, w)
    np.testing.assert_allclose(found.coef, expected, rtol=1e-12)
    np.testing.assert_allclose(found.rss, rss[0], rtol=1e-12)
    np.testing.assert_allclose(found.inverse_gram, np.linalg.inv(x.T @ (x * w[:, None])), rtol=1e-11, atol=1e-16)


def test_blocks_of_rows_do_not_change_the_factor(problem, monkeypatch):
    x, y, w = problem
    whole = factors.triangular_factor(x, w, y[:, None])
    monkeypatch.setattr(factors, "_BLOCK_ELEMENTS", 64)
    monkeypatch.setattr(factors, "_PARALLEL_FROM", 0)
    pieces = factors.triangular_factor(x, w, y[:, None])
    np.testing.assert_allclose(np.abs(pieces), np.abs(whole), rtol=1e-10, atol=1e-12)


def test_several_responses_are_solved_together(problem):
    x, y, w = problem
    both = ls.solve(x, np.column_stack([y, y**2]), w)
    np.testing.assert_allclose(both.coef[:, 1], ls.solve(x, y**2, w).coef, rtol=1e-12)


def test_later_aliased_columns_are_left_out(problem):
    x, y, w = problem
    wide = np.column_stack([x[:, :3], x[:, 1] - 2 * x[:, 2], x[:, 3:], np.zeros(500)])
    found = ls.solve(wide, y, w)
    assert found.kept.tolist() == [True, True, True, False, True, True, False]
    np.testing.assert_allclose(found.coef[found.kept], ls.solve(x, y, w).coef, rtol=1e-10)


def test_fewer_rows_than_columns():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(3, 5)), rng.normal(size=3)
    found = ls.solve(x, y)
    assert found.rank == 3
    np.testing.assert_allclose(x[:, found.kept] @ found.coef[found.kept], y, atol=1e-10)


def test_leverages_are_the_hat_diagonal(problem):
    x, y, w = problem
    root = np.sqrt(w)[:, None] * x
    hat = root @ np.linalg.solve(root.T @ root, root.T)
    np.testing.assert_allclose(factors.leverages(x, ls.solve(x, y, w).factor, w), np.diag(hat), rtol=1e-10)


def test_refinement_gains_digits_on_a_hard_problem():
    """Alternating binomial coefficients are orthogonal to every polynomial, exactly: all coefficients are 1."""
    x = np.vander(np.arange(21.0), 6, increasing=True)
    residual = np.array([(-1.0) ** i * comb(20, i) for i in range(21)])
    y = x.sum(axis=1) + 64.0 * residual
    plain = np.abs(np.linalg.lstsq(x, y, rcond=None)[0] - 1.0).max()
    refined = np.abs(ls.solve(x, y).coef - 1.0).max()
    assert refined < 1e-10 < 1e-8 < plain

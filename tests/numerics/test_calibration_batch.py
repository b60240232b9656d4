"""Batches of exponential tilts against one problem at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from balancing.balance_samples import solve
from statinf.balancing import entropy
from statinf.balancing.problem import BalanceProblem
from statinf.numerics.rowwise.sums import ScaledRows
from statinf.numerics.tilting.calibration import exponential_tilt
from statinf.numerics.tilting.calibration_batch import Tilts


def _single(z, base, target):
    return exponential_tilt(ScaledRows(z, target, np.ones(z.shape[1])), base, tol=1e-13)


@pytest.mark.parametrize("shape", [(300, 4), (60, 1), (150, 12)])
def test_every_problem_has_the_solution_it_has_alone(shape):
    rng = np.random.default_rng(0)
    z = rng.normal(size=shape)
    base = rng.exponential(size=(25, len(z)))
    targets = 0.3 + 0.1 * rng.normal(size=(25, shape[1])) / np.sqrt(shape[1])
    p, residual = Tilts.of(z).solve(base, targets, tol=1e-11)
    for b in range(25):
        alone = _single(z, base[b], targets[b])
        assert alone.converged and residual[b] <= 1e-11
        np.testing.assert_allclose(p[b], alone.p, rtol=1e-8)


def test_problems_far_from_the_start_are_solved_by_damped_steps():
    rng = np.random.default_rng(1)
    z = rng.normal(size=(200, 2))
    base = rng.exponential(size=(6, 200))
    targets = np.array([[0.0, 0.0], [1.9, 0.0], [0.0, -1.8], [1.3, 1.3], [0.1, 0.0], [-1.5, 0.8]])
    tilts = Tilts.of(z)
    assert not np.all(tilts._chords(base, targets, 1e-10)[1] <= 1e-10)
    p, residual = tilts.solve(base, targets, tol=1e-10)
    assert np.all(residual <= 1e-10)
    for b in range(6):
        np.testing.assert_allclose(p[b], _single(z, base[b], targets[b]).p, rtol=1e-7, atol=1e-12)


def test_columns_that_all_but_coincide_are_balanced_in_every_problem():
    rng = np.random.default_rng(4)
    z = rng.normal(size=(200, 3))
    z[:, 2] = z[:, 1] + 1e-5 * z[:, 2]
    base = rng.exponential(size=(8, 200))
    targets = np.full((8, 3), 0.1)
    p, residual = Tilts.of(z).solve(base, targets, tol=1e-10)
    assert np.all(residual <= 1e-10)
    for b in range(8):
        np.testing.assert_allclose(p[b] @ z, targets[b], atol=2e-10)


def test_fewer_rows_than_columns_leave_a_gap_that_is_told():
    rng = np.random.default_rng(5)
    z = rng.normal(size=(4, 7))
    p, residual = Tilts.of(z).solve(rng.exponential(size=(3, 4)), np.full((3, 7), 0.2), tol=1e-9)
    assert p.shape == (3, 4) and not np.any(residual <= 1e-6)


def test_problems_without_a_solution_do_not_disturb_the_others():
    rng = np.random.default_rng(2)
    z = rng.normal(size=(100, 2))
    base = rng.exponential(size=(5, 100))
    base[1] = 0.0
    base[2, 2:] = 0.0
    targets = np.array([[0.1, 0.1], [0.1, 0.1], [0.1, 0.1], [9.0, 0.0], [np.nan, 0.0]])
    p, residual = Tilts.of(z).solve(base, targets, tol=1e-10)
    assert residual[0] <= 1e-10 and not np.any(residual[1:] <= 1e-6)
    np.testing.assert_allclose(p[0], _single(z, base[0], targets[0]).p, rtol=1e-8)


@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC"])
def test_resolved_weights_are_those_of_the_reweighted_sample(estimand):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(400, 3))
    sample = BalanceProblem(
        x, rng.random(400) < 1 / (1 + np.exp(-x @ [0.5, -0.4, 0.2])), rng.exponential(size=400), ("a", "b", "c")
    )
    draws = sample.s * rng.multinomial(400, np.full(400, 1 / 400), size=40)
    found = entropy.solve_many(replace(sample, estimand=estimand), draws, solve(entropy, sample, estimand))
    for b in range(40):
        keep = draws[b] > 0
        small = BalanceProblem(x[keep], sample.treated[keep], draws[b][keep], sample.names)
        np.testing.assert_allclose(found[b, keep], solve(entropy, small, estimand, tol=1e-13).values, rtol=1e-7)
        assert np.all(found[b, ~keep] == 0.0)

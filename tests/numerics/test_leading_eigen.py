"""Leading eigenpairs against LAPACK, paths of tilts against single ones."""

from __future__ import annotations

import numpy as np
import pytest

from statinf.numerics.kernels.distances import gaussian
from statinf.numerics.linear.leading_eigen import leading_eigenpairs
from statinf.numerics.rowwise.sums import ScaledRows
from statinf.numerics.tilting.calibration import exponential_tilt
from statinf.numerics.tilting.calibration_path import tilt_path


@pytest.mark.parametrize(("n", "count", "columns"), [(1500, 60, 3), (1400, 20, 1), (1300, 400, 2), (300, 300, 2)])
def test_leading_eigenpairs_are_those_of_the_full_decomposition(n, count, columns):
    x = np.random.default_rng(0).normal(size=(n, columns))
    matrix = gaussian(x, x, 2.0 * columns)
    values, vectors = leading_eigenpairs(matrix, count)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(matrix)[::-1][:count], atol=1e-11 * values[0])
    np.testing.assert_allclose(matrix @ vectors, vectors * values, atol=1e-11 * values[0])
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(count), atol=1e-12)


def test_repeated_eigenvalues_and_low_rank():
    rng = np.random.default_rng(1)
    q = np.linalg.qr(rng.normal(size=(1300, 90)))[0]
    truth = np.repeat([5.0, 3.0, 1.0], 30)
    values, vectors = leading_eigenpairs((q * truth) @ q.T, 70)
    np.testing.assert_allclose(values, truth[:70], atol=1e-11)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(70), atol=1e-12)


def test_every_tilt_of_a_path_is_that_of_its_columns():
    rng = np.random.default_rng(2)
    z = rng.normal(size=(400, 12)) @ rng.normal(size=(12, 12)) / 4 + 0.05 * rng.normal(size=12)
    base = rng.exponential(size=400)
    counts = [1, 2, 5, 6, 12]
    tilts = list(tilt_path(z, base, counts, tol=1e-11))
    assert len(tilts) == 5
    for q, tilt in zip(counts, tilts, strict=True):
        alone = exponential_tilt(ScaledRows(z[:, :q], np.zeros(q), np.ones(q)), base, tol=1e-12)
        assert tilt.residual <= 1e-11 and len(tilt.slope) == q
        np.testing.assert_allclose(tilt.p, alone.p, rtol=1e-8)


def test_a_path_ends_where_no_weights_balance():
    rng = np.random.default_rng(3)
    z = np.column_stack([rng.normal(size=200), rng.normal(size=200), 1.0 + rng.random(200), rng.normal(size=200)])
    assert len(list(tilt_path(z, np.ones(200), [1, 2, 3, 4]))) == 2

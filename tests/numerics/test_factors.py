"""Triangular factors of many rows: products of columns where these are safe, orthogonal factors where they are not."""

import numpy as np
import pytest

from statinf.numerics.linear import factors

N, P = 300_000, 8


def orthogonal(columns, weights=None, centre=None):
    whole = columns if centre is None else columns - centre
    whole = whole if weights is None else whole * np.sqrt(weights)[:, None]
    return np.linalg.qr(whole, mode="r")


def positive(factor):
    return factor * np.sign(np.diag(factor))[:, None]


@pytest.fixture(scope="module")
def columns():
    rng = np.random.default_rng(0)
    made = np.asfortranarray(rng.standard_normal((N, P)) * 10.0 ** np.arange(-3, P - 3))
    made[:, 0] = 1.0
    return made


@pytest.mark.parametrize("weighted", [False, True])
def test_products_of_columns_give_the_orthogonal_factor(columns, weighted):
    weights = np.random.default_rng(1).uniform(0.0, 2.0, N) if weighted else None
    found, exact = factors.triangular_factor(columns, weights), orthogonal(columns, weights)
    lengths = np.linalg.norm(exact, axis=0)
    assert np.abs(positive(found) - positive(exact)).max(axis=0) / lengths == pytest.approx(0.0, abs=1e-13)


def test_columns_that_are_nearly_alike_keep_their_digits(columns):
    near = columns.copy()
    near[:, 2] = near[:, 1] * (1.0 + 1e-6 * columns[:, 3] / columns[:, 3].std())
    found, exact = factors.triangular_factor(near), orthogonal(near)
    # The last pivot is a millionth of the column: products would leave four digits of it.
    assert abs(found[2, 2]) == pytest.approx(abs(exact[2, 2]), rel=1e-8)


def test_empty_and_infinite_columns_take_no_products(columns):
    none = columns.copy()
    none[:, 4] = 0.0
    assert abs(factors.triangular_factor(none)[:, 4]).max() == 0.0
    assert factors.root_of_products(np.full((2, 2), np.inf)) is None
    assert factors.root_of_products(np.ones((2, 2))) is None

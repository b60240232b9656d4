"""Columns sorted by a network of comparisons against sorting."""

from __future__ import annotations

import numpy as np
import pytest

from statinf.numerics.order.class_ranks import descending


@pytest.mark.parametrize("K", [2, 3, 7, 10, 16, 23, 24, 25, 40])
def test_columns_are_sorted_with_their_ties(K):
    P = np.random.default_rng(K).integers(0, 5, (K, 60)).astype(float)
    kept = P.copy()
    np.testing.assert_array_equal(np.array(descending(P)), np.sort(P, axis=0)[::-1])
    np.testing.assert_array_equal(P, kept)


@pytest.mark.parametrize("K", [2, 5, 10])
def test_all_zeros_and_ones_are_sorted(K):
    """A network that sorts these sorts everything (Knuth's zero-one principle)."""
    P = ((np.arange(2**K)[None] >> np.arange(K)[:, None]) & 1).astype(float)
    np.testing.assert_array_equal(np.array(descending(P)), np.sort(P, axis=0)[::-1])

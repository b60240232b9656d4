"""Ranks and order statistics of stretches of a series against sorting each stretch."""

from __future__ import annotations

import numpy as np
import pytest

from statinf.numerics.order.running import RunningOrder


@pytest.mark.parametrize("n", [1, 2, 3, 50, 200])
@pytest.mark.parametrize("ties", [False, True])
def test_counts_and_order_statistics_of_stretches(n, ties):
    random = np.random.default_rng(n)
    series = random.normal(size=n)
    series = np.round(series, 1) if ties else series
    start, stop = np.sort(random.integers(0, n + 1, (2, 400)), axis=0)
    values = np.round(random.normal(size=400) * 1.5, 1)
    k = random.integers(-2, n + 3, 400)
    order = RunningOrder.of(series)
    stretches = [np.sort(series[a:b]) for a, b in zip(start, stop, strict=True)]
    below = [np.count_nonzero(s < v) for s, v in zip(stretches, values, strict=True)]
    at_most = [np.count_nonzero(s <= v) for s, v in zip(stretches, values, strict=True)]
    assert order.below(values, start, stop).tolist() == below
    assert order.below(values, start, stop, ties=True).tolist() == at_most
    chosen = [-np.inf if j < 1 else np.inf if j > len(s) else s[j - 1] for s, j in zip(stretches, k, strict=True)]
    assert order.smallest(k, start, stop).tolist() == chosen


def test_infinite_members_are_members():
    order = RunningOrder.of(np.array([np.inf, -np.inf, 0.0]))
    ends = np.array([0, 0, 0]), np.array([3, 3, 3])
    assert order.smallest(np.array([1, 2, 3]), *ends).tolist() == [-np.inf, 0.0, np.inf]

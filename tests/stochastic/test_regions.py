import numpy as np
import pytest

import statinf as si
from statinf.stochastic.regions import draw_intervals, draw_region, normal_region, upper_quantile


def test_order_statistic_counts_one_more_than_the_replicas():
    values = np.arange(1.0, 100.0)  # 99 of them
    assert upper_quantile(values, 0.95) == 95.0
    assert upper_quantile(values, 0.999) == 99.0
    assert upper_quantile(np.arange(1.0, 1000.0), 0.9) == 900.0


def test_intervals_by_hand():
    rng = np.random.default_rng(0)
    draws, centre = rng.gamma(2.0, size=(999, 3)), np.array([2.0, 2.1, 1.9])
    errors = np.sort(draws - centre, axis=0)
    low, high = errors[24], errors[974]
    assert draw_intervals(centre, draws, 0.95, "percentile") == pytest.approx(
        np.column_stack([centre + low, centre + high])
    )
    assert draw_intervals(centre, draws, 0.95, "basic") == pytest.approx(np.column_stack([centre - high, centre - low]))
    half = np.sort(np.abs(errors), axis=0)[949]
    assert draw_intervals(centre, draws, 0.95, "symmetric") == pytest.approx(
        np.column_stack([centre - half, centre + half])
    )
    sd = draws.std(axis=0, ddof=1)
    normal = draw_intervals(centre, draws, 0.95, "normal")
    assert (normal[:, 1] - normal[:, 0]) / 2 == pytest.approx(1.959963985 * sd)
    band = draw_intervals(centre, draws, 0.95, "simultaneous")
    inside = ((draws >= band[:, 0] - 1e-12) & (draws <= band[:, 1] + 1e-12)).all(axis=1)
    assert inside.sum() == 950


@pytest.mark.parametrize("kind", ["ball", "ellipsoid"])
def test_regions_hold_their_share_of_the_replicas(kind):
    rng = np.random.default_rng(1)
    draws = rng.normal(size=(999, 4)) @ np.diag([1, 2, 3, 4.0])
    region = draw_region(np.zeros(4), draws, 0.9, kind)
    assert region.contains(draws + 0.0).sum() == 900
    assert region.contains(np.zeros(4)) and not region.contains(np.full(4, 100.0))
    # 20,000 points of the same law: the share inside is 0.9 up to the noise of 999 replicas and of the points.
    points = rng.normal(size=(20_000, 4)) @ np.diag([1, 2, 3, 4.0])
    inside = normal_region(np.zeros(4), np.diag([1.0, 4, 9, 16]), 0.9, kind).contains(points).mean()
    assert abs(inside - 0.9) < 4 * np.sqrt(0.09 / 20_000)


def test_region_needs_enough_replicas():
    draws = np.random.default_rng(2).normal(size=(30, 10))
    with pytest.raises(si.OptionError, match="replicas >= 50"):
        draw_region(np.zeros(10), draws, 0.95, "ellipsoid")
    assert draw_region(np.zeros(10), draws, 0.95, "ball").radius > 0
    with pytest.raises(si.NotIdentifiedError, match="replicas=1"):
        draw_intervals(np.zeros(10), draws[:1], 0.95)


def test_a_degenerate_coordinate_has_an_interval_of_length_zero():
    draws = np.column_stack([np.ones(200), np.random.default_rng(3).normal(size=200)])
    limits = draw_intervals(np.array([1.0, 0.0]), draws, 0.95, "simultaneous")
    assert limits[0].tolist() == [1.0, 1.0] and np.isfinite(limits).all()

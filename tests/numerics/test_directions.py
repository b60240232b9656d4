"""Directions that cover a sphere, points that fill balls and boxes, and polygons of half-planes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import HalfspaceIntersection

from statinf.numerics.geometry.directions import ball_points, box_grid, box_points, sphere_directions
from statinf.numerics.geometry.halfplanes import polygon_areas, vertices


@pytest.mark.parametrize(("d", "count"), [(1, 7), (2, 4), (2, 30), (3, 2), (3, 50), (5, 64)])
def test_directions_are_unit_vectors_in_opposite_pairs_with_the_axes(d, count):
    U = sphere_directions(d, count)
    np.testing.assert_allclose(np.linalg.norm(U, axis=1), 1.0, rtol=1e-15)
    found = {tuple(u) for u in U + 0.0}
    assert len(found) == len(U) and {tuple(-u + 0.0) for u in U} == found
    assert {tuple(e) for e in np.eye(d)} <= found
    assert d == 1 or len(U) >= count


@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_points_fill_a_ball_and_a_box_evenly(d):
    points, radius = ball_points(d, 4000, 2.0), 2.0
    size = np.linalg.norm(points, axis=1)
    assert (size <= radius).all()
    # Uniform in a ball: (|z| / R)^d is uniform, the mean is zero, every axis has variance R^2 / (d + 2).
    assert np.abs(np.sort((size / radius) ** d) - (np.arange(4000) + 0.5) / 4000).max() < 0.01
    np.testing.assert_allclose(points.mean(axis=0), 0.0, atol=0.02)
    np.testing.assert_allclose(points.T @ points / 4000, np.eye(d) * radius**2 / (d + 2), atol=0.02)
    low, high = -np.arange(1.0, d + 1), np.arange(2.0, d + 2)
    inside = box_points(low, high, 4000)
    np.testing.assert_allclose(inside.mean(axis=0), (low + high) / 2, atol=0.02)
    grid, cell = box_grid(low, high, 500)
    assert cell * len(grid) == pytest.approx(np.prod(high - low)) and ((low < grid) & (grid < high)).all()


@pytest.mark.parametrize("seed", range(5))
def test_polygons_agree_with_qhull(seed):
    random = np.random.default_rng(seed)
    U = sphere_directions(2, 24)
    offsets = -random.uniform(0.5, 2.0, (1, len(U)))
    reference = HalfspaceIntersection(np.column_stack([-U, offsets[0]]), np.zeros(2)).intersections
    corners = vertices(U, offsets[0])
    order = np.argsort(np.arctan2(*reference.T[::-1]))
    x, y = reference[order].T
    area = 0.5 * abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))
    assert polygon_areas(U, offsets)[0] == pytest.approx(area, rel=1e-12)
    gaps = np.linalg.norm(corners[:, None] - reference[None], axis=2)
    assert gaps.min(axis=0).max() < 1e-9 and gaps.min(axis=1).max() < 1e-9
    moved = U @ np.array([3.0, -1.0])
    assert polygon_areas(U, offsets + moved)[0] == pytest.approx(area, rel=1e-10)

"""Directional quantiles of several outcomes beside scikit-learn, and decoded regions beside the authors' arithmetic.

scikit-learn's QuantileRegressor is fitted to each direction by itself. The authors' code keeps the distances between all pairs of
points; the same steps are written out here in NumPy, on the same decoded points.
"""

from __future__ import annotations

import os
from functools import lru_cache, partial

import numpy as np

import statinf as si
from benchmarks.harness import compare
from statinf.conformity.regions.shapes import Cloud, volume
from statinf.learners.directional import DirectionalQuantiles
from statinf.numerics.geometry.directions import ball_points, box_grid, sphere_directions

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))
TAU = 0.05


@lru_cache(1)
def rows(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Covariates and standardised outcomes of the banana."""
    frame = si.datasets.simulate("banana", n, seed=1, p=3)
    Y = frame[["y1", "y2"]].to_numpy()
    return frame[["x1", "x2", "x3"]].to_numpy(), (Y - Y.mean(axis=0)) / Y.std(axis=0)


def our_quantiles(n: int, K: int) -> np.ndarray:
    return DirectionalQuantiles(sphere_directions(2, K), TAU).fit(*rows(n)).coefficients


def peer_quantiles(n: int, K: int) -> np.ndarray:
    from sklearn.linear_model import QuantileRegressor

    X, Y = rows(n)
    fits = [QuantileRegressor(quantile=TAU, alpha=0.0).fit(X, Y @ u) for u in sphere_directions(2, K)]
    return np.array([[f.intercept_, *f.coef_] for f in fits])


def largest_loss(n: int, K: int, coefficients: np.ndarray) -> float:
    """By how much a direction's mean check loss exceeds that of our coefficients, relative to it; the most over directions."""
    X, Y = rows(n)
    along = sphere_directions(2, K) @ Y.T

    def losses(b: np.ndarray) -> np.ndarray:
        error = along - b[:, :1] - b[:, 1:] @ X.T
        return np.maximum(TAU * error, (TAU - 1.0) * error).mean(axis=1)

    return float((losses(coefficients) / losses(our_quantiles(n, K)) - 1.0).max())


@lru_cache(1)
def clouds(m: int, count: int) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Decoded points of each row, an outcome of each, and the grid: a ball bent along a parabola."""
    random = np.random.default_rng(0)
    Z = ball_points(3, count, 2.5)
    bent = np.column_stack([Z[:, 0], 0.3 * Z[:, 0] ** 2 + 0.1 * Z[:, 1] + 0.05 * Z[:, 2]])
    places = random.normal(size=(m, 2))
    z = random.normal(size=(m, 3))
    Y = np.column_stack([z[:, 0], 0.3 * z[:, 0] ** 2 + 0.1 * z[:, 1] + 0.05 * z[:, 2]]) + places
    return [bent + place for place in places], Y, box_grid(np.full(2, -4.0), np.full(2, 6.0), 3000)[0]


def our_scores(m: int, count: int) -> np.ndarray:
    """Scores of outcomes and areas of regions grown by 0.1."""
    points, Y, grid = clouds(m, count)
    shapes = [Cloud(inside, grid) for inside in points]
    scores = [shape.scores(y[None], True)[0] for shape, y in zip(shapes, Y, strict=True)]
    return np.column_stack([scores, [volume(shape, 0.1, True, 3000, 0)[0] for shape in shapes]])


def peer_scores(m: int, count: int) -> np.ndarray:
    """The same by the distances between all pairs."""
    points, Y, grid = clouds(m, count)
    out = np.empty((m, 2))
    for i, (inside, y) in enumerate(zip(points, Y, strict=True)):
        pairs = _distances(inside, inside)
        np.fill_diagonal(pairs, np.inf)
        delta = np.quantile(pairs.min(axis=1), 0.9)
        beyond = grid[_distances(grid, inside).min(axis=1) > 2.0 * delta]
        near = _distances(y[None], inside).min()
        out[i, 0] = near if near > delta else -_distances(y[None], beyond).min()
        reach = max(0.1, delta)
        cells, cell = box_grid(inside.min(axis=0) - reach, inside.max(axis=0) + reach, 3000)
        held = _distances(cells, inside).min(axis=1)
        out[i, 1] = cell * np.count_nonzero((held <= 0.1) | (held <= delta))
    return out


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.sqrt(((a[:, None, :] - b[None, :, :]) ** 2).sum(axis=2))


def difference(ours: np.ndarray, peer: np.ndarray) -> float:
    return float(np.abs(ours - peer).max())


def main() -> None:
    n, K, m, count = (300, 8, 3, 300) if QUICK else (2000, 64, 50, 2000)
    compare(
        f"directional quantiles, {n:,} rows, 3 covariates, {K} directions",
        partial(our_quantiles, n, K), partial(peer_quantiles, n, K), peer_name="scikit-learn", repeat=3,
        error=partial(largest_loss, n, K), note="error: excess of the check loss over that of statinf, relative",
    )  # fmt: skip
    compare(
        f"scores and areas of {m} decoded regions, {count:,} points each",
        partial(our_scores, m, count), partial(peer_scores, m, count), peer_name="authors' arithmetic", repeat=3,
        check=difference, note="distances by trees, and between all pairs; error: largest difference of a score or an area",
    )  # fmt: skip


if __name__ == "__main__":
    main()

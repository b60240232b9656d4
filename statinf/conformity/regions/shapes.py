"""One row's region before calibration, in standardised outcomes: how far points are from it, and how large it grows.

A shape scores points by their distance from it; the region at a threshold is where the score does not exceed it. Outside,
the score is the distance to the region. Inside it is the distance to the nearest point of the region, which is zero for
exact shapes, or where it is `signed` minus the distance to what lies outside, so that thresholds below zero shrink the
region.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from scipy.special import gammaln

from statinf.backend import generator
from statinf.numerics.geometry.directions import ball_points, box_grid, box_points
from statinf.numerics.geometry.halfplanes import polygon_areas, vertices

Box = tuple[np.ndarray, np.ndarray]
_STREAM = 101
_NEIGHBOUR = 5
_FILLING = 2048
"""Points that show a region which is no polygon."""


class Shape(Protocol):
    """A region of one row."""

    def scores(self, Y: np.ndarray, signed: bool) -> np.ndarray:
        """Scores (n,) of outcomes (n, d)."""
        ...

    def box(self, q: float, signed: bool) -> Box:
        """Lower and upper ends (d,) of a box that holds the region at threshold q; NaN if it is empty."""
        ...

    def volume(self, q: float) -> float | None:
        """Length, area or volume at a finite threshold q; None where it has to be counted."""
        ...

    def points(self, q: float, signed: bool) -> np.ndarray:
        """Points (n, d) of a bounded region: its corners in the plane, points that fill it elsewhere."""
        ...


@dataclass(frozen=True)
class HalfSpaces:
    """An intersection of half-spaces u_k'y >= q_k, which thresholds move outwards or inwards.

    Attributes
    ----------
    directions : ndarray, shape (K, d)
        Unit vectors, with both directions of every axis.
    offsets : ndarray, shape (K,)
    """

    directions: np.ndarray
    offsets: np.ndarray

    def scores(self, Y: np.ndarray, signed: bool) -> np.ndarray:
        found = half_space_scores(self.directions, np.broadcast_to(self.offsets, (len(Y), len(self.offsets))), Y)
        return found if signed else np.maximum(found, 0.0)

    def box(self, q: float, signed: bool) -> Box:
        lower, upper = (ends[0] for ends in half_space_boxes(self.directions, self.offsets[None] - q))
        return lower, upper

    def volume(self, q: float) -> float | None:
        d = self.directions.shape[1]
        if d == 2:
            return float(polygon_areas(self.directions, self.offsets[None] - q)[0])
        lower, upper = self.box(q, True)
        return float(np.nan_to_num(upper - lower)[0]) if d == 1 else None

    def points(self, q: float, signed: bool) -> np.ndarray:
        if self.directions.shape[1] == 2:
            return vertices(self.directions, self.offsets - q)
        lower, upper = self.box(q, signed)
        if self.directions.shape[1] == 1:
            return np.array([lower, upper]) if lower[0] <= upper[0] else np.empty((0, 1))
        filling = box_points(lower, upper, _FILLING)
        return filling[self.scores(filling, signed) <= q]


@dataclass(frozen=True)
class Ball:
    """A ball around the mean outcome."""

    d: int
    radius: float

    def scores(self, Y: np.ndarray, signed: bool) -> np.ndarray:
        found = np.linalg.norm(Y, axis=1) - self.radius
        return found if signed else np.maximum(found, 0.0)

    def box(self, q: float, signed: bool) -> Box:
        reach = np.full(self.d, self.radius + q if self.radius + q >= 0 else np.nan)
        return -reach, reach

    def volume(self, q: float) -> float:
        unit = np.exp(0.5 * self.d * np.log(np.pi) - gammaln(0.5 * self.d + 1.0))
        return float(unit * max(self.radius + q, 0.0) ** self.d)

    def points(self, q: float, signed: bool) -> np.ndarray:
        return ball_points(self.d, _FILLING, max(self.radius + q, 0.0))


@dataclass(frozen=True)
class Cloud:
    """The points that a latent region is decoded to; what is closer to one than most of them to each other is inside.

    Attributes
    ----------
    inside : ndarray, shape (n, d)
    grid : ndarray, shape (G, d)
        Points among which those outside are found.
    """

    inside: np.ndarray
    grid: np.ndarray

    @cached_property
    def _tree(self) -> Any:
        from scipy.spatial import cKDTree

        return cKDTree(self.inside, balanced_tree=False, compact_nodes=False)

    @cached_property
    def resolution(self) -> float:
        """The 0.9 quantile of distances between a point and the nearest other one; zero where there is one point or none."""
        if len(self.inside) < 2:
            return 0.0
        return float(np.quantile(self._tree.query(self.inside, k=2)[0][:, 1], 0.9))

    @cached_property
    def _outside(self) -> Any:
        """A tree of the points of the grid that lie outside; None if there are none.

        Those are further off than twice the resolution: at once, a twentieth of the grid inside, between points, counts too.
        """
        from scipy.spatial import cKDTree

        beyond = self.grid[self._nearest(self.grid) > 2.0 * self.resolution]
        return cKDTree(beyond, balanced_tree=False, compact_nodes=False) if len(beyond) else None

    def _nearest(self, Y: np.ndarray) -> np.ndarray:
        return self._tree.query(Y)[0] if len(self.inside) else np.full(len(Y), np.inf)

    def covers(self, Y: np.ndarray) -> np.ndarray:
        """Whether points (n, d) are inside before calibration."""
        return self._nearest(Y) <= self.resolution

    def scores(self, Y: np.ndarray, signed: bool) -> np.ndarray:
        found = self._nearest(Y)
        if signed and len(Y):
            within = found <= self.resolution
            found[within] = -self._outside.query(Y[within])[0] if self._outside is not None else -np.inf
        return found

    def box(self, q: float, signed: bool) -> Box:
        reach = max(q, self.resolution) if signed else q
        if np.isposinf(q):
            return np.full(self.grid.shape[1], -np.inf), np.full(self.grid.shape[1], np.inf)
        if not len(self.inside):
            return np.full(self.grid.shape[1], np.nan), np.full(self.grid.shape[1], np.nan)
        return self.inside.min(axis=0) - reach, self.inside.max(axis=0) + reach

    def volume(self, q: float) -> None:
        return None

    def points(self, q: float, signed: bool) -> np.ndarray:
        return self.inside[self.scores(self.inside, signed) <= q] if len(self.inside) else self.inside


def gathered(points: np.ndarray, trim: float) -> np.ndarray:
    """Points (n, d) without those whose fifth neighbour is further off than `trim` times the median of such distances.

    A decoder turns quickly between branches of the outcomes' law, and scatters points where there are hardly any outcomes.
    """
    from scipy.spatial import cKDTree

    if len(points) <= _NEIGHBOUR:
        return points
    distance = cKDTree(points).query(points, k=[_NEIGHBOUR + 1])[0][:, 0]
    return points[distance <= trim * np.median(distance)]


def half_space_scores(directions: np.ndarray, offsets: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """By how much outcomes (n, d) miss the half-space of the largest miss, with offsets (n, K); negative inside all."""
    out = np.full(len(Y), -np.inf)
    for direction, offset in zip(directions, offsets.T, strict=True):
        np.maximum(out, offset - Y @ direction, out=out)
    return out


def half_space_boxes(directions: np.ndarray, offsets: np.ndarray) -> Box:
    """Boxes (m, d) that the half-spaces along the axes leave, with offsets (m, K); NaN where they leave nothing."""
    axes = np.eye(directions.shape[1])
    lower = offsets[:, [int(np.argmax(directions @ e)) for e in axes]]
    upper = -offsets[:, [int(np.argmin(directions @ e)) for e in axes]]
    empty = (lower > upper).any(axis=1, keepdims=True)
    return np.where(empty, np.nan, lower), np.where(empty, np.nan, upper)


def volume(shape: Shape, q: float, signed: bool, count: int, seed: int) -> tuple[float, float]:
    """Volume of the region at threshold q and its standard error.

    Where it is not known exactly it is counted on a grid of about `count` points up to two outcomes, on as many uniform
    draws above.
    """
    exact = np.inf if np.isposinf(q) else shape.volume(q)
    if exact is not None:
        return exact, 0.0
    lower, upper = shape.box(q, signed)
    if np.isnan(lower).any():
        return 0.0, 0.0
    if len(lower) <= 2:
        points, cell = box_grid(lower, upper, count)
        return cell * float(np.count_nonzero(shape.scores(points, signed) <= q)), 0.0
    draws = lower + generator(seed, _STREAM).random((count, len(lower))) * (upper - lower)
    share, box = float(np.mean(shape.scores(draws, signed) <= q)), float(np.prod(upper - lower))
    return box * share, box * float(np.sqrt(share * (1.0 - share) / count))

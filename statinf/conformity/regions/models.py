"""Fitted models of regions: from covariates to each row's shape, in standardised outcomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np

from statinf.backend import map_threads
from statinf.conformity.regions.shapes import (
    Ball,
    Cloud,
    HalfSpaces,
    Shape,
    gathered,
    half_space_boxes,
    half_space_scores,
    volume,
)
from statinf.learners.directional import FittedDirectional
from statinf.numerics.geometry.halfplanes import polygon_areas

_FEW = 8
"""Rows below which threads do not pay."""


class Measures(NamedTuple):
    """Of the regions of m rows: ends (m, d) of boxes that hold them, volumes (m,) and their standard errors (m,)."""

    lower: np.ndarray
    upper: np.ndarray
    area: np.ndarray
    std_error: np.ndarray


class RegionModel(Protocol):
    """What every model of regions offers; outcomes are standardised."""

    @property
    def d(self) -> int:
        """Number of outcomes."""
        ...

    def shape(self, x: np.ndarray) -> Shape:
        """The shape at one row of covariates (p,)."""
        ...

    def scores(self, X: np.ndarray, Y: np.ndarray, signed: bool) -> np.ndarray:
        """Scores (n,) of outcomes (n, d), each in its own row's shape."""
        ...

    def covers(self, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
        """Whether each row's shape, before calibration, holds its outcome, (n,) bool."""
        ...

    def measures(self, X: np.ndarray, q: np.ndarray, signed: bool, count: int, seed: int) -> Measures:
        """Boxes and volumes at thresholds q (m,)."""
        ...


@dataclass(frozen=True)
class DirectionalModel:
    """Intersections of directional quantile half-spaces, which stay such when they grow or shrink."""

    fitted: FittedDirectional

    @property
    def d(self) -> int:
        return self.fitted.directions.shape[1]

    def shape(self, x: np.ndarray) -> HalfSpaces:
        return HalfSpaces(self.fitted.directions, self.fitted.offsets(x[None])[0])

    def scores(self, X: np.ndarray, Y: np.ndarray, signed: bool) -> np.ndarray:
        found = half_space_scores(self.fitted.directions, self.fitted.offsets(X), Y)
        return found if signed else np.maximum(found, 0.0)

    def covers(self, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
        return self.scores(X, Y, True) <= 0.0

    def measures(self, X: np.ndarray, q: np.ndarray, signed: bool, count: int, seed: int) -> Measures:
        if self.d > 2:
            return measured(self, X, q, signed, count, seed)
        finite = np.isfinite(q)
        offsets = self.fitted.offsets(X) - np.where(finite, q, 0.0)[:, None]
        lower, upper = half_space_boxes(self.fitted.directions, offsets)
        one = self.d == 1
        area = np.nan_to_num((upper - lower)[:, 0]) if one else polygon_areas(self.fitted.directions, offsets)
        lower[~finite], upper[~finite], area[~finite] = -np.inf, np.inf, np.inf
        return Measures(lower, upper, area, np.zeros(len(q)))


@dataclass(frozen=True)
class BallModel:
    """The same ball for every row."""

    d: int
    radius: float

    def shape(self, x: np.ndarray) -> Ball:
        return Ball(self.d, self.radius)

    def scores(self, X: np.ndarray, Y: np.ndarray, signed: bool) -> np.ndarray:
        return Ball(self.d, self.radius).scores(Y, signed)

    def covers(self, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
        return self.scores(X, Y, True) <= 0.0

    def measures(self, X: np.ndarray, q: np.ndarray, signed: bool, count: int, seed: int) -> Measures:
        return measured(self, X, q, signed, count, seed)


@dataclass(frozen=True)
class DecodedModel:
    """Regions of a latent variable, decoded to clouds of points.

    Attributes
    ----------
    transform : object
        With `decode(Z, x)`, the outcomes (G, d) of latent points (G, r) at covariates (p,).
    candidates : ndarray, shape (G, r)
        Latent points.
    support : FittedDirectional or None
        Keeps the candidates in its region at a row; None keeps all.
    most : int
        Points of a cloud.
    grid : ndarray, shape (g, d)
        Points of the outcomes' space.
    trim : float or None
        Points that lie apart are left out, as in `gathered`; None keeps all.
    """

    transform: Any
    candidates: np.ndarray = field(repr=False)
    support: FittedDirectional | None
    most: int
    grid: np.ndarray = field(repr=False)
    trim: float | None = None

    @property
    def d(self) -> int:
        return self.grid.shape[1]

    def shape(self, x: np.ndarray) -> Cloud:
        kept = self.candidates
        if self.support is not None:
            kept = kept[(self._along >= self.support.offsets(x[None]).T).all(axis=0)]
        kept = kept[: self.most]
        points = self.transform.decode(kept, x) if len(kept) else np.empty((0, self.d))
        return Cloud(points if self.trim is None else gathered(points, self.trim), self.grid)

    @cached_property
    def _along(self) -> np.ndarray:
        """Candidates along the directions of the support (K, G)."""
        assert self.support is not None
        return self.support.directions @ self.candidates.T

    def scores(self, X: np.ndarray, Y: np.ndarray, signed: bool) -> np.ndarray:
        return self._each(X, lambda i: self.shape(X[i]).scores(Y[i : i + 1], signed)[0])

    def covers(self, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
        return self._each(X, lambda i: self.shape(X[i]).covers(Y[i : i + 1])[0]).astype(bool)

    def measures(self, X: np.ndarray, q: np.ndarray, signed: bool, count: int, seed: int) -> Measures:
        return measured(self, X, q, signed, count, seed)

    def _each(self, X: np.ndarray, function: Callable[[int], Any]) -> np.ndarray:
        return np.array(map_threads(function, range(len(X)), parallel=len(X) > _FEW), np.float64)


def measured(model: RegionModel, X: np.ndarray, q: np.ndarray, signed: bool, count: int, seed: int) -> Measures:
    """Boxes and volumes of rows one by one, volumes by counting points."""

    def one(i: int) -> tuple[np.ndarray, np.ndarray, float, float]:
        shape = model.shape(X[i])
        return *shape.box(q[i], signed), *volume(shape, q[i], signed, count, seed)

    found = map_threads(one, range(len(X)), parallel=len(X) > _FEW)
    if not found:
        nothing = np.empty((0, model.d))
        return Measures(nothing, nothing, np.empty(0), np.empty(0))
    lower, upper, area, error = (np.array(part) for part in zip(*found, strict=True))
    return Measures(lower, upper, area, error)

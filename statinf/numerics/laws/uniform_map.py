"""Maps of a sample's law to the uniform law on the unit cube: smoothed distribution functions, axis by axis or nested."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief


def smooth_step(u: np.ndarray, kind: str) -> np.ndarray:
    """A distribution function on [-1/2, 1/2]: uniform, triangular or piecewise quadratic density, or a jump at 0.

    "step" stands at 1/2 everywhere, so that a cell is one value.
    """
    u = np.clip(u, -0.5, 0.5)
    if kind == "constant":
        return u + 0.5
    if kind == "linear":
        return np.where(u <= 0, 2 * u**2 + 2 * u + 0.5, -2 * u**2 + 2 * u + 0.5)
    if kind == "quadratic":
        middle = 2 * u - 16 * u**3 / 3 + 0.5
        return np.where(u <= -0.25, 16 * (u + 0.5) ** 3 / 3, np.where(u <= 0.25, middle, 16 * (u - 0.5) ** 3 / 3 + 1))
    return np.full_like(u, 0.5)


@dataclass(frozen=True, repr=False)
class AxisCells(Brief):
    """Cells of one axis: the last one that begins below a value holds it.

    Attributes
    ----------
    edges : ndarray, shape (cells + 1,)
    mass : ndarray, shape (cells + 1,)
        Share of the sample below each edge.
    """

    edges: np.ndarray
    mass: np.ndarray

    def apply(self, x: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
        """The uniform coordinate of values x (n,) and their cells, both of shape (n,)."""
        cell = np.clip(np.searchsorted(self.edges[1:-1], x, side="left"), 0, len(self.edges) - 2)
        low, wide = self.edges[cell], np.diff(self.edges)[cell]
        with np.errstate(divide="ignore", invalid="ignore"):
            u = np.where(wide > 0, (x - low) / wide - 0.5, 0.5)
        share = np.diff(self.mass)[cell]
        return self.mass[cell] + share * smooth_step(u, kind), cell


def axis_cells(x: np.ndarray, s: np.ndarray, cells: int, low: float, high: float, kind: str) -> AxisCells:
    """About `cells` cells of equal mass between midpoints of neighbours, or one a distinct value where there are fewer.

    Parameters
    ----------
    x, s : ndarray, shape (n,)
        Values of the sample and their weights.
    low, high : float
        Ends of the axis.
    kind : str
        Of `smooth_step`; "step" cuts at the values themselves, so that ranks alone matter.
    """
    values, back = np.unique(x, return_inverse=True)
    below = np.cumsum(np.bincount(back, s)) / s.sum()
    if cells < len(values):
        wanted = np.arange(1, cells) / cells
        last = np.unique(np.searchsorted(below[:-1], wanted - 1e-12))
    else:
        last = np.arange(len(values) - 1)
    last = last[last < len(values) - 1]
    cuts = values[last] if kind == "step" else values[last] + 0.5 * (values[last + 1] - values[last])
    return AxisCells(np.r_[low, cuts, high], np.r_[0.0, below[last], 1.0])


@dataclass(frozen=True, repr=False)
class UniformMap(Brief):
    """A map of d columns into the unit cube.

    Attributes
    ----------
    low, high : ndarray, shape (d,)
        Ends of every axis.
    smooth : str
    sizes : tuple of int
        Cells per axis; empty for a map that takes each axis alone.
    axes : tuple of AxisCells
        Of each axis alone; of a nested map those of its first axis.
    branches : tuple of UniformMap
        The maps of the other axes within each cell of the first one.
    """

    low: np.ndarray
    high: np.ndarray
    smooth: str
    sizes: tuple[int, ...]
    axes: tuple[AxisCells, ...]
    branches: tuple[UniformMap, ...] = ()

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Coordinates of rows x (n, d), shape (n, d)."""
        if not self.sizes:
            return np.column_stack([axis.apply(x[:, j], self.smooth)[0] for j, axis in enumerate(self.axes)])
        out = np.empty(x.shape)
        out[:, 0], cell = self.axes[0].apply(x[:, 0], self.smooth)
        for k, branch in enumerate(self.branches):
            rows = cell == k
            if rows.any():
                out[rows, 1:] = branch.apply(x[rows, 1:])
        return out


def marginal_map(x: np.ndarray, s: np.ndarray, low: np.ndarray, high: np.ndarray, smooth: str) -> UniformMap:
    """Each axis by its own smoothed distribution function."""
    axes = tuple(axis_cells(x[:, j], s, len(x), low[j], high[j], smooth) for j in range(x.shape[1]))
    return UniformMap(low, high, smooth, (), axes)


def nested_map(
    x: np.ndarray, s: np.ndarray, low: np.ndarray, high: np.ndarray, smooth: str, sizes: tuple[int, ...]
) -> UniformMap:
    """The first axis in cells of equal mass, within each the second, and so on: conditional distribution functions."""
    first = axis_cells(x[:, 0], s, sizes[0], low[0], high[0], smooth)
    branches: list[UniformMap] = []
    if len(sizes) > 1:
        cell = first.apply(x[:, 0], smooth)[1]
        for k in range(len(first.mass) - 1):
            rows = cell == k
            branches.append(nested_map(x[rows][:, 1:], s[rows], low[1:], high[1:], smooth, sizes[1:]))
    return UniformMap(low, high, smooth, sizes, (first,), tuple(branches))


def cell_counts(n: int, d: int) -> tuple[int, ...]:
    """Cells per axis, N or N + 1 with N the whole part of n^(1/d), their product below n, the larger ones first."""
    least = int(np.floor(n ** (1.0 / d) + 1e-9))
    sizes = [least] * d
    for j in range(d):
        raised = [*sizes[:j], least + 1, *sizes[j + 1 :]]
        if np.prod(raised) >= n:
            break
        sizes = raised
    return tuple(sizes)

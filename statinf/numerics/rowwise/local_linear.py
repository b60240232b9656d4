"""Local polynomials on one column, at a few points or along a grid, with the bandwidth of lines by leave-one-out error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.numerics.rowwise.gauss_sums import PAY_FROM, Boxes

_TOLD = 1e-9
"""Smallest eigenvalue of the scaled moments of a cubic that is still one."""


@dataclass(frozen=True)
class LocalLinear:
    """Local lines at points (m,).

    Attributes
    ----------
    level, slope : ndarray, shape (m,)
        The line at each point, its slope per bandwidth.
    s0, s1, s2 : ndarray, shape (m,)
        Weighted moments of the distance in bandwidths; `s0 s2 - s1^2` is positive where the line is determined.
    """

    level: np.ndarray
    slope: np.ndarray
    s0: np.ndarray
    s1: np.ndarray
    s2: np.ndarray

    @property
    def determinant(self) -> np.ndarray:
        """Of the normal equations at each point, shape (m,)."""
        return self.s0 * self.s2 - self.s1**2

    def first_row(self, steps: np.ndarray) -> np.ndarray:
        """What a unit of the kernel's weight at distances (n, m), in bandwidths, adds to the level."""
        return (self.s2 - self.s1 * steps) / self.determinant


def kernel(x: np.ndarray, at: np.ndarray, bandwidth: float) -> tuple[np.ndarray, np.ndarray]:
    """Distances in bandwidths and normal weights, shape (n, m)."""
    steps = (x[:, None] - at) / bandwidth
    return steps, np.exp(-0.5 * steps**2) / (bandwidth * np.sqrt(2.0 * np.pi))


def local_linear(x: np.ndarray, y: np.ndarray, w: np.ndarray, at: np.ndarray, bandwidth: float) -> LocalLinear:
    """Local lines of y (n,) on x (n,) with weights w (n,) at points (m,)."""
    sums = np.zeros((5, len(at)))
    for start in range(0, len(x), 20_000):
        rows = slice(start, start + 20_000)
        steps, k = kernel(x[rows], at, bandwidth)
        k *= w[rows, None]
        moved = k * steps
        sums += np.stack([k.sum(0), moved.sum(0), (moved * steps).sum(0), y[rows] @ k, y[rows] @ moved])
    return _lines(*sums)


@dataclass(frozen=True)
class LocalBend:
    """The second-order bias of local lines at points (m,), from local cubics of the same kernel.

    Attributes
    ----------
    bias : ndarray, shape (m,)
        Of the level of each line; NaN where too few rows lie near.
    coef : ndarray, shape (4, m)
        Of the cubics, in powers of the distance in bandwidths.
    row : ndarray, shape (4, m)
        What a unit of the kernel's weight adds to the bias, in powers of its distance.
    """

    bias: np.ndarray
    coef: np.ndarray
    row: np.ndarray

    def fitted(self, steps: np.ndarray) -> np.ndarray:
        """The cubics at distances (n, m)."""
        return _cubic(self.coef, steps)

    def bias_row(self, steps: np.ndarray) -> np.ndarray:
        """What a unit of the kernel's weight at distances (n, m) adds to the bias."""
        return _cubic(self.row, steps)


def local_bend(x: np.ndarray, y: np.ndarray, w: np.ndarray, at: np.ndarray, bandwidth: float) -> LocalBend:
    """The bias of `local_linear` of the same arguments: what its level makes of the square of the distance, times the cubics'.

    Takatsu and Westling (arXiv 2210.06448), with the moment of the rows in place of the kernel's.
    """
    power, moment = np.zeros((7, len(at))), np.zeros((4, len(at)))
    for start in range(0, len(x), 20_000):
        rows = slice(start, start + 20_000)
        steps, k = kernel(x[rows], at, bandwidth)
        k *= w[rows, None]
        for j in range(7):
            power[j] += k.sum(0)
            if j < 4:
                moment[j] += y[rows] @ k
            k *= steps
    gram = power[np.add.outer(np.arange(4), np.arange(4))].transpose(2, 0, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        bend = (power[2] ** 2 - power[3] * power[1]) / (power[0] * power[2] - power[1] ** 2)
    size = np.sqrt(np.einsum("mjj->mj", gram))
    scaled = gram / np.where(size > 0.0, size, 1.0)[:, :, None] / np.where(size > 0.0, size, 1.0)[:, None, :]
    told = np.linalg.eigvalsh(scaled)[:, 0] > _TOLD
    inverse = np.full_like(gram, np.nan)
    inverse[told] = np.linalg.inv(scaled[told]) / size[told][:, :, None] / size[told][:, None, :]
    coef = np.einsum("mij,jm->im", inverse, moment)
    return LocalBend(bend * coef[2], coef, bend * inverse[:, 2].T)


def _cubic(coef: np.ndarray, steps: np.ndarray) -> np.ndarray:
    return ((coef[3] * steps + coef[2]) * steps + coef[1]) * steps + coef[0]


def _boxed_lines(boxes: Boxes, at: np.ndarray, bandwidth: float) -> LocalLinear:
    """`local_linear` from boxes of rows with the weights w and w y: s g = -g' and s^2 g = g'' + g of the normal weight g."""
    (s0, t0), (d1, e1), (d2, _) = boxes.sums(at, bandwidth, 3) / (bandwidth * np.sqrt(2.0 * np.pi))
    return _lines(s0, -d1, d2 + s0, t0, -e1)


def _lines(s0: np.ndarray, s1: np.ndarray, s2: np.ndarray, t0: np.ndarray, t1: np.ndarray) -> LocalLinear:
    with np.errstate(divide="ignore", invalid="ignore"):
        below = s0 * s2 - s1**2
        return LocalLinear((s2 * t0 - s1 * t1) / below, (s0 * t1 - s1 * t0) / below, s0, s1, s2)


def chosen_bandwidth(x: np.ndarray, y: np.ndarray, w: np.ndarray, candidates: np.ndarray, points: int = 100) -> float:
    """The bandwidth of smallest weighted leave-one-out squared error; fits are interpolated between points."""
    at = np.linspace(x.min(), x.max(), points)
    best, least = float(candidates[-1]), np.inf
    boxes = Boxes.of(x, np.column_stack([w, w * y]), float(min(candidates))) if len(x) >= PAY_FROM else None
    for bandwidth in candidates:
        made = local_linear(x, y, w, at, bandwidth) if boxes is None else _boxed_lines(boxes, at, bandwidth)
        with np.errstate(divide="ignore", invalid="ignore"):
            own = made.s2 / made.determinant / (bandwidth * np.sqrt(2.0 * np.pi))
        if not np.isfinite(own).all() or not np.isfinite(made.level).all():
            continue
        left = 1.0 - w * np.interp(x, at, own)
        if (left <= 0.0).any():
            continue
        error = float(w @ ((y - np.interp(x, at, made.level)) / left) ** 2)
        if error < least:
            best, least = float(bandwidth), error
    return best

"""Bandwidths for curves at a cutoff: least mean squared error of each point, or of the whole curve."""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial

import numpy as np

from statinf.numerics.localpoly.curves import CurveSide
from statinf.numerics.localpoly.kernels import kernel_values, moment_matrices
from statinf.numerics.localpoly.side import Side

_SMALL = 1e-14


@dataclass(frozen=True)
class CurveBandwidth:
    """Bandwidths of the outcomes and what they come from.

    Attributes
    ----------
    chosen, pilot : ndarray, shape (m,)
    density : float
        Of the running variable at zero.
    """

    chosen: np.ndarray
    pilot: np.ndarray
    density: float


def curve_constants(kernel: str, order: int) -> tuple[float, np.ndarray]:
    """Variance constant of a mean at an edge, and bias constants on the left and on the right, shape (2,)."""
    gram, moment = moment_matrices(kernel, order)
    square, _ = moment_matrices(kernel, order, power=2)
    row = np.linalg.inv(gram)[0]
    bias = float(row @ moment)
    return float(row @ square @ row), np.array([bias * (-1.0) ** (order + 1), bias])


def curve_bandwidth(both: tuple[Side, Side], order: int, kernel: str, *, whole: bool, fewest: int) -> CurveBandwidth:
    """Bandwidths of least error for polynomials of an order.

    Parameters
    ----------
    both : (Side, Side)
        Left and right, with m outcomes.
    order : int
    kernel : str
    whole : bool
        One bandwidth for the whole curve, of least integrated error, instead of one per outcome.
    fewest : int
        Distinct values that each side of the window holds.
    """
    x, w = (np.concatenate([getattr(side, name) for side in both]) for name in ("x", "w"))
    n, widest, share = len(x), float(np.abs(x).max()), w / w.sum()
    spread = float(np.sqrt(np.sum(share * (x - share @ x) ** 2) * n / (n - 1.0)))
    first = 1.06 * spread * n**-0.2
    density = float(share @ kernel_values(kernel, x / first)) / first
    bends, sizes = zip(*(_global(side, order + 1) for side in both), strict=True)
    common = {"order": order, "kernel": kernel, "n": n, "density": density, "whole": whole}
    pilot = np.minimum(_best(np.stack(bends), np.stack(sizes), **common), widest)
    pilot = np.where(np.isfinite(pilot), pilot, widest)
    local = [CurveSide.of(side, order + 1, pilot, kernel) for side in both]
    bends = np.stack([factorial(order + 1) * one.coef(order + 1) for one in local])
    found = _best(bends, np.stack([one.spread() for one in local]), **common)
    found = np.where(np.isfinite(found), np.minimum(found, widest), 1.06 * spread * n ** (-1.0 / (2 * order + 1)))
    least = max(_least(side, fewest) for side in both)
    return CurveBandwidth(np.maximum(found, least), pilot, density)


def _global(side: Side, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Derivative of that order and residual variance of a polynomial of all rows of a side, each shape (m,)."""
    scale = side.reach
    basis = np.vander(side.x / scale, order + 1, increasing=True) * np.sqrt(side.w)[:, None]
    y = side.y * np.sqrt(side.w)[:, None]
    coef, *_ = np.linalg.lstsq(basis, y)
    left = (y - basis @ coef) / np.sqrt(side.w)[:, None]
    share = side.w / side.w.sum()
    left = left - share @ left
    return factorial(order) * coef[order] / scale**order, (share @ left**2) * len(left) / (len(left) - 1.0)


def _best(
    bends: np.ndarray, sizes: np.ndarray, *, order: int, kernel: str, n: int, density: float, whole: bool
) -> np.ndarray:
    """Bandwidths from derivatives (2, m) and residual variances (2, m); not finite where there is no bias."""
    spread, bias = curve_constants(kernel, order)
    off = (bias[1] * bends[1] - bias[0] * bends[0]) / factorial(order + 1)
    noise = spread * sizes.sum(axis=0) / density
    square = off**2
    if whole:
        noise, square = (np.full(len(off), one.mean()) for one in (noise, square))
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (noise / (2.0 * (order + 1) * square)) ** (1.0 / (2 * order + 3)) * n ** (-1.0 / (2 * order + 3))
    return np.where(square > _SMALL**2, found, np.inf)


def _least(side: Side, fewest: int) -> float:
    """The smallest bandwidth with that many distinct values inside."""
    distance = np.unique(np.abs(side.x))
    return float(distance[min(fewest, len(distance)) - 1]) * (1.0 + 1e-9)

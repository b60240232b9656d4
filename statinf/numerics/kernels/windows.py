"""Kernels on the line, up to a constant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from statinf.backend import map_threads, row_blocks

_FACTORS = {
    4: (3 / 2, -1 / 2),
    6: (15 / 8, -5 / 4, 1 / 8),
    8: (35 / 16, -35 / 16, 7 / 16, -1 / 48),
    10: (315 / 128, -105 / 32, 63 / 64, -3 / 32, 1 / 384),
}
"""Polynomials in u^2 that raise the order of the Gaussian kernel."""
_ELEMENTS = 1 << 22

_FAR = 1e-17
"""Share of its height below which a kernel counts as zero."""


def _gaussian(u: np.ndarray, order: int = 2) -> np.ndarray:
    square = u * u
    found = np.exp(-0.5 * square)
    return found if order == 2 else found * np.polynomial.polynomial.polyval(square, _FACTORS[order])


def _power(u: np.ndarray, inner: int, outer: int) -> np.ndarray:
    return np.maximum(1.0 - np.abs(u) ** inner, 0.0) ** outer


def _inside(u: np.ndarray) -> np.ndarray:
    return (np.abs(u) <= 1.0).astype(np.float64)


def _cosine(u: np.ndarray) -> np.ndarray:
    return np.cos(0.5 * np.pi * u) * _inside(u)


def _silverman(u: np.ndarray) -> np.ndarray:
    v = np.abs(u) / np.sqrt(2.0)
    return np.exp(-v) * np.sin(v + np.pi / 4.0)


WINDOWS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "gaussian": _gaussian,
    **{f"gaussian{order}": partial(_gaussian, order=order) for order in _FACTORS},
    "epanechnikov": partial(_power, inner=2, outer=1),
    "uniform": _inside,
    "triangular": partial(_power, inner=1, outer=1),
    "biweight": partial(_power, inner=2, outer=2),
    "triweight": partial(_power, inner=2, outer=3),
    "tricube": partial(_power, inner=3, outer=3),
    "cosine": _cosine,
    "silverman": _silverman,
}


def reach(kernel: str) -> float:
    """Distance, in bandwidths, beyond which a kernel stays below 1e-17 of its height."""
    if kernel == "silverman":
        return float(-np.log(_FAR) * np.sqrt(2.0))
    if not kernel.startswith("gaussian"):
        return 1.0
    u = np.linspace(5.0, 15.0, 1001)
    window = WINDOWS[kernel]
    return float(u[np.flatnonzero(np.abs(window(u)) > _FAR * window(np.zeros(1)))[-1] + 1])


def smoothed_mass(
    x: np.ndarray, at: np.ndarray, mass: np.ndarray, kernel: str, bandwidth: float, *, reflect: bool
) -> np.ndarray:
    """Sums (n,) over points of the unit cube of their mass times a product kernel, at rows x (n, d).

    Parameters
    ----------
    x : ndarray, shape (n, d)
    at : ndarray, shape (m, d)
        The points.
    mass : ndarray, shape (m,)
    kernel : str
    bandwidth : float
    reflect : bool
        Whether the kernel is reflected at the border of the cube.
    """
    window, far = WINDOWS[kernel], reach(kernel) * bandwidth
    by_row, by_point = np.argsort(x[:, 0], kind="stable"), np.argsort(at[:, 0], kind="stable")
    x, at, mass = x[by_row], at[by_point], mass[by_point]
    out = np.empty(len(x))

    def block(rows: slice) -> None:
        part = x[rows]
        # Near along the first axis; a reflected point is near only where the point itself is.
        ends = np.searchsorted(at[:, 0], (part[0, 0] - far, part[-1, 0] + far))
        near = at[slice(*ends)]
        product: np.ndarray | None = None
        for a, b in zip(part.T, near.T, strict=True):
            factor = window((a[:, None] - b) / bandwidth)
            if reflect:
                low, high = np.flatnonzero(a < far), np.flatnonzero(a > 1.0 - far)
                factor[low] += window((a[low, None] + b) / bandwidth)
                factor[high] += window((2.0 - a[high, None] - b) / bandwidth)
            product = factor if product is None else np.multiply(product, factor, out=product)
        assert product is not None
        out[by_row[rows]] = product @ mass[slice(*ends)]

    blocks = row_blocks(len(x), 8 * len(at), _ELEMENTS)
    map_threads(block, blocks, parallel=len(x) * len(at) > _ELEMENTS, label="kernel sums")
    return out

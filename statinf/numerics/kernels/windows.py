"""Kernels on the line, up to a constant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

_FACTORS = {
    4: (3 / 2, -1 / 2),
    6: (15 / 8, -5 / 4, 1 / 8),
    8: (35 / 16, -35 / 16, 7 / 16, -1 / 48),
    10: (315 / 128, -105 / 32, 63 / 64, -3 / 32, 1 / 384),
}
"""Polynomials in u^2 that raise the order of the Gaussian kernel."""


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

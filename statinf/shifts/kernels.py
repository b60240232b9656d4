"""What the kernel methods share: bandwidths, centres, kernel sums in blocks of rows."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend import chunks, generator, rows_per_chunk
from statinf.errors import DataError, NumericalWarning, OptionError
from statinf.numerics.kernels.distances import gaussian, squared_distances

MEDIAN_ROWS = 2000
"""Rows beyond which the median distance is that of a random subset; its error is then far below a percent."""

SCALES_APART = 10.0


@dataclass(frozen=True)
class KernelRatio:
    """The ratio sum_l theta_l exp(-|x - c_l|^2 / (2 sigma^2)).

    Attributes
    ----------
    centers : ndarray, shape (b, p)
    theta : ndarray, shape (b,)
    sigma : float
    """

    centers: np.ndarray
    theta: np.ndarray
    sigma: float

    def at(self, x: np.ndarray) -> np.ndarray:
        return kernel_sums(x, self.centers, self.theta, self.sigma)


def rbf(x: np.ndarray, centers: np.ndarray, sigma: float) -> np.ndarray:
    """``exp(-|x_i - c_l|^2 / (2 sigma^2))``, shape (n, b)."""
    return gaussian(x, centers, 2.0 * sigma**2)


def kernel_sums(x: np.ndarray, centers: np.ndarray, weights: np.ndarray, sigma: float) -> np.ndarray:
    """``sum_l weights_l k(x_i, c_l)`` in blocks of rows, shape (n,), or (n, k) for k columns of weights."""
    out = np.empty((len(x), *weights.shape[1:]))
    for block in chunks(len(x), rows_per_chunk(24.0 * len(centers))):
        out[block] = rbf(x[block], centers, sigma) @ weights
    return out


def median_distance(x: np.ndarray, seed: int = 0) -> float:
    """Median distance between two rows: of all pairs up to 2,000 rows, of a random subset beyond."""
    if len(x) > MEDIAN_ROWS:
        x = x[np.sort(generator(seed, 1).choice(len(x), MEDIAN_ROWS, replace=False))]
    i, j = np.triu_indices(len(x), k=1)
    found = float(np.median(np.sqrt(squared_distances(x, x)[i, j]))) if len(i) else 0.0
    if found <= 0.0:
        raise DataError("most rows are identical, so the median distance is zero; give sigma=, a positive bandwidth.")
    return found


def bandwidths(sigma: Any, xs: np.ndarray, xt: np.ndarray, seed: int, factors: np.ndarray | None) -> np.ndarray:
    """The bandwidths asked for: numbers, or the median distance of the pooled rows times factors.

    Parameters
    ----------
    sigma : None, "median", float, or sequence of float
        None is the grid `factors` times the median distance, or that distance alone without `factors`.
    """
    if sigma is None or isinstance(sigma, str):
        if sigma not in (None, "median"):
            raise OptionError(
                f"sigma={sigma!r} is not known; give 'median', a positive number, or several to choose from."
            )
        base = median_distance(np.concatenate([xs, xt]), seed)
        return np.atleast_1d(base * factors if sigma is None and factors is not None else base)
    return positive_grid("sigma", sigma)


def positive_grid(name: str, given: Any) -> np.ndarray:
    """One number or several, all positive and finite."""
    try:
        values = np.atleast_1d(np.asarray(given, dtype=np.float64)).ravel()
    except (TypeError, ValueError):
        values = np.array([])
    if len(values) == 0 or not np.isfinite(values).all() or (values <= 0).any():
        raise OptionError(f"{name}={given!r}: give a positive number, or several to choose from.")
    return values


def choose_centers(rows: int, n_centers: int, seed: int) -> np.ndarray:
    """Row numbers of the centres: the first of a seeded permutation of the target."""
    if isinstance(n_centers, bool) or not isinstance(n_centers, int | np.integer) or n_centers < 1:
        raise OptionError(f"n_centers={n_centers!r}: give a whole number of at least 1.")
    return generator(seed, 2).permutation(rows)[: min(int(n_centers), rows)]


def warn_scales(xs: np.ndarray, xt: np.ndarray, names: tuple[str, ...]) -> None:
    """Warn where one bandwidth has to serve columns of very different spread."""
    spread = np.concatenate([xs, xt]).std(axis=0)
    small, large = int(np.argmin(spread)), int(np.argmax(spread))
    if spread[large] > SCALES_APART * spread[small]:
        warnings.warn(
            f"one bandwidth serves columns of very different spread: '{names[large]}' has {spread[large] / spread[small]:.0f} "
            f"times that of '{names[small]}', which hardly counts. Pass scale=True, or write scale() in the formula.",
            NumericalWarning,
            stacklevel=4,
        )

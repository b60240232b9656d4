"""What the kernel methods share: their options, bandwidths, centres, kernel sums in blocks of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend import chunks, generator, progress_bar, rows_per_chunk
from statinf.brief import Brief
from statinf.errors import DataError, NumericalWarning, OptionError, issue_warning
from statinf.numerics.kernels.distances import gaussian, squared_distances
from statinf.results.options import Options, count, flag, value
from statinf.shifts.samples import Samples
from statinf.shifts.scaling import Scaling, unscaled

MEDIAN_ROWS = 2000
"""Rows beyond which the median distance is that of a random subset; its error is then far below a percent."""

SCALES_APART = 10.0


def positive_grid(name: str, given: Any) -> tuple[float, ...]:
    """One number or several, all positive and finite."""
    try:
        words = np.asarray(given).dtype.kind == "b"
        values = np.array([]) if words else np.atleast_1d(np.asarray(given, dtype=np.float64)).ravel()
    except (TypeError, ValueError):
        values = np.array([])
    if len(values) == 0 or not np.isfinite(values).all() or (values <= 0).any():
        raise OptionError(f"{name}={given!r}: give a positive number, or several to choose from.")
    return tuple(values.tolist())


def check_bandwidth(name: str, given: Any) -> Any:
    """'median', or one positive number or several."""
    if isinstance(given, str):
        if given != "median":
            raise OptionError(
                f"{name}={given!r} is not known; give 'median', a positive number, or several to choose from."
            )
        return given
    return positive_grid(name, given)


def one_bandwidth(name: str, given: Any) -> Any:
    """'median', or one positive number."""
    made = check_bandwidth(name, given)
    if not isinstance(made, str) and len(made) > 1:
        raise OptionError(f"{name}={given!r}: this method does not choose a bandwidth; give one positive number.")
    return made


SCALE = "divide columns by their standard deviation over both samples, so that units do not matter"
BANDWIDTH = (
    "of the Gaussian kernel exp(-d^2 / (2 bandwidth^2)), in standard deviations of the columns (in their own units with "
    "scale=False)"
)


@dataclass(frozen=True, kw_only=True)
class GaussianKernelOptions(Options):
    """Options of every method with a Gaussian kernel whose bandwidth is given or the median distance."""

    bandwidth: Any = value(
        None, f"{BANDWIDTH}; the median distance by default", "None, 'median' or a positive number", one_bandwidth
    )
    scale: bool = flag(True, SCALE)


@dataclass(frozen=True, kw_only=True)
class BumpOptions(GaussianKernelOptions):
    """Options of the methods that sum Gaussian bumps and choose their bandwidth."""

    bandwidth: Any = value(
        None,
        f"{BANDWIDTH}; by default chosen from a grid of multiples of the median distance",
        "None, 'median', a positive number, or several to choose from",
        check_bandwidth,
    )
    n_centers: int = count(100, "bumps, at random target rows")


@dataclass(frozen=True, repr=False)
class KernelRatio(Brief):
    """The ratio sum_l theta_l exp(-|x - c_l|^2 / (2 bandwidth^2)) of scaled columns.

    Attributes
    ----------
    centers : ndarray, shape (b, p)
        Scaled.
    theta : ndarray, shape (b,)
    bandwidth : float
    scaling : Scaling
    """

    centers: np.ndarray
    theta: np.ndarray
    bandwidth: float
    scaling: Scaling

    def at(self, x: np.ndarray) -> np.ndarray:
        return kernel_sums(self.scaling.apply(x), self.centers, self.theta, self.bandwidth)


def in_units(samples: Samples, scale: bool) -> tuple[Scaling, np.ndarray, np.ndarray]:
    """The scaling that distances are taken under, and the columns of both samples under it."""
    if scale:
        scaling = samples.scaling
        return scaling, scaling.apply(samples.xs), scaling.apply(samples.xt)
    warn_scales(samples.scaling.spread, samples.names)
    return unscaled(len(samples.names)), samples.xs, samples.xt


def rbf(x: np.ndarray, centers: np.ndarray, bandwidth: float) -> np.ndarray:
    """``exp(-|x_i - c_l|^2 / (2 bandwidth^2))``, shape (n, b)."""
    return gaussian(x, centers, 2.0 * bandwidth**2)


def kernel_sums(x: np.ndarray, centers: np.ndarray, weights: np.ndarray, bandwidth: float) -> np.ndarray:
    """``sum_l weights_l k(x_i, c_l)`` in blocks of rows, shape (n,), or (n, k) for k columns of weights."""
    out = np.empty((len(x), *weights.shape[1:]))
    blocks = list(chunks(len(x), rows_per_chunk(24.0 * len(centers))))
    for block in progress_bar(blocks, label="kernel sums"):
        out[block] = rbf(x[block], centers, bandwidth) @ weights
    return out


def median_distance(x: np.ndarray, seed: int = 0) -> float:
    """Median distance between two rows: of all pairs up to 2,000 rows, of a random subset beyond.

    Where more than half of the pairs are of identical rows, the median of the other pairs.
    """
    if len(x) > MEDIAN_ROWS:
        x = x[np.sort(generator(seed, 1).choice(len(x), MEDIAN_ROWS, replace=False))]
    i, j = np.triu_indices(len(x), k=1)
    found = np.sqrt(squared_distances(x, x)[i, j])
    median = float(np.median(found)) if len(found) else 0.0
    if median > 0.0:
        return median
    apart = found[found > 0]
    if len(apart) == 0:
        raise DataError("all rows are identical, so there is no distance to take a bandwidth from; give bandwidth=.")
    return float(np.median(apart))


def bandwidths(given: Any, x: np.ndarray, seed: int, factors: np.ndarray | None = None) -> np.ndarray:
    """The bandwidths asked for: numbers, or the median distance of the pooled rows times factors.

    Parameters
    ----------
    given : None, "median", or sequence of float
        None is the grid `factors` times the median distance, or that distance alone without `factors`.
    x : ndarray, shape (N, p)
        Rows of both samples.
    seed : int
    factors : ndarray, optional
    """
    if given is None or isinstance(given, str):
        base = median_distance(x, seed)
        return np.atleast_1d(base * factors if given is None and factors is not None else base)
    return np.asarray(given, dtype=np.float64)


def choose_centers(rows: int, n_centers: int, seed: int) -> np.ndarray:
    """Row numbers of the centres: the first of a seeded permutation of the target."""
    return generator(seed, 2).permutation(rows)[: min(n_centers, rows)]


def warn_scales(spread: np.ndarray, names: Sequence[str]) -> None:
    """Warn where one bandwidth has to serve columns of very different spread."""
    small, large = int(np.argmin(spread)), int(np.argmax(spread))
    if spread[large] > SCALES_APART * spread[small]:
        issue_warning(
            f"one bandwidth serves columns of very different spread: '{names[large]}' has {spread[large] / spread[small]:.0f} "
            f"times that of '{names[small]}', which hardly counts. Leave scale=False out, or write scale() in the formula.",
            NumericalWarning,
        )

"""Bins of a regression discontinuity plot, as many as the data say (Calonico, Cattaneo, Titiunik 2015, JASA 110)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

SELECTIONS = ("es", "espr", "esmv", "esmvpr", "qs", "qspr", "qsmv", "qsmvpr")
MOST_BINS = 5_000


@dataclass(frozen=True)
class BinnedSide:
    """Means of an outcome in bins on one side of the cutoff, and a polynomial through all its rows.

    Attributes
    ----------
    edges : ndarray, shape (bins + 1,)
    count : ndarray of int, shape (bins,)
    x, y, std_error : ndarray, shape (bins,)
        Means, NaN in empty bins, and the error of the mean of y; zero in bins of one row.
    coef : ndarray, shape (order + 1,)
        Of powers of x.
    imse, mimicking : int
        Numbers of bins of smallest integrated squared error, and that mimic the variability of the rows.
    """

    edges: np.ndarray
    count: np.ndarray
    x: np.ndarray
    y: np.ndarray
    std_error: np.ndarray
    coef: np.ndarray
    imse: int
    mimicking: int

    @property
    def centre(self) -> np.ndarray:
        """Middle of each bin, shape (bins,)."""
        return (self.edges[1:] + self.edges[:-1]) / 2.0

    def half_width(self, level: float) -> np.ndarray:
        """Half the interval of each bin's mean, shape (bins,); NaN in bins of one row."""
        with np.errstate(invalid="ignore"):
            return np.where(self.count > 1, stdtrit(self.count - 1, 0.5 + level / 2.0) * self.std_error, np.nan)


def binned(
    x: np.ndarray, y: np.ndarray, w: np.ndarray, total: int, *, select: str, count: int | None, order: int
) -> BinnedSide:
    """Bin one side.

    Parameters
    ----------
    x : ndarray, shape (n,)
        Distances from the cutoff, ascending, all of one sign.
    y, w : ndarray, shape (n,)
    total : int
        Rows on both sides.
    select : str
        One of `SELECTIONS`: evenly spaced or by quantiles; variances by spacings or by polynomials ("pr"); bins of smallest
        integrated squared error, or that mimic the variability of the rows ("mv").
    count : int, optional
        Number of bins, in place of the chosen one.
    order : int
        Of the global polynomial.
    """
    reach = float(np.abs(x).max()) or 1.0
    scaled = _fitted(x / reach, y, w, order)
    mean = np.polynomial.Polynomial(scaled)
    imse, mimicking = _counts(x, y, w, mean, reach, total, select, order)
    bins = min(count or (mimicking if "mv" in select else imse), MOST_BINS)
    ends = (min(x[0], 0.0), max(x[-1], 0.0))
    if select.startswith("es"):
        edges = np.linspace(*ends, bins + 1)
    else:
        edges = np.quantile(x, np.linspace(0.0, 1.0, bins + 1))
        edges[0 if x[0] >= 0 else -1] = 0.0
    at = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, bins - 1)
    n = np.bincount(at, minlength=bins)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.bincount(at, w, bins)
        centre_x, centre_y = (np.bincount(at, w * v, bins) / share for v in (x, y))
        spread = np.bincount(at, w * (y - centre_y[at]) ** 2, bins) / share
        error = np.sqrt(np.where(n > 1, spread / (n - 1), 0.0))
    coef = scaled / reach ** np.arange(order + 1)
    return BinnedSide(edges, n, centre_x, centre_y, np.where(n > 0, error, np.nan), coef, imse, mimicking)


def _fitted(u: np.ndarray, y: np.ndarray, w: np.ndarray, order: int) -> np.ndarray:
    root = np.sqrt(w)
    made = np.linalg.lstsq(root[:, None] * np.vander(u, order + 1, increasing=True), root * y, rcond=None)[0]
    return np.asarray(made)


def _counts(
    x: np.ndarray,
    y: np.ndarray,
    w: np.ndarray,
    mean: np.polynomial.Polynomial,
    reach: float,
    total: int,
    select: str,
    order: int,
) -> tuple[int, int]:
    """Numbers of bins by integrated squared error, and mimicking the variance."""
    n, dx, dy = len(x), np.diff(x), np.diff(y)
    middle = (x[1:] + x[:-1]) / 2.0
    second = np.polynomial.Polynomial(_fitted(x / reach, y**2, w, order))
    plain = float(y.var(ddof=1)) if n > 1 else 0.0

    def variance(at: np.ndarray) -> np.ndarray:
        made = second(at / reach) - mean(at / reach) ** 2
        return np.where(made < 0, plain, made)

    def slope(at: np.ndarray) -> np.ndarray:
        return mean.deriv()(at / reach) / reach

    if select.startswith("es"):
        bias = reach**2 / (12.0 * total) * float((slope(x) ** 2).sum())
        noise = float(dx @ variance(middle)) if "pr" in select else 0.5 * float(dx @ dy**2)
        noise /= reach
    else:
        bias = n**2 / (24.0 * total) * float(dx**2 @ slope(middle) ** 2)
        noise = float(variance(x).sum()) / n if "pr" in select else float(dy @ dy) / (2.0 * n)
    if not noise > 0:
        return 1, 1
    imse = np.ceil((2.0 * bias * total / noise) ** (1.0 / 3.0))
    return max(int(imse), 1), max(int(np.ceil(plain / noise * total / np.log(total) ** 2)), 1)

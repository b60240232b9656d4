"""How far predictions are from calibrated: mean errors on level sets, their squares over all of them, and a test.

For a function h of a row, K2 = sum over levels v of P(f = v) E[h (Y - f) | f = v]^2, which is zero for every h in a class if
and only if f is multicalibrated with respect to it; h = 1 gives the mean squared calibration error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.brief import Brief


@dataclass(frozen=True, repr=False)
class Residuals(Brief):
    """Rows with a prediction and an outcome.

    Attributes
    ----------
    y, f, w : ndarray, shape (n,)
        Outcomes, predictions, weights above zero.
    codes : ndarray of int, shape (n,)
        Levels of the predictions.
    levels : int
    two_valued : bool
        Whether outcomes are 0 or 1, so that their variance under calibration is f (1 - f).
    """

    y: np.ndarray
    f: np.ndarray
    w: np.ndarray
    codes: np.ndarray
    levels: int
    two_valued: bool


@dataclass(frozen=True, repr=False)
class CellMeans(Brief):
    """Mean errors by cell, all (cells,).

    Attributes
    ----------
    n, weight : ndarray
        Rows, and their weights.
    size : ndarray
        Rows of equal weight that would tell as much.
    predicted, outcome, error : ndarray
        Weighted means, of the error times the function where there is one.
    variance : ndarray
        Estimated variance of the mean error.
    null : ndarray
        The same if predictions are calibrated: known for outcomes of 0 and 1.
    """

    n: np.ndarray
    weight: np.ndarray
    size: np.ndarray
    predicted: np.ndarray
    outcome: np.ndarray
    error: np.ndarray
    variance: np.ndarray
    null: np.ndarray


def cell_means(rows: Residuals, cells: np.ndarray, count: int, h: np.ndarray | None = None) -> CellMeans:
    """Means over the rows of each cell (n,), numbered from 0 to count - 1; rows of cell -1 are in none.

    Parameters
    ----------
    rows : Residuals
    cells : ndarray of int, shape (n,)
    count : int
    h : ndarray, shape (n,), optional
        A function of the row that multiplies the error; ones by default.
    """
    use = cells >= 0
    c, w, y, f = cells[use], rows.w[use], rows.y[use], rows.f[use]
    factor = np.ones(len(c)) if h is None else h[use]

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(c, weights=values, minlength=count)

    weight, squares = total(w), total(w**2)
    safe = np.where(weight > 0.0, weight, 1.0)
    size = weight**2 / np.where(squares > 0.0, squares, 1.0)
    error = factor * (y - f)
    mean = total(w * error) / safe
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = total(w**2 * (error - mean[c]) ** 2) / safe**2 * size / (size - 1.0)
    variance[size < 1.0 + 1e-9] = np.nan
    null = total((w * factor) ** 2 * f * (1.0 - f)) / safe**2 if rows.two_valued else variance
    n = np.bincount(c, minlength=count)
    return CellMeans(n, weight, size, total(w * f) / safe, total(w * y) / safe, mean, variance, null)


@dataclass(frozen=True)
class LevelError:
    """K2 of one function, and the test that it is zero.

    Attributes
    ----------
    estimate : float
        The plug-in value, too large by the noise of the means.
    corrected : float
        Less their variances: unbiased, and below zero by chance.
    std_error : float
        Of either.
    statistic, df, p_value : float
        Sum of squared standardised means, its degrees of freedom, and its chi-square p-value.
    """

    estimate: float
    corrected: float
    std_error: float
    statistic: float
    df: int
    p_value: float


def level_error(rows: Residuals, h: np.ndarray | None = None, min_rows: int = 20) -> LevelError:
    """K2 of a function h (n,) of the row, with its standard error, and the test of calibration over cells.

    Parameters
    ----------
    rows : Residuals
    h : ndarray, shape (n,), optional
        One by default. Rows where it is zero are in no cell.
    min_rows : int
        Cells with fewer rows are left out of the test.
    """
    from scipy.stats import chi2

    n = len(rows.y)
    cells = rows.codes if h is None else np.where(h != 0.0, rows.codes, -1)
    of = cell_means(rows, cells, rows.levels, h)
    every = np.bincount(rows.codes, weights=rows.w, minlength=rows.levels)
    p = every / every.sum()
    inside = of.weight / np.where(every > 0.0, every, 1.0)
    mean, variance = inside * of.error, inside**2 * np.nan_to_num(of.variance)
    square = np.maximum(mean**2 - variance, 0.0)
    k2 = float(p @ mean**2)
    # The variance of a squared mean is 4 mu^2 V + 2 V^2; negative estimates of mu^2 count until all are summed.
    spread = max(4.0 * p**2 @ ((mean**2 - variance) * variance), 0.0) + 2.0 * p**2 @ variance**2
    spread += p @ (square - p @ square) ** 2 / max(n, 1)
    z = squared_scores(of, rows.two_valued)[(of.n >= min_rows)]
    z = z[~np.isnan(z)]
    statistic, df = float(z.sum()), len(z)
    p_value = float(chi2.sf(statistic, df)) if df else np.nan
    return LevelError(k2, k2 - float(p @ variance), float(np.sqrt(spread)), statistic, df, p_value)


def squared_scores(of: CellMeans, two_valued: bool) -> np.ndarray:
    """Squared standardised mean errors (cells,), chi-square with one degree of freedom under calibration.

    Where the variance is estimated the square has the F law of its rows, and is carried to the chi-square value of equal
    probability. NaN where a cell says nothing: no variance and no error.
    """
    from scipy.stats import chi2, t

    variance = np.where(of.null > 0.0, of.null, of.variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        square = of.error**2 / variance
    if two_valued:
        return square
    freedom = np.maximum(of.size - 1.0, 1.0)
    carried = chi2.isf(np.clip(2.0 * t.sf(np.sqrt(square), freedom), 1e-300, 1.0), 1)
    return np.where(np.isnan(square), np.nan, carried)


def mean_square(rows: Residuals) -> tuple[float, float]:
    """Weighted mean squared error and its standard error."""
    square, share = (rows.y - rows.f) ** 2, rows.w / rows.w.sum()
    mean = float(share @ square)
    return mean, float(np.sqrt(share**2 @ (square - mean) ** 2))


def limits(of: CellMeans, level: float) -> dict[str, Any]:
    """Standard errors, t limits and p-values of mean errors, by name, all (cells,); NaN for cells of one row."""
    from scipy.stats import t

    error = np.sqrt(of.variance)
    freedom = np.maximum(of.size - 1.0, 1e-9)
    half = t.isf((1.0 - level) / 2.0, freedom) * error
    with np.errstate(divide="ignore", invalid="ignore"):
        p_value = 2.0 * t.sf(np.abs(of.error) / error, freedom)
    return {
        "std_error": error,
        "conf_low": of.error - half,
        "conf_high": of.error + half,
        "p_value": np.where(np.isnan(error), np.nan, p_value),
    }

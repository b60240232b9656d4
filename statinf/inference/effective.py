"""Degrees of freedom of a sandwich whose sums lean on few rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from statinf.inference.covariance import Covariance


def effective_degrees(influence: np.ndarray) -> np.ndarray:
    """The effective number of rows behind each variance, shape (q,).

    A sandwich estimates the variance of each estimate by a sum of squared influence values. With d degrees of freedom it would be
    a multiple of a chi-square, 2 / d of whose squared mean is its variance; that of the sum is at most the sum of fourth powers
    (Satterthwaite 1946; Lipsitz, Ibrahim and Parzen 1999), which few rows of much weight make too small as well. Half of the number
    that moments give, the square of the sum over the sum of squares, is what intervals held best with in simulations; it is that
    of Kish's effective sample size for squared influence values as weights.

    Parameters
    ----------
    influence : ndarray, shape (n, q)

    Returns
    -------
    ndarray, shape (q,)
        At least one; n where all rows have one influence.
    """
    largest = np.abs(influence).max(axis=0, initial=0.0)
    squares = (influence / np.where(largest > 0, largest, 1.0)) ** 2
    total, fourth = squares.sum(axis=0), (squares**2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(fourth > 0, total**2 / fourth, np.nan)


def by_effective_rows(found: Covariance, influence: np.ndarray) -> Covariance:
    """The covariance with degrees of freedom of its own for each estimate, at most those it has."""
    return with_effective_degrees(found, effective_degrees(influence))


def with_effective_degrees(found: Covariance, degrees: np.ndarray) -> Covariance:
    """The covariance with these degrees of freedom (q,), at most those it has."""
    each = np.minimum(degrees, found.df_each)
    return replace(found, each=each, df=float(np.nanmin(each, initial=np.inf)), degrees=None)

"""Rows of ordered categories, on the caller's scale and on columns of standard deviation one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from statinf.brief import Brief
from statinf.numerics.cumulative_batch import CumulativeRows
from statinf.numerics.cumulative_logit import CumulativeLogit

_CONSTANT = 1e-12
"""Standard deviation, on columns where that of all rows is one, below which a column does not vary."""


@dataclass(frozen=True, repr=False)
class PrestoRows(Brief):
    """Rows of a PRESTO fit.

    Attributes
    ----------
    X : ndarray, shape (n, p)
    codes : ndarray of int, shape (n,)
        Categories 0..K-1, the rare one last.
    n_categories : int
    weights : ndarray, shape (n,)
        Not negative.
    """

    X: np.ndarray
    codes: np.ndarray
    n_categories: int
    weights: np.ndarray

    def take(self, rows: np.ndarray) -> PrestoRows:
        """Some of the rows."""
        return PrestoRows(self.X[rows], self.codes[rows], self.n_categories, self.weights[rows])

    def columns(self, kept: np.ndarray) -> PrestoRows:
        """The same rows with some of the columns."""
        return self if kept.all() else replace(self, X=self.X[:, kept])

    def totals(self, weights: np.ndarray) -> np.ndarray:
        """Weight of each category under each set of weights (R, n): (R, K)."""
        return weights @ (self.codes[:, None] == np.arange(self.n_categories)).astype(float)

    def standardised(self) -> Standardised:
        """Columns of weighted mean 0 and standard deviation 1; constant ones are zero."""
        w = self.weights / self.weights.sum()
        mean = w @ self.X
        centred = self.X - mean
        mean = mean + (shift := w @ centred)  # a second pass: columns far from zero keep their digits
        centred = centred - shift
        size = np.abs(self.X).max(axis=0, initial=0.0)
        sd = np.sqrt(w @ centred**2)
        constant = sd <= 1e-13 * size
        centred[:, constant] = 0.0
        sd = np.where(constant, 1.0, sd)
        return Standardised(centred / sd, mean, sd, self)


@dataclass(frozen=True, repr=False)
class Standardised(Brief):
    """Columns of weighted mean 0 and standard deviation 1.

    Attributes
    ----------
    columns : ndarray, shape (n, p)
    mean, sd : ndarray, shape (p,)
    rows : PrestoRows
    """

    columns: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    rows: PrestoRows

    def model(self) -> CumulativeLogit:
        """The likelihood of these columns."""
        return CumulativeLogit(self.columns, self.rows.codes, self.rows.n_categories, self.rows.weights)

    def fits(self, weights: np.ndarray) -> CumulativeRows:
        """The likelihoods of these columns under sets of weights (R, n)."""
        return CumulativeRows.of(self.columns, self.rows.codes, self.rows.n_categories, weights)

    def spread(self, weights: np.ndarray) -> np.ndarray:
        """Standard deviations of the columns under sets of weights, (R, p); 0 where they do not vary."""
        w = weights / weights.sum(axis=1, keepdims=True)
        mean = w @ self.columns
        sd = np.sqrt(np.maximum(w @ self.columns**2 - mean**2, 0.0))
        return np.where(sd > _CONSTANT * np.abs(self.columns).max(axis=0, initial=0.0) ** 0.5, sd, 0.0)

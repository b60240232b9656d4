"""The rows of a block as covariances see them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.errors import NotIdentifiedError


@dataclass(frozen=True)
class ScoredRows:
    """The rows of a block as the covariance sees them.

    Attributes
    ----------
    scores : ndarray, shape (n, q)
        Whitened scores, row weight included.
    columns : ndarray, shape (n, q), or None
        Whitened regressors times the root of the working weight, orthonormal over all rows: leverages are their squared
        lengths. None for an estimator that has none.
    adjustment : ndarray, shape (n, q), or None
        What estimated weights add to the scores.
    outside : ndarray, shape (m, q), or None
        Scores of rows that are not in the fit but helped to estimate its weights.
    outside_rows : ndarray of int, shape (m,), or None
        Their places in the block.
    weight_leverage : ndarray, shape (n,), or None
        Share of each row in the equations that set its own estimated weight.
    """

    scores: np.ndarray
    columns: np.ndarray | None = None
    adjustment: np.ndarray | None = None
    outside: np.ndarray | None = None
    outside_rows: np.ndarray | None = None
    weight_leverage: np.ndarray | None = None

    @property
    def total(self) -> np.ndarray:
        """Scores with the adjustment, shape (n, q)."""
        return self.scores if self.adjustment is None else self.scores + self.adjustment

    @property
    def highest(self) -> np.ndarray:
        """Leverages as corrections take them: raised to a row's share in the equations of its own weight, shape (n,)."""
        return self.leverage if self.weight_leverage is None else np.maximum(self.leverage, self.weight_leverage)

    def products(self) -> np.ndarray:
        """Sum of products of all scores, shape (q, q)."""
        rows = self.total
        meat = np.dot(rows.T, rows)
        return meat if self.outside is None else meat + np.dot(self.outside.T, self.outside)

    @property
    def leverage(self) -> np.ndarray:
        if self.columns is None:
            raise NotIdentifiedError("this estimator has no leverages, which HC2 and HC3 need; use HC0 or HC1.")
        return np.einsum("ij,ij->i", self.columns, self.columns)

"""New rows of a boosted law."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.formula.recipe import NewRows


@dataclass(frozen=True, repr=False)
class LawRows(Brief):
    """Rows that can be used, and their place among those given.

    Attributes
    ----------
    new : NewRows
    ok : ndarray of bool, shape (n,)
    X : ndarray, shape (m, p)
    y : ndarray, shape (m,), or None
        Outcomes, or codes of classes; None where they were not asked for.
    event : ndarray, shape (m,), or None
    """

    new: NewRows
    ok: np.ndarray
    X: np.ndarray
    y: np.ndarray | None
    event: np.ndarray | None

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Values of the usable rows among all rows, NaN elsewhere."""
        out = np.full(self.new.n, np.nan)
        out[self.ok] = values
        return out

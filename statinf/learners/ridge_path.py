"""Ridge regression with the penalty chosen by leave-one-out error, in closed form, over a grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.errors import OptionError
from statinf.learners.base import check_rows
from statinf.learners.cells import standardise
from statinf.learners.linear import FittedLinear
from statinf.numerics.linear.ridge import ridge_path


@dataclass(frozen=True)
class RidgePath:
    """Ridge on standardised columns.

    Parameters
    ----------
    penalties : tuple of float
        Grid, per unit of total weight.
    """

    penalties: tuple[float, ...] = tuple(10.0 ** np.linspace(-6, 2, 33))

    def __post_init__(self) -> None:
        if not self.penalties or min(self.penalties) <= 0:
            raise OptionError("penalties must hold positive numbers.")

    def fit(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0) -> FittedLinear:
        """Fit to X (n, p), y (n,), weights (n,); `seed` is not used."""
        X, y, w = check_rows(X, y, w)
        made = standardise(X, w)
        path = ridge_path(made.z[:, 1:], y, np.asarray(self.penalties) * w.sum(), w)
        k = path.best
        intercept, slopes = made.raw(np.append(path.intercept[k], path.coef[k]))
        return FittedLinear(intercept, slopes)

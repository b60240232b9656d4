"""The result of double weighting."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statinf.errors import DataError
from statinf.results import to_caller
from statinf.shifts.double_program import GRID, DoubleProgram, check_levels
from statinf.shifts.ratio import DensityRatio


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DoubleRatio(DensityRatio):
    """Weights b on source rows beside weights a on target rows.

    `values` and `score` are b over the mean of a, of mean about one, and stand for the part of the target that a keeps.

    Attributes
    ----------
    D : float
    alpha : ndarray, shape (target rows used,)
        Weights of the target rows in [0, 1]; one throughout at D = 1.
    mean_alpha : float
        Their mean under the target's weights.
    discrepancy : float
        Squared maximum mean discrepancy between the weighted samples.
    worst_case_risk : float
        As in `path`.
    """

    D: float
    alpha: np.ndarray
    mean_alpha: float
    discrepancy: float
    worst_case_risk: float
    program: DoubleProgram | None = field(default=None, metadata={"saved": False})

    beside = (*DensityRatio.beside, "alpha", "beta", "path", "score_alpha")

    @property
    def beta(self) -> np.ndarray:
        """Weights b of the source rows used, as the programme has them, shape (n,)."""
        return self.ratio * self.mean_alpha

    def score_alpha(self, newdata: Any) -> np.ndarray:
        """The weight a of new target rows.

        Parameters
        ----------
        newdata : data frame
            With the columns of the formula.

        Returns
        -------
        ndarray, shape (rows,)
            In [0, 1]; NaN for rows that lack a column.
        """
        rows = self.recipe.new_rows(newdata)
        x = rows.parts["covariates"].without_intercept().values
        out = np.full(rows.n, np.nan)
        if rows.ok.any():
            out[rows.ok] = self.rule.alpha(x[rows.ok])
        return out

    def path(self, D: Any = GRID) -> Any:
        """The trade-off over D, in the caller's kind of data frame.

        For an outcome whose mean given x is a function of norm at most one in the kernel's space, with noise of variance
        `ridge`, the weighted mean over the source estimates the mean over the target weighted by a with squared bias at
        most `squared_bias` and variance `ridge * variance`; the programme minimises their sum, the worst-case risk.

        Parameters
        ----------
        D : sequence of float

        Returns
        -------
        data frame
            Columns D, mean_beta, mean_alpha, mmd2 (of the weights as they are), squared_bias, variance (of noise of
            variance one), worst_case_risk (both relative to the mean of a), ess_beta, ess_alpha.
        """
        if self.program is None:
            raise DataError(
                "the path over D needs both samples, which a saved density ratio leaves out; estimate it again."
            )
        return to_caller(self.program.path(check_levels(D))[0], self.kind)

    def lean(self) -> Any:
        from dataclasses import replace

        return replace(super().lean(), program=None)

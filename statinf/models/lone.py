"""Coefficients of a regression that one row, or one cluster, determines alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import solve_triangular

from statinf.inference.lone import warn_lone
from statinf.models.regression import kept_columns

if TYPE_CHECKING:
    from statinf.models.regression_fit import RegressionFit


def warn_alone(fit: RegressionFit) -> None:
    """Warn where the fit's covariance takes the error of a coefficient for zero."""
    made = fit._need_rows("leverages")
    names, columns = kept_columns(made.parts[0], fit.estimable)
    warn_lone(
        fit.cov.kind,
        columns,
        fit._working(),
        fit.residuals,
        lambda: solve_triangular(fit.factor, np.eye(fit.rank)),
        names,
        numbers=made.rows,
        codes=made.cluster_codes,
    )

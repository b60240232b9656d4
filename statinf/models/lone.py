"""Coefficients of a regression that one row, or one cluster, determines alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from statinf.inference.lone import judges_by_residuals, warn_lone
from statinf.models.regression import kept_columns
from statinf.numerics.linear.triangular import solve_triangular

if TYPE_CHECKING:
    from statinf.models.regression_fit import RegressionFit


def warn_alone(fit: RegressionFit) -> None:
    """Warn where the fit's covariance takes the error of a coefficient for zero."""
    if fit.design is None or not judges_by_residuals(fit.cov.kind):
        return
    made = fit._need_rows("leverages")
    names, columns = kept_columns(made.parts[0], fit.estimable)
    moments = fit.moments().by_copy()
    warn_lone(
        fit.cov.kind,
        columns,
        fit._working() if moments.working is None else moments.working,
        fit.residuals if moments.residual is None else moments.residual,
        lambda: solve_triangular(fit.factor, np.eye(fit.rank)),
        names,
        numbers=made.rows,
        codes=made.cluster_codes,
    )

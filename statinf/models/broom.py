"""Row-wise diagnostics under the names, and on the scales, of R's broom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from statinf.models.regression_fit import RegressionFit


def broom_columns(fit: RegressionFit) -> dict[str, np.ndarray]:
    """What `augment` of broom says of each row used, each of shape (rows used,).

    `.fitted` is the linear predictor (the mean of a linear regression), `.resid` the deviance residual (the residual of a
    linear regression), `.sigma` the residual standard deviation without the row, to first order in generalised models.
    """
    made, scaled = fit._diagnostics(), fit.scaled_residuals("deviance")
    hat, pearson = made["leverage"], fit.scaled_residuals("pearson")
    scale = fit._scale()
    with np.errstate(divide="ignore", invalid="ignore"):
        without = np.sum(scaled**2) - scaled**2 / (1.0 - hat)
        cooks = (pearson / (scale * (1.0 - hat))) ** 2 * hat / (fit.nobs - fit.df_resid)
        sigma = (
            np.sqrt(np.maximum(without, 0.0) / (fit.df_resid - 1.0)) if fit.df_resid > 1 else np.full(len(hat), np.nan)
        )
    return {
        ".fitted": fit._predictor("fitted values"),
        ".resid": made["residual"],
        ".hat": hat,
        ".sigma": sigma,
        ".cooksd": cooks,
        ".std.resid": made["std_residual"],
    }

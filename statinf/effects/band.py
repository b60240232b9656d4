"""An effect along a covariate, with pointwise and uniform limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.effects.projection import Projection
from statinf.errors import check_level
from statinf.findings import Finding
from statinf.frames import to_caller
from statinf.inference.bands import sup_t_critical
from statinf.inference.distributions import t_quantile


@dataclass(frozen=True, repr=False)
class Band(Finding):
    """An effect along a covariate, with pointwise and uniform limits.

    Attributes
    ----------
    column : str
    at, estimate, std_error : ndarray, shape (m,)
    level : float
    critical : float
        Of the uniform band, in standard errors.
    what : str
        What the curve is of.
    """

    column: str
    at: np.ndarray
    estimate: np.ndarray
    std_error: np.ndarray
    level: float
    critical: float
    what: str = "effect"

    def frame(self) -> Any:
        """Columns of the covariate's name, estimate, std_error, conf_low, conf_high, band_low, band_high."""
        import pandas as pd

        half = t_quantile(0.5 + self.level / 2.0, np.inf) * self.std_error
        wide = self.critical * self.std_error
        columns = {self.column: self.at, "estimate": self.estimate, "std_error": self.std_error}
        columns |= {"conf_low": self.estimate - half, "conf_high": self.estimate + half}
        columns |= {"band_low": self.estimate - wide, "band_high": self.estimate + wide}
        return to_caller(pd.DataFrame(columns), self.frame_kind)

    def tidy(self) -> Any:
        """The curve, one row per point; see `frame`."""
        return self.frame()

    def __str__(self) -> str:
        return (
            f"{self.what} along {self.column} at {len(self.at)} points from {self.at[0]:.6g} to {self.at[-1]:.6g}; "
            f"{100 * self.level:g}% uniform band of {self.critical:.4g} standard errors"
        )

    def plot(self, **options: Any) -> Any:
        """The curve with both bands; returns the matplotlib axes."""
        from statinf.plotting.effects import plot_band

        half, wide = t_quantile(0.5 + self.level / 2.0, np.inf) * self.std_error, self.critical * self.std_error
        e = self.estimate
        return plot_band(
            self.at, e, e - half, e + half, e - wide, e + wide, label=self.column, what=self.what, **options
        )


def band_of(fit: Projection, basis: np.ndarray, at: np.ndarray, column: str, level: float, seed: int) -> Band:
    """Limits of `basis @ theta` at the points `at`, uniform ones by the sup-t critical value."""
    check_level(level)
    cov = basis @ fit.cov.matrix @ basis.T
    critical = sup_t_critical(cov, level, seed=seed)
    return Band(column, at, basis @ fit.theta, np.sqrt(np.diag(cov)), level, critical).handed(fit.kind)

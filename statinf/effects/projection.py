"""Projections of doubly robust scores: what can be said about heterogeneity without trusting a learner.

The score of each row is unbiased for its effect, so that a regression of scores on any columns estimates the
best linear projection of the effect on them (Semenova and Chernozhukov 2021, arXiv 1702.06240). Group means
are the projection on indicators; splines of a covariate give a curve with uniform bands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from statinf.errors import check_level
from statinf.formula.design import Design
from statinf.inference.bands import sup_t_critical
from statinf.inference.distributions import t_quantile
from statinf.inference.sandwich import Moments
from statinf.numerics.linear.least_squares import LeastSquares, solve
from statinf.results import Estimate, Fit, Method, stack_scores, to_caller


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Projection(Fit):
    """A regression whose outcome is a score of the effect.

    Attributes
    ----------
    heading : str
    """

    heading: str

    normal_reference = True

    @property
    def title(self) -> str:
        return self.heading


METHOD = Method(
    verb="cate",
    name="projection",
    estimate=lambda problem, options: None,
    citation="projection of doubly robust scores (Semenova and Chernozhukov 2021)",
)


def project(
    design: Design,
    columns: np.ndarray,
    names: Sequence[str],
    response: np.ndarray,
    *,
    vcov: Any,
    heading: str,
    formula: str = "",
) -> Projection:
    """Regress scores on columns; aliased ones have no estimate.

    Parameters
    ----------
    design : Design
    columns : ndarray, shape (n, k)
    names : sequence of str
    response : ndarray, shape (n,)
    vcov : str or mapping
    heading : str
    formula : str
        That of the columns; the design's by default.
    """
    solution = solve(columns, response, design.weights)
    nobs = int(np.count_nonzero(design.weights))
    estimate = Estimate(
        terms=tuple(names),
        theta=solution.coef,
        moments=partial(_moments, design, columns[:, solution.kept], response, solution),
        nobs=nobs,
        df_resid=float(nobs - solution.rank),
        extra={"heading": heading},
    )
    fit = Projection.of(design, estimate, vcov, method=METHOD)
    return replace(fit, formula=formula) if formula else fit


def _moments(design: Design, columns: np.ndarray, response: np.ndarray, solution: LeastSquares) -> Moments:
    w = design.weights
    unit = columns * (response - columns @ solution.coef[solution.kept])[:, None]
    nobs = int(np.count_nonzero(w))
    df = float(nobs - solution.rank)
    return Moments(
        unit * w[:, None],
        solution.inverse_gram,
        nobs,
        df,
        solution.inverse_gram * (float(solution.rss) / df) if df > 0 else None,
        columns=columns,
        working=w,
        factor=solution.factor,
        **stack_scores(design.weights_object, design.rows, unit),  # type: ignore[arg-type]
    )


@dataclass(frozen=True)
class Band:
    """An effect along a covariate, with pointwise and uniform limits.

    Attributes
    ----------
    column : str
    at, estimate, std_error : ndarray, shape (m,)
    level : float
    critical : float
        Of the uniform band, in standard errors.
    """

    column: str
    at: np.ndarray
    estimate: np.ndarray
    std_error: np.ndarray
    level: float
    critical: float
    kind: str = "pandas"

    def frame(self) -> Any:
        """Columns of the covariate's name, estimate, std_error, conf_low, conf_high, band_low, band_high."""
        import pandas as pd

        half = t_quantile(0.5 + self.level / 2.0, np.inf) * self.std_error
        wide = self.critical * self.std_error
        columns = {self.column: self.at, "estimate": self.estimate, "std_error": self.std_error}
        columns |= {"conf_low": self.estimate - half, "conf_high": self.estimate + half}
        columns |= {"band_low": self.estimate - wide, "band_high": self.estimate + wide}
        return to_caller(pd.DataFrame(columns), self.kind)

    def plot(self, **options: Any) -> Any:
        """The curve with both bands; returns the matplotlib axes."""
        from statinf.plotting.effects import plot_band

        half, wide = t_quantile(0.5 + self.level / 2.0, np.inf) * self.std_error, self.critical * self.std_error
        e = self.estimate
        return plot_band(self.at, e, e - half, e + half, e - wide, e + wide, label=self.column, **options)


def band_of(fit: Projection, basis: np.ndarray, at: np.ndarray, column: str, level: float, seed: int) -> Band:
    """Limits of `basis @ theta` at the points `at`, uniform ones by the sup-t critical value."""
    check_level(level)
    cov = basis @ fit.cov.matrix @ basis.T
    critical = sup_t_critical(cov, level, seed=seed)
    return Band(column, at, basis @ fit.theta, np.sqrt(np.diag(cov)), level, critical, fit.kind)

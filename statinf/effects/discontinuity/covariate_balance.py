"""Covariates that jump at the cutoff: each alone with its own bandwidth, and all of them together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.effects.discontinuity.checks import balance_columns
from statinf.effects.discontinuity.errors import rule_of
from statinf.effects.discontinuity.options import RobustOptions
from statinf.effects.discontinuity.problem import RdProblem
from statinf.effects.discontinuity.solving import jump_of, selected
from statinf.errors import DataError
from statinf.findings import Finding
from statinf.frames import to_caller
from statinf.inference.distributions import chi2_sf, t_quantile, two_sided_p
from statinf.numerics.localpoly.variance import Clusters


@dataclass(frozen=True, repr=False)
class CutoffBalance(Finding):
    """Jumps of covariates at the cutoff.

    Attributes
    ----------
    columns : tuple of str
    estimate, std_error, bandwidth : ndarray, shape (k,)
        Bias-corrected jumps with robust errors.
    statistic, p_joint : float
        Chi-square of no jump of any, and its p-value.
    df : int
    level : float
    """

    columns: tuple[str, ...]
    estimate: np.ndarray
    std_error: np.ndarray
    bandwidth: np.ndarray
    statistic: float
    df: int
    p_joint: float
    level: float

    def tidy(self) -> Any:
        """One row per covariate: column, estimate, std_error, statistic, p_value, conf_low, conf_high, bandwidth."""
        import pandas as pd

        z = self.estimate / self.std_error
        half = t_quantile(0.5 + self.level / 2.0, np.inf) * self.std_error
        table = {"column": list(self.columns), "estimate": self.estimate, "std_error": self.std_error, "statistic": z}
        table |= {
            "p_value": two_sided_p(z, np.inf),
            "conf_low": self.estimate - half,
            "conf_high": self.estimate + half,
        }
        return to_caller(pd.DataFrame(table | {"bandwidth": self.bandwidth}), self.frame_kind)

    def __str__(self) -> str:
        return f"no jump of {', '.join(self.columns)}: chi-square({self.df}) = {self.statistic:.4g}, p = {self.p_joint:.4g}"


def covariate_balance(
    problem: RdProblem, options: RobustOptions, kind: Any, columns: Any, level: float
) -> CutoffBalance:
    """Jumps of covariates with the errors of a fit; each has its own bandwidth, unless that of the fit was given."""
    rule = rule_of(kind, options.neighbours, problem.design)
    named = balance_columns(problem, columns)
    scores = np.zeros((problem.design.n, len(named)))
    estimates, bandwidths = np.zeros(len(named)), np.zeros(len(named))
    for k, (name, values) in enumerate(named):
        there = np.isfinite(values)
        w = np.where(there, problem.w, 0.0)
        if not (w > 0).any() or np.ptp(values[w > 0]) == 0:
            raise DataError(f"covariate '{name}' does not vary.")
        y = np.where(there, values - np.average(np.where(there, values, 0.0), weights=w), 0.0)
        one = replace(problem, outcomes=y[:, None], w=w, fuzzy=False, treatment=None, covariates=())
        h, b = selected(one, options)
        jump = jump_of(one, one.both, options, h, b)
        estimates[k], bandwidths[k] = jump.corrected, np.mean(h)
        for rows, found in jump.influence(rule):
            scores[rows, k] = found[:, 1]
    if rule.clusters is not None:
        scores = Clusters.of(rule.clusters).sums(scores)
    matrix = scores.T @ scores
    error = np.sqrt(np.diag(matrix))
    unit = matrix / np.outer(error, error)
    value, vector = np.linalg.eigh(unit)
    kept = value > 1e-10
    statistic = float(((vector.T @ (estimates / error))[kept] ** 2 / value[kept]).sum())
    df = int(kept.sum())
    names = tuple(name for name, _ in named)
    return CutoffBalance(names, estimates, error, bandwidths, statistic, df, chi2_sf(statistic, df), level)

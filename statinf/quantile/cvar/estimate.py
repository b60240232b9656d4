"""From solved rows to what a fit is born from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from statinf.errors import NumericalWarning, issue_warning
from statinf.inference.covariance import Covariance
from statinf.quantile.cvar.solved import SolvedTail, moments_of, risk_covariance
from statinf.results import Estimate


def estimate_of(solved: SolvedTail, facts: Mapping[str, Any], extra: Mapping[str, Any]) -> Estimate:
    """The estimate of solved rows; exact fits have no standard errors."""
    problem = solved.problem
    names = problem.design.parts[0].names
    theta = np.full(len(names), np.nan)
    theta[problem.kept] = problem.carried(solved.theta)
    nobs, p = len(problem.used), int(problem.kept.sum())
    var, cvar = (r * problem.loss_unit for r in solved.risk)
    exact = nobs <= p or not solved.risk[1] > 1e-12
    if exact:
        issue_warning("the rows are fitted exactly: the coefficients have no standard errors.", NumericalWarning)
    error = np.nan if exact else float(np.sqrt(risk_covariance(solved, "HC0").matrix[1, 1]))
    name, level = problem.loss.name, problem.level
    shown = {"Loss": name, "Worst share": f"{1.0 - level:g}", "VaR": var, "CVaR": cvar, "Std. error of the CVaR": error}
    kept = {"loss": name, "level": level, "var": var, "cvar": cvar, "cvar_std_error": error, "solved": solved}
    return Estimate(
        terms=names,
        theta=theta,
        moments=None if exact else partial(moments_of, solved),
        covary=partial(_no_covariance, p, float(nobs - p)) if exact else None,
        nobs=nobs,
        df_resid=float(nobs - p),
        facts=shown | dict(facts),
        extra={**kept, "aliases": problem.aliases, **extra},
    )


def _no_covariance(p: int, df: float, kind: Any) -> Covariance:
    return Covariance(np.full((p, p), np.nan), kind, "none: exact fit", df)

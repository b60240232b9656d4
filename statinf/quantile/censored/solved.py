"""Solved censored quantile regressions: what their fits are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.inference.moments import Moments
from statinf.quantile.censored.problem import CensoredProblem
from statinf.results import Estimate, stack_scores


@dataclass(frozen=True, repr=False)
class SolvedCensored(Brief):
    """Coefficients in the problem's own coordinates.

    Attributes
    ----------
    problem : CensoredProblem
    inner : ndarray, shape (k, p)
        At the problem's `taus`.
    influences : callable
        Makes the influence per unit of weight of each row, shape (k, n, p).
    replicate : callable
        From row weights (R, n) to coefficients (R, k, p); NaN where a replica has none.
    """

    problem: CensoredProblem
    inner: np.ndarray
    influences: Callable[[], np.ndarray]
    replicate: Callable[[np.ndarray], np.ndarray]

    def moments(self) -> Moments:
        """Influence values of the regressors' coefficients as scores, with the identity as their bread."""
        problem, made = self.problem, self.problem.design
        rows = problem.rows
        found = problem.in_order(self.influences()) @ rows.back.T
        # Sums over rows are zero but for the rows that a vertex interpolates.
        found -= (rows.w @ found / rows.w.sum())[:, None]
        k, n, p = found.shape
        plain = np.zeros((made.n, k * p))
        plain[rows.used] = found.transpose(1, 0, 2).reshape(n, k * p)
        present = np.zeros(made.n, bool)
        present[rows.used] = True
        return Moments(
            plain * made.weights[:, None],
            np.eye(k * p),
            n,
            float(n - p),
            present=present,
            **stack_scores(made.weights_object, made.rows, plain),
        )

    def estimate(self, facts: dict[str, Any]) -> Estimate:
        """What the fit is made from."""
        problem = self.problem
        names, levels = problem.design.parts[0].names, problem.levels
        coef = np.full((len(levels), len(names)), np.nan)
        coef[:, problem.kept] = problem.carried(self.inner)
        n, p = problem.rows.Z.shape
        return Estimate(
            terms=names if len(levels) == 1 else tuple(f"q{t:g}: {c}" for t in levels for c in names),
            theta=coef.ravel(),
            moments=self.moments,
            nobs=n,
            df_resid=float(n - p),
            facts=facts,
            extra={
                "tau": levels,
                "columns": names,
                "aliases": problem.aliases,
                "side": problem.side,
                "censored": int(facts["Censored"]),
                "solved": self,
            },
        )

"""Generalised method of moments for the linear instrumental-variable model (Hansen 1982).

The estimand is that of two-stage least squares, identified by E[z (y - x'b)] = 0 for covariates and instruments z.
The moments are weighted by the inverse of their covariance, robust to heteroskedasticity or to clusters, which
makes the estimate efficient and its criterion a test of the instruments beyond those needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.effects.gmm_solver import STEPS, gmm
from statinf.effects.instruments import k_class
from statinf.effects.iv_fit import IVFit
from statinf.effects.iv_problem import IVProblem
from statinf.effects.iv_rows import rows_of
from statinf.effects.linear_iv import linear_estimate, reduced
from statinf.effects.method import EffectMethod
from statinf.models.absorb_options import AbsorbOptions
from statinf.results import Estimate
from statinf.results.options import choice


@dataclass(frozen=True, kw_only=True)
class GmmOptions(AbsorbOptions):
    """Options of the generalised method of moments."""

    gmm: str = choice("two-step", STEPS, "how often the moments' covariance is updated")


def estimate(problem: IVProblem, options: GmmOptions) -> Estimate:
    """GMM from two-stage least squares, its moments weighted by the covariance that the caller's vcov implies."""
    small, kept = blocks = reduced(problem)
    rows = rows_of(problem.design, problem.columns, small, kept)
    codes = next(iter(rows.clusters(problem.spec.asked).values()), None)
    root = np.sqrt(rows.weights)[:, None]
    x = np.column_stack([rows.endogenous, rows.exogenous]) * root
    beta, gamma, _ = k_class(small, 1.0)
    start = np.concatenate([beta, gamma])
    found = gmm(rows.basis * root, x, rows.y * root[:, 0], start, steps=options.gmm, codes=codes)
    return linear_estimate(
        problem,
        blocks,
        found.coef,
        found.bread,
        combine=found.combine,
        j=found.j,
        heading="Generalised method of moments",
    )


METHOD = EffectMethod(
    verb="iv",
    name="gmm",
    estimate=estimate,
    options=GmmOptions,
    fit=IVFit,
    summary="generalised method of moments: weighted by the inverse of their covariance",
    citation="Hansen (1982)",
    guarantee="efficient under heteroskedasticity or clusters; tests its moments",
    vignette="effects",
)

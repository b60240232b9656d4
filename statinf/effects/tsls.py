"""Two-stage least squares (Theil 1953; Basmann 1957).

The estimand is the coefficient b of y = x'b + e with E[z e] = 0, where z holds the exogenous covariates and
the instruments; with heterogeneous effects of one binary treatment it is a weighted average of local effects
(Angrist and Imbens 1995). Identification needs as many instruments as endogenous columns, of full rank.
"""

from __future__ import annotations

from statinf.effects.iv_fit import IVFit
from statinf.effects.iv_problem import IVProblem
from statinf.effects.linear_iv import k_class_estimate, reduced
from statinf.effects.method import EffectMethod
from statinf.models.absorb_options import AbsorbOptions
from statinf.results import Estimate


def estimate(problem: IVProblem, options: AbsorbOptions) -> Estimate:
    """The member 1 of the k-class."""
    return k_class_estimate(problem, 1.0, reduced(problem), "Two-stage least squares")


METHOD = EffectMethod(
    verb="iv",
    name="2sls",
    estimate=estimate,
    options=AbsorbOptions,
    fit=IVFit,
    summary="two-stage least squares",
    citation="Theil (1953); Basmann (1957)",
    guarantee="root-n with strong instruments; Anderson-Rubin sets whatever their strength",
    vignette="effects",
)

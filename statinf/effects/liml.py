"""Limited-information maximum likelihood and Fuller's modification (Anderson and Rubin 1949; Fuller 1977).

The same estimand as two-stage least squares. LIML is median-unbiased to a higher order with weak or many
instruments; Fuller's version has finite moments. Both are members of the k-class.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from statinf.effects.instruments import liml_kappa
from statinf.effects.iv_fit import IVFit
from statinf.effects.iv_problem import IVProblem
from statinf.effects.linear_iv import k_class_estimate, reduced
from statinf.effects.method import EffectMethod
from statinf.models.absorb_options import AbsorbOptions
from statinf.results import Estimate
from statinf.results.options import number


@dataclass(frozen=True, kw_only=True)
class LimlOptions(AbsorbOptions):
    """Options of limited-information maximum likelihood."""

    fuller: float = number(
        0.0,
        "Fuller's constant: 1 gives the estimate of least bias, 0 plain LIML",
        low=0.0,
        open_high=True,
        high=float("inf"),
    )


def estimate(problem: IVProblem, options: LimlOptions) -> Estimate:
    """The member of the k-class with LIML's kappa, less `fuller` over the degrees of freedom of the first stage."""
    blocks = reduced(problem)
    kappa = liml_kappa(blocks[0]) - options.fuller / blocks[0].df_first
    made = k_class_estimate(problem, kappa, blocks, "Limited-information maximum likelihood")
    return replace(made, facts={**made.facts, "kappa": f"{kappa:.6f}"})


METHOD = EffectMethod(
    verb="iv",
    name="liml",
    estimate=estimate,
    options=LimlOptions,
    fit=IVFit,
    summary="limited-information maximum likelihood and Fuller's modification",
    citation="Anderson and Rubin (1949); Fuller (1977)",
    guarantee="less biased than 2SLS with weak or many instruments",
    vignette="effects",
)

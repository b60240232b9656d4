"""Inverse probability weighting of several arms, by a multinomial logit.

Imbens (2000), Biometrika 87(3); the tilts for several arms: Li and Li (2019), "Propensity score weighting for causal inference
with multiple treatments", Annals of Applied Statistics 13(4), arXiv 1808.05339.

The weight of a row is h over the probability of its own arm, h being 1 (ATE), the probability of the treated arm (ATT) or of
the reference (ATC), the harmonic mean of all probabilities over their number (ATO), the least of them (ATM), or their entropy
(ATEN). Standard errors count that the probabilities are estimated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from statinf.balancing.arm_propensity import ArmPropensity, arm_weights, expand_likelihood, likelihood_fit
from statinf.balancing.problem import BalanceProblem
from statinf.balancing.solution import BalanceSolution, Linear, spread
from statinf.errors import DataError, OptionError
from statinf.numerics.glm.multinomial import softmax

if TYPE_CHECKING:
    from statinf.balancing.ipw import InverseProbabilityOptions


def estimate_arms(problem: BalanceProblem, options: InverseProbabilityOptions) -> BalanceSolution:
    """Propensity weights ``h / P(own arm)`` of any number of arms."""
    if options.link != "logit":
        raise OptionError(
            f"link={options.link!r} is for two arms; several have the multinomial logit: leave link= out."
        )
    if options.trim is None:
        return _weighted(problem, options)
    kept = _kept(problem, options, options.trim)
    return spread(_weighted(problem.take(kept), options), problem.n, kept)


def _weighted(problem: BalanceProblem, options: InverseProbabilityOptions) -> BalanceSolution:
    fit = likelihood_fit(problem, method="ipw", tol=options.tol, max_iter=options.max_iter)
    s, codes = problem.s, problem.treatment
    weight, slopes, p = arm_weights(fit.eta, codes, problem.estimand, problem.focal)
    if not np.all(np.isfinite(weight)):
        raise DataError(
            "A propensity of exactly 0 gives an infinite weight: restrict the sample with trim=, or use estimand='ATO'."
        )
    details: dict = {"coefficients": fit.coefficients, "link": "logit"}
    if options.truncate is not None:
        weight, slopes, details["capped"] = _truncated(problem, weight, slopes, options.truncate)
    share = (s @ problem.indicators / s.sum())[codes] if options.stabilize else np.ones(problem.n)

    def linear() -> Linear:
        out = expand_likelihood(problem, fit, slopes * (s * share)[:, None], p)
        return _with_shares(out, problem, s * weight) if options.stabilize else out

    return BalanceSolution(s * weight * share, linear, fit.iterations, fit.residual, propensity=p, details=details)


def _with_shares(out: Linear, problem: BalanceProblem, weight: np.ndarray) -> Linear:
    """The arms' shares are estimated too; those of all arms sum to one, which changes nothing here."""
    s, own = problem.s, problem.indicators
    influence = s[:, None] * (own - s @ own / s.sum()) / s.sum()
    return Linear(
        np.column_stack([out.derivative, own * weight[:, None]]),
        np.column_stack([out.influence, influence]),
        out.leverage,
    )


def _truncated(
    problem: BalanceProblem, weight: np.ndarray, slopes: np.ndarray, q: float
) -> tuple[np.ndarray, np.ndarray, int]:
    caps = np.array([np.quantile(weight[problem.treatment == k], q) for k in range(len(problem.arms))])
    cap = caps[problem.treatment]
    over = weight > cap
    return np.where(over, cap, weight), np.where(over[:, None], 0.0, slopes), int(over.sum())


def _kept(problem: BalanceProblem, options: InverseProbabilityOptions, trim: float) -> np.ndarray:
    """Rows with a probability of at least `trim` of every arm, shape (m,)."""
    fit: ArmPropensity = likelihood_fit(problem, method="ipw", tol=options.tol, max_iter=options.max_iter)
    kept = np.flatnonzero(softmax(fit.eta).min(axis=1) >= trim)
    lost = [arm for k, arm in enumerate(problem.arms) if not np.any(problem.treatment[kept] == k)]
    if lost:
        raise DataError(f"trim={trim:g} leaves no row of {', '.join(lost)}; use a smaller value.")
    return kept

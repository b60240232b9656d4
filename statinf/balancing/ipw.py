"""Inverse probability weighting with a parametric propensity.

Horvitz and Thompson (1952), JASA 47; tilting functions: Li, Morgan and Zaslavsky (2018), "Balancing covariates via propensity
score weighting", JASA 113(521), arXiv 1404.1785.

Estimand: the mean of the conditional effect under the density of the columns times h(e): ATE 1, ATT e, ATC 1 - e, ATO (overlap)
e(1 - e), ATM (matching) min(e, 1 - e), ATEN (entropy) -(e log e + (1-e) log(1-e)). Assumptions: no unmeasured confounding given
the columns, overlap where h is positive, a correct propensity model.

The weight of a row is h(e) over the probability of its own arm. Standard errors count that e is estimated; they agree with R
WeightIt and PSweight (the latter only after standardising columns: it takes a generalised inverse on the raw scale).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.balancing.ipw_arms import estimate_arms
from statinf.balancing.ipw_dose import estimate_dose
from statinf.balancing.method import BalanceMethod
from statinf.balancing.problem import ESTIMANDS, BalanceProblem
from statinf.balancing.propensity import likelihood_fit
from statinf.balancing.propensity_weights import expand_propensity, probability, tilt
from statinf.balancing.solution import BalanceSolution, Linear, spread
from statinf.errors import DataError
from statinf.results.options import Options, choice, count, flag, number


@dataclass(frozen=True, kw_only=True)
class InverseProbabilityOptions(Options):
    """Options of inverse probability weights."""

    link: str = choice("logit", ("logit", "probit"), "link of the propensity model")
    density: str = choice(
        "normal", ("normal", "kernel", "poisson"), "law of a dose given the columns; the last for counts"
    )
    stabilize: bool = flag(
        False, "multiply each arm by its share, which changes nothing in contrasts of weighted means"
    )
    trim: float | None = number(
        None, "drop rows whose propensity lies outside [trim, 1 - trim] and fit again, 0.1 being Crump's rule; the estimand "
        "is then the effect among the rows that stay", low=0.0, high=0.5, open_low=True, open_high=True, also=(None,),
    )  # fmt: skip
    truncate: float | None = number(
        None, "cap weights at this quantile of their arm; standard errors take the cap as given",
        low=0.5, high=1.0, open_low=True, also=(None,),
    )  # fmt: skip
    tol: float = number(1e-10, "largest mean score left", low=0.0, high=1.0, open_low=True)
    max_iter: int = count(100, "most evaluations of the likelihood")


def estimate(problem: BalanceProblem, options: InverseProbabilityOptions) -> BalanceSolution:
    """Propensity weights ``h(e) / P(own arm)``."""
    whole, link, kept = problem, options.link, None
    if options.trim is not None:
        kept = _kept(problem, options, options.trim)
        problem = problem.take(kept)
    fit = likelihood_fit(problem, link, tol=options.tol, max_iter=options.max_iter)
    t, s = problem.treated, problem.s
    e, de = probability(fit.eta, link)
    factor, dfactor = tilt(e, t, problem.estimand)
    with np.errstate(invalid="ignore", over="ignore"):
        weight, slope = s * factor, s * dfactor * de
    if not np.all(np.isfinite(weight)):
        raise DataError(
            "A propensity of exactly 0 or 1 gives an infinite weight: restrict the sample with trim=, or use ATO."
        )
    details: dict = {"coefficients": fit.coefficients, "link": link}
    if options.truncate is not None:
        weight, slope, details["capped"] = _truncated(weight, slope, s, t, options.truncate)
    share = float(s @ t / s.sum())
    arm = np.where(t, share, 1.0 - share) if options.stabilize else 1.0
    values = weight * arm

    def linear() -> Linear:
        out = expand_propensity(problem, fit, link, slope * arm)
        return _with_share(out, problem, weight, share) if options.stabilize else out

    found = BalanceSolution(values, linear, fit.iterations, fit.residual, propensity=e, details=details)
    return found if kept is None else spread(found, whole.n, kept)


def _with_share(out: Linear, problem: BalanceProblem, weight: np.ndarray, share: float) -> Linear:
    """The arm's share is one more estimated parameter of stabilised weights."""
    t, s = problem.treated, problem.s
    derivative = np.where(t, weight, -weight)
    influence = s * (t - share) / s.sum()
    return Linear(
        np.column_stack([out.derivative, derivative]), np.column_stack([out.influence, influence]), out.leverage
    )


def _truncated(
    weight: np.ndarray, slope: np.ndarray, s: np.ndarray, t: np.ndarray, q: float
) -> tuple[np.ndarray, np.ndarray, int]:
    relative = weight / np.where(s > 0, s, 1.0)
    cap = np.empty_like(weight)
    for arm in (t, ~t):
        cap[arm] = np.quantile(relative[arm & (s > 0)], q)
    over = relative > cap
    return np.where(over, cap * s, weight), np.where(over, 0.0, slope), int(over.sum())


def _kept(problem: BalanceProblem, options: InverseProbabilityOptions, trim: float) -> np.ndarray:
    """Rows whose propensity lies within [trim, 1 - trim], shape (m,)."""
    fit = likelihood_fit(problem, options.link, tol=options.tol, max_iter=options.max_iter)
    e = probability(fit.eta, options.link)[0]
    kept = np.flatnonzero((e >= trim) & (e <= 1.0 - trim))
    t = problem.treated[kept]
    if len(kept) == 0 or t.all() or not t.any():
        raise DataError(f"trim={trim:g} leaves an empty arm; use a smaller value.")
    return kept


METHOD = BalanceMethod(
    verb="balance",
    name="ipw",
    estimate=estimate,
    several=estimate_arms,
    doses=estimate_dose,
    cited={
        "several": "Imbens (2000); Li and Li (2019), arXiv 1808.05339",
        "dose": "Robins, Hernan and Brumback (2000)",
    },
    wants_dose=lambda options: options.density != "normal",
    options=InverseProbabilityOptions,
    summary="weights by a modelled propensity",
    citation="Hirano, Imbens and Ridder (2003); Li, Morgan and Zaslavsky (2018)",
    arxiv="1404.1785",
    guarantee="consistent if the propensity is right; stacked standard errors",
    vignette="start",
    estimands=lambda options: ESTIMANDS,
)

"""Covariate balancing propensity score.

Imai, K. and Ratkovic, M. (2014), "Covariate balancing propensity score", JRSS B 76(1), 243-263. The separate-arm version
for the ATE is the inverse probability tilting of Graham, Pinto and Egel (2012), Review of Economic Studies 79(3).

Estimand: ATE, ATT or ATC (ATO: the likelihood score itself balances overlap weights). Assumptions: no unmeasured
confounding given the columns, overlap, a logit propensity; with weights that balance exactly, an outcome linear in the
columns is enough instead.

The just-identified version solves the balance conditions alone; each is the score of a convex loss, so Newton's method
finds the root or proves that there is none. R CBPS's "exact" method stops early (1272.527 instead of 1273.262 on the
LaLonde ATT). The over-identified version adds the likelihood score and minimises the continuously updated GMM
criterion; with ``twostep=True`` the weighting matrix is fixed at the maximum likelihood estimate, where R CBPS
fixes it at a shrunken one, so that no two programs agree on it. R CBPS also multiplies one block of the ATT's weighting
matrix by n/n1 by mistake; here the block is the conditional second moment.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.balancing.cbps_arms import estimate_arms
from statinf.balancing.cbps_dose import estimate_dose
from statinf.balancing.cbps_gmm import estimate_over
from statinf.balancing.feasibility import require_hull, stopped
from statinf.balancing.method import BalanceMethod
from statinf.balancing.problem import MEANS, BalanceProblem, tasks
from statinf.balancing.propensity import (
    PropensityFit,
    balance_all,
    balance_controls,
    balance_treated,
    fit_propensity,
    likelihood_fit,
)
from statinf.balancing.propensity_weights import expand_propensity, logit_weights, probability, tilt
from statinf.balancing.solution import BalanceSolution, Linear, expand_scores
from statinf.errors import InfeasibleError, OptionError
from statinf.numerics.glm.families import sigmoid
from statinf.numerics.rowwise.scales import rough_scales, weights_at
from statinf.numerics.rowwise.sums import ScaledRows
from statinf.numerics.tilting.calibration import exponential_tilt
from statinf.results.options import Options, count, flag, number


@dataclass(frozen=True, kw_only=True)
class CovariateOptions(Options):
    """Options of covariate balancing propensity scores."""

    over: bool = flag(False, "add the likelihood score and minimise the GMM criterion")
    twostep: bool = flag(False, "with over: weighting matrix fixed at the maximum likelihood estimate")
    separate: bool = flag(
        False, "one propensity per arm, each balancing its arm with everybody (inverse probability tilting); the ATT and the "
        "ATC reweight one arm anyway",
    )  # fmt: skip
    nonparametric: bool = flag(
        False,
        "of a dose: weights of largest empirical likelihood, with no law of the dose; regressions have HC3 by default",
    )
    tol: float = number(1e-10, "largest mean score left, in standard deviations", low=0.0, high=1.0, open_low=True)
    max_iter: int = count(100, "most evaluations of a criterion")

    def check(self) -> None:
        """Refuse options that exclude each other."""
        if self.twostep and not self.over:
            raise OptionError("twostep=True fixes the weighting matrix of over=True; give both, or neither.")
        if self.nonparametric and (self.over or self.separate):
            raise OptionError("nonparametric=True has no propensity; over= and separate= do not go with it.")
        if self.separate and self.over:
            raise OptionError("separate=True and over=True exclude each other; choose one.")


def estimands(options: CovariateOptions) -> tuple[str, ...]:
    """Overlap weights are balanced by the likelihood score itself, with nothing to add."""
    return MEANS if options.over else (*MEANS, "ATO")


def estimate(problem: BalanceProblem, options: CovariateOptions) -> BalanceSolution:
    """Propensity weights whose propensity balances the columns.

    Raises
    ------
    InfeasibleError
        If no propensity balances the columns.
    """
    if options.over:
        return estimate_over(problem, twostep=options.twostep, tol=options.tol, max_iter=options.max_iter)
    if problem.estimand == "ATO":
        return _overlap(problem, options)
    if problem.estimand != "ATE":
        fit, values = _tilted(problem, options)
    elif options.separate:
        return _separate(problem, options)
    else:
        fit = fit_propensity(problem, balance_all, tol=options.tol, max_iter=options.max_iter)
        values = logit_weights(fit.eta, problem.treated, problem.s, "ATE")[0]
    if not fit.converged:
        _explain(problem, problem.estimand, fit, options.max_iter)
    t, s, eta = problem.treated, problem.s, fit.eta

    def linear() -> Linear:
        slope = logit_weights(eta, t, s, problem.estimand)[1]
        score = s * (2.0 * t - 1.0) * values / np.where(s > 0, s, 1.0)
        return expand_scores(fit.rows.matrix(), score, np.abs(slope), slope)

    details = {"coefficients": fit.coefficients}
    return BalanceSolution(values, linear, fit.iterations, fit.residual, propensity=sigmoid(eta), details=details)


def _overlap(problem: BalanceProblem, options: CovariateOptions) -> BalanceSolution:
    fit = likelihood_fit(problem, method="cbps", tol=options.tol, max_iter=options.max_iter)
    e, de = probability(fit.eta, "logit")
    factor, dfactor = tilt(e, problem.treated, "ATO")
    details = {"coefficients": fit.coefficients, "link": "logit"}
    return BalanceSolution(
        problem.s * factor, lambda: expand_propensity(problem, fit, "logit", problem.s * dfactor * de), fit.iterations,
        fit.residual, propensity=e, details=details,
    )  # fmt: skip


def _tilted(problem: BalanceProblem, options: CovariateOptions) -> tuple[PropensityFit, np.ndarray]:
    """The propensity whose odds balance one arm with the other, and the weights, shape (n,).

    Its logit is the predictor of entropy balancing, its odds are that method's weights.
    """
    task, scale = tasks(problem)[0], rough_scales(problem.x)
    base = weights_at(problem.s, task.index)
    rows = ScaledRows.about_mean(problem.x, task.index, task.target, scale)
    found = exponential_tilt(rows, base, tol=options.tol, max_iter=options.max_iter)
    sign = 1.0 if problem.estimand == "ATT" else -1.0
    odds = found.p
    odds *= float(problem.s.sum() - base.sum())  # the weights of the arm sum to the mass of the other one
    largest = int(np.argmax(odds))
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        at = rows.block(slice(largest, largest + 1))[0]
        level = float(np.log(odds[largest] / base[largest]) - at @ found.slope)
    beta = sign * np.r_[level, found.slope]
    rows = ScaledRows(problem.x, rows.centre, scale, intercept=True)
    eta = rows.predictor(beta)
    values = problem.s.astype(np.float64)
    values[task.index] = odds
    return PropensityFit.of(rows, beta, eta, found.iterations, found.residual, found.converged), values


def _separate(problem: BalanceProblem, options: CovariateOptions) -> BalanceSolution:
    t, s = problem.treated, problem.s
    treated = fit_propensity(problem, balance_controls, tol=options.tol, max_iter=options.max_iter)
    control = fit_propensity(problem, balance_treated, tol=options.tol, max_iter=options.max_iter)
    for fit, estimand in ((treated, "ATC"), (control, "ATT")):
        if not fit.converged:
            _explain(problem, estimand, fit, options.max_iter)
    tail1, tail0 = np.exp(np.where(t, -treated.eta, -np.inf)), np.exp(np.where(t, -np.inf, control.eta))
    values = s * (1.0 + tail1 + tail0)

    def linear() -> Linear:
        z = treated.rows.matrix()
        one = expand_scores(z, s * (t * (1.0 + tail1) - 1.0), s * tail1, -s * tail1)
        two = expand_scores(z, s * (1.0 - ~t * (1.0 + tail0)), s * tail0, s * tail0)
        return Linear(
            np.hstack([one.derivative, two.derivative]),
            np.hstack([one.influence, two.influence]),
            one.leverage + two.leverage,
        )

    details = {"coefficients": treated.coefficients, "coefficients_control": control.coefficients}
    return BalanceSolution(
        values, linear, treated.iterations + control.iterations, max(treated.residual, control.residual),
        propensity=sigmoid(np.where(t, treated.eta, control.eta)), details=details,
    )  # fmt: skip


def _explain(problem: BalanceProblem, estimand: str, fit: PropensityFit, max_iter: int) -> None:
    """Say why no propensity balances the columns: always raises."""
    if estimand in ("ATT", "ATC"):
        require_hull(
            problem, tasks(problem.aimed_at(estimand))[0], method="cbps", residual=fit.residual, iterations=fit.iterations,
            max_iter=max_iter,
        )  # fmt: skip
    if fit.iterations >= max_iter:
        raise stopped("cbps", f"a mean score of {fit.residual:.2g}", fit.iterations, max_iter, "")
    worst = problem.names[int(np.argmax(np.abs(fit.beta[1:])))]
    raise InfeasibleError(
        f"method='cbps': no propensity balances the columns (mean score left {fit.residual:.2g}); the coefficient of {worst!r} "
        "runs off. The arms barely overlap there: leave the column out, restrict the sample, or use method='sbw' with tolerances."
    )


METHOD = BalanceMethod(
    verb="balance",
    name="cbps",
    estimate=estimate,
    several=estimate_arms,
    doses=estimate_dose,
    cited={"dose": "Fong, Hazlett and Imai (2018)"},
    wants_dose=lambda options: options.nonparametric,
    options=CovariateOptions,
    summary="weights by a logit propensity that balances the columns' means",
    citation="Imai and Ratkovic (2014)",
    guarantee="exact mean balance by a logit propensity; stacked standard errors",
    vignette="balance-ipm",
    estimands=estimands,
)

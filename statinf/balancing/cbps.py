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

import numpy as np

from statinf.balancing.arms import (
    ESTIMANDS,
    Linear,
    Sample,
    Solution,
    quadratic_forms,
    rough_scales,
    symmetric_inverse,
    tasks,
    weights_at,
)
from statinf.balancing.feasibility import require_hull, stopped
from statinf.balancing.propensity import (
    PropensityFit,
    balance_all,
    balance_controls,
    balance_treated,
    fit_propensity,
)
from statinf.errors import InfeasibleError, OptionError
from statinf.numerics.glm.families import sigmoid
from statinf.numerics.rowwise.sums import Rows
from statinf.numerics.tilting.calibration import exponential_tilt

CITATION = "covariate balancing propensity score (Imai and Ratkovic 2014)"


def solve(
    sample: Sample,
    estimand: str = "ATE",
    *,
    over: bool = False,
    twostep: bool = False,
    separate: bool = False,
    tol: float = 1e-10,
    max_iter: int = 100,
) -> Solution:
    """Propensity weights whose propensity balances the columns.

    Parameters
    ----------
    sample : Sample
    estimand : {"ATE", "ATT", "ATC", "ATO"}
    over : bool
        Add the likelihood score and minimise the GMM criterion.
    twostep : bool
        With `over`: weighting matrix fixed at the maximum likelihood estimate.
    separate : bool
        ATE only: one propensity per arm, each balancing its arm with everybody (inverse probability tilting).
    tol : float
        Largest mean score left, in standard deviations.
    max_iter : int

    Raises
    ------
    InfeasibleError
        If no propensity balances the columns.
    """
    if over:
        from statinf.balancing.cbps_gmm import solve_over

        return solve_over(sample, estimand, twostep=twostep, tol=tol, max_iter=max_iter)
    if estimand == "ATO":
        from statinf.balancing.ipw import solve as weigh

        return weigh(sample, "ATO", tol=tol, max_iter=max_iter)
    if separate and estimand == "ATE":
        return _separate(sample, tol, max_iter)
    if estimand not in ESTIMANDS:
        raise OptionError(f"estimand={estimand!r} is not defined for method='cbps'; choose ATE, ATT, ATC or ATO.")
    if estimand == "ATE":
        fit, values = fit_propensity(sample, balance_all, tol=tol, max_iter=max_iter), None
    else:
        fit, values = _tilted(sample, estimand, tol, max_iter)
    if not fit.converged:
        _explain(sample, estimand, fit, max_iter)
    t, s, eta = sample.treated, sample.s, fit.eta
    if values is None:
        values = propensity_weights(eta, t, s, estimand)[0]

    def linear() -> Linear:
        slope = propensity_weights(eta, t, s, estimand)[1]
        score = s * (2.0 * t - 1.0) * values / np.where(s > 0, s, 1.0)
        return expand_scores(fit.rows.matrix(), score, np.abs(slope), slope)

    return Solution(
        values,
        linear,
        fit.iterations,
        fit.residual,
        propensity=sigmoid(eta),
        details={"coefficients": fit.coefficients},
    )


def _tilted(sample: Sample, estimand: str, tol: float, max_iter: int) -> tuple[PropensityFit, np.ndarray]:
    """The propensity whose odds balance one arm with the other, and the weights, shape (n,).

    Its logit is the predictor of entropy balancing, its odds are that method's weights.
    """
    task, scale = tasks(sample, estimand)[0], rough_scales(sample.x)
    base = weights_at(sample.s, task.index)
    rows = Rows.about_mean(sample.x, task.index, task.target, scale)
    tilt = exponential_tilt(rows, base, tol=tol, max_iter=max_iter)
    sign = 1.0 if estimand == "ATT" else -1.0
    odds = tilt.p
    odds *= float(sample.s.sum() - base.sum())  # the weights of the arm sum to the mass of the other one
    largest = int(np.argmax(odds))
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        at = rows.block(slice(largest, largest + 1))[0]
        level = float(np.log(odds[largest] / base[largest]) - at @ tilt.slope)
    beta = sign * np.r_[level, tilt.slope]
    rows = Rows(sample.x, rows.centre, scale, intercept=True)
    eta = rows.predictor(beta)
    values = sample.s.astype(np.float64)
    values[task.index] = odds
    return PropensityFit.of(rows, beta, eta, tilt.iterations, tilt.residual, tilt.converged), values


def propensity_weights(eta: np.ndarray, t: np.ndarray, s: np.ndarray, estimand: str) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the logit propensity and their derivative in the predictor, sampling weights multiplied in."""
    if estimand == "ATE":
        tail = np.exp(np.where(t, -eta, eta))
        return s * (1.0 + tail), s * np.where(t, -tail, tail)
    if estimand == "ATT":
        odds = np.exp(np.where(t, 0.0, eta))
        return s * odds, s * np.where(t, 0.0, odds)
    odds = np.exp(np.where(t, -eta, 0.0))
    return s * odds, s * np.where(t, -odds, 0.0)


def expand_scores(z: np.ndarray, score: np.ndarray, curvature: np.ndarray, slope: np.ndarray) -> Linear:
    """Expansion for a root of ``sum score_i z_i``.

    Parameters
    ----------
    z : ndarray, shape (n, q)
    score : ndarray, shape (n,)
    curvature : ndarray, shape (n,)
        Minus the derivative of `score` in the predictor.
    slope : ndarray, shape (n,)
        Derivative of the weights in the predictor.
    """
    inverse = symmetric_inverse((z * curvature[:, None]).T @ z)
    leverage = quadratic_forms(z, inverse) * curvature
    return Linear(z * slope[:, None], (z * score[:, None]) @ inverse, leverage)


def _separate(sample: Sample, tol: float, max_iter: int) -> Solution:
    t, s = sample.treated, sample.s
    treated = fit_propensity(sample, balance_controls, tol=tol, max_iter=max_iter)
    control = fit_propensity(sample, balance_treated, tol=tol, max_iter=max_iter)
    for fit, estimand in ((treated, "ATC"), (control, "ATT")):
        if not fit.converged:
            _explain(sample, estimand, fit, max_iter)
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
    return Solution(
        values, linear, treated.iterations + control.iterations, max(treated.residual, control.residual),
        propensity=sigmoid(np.where(t, treated.eta, control.eta)), details=details,
    )  # fmt: skip


def _explain(sample: Sample, estimand: str, fit: PropensityFit, max_iter: int) -> None:
    """Say why no propensity balances the columns: always raises."""
    if estimand in ("ATT", "ATC"):
        require_hull(
            sample, tasks(sample, estimand)[0], method="cbps", residual=fit.residual, iterations=fit.iterations,
            max_iter=max_iter,
        )  # fmt: skip
    if fit.iterations >= max_iter:
        raise stopped("cbps", f"a mean score of {fit.residual:.2g}", fit.iterations, max_iter, "")
    worst = sample.names[int(np.argmax(np.abs(fit.beta[1:])))]
    raise InfeasibleError(
        f"method='cbps': no propensity balances the columns (mean score left {fit.residual:.2g}); the coefficient of {worst!r} "
        "runs off. The arms barely overlap there: leave the column out, restrict the sample, or use method='sbw' with tolerances."
    )

"""Row functions of propensity models: likelihood and tailored losses, all convex in the predictor.

Each function maps predictors, treatment (as floats) and sampling weights to values, first and second derivatives
per row. The tailored losses are those of Zhao (2019), "Covariate balancing propensity score by tailored loss functions",
Annals of Statistics 47(2), arXiv 1601.05890: their scores are the balance conditions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr

from statinf.balancing.feasibility import stopped
from statinf.balancing.problem import BalanceProblem
from statinf.errors import NotIdentifiedError, SeparationWarning, issue_warning
from statinf.numerics.glm.families import sigmoid
from statinf.numerics.glm.separation import separating_direction
from statinf.numerics.rowwise.fit import minimise_rows
from statinf.numerics.rowwise.newton import NewtonResult
from statinf.numerics.rowwise.scales import rough_scales
from statinf.numerics.rowwise.sums import ScaledRows, some_rows

Triple = tuple[np.ndarray, np.ndarray, np.ndarray]
_SUSPECT = {"logit": 16.0, "probit": 5.2}
"""Linear predictors, a probability within 1e-7 of 0 or 1, from which separation is looked for."""
_EXTREME = {"logit": 30.0, "probit": 8.0}


@dataclass(frozen=True)
class PropensityFit:
    """A propensity model on standardised columns.

    Attributes
    ----------
    eta : ndarray, shape (n,)
        Linear predictor.
    beta : ndarray, shape (p + 1,)
        Coefficients of the standardised columns, intercept first.
    coefficients : ndarray, shape (p + 1,)
        Coefficients of the columns as given, intercept first.
    rows : ScaledRows
    iterations : int
    residual : float
        Largest mean score left.
    converged : bool
    """

    eta: np.ndarray
    beta: np.ndarray
    coefficients: np.ndarray
    rows: ScaledRows
    iterations: int
    residual: float
    converged: bool

    @staticmethod
    def of(
        rows: ScaledRows, beta: np.ndarray, eta: np.ndarray, iterations: int, residual: float, converged: bool
    ) -> PropensityFit:
        """From coefficients of the standardised rows and their predictor."""
        slope = beta[1:] / rows.scale
        coefficients = np.r_[beta[0] - rows.centre @ slope, slope]
        return PropensityFit(eta, beta, coefficients, rows, iterations, residual, converged)


def logit_likelihood(eta: np.ndarray, t: np.ndarray, s: np.ndarray) -> Triple:
    """Negative log likelihood of the logit model."""
    e = sigmoid(eta)
    return s * (np.logaddexp(0.0, eta) - t * eta), s * (e - t), s * e * (1.0 - e)


def probit_likelihood(eta: np.ndarray, t: np.ndarray, s: np.ndarray) -> Triple:
    """Negative log likelihood of the probit model."""
    sign = 2.0 * t - 1.0
    u = sign * eta
    log_cdf = log_ndtr(u)
    mills = np.exp(-0.5 * u * u - 0.5 * np.log(2.0 * np.pi) - log_cdf)
    return -s * log_cdf, -s * sign * mills, s * mills * (mills + u)


def balance_all(eta: np.ndarray, t: np.ndarray, s: np.ndarray) -> Triple:
    """Loss whose score is balance of inverse probability weights (ATE)."""
    sign = 1.0 - 2.0 * t
    against = sign * eta
    tail = s * np.exp(against)
    return tail + s * against, sign * (tail + s), tail


def balance_treated(eta: np.ndarray, t: np.ndarray, s: np.ndarray) -> Triple:
    """Loss whose score is balance of odds-weighted controls with the treated (ATT)."""
    grow = s * np.exp(np.where(t > 0, -np.inf, eta))
    return grow - s * (t * eta), grow - s * t, grow


def balance_controls(eta: np.ndarray, t: np.ndarray, s: np.ndarray) -> Triple:
    """Loss whose score is balance of odds-weighted treated with the controls (ATC)."""
    shrink = s * np.exp(np.where(t > 0, -eta, -np.inf))
    other = s * (1.0 - t)
    return shrink + other * eta, other - shrink, shrink


def fit_propensity(
    problem: BalanceProblem, function, *, tol: float = 1e-10, max_iter: int = 100, start: np.ndarray | None = None
) -> PropensityFit:
    """Minimise a row function over the coefficients of standardised columns and an intercept."""
    t, s = problem.treated.astype(np.float64), problem.s
    centre, scale = _standard(problem)
    rows = ScaledRows(problem.x, centre, scale, intercept=True)
    found: NewtonResult = minimise_rows(
        rows, lambda eta, at: function(eta, t[at], s[at]), mass=float(s.sum()), start=start, tol=tol, max_iter=max_iter,
        limit=1e3,
    )  # fmt: skip
    residual = float(np.max(np.abs(found.gradient)))
    eta = rows.predictor(found.beta)
    return PropensityFit.of(rows, found.beta, eta, found.iterations, residual, found.converged)


def likelihood_fit(
    problem: BalanceProblem, link: str = "logit", *, method: str = "ipw", tol: float = 1e-10, max_iter: int = 100
) -> PropensityFit:
    """Maximum likelihood propensity, with a warning if some rows are all but certain of their arm.

    Raises
    ------
    NotIdentifiedError
        If columns separate the arms.
    ConvergenceError
        If Newton's method stops for another reason than separation.
    """
    function = {"logit": logit_likelihood, "probit": probit_likelihood}[link]
    fit = fit_propensity(problem, function, tol=tol, max_iter=max_iter)
    used = problem.s > 0
    largest = float(np.max(np.abs(fit.eta), where=used, initial=0.0))
    if largest > _SUSPECT[link]:
        _refuse_separation(problem, fit, used)
    if largest <= _EXTREME[link]:
        if not fit.converged:
            left = f"a mean score of {fit.residual:.2g}"
            raise stopped(method, left, fit.iterations, max_iter, "drop columns")
        return fit
    worst = problem.names[int(np.argmax(np.abs(fit.beta[1:])))]
    issue_warning(
        f"The propensity model all but separates the arms (largest linear predictor {largest:.3g}); {worst!r} has the largest "
        "standardised coefficient. Some rows have no counterpart in the other arm: restrict the sample with trim=, leave the "
        "column out, or use estimand='ATO'.",
        SeparationWarning,
    )
    return fit


def _refuse_separation(problem: BalanceProblem, fit: PropensityFit, used: np.ndarray) -> None:
    """Raise if a combination of columns separates the arms, with the columns that take part."""
    z = fit.rows.matrix()[used]
    direction = separating_direction(z, ~problem.treated[used], problem.treated[used])
    if direction is None:
        return
    share = np.abs(direction[1:]) * np.abs(z[:, 1:]).max(axis=0)
    guilty = [problem.names[j] for j in np.argsort(-share) if share[j] > 1e-6]
    raise NotIdentifiedError(
        f"no overlap: {', '.join(map(repr, guilty[:5]))} separate the treated from the controls, so propensities reach 0 or 1. "
        "Remove these covariates, restrict the sample to where both arms occur, or use method='sbw' with tolerances."
    )


def _standard(problem: BalanceProblem) -> tuple[np.ndarray, np.ndarray]:
    # Any centre and scale give the same answer; some rows set them well enough.
    return some_rows(problem.x, 5000).mean(axis=0), rough_scales(problem.x)

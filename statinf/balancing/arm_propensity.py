"""Propensities of several arms by a multinomial logit: the fit, the weights they give, and their expansion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.balancing.feasibility import stopped
from statinf.balancing.problem import BalanceProblem
from statinf.balancing.solution import Linear, expand_equations
from statinf.errors import NotIdentifiedError, SeparationWarning, issue_warning
from statinf.numerics.glm.multinomial import multinomial_logit, predictors, separation, softmax
from statinf.numerics.rowwise.scales import rough_scales
from statinf.numerics.rowwise.sums import ScaledRows, some_rows

_SUSPECT, _EXTREME = 16.0, 30.0


@dataclass(frozen=True)
class ArmPropensity:
    """A multinomial logit on standardised columns; the first arm is the base.

    Attributes
    ----------
    eta : ndarray, shape (n, arms)
        Linear predictors, zero for the first arm.
    beta : ndarray, shape (arms - 1, p + 1)
        Coefficients of the standardised columns, intercept first.
    rows : ScaledRows
    iterations : int
    residual : float
        Largest mean score left.
    """

    eta: np.ndarray
    beta: np.ndarray
    rows: ScaledRows
    iterations: int
    residual: float

    @property
    def coefficients(self) -> np.ndarray:
        """Coefficients of the columns as given, intercept first, shape (arms - 1, p + 1)."""
        slopes = self.beta[:, 1:] / self.rows.scale
        return np.column_stack([self.beta[:, 0] - slopes @ self.rows.centre, slopes])


def standard_rows(problem: BalanceProblem) -> ScaledRows:
    """The rows about a rough centre, in rough standard deviations, behind a one."""
    return ScaledRows(problem.x, some_rows(problem.x, 5000).mean(axis=0), rough_scales(problem.x), intercept=True)


def likelihood_fit(problem: BalanceProblem, *, method: str, tol: float, max_iter: int) -> ArmPropensity:
    """Maximum likelihood propensities, with a warning if some rows are all but certain of their arm.

    Raises
    ------
    NotIdentifiedError
        If columns separate an arm.
    ConvergenceError
        If Newton's method stops for another reason.
    """
    rows, arms = standard_rows(problem), len(problem.arms)
    found = multinomial_logit(rows, problem.treatment, problem.s, arms, tol=tol, max_iter=max_iter)
    beta = found.beta.reshape(arms - 1, rows.q)
    eta = predictors(rows, beta)
    largest = float(np.max(np.ptp(eta[problem.s > 0], axis=1), initial=0.0))
    if largest > _SUSPECT:
        _refuse_separation(problem, rows)
    residual = float(np.max(np.abs(found.gradient)))
    if largest > _EXTREME:
        worst = problem.names[int(np.argmax(np.abs(beta[:, 1:]).max(axis=0)))]
        issue_warning(
            f"The propensity model all but separates the arms (largest linear predictor {largest:.3g}); {worst!r} has the largest "
            "standardised coefficient. Some rows have no counterpart in another arm: restrict the sample with trim=, leave the "
            "column out, or use estimand='ATO'.",
            SeparationWarning,
        )
    elif not found.converged:
        raise stopped(method, f"a mean score of {residual:.2g}", found.iterations, max_iter, "drop columns")
    return ArmPropensity(eta, beta, rows, found.iterations, residual)


def _refuse_separation(problem: BalanceProblem, rows: ScaledRows) -> None:
    used = problem.s > 0
    z = rows.matrix()[used]
    direction = separation(z, problem.treatment[used], len(problem.arms))
    if direction is None:
        return
    share = np.abs(direction[:, 1:]).max(axis=0) * np.abs(z[:, 1:]).max(axis=0)
    guilty = [problem.names[j] for j in np.argsort(-share) if share[j] > 1e-6]
    arms = [problem.arms[k + 1] for k in np.flatnonzero(np.abs(direction).max(axis=1) > 1e-6)]
    raise NotIdentifiedError(
        f"no overlap: {', '.join(map(repr, guilty[:5]))} separate the arms (of {', '.join(arms[:5])}), so propensities reach 0 "
        "or 1. Remove these covariates, restrict the sample to where all arms occur, or use method='sbw' with tolerances."
    )


def arm_weights(
    eta: np.ndarray, codes: np.ndarray, estimand: str, focal: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights ``h / P(own arm)``, their derivatives in the predictors of all arms but the first, and probabilities.

    Parameters
    ----------
    eta : ndarray, shape (n, arms)
    codes : ndarray of int, shape (n,)
    focal : int
        The arm whose population is the target of the ATT; that of the ATC is the first.

    Returns
    -------
    weights : ndarray, shape (n,)
    slopes : ndarray, shape (n, arms - 1)
    p : ndarray, shape (n, arms)
    """
    p = softmax(eta)
    own, rest, each = p[np.arange(len(p)), codes], p[:, 1:], np.arange(1, p.shape[1])
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        if estimand == "ATE":
            h, dh = np.ones(len(p)), np.zeros_like(rest)
        elif estimand == "ATO":
            h = 1.0 / (1.0 / p).sum(axis=1)
            dh = h[:, None] * (h[:, None] / rest - rest)
        elif estimand == "ATEN":
            h = -np.sum(p * np.log(p), axis=1)
            dh = -rest * (np.log(rest) + h[:, None])
        else:
            of = np.argmin(p, axis=1) if estimand == "ATM" else np.full(len(p), focal if estimand == "ATT" else 0)
            h = p[np.arange(len(p)), of]
            dh = h[:, None] * ((of[:, None] == each) - rest)
        weights = h / own
        slopes = dh / own[:, None] - weights[:, None] * ((codes[:, None] == each) - rest)
    return weights, slopes, p


def expand_likelihood(problem: BalanceProblem, fit: ArmPropensity, slopes: np.ndarray, p: np.ndarray) -> Linear:
    """Expansion of weights whose derivatives in the predictors are `slopes` (n, arms - 1), by maximum likelihood."""
    rest = p[:, 1:]
    scores = problem.s[:, None] * (problem.indicators[:, 1:] - rest)
    curvature = rest[:, :, None] * (rest[:, None, :] - np.eye(rest.shape[1])) * problem.s[:, None, None]
    return expand_equations(fit.rows.matrix(), scores, curvature, slopes)

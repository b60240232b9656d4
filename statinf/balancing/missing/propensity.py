"""Probabilities of being observed, and the weights that they make."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.balancing.missing.problem import MissingProblem
from statinf.balancing.solution import Linear
from statinf.errors import ConvergenceError, NotIdentifiedError, StatinfWarning, issue_warning
from statinf.learners.logit import Logit
from statinf.numerics.glm.families import sigmoid
from statinf.numerics.linear.symmetric import quadratic_forms, symmetric_inverse


@dataclass(frozen=True)
class Observing:
    """A logit of being observed.

    Attributes
    ----------
    e : ndarray, shape (n,)
    influence : ndarray, shape (n, q)
        Of each row on the coefficients of the standardised columns.
    leverage : ndarray, shape (n,)
    """

    e: np.ndarray
    influence: np.ndarray
    leverage: np.ndarray


def logit_of(problem: MissingProblem, advice: str) -> Observing:
    """The logit of being observed on the covariates; probabilities of one where no outcome is missing."""
    o, s, z = problem.observed.astype(np.float64), problem.s, problem.standard.z
    if problem.observed.all():
        return Observing(np.ones(problem.n), np.zeros((problem.n, 0)), np.zeros(problem.n))
    try:
        found = Logit().fit(z[:, 1:], o, s)
    except ConvergenceError:
        raise NotIdentifiedError(
            "covariates separate rows with an outcome from those without: some rows have no chance of being observed that "
            f"others like them show. {advice}"
        ) from None
    e = sigmoid(found.intercept + z[:, 1:] @ found.coefficients)
    curve = s * e * (1.0 - e)
    inverse = symmetric_inverse((z * curve[:, None]).T @ z)
    return Observing(e, (z * (s * (o - e))[:, None]) @ inverse, curve * quadratic_forms(z, inverse))


def clipped(e: np.ndarray, problem: MissingProblem, clip: float) -> tuple[np.ndarray, int]:
    """Probabilities of at least `clip`, and how many observed rows were moved, with a warning if they are many."""
    low = (e < clip) & problem.observed
    count, used = int(low.sum()), int(problem.observed.sum())
    if count > 0.05 * used:
        issue_warning(
            f"{count} of {used} observed rows ({100 * count / used:.1f}%; first: {int(problem.rows[low][0])}) have a "
            f"probability of being observed below {clip:g}, which stands in its place.",
            StatinfWarning,
        )
    return np.maximum(e, clip), count


def inverse_weights(problem: MissingProblem, found: Observing, e: np.ndarray) -> tuple[np.ndarray, Linear]:
    """Weights ``s / e`` of the observed rows, shape (n,), and their expansion; clipped ones do not move."""
    w = np.where(problem.observed, problem.s / e, 0.0)
    slope = np.where(e == found.e, -w * (1.0 - e), 0.0)
    z = problem.standard.z[:, : found.influence.shape[1]]
    return w, Linear(z * slope[:, None], found.influence, found.leverage)

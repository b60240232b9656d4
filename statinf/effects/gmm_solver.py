"""The generalised method of moments for linear models (Hansen 1982), on arrays.

The moments are E[z (y - x'b)] = 0. Two-step GMM weights them by the inverse covariance at the two-stage
least-squares residuals; iterated GMM repeats this; the continuously updated estimate (Hansen, Heaton and
Yaron 1996) minimises the criterion with the covariance at the same coefficients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from statinf.errors import ConvergenceError, NotIdentifiedError
from statinf.inference.clusters import cluster_sums

STEPS = ("two-step", "iterated", "cue")


@dataclass(frozen=True)
class GmmSolution:
    """A GMM estimate.

    Attributes
    ----------
    coef : ndarray, shape (k,)
    j : float
        Criterion at the estimate: chi-square with l - k degrees of freedom under valid instruments.
    combine : ndarray, shape (l, k)
        S^-1 G: which combination of the moments identifies each coefficient.
    bread : ndarray, shape (k, k)
        (G' S^-1 G)^-1.
    """

    coef: np.ndarray
    j: float
    combine: np.ndarray
    bread: np.ndarray


def cluster_totals(values: np.ndarray, codes: np.ndarray | None) -> np.ndarray:
    """Each row's own values, or the sum over its cluster beside every row of it; shape of `values`."""
    if codes is None:
        return values
    return np.bincount(codes, weights=values)[codes]


def meat(scores: np.ndarray, codes: np.ndarray | None) -> np.ndarray:
    """Sum of outer products of rows, or of their sums by cluster."""
    sums = scores if codes is None else cluster_sums(scores, codes)
    return sums.T @ sums


def gmm(
    z: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    start: np.ndarray,
    *,
    steps: str = "two-step",
    codes: np.ndarray | None = None,
) -> GmmSolution:
    """Estimate by GMM from rows already scaled by the root of their weight.

    Parameters
    ----------
    z : ndarray, shape (n, l)
        Orthonormal columns that span exogenous columns and instruments.
    x : ndarray, shape (n, k)
    y : ndarray, shape (n,)
    start : ndarray, shape (k,)
        Two-stage least squares.
    steps : {"two-step", "iterated", "cue"}
    codes : ndarray of int, shape (n,), optional
        Clusters whose sums the covariance of the moments is made of.

    Raises
    ------
    ConvergenceError
        If the iterations do not settle.
    NotIdentifiedError
        If the covariance of the moments is singular.
    """
    gradient, target = z.T @ x, z.T @ y

    def at(theta: np.ndarray, coef: np.ndarray | None = None) -> GmmSolution:
        covariance = _factor(meat(z * (y - x @ theta)[:, None], codes))
        combine = cho_solve(covariance, gradient)
        bread = np.linalg.inv(gradient.T @ combine)
        coef = bread @ (combine.T @ target) if coef is None else coef
        g = target - gradient @ coef
        return GmmSolution(coef, float(g @ cho_solve(covariance, g)), combine, bread)

    solution = at(start)
    if steps == "two-step":
        return solution
    scale = np.sqrt(np.diag(solution.bread))
    for _ in range(1000):
        last, solution = solution, at(solution.coef)
        if np.abs((solution.coef - last.coef) / scale).max() < 1e-9:
            break
    else:
        raise ConvergenceError("iterated GMM did not settle in 1000 steps; use gmm='two-step' or 'cue'.")
    if steps == "iterated":
        return solution
    theta = _continuous(z, x, y, solution.coef, scale, codes)
    return at(theta, theta)


_PIVOT = 1e-12
"""Share of a moment's variance, given the moments before it, below which what is left is rounding."""


def _factor(covariance: np.ndarray) -> tuple[np.ndarray, bool]:
    """Cholesky factor of the moments' covariance, the metric of GMM."""
    try:
        factor = cho_factor(covariance)
        left = np.diag(factor[0]) ** 2 / np.diag(covariance)
        singular = not (left > _PIVOT).all() or np.diag(covariance).min() < _PIVOT * np.diag(covariance).max()
    except np.linalg.LinAlgError:
        singular = True
    if singular:
        raise NotIdentifiedError(
            f"the covariance of the {len(covariance)} moments, which GMM weights them by, is singular: one row or one cluster "
            "alone determines a covariate or an instrument, or there are fewer clusters than moments. Leave that column "
            "out, or use method='2sls'."
        )
    return factor


def _continuous(
    z: np.ndarray, x: np.ndarray, y: np.ndarray, start: np.ndarray, scale: np.ndarray, codes: np.ndarray | None
) -> np.ndarray:
    from scipy.optimize import minimize

    def criterion(step: np.ndarray) -> tuple[float, np.ndarray]:
        e = y - x @ (start + scale * step)
        scores = z * e[:, None]
        g = scores.sum(axis=0)
        lam = cho_solve(_factor(meat(scores, codes)), g)
        h = z @ lam
        # The second term is the derivative of the moments' covariance, which moves with the coefficients.
        slope = 2.0 * x.T @ (h * cluster_totals(h * e, codes) - h)
        return float(g @ lam), scale * slope

    found = minimize(criterion, np.zeros(len(start)), jac=True, method="BFGS", options={"gtol": 1e-8, "maxiter": 2000})
    if np.abs(found.jac).max() > 1e-4:
        raise ConvergenceError(
            f"continuously updated GMM stopped with a gradient of {np.abs(found.jac).max():.1e}; use gmm='iterated'."
        )
    return start + scale * found.x

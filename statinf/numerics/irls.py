"""Maximum likelihood for generalised linear models by Fisher scoring over blocks of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from statinf.errors import ConvergenceError
from statinf.numerics.families import Family
from statinf.numerics.least_squares import TOLERANCE, independent_columns, triangular_factor

_BLOCK_ELEMENTS = 1 << 18


@dataclass(frozen=True)
class GlmSolution:
    """A maximum likelihood estimate.

    Attributes
    ----------
    coef : ndarray, shape (p,)
        NaN for aliased columns.
    kept : ndarray of bool, shape (p,)
    factor : ndarray, shape (k, k)
        Upper triangular R with R'R the Fisher information at dispersion 1.
    deviance : float
    eta : ndarray, shape (n,)
        Linear predictor, offset included.
    iterations : int
    decrement : float
        Squared length of the last step in the information's norm.
    """

    coef: np.ndarray
    kept: np.ndarray
    factor: np.ndarray
    deviance: float
    eta: np.ndarray
    iterations: int
    decrement: float


def fit_glm(
    columns: np.ndarray,
    y: np.ndarray,
    family: Family,
    *,
    weights: np.ndarray | None = None,
    offset: np.ndarray | None = None,
    start: np.ndarray | None = None,
    tolerance: float = 1e-10,
    max_iterations: int = 100,
    alias_tolerance: float = TOLERANCE,
) -> GlmSolution:
    """Maximise the likelihood by Fisher scoring with step halving on the deviance.

    Parameters
    ----------
    columns : ndarray, shape (n, p)
    y : ndarray, shape (n,)
    family : Family
    weights, offset : ndarray, shape (n,), optional
    start : ndarray, shape (p,), optional
    tolerance : float
        Stop when the step's length in the information's norm falls below this share of the root of the
        deviance; Newton's convergence makes the error after that step far smaller.
    max_iterations : int
    alias_tolerance : float

    Returns
    -------
    GlmSolution

    Raises
    ------
    ConvergenceError
        If the steps do not shrink within `max_iterations`, with the last step's length.
    """
    w = np.ones(len(y)) if weights is None else weights
    kept = independent_columns(triangular_factor(columns, (w > 0).astype(float)), columns.shape[1], alias_tolerance)
    x = columns if kept.all() else columns[:, kept]
    problem = _Problem(x, y, w, offset, family)
    beta = problem.first_guess() if start is None else np.asarray(start, float)[kept]
    gram, score, deviance = problem.evaluate(beta)
    decrement = np.inf
    for iteration in range(1, max_iterations + 1):
        step = _solve_information(gram, score)
        decrement = float(step @ gram @ step)
        done = np.sqrt(decrement) <= tolerance * np.sqrt(abs(deviance) + 0.1)
        beta, gram, score, deviance = _advance(problem, beta, step, deviance, (gram, score))
        if done:
            break
    else:
        raise ConvergenceError(
            f"Fisher scoring did not converge in {max_iterations} iterations (last step {np.sqrt(decrement):.2e} in the "
            "information's norm); rescale the covariates, drop nearly aliased ones, or raise max_iterations."
        )
    coef = np.full(columns.shape[1], np.nan)
    coef[kept] = beta
    eta = problem.predictor(beta)
    information = w * family.terms(eta, y)[1]
    return GlmSolution(coef, kept, triangular_factor(x, information), deviance, eta, iteration, decrement)


def _advance(
    problem: _Problem, beta: np.ndarray, step: np.ndarray, deviance: float, current: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    slack = 1e-9 * (abs(deviance) + 0.1)  # rounding of the deviance must not undo the last digits
    for _ in range(30):
        candidate = beta + step
        gram, score, new = problem.evaluate(candidate)
        if np.isfinite(new) and np.isfinite(gram).all() and new <= deviance + slack:
            return candidate, gram, score, new
        step = step / 2.0
    return beta, *current, deviance


def _solve_information(gram: np.ndarray, score: np.ndarray) -> np.ndarray:
    # Scaling to unit diagonal makes the factorisation independent of the covariates' units.
    scale = 1.0 / np.sqrt(np.maximum(np.diag(gram), np.finfo(float).tiny))
    scaled = gram * scale[:, None] * scale
    try:
        return scale * cho_solve(cho_factor(scaled), scale * score)
    except (LinAlgError, ValueError):
        return scale * np.linalg.lstsq(scaled, scale * score, rcond=1e-13)[0]


@dataclass(frozen=True)
class _Problem:
    x: np.ndarray
    y: np.ndarray
    w: np.ndarray
    offset: np.ndarray | None
    family: Family

    def predictor(self, beta: np.ndarray) -> np.ndarray:
        eta = self.x @ beta
        return eta if self.offset is None else eta + self.offset

    def first_guess(self) -> np.ndarray:
        """One weighted least-squares step from means inside the family's range."""
        mean = self.family.start(self.y, self.w)
        eta = self.family.link.link(mean)
        slope = self.family.link.slope(eta)
        information = self.w * slope**2 / self.family.variance(mean)
        target = eta + (self.y - mean) / slope - (0.0 if self.offset is None else self.offset)
        k = self.x.shape[1]
        gram, moment = np.zeros((k, k)), np.zeros(k)
        for rows in self._blocks():
            xw = self.x[rows] * information[rows, None]
            gram += self.x[rows].T @ xw
            moment += xw.T @ target[rows]
        return _solve_information(gram, moment)

    def evaluate(self, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Fisher information, score and deviance, summed over blocks that stay in cache."""
        k = self.x.shape[1]
        gram, score, deviance = np.zeros((k, k)), np.zeros(k), 0.0
        with np.errstate(all="ignore"):
            for rows in self._blocks():
                x, w = self.x[rows], self.w[rows]
                eta = x @ beta
                if self.offset is not None:
                    eta += self.offset[rows]
                slope, information, unit = self.family.terms(eta, self.y[rows])
                gram += x.T @ (x * (w * information)[:, None])
                score += x.T @ (w * slope)
                deviance += float(w @ unit)
        return gram, score, deviance

    def _blocks(self) -> list[slice]:
        step = max(256, _BLOCK_ELEMENTS // max(self.x.shape[1], 1))
        return [slice(i, i + step) for i in range(0, len(self.y), step)]

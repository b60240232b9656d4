"""Logistic mixed models with random intercepts, by Laplace's approximation of the likelihood.

The approximated criterion is minus twice the penalised log-likelihood at the effects' mode plus log det(D), D the curvature in
spherical effects (Breslow and Clayton 1993, Journal of the American Statistical Association 88; as in Bates et al. 2015, Journal
of Statistical Software 67). Its gradient counts that the mode and D move with coefficients and standard deviations. Errors of
coefficients and effects: their law given these, and the delta method for these (Kass and Steffey 1989, the same journal 84).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit

from statinf.errors import ConvergenceError
from statinf.numerics.mixed.rows import PooledFit, PooledRows

_NEGLIGIBLE = 1e-5
"""Standard deviation of effects, on the scale of the logit, below which it is zero."""


@dataclass
class _Mode:
    """The mode of spherical effects, kept from one evaluation to the next as a start."""

    u: np.ndarray


@dataclass(frozen=True)
class _Approximated:
    """The criterion at coefficients and standard deviations."""

    value: float
    gradient: np.ndarray
    u: np.ndarray
    scale: np.ndarray
    inverse: np.ndarray
    moved: np.ndarray


@dataclass(frozen=True)
class _LogisticMixed:
    rows: PooledRows
    y: np.ndarray
    w: np.ndarray
    mode: _Mode
    penalty: float = 0.0

    def _penalised(self, eta: np.ndarray, u: np.ndarray) -> float:
        return float(self.w @ (np.logaddexp(0.0, eta) - self.y * eta)) + 0.5 * float(u @ u)

    def find_mode(self, beta: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """The spherical effects that maximise the penalised likelihood, shape (q,)."""
        rows, p = self.rows, self.rows.p
        u = self.mode.u
        eta = rows.predictor(np.concatenate([beta, scale * u]))
        value = self._penalised(eta, u)
        for _ in range(100):
            mean = expit(eta)
            gradient = u - scale * rows.transposed(self.w * (self.y - mean))[p:]
            if np.abs(gradient).max(initial=0.0) < 1e-11 * max(1.0, float(self.w.sum()) ** 0.5):
                return u
            curvature = self._curvature(rows.gram(self.w * mean * (1.0 - mean)), scale)
            step = -cho_solve(cho_factor(curvature), gradient)
            length = 1.0
            while length > 1e-10:
                trial = u + length * step
                eta = rows.predictor(np.concatenate([beta, scale * trial]))
                found = self._penalised(eta, trial)
                if found <= value + 1e-13 * abs(value):
                    break
                length /= 2.0
            if np.abs(trial - u).max(initial=0.0) < 1e-14:
                return u
            u, value = trial, found
        raise ConvergenceError(
            "the pooled effects have no mode within 100 Newton steps: a column before the bar may tell the outcomes 0 and 1 apart "
            "without error; leave it out, or merge rare levels."
        )

    def _curvature(self, gram: np.ndarray, scale: np.ndarray) -> np.ndarray:
        p = self.rows.p
        return gram[p:, p:] * np.outer(scale, scale) + np.eye(self.rows.q)

    def at(self, point: np.ndarray) -> _Approximated:
        """Value and gradient by (beta, standard deviations), with the derivative of (beta, effects) by these."""
        rows, p = self.rows, self.rows.p
        beta, deviation = point[:p], point[p:]
        scale = rows.repeat(deviation)
        u = self.find_mode(beta, scale)
        self.mode.u = u
        eta = rows.predictor(np.concatenate([beta, scale * u]))
        mean = expit(eta)
        weight = self.w * mean * (1.0 - mean)
        gram, score = rows.gram(weight), rows.transposed(self.w * (self.y - mean))
        factor = cho_factor(self._curvature(gram, scale), lower=True)
        inverse = cho_solve(factor, np.eye(rows.q))
        value = 2.0 * self._penalised(eta, u) + 2.0 * float(np.log(np.diag(factor[0])).sum())
        whole = np.zeros((p + rows.q, p + rows.q))
        whole[p:, p:] = inverse * np.outer(scale, scale)
        bend = rows.transposed(weight * (1.0 - 2.0 * mean) * rows.quadratic(whole))
        # Of the spherical mode by coefficients and standard deviations.
        du = np.empty((rows.q, len(point)))
        du[:, :p] = -inverse @ (scale[:, None] * gram[p:, :p])
        explicit = np.zeros((rows.q, len(deviation)))
        slope = np.empty(len(deviation))
        product = (gram[p:, p:] * scale) @ inverse
        for k, b in enumerate(rows.blocks):
            pull = -scale * (gram[p:, p:][:, b] @ u[b])
            pull[b] += score[p:][b]
            du[:, p + k] = inverse @ pull
            explicit[b, k] = u[b]
            slope[k] = -2.0 * float(u[b] @ score[p:][b]) + 2.0 * float(np.trace(product[b, b]))
        moved = np.zeros((p + rows.q, len(point)))
        moved[:p, :p] = np.eye(p)
        moved[p:] = scale[:, None] * du
        moved[p:, p:] += explicit
        gradient = np.concatenate([-2.0 * score[:p], slope]) + moved.T @ bend
        if self.penalty:
            square = deviation**2
            value -= self.penalty * float(np.log(square / (1.0 + square)).sum())
            gradient[p:] -= 2.0 * self.penalty / (deviation * (1.0 + square))
        return _Approximated(value, gradient, u, scale, whole, moved)


def fit_logistic(
    rows: PooledRows,
    y: np.ndarray,
    w: np.ndarray,
    start: np.ndarray,
    *,
    penalty: float = 0.0,
    tol: float = 1e-8,
    max_iter: int = 200,
) -> PooledFit:
    """Fit logit E[y] = X b + sum_k Z_k u_k.

    Parameters
    ----------
    rows : PooledRows
        With independent fixed columns.
    y, w : ndarray, shape (n,)
        Shares, and the trials behind them.
    start : ndarray, shape (p,)
        Coefficients of the fixed columns.
    penalty : float
        As in `statinf.numerics.mixed.reml`, of the variances.
    tol : float
        Largest derivative of the criterion at convergence, per unit of a coefficient's standard error.
    max_iter : int

    Raises
    ------
    ConvergenceError
    """
    from scipy.optimize import minimize

    p, k = rows.p, len(rows.sizes)
    problem = _LogisticMixed(rows, y, w, _Mode(np.zeros(rows.q)), penalty)

    def criterion(point: np.ndarray) -> tuple[float, np.ndarray]:
        found = problem.at(point)
        return found.value, found.gradient

    first = np.concatenate([start, np.full(k, 0.5)])
    bounds = [(None, None)] * p + [(1e-3 if penalty else 0.0, None)] * k
    found = minimize(
        criterion,
        first,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": max_iter, "ftol": 1e-11, "gtol": 1e-5},
    )
    point = np.where(np.arange(p + k) >= p, np.where(found.x < _NEGLIGIBLE, 0.0, found.x), found.x)
    free = (np.arange(p + k) < p) | (point > 0)
    point, spread = _polish(problem.at, point, free, tol)
    last = problem.at(point)
    moved = last.moved[:, free]
    once = last.inverse + moved @ spread @ moved.T
    # The components once more: the conditional law at their estimates is too narrow by as much on average.
    few = free[p:]
    twice = last.moved[:, p:][:, few] @ spread[p:, p:] @ last.moved[:, p:][:, few].T
    conditional = last.inverse + last.moved[:, :p] @ spread[:p, :p] @ last.moved[:, :p].T
    coef = np.concatenate([point[:p], last.scale * last.u])
    components = np.zeros((k + 1, k + 1))
    at = np.flatnonzero(few)
    components[np.ix_(at, at)] = 4.0 * np.outer(point[p:][at], point[p:][at]) * spread[p:, p:]
    return PooledFit(coef, once + twice, conditional, point[p:] ** 2, 1.0, components, last.value, int(found.nfev))


def _polish(
    at: Callable[[np.ndarray], _Approximated], point: np.ndarray, free: np.ndarray, tol: float
) -> tuple[np.ndarray, np.ndarray]:
    """Newton steps to the digits that the gradient has, and the covariance of the free parameters."""
    spread = np.eye(int(free.sum()))
    for _ in range(8):
        here = at(point)
        spread = 2.0 * np.linalg.inv(_hessian(at, point, free))
        if not (np.diag(spread) > 0).all():
            break
        units = np.sqrt(np.diag(spread))
        if np.abs(here.gradient[free] * units).max() < tol:
            return point, spread
        step = np.zeros(len(point))
        step[free] = -0.5 * spread @ here.gradient[free]
        for _ in range(30):
            trial = point + step
            if (trial[~np.isin(np.arange(len(point)), np.flatnonzero(~free))] > -np.inf).all():
                there = at(trial)
                if there.value <= here.value + 1e-12 * abs(here.value):
                    break
            step /= 2.0
        point = point + step
    gap = float(np.abs(at(point).gradient[free]).max())
    raise ConvergenceError(
        f"the likelihood of the pooled model did not settle (largest derivative {gap:.1e}); pool fewer variables, merge rare "
        "levels, or leave out columns that separate the outcomes."
    )


def _hessian(at: Callable[[np.ndarray], _Approximated], point: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Of the criterion in the free parameters, from differences of its gradient."""
    where = np.flatnonzero(free)
    out = np.empty((len(where), len(where)))
    for row, j in enumerate(where):
        h = 1e-4 * max(abs(point[j]), 0.1)
        step = np.zeros(len(point))
        step[j] = h
        out[row] = (at(point + step).gradient[where] - at(point - step).gradient[where]) / (2.0 * h)
    return 0.5 * (out + out.T)

"""Variance components of a linear mixed model by restricted maximum likelihood.

Patterson and Thompson (1971, Biometrika 58); Henderson's equations give coefficients, effects and their errors at once.
With P = W - W T M^-1 T'W the criterion's first two derivatives by the variance ratios need only S = Z'PZ and s = Z'Py, which
come from one set of sums over the rows. The errors count the variance components by the expansion of Kackar and Harville
(1984), taken twice as Prasad and Rao (1990, Journal of the American Statistical Association 85) show that it must be where
the components are estimated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from statinf.errors import ConvergenceError, DataError, NotIdentifiedError
from statinf.numerics.mixed.rows import PooledFit, PooledRows

_EXACT = 1e-14
"""Spread, relative to the outcome's size, below which residuals are rounding."""
_NEGLIGIBLE = 1e-10
"""Variance ratio, in units of the residual variance, below which a component is zero."""


@dataclass(frozen=True)
class _Restricted:
    """The criterion at ratios tau, with its derivatives."""

    value: float
    gradient: np.ndarray
    hessian: np.ndarray
    fisher: np.ndarray


@dataclass(frozen=True)
class _LinearMixed:
    rows: PooledRows
    gram: np.ndarray
    moment: np.ndarray
    square: float
    mass: float
    penalty: float = 0.0

    @property
    def df(self) -> float:
        return self.mass - self.rows.p

    def solved(self, tau: np.ndarray) -> tuple[np.ndarray, float]:
        """``B = S M^-1 S`` with S the roots of the ratios, and log det M."""
        p = self.rows.p
        scale = np.concatenate([np.ones(p), np.sqrt(self.rows.repeat(tau))])
        matrix = self.gram * np.outer(scale, scale)
        matrix[np.arange(p, len(matrix)), np.arange(p, len(matrix))] += 1.0
        factor = cho_factor(matrix, lower=True)
        inverse = cho_solve(factor, np.diag(scale)) * scale[:, None]
        return 0.5 * (inverse + inverse.T), 2.0 * float(np.log(np.diag(factor[0])).sum())

    def pieces(self, inverse: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        """Coefficients, S (q, q), s (q,) and y'Py."""
        p = self.rows.p
        coef = inverse @ self.moment
        middle = self.gram[p:, p:] - self.gram[p:] @ inverse @ self.gram[:, p:]
        score = self.moment[p:] - self.gram[p:] @ coef
        return coef, middle, score, float(self.square - self.moment @ coef)

    def at(self, tau: np.ndarray) -> _Restricted:
        inverse, logdet = self.solved(tau)
        _, middle, score, rest = self.pieces(inverse)
        blocks = self.rows.blocks
        own = np.array([np.trace(middle[b, b]) for b in blocks])
        drift = self.rows.sums(score**2)
        norms = np.array([[(middle[a, b] ** 2).sum() for b in blocks] for a in blocks])
        cross = np.array([[score[a] @ middle[a, b] @ score[b] for b in blocks] for a in blocks])
        ratio, c = self.df / rest, self.penalty
        lost, pulled, bent = 0.0, np.zeros(len(tau)), np.zeros(len(tau))
        if c:
            lost = c * float(np.log(tau / (1.0 + tau)).sum())
            pulled = c / (tau * (1.0 + tau))
            bent = pulled * (1.0 + 2.0 * tau) / (tau * (1.0 + tau))
        return _Restricted(
            logdet + self.df * float(np.log(rest)) - lost,
            own - ratio * drift - pulled,
            -norms + 2.0 * ratio * cross - ratio / rest * np.outer(drift, drift) + np.diag(bent),
            norms - np.outer(own, own) / self.df + np.diag(bent),
        )


def fit_reml(
    rows: PooledRows, y: np.ndarray, w: np.ndarray, *, penalty: float = 0.0, tol: float = 1e-9, max_iter: int = 200
) -> PooledFit:
    """Fit y = X b + sum_k Z_k u_k + e.

    Parameters
    ----------
    rows : PooledRows
        With independent fixed columns.
    y, w : ndarray, shape (n,)
        Weights count rows.
    penalty : float
        Times log(t / (1 + t)), for each variance ratio t, that is added to twice the log-likelihood. One is the prior
        s / sqrt(1 + s^2) of a relative standard deviation: near zero that of Chung et al. (2013, Psychometrika 78), which
        keeps it from zero, and flat where it is large, so that two levels are enough.
    tol : float
        Largest relative change of a variance ratio at convergence.
    max_iter : int

    Raises
    ------
    ConvergenceError
    """
    # What the fixed columns explain is taken out first: the sum of squares then loses no digits to it.
    gram = rows.gram(w)
    size = float(np.abs(y).max(initial=0.0)) or 1.0
    first = np.linalg.solve(gram[: rows.p, : rows.p], rows.x.T @ (w * (y / size)))
    left = y / size - rows.x @ first
    spread = float(np.sqrt(w @ left**2 / w.sum()))
    if spread < _EXACT:
        raise NotIdentifiedError(
            "the columns before the bar leave nothing of the outcome, or it is constant: there is nothing to pool."
        )
    unit = size * spread
    if not 1e-150 < unit < 1e150:
        raise DataError(f"the outcome's spread is {unit:.1e}: its square leaves the range of floats. Change its unit.")
    left /= spread
    problem = _LinearMixed(rows, gram, rows.transposed(w * left), float(w @ left**2), float(w.sum()), penalty)
    tau, iterations = _minimise(problem, tol, max_iter)
    inverse, logdet = problem.solved(tau)
    coef, middle, score, rest = problem.pieces(inverse)
    dispersion = rest / problem.df
    coef[: rows.p] += first / spread
    conditional = dispersion * inverse
    value = logdet + problem.df * (1.0 + float(np.log(2.0 * np.pi * dispersion)) + 2.0 * float(np.log(unit)))
    moved = _sensitivity(problem, tau, inverse, middle, score)
    free = np.flatnonzero(tau > 0)
    ratios = np.zeros((len(tau), len(tau)))
    ratios[np.ix_(free, free)] = 2.0 * np.linalg.pinv(problem.at(tau).hessian[np.ix_(free, free)], hermitian=True)
    covariance = conditional + 2.0 * moved @ ratios @ moved.T
    components = _components(problem, tau, dispersion, score, ratios)
    area = unit * unit
    return PooledFit(
        coef * unit,
        covariance * area,
        conditional * area,
        tau * dispersion * area,
        dispersion * area,
        components,
        value,
        iterations,
    )


def _components(
    problem: _LinearMixed, tau: np.ndarray, dispersion: float, score: np.ndarray, ratios: np.ndarray
) -> np.ndarray:
    """Covariance of the components' errors, in units of the residual variance, from that of the ratios and of the residual
    variance given these.
    """
    k = len(tau)
    by_ratio = -problem.rows.sums(score**2) / problem.df
    jacobian = np.zeros((k + 1, k + 1))
    jacobian[:k, :k] = dispersion * np.eye(k) + np.outer(tau, by_ratio)
    jacobian[:k, k] = tau
    jacobian[k, :k], jacobian[k, k] = by_ratio, 1.0
    errors = np.zeros((k + 1, k + 1))
    errors[:k, :k], errors[k, k] = ratios, 2.0 * dispersion**2 / problem.df
    return jacobian @ errors @ jacobian.T / dispersion**2


def _sensitivity(
    problem: _LinearMixed, tau: np.ndarray, inverse: np.ndarray, middle: np.ndarray, score: np.ndarray
) -> np.ndarray:
    """Derivatives of coefficients and effects by the variance ratios, shape (p + q, K)."""
    rows, p = problem.rows, problem.rows.p
    fixed = inverse[:p] @ problem.gram[:, p:]
    every = rows.repeat(tau)
    out = np.zeros((p + rows.q, len(tau)))
    for k, b in enumerate(rows.blocks):
        out[:p, k] = -fixed[:, b] @ score[b]
        out[p:, k] = -every * (middle[:, b] @ score[b])
        out[p:, k][b] += score[b]
    return out


def _minimise(problem: _LinearMixed, tol: float, max_iter: int) -> tuple[np.ndarray, int]:
    """Newton steps on the ratios, none of which may fall below zero; Fisher's where the criterion is not convex."""
    tau = np.ones(len(problem.rows.sizes))
    here = problem.at(tau)
    for count in range(1, max_iter + 1):
        free = (tau > 0) | (here.gradient < 0)
        if not free.any():
            return tau, count
        step = np.zeros(len(tau))
        step[free] = _step(here, free)
        length, moved, there = 1.0, tau, here
        while length > 1e-12:
            moved = np.maximum(tau + length * step, 1e-3 * tau if problem.penalty else 0.0)
            there = problem.at(moved)
            slack = 1e-13 * abs(here.value)
            if there.value <= here.value + 1e-4 * min(float(here.gradient @ (moved - tau)), 0.0) + slack:
                break
            length /= 2.0
        change = np.abs(moved - tau)
        tau, here = moved, there
        if (change <= tol * (tau + _NEGLIGIBLE)).all():
            return np.where(tau < _NEGLIGIBLE, 0.0, tau), count
    raise ConvergenceError(
        f"the variance components did not settle in {max_iter} steps (largest relative change {change.max():.1e}); pool fewer "
        "variables, or merge rare levels."
    )


def _step(here: _Restricted, free: np.ndarray) -> np.ndarray:
    at = np.ix_(free, free)
    for matrix in (here.hessian[at], here.fisher[at]):
        try:
            return -cho_solve(cho_factor(matrix), here.gradient[free])
        except np.linalg.LinAlgError:
            continue
    return -here.gradient[free] / np.maximum(np.diag(here.fisher)[free], 1e-12)

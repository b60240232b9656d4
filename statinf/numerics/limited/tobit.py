"""The censored normal likelihood in the parameters in which it is concave (Olsen 1978): delta = beta / sigma, gamma = 1 / sigma.

Each row enters through one number that is linear in (delta, gamma): s = gamma y - x'delta where the outcome was seen, and
the same with the limit in place of y where it was not. A row contributes log gamma + log phi(s), log Phi(s) at a lower
limit, and log Phi(-s) at an upper one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr

from statinf.brief import Brief
from statinf.numerics.rowwise.newton import NewtonResult, damped_newton

_CELLS = 200_000
_LOG_ROOT = 0.5 * np.log(2.0 * np.pi)
BELOW, SEEN, ABOVE = -1, 0, 1
"""Where an outcome lies: at its lower limit, seen, at its upper limit."""


@dataclass(frozen=True, repr=False)
class TobitRows(Brief):
    """Rows of a censored regression; parameters are delta (p,), then gamma.

    Attributes
    ----------
    columns : ndarray, shape (n, p)
    y : ndarray, shape (n,)
        The outcome, which is the limit where it was not seen.
    side : ndarray of int, shape (n,)
        `BELOW`, `SEEN` or `ABOVE`.
    """

    columns: np.ndarray
    y: np.ndarray
    side: np.ndarray

    @property
    def size(self) -> int:
        return self.columns.shape[1] + 1

    def curve(self, theta: np.ndarray, w: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Minus the mean log-likelihood, its gradient (d,) and Hessian (d, d); infinite where gamma is not positive."""
        d, gamma, mass = self.size, float(theta[-1]), float(w.sum())
        value, gradient, hessian = 0.0, np.zeros(d), np.zeros((d, d))
        if not gamma > 0.0:
            return np.inf, gradient, hessian
        step = max(1, _CELLS // d)
        for low in range(0, len(self.y), step):
            part = slice(low, min(low + step, len(self.y)))
            Z, y, weight = self.columns[part], self.y[part], w[part]
            logs, slope, bend = row_function(gamma * y - Z @ theta[:-1], self.side[part])
            value -= float(weight @ logs)
            slope *= weight
            bend *= weight
            gradient[:-1] += Z.T @ slope
            gradient[-1] -= slope @ y
            hessian[:-1, :-1] -= Z.T @ (Z * bend[:, None])
            hessian[:-1, -1] += Z.T @ (bend * y)
            hessian[-1, -1] -= bend @ y**2
        hessian[-1, :-1] = hessian[:-1, -1]
        seen = float(w[self.side == SEEN].sum())
        value -= seen * np.log(gamma)
        gradient[-1] -= seen / gamma
        hessian[-1, -1] += seen / gamma**2
        return value / mass, gradient / mass, hessian / mass

    def scores(self, theta: np.ndarray) -> np.ndarray:
        """Derivative of each row's log-likelihood, without weights, shape (n, d)."""
        _, slope, _ = row_function(theta[-1] * self.y - self.columns @ theta[:-1], self.side)
        last = slope * self.y + (self.side == SEEN) / theta[-1]
        return np.column_stack([-self.columns * slope[:, None], last])

    def maximise(self, w: np.ndarray, start: np.ndarray, *, tol: float, max_iter: int) -> NewtonResult:
        """Maximum likelihood under weights (n,), by damped Newton steps."""
        return damped_newton(lambda t: self.curve(t, w), start, tol=tol, max_iter=max_iter, limit=1e8)


def row_function(s: np.ndarray, side: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-likelihood of rows, less log gamma where they are seen, with its first and second derivative in s."""
    logs, slope, bend = -0.5 * s**2 - _LOG_ROOT, -s, np.full(len(s), -1.0)
    ends = np.flatnonzero(side != SEEN)
    sign = np.where(side[ends] == ABOVE, -1.0, 1.0)
    at = sign * s[ends]
    tail = log_ndtr(at)
    mills = np.exp(-0.5 * at**2 - _LOG_ROOT - tail)
    logs[ends], slope[ends], bend[ends] = tail, sign * mills, -mills * (at + mills)
    return logs, slope, bend

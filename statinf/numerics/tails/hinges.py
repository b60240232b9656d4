"""The CVaR objective with smoothed hinges: value, gradient and Hessian in the coefficients and the threshold.

The hinge max(u, 0) is min s over s - t = u with s, t >= 0. A logarithmic barrier of size eps on s and t makes it smooth;
its derivative d solves eps / (1 - d) - eps / d = u in closed form, is strictly between 0 and 1, and tends to 1{u > 0} as
eps falls. Each hinge is then wrong by at most eps, so that the duality gap at a minimum is eps times the summed weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.numerics.tails.losses import Loss


def smooth_hinge(u: np.ndarray, eps: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Value, first and second derivative of the smoothed hinge, each of the shape of `u`."""
    z = u / eps
    size = np.abs(z)
    root = np.sqrt(z * z + 4.0)
    low, high = 2.0 / (2.0 + size + root), 2.0 / (2.0 + 4.0 / (size + root))
    d, rest = np.where(z > 0, high, low), np.where(z > 0, low, high)
    value = eps / rest + eps * (np.log(rest) + np.log(d))
    return value, d, 1.0 / (eps * (1.0 / (rest * rest) + 1.0 / (d * d)))


@dataclass(frozen=True)
class TailObjective:
    """a + sum_i c_i max(l_i(theta) - a, 0) on scaled columns, or sum_i c_i l_i where there is no threshold.

    Attributes
    ----------
    Z : ndarray, shape (m, p)
    y, offset : ndarray, shape (m,)
    c : ndarray, shape (m,)
        Row weights over 1 - level.
    loss : Loss
    threshold : bool
        False at level 0, whose objective is the mean loss: with linear pieces it keeps hinges at a = 0.
    """

    Z: np.ndarray
    y: np.ndarray
    offset: np.ndarray
    c: np.ndarray
    loss: Loss
    threshold: bool = True

    @property
    def whole(self) -> bool:
        """Whether every row counts in full, so that nothing needs smoothing."""
        return not self.threshold and not self.loss.linear

    def eta(self, theta: np.ndarray) -> np.ndarray:
        """Predictors, shape (m,)."""
        return self.Z @ theta + self.offset

    def value(self, eta: np.ndarray, a: float, eps: float) -> float:
        """The smoothed objective."""
        value = self.loss.pieces(eta, self.y)[0]
        if self.whole:
            return float((value @ self.c).sum())
        return a + float((smooth_hinge(value - a, eps)[0] @ self.c).sum())

    def step(self, eta: np.ndarray, a: float, eps: float) -> tuple[float, np.ndarray, np.ndarray]:
        """Value, gradient and Hessian in (theta, a); in theta alone without a threshold."""
        value, slope, curvature = self.loss.pieces(eta, self.y)
        curvature = np.maximum(curvature, 0.0)
        if self.whole:
            d, q, total = np.ones_like(value), np.zeros_like(value), float((value @ self.c).sum())
        else:
            h, d, q = smooth_hinge(value - a, eps)
            total = a + float((h @ self.c).sum())
        d, q = d * self.c, q * self.c
        inner = (q * slope * slope + d * curvature).sum(axis=0)
        hessian = (self.Z * inner[:, None]).T @ self.Z
        gradient = self.Z.T @ (d * slope).sum(axis=0)
        if not self.threshold:
            return total, gradient, hessian
        cross = -self.Z.T @ (q * slope).sum(axis=0)
        p = len(gradient)
        full = np.empty((p + 1, p + 1))
        full[:p, :p], full[:p, p], full[p, :p], full[p, p] = hessian, cross, cross, q.sum()
        return total, np.append(gradient, 1.0 - d.sum()), full

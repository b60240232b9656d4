"""Probability vectors that match a mean in feature space, with a ridge on the weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.numerics.rowwise.newton import damped_newton


@dataclass(frozen=True)
class FeatureMatch:
    """Attributes
    ----------
    v : ndarray, shape (n,)
        Nonnegative, sum 1.
    free : ndarray of bool, shape (n,)
        Rows with a positive weight.
    theta : ndarray, shape (r,)
        Multiplier of the features: minus `strength` times the mean gap.
    residual : float
        Largest entry of the dual gradient; its first entry is the error of ``sum v``.
    iterations : int
    converged : bool
    """

    v: np.ndarray
    free: np.ndarray
    theta: np.ndarray
    residual: float
    iterations: int
    converged: bool


def match_features(
    phi: np.ndarray, target: np.ndarray, price: np.ndarray, strength: float, *, tol: float = 1e-10, max_iter: int = 200
) -> FeatureMatch:
    """Minimise ``strength |sum v phi - target|^2 + sum price v^2`` over ``v >= 0``, ``sum v = 1``.

    The dual is convex, piecewise quadratic and has only r + 1 variables, so damped Newton steps find the solution from
    anywhere: ``v_i = max(0, nu + phi_i' theta) / price_i``.

    Parameters
    ----------
    phi : ndarray, shape (n, r)
    target : ndarray, shape (r,)
    price : ndarray, shape (n,)
        Positive.
    strength : float
    tol : float
        Largest entry of the dual gradient, of which the sum of weights is one.
    max_iter : int
    """
    z = np.column_stack([np.ones(len(phi)), phi])
    linear = np.r_[1.0, target]
    ridge = np.r_[0.0, np.full(phi.shape[1], 1.0 / strength)]

    def evaluate(beta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        eta = z @ beta
        free = eta > 0.0
        v = np.where(free, eta, 0.0) / price
        part = z[free]
        hessian = (part / price[free][:, None]).T @ part
        hessian[np.diag_indices_from(hessian)] += ridge
        value = 0.5 * float(eta[free] @ v[free]) + 0.5 * float(ridge @ beta**2) - float(linear @ beta)
        return value, v @ z + ridge * beta - linear, hessian

    start = np.zeros(z.shape[1])
    start[0] = 1.0 / float(np.sum(1.0 / price))
    found = damped_newton(evaluate, start, tol=tol, max_iter=max_iter)
    eta = z @ found.beta
    v = np.maximum(eta, 0.0) / price
    size = float(np.max(np.abs(found.gradient)))
    return FeatureMatch(v / v.sum(), eta > 0.0, found.beta[1:], size, found.iterations, found.converged)

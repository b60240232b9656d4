"""A treatment bridge of logistic form: 1 plus the exponential of a linear function, by its moment equations.

``q(z, a, x) = 1 + exp(-s (1, a, z, x)'g)`` with s = 2a - 1 solves ``E[s q (1, a, w, x)] = (0, 1, 0, 0)``: an inverse probability of
the own arm, in terms of treatment proxies, that balances functions of outcome proxies and covariates between the arms. It is
exact for normal proxies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from statinf.errors import ConvergenceError
from statinf.learners.logit import Logit
from statinf.numerics.linear.symmetric import symmetric_inverse

_ROOT, _STEPS, _CLIP = 1e-10, 100, 30.0
_FOUND = 1e-6


@dataclass(frozen=True)
class InverseBridge:
    """A treatment bridge.

    Attributes
    ----------
    q : ndarray, shape (n,)
        At the row's own arm.
    by_g : ndarray, shape (n, k)
        Its derivatives by g.
    influence : ndarray, shape (n, k)
        Of each row on g, per unit of its weight.
    residual : float
        Largest moment left, in standardised columns.
    iterations : int
    """

    q: np.ndarray
    by_g: np.ndarray
    influence: np.ndarray
    residual: float
    iterations: int

    @property
    def found(self) -> bool:
        """Whether the moment equations have a root; least squares of the moments otherwise."""
        return self.residual <= _FOUND


def inverse_bridge(
    a: np.ndarray, x: np.ndarray, z: np.ndarray, w: np.ndarray, weights: np.ndarray, learn: np.ndarray | None = None
) -> InverseBridge:
    """Solve the moments by damped Newton steps, or by least squares where they have no root.

    Parameters
    ----------
    a : ndarray, shape (n,)
        0 or 1.
    x, z, w : ndarray, shape (n, .)
        Centred and scaled; z and w have equally many columns.
    weights : ndarray, shape (n,)
    learn : ndarray of bool, shape (n,), optional
        Rows that it is learnt on; all by default.
    """
    v = weights if learn is None else weights * learn
    share = v / v.sum()
    s, ones = 2.0 * a - 1.0, np.ones(len(a))
    b = np.column_stack([ones, a, z, x])
    test = np.column_stack([ones, a, w, x])
    target = (np.arange(b.shape[1]) == 1) * 1.0

    def moments(g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        odds = np.exp(np.clip(-s * (b @ g), -_CLIP, _CLIP))
        return (share * s * (1.0 + odds)) @ test - target, -(test * (share * odds)[:, None]).T @ b

    def curvature(g: np.ndarray, value: np.ndarray, jacobian: np.ndarray) -> np.ndarray:
        """Second derivatives of half the sum of squared moments."""
        odds = np.exp(np.clip(-s * (b @ g), -_CLIP, _CLIP))
        return jacobian.T @ jacobian + (b * (share * s * odds * (test @ value))[:, None]).T @ b

    g, count = _newton(moments, _start(a, z, x, v))
    value, jacobian = moments(g)
    if np.abs(value).max() > _FOUND:
        g, count = _least_squares(moments, curvature, g)
        value, jacobian = moments(g)
    odds = np.exp(np.clip(-s * (b @ g), -_CLIP, _CLIP))
    own = (s * (1.0 + odds))[:, None] * test - target - value
    scores = own @ jacobian - b * (odds * (test @ value))[:, None] - jacobian.T @ value
    influence = -scores @ symmetric_inverse(curvature(g, value, jacobian)) / v.sum()
    return InverseBridge(1.0 + odds, -b * (s * odds)[:, None], influence, float(np.abs(value).max()), count)


def _start(a: np.ndarray, z: np.ndarray, x: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The logit of the treatment on proxies and covariates; its log odds alone where these separate the arms."""
    columns = np.column_stack([z, x])
    try:
        found = Logit().fit(columns[v > 0], a[v > 0], v[v > 0])
    except ConvergenceError:
        share = float(v @ a / v.sum())
        return np.append([np.log(share / (1.0 - share)), 0.0], np.zeros(columns.shape[1]))
    return np.concatenate([[found.intercept, 0.0], found.coefficients])


MomentMap = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def _newton(moments: MomentMap, g: np.ndarray) -> tuple[np.ndarray, int]:
    value, jacobian = moments(g)
    for count in range(1, _STEPS + 1):
        size = float(np.abs(value).max())
        if size <= _ROOT:
            return g, count
        step = -np.linalg.lstsq(jacobian, value, rcond=1e-12)[0]
        step *= min(1.0, 1.0 / max(float(np.abs(step).max()), 1e-300))
        for _ in range(30):
            trial = g + step
            found, slopes = moments(trial)
            if float(np.linalg.norm(found)) < float(np.linalg.norm(value)):
                break
            step = step / 2.0
        else:
            return g, count
        g, value, jacobian = trial, found, slopes
    return g, _STEPS


def _least_squares(moments: MomentMap, curvature: Callable[..., np.ndarray], g: np.ndarray) -> tuple[np.ndarray, int]:
    """The least sum of squared moments, by trust regions and then Newton steps as far as rounding lets them."""
    from scipy.optimize import least_squares

    found = least_squares(lambda t: moments(t)[0], g, jac=lambda t: moments(t)[1], method="trf", xtol=1e-12, ftol=1e-12)
    g, count = np.asarray(found.x), int(found.nfev)
    value, jacobian = moments(g)
    slope = float(np.abs(jacobian.T @ value).max())
    for _ in range(20):
        trial = g - np.linalg.lstsq(curvature(g, value, jacobian), jacobian.T @ value, rcond=1e-14)[0]
        new, slopes = moments(trial)
        left = float(np.abs(slopes.T @ new).max())
        if left >= slope or new @ new > (value @ value) * (1.0 + 1e-9):
            break
        g, value, jacobian, slope, count = trial, new, slopes, left, count + 1
    return g, count

"""Both bridges of every row, parametric or of kernels, and the score that they make."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.effects.proximal.inverse_bridge import InverseBridge, inverse_bridge
from statinf.effects.proximal.kernel_bridge import features, kernel_bridge
from statinf.effects.proximal.linear_bridge import LinearBridge, linear_bridge
from statinf.effects.proximal.rows import ProximalProblem
from statinf.errors import DataError


@dataclass(frozen=True, repr=False)
class Bridges(Brief):
    """Bridges at the rows of a fit.

    Attributes
    ----------
    y, a : ndarray, shape (n,)
    h0, h1, q : ndarray, shape (n,)
    capped : float
        Share of rows whose q was moved to the cap.
    root : bool
        Whether the equations of q have a root.
    residual : float
    linear : LinearBridge or None
    inverse : InverseBridge or None
        Parametric bridges learnt on these very rows, whose estimation the standard errors count.
    ridges : dict of str to float
        Penalties of kernel bridges, medians over folds.
    """

    y: np.ndarray
    a: np.ndarray
    h0: np.ndarray
    h1: np.ndarray
    q: np.ndarray
    capped: float
    root: bool = True
    residual: float = 0.0
    linear: LinearBridge | None = None
    inverse: InverseBridge | None = None

    @property
    def psi(self) -> np.ndarray:
        """The doubly robust score of each row, shape (n,)."""
        own = np.where(self.a == 1.0, self.h1, self.h0)
        return (2.0 * self.a - 1.0) * self.q * (self.y - own) + self.h1 - self.h0


def parametric_bridges(
    problem: ProximalProblem,
    x: np.ndarray,
    z: np.ndarray,
    w: np.ndarray,
    modifiers: np.ndarray,
    folds: np.ndarray | None,
    cap: float,
) -> Bridges:
    """A linear outcome bridge and a treatment bridge of logistic form, on all rows or by fold."""
    y, a, v = problem.y, problem.a, problem.design.weights
    same = z.shape[1] == w.shape[1]
    exogenous = np.column_stack([np.ones(len(y)), a, x])

    def both(learn: np.ndarray | None) -> tuple[LinearBridge, InverseBridge]:
        first = z if same else _fitted(exogenous, z, w, v if learn is None else v * learn)
        return linear_bridge(y, a, modifiers, x, z, w, v, learn), inverse_bridge(a, x, first, w, v, learn)

    if folds is None:
        h, q = both(None)
        moved = float(np.average(q.q > cap, weights=v))
        return Bridges(y, a, h.h0, h.h1, np.minimum(q.q, cap), moved, q.found, q.residual, h, q)
    h0, h1, value, residual = np.empty(len(y)), np.empty(len(y)), np.empty(len(y)), 0.0
    for k in range(int(folds.max()) + 1):
        here = folds == k
        _check_arms(a, here)
        h, q = both(~here)
        h0[here], h1[here], value[here] = h.h0[here], h.h1[here], q.q[here]
        residual = max(residual, q.residual)
    moved = float(np.average(value > cap, weights=v))
    return Bridges(y, a, h0, h1, np.minimum(value, cap), moved, residual <= 1e-6, residual)


def _fitted(exogenous: np.ndarray, z: np.ndarray, w: np.ndarray, v: np.ndarray) -> np.ndarray:
    """As many combinations of the treatment proxies as there are outcome proxies: those that predict these best."""
    root = np.sqrt(v)[:, None]
    coef = np.linalg.lstsq(np.column_stack([exogenous, z]) * root, w * root, rcond=None)[0]
    return z @ coef[exogenous.shape[1] :]


def kernel_bridges(
    problem: ProximalProblem,
    x: np.ndarray,
    z: np.ndarray,
    w: np.ndarray,
    folds: np.ndarray,
    ridge: float | None,
    cap: float,
) -> Bridges:
    """Bridges of either arm from kernels, for the rows of a fold by those of the others."""
    y, a, v, seed = problem.y, problem.a, problem.design.weights, problem.seed
    by_w, by_z = features(w, x), features(z, x)
    values = {name: np.empty(len(y)) for name in ("h0", "h1", "q")}
    spread = float(np.sqrt(np.cov(y, aweights=v))) or 1.0
    for k in range(int(folds.max()) + 1):
        here = folds == k
        _check_arms(a, here)
        for arm in (0, 1):
            own = a == arm
            learn = ~here & own
            centre = float(np.average(y[learn], weights=v[learn]))
            target = (y - centre) / spread
            beta, _ = kernel_bridge(by_z, by_w, target, v * own, ~here, ridge, seed)
            values[f"h{arm}"][here] = centre + spread * (by_w[here] @ beta)
            # Around two, the inverse probability of even odds.
            counted = np.where(own[:, None], by_z, 0.0)
            beta, _ = kernel_bridge(by_w, counted, 1.0 - 2.0 * own, v, ~here, ridge, seed)
            at = here & own
            values["q"][at] = 2.0 + by_z[at] @ beta
    moved = float(np.average(values["q"] > cap, weights=v))
    return Bridges(y, a, values["h0"], values["h1"], np.clip(values["q"], 1.0, cap), moved)


def _check_arms(a: np.ndarray, here: np.ndarray) -> None:
    if len(np.unique(a[~here])) < 2:
        raise DataError("a fold holds all rows of an arm: nothing is left to learn its bridges on; use fewer folds.")

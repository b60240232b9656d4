"""Least squares over the simplex by an active set: min w'Cw subject to w >= 0 and sum w = 1."""

from __future__ import annotations

import numpy as np

from statinf.errors import ConvergenceError

_RIDGE = 1e-12
_OPTIMAL = 1e-10


def simplex_least_squares(C: np.ndarray) -> np.ndarray:
    """Weights of smallest w'Cw on the simplex.

    Parameters
    ----------
    C : (m, m)
        Positive semidefinite, such as the cross-product of prediction errors. Where it is singular the weights are
        not unique and a tiny ridge chooses among them.

    Returns
    -------
    ndarray, shape (m,)

    Examples
    --------
    >>> import numpy as np
    >>> from statinf.numerics.programs.simplex_qp import simplex_least_squares
    >>> simplex_least_squares(np.diag([1.0, 3.0])).round(3)
    array([0.75, 0.25])
    """
    m = len(C)
    C = C / max(float(np.trace(C)) / m, 1e-300)
    C = C + _RIDGE * np.eye(m)
    inside = [int(np.argmin(np.diag(C)))]
    w = np.zeros(m)
    w[inside] = 1.0
    for _ in range(50 * m + 50):
        w, inside = _solve_on(C, w, inside)
        slope = C @ w
        gap = slope - w @ slope
        gap[inside] = 0.0
        worst = int(np.argmin(gap))
        if gap[worst] >= -_OPTIMAL * np.abs(C).max():
            return w
        inside.append(worst)
    raise ConvergenceError("the active set of the ensemble weights cycled; two models may give the same predictions.")


def _solve_on(C: np.ndarray, w: np.ndarray, inside: list[int]) -> tuple[np.ndarray, list[int]]:
    """Optimum on the face of `inside`, or on the smaller face where the way there leaves the simplex."""
    while True:
        k = len(inside)
        system = np.block([[C[np.ix_(inside, inside)], np.ones((k, 1))], [np.ones((1, k)), np.zeros((1, 1))]])
        target = np.linalg.solve(system, np.append(np.zeros(k), 1.0))[:k]
        if (target >= 0).all():
            out = np.zeros(len(C))
            out[inside] = target / target.sum()
            return out, inside
        now = w[inside]
        falling = target < 0
        ratio = np.where(falling, now / np.where(falling, now - target, 1.0), np.inf)
        leave = int(np.argmin(ratio))
        w = w.copy()
        w[inside] = now + ratio[leave] * (target - now)
        w[inside[leave]] = 0.0
        inside = [j for i, j in enumerate(inside) if i != leave]

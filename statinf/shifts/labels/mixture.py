"""Shares of a mixture of known laws by maximum likelihood: the limit of the EM algorithm by a few Newton steps."""

from __future__ import annotations

import numpy as np

from statinf.errors import ConvergenceError

_MOST = 200
_LEAST = 0.1
"""Share of a row's density that a step must leave."""
_PULL = 1e-8
"""Pull back to where a step begins: classes whose densities are alike, or hardly occur, do not move far at once."""
_MANY, _EVERY = 100_000, 16


def mixture_shares(r: np.ndarray, w: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The q >= 0 that maximises sum_j w_j log(r_j q) - sum(w) sum(q).

    At the maximum the shares sum to one: the linear term is the multiplier of that constraint. Each step goes towards the
    maximum of the quadratic expansion over q >= 0, by non-negative least squares, as far as the objective rises.

    Parameters
    ----------
    r : ndarray, shape (m, k)
        Densities of the rows under each law, up to a factor of the row's own.
    w : ndarray, shape (m,)
    start : ndarray, shape (k,)
        Positive, sums to one.

    Returns
    -------
    ndarray, shape (k,)

    Raises
    ------
    ConvergenceError
        If the steps do not come to an end.
    """
    if len(r) >= 2 * _MANY:
        # A start from some of the rows leaves one or two steps on all of them.
        found = mixture_shares(np.ascontiguousarray(r[::_EVERY]), w[::_EVERY], start)
        start = 0.999 * found + 0.001 * start
    q, total = start.astype(np.float64), float(w.sum())
    size = r @ q
    loss = _loss(size, w, q, total)
    for _ in range(_MOST):
        share = r / size[:, None]
        weighted = share * w[:, None]
        slope = weighted.sum(axis=0) - total
        step = _towards(weighted.T @ share / total, slope / total, q) - q
        gain = float(slope @ step)
        # In squared standard errors of the shares.
        if gain <= 1e-20 * max(total, 1.0):
            q = np.maximum(q + step, 0.0)
            return q / q.sum()
        q, size, loss = _raised(r, w, (q, size, loss), step, gain, q * (slope / total + 1.0))
    raise ConvergenceError(
        "the class shares did not converge; the predicted probabilities hardly tell the classes apart. Use a better model, "
        "or method='rlls'."
    )


def _raised(
    r: np.ndarray,
    w: np.ndarray,
    at: tuple[np.ndarray, np.ndarray, float],
    step: np.ndarray,
    gain: float,
    em: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Shares, densities of the rows and loss after as much of a step as raises the likelihood; after one of EM if none does."""
    (q, before, loss), total = at, float(w.sum())
    length = 1.0
    for _ in range(20):
        trial = np.maximum(q + length * step, 0.0)
        size = r @ trial
        # Logarithms are no parabolas: a row whose density all but vanishes would take many steps to come back.
        if (size > _LEAST * before).all():
            new = _loss(size, w, trial, total)
            if new <= loss - 1e-4 * length * gain + 1e-13 * abs(loss):
                return trial, size, new
        length /= 2.0
    size = r @ em
    return em, size, _loss(size, w, em, total)


def _towards(gram: np.ndarray, slope: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The x >= 0 that maximises slope'(x - q) - (x - q)'gram (x - q) / 2, shape (k,)."""
    from scipy.optimize import nnls

    # Of a share above zero the mean square is at least one at the maximum; what is far below is on its way to zero.
    scale = 1.0 / np.sqrt(np.maximum(np.diag(gram), 1.0))
    values, vectors = np.linalg.eigh(gram * scale[:, None] * scale)
    root = np.sqrt(np.maximum(values, 0.0) + _PULL)
    right = (vectors.T @ (scale * (gram @ q + slope) + _PULL * q / scale)) / root
    return nnls(root[:, None] * vectors.T, right, maxiter=100 * len(q))[0] * scale


def _loss(size: np.ndarray, w: np.ndarray, q: np.ndarray, total: float) -> float:
    return total * float(q.sum()) - float(w @ np.log(size))

"""Shares of a mixture of known laws by maximum likelihood: the limit of the EM algorithm by a few Newton steps."""

from __future__ import annotations

import numpy as np

from statinf.errors import ConvergenceError

_MOST = 100
_MANY, _EVERY = 100_000, 16


def mixture_shares(r: np.ndarray, w: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The q >= 0 that maximises sum_j w_j log(r_j q) - sum(w) sum(q).

    At the maximum the shares sum to one: the linear term is the multiplier of that constraint. The objective is
    self-concordant, so that damped Newton steps converge from any start; shares at zero stay there while their slope is
    negative.

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
        free = (q > 0.0) | (slope > 1e-12 * total)
        step = _step(weighted.T @ share, slope, q, free)
        gain = float(slope @ step)
        # In squared standard errors of the shares.
        if gain <= 1e-20 * max(total, 1.0):
            q = np.maximum(q + step, 0.0)
            return q / q.sum()
        q, size, loss = _moved(r, w, q, step, loss, total)
    raise ConvergenceError(
        "the class shares did not converge; the predicted probabilities hardly tell the classes apart. Use a better model, "
        "or method='rlls'."
    )


def _step(gram: np.ndarray, slope: np.ndarray, q: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Newton's step of the shares that are free to move; those at zero that it would lower are held."""
    while True:
        step = np.zeros_like(q)
        step[free] = np.linalg.lstsq(gram[np.ix_(free, free)], slope[free], rcond=1e-13)[0]
        held = free & (q <= 0.0) & (step < 0.0)
        if not held.any():
            return step
        free = free & ~held


def _moved(
    r: np.ndarray, w: np.ndarray, q: np.ndarray, step: np.ndarray, loss: float, total: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Shares after as much of a step as lowers the loss and keeps them above zero."""
    down = step < 0.0
    reach = float(np.min(q[down] / -step[down], initial=np.inf))
    length = min(1.0, reach)
    for _ in range(60):
        trial = np.maximum(q + length * step, 0.0)
        if length == reach:
            trial[down & (q / -np.where(down, step, -1.0) <= reach)] = 0.0
        size = r @ trial
        if size.min() > 0.0:
            new = _loss(size, w, trial, total)
            if new <= loss + 1e-13 * abs(loss):
                return trial, size, new
        length /= 2.0
    raise ConvergenceError("the likelihood of the class shares cannot be raised; check the predicted probabilities.")


def _loss(size: np.ndarray, w: np.ndarray, q: np.ndarray, total: float) -> float:
    return total * float(q.sum()) - float(w @ np.log(size))

"""Calibration of class probabilities on rows of known classes: softmax(a log f + b).

Guo, Pleiss, Sun and Weinberger (2017, arXiv 1706.04599) for the temperature 1 / a; Alexandari, Kundaje and Shrikumar (2020,
arXiv 1901.06852) for the class biases b, with which the mean probabilities are the class shares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.errors import ConvergenceError
from statinf.learners.multinomial import softmax

_FLOOR = 1e-12
_MOST = 60
_STEEP = 1e4
_LARGE = 300.0
"""Range of the biases up to which exponentials neither overflow nor vanish."""
_MANY, _EVERY = 200_000, 16
_TOLERANCE = 1e-20
"""Squared standard errors from the maximum."""
_CERTAIN = 1e-8
"""Information per row below which the classes are known and nothing is left to calibrate."""


def logarithms(probabilities: np.ndarray) -> np.ndarray:
    """Logarithms of probabilities (n, k), of zero that of a very small one."""
    return np.log(np.maximum(probabilities, _FLOOR))


@dataclass(frozen=True, repr=False)
class ScaledLogs(Brief):
    """Slope and biases, and how they move.

    Attributes
    ----------
    slope : float
        The inverse temperature.
    bias : ndarray, shape (k,)
        Zero for the first class.
    free : ndarray of bool, shape (k + 1,)
        Which of the slope and the biases were estimated.
    information : ndarray, shape (r, r)
        Of the estimated ones.
    scores : ndarray, shape (n, r)
        Of the rows that it was fitted to.
    """

    slope: float
    bias: np.ndarray
    free: np.ndarray
    information: np.ndarray
    scores: np.ndarray

    def apply(self, logs: np.ndarray) -> np.ndarray:
        """Calibrated probabilities of rows with logarithms (n, k)."""
        return softmax(self.slope * logs + self.bias)


def calibrate(logs: np.ndarray, codes: np.ndarray, w: np.ndarray, biased: bool) -> ScaledLogs:
    """Maximum likelihood of slope and, if `biased`, biases.

    Parameters
    ----------
    logs : ndarray, shape (n, k)
        Logarithms of probabilities from a model that has not seen the rows.
    codes : ndarray of int, shape (n,)
    w : ndarray, shape (n,)
    biased : bool

    Raises
    ------
    ConvergenceError
        If the likelihood has no maximum.
    """
    k = logs.shape[1]
    free = np.ones(k + 1, bool)
    free[1] = False
    if not biased:
        free[2:] = False
    at = np.append(1.0, np.zeros(k))
    if len(logs) >= _MANY:
        # A start from some of the rows leaves a step or two on all of them.
        at = _maximum(logs[::_EVERY], codes[::_EVERY], w[::_EVERY], free, at)[0]
    at, gram, scores = _maximum(logs, codes, w, free, at)
    return ScaledLogs(float(at[0]), at[1:], free, gram[np.ix_(free, free)], scores[:, free])


def _maximum(
    logs: np.ndarray, codes: np.ndarray, w: np.ndarray, free: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slope and biases (k + 1,) by Newton's method, with information (k + 1, k + 1) and scores (n, k + 1) there."""
    rows, ones = np.arange(len(logs)), np.ones(logs.shape[1])

    def state(theta: np.ndarray) -> tuple[float, np.ndarray]:
        eta = theta[0] * logs
        eta += theta[1:]
        most = eta.max(axis=1) if theta[0] <= 0.0 or np.ptp(theta[1:]) > _LARGE else 0.0
        if np.ndim(most):
            eta -= np.asarray(most)[:, None]
        own = eta[rows, codes].copy()
        np.exp(eta, out=eta)
        total = eta @ ones
        eta /= total[:, None]
        return float(w @ (np.log(total) - own)), eta

    at = start
    loss, chance = state(at)
    for _ in range(_MOST):
        gram, scores = _pieces(logs, codes, w, chance)
        slope = scores.sum(axis=0)[free]
        step = np.zeros(len(at))
        step[free] = np.linalg.lstsq(gram[np.ix_(free, free)], slope, rcond=1e-13)[0]
        gain = float(slope @ step[free])
        if gain <= _TOLERANCE * min(float(w.sum()), 1.0):
            if float(np.trace(gram[1:, 1:])) < _CERTAIN * float(w.sum()):
                break
            return at, gram, scores
        for _ in range(40):
            new, moved = state(at + step)
            if new <= loss + 1e-12 * abs(loss):
                break
            step = step / 2.0
        at, loss, chance = at + step, new, moved
        if abs(at[0]) > _STEEP:
            break
    raise ConvergenceError(
        "the calibration of the class probabilities has no maximum: they separate the classes of the source. Use "
        "calibration=None."
    )


def _pieces(logs: np.ndarray, codes: np.ndarray, w: np.ndarray, chance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Information (k + 1, k + 1) and scores (n, k + 1) of slope and biases."""
    k = chance.shape[1]
    ones = np.ones(k)
    by_log = chance * logs
    mean = by_log @ ones
    weighted = chance * w[:, None]
    gram = np.empty((k + 1, k + 1))
    gram[0, 0] = float(np.einsum("i,ij,ij->", w, by_log, logs)) - float(w @ mean**2)
    gram[0, 1:] = gram[1:, 0] = w @ by_log - mean @ weighted
    gram[1:, 1:] = np.diag(w @ chance) - weighted.T @ chance
    scores = np.empty((len(w), k + 1))
    np.negative(weighted, out=scores[:, 1:])
    scores[np.arange(len(w)), codes + 1] += w
    scores[:, 0] = w * logs[np.arange(len(w)), codes] - w * mean
    return gram, scores

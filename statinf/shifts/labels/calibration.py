"""Calibration of class probabilities on rows of known classes: softmax(a log f + b).

Guo, Pleiss, Sun and Weinberger (2017, arXiv 1706.04599) for the temperature 1 / a; Alexandari, Kundaje and Shrikumar (2020,
arXiv 1901.06852) for the class biases b, with which the mean probabilities are the class shares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.backend import row_blocks
from statinf.brief import Brief
from statinf.errors import ConvergenceError

_FLOOR = 1e-12
_MOST = 60
_STEEP = 1e4
_LARGE = 300.0
"""Logarithms up to which exponentials neither overflow nor vanish."""
_BLOCK = 1 << 15
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
    """

    slope: float
    bias: np.ndarray
    free: np.ndarray
    information: np.ndarray

    def apply(self, logs: np.ndarray) -> np.ndarray:
        """Calibrated probabilities of rows with logarithms (n, k)."""
        out = np.empty_like(logs)
        for rows in row_blocks(len(logs), logs.shape[1], _BLOCK):
            out[rows] = _chances(np.append(self.slope, self.bias), logs[rows])[0]
        return out

    def scores(self, logs: np.ndarray, codes: np.ndarray, w: np.ndarray, chance: np.ndarray) -> np.ndarray:
        """Scores of rows whose calibrated probabilities are `chance` (n, k), shape (n, r)."""
        at = np.arange(len(w))
        out = np.empty((len(w), logs.shape[1] + 1))
        np.multiply(chance, -w[:, None], out=out[:, 1:])
        out[:, 0] = (out[:, 1:] * logs) @ np.ones(logs.shape[1]) + w * logs[at, codes]
        out[at, codes + 1] += w
        return out if self.free.all() else out[:, self.free]


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
        at = _maximum(np.ascontiguousarray(logs[::_EVERY]), codes[::_EVERY], w[::_EVERY], free, at)[0]
    at, gram = _maximum(logs, codes, w, free, at)
    return ScaledLogs(float(at[0]), at[1:], free, gram[np.ix_(free, free)])


def _maximum(
    logs: np.ndarray, codes: np.ndarray, w: np.ndarray, free: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Slope and biases (k + 1,) by Newton's method, and the information (k + 1, k + 1) there."""
    at, total = start, float(w.sum())
    loss, slope, gram = _sums(logs, codes, w, at)
    for _ in range(_MOST):
        step = np.zeros(len(at))
        step[free] = np.linalg.lstsq(gram[np.ix_(free, free)], slope[free], rcond=1e-13)[0]
        gain = float(slope @ step)
        if gain <= _TOLERANCE * min(total, 1.0):
            if float(np.trace(gram[1:, 1:])) < _CERTAIN * total:
                break
            return at + step, gram
        for _ in range(40):
            made = _sums(logs, codes, w, at + step)
            if made[0] <= loss + 1e-12 * abs(loss):
                break
            step = step / 2.0
        at, (loss, slope, gram) = at + step, made
        if abs(at[0]) > _STEEP:
            break
    raise ConvergenceError(
        "the calibration of the class probabilities has no maximum: they separate the classes of the source. Use "
        "calibration=None."
    )


def _chances(theta: np.ndarray, logs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities (n, k), the logarithms of their sums (n,) before scaling, and what was taken off these."""
    eta = theta[0] * logs
    eta += theta[1:]
    most = np.zeros(len(eta))
    if eta.max(initial=0.0) > _LARGE or eta.min(initial=0.0) < -_LARGE:
        most = eta.max(axis=1)
        eta -= most[:, None]
    np.exp(eta, out=eta)
    total = eta @ np.ones(eta.shape[1])
    eta /= total[:, None]
    return eta, np.log(total), most


def _sums(
    logs: np.ndarray, codes: np.ndarray, w: np.ndarray, theta: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Loss, score (k + 1,) and information (k + 1, k + 1) of slope and biases, over blocks that stay in cache."""
    k = logs.shape[1]
    loss, slope, gram, ones = 0.0, np.zeros(k + 1), np.zeros((k + 1, k + 1)), np.ones(k)
    for rows in row_blocks(len(logs), logs.shape[1], _BLOCK):
        own, code, v = logs[rows], codes[rows], w[rows]
        chance, size, most = _chances(theta, own)
        of_class = own[np.arange(len(v)), code]
        by_log = chance * own
        mean = by_log @ ones
        weighted = chance * v[:, None]
        mass = np.bincount(code, v, minlength=k)
        loss += float(v @ (size + most - theta[0] * of_class)) - float(mass @ theta[1:])
        slope[0] += float(v @ (of_class - mean))
        fitted = v @ chance
        slope[1:] += mass - fitted
        gram[0, 0] += float(v @ ((by_log * own) @ ones - mean**2))
        gram[0, 1:] += v @ by_log - mean @ weighted
        gram[1:, 1:] += np.diag(fitted) - weighted.T @ chance
    gram[1:, 0] = gram[0, 1:]
    return loss, slope, gram

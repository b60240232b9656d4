"""Conformal thresholds and p-values from scores weighted by how near their rows are, for each new row."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from statinf.backend import chunks

_TIE = 1e-12
_ENTRIES = 1 << 21
_STEPS = 60


def localized_thresholds(
    scores: np.ndarray,
    at: np.ndarray,
    centres: np.ndarray,
    new: np.ndarray,
    bandwidth: float,
    level: float,
    weights: np.ndarray | None = None,
    new_weights: np.ndarray | None = None,
) -> np.ndarray:
    """Quantiles (m, tails) of the scores and of infinity under a Gaussian kernel around one centre per new row.

    Parameters
    ----------
    scores : ndarray, shape (n, tails)
    at, new : ndarray, shape (n, d) and (m, d)
        Where calibration and new rows are.
    centres : ndarray, shape (m, d)
        Infinity weighs as much as the kernel says of the new row itself.
    bandwidth : float
    level : float
    weights, new_weights : ndarray, shape (n,) and (m,), optional
        Density ratios, which multiply the kernel.

    Returns
    -------
    ndarray, shape (m, tails)
        Infinite where a new row holds more than ``1 - level`` of the weight.

    Examples
    --------
    >>> import numpy as np
    >>> from statinf.inference.localized import localized_thresholds
    >>> scores, at = np.arange(1.0, 41.0)[:, None], np.repeat([0.0, 9.0], 20)[:, None]
    >>> new = np.array([[0.0], [9.0]])
    >>> localized_thresholds(scores, at, new, new, 0.5, 0.9).ravel()
    array([19., 39.])
    """
    tails = scores.shape[1]
    order = np.argsort(scores, axis=0, kind="stable")
    ranked = np.vstack([np.take_along_axis(scores, order, axis=0), np.full(tails, np.inf)])
    out = np.empty((len(new), tails))
    for part, kernel, own in _local_weights(at, centres, new, bandwidth, weights, new_weights):
        for t in range(tails):
            cumulated = np.cumsum(kernel[:, order[:, t]], axis=1)
            target = level * (cumulated[:, -1] + own) * (1.0 - _TIE)
            rank = (cumulated < target[:, None]).sum(axis=1)
            # Without any weight nothing is known of the row.
            out[part, t] = np.where(target > 0.0, ranked[rank, t], np.inf)
    return out


def localized_p_values(
    scores: np.ndarray,
    new_scores: np.ndarray,
    at: np.ndarray,
    centres: np.ndarray,
    new: np.ndarray,
    bandwidth: float,
    ties: np.ndarray | float = 1.0,
    weights: np.ndarray | None = None,
    new_weights: np.ndarray | None = None,
) -> np.ndarray:
    """Conformal p-values (m,) under a Gaussian kernel around one centre per new row.

    Given the centre, a new row and the calibration rows are exchangeable up to the kernel's weights (Hore and Barber, 2025),
    so that the weighted share of scores that are at least as large as the row's own is a p-value.

    Parameters
    ----------
    scores, new_scores : ndarray, shape (n, tails) and (m, tails)
    at, centres, new, bandwidth, weights, new_weights
        As in `localized_thresholds`.
    ties : ndarray, shape (m,), or float
        Share of the ties, the new row's own weight among them, that counts.

    Returns
    -------
    ndarray, shape (m,)
        With two tails twice the smaller one, at most one; one where no row has weight.

    Examples
    --------
    >>> import numpy as np
    >>> from statinf.inference.localized import localized_p_values
    >>> scores, at = np.arange(1.0, 41.0)[:, None], np.repeat([0.0, 9.0], 20)[:, None]
    >>> new = np.array([[0.0], [9.0]])
    >>> localized_p_values(scores, np.array([[20.0], [20.0]]), at, new, new, 0.5).round(3)
    array([0.095, 1.   ])
    """
    m, tails = new_scores.shape
    draws = np.broadcast_to(np.asarray(ties, np.float64), (m,))
    out = np.empty((m, tails))
    for part, kernel, own in _local_weights(at, centres, new, bandwidth, weights, new_weights):
        total = kernel.sum(axis=1) + own
        for t in range(tails):
            value = new_scores[part, t, None]
            above = np.where(scores[:, t] > value, kernel, 0.0).sum(axis=1)
            tied = np.where(scores[:, t] == value, kernel, 0.0).sum(axis=1) + own
            known = total > 0.0
            out[part, t] = np.where(known, (above + draws[part] * tied) / np.where(known, total, 1.0), 1.0)
    return np.minimum(1.0, tails * out.min(axis=1))


def _local_weights(
    at: np.ndarray,
    centres: np.ndarray,
    new: np.ndarray,
    bandwidth: float,
    weights: np.ndarray | None,
    new_weights: np.ndarray | None,
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Some new rows (k), the weights of the calibration rows at each (k, n), and its own (k,), up to a factor per row."""
    with np.errstate(divide="ignore"):
        base = np.zeros(len(at)) if weights is None else np.log(weights)
        own = np.zeros(len(new)) if new_weights is None else np.log(new_weights)
    own = own + log_kernel_of_pairs(new, centres, bandwidth)
    for part in chunks(len(new), max(1, _ENTRIES // max(1, len(at)))):
        kernel = log_kernel(centres[part], at, bandwidth) + base
        # Only ratios of weights count: the largest is one, so that far rows do not all vanish.
        top = np.maximum(kernel.max(axis=1), own[part])
        top = np.where(np.isfinite(top), top, 0.0)
        yield part, np.exp(kernel - top[:, None]), np.exp(own[part] - top)


def log_kernel(x: np.ndarray, z: np.ndarray, bandwidth: float) -> np.ndarray:
    """``-|x_i - z_j|^2 / (2 bandwidth^2)``, shape (m, n)."""
    squares = np.zeros((len(x), len(z)))
    for one, other in zip(x.T, z.T, strict=True):
        squares += np.square((one[:, None] - other) / bandwidth)
    return -0.5 * squares


def log_kernel_of_pairs(x: np.ndarray, z: np.ndarray, bandwidth: float) -> np.ndarray:
    """The same for pairs of rows, shape (m,)."""
    return -0.5 * np.square((x - z) / bandwidth).sum(axis=1)


def bandwidth_for(z: np.ndarray, share: float) -> float:
    """The bandwidth at which a row's neighbours are worth a share of all rows.

    Weights k of the rows around one of them are worth ``(sum k)^2 / sum k^2`` equal ones; the median over rows is set.

    Parameters
    ----------
    z : ndarray, shape (n, d)
        Rows on scales alike; those with the same values are in every neighbourhood.
    share : float
        In (0, 1).
    """
    gap = -2.0 * log_kernel(z, z, 1.0)
    low, high = -12.0, 12.0
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        kernel = np.exp(-0.5 * gap * np.exp(-2.0 * middle))
        worth = float(np.median(kernel.sum(axis=1) ** 2 / np.square(kernel).sum(axis=1)))
        low, high = (middle, high) if worth < share * len(z) else (low, middle)
    return float(np.exp(high))

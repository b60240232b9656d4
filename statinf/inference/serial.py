"""Long-run covariances of a series of scores: kernels, bandwidths, prewhitening.

Newey and West (1987, 1994), Andrews (1991), Andrews and Monahan (1992), with the conventions of R's sandwich (Zeileis 2004):
lag l has the weight k(l / bandwidth), a number L of lags is the bandwidth L + 1, and automatic bandwidths are those of its
`bwNeweyWest` and `bwAndrews` (AR(1)), from the scores of the columns as given without the constant's. Rows come in the
order of time.
"""

from __future__ import annotations

import numpy as np

from statinf.errors import NotIdentifiedError

_TOL = 1e-7
"""Weights below it at the end of the series are left out."""
_BY_TRANSFORM = 64
"""Lags from which a Fourier transform is faster than one product a lag."""
_RATES = {
    "bartlett": (2.0 / 9.0, 1, 1.1447),
    "parzen": (4.0 / 25.0, 2, 2.6614),
    "quadratic-spectral": (2.0 / 25.0, 2, 1.3221),
}
"""Exponent of the number of autocovariances, order of the kernel, constant of the best bandwidth."""


def kernel(x: np.ndarray, name: str) -> np.ndarray:
    """Weights at lags relative to the bandwidth, x >= 0."""
    if name == "bartlett":
        return np.maximum(1.0 - x, 0.0)
    if name == "parzen":
        return np.where(x < 0.5, 1.0 - 6.0 * x**2 + 6.0 * x**3, 2.0 * np.maximum(1.0 - x, 0.0) ** 3)
    y = 1.2 * np.pi * np.maximum(x, 1e-300)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        far = 3.0 / y**2 * (np.sin(y) / y - np.cos(y))
    # 3 / y^2 (sin(y) / y - cos(y)) = 1 - y^2 / 10 + y^4 / 280 - y^6 / 15120 + ...
    near = 1.0 - y**2 / 10.0 + y**4 / 280.0 - y**6 / 15120.0
    return np.where(y < 0.05, near, far)


def lag_weights(name: str, bandwidth: float, n: int) -> np.ndarray:
    """Weights of lags 0, 1, ... of a series of n, the last ones that count for nothing left out."""
    if bandwidth <= 0:
        return np.ones(1)
    weights = kernel(np.arange(n) / bandwidth, name)
    return weights[: int(np.flatnonzero(np.abs(weights) > _TOL)[-1]) + 1]


def long_run(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sum over lags of weight times (autocovariance + its transpose), sums over rows, shape (q, q).

    Parameters
    ----------
    scores : ndarray, shape (n, q)
    weights : ndarray, shape (lags + 1,)
    """
    n = len(scores)
    lags = min(len(weights), n) - 1
    if lags >= _BY_TRANSFORM:
        smoothed = _smoothed(scores, weights[: lags + 1])
        return _symmetric(scores.T @ smoothed)
    out = 0.5 * weights[0] * (scores.T @ scores)
    for lag in range(1, lags + 1):
        out += weights[lag] * (scores[: n - lag].T @ scores[lag:])
    return out + out.T


def _smoothed(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sum over all rows s of weight |t - s| times their scores, for each row t, shape (n, q)."""
    from scipy import fft

    n = len(scores)
    length = fft.next_fast_len(2 * n, real=True)
    symmetric = np.zeros(length)
    symmetric[: len(weights)] = weights
    symmetric[length - len(weights) + 1 :] = weights[:0:-1]
    spectrum = fft.rfft(symmetric).real
    out = np.empty_like(scores)
    for j, column in enumerate(scores.T):
        out[:, j] = fft.irfft(fft.rfft(column, length) * spectrum, length)[:n]
    return out


def panel_sums(scores: np.ndarray, key: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Long-run sums within units, shape (q, q); rows of one unit that are `lag` times apart have keys `lag` apart.

    Parameters
    ----------
    scores : ndarray, shape (n, q)
    key : ndarray of int, shape (n,)
        Ascending; keys of different units are further apart than there are lags.
    weights : ndarray, shape (lags + 1,)
    """
    out = 0.5 * weights[0] * (scores.T @ scores)
    for lag in range(1, len(weights)):
        place = np.minimum(np.searchsorted(key, key + lag), len(key) - 1)
        first = np.flatnonzero(key[place] == key + lag)
        out += weights[lag] * (scores[first].T @ scores[place[first]])
    return out + out.T


def prewhitened(scores: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Residuals (n - order, q) of a vector autoregression without constant, and the matrix (q, q) that colours them again.

    Raises
    ------
    NotIdentifiedError
        If the series is too short, or its autoregression has a unit root.
    """
    n, q = scores.shape
    if n - order <= order * q:
        raise NotIdentifiedError(
            f"{n} times are too few for prewhitening {q} scores with {order} lags; leave 'prewhite' out."
        )
    before = np.column_stack([scores[order - lag : n - lag] for lag in range(1, order + 1)])
    scale = np.sqrt((before**2).sum(axis=0))
    scale = np.where(scale > 0, scale, 1.0)
    found, _, rank, _ = np.linalg.lstsq(before / scale, scores[order:], rcond=1e-12)
    coef = found / scale[:, None]
    total = sum(coef[lag * q : (lag + 1) * q].T for lag in range(order))
    left = np.eye(q) - total
    if rank < order * q or np.linalg.cond(left) > 1e10:
        raise NotIdentifiedError(
            "prewhitening failed: the autoregression of the scores is singular or has a unit root; leave 'prewhite' out."
        )
    return scores[order:] - before @ coef, np.linalg.inv(left)


def newey_west_bandwidth(scores: np.ndarray, counted: np.ndarray, name: str, order: int) -> float:
    """The bandwidth of Newey and West (1994).

    Parameters
    ----------
    scores : ndarray, shape (n, q)
        Of the columns as given.
    counted : ndarray, shape (q,)
        Weight of each column's scores: zero for the constant.
    name : str
        Kernel.
    order : int
        Of the prewhitening; 0 for none.
    """
    n = len(scores)
    rate, power, constant = _RATES[name]
    lags = int((3.0 if order else 4.0) * (n / 100.0) ** rate)
    left = prewhitened(scores, order)[0] if order else scores
    series = left @ counted
    m = len(series)
    sigma = np.array([series[: m - j] @ series[j:] for j in range(min(lags, m - 1) + 1)]) / m
    j = np.arange(1, len(sigma))
    level, curve = sigma[0] + 2.0 * sigma[1:].sum(), 2.0 * (j**power * sigma[1:]).sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.abs(curve / level)
    return _usable(constant * (ratio**2 * n) ** (1.0 / (2 * power + 1)), n)


def andrews_bandwidth(scores: np.ndarray, counted: np.ndarray, name: str, order: int) -> float:
    """The bandwidth of Andrews (1991) from a first-order autoregression of each score; see `newey_west_bandwidth`."""
    left = prewhitened(scores, order)[0] if order else scores
    n = len(left)
    now, before = left[1:] - left[1:].mean(axis=0), left[:-1] - left[:-1].mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        rho = (now * before).sum(axis=0) / (before**2).sum(axis=0)
        variance = ((now - rho * before) ** 2).mean(axis=0)
        use = (counted != 0) & (variance > 0)
        rho, variance, weight = rho[use], variance[use], counted[use]
        # In units of the largest, as fourth powers of scores overflow.
        variance = variance / variance.max(initial=0.0)
        below = (weight * variance**2 / (1.0 - rho) ** 4).sum()
        above = weight * 4.0 * rho**2 * variance**2
        if name == "bartlett":
            alpha = (above / ((1.0 - rho) ** 6 * (1.0 + rho) ** 2)).sum() / below
        else:
            alpha = (above / (1.0 - rho) ** 8).sum() / below
    power = _RATES[name][1]
    return _usable(_RATES[name][2] * (n * alpha) ** (1.0 / (2 * power + 1)), n)


def _usable(bandwidth: float, n: int) -> float:
    if not np.isfinite(bandwidth):
        raise NotIdentifiedError(
            f"the automatic bandwidth does not exist for these {n} scores, which do not vary or have a unit root; give a number "
            "of lags."
        )
    return float(bandwidth)


def _symmetric(matrix: np.ndarray) -> np.ndarray:
    return 0.5 * (matrix + matrix.T)

"""One-dimensional normal mixtures, one a row: densities, distribution functions, quantiles, draws.

Arrays are weights, means and scales of shape (n, K); points are (n, m), m points for each row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, ndtr, ndtri

from statinf.backend import chunks, generator, rows_per_chunk

_LOG_ROOT_2PI = 0.5 * np.log(2.0 * np.pi)


@dataclass(frozen=True)
class NormalMixture:
    """Row-wise mixtures of K normals.

    Attributes
    ----------
    weights, means, scales : ndarray, shape (n, K)
        Weights sum to one in each row; scales are standard deviations.
    """

    weights: np.ndarray
    means: np.ndarray
    scales: np.ndarray

    def __len__(self) -> int:
        return len(self.weights)

    def rows(self, index: np.ndarray | slice) -> NormalMixture:
        """The mixtures of some rows."""
        return NormalMixture(self.weights[index], self.means[index], self.scales[index])

    def _standard(self, y: np.ndarray) -> np.ndarray:
        return (y[:, :, None] - self.means[:, None, :]) / self.scales[:, None, :]

    def log_density(self, y: np.ndarray) -> np.ndarray:
        """Log densities (n, m) at points (n, m)."""
        with np.errstate(divide="ignore"):
            level = np.log(self.weights) - np.log(self.scales) - _LOG_ROOT_2PI
        return self._by_chunks(y, lambda part, at: logsumexp(level[part][:, None, :] - 0.5 * at**2, axis=2))

    def cdf(self, y: np.ndarray) -> np.ndarray:
        """Distribution functions (n, m) at points (n, m); infinite points allowed."""
        return self._by_chunks(y, lambda part, at: np.einsum("nk,nmk->nm", self.weights[part], ndtr(at)))

    def _by_chunks(self, y: np.ndarray, value) -> np.ndarray:
        y = np.asarray(y, np.float64)
        out = np.empty(y.shape)
        size = rows_per_chunk(24.0 * y.shape[1] * self.weights.shape[1], 64 * 2**20)
        for part in chunks(len(y), size):
            out[part] = value(part, self.rows(part)._standard(y[part]))
        return out

    def mean(self) -> np.ndarray:
        """Means (n,)."""
        return np.einsum("nk,nk->n", self.weights, self.means)

    def std(self) -> np.ndarray:
        """Standard deviations (n,)."""
        gap = self.means - self.mean()[:, None]
        return np.sqrt(np.einsum("nk,nk->n", self.weights, self.scales**2 + gap**2))

    def quantile(self, taus: np.ndarray) -> np.ndarray:
        """Quantiles (n, t) at levels (t,) in (0, 1), by bisection to 1e-13 of the bracket."""
        taus = np.asarray(taus, np.float64)
        z = ndtri(taus)[None, :, None]
        ends = self.means[:, None, :] + self.scales[:, None, :] * z
        low, high = ends.min(axis=2), ends.max(axis=2)
        if self.weights.shape[1] == 1:
            return low
        for _ in range(60):
            middle = 0.5 * (low + high)
            below = self.cdf(middle) < taus
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return 0.5 * (low + high)

    def sample(self, size: int, *, seed: int = 0, stream: int = 0) -> np.ndarray:
        """Draws (n, size) that use the same random numbers in every row.

        A row's draws depend on its mixture, the seed and the stream alone: not on the other rows of the
        call, nor on their order. Draws are independent along the second axis.
        """
        random = generator(seed, 71, stream)
        uniform, normal = random.random(size), random.standard_normal(size)
        if self.weights.shape[1] == 1:
            return self.means + self.scales * normal
        edges = np.cumsum(self.weights, axis=1)
        edges /= edges[:, -1:]
        out = np.empty((len(self), size))
        for part in chunks(len(self), rows_per_chunk(16.0 * size, 64 * 2**20)):
            pick = np.zeros((part.stop - part.start, size), np.intp)
            for k in range(edges.shape[1] - 1):
                pick += edges[part, k, None] <= uniform
            centre = np.take_along_axis(self.means[part], pick, axis=1)
            out[part] = centre + np.take_along_axis(self.scales[part], pick, axis=1) * normal
        return out

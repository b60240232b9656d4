"""Degrees of freedom of clustered covariances where errors have a random effect of the cluster (Imbens and Kolesar 2016).

The variance estimate is a sum of squares p_g'e over clusters, as in `satterthwaite`, but the errors of the working model have the
variance s^2 and the covariance r within clusters, estimated by Moulton's moments of the residuals, r at least zero. With Z the
indicators of clusters, the inner products are s^2 P'P + r (Z'P)'(Z'P), and Z'P needs of a cluster only the sums
t_g = Q_g'1 and a_g = Q_g'A_g 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.errors import NotIdentifiedError
from statinf.inference.satterthwaite import ClusterDegrees

MOST_CLUSTERS = 4000
"""Clusters beyond which their square takes too much memory; there are then enough of them for any degrees of freedom."""


@dataclass(frozen=True, repr=False)
class RandomEffectDegrees(ClusterDegrees):
    """Degrees of freedom of combinations under a random effect of the cluster.

    Attributes
    ----------
    sums, corrected : ndarray, shape (clusters, q)
        t_g and a_g, in the order of the parts.
    own, shared : float
        s^2 and r.
    """

    sums: np.ndarray
    corrected: np.ndarray
    own: float
    shared: float

    def _some(self, directions: np.ndarray) -> np.ndarray:
        made = list(self._products(directions))
        b = np.concatenate([b for b, _ in made])
        d = np.concatenate([np.einsum("gsm,gsm->gm", half, half) for _, half in made])
        out = np.full(directions.shape[1], np.nan)
        for j in range(len(out)):
            inner = self._inner(b[:, :, j], d[:, j], self.corrected @ directions[:, j])
            trace = float(np.trace(inner))
            if trace > 0:
                out[j] = trace**2 / float((inner**2).sum())
        return out

    def _inner(self, b: np.ndarray, d: np.ndarray, a: np.ndarray) -> np.ndarray:
        """Inner products of the clusters' shares, shape (clusters, clusters), for one combination."""
        across = a[:, None] * (self.sums @ b.T)
        inner = self.shared * (b @ (self.sums.T @ self.sums) @ b.T - across - across.T) - self.own * (b @ b.T)
        inner[np.diag_indices_from(inner)] += self.own * d + self.shared * a**2
        return inner

    def joint(self) -> float:
        raise NotIdentifiedError(
            "several restrictions have Satterthwaite's degrees of freedom; ask for clusters with 'type': 'CR2' and no 'df', or "
            "test one at a time."
        )


def moulton(residual: np.ndarray, codes: np.ndarray) -> tuple[float, float]:
    """Variance of a row's own error, and what rows of a cluster share, both at least zero."""
    n, squares = len(residual), float(residual @ residual)
    sums, sizes = np.bincount(codes, weights=residual), np.bincount(codes).astype(np.float64)
    pairs = float(sizes @ sizes) - n
    shared = max((float(sums @ sums) - squares) / pairs, 0.0) if pairs > 0 else 0.0
    return max(squares / n - shared, 0.0), shared

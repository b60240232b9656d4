"""Degrees of freedom of clustered covariances: Satterthwaite's, and those of several restrictions at once.

The variance of a combination c'b is estimated by a sum of squares over clusters, sum_g (p_g' u)^2, of errors u that under a
working model are independent with variances inverse to the weights. Its mean and variance there give a scaled
chi-square of the same two moments (Satterthwaite 1946; Bell and McCaffrey 2002), and for several restrictions a Wishart
matrix, hence Hotelling's T-squared (Pustejovsky and Tipton 2018, arXiv 1601.01981: the test AHT, by the name HTZ).

Everything is in orthonormal columns Q = W^(1/2) X R^-1, in which all variances are one. With A_g the correction there, the
inner products are

    p_g'p_h = [g = h] c'D_g c - (B_g c)'(B_h c),    B_g = Q_g'A_g'Q_g,  D_g = Q_g'A_g A_g'Q_g,

so that no matrix of rows by rows or clusters by clusters is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from statinf.brief import Brief
from statinf.errors import NotIdentifiedError

ClusterPart = tuple[np.ndarray, np.ndarray]
"""Some clusters: F and H, both (m, r, q), with F_g'H_g = B_g and H_g'H_g = D_g."""

_TOGETHER = 1 << 21
"""Numbers that one step holds beside the clusters."""
_MOST = 5e10
"""Multiplications beyond which degrees of freedom are refused, or taken from the coefficients, rather than waited for."""


@dataclass(frozen=True, repr=False)
class ClusterDegrees(Brief):
    """What the degrees of freedom of any combination of coefficients are made of.

    Attributes
    ----------
    parts : tuple of (ndarray (m, r, q), ndarray (m, r, q))
        F_g and H_g of the clusters.
    outside : ndarray, shape (k, q)
        From errors in orthonormal columns to those of k combinations.
    """

    parts: tuple[ClusterPart, ...]
    outside: np.ndarray

    @property
    def clusters(self) -> int:
        return sum(len(half) for _, half in self.parts)

    def carried(self, matrix: np.ndarray) -> ClusterDegrees:
        """Those of combinations (m, k) of these combinations."""
        return replace(self, outside=matrix @ self.outside)

    @property
    def affordable(self) -> bool:
        """Whether degrees of freedom of each combination are made in seconds."""
        k, q = self.outside.shape
        return self.clusters * float(k) * q**2 < _MOST

    def each(self) -> np.ndarray:
        """Satterthwaite's degrees of freedom of each combination, shape (k,); NaN where the variance is zero."""
        out = np.full(len(self.outside), np.nan)
        width = max(1, _TOGETHER // max(1, self.outside.shape[1] ** 2))
        for first in range(0, len(out), width):
            out[first : first + width] = self._some(self.outside[first : first + width].T)
        return out

    def _some(self, directions: np.ndarray) -> np.ndarray:
        q, m = directions.shape
        mean, spread = np.zeros(m), np.zeros(m)
        cross = np.zeros((m, q, q))
        for b, d in self._products(directions):
            diagonal = np.einsum("gsm,gsm->gm", d, d)
            square = np.einsum("gqm,gqm->gm", b, b)
            mean += (diagonal - square).sum(axis=0)
            spread += ((diagonal - square) ** 2 - square**2).sum(axis=0)
            turned = np.ascontiguousarray(b.transpose(2, 1, 0))
            cross += turned @ turned.transpose(0, 2, 1)
        spread += np.einsum("mqp,mqp->m", cross, cross)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(mean > 0, mean**2 / spread, np.nan)

    def _products(self, directions: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """B_g c, shape (m, q, k), and the halves of c'D_g c, shape (m, r, k), of some clusters at a time."""
        k = directions.shape[1]
        for left, right in self.parts:
            step = max(1, _TOGETHER // max(1, k * max(left.shape[1:])))
            for first in range(0, len(left), step):
                half = right[first : first + step] @ directions
                yield left[first : first + step].transpose(0, 2, 1) @ half, half

    def joint(self) -> float:
        """Eta, the degrees of freedom of the Wishart matrix that stands for the covariance of all combinations together.

        Raises
        ------
        NotIdentifiedError
            If the covariance is singular along them, or there are too many for the number of clusters.
        """
        m, q = self.outside.shape
        if self.clusters * float(m * q) ** 2 > _MOST or (m * q) ** 2 > 16 * _TOGETHER:
            raise NotIdentifiedError(
                f"the degrees of freedom of {m} restrictions with {self.clusters} clusters take too long; test fewer at a time, or "
                "ask for clusters with 'df': 'clusters'."
            )
        directions = self.outside.T @ self._whitening()
        total = 0.0
        cross = np.zeros((q * m, q * m))
        for b, half in self._products(directions):
            d = half.transpose(0, 2, 1) @ half
            own = b.transpose(0, 2, 1) @ b
            total += _traces(d - own) - _traces(own)
            flat = b.reshape(len(b), q * m)
            cross += flat.T @ flat
        # tr(K)^2 and tr(K K) of K = b_g'b_h, summed over all pairs of clusters.
        blocks = cross.reshape(q, m, q, m)
        total += float((cross**2).sum() + np.einsum("isjt,itjs->", blocks, blocks))
        return m * (m + 1.0) / total

    def _whitening(self) -> np.ndarray:
        """Inverse root of the expected covariance of the combinations under the working model, shape (m, m)."""
        m = len(self.outside)
        expected = np.zeros((m, m))
        for b, half in self._products(self.outside.T):
            expected += np.einsum("gsm,gsk->mk", half, half) - np.einsum("gqm,gqk->mk", b, b)
        scale = np.sqrt(np.maximum(np.diag(expected), 0.0))
        inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
        values, vectors = np.linalg.eigh(expected * inverse[:, None] * inverse)
        if not (np.isfinite(values).all() and values[0] > 1e-10 * values[-1]):
            raise NotIdentifiedError(
                "the clustered covariance is singular along these restrictions; test fewer at a time."
            )
        return inverse[:, None] * vectors / np.sqrt(values)


def _traces(matrices: np.ndarray) -> float:
    """Sum over matrices (g, m, m) of tr(K)^2 + tr(K K); K symmetric."""
    return float((np.einsum("gmm->g", matrices) ** 2).sum() + (matrices**2).sum())


def hotelling(eta: float, restrictions: int) -> tuple[float, float]:
    """Denominator degrees of freedom of Hotelling's T-squared, and what F is of the Wald statistic over its count.

    Raises
    ------
    NotIdentifiedError
        If the clusters carry too few degrees of freedom for so many restrictions.
    """
    left = eta - restrictions + 1.0
    if left <= 0:
        raise NotIdentifiedError(
            f"the clusters carry {eta:.3g} degrees of freedom for {restrictions} restrictions, and the F test needs more than "
            f"{restrictions - 1}; test fewer at a time."
        )
    return left, left / eta

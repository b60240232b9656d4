"""Residuals and sandwich middles of local polynomials."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.numerics.localpoly.neighbours import neighbour_residuals
from statinf.numerics.localpoly.side import LocalFit


def residuals(fit: LocalFit, kind: str, neighbours: int = 3) -> np.ndarray:
    """Residuals of the rows of a fit, shape (n, m).

    Parameters
    ----------
    fit : LocalFit
    kind : {"nn", "hc0", "hc1", "hc2", "hc3"}
    neighbours : int
        Of "nn"; looked for among the rows of the fit.
    """
    if kind == "nn":
        return neighbour_residuals(fit.side, neighbours)
    left = fit.side.y - fit.fitted()
    n, k = fit.basis.shape
    if kind == "hc1":
        return left * np.sqrt(n / (n - k)) if n > k else np.full_like(left, np.nan)
    if kind in ("hc2", "hc3"):
        with np.errstate(divide="ignore", invalid="ignore"):
            free = 1.0 - fit.leverage[:, None]
            return left / (np.sqrt(free) if kind == "hc2" else free)
    return left


def corrected_weights(small: LocalFit, large: LocalFit) -> np.ndarray:
    """Weights Q (n, order + 1) of the bias-corrected fit: its coefficients are `small.inverse @ Q.T @ y`.

    The fit `small` loses its leading bias, whose derivative `large` estimates; both hold the same rows.
    """
    top = small.order + 1
    pilot = large.row(top)
    share = (small.bandwidth / large.bandwidth) ** top
    return small.weighted - share * pilot[:, None] * small.leading


def meat(weights: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Sum over rows of e^2 q q' for each outcome: weights (n, k), residuals (n, m); shape (m, k, k)."""
    k = weights.shape[1]
    outer = np.einsum("ij,ik->ijk", weights, weights).reshape(len(weights), k * k)
    return ((left**2).T @ outer).reshape(-1, k, k)


def clustered_residuals(fit: LocalFit, left: np.ndarray, clusters: np.ndarray, kind: str) -> np.ndarray:
    """Residuals whose clusters' sums make a clustered sandwich, shape (n, m).

    Parameters
    ----------
    fit : LocalFit
    left : ndarray, shape (n, m)
        Plain residuals of the fit.
    clusters : ndarray of int, shape (n,)
    kind : {"CR0", "CR1", "CR2", "CR3"}
        CR1 scales by sqrt((n - 1) / (n - k) g / (g - 1)); CR2 and CR3 mend by the leverages of whole clusters.
    """
    groups = Clusters.of(clusters)
    n, k = fit.basis.shape
    if groups.count < 2:
        return np.full_like(left, np.nan)
    if kind in ("CR2", "CR3"):
        spread = _spreads(groups.sums(fit.weighted[:, :, None] * fit.basis[:, None, :]), fit.inverse, kind)
        own = groups.sums(fit.weighted[:, :, None] * left[:, None, :])
        return left + np.einsum("nk,nkm->nm", fit.basis, (spread @ own)[groups.code])
    if kind == "CR1":
        with np.errstate(divide="ignore", invalid="ignore"):
            return left * np.sqrt((n - 1) / (n - k) * groups.count / (groups.count - 1)) if n > k else left * np.nan
    return left


def clustered_meat(
    weights: np.ndarray, left: np.ndarray, clusters: np.ndarray, fit: LocalFit, kind: str = "CR1"
) -> np.ndarray:
    """The middle of a clustered sandwich for each outcome, shape (m, k, k).

    Parameters
    ----------
    weights : ndarray, shape (n, k)
        W basis, or the weights Q of a bias-corrected fit.
    left : ndarray, shape (n, m)
        Plain residuals of `fit`.
    clusters : ndarray of int, shape (n,)
    fit : LocalFit
        Whose residuals they are: its degrees of freedom and leverages count.
    kind : {"CR0", "CR1", "CR2", "CR3"}
    """
    mended = clustered_residuals(fit, left, clusters, kind)
    scores = Clusters.of(clusters).sums(mended[:, :, None] * weights[:, None, :])
    return np.einsum("gmk,gml->mkl", scores, scores)


@dataclass(frozen=True)
class Clusters:
    """Rows by cluster: codes (n,) from 0, rows in their order (n,), and where each cluster begins among them."""

    code: np.ndarray
    order: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, clusters: np.ndarray) -> Clusters:
        """From any labels of clusters (n,)."""
        found, code = np.unique(clusters, return_inverse=True)
        order = np.argsort(code, kind="stable")
        return cls(code, order, np.searchsorted(code[order], np.arange(len(found))))

    @property
    def count(self) -> int:
        return len(self.starts)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sums of values (n, ...) over each cluster, shape (clusters, ...)."""
        return np.add.reduceat(values[self.order], self.starts, axis=0)


def _spreads(held: np.ndarray, inverse: np.ndarray, kind: str) -> np.ndarray:
    """What a cluster's score adds to the coefficients of its residuals, (g, k, k).

    With H the cluster's block of the hat matrix, (I - H)^-1 for CR3 or its square root for CR2 is the identity plus
    basis times this times basis' W.
    """
    if kind == "CR3":
        return np.linalg.inv(np.linalg.inv(inverse) - held)
    value, vector = np.linalg.eigh(inverse)
    half = (vector * np.sqrt(value)) @ vector.T
    share, turn = np.linalg.eigh(half @ held @ half)
    share = np.clip(share, 0.0, None)
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = np.where(share > 1e-10, (1.0 / np.sqrt(1.0 - share) - 1.0) / share, 0.5 + 0.375 * share)
    turned = half @ turn
    return np.einsum("gab,gb,gcb->gac", turned, gain, turned)


def corrected_equivalent(small: LocalFit, large: LocalFit, deriv: int) -> np.ndarray:
    """Weights (n,) of the rows in a derivative that is corrected for its leading bias, as `corrected_weights` gives it."""
    top = small.order + 1
    bias = (small.bandwidth / large.bandwidth) ** top * float(small.leading @ small.inverse[deriv])
    return small.unit(deriv) * (small.row(deriv) - bias * large.row(top))

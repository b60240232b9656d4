"""The correction CR2 where the working model's variances differ within clusters: prior weights, and generalised linear models.

Pustejovsky and Tipton (2018, arXiv 1601.01981) take A_g = P^(1/2) (P^(1/2) B_g P^(1/2))^(-1/2) P^(1/2), with P the diagonal
working variances and B_g those of the residuals. In orthonormal columns Q that needs M^(-1/2) Q_g with M = P (I - Q_g Q_g') P,
a diagonal matrix less one of few columns, whose inverse root has no short form. Small clusters go by eigenvalues; for others a
rational function is that root to all digits (Hale, Higham and Trefethen 2008), each of its terms a solution with q by q
matrices, so that no matrix of a large cluster's rows by rows is made.
"""

from __future__ import annotations

import numpy as np

from statinf.errors import NotIdentifiedError
from statinf.inference.satterthwaite import ClusterPart

_SMALL = 32
"""Rows of a cluster up to which eigenvalues of rows by rows are the shorter way."""
_LARGEST = 2000
"""Rows of a cluster that alone determines a coefficient, beyond which its eigenvalues take too long."""
_WHOLE = 1e-8
_ZERO = 1e-12
"""Share of the largest eigenvalue below which one is zero."""


def rooted(rows: np.ndarray, scores: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, ClusterPart]:
    """Sums of scores after the correction CR2, shape (m, q), and what degrees of freedom need, of clusters of about one size.

    Parameters
    ----------
    rows : ndarray, shape (m, s, q)
        Orthonormal columns times the roots of the weights; zeros behind shorter clusters.
    scores : ndarray, shape (m, s, q)
        These rows times the residuals, in the same scale.
    variance : ndarray, shape (m, s)
        Of the working model, at any scale; ones behind shorter clusters.
    """
    gram = rows.transpose(0, 2, 1) @ rows
    whole = 1.0 - np.linalg.eigvalsh(gram)[:, -1]
    size = rows.shape[1]
    plain = np.ones(len(rows), bool) if size <= _SMALL else whole <= _WHOLE
    if size > _LARGEST and plain.any():
        raise NotIdentifiedError(
            f"a cluster of about {size} rows alone determines a coefficient, and the working variances differ within it: the "
            "correction CR2 takes too long; use type 'HC1' or 'CR3', or merge the cluster with another."
        )
    half = np.empty_like(rows)
    if plain.any():
        half[plain] = _by_eigenvalues(rows[plain], variance[plain])
    if not plain.all():
        half[~plain] = _by_rational(rows[~plain], variance[~plain], whole[~plain])
    half *= variance[:, :, None]
    length = np.einsum("gsq,gsq->gs", rows, rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        residual = np.where(length > 0, np.einsum("gsq,gsq->gs", rows, scores) / length, 0.0)
    sums = np.einsum("gsq,gs->gq", half, residual)
    if size <= rows.shape[2]:
        return sums, (rows, half)
    basis, root = np.linalg.qr(half)
    return sums, (basis.transpose(0, 2, 1) @ rows, root)


def _by_eigenvalues(rows: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """M^(-1/2) Q_g by rows-by-rows matrices; what the cluster alone determines is dropped, by the pseudo-inverse."""
    out = np.empty_like(rows)
    step = max(1, (1 << 22) // rows.shape[1] ** 2)
    for first in range(0, len(rows), step):
        some = slice(first, first + step)
        scaled = rows[some] * variance[some, :, None]
        matrix = -scaled @ scaled.transpose(0, 2, 1)
        at = np.arange(rows.shape[1])
        matrix[:, at, at] += variance[some] ** 2
        values, vectors = np.linalg.eigh(matrix)
        least = _ZERO * values[:, -1:]
        gain = np.where(values > least, np.maximum(values, least) ** -0.5, 0.0)
        out[some] = vectors @ (gain[:, :, None] * (vectors.transpose(0, 2, 1) @ rows[some]))
    return out


def _by_rational(rows: np.ndarray, variance: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """M^(-1/2) Q_g as a sum of resolvents; `whole` (m,) is the least eigenvalue of I - Q_g Q_g'."""
    from scipy.special import ellipj, ellipk

    diagonal = variance**2
    low, high = whole * diagonal.min(axis=1), diagonal.max(axis=1)
    terms = int(np.ceil(1.9 * (np.log((high / low).max()) + 3.0))) + 2
    parameter = 1.0 - low / high
    quarter = ellipk(parameter)
    sn, cn, dn, _ = ellipj((np.arange(terms)[:, None] + 0.5) * quarter / terms, parameter)
    shifts = low * (sn / cn) ** 2
    shares = 2.0 * quarter * np.sqrt(low) / (np.pi * terms) * dn / cn**2
    scaled = rows * variance[:, :, None]
    out = np.zeros_like(rows)
    one = np.eye(rows.shape[2])
    for shift, share in zip(shifts, shares, strict=True):
        inverse = 1.0 / (diagonal + shift[:, None])
        across = scaled * inverse[:, :, None]
        turned = scaled.transpose(0, 2, 1)
        inner = np.linalg.solve(one - turned @ across, across.transpose(0, 2, 1) @ rows)
        out += share[:, None, None] * (rows * inverse[:, :, None] + across @ inner)
    return out

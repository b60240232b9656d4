"""Columns reduced to a triangular factor that reveals their rank; those that others determine are left out, as R's `lm` does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.numerics.linear.centring import Centring, centring_of
from statinf.numerics.linear.factors import triangular_factor
from statinf.numerics.linear.triangular import solve_triangular

TOLERANCE = 1e-11
"""A column is aliased if less than this share of its length is left beside the columns before it."""

_DIGITS = 8.0 * np.finfo(float).eps
"""What rounding may have done to an entry, relative to its size: some thirty times its standard deviation."""


def independent_columns(
    factor: np.ndarray, p: int, tolerance: float = TOLERANCE, rounding: np.ndarray | None = None
) -> np.ndarray:
    """Which of the first p columns behind a triangular factor are not determined by those before them.

    Parameters
    ----------
    factor : ndarray, shape (m, p or more)
    p : int
    tolerance : float
        See `TOLERANCE`.
    rounding : ndarray, shape (p,), optional
        Length of what rounding has done to each column, where that is more than the factor shows. A column
        is determined, too, if what is left of it is no more than its own rounding and that of the columns
        which make it.

    Returns
    -------
    ndarray of bool, shape (p,)
    """
    columns = factor[:, :p]
    lengths = np.sqrt(np.einsum("ij,ij->j", columns, columns))
    kept = np.zeros(p, dtype=bool)
    basis = np.zeros((len(columns), min(columns.shape)))
    triangle = np.zeros((basis.shape[1], basis.shape[1]))
    rank = 0
    for j in range(p):
        if rank == basis.shape[1] or lengths[j] == 0.0:
            continue
        residual = columns[:, j].copy()
        along = np.zeros(rank)
        for _ in range(2):  # once more: the first sweep leaves rounding of the size of the column
            more = basis[:, :rank].T @ residual
            residual -= basis[:, :rank] @ more
            along += more
        length = np.sqrt(residual @ residual)
        floor = tolerance * lengths[j]
        if rounding is not None:
            made_of = solve_triangular(triangle[:rank, :rank], along) if rank else along
            floor = max(floor, rounding[j] + np.abs(made_of) @ rounding[kept])
        if length > floor:
            basis[:, rank] = residual / length
            triangle[:rank, rank], triangle[rank, rank] = along, length
            rank += 1
            kept[j] = True
    return kept


@dataclass(frozen=True)
class Reduced:
    """Columns reduced to their triangular factor, aliased ones left out.

    Attributes
    ----------
    kept : ndarray of bool, shape (p,)
    joint : ndarray, shape (m, k + extra)
        Upper triangular factor of the kept columns (centred) and the further ones.
    centring : Centring or None
    aliases : ndarray, shape (k, p - k)
        How the kept columns, as they stand, make each of those left out.
    """

    kept: np.ndarray
    joint: np.ndarray
    centring: Centring | None
    aliases: np.ndarray

    @property
    def rank(self) -> int:
        return int(self.kept.sum())

    @property
    def centred_factor(self) -> np.ndarray:
        """Of the kept columns, shape (k, k)."""
        return self.joint[: self.rank, : self.rank]

    @property
    def factor(self) -> np.ndarray:
        """Of the kept columns as they stand, shape (k, k)."""
        if self.centring is None:
            return self.centred_factor
        return self.centring.raw_factor(self.centred_factor, self.kept)


def reduce_columns(
    columns: np.ndarray,
    weights: np.ndarray | None = None,
    extra: np.ndarray | None = None,
    *,
    tolerance: float = TOLERANCE,
    centring: bool = True,
) -> Reduced:
    """Reduce columns to a triangular factor, and leave out those that the columns before them determine.

    Parameters
    ----------
    columns : ndarray, shape (n, p)
    weights : ndarray, shape (n,), optional
    extra : ndarray, shape (n, m), optional
    tolerance : float
    centring : bool
        Whether columns far from zero are centred where a constant is spanned.
    """
    p = columns.shape[1]
    moved = centring_of(columns) if centring else None
    joint = triangular_factor(columns, weights, extra, None if moved is None else moved.centre)
    found = reduced_from(joint, p, moved, tolerance=tolerance)
    return reduce_columns(columns, weights, extra, tolerance=tolerance, centring=False) if found is None else found


def reduced_from(joint: np.ndarray, p: int, moved: Centring | None, *, tolerance: float = TOLERANCE) -> Reduced | None:
    """Columns reduced by their triangular factor alone.

    Parameters
    ----------
    joint : ndarray, shape (m, p + extra)
        Upper triangular factor of the columns, centred as `moved` says, and the further ones.
    p : int
    moved : Centring or None
    tolerance : float

    Returns
    -------
    Reduced or None
        None where the columns that span the constant are not all kept, so that the factor of columns as they stand is needed.
    """
    rounding = None
    if moved is not None:
        far = np.abs(moved.centre) * np.linalg.norm(joint[:, :p] @ moved.ones)
        rounding = np.where(far > 0, _DIGITS * far, 0.0)
    kept = independent_columns(joint, p, tolerance, rounding)
    if kept.all():
        return Reduced(kept, joint, moved, np.empty((p, 0)))
    if moved is not None and not kept[moved.ones != 0].all():
        return None
    m = joint.shape[1] - p
    chosen = np.concatenate([np.flatnonzero(kept), np.flatnonzero(~kept), np.arange(p, p + m)])
    turned = np.asarray(np.linalg.qr(joint[:, chosen], mode="r"))
    k = int(kept.sum())
    aliases = _aliases(turned[:, :p], kept, moved)
    joint = np.asarray(np.linalg.qr(joint[:, np.delete(chosen, np.arange(k, p))], mode="r"))
    return Reduced(kept, joint, moved, aliases)


def aliases_of(columns: np.ndarray, kept: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """How independent columns make the others, shape (k, p - k); exactly zero for those that have no part in one.

    Parameters
    ----------
    columns : ndarray, shape (n, p)
    kept : ndarray of bool, shape (p,)
    weights : ndarray, shape (n,), optional
    """
    moved = centring_of(columns)
    if moved is not None and not kept[moved.ones != 0].all():
        moved = None
    joint = triangular_factor(columns, weights, None, None if moved is None else moved.centre)
    order = np.concatenate([np.flatnonzero(kept), np.flatnonzero(~kept)])
    return _aliases(np.asarray(np.linalg.qr(joint[:, order], mode="r")), kept, moved)


def _aliases(turned: np.ndarray, kept: np.ndarray, moved: Centring | None) -> np.ndarray:
    """From a triangular factor in which the kept columns come first.

    What rounding leaves of a column without a part would decide in rows in which all others are zero, such as those of base
    levels, whether they follow the alias; such columns are left out.
    """
    k, p = int(kept.sum()), len(kept)
    if not k:
        return np.empty((0, p - k))
    triangle, targets = turned[:k, :k], turned[:k, k:p]
    out = solve_triangular(triangle, targets)
    lengths = np.linalg.norm(triangle, axis=0)
    scaled, size = triangle / lengths, np.linalg.norm(turned[:, k:p], axis=0)
    doubt = max(TOLERANCE, _DIGITS * float(np.linalg.cond(scaled)))
    has_part = np.abs(out) * lengths[:, None] > doubt * size
    for j in np.flatnonzero(~has_part.all(axis=0)):
        chosen = has_part[:, j]
        shares = np.linalg.lstsq(scaled[:, chosen], targets[:, j], rcond=None)[0]
        if np.linalg.norm(targets[:, j] - scaled[:, chosen] @ shares) > 10.0 * TOLERANCE * size[j]:
            continue  # a part that is small, and no rounding
        out[:, j] = 0.0
        out[chosen, j] = shares / lengths[chosen]
    if moved is None:
        return out
    gap = moved.centre[~kept] - moved.centre[kept] @ out
    size = np.abs(moved.centre[~kept]) + np.abs(moved.centre[kept]) @ np.abs(out)
    return np.asarray(out + np.outer(moved.ones[kept], np.where(np.abs(gap) > _DIGITS * size, gap, 0.0)))

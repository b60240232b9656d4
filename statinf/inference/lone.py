"""Coefficients that one row, or one cluster, determines alone: no robust standard error can judge them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from statinf.errors import NumericalWarning, issue_warning
from statinf.numerics.linear.products import over_blocks

_FITTED = 1e-7
"""Share of the largest residual below which a row may be one that is fitted exactly."""
_WHOLE = 1e-8
"""What a leverage of one may lack."""
_NAMED = 3
_SOME = 512
"""Rows that are looked at first."""


def judges_by_residuals(kind: Any) -> bool:
    """Whether a covariance, named or given as a mapping, takes the error of a row or cluster for its own residual."""
    if isinstance(kind, dict):
        return "cluster" in kind and kind.get("type", "HC1") in ("HC0", "HC1")
    return kind in ("HC0", "HC1")


def warn_lone(
    kind: Any,
    columns: np.ndarray,
    working: np.ndarray,
    residual: np.ndarray,
    inverse: Callable[[], np.ndarray],
    names: Sequence[str],
    *,
    numbers: np.ndarray,
    codes: Callable[[str], np.ndarray],
) -> None:
    """Warn, naming row or cluster and column, where a covariance of type HC0 or HC1 takes an error for zero.

    Parameters
    ----------
    kind : str or mapping
        Of the covariance.
    columns : ndarray, shape (n, q)
    working, residual : ndarray, shape (n,)
    inverse : callable
        Gives, where it is needed, a square root of the inverse of the weighted Gram matrix (q, q): the rows of columns @ inverse
        have the leverages as their squared lengths, times the working weight.
    names : sequence of str, length q
    numbers : ndarray of int, shape (n,)
        Row numbers in the caller's frame.
    codes : callable
        From a clustering column to its codes, shape (n,).
    """
    if not judges_by_residuals(kind):
        return
    if not isinstance(kind, dict):
        _rows(numbers, names, columns, working, residual, inverse, str(kind))
    elif isinstance(kind["cluster"], str):
        _clusters(codes(kind["cluster"]), kind["cluster"], names, columns, working, inverse())


def _rows(
    numbers: np.ndarray,
    names: Sequence[str],
    columns: np.ndarray,
    working: np.ndarray,
    residual: np.ndarray,
    inverse: Callable[[], np.ndarray],
    kind: str,
) -> None:
    size = np.abs(residual)
    candidates = np.flatnonzero((size <= _FITTED * size.max()) & (working > 0))
    if len(candidates) in (0, np.count_nonzero(working > 0)):
        return
    root = inverse()
    half = (columns[candidates] @ root) * np.sqrt(working[candidates])[:, None]
    lone = np.flatnonzero(np.einsum("ij,ij->i", half, half) > 1.0 - _WHOLE)
    if not len(lone):
        return
    found = [
        f"row {numbers[candidates[i]]} alone determines '{names[_determined(half[i], root)]}'" for i in lone[:_NAMED]
    ]
    more = f", and {len(lone) - _NAMED} more" if len(lone) > _NAMED else ""
    issue_warning(
        f"{'; '.join(found)}{more} (leverage 1): it is fitted exactly and {kind} takes its error for zero, so that the "
        "interval is far too short. Leave the row out or merge its level with another; vcov='iid' judges it by the "
        "other rows, if all have one variance.",
        NumericalWarning,
    )


def _clusters(
    codes: np.ndarray,
    name: str,
    names: Sequence[str],
    columns: np.ndarray,
    working: np.ndarray,
    inverse: np.ndarray,
) -> None:
    if _plainly_spread(codes, columns, working, inverse):
        return
    # A cluster holds a direction whole only if the leverages of its rows sum to one.
    length = over_blocks(lambda rows: _square_lengths(columns[rows], inverse), *columns.shape)
    total = np.bincount(codes, weights=working * np.concatenate(length))
    groups = np.count_nonzero(total)
    found = []
    for g in np.flatnonzero(total > 1.0 - _WHOLE):
        mine = np.flatnonzero(codes == g)
        member = np.dot(columns[mine], inverse) * np.sqrt(working[mine])[:, None]
        share, directions = np.linalg.eigh(member.T @ member)
        if share[-1] > 1.0 - _WHOLE:
            found.append(names[_determined(directions[:, -1], inverse)])
    # Where most clusters have a column of their own the columns are the clusters, and nobody asks for their errors.
    if not found or 2 * len(found) >= groups:
        return
    listed = ", ".join(f"'{f}'" for f in dict.fromkeys(found[:_NAMED]))
    issue_warning(
        f"one cluster of '{name}' alone determines {listed}: its sum of scores is zero by construction, so that the "
        "interval is far too short. Compare several clusters on either side, or cluster by something finer.",
        NumericalWarning,
    )


def _square_lengths(columns: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    half = np.dot(inverse.T, columns.T)
    half *= half
    return half.sum(axis=0)


def _plainly_spread(codes: np.ndarray, columns: np.ndarray, working: np.ndarray, inverse: np.ndarray) -> bool:
    """Whether some rows show by themselves that, whatever cluster is left out, every direction has rows left.

    The Gram matrix of all rows outside of a cluster is at least that of some of them; with the matrix of all rows the identity,
    its least eigenvalue is what the cluster's share of a direction lacks of one.
    """
    n, q = columns.shape
    count = max(_SOME, 16 * q)
    if n <= count:
        return False
    # Not evenly spaced: rows of panels repeat their units or times.
    place = np.arange(count)
    some = ((place + (place * 0.6180339887498949) % 1.0) * (n / count)).astype(np.intp)
    rows = np.dot(columns[some], inverse) * np.sqrt(working[some])[:, None]
    gram = np.dot(rows.T, rows)
    values, vectors = np.linalg.eigh(gram)
    if not values[0] > 2.0 * _WHOLE:
        return False
    # Of a direction of these rows a cluster holds at most the sum of its rows' leverages among them.
    _, cluster = np.unique(codes[some], return_inverse=True)
    even = np.dot(rows, vectors) / np.sqrt(values)
    most = np.bincount(cluster, weights=np.einsum("ij,ij->i", even, even))
    close = np.flatnonzero((1.0 - most) * values[0] <= 2.0 * _WHOLE)
    if len(close) > 4 * q:
        return False
    if not len(close):
        return True
    left = [gram - np.dot(own.T, own) for own in (rows[cluster == g] for g in close)]
    return bool(np.linalg.eigvalsh(np.stack(left))[:, 0].min() > 2.0 * _WHOLE)


def _determined(direction: np.ndarray, inverse: np.ndarray) -> int:
    """The coefficient whose estimate is most determined along a direction of the whitened columns."""
    share = np.abs(inverse @ direction) / np.sqrt(np.einsum("ij,ij->i", inverse, inverse))
    return int(np.argmax(share))

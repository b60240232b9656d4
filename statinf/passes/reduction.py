"""Columns of rows in blocks reduced to a triangular factor: from sums of products where these keep the digits, by orthogonal
factors of blocks where they do not, as for rows in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from statinf.formula.design import Design
from statinf.numerics.linear.centring import Centring, centring_of
from statinf.numerics.linear.factors import root_of_products
from statinf.numerics.linear.reduction import TOLERANCE, Reduced, reduced_from
from statinf.passes.design import PassDesign
from statinf.passes.sums import Every, Triangle


class ColumnStack(NamedTuple):
    """What of a block is reduced.

    Attributes
    ----------
    columns : ndarray, shape (n, p)
        Those that may be centred and left out.
    beside : ndarray, shape (n, m), or None
        Further ones.
    root : ndarray, shape (n,), or None
        Roots of the rows' weights.
    """

    columns: np.ndarray
    beside: np.ndarray | None = None
    root: np.ndarray | None = None

    def rows(self, centre: np.ndarray | None) -> np.ndarray:
        """All columns, the first less their centres (p,), times the roots, shape (n, p + m)."""
        p, m = self.columns.shape[1], 0 if self.beside is None else self.beside.shape[1]
        rows = np.empty((len(self.columns), p + m), order="F")
        rows[:, :p] = self.columns if centre is None else self.columns - centre
        if self.beside is not None:
            rows[:, p:] = self.beside
        if self.root is not None:
            rows *= self.root[:, None]
        return rows


Stacking = Callable[[Design], ColumnStack]


def reduce_rows(
    made: PassDesign,
    stack: Stacking,
    facts: Callable[[Design], Any] | None = None,
    *,
    p: int | None = None,
    tolerance: float = TOLERANCE,
    label: str = "least squares",
    check: Callable[[Any], None] | None = None,
) -> tuple[Reduced, Any]:
    """The triangular factor of columns over all rows, those left out that the columns before them determine.

    One pass; one more where the columns' products lose digits, or the columns taken for the constant in the first block do not
    make it in all.

    Parameters
    ----------
    made : PassDesign
    stack : callable
        From a block to its `ColumnStack`.
    facts : callable, optional
        From a block to what `plus` adds, summed in the same pass.
    p : int, optional
        Columns of the stack; those of the first part by default.
    tolerance : float
    label : str
    check : callable, optional
        Takes the sum of `facts` before anything is read from the columns, to refuse it.

    Returns
    -------
    Reduced
    object
        The sum of `facts`.
    """
    p = len(made.names) if p is None else p
    moved = _centring(made, stack)
    sums, found, spanned = made.total(partial(_products, stack, facts, moved), label)
    if check is not None:
        check(found)
    if not spanned.holds:
        moved = None
        sums = made.total(partial(_products, stack, None, moved), label)[0]
    joint = root_of_products(sums)
    reduced = None if joint is None else reduced_from(joint, p, moved, tolerance=tolerance)
    if reduced is None:
        joint = made.total(partial(_triangle, stack, None if moved is None else moved.centre), label).factor
        reduced = reduced_from(joint, p, moved, tolerance=tolerance)
    if reduced is None:
        joint = made.total(partial(_triangle, stack, None), label).factor
        reduced = reduced_from(joint, p, None, tolerance=tolerance)
    assert reduced is not None
    return reduced, found


def _centring(made: PassDesign, stack: Stacking) -> Centring | None:
    """How columns are centred, from the first block: any value in a column's range does."""
    design = made.head()
    return None if design is None else centring_of(stack(design).columns)


def _products(
    stack: Stacking, facts: Callable[[Design], Any] | None, moved: Centring | None, block: Design
) -> tuple[np.ndarray, Any, Every]:
    made = stack(block)
    rows = made.rows(None if moved is None else moved.centre)
    spanned = moved is None or bool((made.columns @ moved.ones == 1.0).all())
    return np.dot(rows.T, rows), None if facts is None else facts(block), Every(spanned)


def _triangle(stack: Stacking, centre: np.ndarray | None, block: Design) -> Triangle:
    return Triangle.of(stack(block).rows(centre))


def joint_factor(
    made: PassDesign,
    stack: Stacking,
    centre: np.ndarray | None,
    facts: Callable[[Design], Any] | None = None,
    *,
    label: str = "least squares",
) -> tuple[np.ndarray, Any]:
    """The triangular factor of all columns less their centres, none left out, and the sum of `facts`; a pass or two.

    Parameters
    ----------
    made : PassDesign
    stack : callable
        From a block to its `ColumnStack`.
    centre : ndarray, shape (p,), or None
    facts : callable, optional
        From a block to what `plus` adds.
    label : str
    """
    sums, found = made.total(partial(_centred_products, stack, facts, centre), label)
    joint = root_of_products(sums)
    if joint is None:
        joint = made.total(partial(_triangle, stack, centre), label).factor
    return joint, found


def middle(made: PassDesign, stack: Stacking) -> np.ndarray | None:
    """Means of the stack's columns over the first block: values inside their ranges; None where it has no row in use."""
    design = made.head()
    return None if design is None else stack(design).columns.mean(axis=0)


def _centred_products(
    stack: Stacking, facts: Callable[[Design], Any] | None, centre: np.ndarray | None, block: Design
) -> tuple[np.ndarray, Any]:
    rows = stack(block).rows(centre)
    return np.dot(rows.T, rows), None if facts is None else facts(block)

"""What kernel balancing balances: covariates and kernel functions of all rows, or of each fold by itself.

Adaptive anchors follow the outcomes. With folds, the functions balanced on the rows of one fold stand where the outcomes of
the others put them: every fold has its own columns, zero elsewhere, so that its weights never see what chose its functions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from statinf.balancing.missing.anchors import choose_anchors
from statinf.balancing.missing.kernels import RowKernel
from statinf.balancing.missing.problem import MissingProblem
from statinf.errors import DataError
from statinf.learners.crossfit import fold_ids
from statinf.numerics.order.content import content_order

_FLAT = 1e-10
"""Spread of a kernel function over the rows where it is used, below which it is constant there and left out."""


@dataclass(frozen=True)
class Functions:
    """Columns whose weighted means are brought to those of all rows.

    Attributes
    ----------
    values : ndarray, shape (n, K)
        Minus their means over all rows.
    exactly : ndarray of bool, shape (K,)
        Whether a column is balanced exactly; these come first.
    share : ndarray, shape (K,)
        Share of the sampling weights on the rows where a column is not zero by construction.
    anchor : ndarray of int, shape (K,)
        Position of the row at which a kernel function stands; -1 of the others.
    covariate : ndarray of int, shape (K,)
        Which covariate a column is; -1 of the others.
    fold : ndarray of int, shape (K,)
        Whose rows a column is balanced on; -1 for all rows.
    """

    values: np.ndarray
    exactly: np.ndarray
    share: np.ndarray
    anchor: np.ndarray
    covariate: np.ndarray
    fold: np.ndarray

    @property
    def kernels(self) -> int:
        """How many kernel functions there are."""
        return int((self.anchor >= 0).sum())

    def labels(self, names: tuple[str, ...], rows: np.ndarray) -> tuple[str, ...]:
        """Names of the columns, from those of covariates (p,) and the row numbers (n,) of anchors."""
        made = []
        for anchor, covariate, fold in zip(self.anchor, self.covariate, self.fold, strict=True):
            name = f"kernel at row {int(rows[anchor])}" if anchor >= 0 else "rows"
            name = names[covariate] if covariate >= 0 else name
            made.append(name if fold < 0 else f"{name} [fold {fold + 1}]")
        return tuple(made)


def fold_codes(problem: MissingProblem, folds: int) -> np.ndarray:
    """Folds of the rows, shape (n,), with equal shares of observed rows; they go by the rows' contents, not their order.

    Raises
    ------
    DataError
        If fewer rows have an outcome than there are folds.
    """
    if int(problem.observed.sum()) < folds:
        raise DataError(
            f"anchor_folds={folds} needs as many rows with an outcome; {int(problem.observed.sum())} have one. Give anchor_folds=1."
        )
    order = content_order(*problem.standard.z[:, 1:].T, problem.observed, problem.s, problem.y)
    groups = None if problem.groups is None else problem.groups[order]
    codes = np.empty(problem.n, np.intp)
    strata = problem.observed[order].astype(np.intp)
    codes[order] = fold_ids(problem.n, folds, seed=problem.seed, strata=strata, groups=groups)
    return codes


def functions_of(
    problem: MissingProblem,
    kernel: RowKernel,
    base: np.ndarray,
    error: Callable[[np.ndarray], np.ndarray],
    how: str,
    count: int,
    folds: int,
    linear: bool,
) -> Functions:
    """Covariates (where `linear`) and kernel functions at anchors chosen by `how`, in every fold if there are several.

    Parameters
    ----------
    problem : MissingProblem
    kernel : RowKernel
    base : ndarray, shape (n,)
        Weights before balancing, zero on rows without an outcome.
    error : callable
        From observed rows, a mask (n,), to what adaptive anchors project on them, shape (n,).
    how, count
        As `choose_anchors` takes them.
    folds : int
        One for no folds.
    linear : bool
    """
    z = problem.standard.z[:, 1:]
    codes = np.zeros(problem.n, np.intp) if folds == 1 else fold_codes(problem, folds)
    first, second = [], []
    for fold in range(folds):
        here = codes == fold
        learn = problem.observed if folds == 1 else problem.observed & ~here
        anchors = np.empty(0, np.intp)
        if z.shape[1]:
            q = np.where(learn, base, 0.0)
            anchors = choose_anchors(how, count, z, kernel, learn, problem.s, q, error(learn), problem.seed)
        columns = kernel.columns(z, z[anchors])
        spread = np.ptp(columns[here], axis=0) > _FLAT if len(anchors) else np.zeros(0, dtype=bool)
        mark = -1 if folds == 1 else fold
        exact = z if linear else z[:, :0]
        if fold:  # every fold keeps its share of the weights; the last share follows from the others
            first.append(_block(problem, here, here[:, None] * 1.0, mark))
        first.append(_block(problem, here, exact, mark, covariate=np.arange(exact.shape[1])))
        second.append(_block(problem, here, columns[:, spread], mark, anchor=anchors[spread]))
    blocks = [*first, *second]
    values = np.column_stack([b.values for b in blocks])
    exactly = np.arange(values.shape[1]) < sum(b.values.shape[1] for b in first)
    joined = {k: np.concatenate([getattr(b, k) for b in blocks]) for k in ("share", "anchor", "covariate", "fold")}
    return Functions(values - (problem.s / problem.total) @ values, exactly, **joined)


def _block(
    problem: MissingProblem,
    here: np.ndarray,
    columns: np.ndarray,
    fold: int,
    *,
    anchor: np.ndarray | None = None,
    covariate: np.ndarray | None = None,
) -> Functions:
    """Columns of one fold, zero on the rows of others."""
    size, none = columns.shape[1], np.full(columns.shape[1], -1)
    share = float(problem.s[here].sum()) / problem.total
    values = columns * here[:, None]
    return Functions(
        values,
        np.zeros(size, dtype=bool),
        np.full(size, share),
        none if anchor is None else anchor,
        none if covariate is None else covariate,
        np.full(size, fold),
    )

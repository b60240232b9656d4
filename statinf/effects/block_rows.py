"""The rows of an effect on a table in blocks: outcome, treatment, covariates and folds of one block at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.effects.arms import Arms, arms_of, not_arms, plain_name
from statinf.effects.rows import ROLES
from statinf.errors import DataError, OptionError
from statinf.formula.design import Design
from statinf.formula.matrix import Matrix
from statinf.inference.vcov import VcovSpec, cluster_columns
from statinf.passes import BlockTable, PassDesign, read_passes
from statinf.passes.folding import RowHash, shares, told_apart, value_hashes

_MOST = 60
"""Different treatments that are told apart; of more the treatment is a dose."""


@dataclass(frozen=True)
class BlockFolds:
    """How the rows of blocks are put into folds.

    Attributes
    ----------
    count : int
        One for none.
    hashes : RowHash
    by : str
        The column whose values share a fold; empty for the rows' own values.
    table : ndarray of int, shape (groups,), or None
        The fold of each value of `by`.
    """

    count: int
    hashes: RowHash
    by: str = ""
    table: np.ndarray | None = None

    def __call__(self, block: Design) -> np.ndarray:
        """Folds (n,)."""
        if self.count == 1:
            return np.zeros(block.n, np.intp)
        if self.table is not None:
            return self.table[block.clusters[self.by]]
        return shares(self.hashes(block), self.count)


@dataclass(frozen=True)
class EffectBlock:
    """Arrays of one block; rows of weight zero are left out.

    Attributes
    ----------
    y, d, w : ndarray, shape (n,)
    x : ndarray, shape (n, p)
    """

    y: np.ndarray
    d: np.ndarray
    x: np.ndarray
    w: np.ndarray


@dataclass(frozen=True)
class EffectReader:
    """How blocks are read.

    Attributes
    ----------
    on : ndarray, shape (q,), or None
        The columns of the treatment on treated rows; None where it is a number that is taken as it is.
    """

    on: np.ndarray | None

    def __call__(self, block: Design) -> EffectBlock:
        treatment = block.parts[0].rest.values
        d = treatment[:, 0] if self.on is None else (treatment == self.on).all(axis=1).astype(np.float64)
        x = block.parts[1].rest.values if len(block.parts) > 1 else np.empty((block.n, 0))
        y = block.y if block.offset is None else block.y - block.offset
        return EffectBlock(y, d, x, block.weights)


@dataclass(frozen=True)
class EffectPasses:
    """An effect to be estimated on a table in blocks.

    Attributes
    ----------
    made : PassDesign
    read : EffectReader
    arms : Arms or None
        Of the distinct treatments; None for doses.
    treatment : str
    binary : bool
    width : int or None
        Covariate columns; None where the formula has no part for them.
    """

    made: PassDesign
    read: EffectReader
    arms: Arms | None
    treatment: str
    binary: bool
    width: int | None


def read_effect(
    formula: str,
    table: BlockTable,
    *,
    binary: bool,
    treated: Any,
    reference: Any,
    vcov: VcovSpec,
    cluster: Any,
    folds: Any = None,
    **options: Any,
) -> EffectPasses:
    """Read `outcome ~ treatment | covariates` on a table in blocks; `binary` wants a treatment of two arms."""
    named = [*(cluster_columns(vcov, cluster) or ()), *([folds] if isinstance(folds, str) else [])]
    made = read_passes(formula, table, roles=ROLES, cluster=list(dict.fromkeys(named)), **options)
    block = made.head()
    if block is None:
        raise DataError("no row of the data can be used.")
    distinct: TreatmentValues = made.total(_distinct, "reading the treatment")
    rows = distinct.rows
    small = replace(block, weights=np.ones(len(rows)), rows=np.arange(len(rows)))
    part = block.parts[0].rest
    matrix = Matrix(rows, part.names, part.terms, False)
    arms = arms_of(small, matrix, treated=treated, reference=reference)
    name = plain_name(matrix)
    two = arms is not None and len(arms.levels) == 2
    if not two and (binary or matrix.p > 1):
        if arms is not None and len(arms.levels) > 2:
            raise OptionError(
                f"the treatment '{name}' has {len(arms.levels)} arms; data that are read in blocks take two. Read the rows into "
                "memory for several."
            )
        raise not_arms(arms, rows[:, 0], name, several=False)
    if not two and (treated is not None or reference is not None):
        raise OptionError(f"treated= and reference= choose between two levels; '{name}' has more values.")
    on = None
    if two:
        assert arms is not None
        on = rows[int(np.flatnonzero(arms.rows(arms.treated))[0])]
    width = None if len(block.parts) < 2 else block.parts[1].rest.p
    return EffectPasses(made, EffectReader(on), arms if two else None, name, two, width)


@dataclass(frozen=True)
class TreatmentValues:
    """TreatmentValues treatments, as rows of their columns; no more than are looked at."""

    rows: np.ndarray

    def plus(self, other: TreatmentValues) -> TreatmentValues:
        """Of both."""
        return TreatmentValues(np.unique(np.concatenate([self.rows, other.rows]), axis=0)[:_MOST])


def _distinct(block: Design) -> TreatmentValues | None:
    values = block.parts[0].rest.values[block.weights > 0]
    if not len(values):
        return None
    if values.shape[1] == 1:
        low, high = values.min(), values.max()
        if ((values == low) | (values == high)).all():
            return TreatmentValues(np.unique(np.array([[low], [high]]), axis=0))
    return TreatmentValues(np.unique(values, axis=0)[:_MOST])


def block_folds(
    made: PassDesign, folds: Any, seed: int, vcov: VcovSpec, *, whole: bool
) -> tuple[PassDesign, BlockFolds]:
    """The folds of an option: a number, or the name of a column of labels; whole clusters share one.

    Returns
    -------
    PassDesign
        The table with what the folds need to know of its rows.
    BlockFolds
    """
    plain = RowHash(seed)
    if isinstance(folds, str):
        values = made.clusters[folds].values
        if len(values) < 2:
            raise OptionError("folds holds one label only; at least two folds are needed.")
        return made, BlockFolds(len(values), plain, folds, np.argsort(np.argsort(np.asarray(values))))
    if folds is not None and not isinstance(folds, int | np.integer):
        raise OptionError(
            "folds= of data that are read in blocks is a number, or the name of a column of labels, not an array."
        )
    if (folds is None and whole) or folds == 1:
        return made, BlockFolds(1, plain)
    count = 5 if folds is None else int(folds)
    if not 2 <= count <= made.nobs:
        raise OptionError(f"folds={folds} must be a whole number from 2 to the number of rows, {made.nobs}.")
    sizes: Mapping[str, int] = {name: made.clusters[name].count for name in vcov.clusters}
    if not sizes:
        made, apart = told_apart(made, seed)
        return made, BlockFolds(count, apart)
    coarsest = min(sizes, key=lambda name: sizes[name])
    hashes = value_hashes(made.clusters[coarsest].values, seed)
    # The clusters in the order of their hashes are dealt out in turn, so that no fold is empty.
    count = min(count, len(hashes))
    return made, BlockFolds(count, plain, coarsest, np.argsort(np.argsort(hashes)) % count)

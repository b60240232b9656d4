"""What a boosting run is compiled for, and the numbers and rows that it is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from statinf.numerics.laws.parametric.law import Law, ScoreRule


@dataclass(frozen=True)
class Plan:
    """What decides the compiled program.

    Attributes
    ----------
    law : Law
    rule : ScoreRule
    natural : bool
        Whether gradients are natural.
    base : {"tree", "linear"}
    depth, bins : int
        Of trees.
    batched, sampled : bool
        Whether each iteration sees some of the rows, or some of the columns, only.
    """

    law: Law
    rule: ScoreRule
    natural: bool = True
    base: str = "tree"
    depth: int = 3
    bins: int = 255
    batched: bool = False
    sampled: bool = False


class BoostingRows(NamedTuple):
    """Rows of a run.

    features : (p, n) bins for trees, (n, p) standardised columns for linear bases
    y, event : (n,)
    w, held : (n,) training weights and validation weights
    """

    features: Any
    y: Any
    event: Any
    w: Any
    held: Any


class Numbers(NamedTuple):
    """Settings that compile nothing anew.

    rate : float
        Share of each step that is taken.
    tol : float
        Mean length of a step below which the line search ends.
    min_leaf : float
        Least weight of a leaf.
    ridge : float
        Penalty of linear bases, per unit of weight.
    rows : float
        Share of the rows that an iteration sees.
    columns : int
        Columns that an iteration sees.
    """

    rate: Any
    tol: Any
    min_leaf: Any
    ridge: Any
    rows: Any
    columns: Any

"""What weights estimated on a table in blocks add to the scores of the estimator that uses them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from statinf.errors import DataError
from statinf.formula.design import Design
from statinf.passes.design import PassDesign
from statinf.passes.scored import ScoredRows


@dataclass(frozen=True)
class Stacked:
    """Scores of blocks with those of estimated weights.

    With scores w_i s_i(theta), the stacked system has the score w_i s_i + G f_i, where f_i is the row's influence on the
    weights' parameters and G = sum_j s_j (d w_j / d parameters)'.

    Attributes
    ----------
    score : callable
        From the design of a block to its own `ScoredRows`.
    gradient : ndarray, shape (q, k)
    """

    score: Callable[[Design], ScoredRows]
    gradient: np.ndarray

    def __call__(self, block: Design) -> ScoredRows:
        made, weights = self.score(block), block.weights_object
        pushed = weights.influence @ self.gradient.T
        if len(weights.used) == len(block.rows):
            return replace(made, adjustment=pushed, weight_leverage=weights.leverage)
        position = np.searchsorted(weights.used, block.rows)
        outside = np.ones(len(weights.used), dtype=bool)
        outside[position] = False
        left = np.flatnonzero(outside)
        leverage = None if weights.leverage is None else weights.leverage[position]
        return replace(
            made,
            adjustment=pushed[position],
            outside=pushed[left] if len(left) else None,
            outside_rows=weights.used[left] if len(left) else None,
            weight_leverage=leverage,
        )


def stacked(
    made: PassDesign, score: Callable[[Design], ScoredRows], unit: Callable[[Design], np.ndarray]
) -> Callable[[Design], ScoredRows]:
    """Scores that account for weights estimated on the same table; the same ones where there are none. One pass.

    Parameters
    ----------
    made : PassDesign
    score : callable
        From the design of a block to its `ScoredRows`.
    unit : callable
        From the same to whitened scores per unit of weight, shape (n, q).

    Raises
    ------
    DataError
        If the weights' own rows are others than in this table.
    """
    if not made.estimated:
        return score
    gradient, rows, total = made.total(partial(_gradient, unit), "estimated weights")
    known = made.weights.sums
    if rows != made.weights.made.tally.n or not np.isclose(total, known.total, rtol=1e-8, atol=0.0):
        raise DataError(
            f"the weights were made on {made.weights.made.tally.n} rows that sum to {known.total:.10g}; on these data they are "
            f"{rows} rows that sum to {total:.10g}. Give the table that they were made on."
        )
    return Stacked(score, gradient)


def beside_rows(made: PassDesign, score: Callable[[Design], ScoredRows]) -> np.ndarray | None:
    """Sum of products of the scores of a second sample that helped to estimate the weights, shape (q, q); None without one."""
    products = made.weights.other_products if isinstance(score, Stacked) else None
    return None if products is None else score.gradient @ products @ score.gradient.T  # type: ignore[attr-defined]


def _gradient(unit: Callable[[Design], np.ndarray], block: Design) -> tuple[np.ndarray, int, float]:
    weights: Any = block.weights_object
    position = np.searchsorted(weights.used, block.rows)
    return np.dot(unit(block).T, weights.derivative[position]), len(weights.used), float(weights.values.sum())

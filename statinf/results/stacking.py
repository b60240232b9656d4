"""What estimated weights add to the scores of the estimator that uses them."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.numerics.linear.products import column_sums, row_products


def stack_scores(weights: Any, rows: np.ndarray, unit_scores: np.ndarray) -> dict[str, Any]:
    """What estimated weights add to the scores of a weighted estimator.

    With scores w_i s_i(theta), the stacked system has the score w_i s_i + G f_i, where f_i is the row's
    influence on the weights' parameters and G = sum_j s_j (d w_j / d parameters)'.

    Parameters
    ----------
    weights : Weights or None
    rows : ndarray of int, shape (n,)
        The estimator's rows, a subset of the weights' rows.
    unit_scores : ndarray, shape (n, q)
        Scores per unit of weight, s_i.

    Returns
    -------
    dict
        `adjustment` (n, q), `weight_leverage` (n,), `outside` (m, q) and `outside_rows` (m,), as `Moments` takes them;
        `weights_fixed` where estimated weights are treated as known; empty without estimated weights.
    """
    if weights is None:
        return {}
    used, whole = weights.used, len(rows) == len(weights.used)
    # Where all rows of the weights are rows of the estimator there is nothing to pick.
    whole = whole and np.array_equal(used, rows)
    if whole and weights.expansion is not None and weights.leverage is None:
        by_row = weights.expansion()
        direction = by_row.gradient(unit_scores).T
        found = {"adjustment": by_row.moved(direction), "weight_leverage": None}
        return found | {"outside": by_row.others_moved(direction), "outside_rows": None}
    if weights.derivative is None or weights.influence is None:
        return {"weights_fixed": True}
    position = slice(None) if whole else np.searchsorted(used, rows)
    gradient = column_sums(weights.derivative[position], unit_scores)
    pushed = row_products(weights.influence, gradient.T)
    inside = np.zeros(len(used), dtype=bool)
    inside[position] = True
    outside, outside_rows = pushed[~inside], used[~inside]
    leverage = None if weights.leverage is None else weights.leverage[position]
    found: dict[str, Any] = {"adjustment": pushed[position], "weight_leverage": leverage}
    if weights.other_influence is not None:
        outside = np.concatenate([outside, weights.other_influence @ gradient.T])
        return found | {"outside": outside, "outside_rows": None}
    if len(outside) == 0:
        return found
    return found | {"outside": outside, "outside_rows": outside_rows}

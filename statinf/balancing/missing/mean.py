"""The mean of an outcome from weights and predictions, and every row's influence on it.

With predictions m and weights w of the observed rows the mean is ``sum s m / sum s + sum w (y - m) / W``: without predictions
the weighted mean, with them the augmented one. W is ``sum w``, or ``sum s`` for the estimators of Horvitz and Thompson.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from statinf.balancing.missing.problem import Imputed, MeanSolution, MissingProblem, RowWeights
from statinf.numerics.linear.symmetric import quadratic_forms, symmetric_inverse


def solve_mean(
    problem: MissingProblem,
    weights: RowWeights,
    imputed: Imputed | None = None,
    *,
    normalize: bool = True,
    facts: Mapping[str, Any] | None = None,
) -> MeanSolution:
    """The mean and its influence values, those of estimated weights and of a least squares fit stacked.

    Parameters
    ----------
    problem : MissingProblem
    weights : RowWeights
    imputed : Imputed, optional
    normalize : bool
        Divide by the sum of the weights, not by that of the sampling weights.
    facts : mapping of str to object, optional
    """
    s, w, total = problem.s, weights.values, problem.total
    m = np.zeros(problem.n) if imputed is None else imputed.values
    mass = float(w.sum()) if normalize else total
    residual = np.where(problem.observed, problem.y - m, 0.0)
    first, second = float(s @ m) / total, float(w @ residual) / mass
    mean = first + second
    unit = np.where(problem.observed, residual - second, 0.0) if normalize else residual
    own = s * (m - first) / total + w * unit / mass
    if not normalize:
        own -= s * second / total
    per_weight = unit / mass
    leverage = w / mass
    if imputed is not None and imputed.columns is not None:
        assert imputed.working is not None
        columns, working = imputed.columns, imputed.working
        inverse = symmetric_inverse((columns * working[:, None]).T @ columns)
        gradient = (s @ columns) / total - (w @ columns) / mass
        moved = columns @ (inverse @ gradient) * residual
        own += working * moved
        leverage = np.maximum(leverage, working * quadratic_forms(columns, inverse))
        if imputed.moves:
            per_weight = per_weight + moved
    pushed = None
    if weights.linear is not None:
        pushed = weights.linear.influence @ (weights.linear.derivative.T @ per_weight)
        leverage = np.maximum(leverage, weights.linear.leverage)
    return MeanSolution(mean, own, pushed, leverage, weights, dict(facts or {}))

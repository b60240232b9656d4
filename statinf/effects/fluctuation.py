"""The targeting step: logistic fluctuations of an outcome model until it solves the efficient score of each arm's mean.

van der Laan and Rubin (2006); Gruber and van der Laan (2010) for bounded outcomes. The fluctuations of the arms have
clever covariates that are zero outside their arm, so that each is one logistic regression with an offset and one slope.
"""

from __future__ import annotations

import numpy as np

from statinf.errors import ConvergenceError
from statinf.numerics.glm.families import sigmoid

_MOST = 100
_TOLERANCE = 1e-12


def fluctuated(offset: np.ndarray, clever: np.ndarray, slope: float) -> np.ndarray:
    """Outcome model (n,) moved along its clever covariate on the log-odds scale."""
    return sigmoid(offset + slope * clever)


def targeting_slope(y: np.ndarray, offset: np.ndarray, clever: np.ndarray, w: np.ndarray) -> float:
    """The slope whose logistic fluctuation makes sum w clever (y - model) vanish, by Newton's method within a bracket.

    Parameters
    ----------
    y : ndarray, shape (m,)
        Outcomes of the rows of one arm, in [0, 1].
    offset, clever : ndarray, shape (m,)
        Log odds of the outcome model, and the clever covariate; positive.
    w : ndarray, shape (m,)

    Raises
    ------
    ConvergenceError
        If no finite slope solves it: the outcome of the arm is 0, or 1, in every row.
    """
    weight = w * clever
    total = float(weight.sum())
    if total <= 0.0 or not 0.0 < float(weight @ y) < total:
        raise ConvergenceError(
            "the outcome is at one end of its range in all rows of an arm, so that nothing can be targeted there; give "
            "wider bounds= of the outcome, or use method='aipw'."
        )
    # In the unit of the clever covariate, whatever its size.
    unit = float(weight @ clever) / total
    h, slope, low, high = clever / unit, 0.0, -np.inf, np.inf
    for _ in range(_MOST):
        model = sigmoid(offset + slope * h)
        score = float(weight @ (y - model))
        if abs(score) <= _TOLERANCE * total:
            return slope / unit
        low, high = (slope, high) if score > 0.0 else (low, slope)
        curvature = float(weight @ (h * model * (1.0 - model)))
        step = score / curvature if curvature > 0.0 else np.sign(score)
        trial = slope + float(np.clip(step, -5.0, 5.0))
        slope = trial if low < trial < high else 0.5 * (low + high)
    raise ConvergenceError("the targeting step did not converge; raise clip, or use method='aipw'.")

"""The weights that fitted propensities of several arms give to new rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.balancing.arm_propensity import arm_weights
from statinf.errors import DataError
from statinf.formula.frame import as_frame
from statinf.results import unsupported

if TYPE_CHECKING:
    from statinf.balancing.arm_weights import MultiArmWeights


def scores(weights: MultiArmWeights, newdata: Any) -> np.ndarray:
    """One weight per new row, shape (rows,); NaN where its arm is missing or the model says nothing of the row."""
    assert weights.coef is not None and weights.recipe is not None
    numeric = bool(weights.recipe.response)
    rows = weights.recipe.new_rows(newdata, roles=("covariates",), response=numeric)
    matrix = rows.part("covariates").with_intercept()
    kept = ~np.isnan(weights.coef[0])
    broken = np.zeros(rows.n, bool) if weights.aliases is None else unsupported(matrix, kept, weights.aliases)
    codes = _codes(weights, rows.response if numeric else None, newdata)
    eta = np.column_stack([np.zeros(rows.n), matrix.values[:, kept] @ weights.coef[:, kept].T])
    known = (codes >= 0) & ~broken & np.isfinite(eta).all(axis=1)
    out = np.full(rows.n, np.nan)
    out[known] = arm_weights(eta[known], codes[known], weights.estimand, weights.focal or 0)[0]
    return out


def _codes(weights: MultiArmWeights, values: np.ndarray | None, newdata: Any) -> np.ndarray:
    """Position of every row's arm, -1 where it is missing."""
    if values is None:
        column = as_frame(newdata).categories(weights.treatment)
        values = np.array([*column.levels, None], dtype=object)[column.codes]
        missing = column.codes < 0
    else:
        missing = np.isnan(values)
    codes = np.full(len(values), -1)
    for k, level in enumerate(weights.levels):
        codes[values == level] = k
    unknown = sorted({str(v) for v in values[(codes < 0) & ~missing]})
    if unknown:
        raise DataError(
            f"the treatment '{weights.treatment}' has values in the new rows that were not in the fit: {unknown[:5]}."
        )
    return codes

"""Predictions of rows and frames with further columns: what every fit with a linear predictor shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.results.frames import to_caller

if TYPE_CHECKING:
    from statinf.formula.design import Design
    from statinf.formula.matrix import Matrix


def predictor(matrix: Matrix, theta: np.ndarray, offset: np.ndarray | None) -> np.ndarray:
    """Linear predictor of rows, shape (n,); aliased coefficients contribute nothing."""
    kept = ~np.isnan(theta)
    eta = matrix.values @ theta if kept.all() else matrix.values[:, kept] @ theta[kept]
    return eta if offset is None else eta + offset


def predictor_se(matrix: Matrix, theta: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Standard error of the linear predictor of rows, shape (n,)."""
    kept = ~np.isnan(theta)
    x = matrix.values if kept.all() else matrix.values[:, kept]
    variance = np.einsum("ij,ij->i", x @ covariance, x)
    # A variance that rounding made negative is zero; NaN rows stay NaN.
    return np.sqrt(np.where(variance < 0, 0.0, variance))


def prediction_frame(rows: Any, columns: Mapping[str, np.ndarray]) -> Any:
    """Columns about new rows, or the rows of a design, in the caller's kind of data frame and with its index.

    Parameters
    ----------
    rows : NewRows or Design
    columns : mapping of str to ndarray, shape (n,)
    """
    import pandas as pd

    return to_caller(pd.DataFrame(dict(columns)), rows.kind, rows.index)


def scatter(values: np.ndarray, design: Design) -> np.ndarray:
    """Values of the rows used, spread over the caller's rows, shape (n_total,); NaN elsewhere."""
    out = np.full(design.n_total, np.nan)
    out[design.rows] = values
    return out


def augmented(design: Design, columns: Mapping[str, np.ndarray]) -> Any:
    """The caller's frame with further columns, in the caller's kind.

    Parameters
    ----------
    design : Design
    columns : mapping of str to ndarray, shape (rows used,)
    """
    import narwhals as nw

    native = design.frame.native
    frame = nw.from_native(native, eager_only=True)
    taken = set(frame.columns)
    new = [
        nw.new_series(name if name not in taken else f"{name}_", scatter(values, design), backend=frame.implementation)
        for name, values in columns.items()
    ]
    if frame.implementation.is_pandas():
        new = [nw.from_native(s.to_native().set_axis(native.index), series_only=True) for s in new]
    return frame.with_columns(*new).to_native()

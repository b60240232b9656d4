"""Predictions of rows and frames with further columns: what every fit with a linear predictor shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.errors import DroppedRowsWarning, issue_warning
from statinf.frames import to_caller
from statinf.inference.roots import matrix_root
from statinf.numerics.linear.aliases import breaks_alias

if TYPE_CHECKING:
    from statinf.formula.design import Design
    from statinf.formula.matrix import Matrix
    from statinf.formula.recipe import NewRows
    from statinf.inference.covariance import Covariance
    from statinf.results.fit import Fit


def predictor(matrix: Matrix, theta: np.ndarray, offset: np.ndarray | None) -> np.ndarray:
    """Linear predictor of rows, shape (n,); aliased coefficients contribute nothing."""
    kept = ~np.isnan(theta)
    eta = matrix.values @ theta if kept.all() else matrix.values[:, kept] @ theta[kept]
    return eta if offset is None else eta + offset


def predictor_se(matrix: Matrix, theta: np.ndarray, covariance: Covariance | np.ndarray) -> np.ndarray:
    """Standard error of the linear predictor of rows, shape (n,); a `Covariance` keeps the digits of far columns."""
    kept = ~np.isnan(theta)
    x = matrix.values if kept.all() else matrix.values[:, kept]
    half = x @ (matrix_root(covariance) if isinstance(covariance, np.ndarray) else covariance.root)
    return np.sqrt(np.einsum("ij,ij->i", half, half))


def unsupported(matrix: Matrix, kept: np.ndarray, aliases: np.ndarray) -> np.ndarray:
    """Rows that cannot be predicted because they break an alias of the fit, shape (n,), with one warning."""
    broken = breaks_alias(matrix.values, kept, aliases)
    if broken.any():
        names = ", ".join(f"'{n}'" for n, k in zip(matrix.names, kept, strict=True) if not k)
        issue_warning(
            f"rows of {len(broken)} that cannot be predicted and are NaN: {int(broken.sum())}: they depend on "
            f"coefficients that have no estimate ({names}), because the data of the fit had no such row.",
            DroppedRowsWarning,
        )
    return broken


def prediction_rows(fit: Fit, newdata: Any) -> NewRows:
    """The formula's columns for new rows, or for the data of the fit."""
    if newdata is None:
        newdata = fit._need_rows("predictions without newdata").frame
    return fit.new_rows(newdata)


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
    new: dict[str, np.ndarray] = {}
    for name, values in columns.items():
        while name in design.frame.names or name in new:
            name += "_"
        new[name] = scatter(values, design)
    if design.frame.kind == "pandas":
        # Not through narwhals, which refuses a frame in which a column's name occurs twice.
        import pandas as pd

        return pd.concat([native, pd.DataFrame(new, index=native.index)], axis=1)
    frame = nw.from_native(native, eager_only=True)
    made = [nw.new_series(name, values, backend=frame.implementation) for name, values in new.items()]
    return frame.with_columns(*made).to_native()

"""Row weights and clusters that come beside a formula, brought to the rows of a frame."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from statinf.errors import DataError
from statinf.formula.columns import Numeric
from statinf.formula.frame import Frame
from statinf.formula.identity import label_text

_LEAST = 1e-60


def aligned(values: Any, frame: Frame, name: str, rows: np.ndarray | None = None) -> Any:
    """What the caller gives one of per row, in the order of the frame's rows.

    Parameters
    ----------
    values : object
        A pandas Series or DataFrame goes by its index where that differs from the frame's; everything else by position, as it
        is.
    frame : Frame
    name : str
        What to call it in messages.
    rows : ndarray of int, shape (m,), optional
        Rows of the frame that suffice, such as those of the fit, where the Series does not hold all.

    Returns
    -------
    object
        One value per row of the frame, or one per entry of `rows` where only these are there; in its own length, where
        it goes by position.

    Raises
    ------
    DataError
        If rows of the frame have no value, or labels of the Series that occur more than once leave open which.
    """
    index = frame.index
    if index is None or not _is_series(values) or values.index.equals(index):
        return values
    advice, kind = f"give {name}.to_numpy() to go by position", type(values).__name__
    if not values.index.is_unique:
        label = values.index[int(np.argmax(values.index.duplicated()))]
        raise DataError(
            f"{name} is a {kind} in which the label {label_text(label)} occurs more than once, so its values cannot be matched to "
            f"the rows of the data; {advice}."
        )
    place = values.index.get_indexer(index)
    if rows is not None and (place < 0).any() and (place[rows] >= 0).all():
        place = place[rows]
    if (place < 0).any():
        missing = place < 0
        raise DataError(
            f"{name} is a {kind} whose index lacks {int(missing.sum())} of {len(place)} row labels of the data (first: "
            f"{label_text(index[int(np.argmax(missing))])}); {advice}."
        )
    return values.iloc[place].set_axis(index if len(place) == len(index) else index[rows])


def _is_series(values: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(values, pandas.Series | pandas.DataFrame)


def on_frame(weights: Any, frame: Frame) -> Any:
    """Weights for the rows of this frame: a `Weights` follows its rows, a Series its index.

    Raises
    ------
    DataError
        If they belong to other rows.
    """
    if hasattr(weights, "used") and hasattr(weights, "values"):
        return weights.on(frame)
    return aligned(weights, frame, "weights")


def weights_of(
    weights: Any, frame: Frame, of: Callable[[], str] = str
) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
    """Weights on all rows, and the rows that they rule out by cause; a `Weights` as `on_frame` made it.

    Messages say which rows they counted with `of`, where these are not all.

    Raises
    ------
    DataError
        If they are no numbers, negative, infinite, beyond what sums can hold, or of another length than the data.
    """
    if weights is None:
        return None, {}
    if hasattr(weights, "used") and hasattr(weights, "values"):
        full = weights.full()[: frame.n]
        below = np.flatnonzero(full < 0)
        if len(below):
            raise DataError(
                f"the weights of '{getattr(weights, 'method', 'balance')}' are negative in {len(below)} rows{of()} (first: row "
                f"{int(below[0])}), which a regression cannot take: make them without negative=True or estimator='projection', "
                "or with a kernel of order two; means under them are numpy.average(y, weights=w.full())."
            )
        return full, {"no weight for the row": np.isnan(full)}
    values, name = _column_of(weights, frame) if isinstance(weights, str) else _array_of(weights, frame)
    negative = values < 0
    if negative.any():
        raise DataError(f"{name}: {int(negative.sum())}{of()} are negative (first at row {int(np.argmax(negative))}).")
    infinite = np.isinf(values)
    if infinite.any():
        raise DataError(f"{name}: {int(infinite.sum())}{of()} are infinite (first at row {int(np.argmax(infinite))}).")
    most = float(np.fmax.reduce(values, initial=0.0))
    if most and not _LEAST < most < 1.0 / _LEAST:
        raise DataError(
            f"{name}: the largest is {most:.1e}, and variances need products of weights; rescale them, for instance by their mean "
            "(estimates do not depend on their unit)."
        )
    return values, {f"{name} is missing": np.isnan(values)}


def _column_of(name: str, frame: Frame) -> tuple[np.ndarray, str]:
    column = frame.column(name)
    if not isinstance(column, Numeric):
        raise DataError(f"the weights column '{name}' holds categories; weights are numbers.")
    return column.values, f"weights '{name}'"


def _array_of(weights: Any, frame: Frame) -> tuple[np.ndarray, str]:
    if np.ndim(weights) != 1 or len(weights) != frame.n:
        raise DataError(
            f"weights has shape {np.shape(weights)}; give one weight per row of the data, shape ({frame.n},)."
        )
    if hasattr(weights, "to_numpy") and hasattr(weights, "isna"):
        weights = weights.to_numpy(dtype=object, na_value=np.nan)
    raw = np.asarray(weights)
    if raw.dtype.kind not in "fiubO":
        raise DataError(f"weights holds {raw.dtype} values; weights are numbers.")
    try:
        return raw.astype(np.float64), "weights"
    except (TypeError, ValueError):
        raise DataError("weights holds values that are no numbers.") from None


def positive(weights: np.ndarray) -> np.ndarray:
    """The weights, of which at least one must not be zero."""
    if not weights.any():
        raise DataError("all weights are zero on the rows used; at least some must be positive.")
    return weights


def clusters_of(cluster: Any, frame: Frame) -> dict[str, np.ndarray]:
    """Codes of each clustering variable on all rows, -1 where it is missing.

    Raises
    ------
    DataError
        If a column is missing, or an array has another length than the data.
    """
    if cluster is None:
        return {}
    if isinstance(cluster, str):
        cluster = [cluster]
    if isinstance(cluster, list | tuple) and cluster and all(isinstance(c, str) for c in cluster):
        named = all(c in frame.names or c in frame.unread for c in cluster)
        if named or len(cluster) != frame.n:
            return {name: frame.categories(name).codes for name in cluster}
    import pandas as pd

    cluster = aligned(cluster, frame, "cluster")
    if np.ndim(cluster) != 1 or len(cluster) != frame.n:
        shape = np.shape(cluster)
        raise DataError(f"cluster has shape {shape}; give a column name, or one value per row, shape ({frame.n},).")
    return {"cluster": np.asarray(pd.factorize(pd.Series(cluster))[0])}


def without_gaps(codes: np.ndarray) -> np.ndarray:
    """Codes from 0 without gaps, in the same order."""
    present = np.zeros(int(codes.max(initial=-1)) + 1, dtype=bool)
    present[codes] = True
    return (np.cumsum(present) - 1)[codes]

"""Tables of calibration: errors by group and level, and the K2 of functions, of a prediction on rows with outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from statinf.conformity.multicalibration.groups import GroupTerm, by_columns
from statinf.conformity.multicalibration.level_errors import (
    Residuals,
    cell_means,
    level_error,
    limits,
    mean_square,
)
from statinf.conformity.multicalibration.predictor import LevelPredictor
from statinf.conformity.multicalibration.reading import LevelRows
from statinf.errors import DataError, OptionError
from statinf.formula.columns import Categorical
from statinf.formula.given import aligned

_FEW = 3
"""Distinct values from which a column of numbers is a function of its own beside groups."""


@dataclass(frozen=True)
class Measured:
    """One kind of error before and after boosting.

    Attributes
    ----------
    measure : str
        "mse", "msce" or "k2".
    function : str
    initial, estimate, corrected, std_error, statistic, df, p_value : float
    """

    measure: str
    function: str
    initial: float
    estimate: float
    corrected: float
    std_error: float
    statistic: float
    df: float
    p_value: float

    def row(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


def residuals(predictor: LevelPredictor, rows: LevelRows, two_valued: bool, of: str = "fitted") -> Residuals:
    """Rows with outcomes and the predictions, fitted or initial, in units of the bounds, whose squares are numbers."""
    assert rows.y is not None and rows.w is not None
    if of == "initial":
        f = predictor.started(rows.X, rows.initial)
    else:
        f = predictor.replayed(rows.X, rows.initial) if rows.fitted is None else rows.fitted
    known, grid = two_valued and bool(np.isin(rows.y, (0.0, 1.0)).all()), predictor.boosted.grid
    return Residuals((rows.y - predictor.low) / predictor.unit, f, rows.w, grid.codes(f), grid.size, known)


def error_rows(
    predictor: LevelPredictor,
    rows: LevelRows,
    terms: Sequence[GroupTerm],
    columns: Sequence[str],
    min_rows: int,
    two_valued: bool,
    functions: Mapping[str, np.ndarray] | None = None,
) -> list[Measured]:
    """Squared error, calibration error, and K2 of functions: those of the caller, or groups and columns."""
    before, after = (residuals(predictor, rows, two_valued, of) for of in ("initial", "fitted"))
    (mse, se), (first, _) = mean_square(after), mean_square(before)
    nan, square = np.nan, predictor.unit**2
    out = [Measured("mse", "", square * first, square * mse, nan, square * se, nan, nan, nan)]
    out.append(_measured("msce", "1", before, after, None, min_rows, square))
    every = _functions(predictor, rows, terms, columns) if functions is None else functions
    return out + [_measured("k2", name, before, after, h, min_rows, square) for name, h in every.items()]


def _measured(
    measure: str,
    name: str,
    before: Residuals,
    after: Residuals,
    h: np.ndarray | None,
    min_rows: int,
    square: float,
) -> Measured:
    first, found = level_error(before, h, min_rows), level_error(after, h, min_rows)
    return Measured(
        measure,
        name,
        square * first.estimate,
        square * found.estimate,
        square * found.corrected,
        square * found.std_error,
        found.statistic,
        float(found.df),
        found.p_value,
    )


def _functions(
    predictor: LevelPredictor, rows: LevelRows, terms: Sequence[GroupTerm], columns: Sequence[str]
) -> dict[str, np.ndarray]:
    """Indicators of groups, and columns of numbers in the standard units of the fit."""
    out: dict[str, np.ndarray] = {}
    for term in terms:
        assert rows.groups is not None
        codes = term.codes(rows.groups)
        out |= {label: (codes == g).astype(np.float64) for g, label in enumerate(term.groups.labels)}
    for j, name in enumerate(columns):
        values = rows.X[:, j]
        if len(np.unique(values[: 10 * _FEW])) >= _FEW:
            out.setdefault(name, (values - predictor.centre[j]) / predictor.scale[j])
    return out


def function_values(function: Any, rows: LevelRows) -> tuple[str, np.ndarray]:
    """The name of a function of the row, and its values (n,).

    Raises
    ------
    OptionError
        If it is neither a column nor a function.
    DataError
        If its values are not one finite number per row.
    """
    if isinstance(function, str):
        column = rows.frame.column(function)
        if isinstance(column, Categorical):
            raise OptionError(
                f"function={function!r} is a column of categories; table(by={function!r}) tells errors by level."
            )
        name, values = function, column.values
    elif callable(function):
        name = getattr(function, "__name__", "function")
        values = np.asarray(aligned(function(rows.frame.native), rows.frame, name), np.float64)
    else:
        raise OptionError(f"function={function!r}: give the name of a column, or a function of a data frame.")
    if values.shape != (rows.frame.n,):
        raise DataError(
            f"the function gave shape {values.shape} for {rows.frame.n} rows; one number per row is needed."
        )
    values = values[rows.rows]
    if not np.isfinite(values).all():
        raise DataError(f"the function '{name}' is not a finite number in {int((~np.isfinite(values)).sum())} rows.")
    return name, values


def group_rows(
    predictor: LevelPredictor,
    rows: LevelRows,
    terms: Sequence[GroupTerm],
    by: Sequence[str],
    per_level: bool,
    of: str,
    level: float,
    two_valued: bool,
) -> dict[str, np.ndarray]:
    """Columns of the table of mean errors, one entry per group, or per level set of a group, that has rows."""
    found = residuals(predictor, rows, two_valued, of)
    if by:
        labels, codes = by_columns(rows.frame, by)
        blocks = [(labels, codes[rows.rows])]
    else:
        blocks = [(("all rows",), np.zeros(len(found.f), np.intp))]
        blocks += [(term.groups.labels, term.codes(rows.groups)) for term in terms if rows.groups is not None]
    values = predictor.boosted.grid.centres
    parts = [_block(found, labels, codes, values if per_level else None, level) for labels, codes in blocks]
    out = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    places, sizes = ("level", "predicted", "outcome"), ("error", "std_error", "conf_low", "conf_high")
    out |= {name: predictor.low + predictor.unit * out[name] for name in places if name in out}
    return out | {name: predictor.unit * out[name] for name in sizes}


def _block(
    found: Residuals, labels: Sequence[str], codes: np.ndarray, values: np.ndarray | None, level: float
) -> dict[str, np.ndarray]:
    size = 1 if values is None else len(values)
    inner = np.zeros_like(found.codes) if values is None else found.codes
    cells = np.where(codes >= 0, codes * size + inner, -1)
    of = cell_means(found, cells, len(labels) * size)
    has = of.n > 0
    columns: dict[str, Any] = {"group": np.repeat(np.array(labels, dtype=object), size)}
    if values is not None:
        columns["level"] = np.tile(values, len(labels))
    columns |= {"n": of.n, "predicted": of.predicted, "outcome": of.outcome, "error": of.error} | limits(of, level)
    return {name: column[has] for name, column in columns.items()}

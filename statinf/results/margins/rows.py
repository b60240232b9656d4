"""The rows that marginal effects are taken on: those of the fit, a grid of values, or new data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError, DroppedRowsWarning, OptionError, issue_warning
from statinf.formula.columns import Categorical
from statinf.formula.counterfactual import SettableRows
from statinf.formula.frame import Frame
from statinf.formula.given import aligned, weights_of
from statinf.results.margins.mean import MeanModel

if TYPE_CHECKING:
    from statinf.formula.design import Design
    from statinf.results.fit import Fit


@dataclass(frozen=True, repr=False)
class MarginRows(Brief):
    """Rows with what their means are made of.

    Attributes
    ----------
    columns : ndarray, shape (n, p)
    offset : ndarray, shape (n,), or None
    settable : SettableRows
    weights : ndarray, shape (n,)
    codes : ndarray of int, shape (n,)
        The group of each row.
    groups : tuple of tuple
        What each group is called, one entry for each of `by`.
    by : tuple of str
    places : ndarray of int, shape (n,)
        Where the rows stand among the rows asked for.
    total : int
        Rows asked for.
    index : pandas.Index or None
    own : bool
        Whether these are rows of the fit; `places` are then those among the rows used.
    grid : mapping of str to tuple
        Values that a grid was made of, one for each row.
    """

    columns: np.ndarray
    offset: np.ndarray | None
    settable: SettableRows
    weights: np.ndarray
    codes: np.ndarray
    groups: tuple[tuple[Any, ...], ...]
    by: tuple[str, ...]
    places: np.ndarray
    total: int
    index: Any
    own: bool
    grid: Mapping[str, tuple[Any, ...]]

    @property
    def n(self) -> int:
        return len(self.columns)

    def numbers(self, name: str) -> np.ndarray:
        """The values of a column of numbers, shape (n,)."""
        found = self.settable.numbers(name)
        assert found is not None
        return found


def own_rows(fit: Fit, model: MeanModel, by: Sequence[str], weights: Any, *, every: bool) -> MarginRows:
    """The rows of the fit; those of weight zero and those without a group only if `every` row is asked for."""
    design = fit._need_rows("marginal effects without newdata")
    w = design.weights if weights is None else _given(weights, design.frame, design.rows)
    present = design.weights > 0
    codes, groups = groups_of(design.frame, design.rows, by)
    keep = np.ones(design.n, dtype=bool) if every else present & (w > 0) & (codes >= 0)
    if not every:
        _warn_groups(int((present & (codes < 0)).sum()), by)
    if not keep.any():
        raise DataError("no row of the fit is left to average over; look at by= and weights=.")
    columns, offset = _own_columns(design, model)
    rows = None if design.n == design.n_total else design.rows
    settable = SettableRows.of(model.recipe, model.sides, design.frame, rows)
    places = np.arange(design.n)
    if not keep.all():
        places = np.flatnonzero(keep)
        columns, settable, w, codes = columns[places], settable.take(places), w[places], codes[places]
        offset = None if offset is None else offset[places]
    return MarginRows(columns, offset, settable, w, codes, groups, tuple(by), places, design.n, design.index, True, {})


def _own_columns(design: Design, model: MeanModel) -> tuple[np.ndarray, np.ndarray | None]:
    """Columns and offset of the rows of a fit; made anew where the predictors are those of a formula of their own."""
    if model.recipe is design.recipe:
        return model.columns(dict(zip(design.roles, design.parts, strict=False))), design.offset
    made = model.recipe.new_rows(design.frame, tuple(side.role for side in model.sides), warn=False)
    columns, offset = model.columns(made.parts), made.offset
    if design.n == made.n:
        return columns, offset
    return columns[design.rows], None if offset is None else offset[design.rows]


def new_rows(model: MeanModel, newdata: Any, by: Sequence[str], weights: Any, *, every: bool) -> MarginRows:
    """The rows of a frame; those that cannot be predicted are left out, with a warning that counts them."""
    made = model.recipe.new_rows(newdata, tuple(side.role for side in model.sides))
    w = np.ones(made.n) if weights is None else _given(weights, made.frame, np.arange(made.n))
    codes, groups = groups_of(made.frame, np.arange(made.n), by)
    keep = made.ok if every else made.ok & (w > 0) & (codes >= 0)
    if not every:
        _warn_groups(int((made.ok & (codes < 0)).sum()), by)
        if not keep.any():
            raise DataError("no row of newdata can be predicted and has a weight and a group.")
    places = np.flatnonzero(keep)
    columns = model.columns(made.parts)
    offset = made.offset
    if not keep.all():
        columns, offset = columns[places], None if offset is None else offset[places]
    settable = SettableRows.of(model.recipe, model.sides, made.frame, places)
    return MarginRows(
        columns, offset, settable, w[places], codes[places], groups, tuple(by), places, made.n, made.index, False, {}
    )


def _given(weights: Any, frame: Frame, rows: np.ndarray) -> np.ndarray:
    """Weights that the caller gives for the averages; False for equal ones."""
    if weights is False:
        return np.ones(len(rows))
    if weights is True or isinstance(weights, int | float):
        raise OptionError(
            f"weights={weights!r}: give a column's name, one number per row, False for equal weights, or leave it out."
        )
    if not isinstance(weights, str):
        weights = aligned(weights, frame, "weights", rows)
        if np.ndim(weights) == 1 and len(weights) == len(rows) != frame.n:
            full = np.zeros(frame.n)
            full[rows] = np.asarray(weights, dtype=np.float64)
            weights = full
    values, _ = weights_of(weights, frame)
    assert values is not None
    return np.nan_to_num(values[rows])


def _warn_groups(lost: int, by: Sequence[str]) -> None:
    if lost:
        issue_warning(f"{lost} rows are left out because {' or '.join(map(repr, by))} is missing.", DroppedRowsWarning)


def names_of(by: Any) -> tuple[str, ...]:
    """Names of columns to group by."""
    if by is None:
        return ()
    listed = (by,) if isinstance(by, str) else tuple(by) if isinstance(by, list | tuple) else None
    if listed is None or not all(isinstance(name, str) for name in listed) or len(set(listed)) != len(listed):
        raise OptionError(f"by={by!r} names no columns; give a column's name, or a list of different ones.")
    return listed


def groups_of(frame: Frame, rows: np.ndarray, by: Sequence[str]) -> tuple[np.ndarray, tuple[tuple[Any, ...], ...]]:
    """The group of each row, -1 where a column is missing, and the levels of each group that occurs."""
    if not by:
        return np.zeros(len(rows), dtype=np.intp), ((),)
    columns = [frame.categories(name) for name in by]
    if len(by) == 1:
        codes = columns[0].codes[rows].astype(np.intp)
        present = np.unique(codes[codes >= 0])
        number = np.full(len(columns[0].levels) + 1, -1, dtype=np.intp)
        number[present] = np.arange(len(present))
        return number[codes], tuple((columns[0].levels[c],) for c in present)
    table = np.column_stack([c.codes[rows] for c in columns])
    missing = (table < 0).any(axis=1)
    found, inverse = np.unique(table, axis=0, return_inverse=True)
    usable = ~(found < 0).any(axis=1)
    number = np.where(usable, np.cumsum(usable) - 1, -1)
    names = tuple(tuple(c.levels[k] for c, k in zip(columns, row, strict=True)) for row in found[usable])
    return np.where(missing, -1, number[inverse.ravel()]), names


# --- grids -----------------------------------------------------------------------------------------------------

POINTS = 50
MOST_CELLS = 2_000


def grid_rows(fit: Fit, model: MeanModel, given: Mapping[str, Any], by: Sequence[str], weights: Any) -> MarginRows:
    """Rows with every combination of some values, the other columns at their means or most frequent levels."""
    from itertools import product

    base = own_rows(fit, model, (), weights, every=False)
    unknown = [name for name in given if name not in base.settable.names]
    if unknown:
        raise OptionError(
            f"newdata names {unknown[0]!r}, which the fit does not use; it uses {', '.join(base.settable.names[:12])}."
        )
    values = {name: _listed(v) for name, v in given.items()}
    cells = list(product(*values.values()))
    if not cells or len(cells) > MOST_CELLS:
        raise OptionError(f"newdata makes a grid of {len(cells)} rows; between 1 and {MOST_CELLS} are evaluated.")
    columns = {name: _typical(base, name) for name in base.settable.names if name not in given}
    frame = _grid_frame(base.settable, columns, dict(zip(values, zip(*cells, strict=True), strict=True)), len(cells))
    made = new_rows(model, frame, by, None, every=False) if by else new_rows(model, frame, (), None, every=True)
    shown = {name: tuple(cells[at][k] for at in made.places) for k, name in enumerate(values)}
    return MarginRows(**{**vars(made), "grid": shown, "index": None})


def _listed(value: Any) -> list[Any]:
    return [value] if isinstance(value, str) or np.ndim(value) == 0 else list(np.asarray(value, dtype=object))


def _typical(base: MarginRows, name: str) -> Any:
    """The weighted mean of a column of numbers; the most frequent value of levels, truth values, zeros and ones."""
    from statinf.results.margins.request import is_binary

    rows, w = base.settable, base.weights
    group = rows.grouped.get(name)
    column = rows.columns.get(name)
    group = column if isinstance(column, Categorical) else group
    if group is not None:
        return group.levels[int(np.argmax(np.bincount(group.codes, weights=w, minlength=len(group.levels))))]
    values = rows.numbers(name)
    assert values is not None
    if rows.logical(name) or is_binary(values):
        most = float(w @ values > 0.5 * w.sum())
        return bool(most) if rows.logical(name) else most
    return float(w @ values / w.sum())


def _grid_frame(rows: SettableRows, fixed: Mapping[str, Any], varied: Mapping[str, Sequence[Any]], n: int) -> Any:
    """A pandas frame of the grid's rows, its columns of the kinds that the fit's are of."""
    import pandas as pd

    out = {}
    for name in rows.names:
        values = list(varied[name]) if name in varied else [fixed[name]] * n
        column, group = rows.columns.get(name), rows.grouped.get(name)
        named = column if isinstance(column, Categorical) else None if column is not None else group
        if named is not None:
            strange = [v for v in values if v not in named.levels]
            if strange:
                shown = ", ".join(map(repr, named.levels[:12]))
                raise OptionError(f"'{name}' cannot be set to {strange[0]!r}; its levels are {shown}.")
            if all(isinstance(level, str) for level in named.levels):
                out[name] = pd.Categorical(values, categories=list(named.levels), ordered=named.ordered)
            else:
                out[name] = values
            continue
        if rows.logical(name) and not all(v in (0, 1) for v in values):
            raise OptionError(f"'{name}' holds truth values and cannot be set to {values[0]!r:.60}.")
        out[name] = _numbers(name, values, bool if rows.logical(name) else np.float64)
    return pd.DataFrame(out)


def _numbers(name: str, values: Sequence[Any], kind: type) -> np.ndarray:
    """Values of a column of numbers or truth values."""
    try:
        made = np.array(values, dtype=kind)
    except (TypeError, ValueError):
        raise OptionError(f"'{name}' holds numbers and cannot be set to {values[0]!r:.60}.") from None
    if not np.isfinite(made).all():
        raise OptionError(
            f"'{name}' cannot be set to {values[int(np.argmin(np.isfinite(made)))]!r}: give finite numbers."
        )
    return made


def condition_values(fit: Fit, model: MeanModel, condition: Any) -> dict[str, Any]:
    """The grid of a figure: the first variable over its range, further ones at a few of their values."""
    if isinstance(condition, Mapping):
        return dict(condition)
    names = names_of(condition)
    rows = own_rows(fit, model, (), None, every=False)
    out: dict[str, Any] = {}
    for k, name in enumerate(names):
        if name not in rows.settable.names:
            raise OptionError(
                f"condition names {name!r}, which the fit does not use; it uses {', '.join(rows.settable.names[:12])}."
            )
        out[name] = _spread(rows, name, first=k == 0)
    return out


def _spread(rows: MarginRows, name: str, first: bool) -> list[Any]:
    from statinf.results.margins.request import is_binary

    levels, numbers = rows.settable.levels(name), rows.settable.numbers(name)
    if levels is not None:
        return list(levels)
    assert numbers is not None
    if rows.settable.logical(name) or is_binary(numbers):
        return [False, True] if rows.settable.logical(name) else [0.0, 1.0]
    if first:
        return [float(v) for v in np.linspace(numbers.min(), numbers.max(), POINTS)]
    return [float(v) for v in np.quantile(numbers, [0.25, 0.5, 0.75])]

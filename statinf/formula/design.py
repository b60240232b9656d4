"""Formula and data → `Design`: named roles, float64 arrays, and the recipe for new rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError, OptionError, one_of
from statinf.formula.cells import columns_of
from statinf.formula.classes import class_outcome, outcome_kind
from statinf.formula.columns import Categorical
from statinf.formula.frame import Frame
from statinf.formula.given import on_frame, positive, without_gaps
from statinf.formula.identity import RowIdentity
from statinf.formula.learning import learn_all, outcomes, single
from statinf.formula.matrix import Matrix
from statinf.formula.mentioned import available_names, read_frame
from statinf.formula.ordered import ordered_outcome
from statinf.formula.parse import parse
from statinf.formula.reading import read_formula
from statinf.formula.recipe import Recipe, sum_offsets
from statinf.formula.rows import take
from statinf.formula.used_rows import rows_used


@dataclass(frozen=True, repr=False)
class Design(Brief):
    """What a formula makes of a data frame; behind it there are only arrays.

    Attributes
    ----------
    response : ndarray, shape (n,) or (n, m), or None
        The outcome, or several for methods that take them; codes from 0 of an outcome of categories.
    response_names : tuple of str
    parts : tuple of Matrix
        The parts on the right of `~`, in order.
    roles : tuple of str
        Name of each part.
    weights : ndarray, shape (n,)
        Row weights; ones if none were given.
    weights_object : object or None
        The `Weights` given, whose estimating function the standard errors take into account.
    offset : ndarray, shape (n,), or None
    clusters : mapping of str to ndarray of int, shape (n,)
        Codes from 0 without gaps.
    rows : ndarray of int, shape (n,)
        Row numbers, from 0, in the caller's frame.
    n_total : int
        Rows of the caller's frame.
    dropped : mapping of str to int
        Rows lost to each cause.
    recipe : Recipe
    frame : Frame
        The caller's frame, by reference.
    levels : tuple or None
        The levels of an outcome of categories, in their order.
    frame_clusters : mapping of str to ndarray of int, shape (n_total,)
        Codes of the clusters of all rows of the frame, -1 where they are missing; numbered otherwise than `clusters`.
    start : int
        Place of the frame's first row in a table that is read in blocks, in passes that are told.
    """

    response: np.ndarray | None
    response_names: tuple[str, ...]
    parts: tuple[Matrix, ...]
    roles: tuple[str, ...]
    weights: np.ndarray
    weights_object: Any
    offset: np.ndarray | None
    clusters: Mapping[str, np.ndarray]
    rows: np.ndarray
    n_total: int
    dropped: Mapping[str, int]
    recipe: Recipe
    frame: Frame
    levels: tuple[Any, ...] | None = None
    frame_clusters: Mapping[str, np.ndarray] = field(default_factory=dict)
    start: int = 0

    @property
    def n(self) -> int:
        return len(self.rows)

    @property
    def kind(self) -> str:
        return self.frame.kind

    @property
    def index(self) -> Any:
        """Labels of the rows used, shape (n,): the index of a pandas frame, None for other kinds."""
        index = self.frame.index
        return None if index is None else index[self.rows]

    @property
    def identity(self) -> RowIdentity:
        """All rows of the caller's frame, as what is made for them finds them again in another frame."""
        return RowIdentity(self.n_total, self.recipe.columns, self.frame)

    @property
    def y(self) -> np.ndarray:
        """The single outcome, shape (n,)."""
        assert self.response is not None
        return self.response

    def part(self, role: str) -> Matrix | None:
        """The part of that role; None where the formula has fewer parts."""
        return dict(zip(self.roles, self.parts, strict=False)).get(role)

    def refuse_offset(self, what: str) -> None:
        """An `OptionError` if the formula has an offset, which `what` would leave out unseen."""
        if self.offset is not None:
            raise OptionError(f"{what} no offset(); take it out of the formula.")

    def column(self, name: str) -> np.ndarray:
        """Values of any column of the caller's frame on the rows used: floats, or objects for categories."""
        column = self.frame.column(name)
        if isinstance(column, Categorical):
            labels = np.array([*column.levels, None], dtype=object)
            return labels[column.codes[self.rows]]
        return column.values[self.rows]

    def cluster_codes(self, name: str) -> np.ndarray:
        """Codes from 0 of a clustering column on the rows used."""
        if name in self.clusters:
            return self.clusters[name]
        found = self.frame.categories(name)
        codes = found.codes[self.rows]
        if (codes < 0).any():
            raise DataError(
                f"the cluster column '{name}' is missing in {int((codes < 0).sum())} rows used by the fit; "
                f"give cluster={name!r} at the fit, so that these rows are left out."
            )
        return without_gaps(codes)


def design(
    formula: str,
    data: Any,
    *,
    roles: Sequence[str] = ("covariates",),
    weights: Any = None,
    cluster: Any = None,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    response: str = "numeric",
    smooth: Sequence[str] = (),
) -> Design:
    """Read a formula against data.

    Parameters
    ----------
    formula : str
        `outcome ~ part | part`, in R's spelling: factors and contrasts, splines, cuts, logic and products as in the
        vignette `formulas`.
    data : table
        Anything narwhals reads (pandas, polars, pyarrow, duckdb), a dict of arrays, or the path of a
        parquet or csv file. Only the columns that the formula uses are converted.
    roles : sequence of str
        Names of the parts that the method takes; trailing ones may be absent.
    weights : array of shape (rows,), str or Weights, optional
        Row weights: one per row of the data, a column name, or a `Weights`.
    cluster : str, sequence of str, or array of shape (rows,), optional
        Clustering columns; rows where they are missing are left out.
    na_action : {"drop", "raise"}
    context : mapping, optional
        Functions and numbers that the formula may use by name.
    response : {"numeric", "matrix", "none", "any", "categories", "ordered"}
        One outcome of numbers, several, none, either, one of categories, or one of categories in an order.
    smooth : sequence of str
        Roles of the parts that take penalised splines `s(x)`.

    Returns
    -------
    Design

    Raises
    ------
    FormulaError
        If the formula cannot be read or asks for what formulas may not do.
    DataError
        If columns are missing or unusable, or no row is left.

    Examples
    --------
    >>> import statinf as si
    >>> from statinf.formula import design
    >>> d = design("mpg ~ wt + C(cyl)", si.datasets.load("mtcars"))
    >>> d.part("covariates").names
    ('Intercept', 'wt', 'C(cyl)[T.6]', 'C(cyl)[T.8]')
    """
    one_of("na_action", na_action, ("drop", "raise"))
    frame = read_frame(formula, data, weights, cluster)
    reading, store = read_formula(formula, frame, roles, response, context, smooth)
    weights = on_frame(weights, frame)
    rows = rows_used(store, reading.every, weights, cluster, na_action)
    index, n, known = rows.index, rows.n, rows.known
    learnt, values = learn_all(reading.measured, store, index, n, known)
    layouts = reading.layouts(learnt, n)
    matrices = tuple(columns_of(layout, values, learnt, n) for layout in layouts)
    given = np.ones(n) if rows.given is None else positive(np.array(take(rows.given, index)))
    outcome = reading.outcome
    if response == "ordered":
        made_outcome, outcome_learnt, levels = ordered_outcome(outcome[0], store, index, given > 0)
    elif reading.by_categories:
        made_outcome, outcome_learnt, levels = class_outcome(outcome[0], store, index)
    else:
        made_outcome, outcome_learnt, levels = *outcomes(outcome, store, index, n, known), None
    return Design(
        response=made_outcome,
        response_names=tuple(f.label for f in outcome),
        parts=matrices,
        roles=tuple(roles)[: len(matrices)],
        weights=given,
        weights_object=weights if hasattr(weights, "used") else None,
        offset=sum_offsets([single(f, values[f.label]) for f in reading.offsets]),
        clusters={k: without_gaps(take(v, index)) for k, v in rows.clusters.items()},
        rows=np.arange(n) if index is None else index,
        n_total=frame.n,
        dropped=rows.causes,
        recipe=reading.recipe(layouts, {**outcome_learnt, **learnt}),
        frame=frame,
        levels=levels,
        frame_clusters=rows.clusters,
    )


def kind_of_outcome(formula: str, data: Any, *, context: Mapping[str, Any] | None = None) -> str:
    """Whether a formula's outcome is "numbers", "logical" or "categories" in these data, from its type alone, or "several".

    Raises
    ------
    FormulaError, DataError
        As `design` does, for a formula that cannot be read and a column that is not there.
    """
    frame = read_frame(formula, data)
    return outcome_kind(parse(formula, available_names(frame, formula)), frame, context)

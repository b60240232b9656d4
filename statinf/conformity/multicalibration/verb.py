"""`si.multicalibrate`: predictions that are right on average on every level set and in every group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from statinf.backend.seeds import check_seed
from statinf.conformity.multicalibration import groups, initial
from statinf.conformity.multicalibration.initial import Initial, read_initial
from statinf.conformity.multicalibration.measuring import error_rows
from statinf.conformity.multicalibration.method import Multicalibration, MulticalibrationProblem
from statinf.conformity.multicalibration.reading import LevelRows, no_start, rows_of_design
from statinf.conformity.multicalibration.result import Multicalibrated
from statinf.conformity.table import MULTICALIBRATE
from statinf.errors import DataError, OptionError
from statinf.formula import Design, design
from statinf.formula.frame import Frame, as_frame
from statinf.formula.mentioned import read_frame
from statinf.formula.scale import check_sizes
from statinf.learners import canonical
from statinf.learners.nuisance import over_mean

_IN_TESTS = 20


@MULTICALIBRATE.document
def multicalibrate(
    formula: str,
    data: Any,
    *,
    init: Any = None,
    weights: Any = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **options: Any,
) -> Multicalibrated:
    """Turn predictions into ones that are right on average on each of their level sets, and in groups within them.

    Boosting on level sets: a learner is fitted to the rows of each predicted value, predictions are rounded to a grid, and so
    on until the squared error of held-out rows stops falling.

    Parameters
    ----------
    formula : str
        `outcome ~ covariates` or `outcome ~ covariates | groups`. Both parts make the columns that the learner sees; the
        second names groups, whose interactions are cells (`| g1 * g2`). Either may be `1`.
    data : data frame
        pandas, polars, pyarrow, duckdb, or a dict of columns. An outcome of 0 and 1, or of truth values, has probabilities
        for predictions.
    init : optional
        Where to start: a column of predictions (`init="p"` recalibrates a classifier), a fit of statinf that predicts
        `estimate`, a fitted model of scikit-learn, a function of a data frame, a learner to be fitted first, or a number.
        By default the learner of level sets, fitted to all rows. A model that was fitted to the same rows looks better on
        them than it is: give other rows where it can overfit.
    weights : array, str or Weights, optional
        Row weights of the squared error; taken as fixed.
    seed : int
        Of the rows that are held out and of the learner. The order of rows does not matter: they are drawn by contents.
    na_action : {"drop", "raise"}
    context : mapping, optional
        Functions and numbers that the formula uses by name.
    progress : bool, optional
        A bar for long work: None shows it in a terminal or notebook after 2 s.
    **options
        {methods}

    Returns
    -------
    Multicalibrated
        `predict`, `table`, `error`, `k2`, `path`, `coefficients`, `plot`, `summary`.

    Raises
    ------
    FormulaError, DataError
        If the formula or the data cannot be used; if an outcome lies outside `bounds`.
    OptionError
        If an option is unknown or out of range.

    References
    ----------
    Globus-Harris, Harrison, Kearns, Roth and Sorrell (2023), ICML, arXiv 2301.13767.

    Examples
    --------
    >>> import statinf as si
    >>> wage = si.datasets.load("wage")
    >>> start = si.lm("wage ~ age", wage)
    >>> fit = si.multicalibrate("wage ~ age | education", wage, init=start, levels=20)
    >>> fit.table(per_level=False)[["group", "n", "error", "std_error"]].head(3).round(1)
                       group    n  error  std_error
    0               all rows  600    0.8        1.4
    1  education = < HS Grad   46   -2.5        3.0
    2    education = HS Grad  169   -1.8        1.9
    """
    method, settings = MULTICALIBRATE.read("", options)
    check_seed(seed)
    frame = _frame(formula, data, init, weights)
    learner = settings.learner if isinstance(settings.learner, str) else type(settings.learner).__name__
    start = read_initial(init, (*frame.names, *frame.unread), "ols" if canonical(learner) == "lm" else learner)
    d = _design(formula, frame, start, weights=weights, na_action=na_action, context=context)
    rows = rows_of_design(d, start)
    dropped = _dropped(d, rows, start, na_action)
    assert rows.y is not None and rows.w is not None
    # A learner's penalty counts rows, and weights may have any unit.
    found: Multicalibration = method.estimate(
        MulticalibrationProblem(
            rows.X, rows.y, over_mean(rows.w), rows.initial, start.learner, d.response_names[0], seed, progress
        ),
        settings,
    )
    own = replace(rows, held_out=found.held_out, fitted=found.fitted)
    measured = own.only(found.held_out) if found.held_out.any() else own
    parts = dict(zip(d.roles, d.parts, strict=False))
    two_valued = bool(np.isin(rows.y, (0.0, 1.0)).all()) and (found.predictor.low, found.predictor.unit) == (0.0, 1.0)
    mse, msce = error_rows(found.predictor, measured, (), (), _IN_TESTS, two_valued)
    return Multicalibrated(
        method="multicalibrate",
        formula=formula,
        citation=method.reference,
        nobs=len(rows.y),
        kind=d.kind,
        dropped=dropped,
        recipe=d.recipe,
        predictor=found.predictor,
        boost_path=found.path,
        initial=Initial(column=start.column, model=start.model, name=start.name),
        groups=groups.group_terms(parts.get(groups.ROLE), d.recipe),
        columns=tuple(c for role in ("covariates", groups.ROLE) if role in parts for c in parts[role].rest.names),
        learner="ols" if canonical(learner) == "lm" else learner,
        min_rows=found.min_rows,
        two_valued=two_valued,
        measured={"mse": mse, "msce": msce},
        held_out=int(found.held_out.sum()),
        own=own,
    )


def _frame(formula: str, data: Any, init: Any, weights: Any) -> Frame:
    """The caller's table; of a file, the columns that the formula and `init` read."""
    named = init if isinstance(init, str) else None
    recipe = getattr(init, "recipe", None)
    if callable(init) and not hasattr(init, "predict"):
        return as_frame(data)  # a function may read any column
    known = getattr(init, "feature_names_in_", ()) if recipe is None else recipe.columns
    return read_frame(formula, data, named, list(map(str, known)), weights)


def _design(formula: str, frame: Frame, start: Initial, **options: Any) -> Design:
    """The rows, with a column of initial predictions as a part of its own."""
    written = formula
    if start.column is not None:
        name = start.column if start.column.isidentifier() else f"`{start.column}`"
        right = formula.split("~", 1)[-1]
        written = f"{formula}{'' if '|' in right else ' | 1'} | {name}"
    roles = ("covariates", groups.ROLE, *((initial.ROLE,) if start.column is not None else ()))
    d = design(written, frame, roles=roles, **options)
    if d.offset is not None:
        raise OptionError("multicalibration takes no offset(); subtract it from the outcome.")
    check_sizes(d)
    return d


def _dropped(d: Design, rows: LevelRows, start: Initial, na_action: str) -> dict[str, int]:
    """Rows left out by cause, those without an initial prediction among them."""
    lost = int((d.weights > 0.0).sum()) - len(rows.rows)
    if not lost:
        return dict(d.dropped)
    cause = no_start(start)
    if na_action == "raise":
        raise DataError(f"na_action='raise': {lost} rows ({cause}).")
    if not len(rows.rows):
        raise DataError(f"no row can be used ({lost}: {cause}).")
    return {**d.dropped, cause: lost}

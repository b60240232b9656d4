"""Columns that a conditional effect varies with: on the rows of the fit, and for new rows."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np

from statinf.errors import DataError, OptionError
from statinf.formula.columns import Numeric
from statinf.formula.design import Design
from statinf.formula.design import design as read_design
from statinf.formula.frame import as_frame
from statinf.formula.given import aligned
from statinf.formula.matrix import Matrix
from statinf.formula.recipe import NewRows, Recipe


def effect_columns(effect: str, design: Design, context: Mapping[str, Any] | None = None) -> tuple[Matrix, Recipe]:
    """Columns of a one-sided formula on the rows that a design uses, intercept first, and what makes them for new rows.

    Raises
    ------
    DataError
        If a column is missing in one of these rows.
    OptionError
        If the formula is no text.
    """
    if not isinstance(effect, str):
        raise OptionError(
            f"effect={effect!r:.60} is no formula; write the modifiers as text, such as '~ age + C(region)'."
        )
    text = effect if effect.strip().startswith("~") else f"~ {effect}"
    made = read_design(text, design.frame.native, roles=("covariates",), response="none", context=context)
    place = np.full(made.n_total, -1)
    place[made.rows] = np.arange(made.n)
    where = place[design.rows]
    if (where < 0).any():
        raise DataError(
            f"columns of '{effect}' are missing in {int((where < 0).sum())} rows used by the fit; leave these rows out first."
        )
    matrix = made.parts[0]
    some = Matrix(matrix.values[where], matrix.names, matrix.terms, matrix.intercept)
    return some.with_intercept(), made.recipe


def columns_for(fit: Any, frame: Any, *, covariates: bool) -> tuple[Matrix, np.ndarray, NewRows]:
    """Columns of the final model (m, k), covariates (m, p) where they are asked for, and the new rows.

    Parameters
    ----------
    fit : CATEFit or CATECurve
    frame : data frame
    covariates : bool
    """
    if fit.effect_recipe is None:
        rows = fit.new_rows(frame, ("covariates",))
        plain = rows.parts["covariates"].rest
        return plain.with_intercept(), plain.values, rows
    made = fit.effect_recipe.new_rows(frame, ("covariates",))
    phi = made.parts["covariates"].with_intercept()
    if not covariates:
        return phi, np.empty((len(phi.values), 0)), made
    return phi, fit.new_rows(frame, ("covariates",)).parts["covariates"].rest.values, made


def known_for(given: Any, frame: Any, n: int) -> np.ndarray:
    """Known propensities of new rows, shape (n,); NaN where a column has none.

    Parameters
    ----------
    given : float, str or array of shape (n,)
        A number, the name of a column of `frame`, or one value per row.
    frame : data frame
    n : int

    Raises
    ------
    DataError, OptionError
        If they are not one number per row, strictly between 0 and 1.
    """
    if isinstance(given, str):
        read = as_frame(frame, [given])
        read.require(given)
        column = read.column(given)
        if not isinstance(column, Numeric):
            raise DataError(f"the propensity column '{given}' holds categories; probabilities are numbers.")
        values = column.values
    elif isinstance(given, Real):
        values = np.full(n, float(given))
    else:
        given = aligned(given, as_frame(frame, []), "propensity")
        try:
            values = np.asarray(given, dtype=np.float64)
        except (TypeError, ValueError):
            raise DataError(f"propensity={given!r:.60} holds no numbers; give probabilities.") from None
    if values.shape != (n,):
        raise OptionError(f"propensity has shape {values.shape}; one value per new row is needed, ({n},).")
    wrong = (values <= 0) | (values >= 1)
    if wrong.any():
        first = int(np.argmax(wrong))
        raise DataError(f"propensity must lie strictly between 0 and 1; new row {first} has {values[first]:g}.")
    return values

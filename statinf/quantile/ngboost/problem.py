"""Rows of `si.ngboost`: numbers, times with whether they were seen, or classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError, OptionError
from statinf.formula.design import Design, design, kind_of_outcome
from statinf.formula.scale import check_columns, check_scale
from statinf.learners.natural_boosting import check_support
from statinf.numerics.laws.parametric.law import Law
from statinf.quantile.ngboost.options import NgboostOptions

_SQUARES = 1e-153, 1e153


@dataclass(frozen=True, repr=False)
class LawProblem(Brief):
    """Rows of positive weight.

    Attributes
    ----------
    X : ndarray, shape (n, p)
        Columns without an intercept.
    y, w : ndarray, shape (n,)
    event : ndarray, shape (n,), or None
        Zero where the outcome is known to exceed y; None where all were seen.
    """

    X: np.ndarray
    y: np.ndarray
    w: np.ndarray
    event: np.ndarray | None


def read_rows(
    formula: str, data: Any, options: NgboostOptions, *, weights: Any, na_action: str, context: Mapping[str, Any] | None
) -> tuple[Design, LawProblem]:
    """The design of a formula, and its rows.

    Raises
    ------
    FormulaError, DataError, OptionError
    """
    law = options.learner().law
    kind = kind_of_outcome(formula, data, context=context)
    if kind == "several":
        options.learner().rule(censored=True)
    if kind == "categories" and law.kind != "classes":
        raise DataError(f"the outcome of {formula!r} is made of categories; use dist='categorical'.")
    response = "categories" if law.kind == "classes" else "matrix" if kind == "several" else "numeric"
    made = design(formula, data, weights=weights, na_action=na_action, context=context, response=response)
    if made.offset is not None:
        raise OptionError("boosting takes no offset(); subtract it from the outcome.")
    check_columns(made.parts[0], *_SQUARES)
    used = made.weights > 0
    y, event = outcome_of(made.y[used], made.response_names, law)
    if event is not None and not event.any():
        raise DataError(
            f"no row has '{made.response_names[1]}' equal to 1: without a time that was seen there is no law to fit."
        )
    if law.kind == "classes" and len(np.unique(y)) < len(made.levels or ()):
        raise DataError("a class of the outcome has rows of weight zero only; leave these rows out.")
    if law.kind != "classes":
        check_scale(float(np.abs(y).max()), f"the outcome '{made.response_names[0]}'", *_SQUARES)
    X = made.parts[0].without_intercept().values[used]
    return made, LawProblem(np.asarray(X, np.float64), y, made.weights[used], event)


def outcome_of(response: np.ndarray, names: tuple[str, ...], law: Law) -> tuple[np.ndarray, np.ndarray | None]:
    """Outcomes and, of times, whether they were seen.

    Raises
    ------
    DataError
        For outcomes outside the family's support, or events other than 0 and 1.
    """
    if response.ndim == 1:
        y = np.asarray(response, np.float64)
        check_support(law, y, f"the outcome '{names[0]}'")
        return y, None
    if response.shape[1] != 2:
        raise DataError(f"cbind() holds {response.shape[1]} columns; a censored outcome is cbind(time, event).")
    y, event = np.ascontiguousarray(response.T)
    other = (event != 0) & (event != 1)
    if other.any():
        raise DataError(
            f"'{names[1]}' must be 1 where the time was seen and 0 where it is known to be longer; {int(other.sum())} rows "
            f"are neither, such as {event[np.argmax(other)]:g}."
        )
    check_support(law, y, f"the outcome '{names[0]}'")
    return y, event

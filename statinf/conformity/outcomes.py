"""Which method goes with which outcome: numbers have intervals, categories have sets of classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from statinf.conformity.problem import ConformalMethod
from statinf.conformity.table import CONFORMAL
from statinf.errors import OptionError, StatinfWarning, issue_warning
from statinf.formula.design import kind_of_outcome
from statinf.formula.frame import Frame, as_frame
from statinf.formula.mentioned import read_frame

DEFAULTS = {"numbers": "split", "logical": "lac", "categories": "lac", "several": "dqr"}
"""The method of an outcome where the caller names none."""


def read_method(
    method: str | None, options: Mapping[str, Any], formula: str, data: Any, weights: Any, context: Any
) -> tuple[ConformalMethod, Any, bool, Frame]:
    """The method, its options, whether the outcome is read as categories, and the data, which are read here and once.

    Raises
    ------
    OptionError
        For an unknown method or option, and for an outcome of categories under a method for numbers.
    """
    named = None if method is None else CONFORMAL.read(method, options)
    # A function of a data frame may use any column.
    every = callable(weights) and not hasattr(weights, "score")
    frame = as_frame(data) if every else read_frame(formula, data, weights, options.get("by"), options.get("split"))
    kind = kind_of_outcome(formula, frame, context=context)
    chosen, settings = named or CONFORMAL.read(DEFAULTS[kind], options)
    assert isinstance(chosen, ConformalMethod)
    if chosen.outcome == "numbers" and kind == "categories":
        raise OptionError(
            f"method={chosen.name!r} makes intervals of numbers, and the outcome '{_outcome(formula)}' holds categories; "
            f"methods that make sets of classes are {_names('classes', 'both')}."
        )
    return chosen, settings, chosen.outcome == "classes" or (chosen.outcome == "both" and kind != "numbers"), frame


def warn_two_values(chosen: ConformalMethod, y: np.ndarray, formula: str) -> None:
    """Say that an interval for a 0/1 number is rarely what is wanted."""
    if y.ndim == 1 and np.isin(y[:100], (0.0, 1.0)).all() and np.isin(y, (0.0, 1.0)).all():
        issue_warning(
            f"the outcome '{_outcome(formula)}' is 0 or 1, and method={chosen.name!r} makes intervals of numbers around its "
            f"mean, which is rarely wanted; sets of classes come from method={_names('classes')}.",
            StatinfWarning,
        )


def _names(*kinds: str) -> str:
    found = [name for name, m in CONFORMAL.items() if isinstance(m, ConformalMethod) and m.outcome in kinds]
    return ", ".join(map(repr, found))


def _outcome(formula: str) -> str:
    return formula.split("~", 1)[0].strip()

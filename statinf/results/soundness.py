"""A loaded result is asked once what everybody asks first, so that contents that do not fit together show at loading."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.errors import StatinfError, silent_warnings

if TYPE_CHECKING:
    from statinf.formula.recipe import Recipe

_QUESTIONS = ("summary", "glance", "tidy", "conf_int")


def check_sound(result: Any) -> None:
    """Let whatever a summary, the tables and predictions for a made-up row stumble over come out.

    A refusal by the package is an answer. Formulas with functions of the caller's are not evaluated.
    """
    with np.errstate(all="ignore"), silent_warnings():
        for name in _QUESTIONS:
            _ask(result, name)
        recipe = getattr(result, "recipe", None)
        if recipe is not None and not recipe.context:
            rows = made_up_rows(recipe)
            _ask(result, "predict", rows)
            _ask(result, "predict", rows, interval="confidence")
            _ask(result, "score", rows)


def made_up_rows(recipe: Recipe) -> dict[str, list[Any]]:
    """Two equal rows with the first level of each column of categories and one elsewhere."""
    values: dict[str, Any] = {}
    for label, factor in recipe.factors.items():
        coding = getattr(recipe.learnt[label], "coding", None)
        for column in factor.columns:
            if coding is not None and len(factor.columns) == 1:
                values[column] = coding.levels[0]
            values.setdefault(column, 1.0)
    return {column: [value, value] for column, value in values.items()}


def _ask(result: Any, name: str, *args: Any, **options: Any) -> None:
    if not hasattr(type(result), name):
        return
    try:
        getattr(result, name)(*args, **options)
    except StatinfError:
        return

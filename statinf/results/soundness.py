"""A loaded result is asked once what everybody asks first, so that contents that do not fit together show at loading."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.errors import StatinfError, silent_warnings

if TYPE_CHECKING:
    from statinf.formula.recipe import Recipe

_MOST = 100
"""Levels of a column that are asked for."""
_QUESTIONS = ("summary", "glance", "tidy", "conf_int")


def check_sound(result: Any) -> None:
    """Let whatever a summary, the tables and predictions for made-up rows stumble over come out.

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
    """Rows in which each column of categories goes through its levels, and every other column is one."""
    levels: dict[str, list[Any]] = {}
    for label, factor in recipe.factors.items():
        coding = getattr(recipe.learnt[label], "coding", None)
        for column in factor.columns:
            if coding is not None and len(factor.columns) == 1:
                levels[column] = list(coding.levels[:_MOST])
            levels.setdefault(column, [1.0])
    count = max(2, *map(len, levels.values())) if levels else 0
    return {column: [found[i % len(found)] for i in range(count)] for column, found in levels.items()}


def _ask(result: Any, name: str, *args: Any, **options: Any) -> None:
    if not hasattr(type(result), name):
        return
    try:
        getattr(result, name)(*args, **options)
    except StatinfError:
        return

"""From a design of ordered categories to the rows of a PRESTO fit."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.errors import DataError
from statinf.formula.design import Design
from statinf.quantile.presto.path import PrestoRows


def presto_rows(design: Design, *, reverse: bool = False, fewest: int = 1) -> tuple[PrestoRows, tuple[Any, ...]]:
    """Rows of positive weight, and the categories in the order of the fit, the rare one last.

    Parameters
    ----------
    design : Design
        Read with `response="categories"`.
    reverse : bool
        Turn the order of the categories round.
    fewest : int
        Rows of positive weight that each category must have, such as the number of folds.

    Raises
    ------
    DataError
        If there are fewer than three categories, one has too few rows, no column is left, or there is an offset.
    """
    assert design.levels is not None
    name, levels = design.response_names[0], design.levels
    codes = np.asarray(design.response, np.intp)
    if reverse:
        levels, codes = levels[::-1], len(levels) - 1 - codes
    if design.offset is not None:
        raise DataError("an offset has no place in a model of boundaries; take offset() out of the formula.")
    if len(levels) < 3:
        raise DataError(
            f"the outcome '{name}' has two categories; use logistic regression: family='binomial' of si.glm."
        )
    # the boundaries have intercepts of their own
    matrix = design.parts[0].without_intercept()
    X = np.ascontiguousarray(matrix.values)
    if not matrix.names:
        raise DataError("the formula has no column besides the intercept; add a term.")
    used = design.weights > 0
    counts = np.bincount(codes[used], minlength=len(levels))
    if counts.min() < fewest:
        short = int(np.argmin(counts))
        raise DataError(
            f"the category {levels[short]!r} of '{name}' has {counts[short]} rows of positive weight; {fewest} are needed. "
            "Join it to a neighbour, or use fewer folds."
        )
    return PrestoRows(X[used], codes[used], len(levels), design.weights[used]), tuple(levels)

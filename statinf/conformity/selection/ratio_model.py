"""A density ratio from a formula: logistic regression of which sample a row is from (Bickel, Bruckner and Scheffer, 2007).

With probability p of being a new row the ratio is p / (1 - p), up to a constant that does not matter. It is fitted to the rows
that are then selected from, so that the bound on the false discovery rate holds approximately.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from statinf.errors import ConvergenceError, DataError, OptionError, StatinfError
from statinf.formula import design
from statinf.learners import resolve


def fitted_ratios(
    formula: str, data: Any, newdata: Any, context: Mapping[str, Any] | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Ratios at all labelled rows and at all new rows; NaN where a covariate is missing or of an unseen level.

    Raises
    ------
    FormulaError, DataError
        If the formula cannot be read against a sample.
    """
    try:
        d = design(formula, data, response="none", context=context)
        new = d.recipe.new_rows(newdata, ("covariates",), warn=False)
    except StatinfError as error:
        raise type(error)(f"weights={formula!r}: {error}") from None
    if d.offset is not None:
        raise OptionError(f"weights={formula!r}: a density ratio takes no offset().")
    old_part, new_part = d.part("covariates"), new.part("covariates")
    assert old_part is not None and new_part is not None
    X, X_new = old_part.without_intercept().values, new_part.without_intercept().values[new.ok]
    if not len(X_new):
        raise DataError(f"weights={formula!r} can be taken at no row of newdata.")
    both = np.concatenate([X, X_new])
    is_new = np.repeat([0.0, 1.0], [len(X), len(X_new)])
    try:
        fitted = resolve("logit", "probability", "weights").fit(both, is_new, seed=seed)
    except ConvergenceError:
        raise ConvergenceError(
            f"weights={formula!r}: the covariates tell labelled and new rows apart without error, so that there is no density "
            "ratio; the samples do not overlap. Leave the separating covariates out."
        ) from None
    p = np.clip(fitted.predict(both), np.finfo(float).tiny, 1.0 - np.finfo(float).eps)
    ratio = p / (1.0 - p)
    old, at_new = np.full(d.n_total, np.nan), np.full(new.n, np.nan)
    old[d.rows], at_new[new.ok] = ratio[: len(X)], ratio[len(X) :]
    return old, at_new

"""A formula read against the source, with the same columns of the target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from statinf.errors import FormulaError, OptionError
from statinf.formula.design import Design, design
from statinf.formula.recipe import Recipe
from statinf.formula.scale import check_sizes
from statinf.formula.scan import halves
from statinf.results import Weights
from statinf.shifts.margins import Margins
from statinf.shifts.samples import Samples
from statinf.shifts.target import known_target, target_rows


def read_samples(
    formula: str,
    source: Any,
    target: Any,
    *,
    ratio_formula: str | None = None,
    response: str = "none",
    weights: Any = None,
    ratio: Weights | None = None,
    target_weights: Any = None,
    cluster: Any = None,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Samples:
    """Read a formula against the source and make the same columns of the target.

    Parameters
    ----------
    formula : str
        `outcome ~ terms`, or `~ terms` with `response="none"`.
    source : data frame
    target : data frame or Margins
    ratio_formula : str, optional
        `~ terms` of the density ratio where they are others; rows that lack a column of either are left out.
    response : {"none", "numeric"}
    weights, target_weights, cluster, na_action, context
        As in `statinf.lm`, and the target's.
    ratio : Weights, optional
        A given density ratio: rows that it has no weight for are left out. Excludes `weights`.
    seed : int

    Raises
    ------
    FormulaError
        If a formula cannot be read.
    DataError
        If the frames lack columns, the target has infinite values or a level that the source does not have, or no row
        is left.
    """
    options: dict[str, Any] = {
        "weights": weights if ratio is None else ratio,
        "cluster": cluster,
        "na_action": na_action,
        "context": context,
    }
    if ratio_formula is None:
        made = design(formula, source, response=response, **options)
    else:
        text = f"{formula} | {ratio_terms(ratio_formula)}"
        made = design(text, source, response=response, roles=("covariates", "ratio"), **options)
    if response in ("none", "categories"):
        made.refuse_offset("comparisons of two samples take")
    check_sizes(made)
    if ratio is not None:
        made = replace(made, weights=np.ones(made.n), weights_object=None)
    if isinstance(target, Margins):
        other = known_target(made.recipe, target)
    else:
        other = target_rows(made.recipe, target, target_weights, na_action)
    whole, columns = made, made
    if ratio_formula is not None:
        whole, columns = part_alone(made, 0, formula), part_alone(made, 1, ratio_formula, outcome=False)
    return Samples(whole, other, columns, "covariates" if ratio_formula is None else "ratio", seed)


def ratio_terms(formula: str) -> str:
    """The right-hand side of a formula that has no left one."""
    left, tilde, right = halves(formula) if isinstance(formula, str) else ("", "", "")
    if not tilde or left.strip() or not right.strip():
        raise FormulaError(f"ratio_formula={formula!r}: write the columns of the density ratio as '~ x1 + x2'.")
    return right


def part_alone(made: Design, number: int, formula: str, *, outcome: bool = True) -> Design:
    """The design of one part, with a recipe that knows nothing of the others; without the outcome if that is not its own."""
    alone = recipe_alone(made.recipe, number, formula, outcome=outcome)
    found = replace(made, parts=(made.parts[number],), roles=("covariates",), recipe=alone)
    return found if outcome else replace(found, response=None, response_names=(), offset=None)


def recipe_alone(recipe: Recipe, number: int, formula: str, *, outcome: bool = True) -> Recipe:
    """The recipe of one part, that knows nothing of the others; without the outcome if that is not its own."""
    part = replace(recipe.parts[number], role="covariates")
    response, offset = (recipe.response, recipe.offset) if outcome else ((), ())
    labels = (*part.factors, *response, *offset)
    factors = {label: recipe.factors[label] for label in labels}
    text = " ".join(formula.split())
    return replace(recipe, formula=text, parts=(part,), response=response, offset=offset, factors=factors)


def check_sampling(weights: Any) -> None:
    """Refuse estimated weights where sampling weights are asked for: their errors would not be counted.

    Raises
    ------
    OptionError
    """
    if isinstance(weights, Weights):
        raise OptionError(
            "weights= are sampling weights here, numbers or a column; those of a Weights were estimated, which these standard "
            "errors do not count. Give their values with np.asarray(weights) to take them as known."
        )

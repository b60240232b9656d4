"""A trial and the population that its effect is carried to, behind one formula."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError, FormulaError
from statinf.formula.design import Design, design
from statinf.formula.recipe import Recipe
from statinf.formula.scale import check_sizes
from statinf.formula.subset import subset
from statinf.formula.treatment import MOST_NUMBERS, Arms, arms_of, plain_name, shown_level
from statinf.shifts.margins import Margins
from statinf.shifts.reading import check_sampling, part_alone, ratio_terms
from statinf.shifts.samples import Samples
from statinf.shifts.target import known_target, target_rows


@dataclass(frozen=True, repr=False)
class Trial(Brief):
    """The trial's rows by arm, and both samples.

    Attributes
    ----------
    samples : Samples
        Outcome and covariates of the trial, covariates of the population.
    design : Design
        The whole formula on the trial's rows.
    arms : Arms
    codes : ndarray of int, shape (n,)
        Arm of each row; 0 is the reference.
    treatment : str
        Column name of the treatment.
    """

    samples: Samples
    design: Design
    arms: Arms
    codes: np.ndarray
    treatment: str

    @property
    def k(self) -> int:
        return len(self.arms.levels)

    @property
    def names(self) -> tuple[str, ...]:
        """The arms as terms show them, the reference first."""
        return tuple(shown_level(level) for level in self.arms.ordered)

    def of_arm(self, arm: int) -> Samples:
        """The samples with all other arms of the trial at weight zero."""
        made = self.samples.design
        return replace(self.samples, design=replace(made, weights=made.weights * (self.codes == arm)))


def read_trial(
    formula: str,
    trial: Any,
    population: Any,
    *,
    ratio_formula: str | None = None,
    treated: Any = None,
    reference: Any = None,
    weights: Any = None,
    target_weights: Any = None,
    cluster: Any = None,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Trial:
    """Read `outcome ~ treatment | covariates` against the trial, and the covariates of the population.

    Raises
    ------
    FormulaError
        If the formula has no covariates.
    DataError
        If the treatment is not one column of two arms or more, or as `read_samples` says.
    """
    check_sampling(weights)
    roles, text = ("treatment", "covariates"), formula
    if ratio_formula is not None:
        roles, text = (*roles, "ratio"), f"{formula} | {ratio_terms(ratio_formula)}"
    made = design(
        text, trial, roles=roles, weights=weights, cluster=cluster, na_action=na_action, context=context
    )  # fmt: skip
    check_sizes(made)
    if not made.weights.all():
        made = subset(made, made.weights > 0)
    if len(made.parts) < len(roles) or made.parts[1].without_intercept().p == 0:
        raise FormulaError(
            f"{formula!r} names no covariates in which trial and population may differ; write 'outcome ~ treatment | x1 + x2'."
        )
    arms, name = _arms(made, treated, reference)
    recipe = _without_treatment(made.recipe)
    if isinstance(population, Margins):
        target = known_target(recipe, population)
    else:
        target = _population(recipe, population, target_weights, na_action)
    covariates = part_alone(made, 1, formula)
    ratio = covariates if ratio_formula is None else part_alone(made, 2, ratio_formula, outcome=False)
    samples = Samples(covariates, target, ratio, "covariates" if ratio_formula is None else "ratio", seed)
    place = np.array([arms.ordered.index(level) for level in arms.levels], np.intp)
    return Trial(samples, made, arms, place[arms.codes], name)


def _population(recipe: Recipe, population: Any, weights: Any, na_action: str) -> Any:
    try:
        return target_rows(recipe, population, weights, na_action)
    except DataError as error:
        raise DataError(str(error).replace("target frame", "population frame")) from None


def _arms(made: Design, treated: Any, reference: Any) -> tuple[Arms, str]:
    matrix = made.parts[0].rest
    arms = arms_of(made, matrix, treated=treated, reference=reference)
    name = plain_name(matrix)
    numbers = matrix.p == 1 and arms is not None and len(arms.levels) > MOST_NUMBERS
    if arms is None or numbers:
        raise DataError(
            f"the treatment '{name}' has many values; the effect of a trial is that of arms: labels, at most {MOST_NUMBERS} "
            f"numbers, or C({name})."
        )
    return arms, name


def _without_treatment(recipe: Recipe) -> Recipe:
    """The recipe of what the population is read for."""
    parts = recipe.parts[1:]
    labels = [label for part in parts for label in part.factors] + list(recipe.offset)
    return replace(recipe, parts=parts, response=(), factors={label: recipe.factors[label] for label in labels})

"""The rows of `proximal`: outcome, treatment, covariates and two kinds of proxies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from statinf.effects.arms import Arms, arms_of, not_arms, plain_name
from statinf.effects.cate_columns import effect_columns
from statinf.effects.rows import clustered_design
from statinf.errors import DataError, FormulaError
from statinf.formula.design import Design
from statinf.formula.matrix import Matrix
from statinf.formula.recipe import Recipe
from statinf.formula.scale import check_sizes
from statinf.inference.vcov import VcovSpec
from statinf.learners.cells import standardise

ROLES = ("treatment", "covariates", "treatment_proxies", "outcome_proxies")
_WHAT = ("the treatment", "the covariates", "the treatment proxies (third part)", "the outcome proxies (fourth part)")


@dataclass(frozen=True)
class ProximalProblem:
    """What every method of `proximal` gets.

    Attributes
    ----------
    design : Design
    treatment : Matrix
        Its column: 0 and 1 of two arms.
    covariates, z, w : Matrix
        The covariates behind a constant, treatment proxies and outcome proxies without one.
    modifiers : Matrix or None
        Columns that the effect varies with, without a constant; None where the caller named none.
    recipe : Recipe or None
        Makes the modifiers for new rows; None where they are the covariates.
    arms : Arms or None
    coded : tuple of float
        Values of the treatment's column in the formula at the reference and the treated level; (0, 1) of a number.
    spec : VcovSpec
    clusters : mapping of str to ndarray of int, shape (n,)
    seed : int
    """

    design: Design
    treatment: Matrix
    covariates: Matrix
    z: Matrix
    w: Matrix
    modifiers: Matrix | None
    recipe: Recipe | None
    arms: Arms | None
    coded: tuple[float, float]
    spec: VcovSpec
    clusters: Mapping[str, np.ndarray] = field(default_factory=dict)
    seed: int = 0

    @property
    def name(self) -> str:
        """The treatment's name, which its effect has too."""
        return self.treatment.names[0]

    @property
    def y(self) -> np.ndarray:
        """The outcome less its offset, shape (n,)."""
        return self.design.y if self.design.offset is None else self.design.y - self.design.offset

    @property
    def a(self) -> np.ndarray:
        """The treatment, shape (n,)."""
        return self.treatment.values[:, 0]

    @cached_property
    def binary(self) -> bool:
        """Whether the treatment has two arms."""
        return self.arms is not None and len(self.arms.levels) == 2

    def standard(self, matrix: Matrix) -> np.ndarray:
        """Columns with mean zero and unit variance under the weights, without a constant."""
        return standardise(matrix.rest.values, self.design.weights).z[:, 1:]


def read_problem(
    formula: str,
    data: Any,
    *,
    effect: str | None,
    treated: Any,
    vcov: Any,
    spec: VcovSpec,
    weights: Any,
    cluster: Any,
    seed: int,
    na_action: str,
    context: Mapping[str, Any] | None,
) -> ProximalProblem:
    """Read `outcome ~ treatment | covariates | treatment proxies | outcome proxies`.

    Raises
    ------
    FormulaError
        If a part is missing, or a variable stands in two parts that exclude each other.
    DataError
        If the treatment is not one column, a proxy does not vary, or columns cannot be used.
    """
    design, clusters = clustered_design(
        formula, data, roles=ROLES, weights=weights, cluster=cluster, vcov=vcov, na_action=na_action, context=context
    )
    if any(design.part(role) is None for role in ROLES):
        raise FormulaError(
            "a formula with proxies has four parts: 'outcome ~ treatment | covariates | treatment proxies | outcome "
            "proxies'; write 'outcome ~ treatment | 1 | z | w' for no covariates."
        )
    check_sizes(design)
    _check_parts(design)
    treatment, covariates, z, w = (design.part(role) for role in ROLES)
    assert treatment is not None and covariates is not None and z is not None and w is not None
    for part, what in ((z, "treatment"), (w, "outcome")):
        _check_varies(part.rest, design, what)
    values, arms, coded = _coded(design, treatment, treated)
    name = plain_name(treatment.rest)
    modifiers, recipe = None, None
    if effect is not None:
        found, recipe = effect_columns(effect, design, context)
        own = {c for f in design.recipe.parts[0].factors for c in design.recipe.factors[f].columns}
        guilty = sorted(set(recipe.columns) & (own | set(design.recipe.response)))
        if guilty:
            raise FormulaError(
                f"effect={effect!r} uses {', '.join(map(repr, guilty))}: effects vary with covariates, not with the "
                "treatment or the outcome."
            )
        modifiers = found.rest
    return ProximalProblem(
        design,
        Matrix(values[:, None], (name,), {name: slice(0, 1)}, False),
        covariates.with_intercept(),
        z.rest,
        w.rest,
        modifiers,
        recipe,
        arms,
        coded,
        spec,
        clusters,
        seed,
    )


def _coded(design: Design, treatment: Matrix, treated: Any) -> tuple[np.ndarray, Any, tuple[float, float]]:
    """The treatment (n,), its arms where it has any, and the values of the two arms."""
    arms = arms_of(design, treatment.rest, treated=treated)
    coded = (0.0, 1.0)
    if arms is not None and len(arms.levels) == 2:
        values = arms.rows(arms.treated).astype(np.float64)
        column = treatment.rest.values[:, 0]
        coded = float(column[arms.rows(arms.reference)][0]), float(column[arms.rows(arms.treated)][0])
    elif treatment.rest.p == 1 and treated is None and treatment.rest.names[0] in design.recipe.columns:
        values = treatment.rest.values[:, 0]
    else:
        raise not_arms(arms, treatment.rest.values[:, 0], plain_name(treatment.rest), several=False)
    return values, arms, coded


def _check_parts(design: Design) -> None:
    """Refuse variables in two parts, but for one that stands among both kinds of proxies."""
    recipe = design.recipe
    own = [{c for f in part.factors for c in recipe.factors[f].columns} for part in recipe.parts]
    for i in range(4):
        for j in range(i):
            both = sorted(own[i] & own[j])
            if both and (j, i) != (2, 3):
                raise FormulaError(
                    f"'{both[0]}' stands among {_WHAT[j]} and {_WHAT[i]}; take it out of one of the two."
                )


def _check_varies(part: Matrix, design: Design, what: str) -> None:
    if part.p == 0:
        raise FormulaError(f"the formula names no {what} proxies.")
    used = part.values[design.weights > 0]
    still = [name for name, wide in zip(part.names, np.ptp(used, axis=0), strict=True) if wide == 0.0]
    if still:
        raise DataError(
            f"the {what} proxy '{still[0]}' does not vary on the rows used; it tells nothing of a confounder."
        )

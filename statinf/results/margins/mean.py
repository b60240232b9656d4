"""The mean function of a fit: what its slopes, contrasts and adjusted predictions are made of.

A kind of fit has them as soon as its method `mean_model` returns a `MeanModel`. Its means are functions of linear predictors in
the columns of some parts of the formula: one for a regression, one for each level of a quantile regression, one for each class
of a model of classes, whose several predictors may share coefficients (`IndexedMean.places` and `signs`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.formula.matrix import Matrix
from statinf.formula.part_sides import PartSide
from statinf.formula.recipe import Recipe
from statinf.inference.indexed_mean import IndexedMean
from statinf.numerics.linear.aliases import breaks_alias


@dataclass(frozen=True, repr=False)
class MeanModel(Brief):
    """Means of rows as functions of a fit's coefficients.

    Attributes
    ----------
    recipe : Recipe
        Makes the columns for new rows.
    sides : tuple of PartSide
        The parts of the formula whose columns, side by side, the predictors are made of.
    means : tuple of IndexedMean
    label : str
        What the means are told apart by in tables, such as "tau" or "class".
    broken : callable, optional
        From columns (m, p) to the rows that have no estimate, because they depend on aliased coefficients.
    what : str
        The estimand in words, for tables.
    differences : str
        Why differences of means are estimated alone, and not means themselves; empty where both are.
    """

    recipe: Recipe
    sides: tuple[PartSide, ...]
    means: tuple[IndexedMean, ...]
    label: str = ""
    broken: Callable[[np.ndarray], np.ndarray] | None = None
    what: str = "mean"
    differences: str = ""

    def columns(self, parts: Mapping[str, Matrix]) -> np.ndarray:
        """The columns of the predictors from the parts of a formula, shape (n, p)."""
        blocks = []
        for side in self.sides:
            if side.role not in parts:
                continue
            part = parts[side.role]
            if side.constant is not None:
                part = part.with_intercept() if side.constant else part.rest
            blocks.append(part.values if side.plain else (part.values - side.low) / (side.high - side.low))
        return blocks[0] if len(blocks) == 1 else np.asfortranarray(np.hstack(blocks))


def linear_mean(
    recipe: Recipe,
    theta: np.ndarray,
    *,
    sides: tuple[PartSide, ...] = (PartSide("covariates"),),
    link: Any = None,
    names: tuple[Any, ...] = ("",),
    label: str = "",
    aliased: tuple[np.ndarray, np.ndarray] | None = None,
    first: int = 0,
    what: str = "mean",
) -> MeanModel:
    """The mean function of fits with one linear predictor, or with one for each of several names.

    Parameters
    ----------
    recipe : Recipe
    theta : ndarray, shape (q,)
        All coefficients, those of one name after another.
    sides : tuple of PartSide
    link : Link, optional
        With `inverse` and `slope`; the identity by default.
    names : tuple
    label : str
    aliased : tuple of ndarray, optional
        Which of the covariates' coefficients are not aliased, shape (k,) bool, and how they make the others.
    first : int
        Place of the covariates' first column among the predictors' columns.
    what : str
    """
    count = len(names)
    places = np.arange(len(theta)).reshape(count, -1)
    straight = link is None or getattr(link, "name", "") == "identity"
    options: dict[str, Any] = {"linear": True}
    if not straight:
        options = {"inverse": partial(_inverse, link), "slope": partial(_slope, link)}
    means = tuple(IndexedMean(places[j : j + 1], name=name, **options) for j, name in enumerate(names))
    broken = None
    if aliased is not None and not aliased[0].all():
        broken = partial(_broken, *aliased, first)
    return MeanModel(recipe, sides, means, label, broken, what)


def _inverse(link: Any, eta: np.ndarray) -> np.ndarray:
    return link.inverse(eta[:, 0])


def _slope(link: Any, eta: np.ndarray) -> np.ndarray:
    return np.asarray(link.slope(eta[:, 0]))[:, None]


def _broken(kept: np.ndarray, aliases: np.ndarray, first: int, columns: np.ndarray) -> np.ndarray:
    return breaks_alias(columns[:, first : first + len(kept)], kept, aliases)

"""Inverse probability weighting with a logit propensity.

Horvitz and Thompson (1952); Hirano, Imbens and Ridder (2003); overlap weights of Li, Morgan and
Zaslavsky (2018, arXiv 1404.1785). The estimand is the average effect in the population that the tilting
function h(x) selects: everybody (ATE), the treated (ATT), the controls (ATC), or those who could have been
either (ATO). Weights are h(x) / P(T = t | x). Identification needs no unmeasured confounding and overlap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.balance.groups import Arms
from statinf.errors import NotIdentifiedError, one_of
from statinf.formula.matrix import Matrix
from statinf.formula.recipe import Recipe
from statinf.numerics.families import family_of
from statinf.numerics.irls import GlmSolution, fit_glm
from statinf.numerics.separation import separating_columns
from statinf.results import Weights

CITATION = "inverse probability weighting with a logit propensity (Hirano, Imbens and Ridder 2003)"
ESTIMANDS = ("ATE", "ATT", "ATC", "ATO")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PropensityWeights(Weights):
    """Weights from a propensity score.

    Attributes
    ----------
    propensity : ndarray, shape (n,)
    coef : ndarray, shape (p,)
        Of the logit; NaN where aliased.
    recipe : Recipe
    treatment_level : object
        The level that counts as treated.
    """

    propensity: np.ndarray
    coef: np.ndarray
    recipe: Recipe
    treatment_level: Any = 1

    def score(self, newdata: Any) -> np.ndarray:
        rows = self.recipe.new_rows(newdata, response=True)
        matrix = rows.parts["covariates"]
        kept = ~np.isnan(self.coef)
        e = family_of("binomial").link.inverse(matrix.values[:, kept] @ self.coef[kept])
        assert rows.response is not None
        return np.where(np.isnan(rows.response), np.nan, tilted(e, rows.response, self.estimand)[0])


def tilted(e: np.ndarray, treated: np.ndarray, estimand: str) -> tuple[np.ndarray, np.ndarray]:
    """Weights of an estimand and their derivatives by the linear predictor of a logit propensity.

    Parameters
    ----------
    e : ndarray, shape (n,)
        Propensity.
    treated : ndarray, shape (n,)
        0 or 1.
    estimand : {"ATE", "ATT", "ATC", "ATO"}

    Returns
    -------
    weights, derivative : ndarray, shape (n,)
    """
    t = treated > 0.5
    odds = e / (1.0 - e)
    if estimand == "ATE":
        return np.where(t, 1.0 / e, 1.0 / (1.0 - e)), np.where(t, -1.0 / odds, odds)
    if estimand == "ATT":
        return np.where(t, 1.0, odds), np.where(t, 0.0, odds)
    if estimand == "ATC":
        return np.where(t, 1.0 / odds, 1.0), np.where(t, -1.0 / odds, 0.0)
    return np.where(t, 1.0 - e, e), np.where(t, -1.0, 1.0) * e * (1.0 - e)


def fit(arms: Arms, covariates: Matrix, sampling: np.ndarray, estimand: str) -> tuple[np.ndarray, dict[str, Any]]:
    """Propensity weights and what a `Weights` needs of them.

    Parameters
    ----------
    arms : Arms
    covariates : Matrix
        With its intercept.
    sampling : ndarray, shape (n,)
        Sampling weights.
    estimand : str

    Returns
    -------
    values : ndarray, shape (n,)
        Sampling weight times h(x) / P(T = t | x).
    fields : dict
        propensity, coef, derivative and influence.
    """
    one_of("estimand", estimand, ESTIMANDS)
    y, family = arms.treated, family_of("binomial")
    solution = fit_glm(covariates.values, y, family, weights=sampling)
    e = family.link.inverse(solution.eta)
    _check_overlap(covariates, y, sampling, e, solution)
    weight, slope = tilted(e, y, estimand)
    x = covariates.values[:, solution.kept]
    inverse = np.linalg.inv(solution.factor)
    influence = (x * (sampling * (y - e))[:, None]) @ (inverse @ inverse.T)
    fields = {
        "propensity": e,
        "coef": solution.coef,
        "derivative": x * (sampling * slope)[:, None],
        "influence": influence,
    }
    return sampling * weight, fields


def _check_overlap(covariates: Matrix, y: np.ndarray, w: np.ndarray, e: np.ndarray, solution: GlmSolution) -> None:
    used = w > 0
    if not (used & (np.minimum(e, 1 - e) < 1e-7)).any():
        return
    names = [n for n, k in zip(covariates.names, solution.kept, strict=True) if k]
    found = separating_columns(covariates.values[used][:, solution.kept], names, y[used] == 0, y[used] == 1)
    if found is None:
        return
    raise NotIdentifiedError(
        f"no overlap: {', '.join(map(repr, found[0][:5]))} separate the treated from the controls, so propensities reach "
        "0 or 1. Remove these covariates, restrict the sample to where both arms occur, or use a balancing method with "
        "tolerances."
    )

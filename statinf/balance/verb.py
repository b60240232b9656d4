"""`balance`: weights that make treatment groups comparable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from statinf.balance.groups import two_arms
from statinf.balance.ipw import CITATION, PropensityWeights, fit
from statinf.balance.table import METHODS
from statinf.errors import DataError
from statinf.formula.design import design
from statinf.results import Weights, load_method


def balance(
    formula: str,
    data: Any,
    *,
    method: str = "ipw",
    estimand: str = "ATE",
    weights: Any = None,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
) -> Weights:
    """Estimate weights that balance covariates between two treatment arms.

    Parameters
    ----------
    formula : str
        `treatment ~ covariates`; the larger of the treatment's two values counts as treated.
    data : data frame
        As `statinf.lm` takes it.
    method : {"ipw"}
        A logit propensity.
    estimand : {"ATE", "ATT", "ATC", "ATO"}
        Whose average effect the weights are for.
    weights : array of shape (rows,) or str, optional
        Sampling weights.
    na_action, context
        As in `statinf.lm`.

    Returns
    -------
    Weights
        Goes into any verb as `weights=`, whose standard errors then account for its estimation.

    Raises
    ------
    DataError
        If the treatment does not have two values.
    NotIdentifiedError
        If covariates separate the arms.

    References
    ----------
    Hirano, Imbens and Ridder (2003), Econometrica 71; Li, Morgan and Zaslavsky (2018), arXiv 1404.1785.

    Examples
    --------
    >>> import statinf as si
    >>> data = si.datasets.load("lalonde")
    >>> w = si.balance("treat ~ age + educ + C(race) + married + nodegree + re74 + re75", data, estimand="ATT")
    >>> fit = si.lm("re78 ~ treat", data, weights=w)
    >>> round(float(fit.params["treat"]), 2), fit.cov.label
    (1214.07, 'HC0, weights estimated')
    """
    load_method(METHODS, "balance", method)
    made = design(formula, data, weights=weights, na_action=na_action, context=context)
    if made.parts[0].p < 1:
        raise DataError("the formula has no covariates to balance.")
    arms = two_arms(made.y, made.response_names[0])
    values, fields = fit(arms, made.parts[0].with_intercept(), made.weights, estimand)
    return PropensityWeights(
        method=method,
        formula=made.recipe.formula,
        citation=CITATION,
        nobs=made.n,
        values=values,
        used=made.rows,
        n_total=made.n_total,
        estimand=estimand,
        kind=made.kind,
        recipe=made.recipe,
        treatment_level=arms.level,
        **fields,
    )

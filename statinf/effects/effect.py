"""`effect`: average effects of a treatment under no unmeasured confounding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from statinf.effects.dim import welch_df
from statinf.effects.effect_fit import EffectFit, RegressionEffect, fit_fields
from statinf.effects.options import Options, choose_folds, known_propensity, learners
from statinf.effects.rows import EffectRows, effect_rows
from statinf.effects.table import METHODS
from statinf.errors import DataError, OptionError
from statinf.inference.sandwich import check_kind
from statinf.learners.constant import Constant
from statinf.learners.linear import LeastSquares
from statinf.learners.logit import Logit
from statinf.results.listed import load_method

_PARAMETRIC = (LeastSquares, Logit, Constant)


def effect(
    formula: str,
    data: Any,
    *,
    method: str = "aipw",
    estimand: str = "ATE",
    treated: Any = None,
    learner: Any = None,
    outcome_model: Any = None,
    treatment_model: Any = None,
    propensity: Any = None,
    folds: Any = None,
    repeats: int = 1,
    clip: float = 0.01,
    by: str | None = None,
    vcov: Any = None,
    weights: Any = None,
    cluster: Any = None,
    normalize: bool | None = None,
    interactions: bool = True,
    target: str = "sample",
    score: str = "partialling-out",
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
) -> EffectFit:
    """Estimate the average effect of a treatment, given covariates.

    Parameters
    ----------
    formula : str
        `outcome ~ treatment | covariates`.
    data : data frame
        As `statinf.lm` takes it.
    method : {"dim", "regression", "ipw", "aipw", "plr", "irm"}
        Difference in means; regression with interactions; inverse probability weighting; the doubly robust
        score with parametric models; double machine learning, partially linear or interactive.
    estimand : {"ATE", "ATT", "ATC", "ATO"}
        Average over all rows, the treated, the controls, or the overlap population ("ipw" only); in any case.
    treated : optional
        Which of the treatment's two values counts as treated. By default labels such as "control", "placebo",
        "untreated" or "no" are the reference, and else the smaller value or the first level; the summary names both.
    learner : str or object, optional
        For all nuisances. Names: "lm", "ridge", "ridge_path", "lasso", "spline", "kernel_ridge",
        "random_features", "network", "logit"; or any object with scikit-learn's fit and predict.
    outcome_model, treatment_model : str, float or object, optional
        One of them: least squares and a logit by default. Treatment models need `predict_proba`.
    propensity : float, str or array of shape (rows,), optional
        Known propensities: a number, a column, or one per row.
    folds : int or array of shape (rows,), optional
        Five by default. "ipw" and "aipw" with parametric models learn and predict on all rows unless folds
        are given. With `cluster` whole clusters share a fold (of several columns, those of the coarsest).
    repeats : int
        Random splits whose estimates are put together by their median; the standard error counts the
        spread between them.
    clip : float
        Propensities are moved into [clip, 1 - clip]; the summary counts the rows.
    by : str, optional
        A column whose groups each get an effect.
    vcov : str or mapping, optional
        "HC0" by default; "HC2" for "dim" and "regression"; `{"cluster": "column"}`.
    weights : array of shape (rows,), str or Weights, optional
    cluster : str or sequence of str, optional
    normalize : bool, optional
        Divide weights by their mean in each arm: True for "ipw" (Hajek), False for "aipw" and "irm".
    interactions : bool
        Of "regression": let the covariates' slopes differ between arms.
    target : {"sample", "population"}
        Of "regression": standard errors given the covariates, or counting the estimation of their mean.
    score : {"partialling-out", "iv-type"}
        Of "plr".
    seed : int
        Of folds and learners.
    na_action, context
        As in `statinf.lm`.
    progress : bool, optional

    Returns
    -------
    EffectFit
        Its effect is named after the treatment column; `influence`, `sensitivity()`, `e_value()`.

    Raises
    ------
    DataError
        If the treatment does not vary, or a fold leaves an arm without rows.
    NotIdentifiedError
        If the arms do not overlap.
    OptionError
        If an option does not fit the method.

    References
    ----------
    Neyman (1923); Robins, Rotnitzky and Zhao (1994); Hirano, Imbens and Ridder (2003); Lin (2013), arXiv
    1208.2301; Chernozhukov et al. (2018), arXiv 1608.00060.

    Examples
    --------
    >>> import statinf as si
    >>> data = si.datasets.load("nsw")
    >>> fit = si.effect("re78 ~ treat | age + educ + black + hispan + married + nodegree + re74 + re75", data)
    >>> round(float(fit.params["treat"]), 2), round(float(fit.std_errors["treat"]), 2)
    (1619.05, 670.81)
    """
    module = load_method([m for m in METHODS if m.verb == "effect"], "effect", method)
    if vcov is not None:
        check_kind(vcov)
    estimand = estimand.upper() if isinstance(estimand, str) else estimand
    if propensity is not None and treatment_model is not None:
        raise OptionError("propensity= says what treatment_model= would estimate; give one of the two.")
    rows = effect_rows(
        formula,
        data,
        by=by,
        weights=weights,
        cluster=cluster,
        vcov=vcov,
        na_action=na_action,
        context=context,
        binary=method != "plr",
        treated=treated,
    )
    _check(rows, method)
    regression = method in ("dim", "regression")
    outcome, treatment = learners(learner, outcome_model, treatment_model, binary=rows.binary)
    parametric = (propensity is not None or isinstance(treatment, _PARAMETRIC)) and (
        method == "ipw" or isinstance(outcome, _PARAMETRIC)
    )
    options = Options(
        outcome=outcome,
        treatment=treatment,
        folds=None
        if regression
        else choose_folds(rows, folds, repeats, seed, whole=method in ("ipw", "aipw") and parametric),
        clip=clip,
        estimand=estimand,
        normalize=method == "ipw" if normalize is None else normalize,
        interactions=interactions,
        target=target,
        score=score,
        known=None if regression else known_propensity(rows, propensity),
        seed=seed,
        progress=progress,
    )
    made = module.estimate(rows, options)
    return _fit(rows, method, options, made, module.CITATION, vcov)


def _check(rows: EffectRows, method: str) -> None:
    y = rows.y[rows.w > 0]
    if not np.isfinite(y).all():
        raise DataError("the outcome holds infinite values on the rows used.")
    if method == "dim" and rows.x.shape[1]:
        raise OptionError(
            "method='dim' compares means and takes no covariates; use method='regression' to adjust for them."
        )
    if method not in ("dim", "regression") and rows.x.shape[1] == 0 and rows.design.part("covariates") is None:
        raise OptionError(
            f"method={method!r} adjusts for covariates: write 'outcome ~ treatment | x1 + x2', or use method='dim'."
        )


def _fit(rows: EffectRows, method: str, options: Options, made: Any, citation: str, vcov: Any) -> EffectFit:
    regression = made.pick is not None
    common = fit_fields(rows, method, options.estimand, made, citation)
    if regression:
        plain = method == "dim" and len(rows.groups) == 1 and (rows.w == 1.0).all()
        fit: EffectFit = RegressionEffect(**common, welch=welch_df(rows.y, rows.treated) if plain else np.nan)
    else:
        fit = EffectFit(**common)
    kind = vcov
    if kind is None and rows.clusters:
        kind = {"cluster": next(iter(rows.clusters)) if len(rows.clusters) == 1 else list(rows.clusters)}
    if kind is None:
        stacked = made.moments[0].adjustment is not None
        kind = "HC2" if regression and not stacked else "HC0"
    return replace(fit, cov=fit._covariance(check_kind(kind)))

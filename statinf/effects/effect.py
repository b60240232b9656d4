"""`effect`: average effects of a treatment under no unmeasured confounding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from statinf.backend import reporting
from statinf.backend.seeds import check_seed
from statinf.effects.arm_checks import check_whose, warn_thin_arms
from statinf.effects.effect_fit import EffectFit
from statinf.effects.method import EffectMethod, check_outcome
from statinf.effects.problem import EffectProblem
from statinf.effects.rows import effect_rows
from statinf.effects.table import EFFECT
from statinf.inference.vcov import VcovSpec
from statinf.passes import block_table


@EFFECT.document
def effect(
    formula: str,
    data: Any,
    *,
    method: str = "aipw",
    estimand: str = "ATE",
    treated: Any = None,
    reference: Any = None,
    by: str | None = None,
    vcov: Any = None,
    weights: Any = None,
    cluster: Any = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **options: Any,
) -> EffectFit:
    """Estimate the average effect of a treatment, given covariates.

    Parameters
    ----------
    formula : str
        `outcome ~ treatment | covariates`.
    data : data frame
        As `statinf.lm` takes it; also data that are read in blocks (`statinf.blocks`), by dim, regression, ipw, aipw, plr
        or irm of two arms, with the learners "lm", "ridge", "logit" and "binned_trees". Folds there go by a hash of the
        rows' values, of the clusters if `cluster` is given, or by a column of labels that `folds` names.
    method : str
        With its own options, given by name:

        {methods}
    estimand : {"ATE", "ATT", "ATC", "ATO"}
        Average over all rows, the treated, the controls, or the overlap population ("ipw" only); in upper or lower case.
    treated, reference : optional
        The level of the treatment that counts as treated, and the one it is compared with. By default labels such as
        "control", "placebo", "untreated" or "no" are the reference, and else the smaller value or the first level; the
        summary names both. With several arms every other arm is compared with `reference`, and `treated` says whose
        average effect the ATT is; the ATC is that of the reference's rows.
    by : str, optional
        A column whose groups each get an effect.
    vcov : str or mapping, optional
        "HC0" by default, "HC2" for regressions; `{"cluster": "column"}`.
    weights : array of shape (rows,), str or Weights, optional
    cluster : str, sequence of str, or array of shape (rows,), optional
        Clusters of standard errors, and of folds.
    seed : int
        Of folds and learners.
    na_action, context
        As in `statinf.lm`.
    progress : bool, optional
    **options
        Of the method.

    Returns
    -------
    EffectFit
        Its effect is named after the treatment column, of several arms one per arm, such as `arm[b]`, with their joint
        covariance; `means()` of all arms, `arms_test()`, `pairs()`; `influence`, `sensitivity()`, `e_value()`. Of "qte":
        one effect per level, with a column `tau`, `process()` (uniform bands) and `quantiles()` of the arms.

    Raises
    ------
    DataError
        If the treatment does not vary, a group lacks an arm, or a fold leaves an arm without rows.
    NotIdentifiedError
        If the arms do not overlap.
    OptionError
        If an option does not fit the method.

    References
    ----------
    Neyman (1923); Robins, Rotnitzky and Zhao (1994); Hirano, Imbens and Ridder (2003); Firpo (2007); Lin (2013),
    arXiv 1208.2301; Chernozhukov et al. (2018), arXiv 1608.00060.

    Examples
    --------
    >>> import statinf as si
    >>> data = si.datasets.load("nsw")
    >>> fit = si.effect("re78 ~ treat | age + educ + black + hispan + married + nodegree + re74 + re75", data)
    >>> round(float(fit.params["treat"]), 2), round(float(fit.std_errors["treat"]), 2)
    (1619.05, 670.81)

    Effects on quantiles of earnings:

    >>> covariates = "age + educ + black + hispan + married + nodegree + re74 + re75"
    >>> levels = si.effect(f"re78 ~ treat | {covariates}", data, method="qte", tau=[0.5, 0.75])
    >>> levels.tidy()[["tau", "term", "estimate", "std_error"]].round({"estimate": 1, "std_error": 1})
        tau   term  estimate  std_error
    0  0.50  treat     952.6      871.8
    1  0.75  treat    2086.6     1074.5
    """
    chosen, settings = EFFECT.read(method, options)
    assert isinstance(chosen, EffectMethod)
    estimand = chosen.check_estimand(estimand)
    check_seed(seed)
    VcovSpec.read(vcov, cluster, chosen.fit.vcov_kinds)
    table = block_table(data, formula, weights, cluster, by, getattr(settings, "folds", None))
    if table is not None:
        from statinf.effects.effect_passes import effect_passes

        return effect_passes(
            formula, table, chosen, settings, estimand, treated=treated, reference=reference, by=by, vcov=vcov, weights=weights,
            cluster=cluster, seed=seed, na_action=na_action, context=context, progress=progress,
        )  # fmt: skip
    rows = effect_rows(
        formula,
        data,
        by=by,
        weights=weights,
        cluster=cluster,
        vcov=vcov,
        na_action=na_action,
        context=context,
        folds=getattr(settings, "folds", None),
        binary=chosen.two_arms,
        several=chosen.means is not None,
        treated=treated,
        reference=reference,
    )
    check_outcome(bool(np.isfinite(rows.y[rows.w > 0]).all()))
    chosen.check_covariates(None if rows.design.part("covariates") is None else rows.x.shape[1])
    problem = EffectProblem(rows, estimand, seed, progress)
    check_whose(rows, estimand)
    with reporting(progress):
        fit = chosen.fit.of(rows.design, chosen.solve(problem, settings), vcov, method=chosen, cluster=cluster)
        assert isinstance(fit, EffectFit)
        if np.isfinite(fit._se()).any():
            warn_thin_arms(rows)
        return fit

"""`cate`: conditional average effects of a treatment with two arms under no unmeasured confounding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from statinf.backend import reporting
from statinf.backend.seeds import check_seed
from statinf.effects.arm_checks import warn_thin_arms
from statinf.effects.cate_columns import effect_columns
from statinf.effects.cate_curve import SPREAD, CATECurve
from statinf.effects.cate_fit import CATEFit
from statinf.effects.cate_linear import has_standard_errors, linear_estimate
from statinf.effects.cate_problem import CateProblem
from statinf.effects.conditional import ConditionalEffect
from statinf.effects.method import check_outcome
from statinf.effects.rows import EffectRows, effect_rows
from statinf.effects.table import CATE
from statinf.errors import FormulaError, OptionError
from statinf.formula.recipe import Recipe
from statinf.inference.vcov import VcovSpec
from statinf.numerics.linear.aliases import alias_map


@CATE.document
def cate(
    formula: str,
    data: Any,
    *,
    method: str = "ivw",
    effect: str | None = None,
    treated: Any = None,
    reference: Any = None,
    vcov: Any = None,
    weights: Any = None,
    cluster: Any = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **options: Any,
) -> CATEFit | CATECurve:
    """Estimate how the effect of a treatment with two arms varies with covariates.

    Parameters
    ----------
    formula : str
        `outcome ~ treatment | covariates`.
    data : data frame
        As `statinf.lm` takes it.
    method : str
        With its own options, given by name:

        {methods}
    effect : str, optional
        One-sided formula of the effect's modifiers, such as "~ age + C(region)"; all covariates by default.
    treated, reference : optional
        The level of the treatment that counts as treated, and the one it is compared with. By default labels such as
        "control", "placebo", "untreated" or "no" are the reference, and else the smaller value or the first level; the
        summary names both.
    vcov : str or mapping, optional
        "HC1" by default; `{"cluster": "column"}`.
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
    CATEFit or CATECurve
        Both have `predict`, `cate` (out-of-fold effects), `ate`, `blp`, `gate`, `gates`, `clan`, `calibration`, `rate`
        and `curve`. The first, which "dr", "ivw" and "r" give with a final stage of least squares, has coefficients with
        standard errors. Predicted effects are evaluated fold by fold, each with models fitted on earlier folds
        only; `benchmarks/results/heterogeneity_size.md` has how often the tests reject where effects do not vary.

    Raises
    ------
    DataError
        If the treatment does not vary or has more than two values, or a fold leaves an arm without rows.
    NotIdentifiedError
        If the arms do not overlap.
    FormulaError, OptionError
        If the formula or an option cannot be used.

    References
    ----------
    Fisher (2023), arXiv 2307.09700; Nie and Wager (2021), arXiv 1712.04912; Kennedy (2023), arXiv 2004.14497;
    Kuenzel et al. (2019), arXiv 1706.03461.

    Examples
    --------
    >>> import statinf as si
    >>> data = si.datasets.load("nsw")
    >>> fit = si.cate("re78 ~ treat | age + educ + nodegree + re74", data, method="r", effect="~ nodegree")
    >>> fit.terms
    ('treat', 'treat:nodegree')
    >>> fit.predict(data.head(2)).columns.tolist()
    ['estimate', 'std_error', 'conf_low', 'conf_high']
    """
    chosen, settings = CATE.read(method, options)
    check_seed(seed)
    VcovSpec.read(vcov, cluster, CATEFit.vcov_kinds)
    rows = effect_rows(
        formula,
        data,
        weights=weights,
        cluster=cluster,
        vcov=vcov,
        na_action=na_action,
        context=context,
        folds=getattr(settings, "folds", None),
        treated=treated,
        reference=reference,
    )
    check_outcome(bool(np.isfinite(rows.y[rows.w > 0]).all()))
    if rows.x.shape[1] == 0:
        raise OptionError("cate() needs covariates: write 'outcome ~ treatment | x1 + x2'.")
    phi, names, recipe = _final_columns(rows, effect, context)
    problem = CateProblem(rows, phi, names, recipe, seed, progress)
    with reporting(progress):
        learnt: ConditionalEffect = chosen.estimate(problem, settings)
    warn_thin_arms(rows)
    if has_standard_errors(learnt):
        return CATEFit.of(rows.design, linear_estimate(problem, learnt), vcov, method=chosen, cluster=cluster)
    kept = learnt.spanned
    return CATECurve(
        method=chosen.name,
        formula=rows.design.recipe.formula,
        citation=chosen.reference,
        nobs=int(np.count_nonzero(rows.w)),
        kind=rows.design.kind,
        recipe=rows.design.recipe,
        dropped=rows.design.dropped,
        treatment=rows.treatment,
        phi_names=names,
        effect_recipe=recipe,
        facts=learnt.facts,
        coefficients=learnt.coefficients,
        kept=kept,
        aliases=None if kept is None else alias_map(phi, kept, rows.w),
        spread=np.quantile(learnt.fitted[rows.w > 0], SPREAD),
        learnt=learnt,
    )


def _final_columns(
    rows: EffectRows, effect: str | None, context: Mapping[str, Any] | None
) -> tuple[np.ndarray, tuple[str, ...], Recipe | None]:
    """Columns of the final model (n, k) with their names, and what makes them for new rows if not the covariates' own."""
    if effect is None:
        covariates = rows.design.part("covariates")
        assert covariates is not None
        return np.column_stack([np.ones(len(rows.y)), rows.x]), ("Intercept", *covariates.rest.names), None
    matrix, recipe = effect_columns(effect, rows.design, context)
    treatment = rows.design.recipe.parts[0]
    own = {c for f in treatment.factors for c in rows.design.recipe.factors[f].columns}
    guilty = sorted(set(recipe.columns) & (own | set(rows.design.recipe.response)))
    if guilty:
        raise FormulaError(
            f"effect={effect!r} uses {', '.join(map(repr, guilty))}: effects vary with covariates, not with the "
            "treatment or the outcome."
        )
    return matrix.values, matrix.names, recipe

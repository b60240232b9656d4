"""`iv`: linear and interactive instrumental-variable models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from statinf.backend.seeds import check_seed
from statinf.effects.absorbed_iv import absorbed_iv
from statinf.effects.iv_columns import ROLES, check_parts
from statinf.effects.iv_passes import iv_passes
from statinf.effects.iv_problem import IVProblem
from statinf.effects.method import EffectMethod
from statinf.effects.rows import clustered_design
from statinf.effects.table import IV
from statinf.formula.scale import check_sizes
from statinf.inference.vcov import VcovSpec
from statinf.passes import block_table, refuse_blocks
from statinf.results import Fit
from statinf.results.several import several


@IV.document
@several()
def iv(
    formula: str,
    data: Any,
    *,
    method: str = "2sls",
    treated: Any = None,
    vcov: Any = None,
    weights: Any = None,
    cluster: Any = None,
    absorb: Any = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **options: Any,
) -> Fit:
    """Estimate the effect of a treatment that is not exogenous, with instruments.

    Parameters
    ----------
    formula : str
        `outcome ~ treatment | covariates | instruments`; several treatments are several endogenous columns.
        Covariates are their own instruments. Write `1` for no covariates. Several outcomes `cbind(y1, y2)` and steps
        `sw()`, `csw()`, `sw0()`, `csw0()` in any part as in `statinf.lm`.
    data : data frame
        As `statinf.lm` takes it.
    method : str
        With its own options, given by name:

        {methods}
    treated : optional
        Which level of a treatment with two counts as treated. By default labels such as "control", "placebo",
        "untreated" or "no" are the reference, and else the first level; the summary names both.
    vcov : str or mapping, optional
        "iid", "HC0", "HC1" (default; "HC0" for "late", "ivqr" and "invalid"), "HC2" to "HC5" (for 2SLS), `{"cluster": "column"}`,
        with "type" "CR2" for 2SLS, or one under dependence such as `{"hac": lags, "time": "column"}`; as `statinf.lm` takes
        them. GMM weights its moments by the covariance that clusters imply, else by that of independent rows.
    weights : array of shape (rows,), str or Weights, optional
    cluster : str, sequence of str, or array of shape (rows,), optional
    absorb : str or sequence of str, optional
        Factors of many levels whose effects are taken out of all columns, as in `statinf.lm`; for "2sls", "liml" and "gmm".
    seed : int
        Of folds and learners, where the method has them.
    na_action, context, by
        As in `statinf.lm`.
    progress : bool, optional
    **options
        Of the method.

    Returns
    -------
    IVFit (AbsorbedIVFit with `absorb=`), EffectFit for "late", QuantileIVFit for "ivqr", InvalidIVFit for "invalid"; `Fits`
    for several
        An `IVFit` has `first_stage()`, `anderson_rubin()`, `overid()` and `wu_hausman()`; a `QuantileIVFit` has `region()`,
        a robust confidence set, and `process()` over levels. An `InvalidIVFit` has `robust_set()`, `plausible(bound)` (what
        direct effects of the instruments could do to two-stage least squares), and after `estimator="learned"` `selection()`,
        `estimates()` and `selected_set()`. Endogenous columns come first among the terms.

    Raises
    ------
    NotIdentifiedError
        If there are fewer instruments than endogenous columns, or the instruments do not move them.
    FormulaError, DataError, OptionError
        If the formula, the data or an option cannot be used.

    References
    ----------
    Theil (1953); Anderson and Rubin (1949); Hansen (1982); Montiel Olea and Pflueger (2013); Chernozhukov and Hansen (2006,
    2008); Conley, Hansen and Rossi (2012); Sun, Cui and Tchetgen Tchetgen (2022), arXiv 1907.11882.

    Examples
    --------
    >>> import statinf as si
    >>> fit = si.iv("lwage ~ educ | exper + expersq + black + south + smsa | nearc4", si.datasets.load("card"))
    >>> round(float(fit.params["educ"]), 4), round(float(fit.std_errors["educ"]), 4)
    (0.1323, 0.0486)
    >>> fit.first_stage()[["term", "effective_f"]].round(2).to_dict("list")
    {'term': ['educ'], 'effective_f': [17.51]}

    Eligibility for a savings plan may matter for wealth directly, and is then no valid instrument. An effect that holds all
    the same, and what a direct effect of up to 2,000 dollars would do to two-stage least squares:

    >>> import warnings
    >>> formula = "nettfa ~ p401k | inc + age + fsize + marr + male + incsq + agesq | e401k"
    >>> with warnings.catch_warnings():  # nobody joins who is not eligible, of which it warns
    ...     warnings.simplefilter("ignore")
    ...     fit = si.iv(formula, si.datasets.load("k401ksubs"), method="invalid", estimator="genius")
    >>> round(float(fit.params["p401k"]), 2), round(float(fit.std_errors["p401k"]), 2)
    (14.88, 2.45)
    >>> found = fit.plausible(2.0)
    >>> round(float(found.conf_low), 2), round(float(found.conf_high), 2)
    (6.87, 20.45)
    """
    chosen, settings = IV.read(method, options)
    assert isinstance(chosen, EffectMethod)
    check_seed(seed)
    check_parts(formula)
    kinds = chosen.fit.vcov_kinds
    VcovSpec.read(vcov, cluster, kinds)
    if absorb is not None:
        refuse_blocks(data, formula, "absorb", absorb)
        reading = {"weights": weights, "na_action": na_action, "context": context}
        return absorbed_iv(
            formula,
            data,
            absorb,
            chosen,
            settings,
            VcovSpec.read(vcov, cluster, kinds),
            treated=treated,
            cluster=cluster,
            seed=seed,
            progress=progress,
            reading=reading,
        )
    table = block_table(data, formula, weights, cluster)
    if table is not None:
        reading = {"weights": weights, "cluster": cluster, "na_action": na_action, "context": context}
        spec = VcovSpec.read(vcov, cluster, kinds)
        return iv_passes(formula, table, chosen, settings, spec, vcov, treated=treated, progress=progress, **reading)
    design, clusters = clustered_design(
        formula,
        data,
        roles=ROLES,
        weights=weights,
        cluster=cluster,
        vcov=vcov,
        na_action=na_action,
        context=context,
        folds=getattr(settings, "folds", None),
    )
    check_sizes(design)
    spec = VcovSpec.read(vcov, cluster, kinds, stacked=design.weights_object is not None)
    problem = IVProblem(design, spec, clusters, treated, seed, progress)
    return chosen.fit.of(design, chosen.estimate(problem, settings), spec, method=chosen)

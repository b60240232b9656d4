"""`shift`: regression on a source sample for a target population."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from statinf.backend import reporting
from statinf.backend.seeds import check_seed
from statinf.inference.vcov import VcovSpec, cluster_columns
from statinf.numerics.glm.families import family_of
from statinf.results import Result, Weights
from statinf.shifts.block_samples import sample_tables
from statinf.shifts.information import information_factor, relative_trace
from statinf.shifts.margins import read_margins
from statinf.shifts.overlap import warn_concentrated
from statinf.shifts.problem import ShiftMethod, ShiftProblem
from statinf.shifts.ratio_choice import check_ratio, find_ratio
from statinf.shifts.reading import read_samples
from statinf.shifts.samples import Samples
from statinf.shifts.shift_fit import ShiftFit
from statinf.shifts.table import SHIFT


@SHIFT.document
def shift(
    formula: str,
    source: Any,
    target: Any = None,
    *,
    method: str = "mle",
    family: str = "gaussian",
    link: str | None = None,
    ratio: Any = None,
    ratio_formula: str | None = None,
    vcov: Any = None,
    totals: Any = None,
    weights: Any = None,
    target_weights: Any = None,
    cluster: Any = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **options: Any,
) -> Any:
    """Fit a generalised linear model on source rows for predictions on a target population.

    The outcome is needed in the source only; its law given the covariates is assumed to be the same in both samples.

    Parameters
    ----------
    formula : str
        `outcome ~ terms`, read against the source.
    source : data frame
        As `statinf.lm` takes it. Where source or target is a table in blocks (`statinf.blocks`), both are passed over, by "mle"
        and "mwle".
    target : data frame or mapping
        Rows with the covariates, or known means of the terms of `ratio_formula`, as `statinf.density_ratio` takes them.
    method : {"mle", "mwle", "double", "dro"}
        Maximum likelihood on the source, or weighted by the density ratio; `specification_test` tells whether it matters.
        "double" weights source and target rows, for samples neither of which covers the other. "dro" minimises the worst
        mean loss over laws in a ball around the source's, whatever the target.
    family, link
        As in `statinf.glm`.
    ratio : str, Weights or array of shape (source rows,), optional
        How `statinf.density_ratio` estimates the weights of "mwle" ("logistic" by default, "moment" with known margins), the
        result of such a call, or the known ratio at the source rows. With "dro" the ball is around the source that it
        weights (none by default); "double" makes its own, or takes a result of `density_ratio(method="double")`.
    ratio_formula : str, optional
        Columns of the ratio, `~ x1 + x2`; those of the regression by default. Rows that lack a column of either are left
        out, so that the ratio is that of the target to the rows that are regressed.
    vcov : str or mapping, optional
        As in `statinf.lm`. By default HC1 for "mle", and for "mwle" HC0 of the stacked system, in which the ratio's
        parameters are estimated; "fixed" takes the weights as known, which is all there is for kernel methods. HC3 is
        wider in small samples. Intervals of "mwle" are those of the t distribution with the effective number of rows behind
        each standard error: where few rows carry the weight, the normal's covered 72% to 88% and they cover 86% to 92%, which
        a warning says (`benchmarks/COVERAGE.md`). "dro" has HC0 of its stacked equations at the given radius, a
        little short below some hundred rows (`benchmarks/results/dro_coverage.md`).
    totals : mapping, optional
        Known totals in place of `target`, as in `statinf.density_ratio`.
    weights, target_weights : array or str, optional
        Sampling weights of the rows of either sample.
    cluster, na_action, context
        As in `statinf.lm`.
    progress : bool, optional
        None shows a bar in a terminal or a notebook on work over a second.
    seed : int
        Of the density ratio.
    **options
        {methods}

    Returns
    -------
    ShiftFit, MinimaxFit or RobustFit
        A `Fit` with `specification_test()`, `risk()` and `cross_validate()`; of "double" with a minimax rule, predictions
        and the worst-case risk over D; of "dro", a `Fit` with the worst-case loss and law.

    Raises
    ------
    DataError, NotIdentifiedError, OptionError
        As `statinf.glm` and `statinf.density_ratio` do.

    References
    ----------
    Ge, Tang, Fan, Ma and Jin (2024), arXiv 2311.15961; Shimodaira (2000), Journal of Statistical Planning and Inference 90;
    Segovia-Martin, Mazuelas and Liu (2023), ICML, arXiv 2305.08637; Duchi and Namkoong (2021), Annals of Statistics 49,
    arXiv 1810.08750.

    Examples
    --------
    >>> import statinf as si
    >>> data = si.datasets.simulate("covariate_shift", 400, seed=1, tilt=(0.5, -0.25))
    >>> source, target = data[data["sample"] == "source"], data[data["sample"] == "target"]
    >>> fit = si.shift("y ~ x1", source, target, method="mwle", ratio_formula="~ x1 + x2")
    >>> fit.cov.label
    'HC0, weights estimated'
    >>> bool(fit.specification_test().p_value < 0.001)
    True

    Slopes that guard against targets whose law is within a chi-square distance of the source's:

    >>> robust = si.shift("y ~ x1", source, target, method="dro", ball="chi2", radius=0.5)
    >>> bool(robust.worst_case_risk > robust.source_risk)
    True
    """
    chosen, settings = SHIFT.read(method, options)
    assert isinstance(chosen, ShiftMethod)
    power = None if chosen.power is None else chosen.power(settings)
    outcome_family = family_of(family, link)
    if chosen.check is not None:
        chosen.check(outcome_family, ratio, settings)
    check_ratio(ratio, 1.0 if power is None else power, weights)
    check_seed(seed)
    margins = read_margins(target, totals, target_weights)
    kind = chosen.result or ShiftFit
    reweighted = power is not None or chosen.weigh is not None or (chosen.reweighs and ratio is not None)
    spec = VcovSpec.read(vcov, cluster, kind.vcov_kinds, stacked=reweighted)
    read = f"{formula} {ratio_formula or ''}"
    given = (weights, target_weights, cluster, ratio)
    tables = sample_tables(read, source, target, *given, known=margins is not None)
    if tables is not None:
        from statinf.shifts.shift_passes import shift_passes

        with reporting(progress):
            return shift_passes(
                formula, tables, margins, chosen, spec, outcome_family, ratio=ratio, power=power, cluster=cluster,
                ratio_formula=ratio_formula, weights=weights, target_weights=target_weights, na_action=na_action,
                context=context, progress=progress,
            )  # fmt: skip
    # Rows that a given ratio leaves out are left out of the fit.
    kept = ratio if reweighted and isinstance(ratio, Weights) else None
    samples = read_samples(
        formula, source, margins or target, ratio_formula=ratio_formula, response="numeric", weights=weights, ratio=kept,
        target_weights=target_weights, cluster=cluster_columns(spec, cluster), na_action=na_action, context=context,
        seed=seed,
    )  # fmt: skip
    with reporting(progress):
        weighting: Weights | None = None
        told: Mapping[str, Any] = {}
        if chosen.weigh is not None:
            weighting, told = chosen.weigh(samples, outcome_family, ratio, settings)
        elif reweighted:
            weighting = find_ratio(samples, ratio, 1.0 if power is None else power)
        return _fitted(ShiftProblem(samples, outcome_family, weighting, told=told), chosen, settings, spec, ratio)


def _fitted(problem: ShiftProblem, method: ShiftMethod, settings: Any, spec: VcovSpec, ratio: Any) -> Result:
    samples, kind = problem.samples, method.result or ShiftFit
    estimate = method.estimate(problem, settings)
    if isinstance(estimate, Result):
        return estimate
    design = problem.design
    if problem.ratio is not None:
        warn_concentrated(design.weights, int(np.count_nonzero(~np.isnan(estimate.theta))))
    extra = {"ratio": problem.ratio, "target_rows": samples.target.nobs, "samples": samples}
    if kind is ShiftFit:
        own = estimate.extra["factor"] if design is samples.design else None
        extra |= {"inflation": _inflation(samples, estimate.theta, problem.family, own), "ratio_given": ratio}
    return kind.of(design, replace(estimate, extra=dict(estimate.extra) | extra), spec, method=method)


def _inflation(samples: Samples, theta: np.ndarray, family: Any, own: np.ndarray | None) -> float:
    """The trace that tells by how much the target's risk is larger; `own` is the information's factor of a fit to the source."""
    made, target = samples.design, samples.target
    if target.known is not None:  # means do not tell second moments
        return float("nan")
    if own is None:
        on_source = information_factor(made.parts[0].values, theta, made.weights, made.offset, family)
    else:
        on_source = own / np.sqrt(made.weights.sum())
    on_target = information_factor(target.x, theta, target.weights, target.offset, family)
    return relative_trace(on_target, on_source) / len(on_source)

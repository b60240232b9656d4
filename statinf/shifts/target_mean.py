"""`target_mean`: the mean outcome of the target population from source outcomes; see `statinf.shifts.means`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from statinf.backend import reporting
from statinf.backend.seeds import check_seed
from statinf.errors import OptionError
from statinf.inference.vcov import VcovSpec, cluster_columns
from statinf.numerics.glm.families import Family, family_of
from statinf.passes.design import is_estimated
from statinf.results import Weights
from statinf.shifts.block_samples import sample_tables
from statinf.shifts.margins import read_margins
from statinf.shifts.overlap import TARGET_MEANS, warn_concentrated
from statinf.shifts.pooled import read_pooled
from statinf.shifts.pooled_mean import PooledMean
from statinf.shifts.problem import ShiftMethod, ShiftProblem
from statinf.shifts.ratio_choice import check_ratio, find_ratio
from statinf.shifts.reading import read_samples
from statinf.shifts.table import TARGET_MEAN
from statinf.shifts.target_mean_fit import TargetMean


@TARGET_MEAN.document
def target_mean(
    formula: str,
    source: Any,
    target: Any = None,
    *,
    method: str = "aipw",
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
) -> TargetMean:
    """Estimate the mean outcome of the target population from source outcomes.

    Parameters
    ----------
    formula : str
        `outcome ~ terms` of the outcome model, read against the source; for "mrp" `outcome ~ terms | g1 + g2 + g1:g2`, with
        the variables whose effects are pooled behind the bar.
    source : data frame
        Where source or target is a table in blocks (`statinf.blocks`), both are passed over, by "aipw", "ipw" and "gcomp".
    target : data frame or mapping
        Rows with the covariates, or known means of the terms, as `statinf.density_ratio` takes them; then the estimate is
        the calibration estimator of survey sampling, and only the source adds to its standard error. For "mrp" the rows of a
        sample, a table of cells with counts as `target_weights` and `census=True`, or one crossed margin such as
        `{"g1:g2": {...}}`; levels that the source lacks are allowed.
    method : {"aipw", "ipw", "gcomp", "mrp"}
        Doubly robust, weighted outcomes, or the outcome model averaged over the target. Intervals of the weighted ones are those
        of the t distribution with the effective number of rows behind the standard error: at an effective sample size of 0.39 of
        the rows those of "ipw" covered 92% (n = 200) and 95% (n = 1000) in simulations, those of "aipw" 97% and 95%.
    family, link
        Of the outcome model, as in `statinf.glm`.
    totals : mapping, optional
        Known totals in place of `target`, as in `statinf.density_ratio`.
    ratio, ratio_formula
        Of the density ratio, as in `statinf.shift`.
    vcov : str or mapping
        "HC0" or `{"cluster": "column of the source"}`; both account for the estimated models. "model" alone for "mrp".
    weights, target_weights, cluster, seed, na_action, context
        As in `statinf.shift`.
    progress : bool, optional
        None shows a bar in a terminal or a notebook on work over a second.
    **options
        {methods}

    Returns
    -------
    TargetMean
        A `Fit` with the one coefficient "mean"; with `by=`, the means of the groups beside it. "mrp" has `effects()`, the
        coefficients and pooled effects, and `variances`.

    Raises
    ------
    DataError, NotIdentifiedError, OptionError
        As `statinf.shift` does.

    References
    ----------
    Robins, Rotnitzky and Zhao (1994), JASA 89; Dahabreh et al. (2020), Statistics in Medicine 39.

    Examples
    --------
    >>> import statinf as si
    >>> data = si.datasets.simulate("covariate_shift", 500, seed=3, tilt=(0.5, -0.25))
    >>> source, target = data[data["sample"] == "source"], data[data["sample"] == "target"]
    >>> fit = si.target_mean("y ~ x1 + x2", source, target)
    >>> low, high = fit.conf_int().loc["mean"]
    >>> bool(low < data.attrs["truth"]["mean_y_target"] < high)
    True

    Car miles per gallon by cylinders and gears, pooled, over a fleet of known cells:

    >>> cars = si.datasets.load("mtcars")
    >>> fleet = {"cyl:gear": {(4, 4): 50, (4, 5): 20, (6, 4): 20, (8, 3): 10}}
    >>> fit = si.target_mean("mpg ~ 1 | C(cyl) + C(gear)", cars, method="mrp", totals=fleet)
    >>> fit.params.round(1).to_dict()
    {'mean': 24.1}
    """
    chosen, settings = TARGET_MEAN.read(method, options)
    assert isinstance(chosen, ShiftMethod)
    if chosen.power is None and (ratio is not None or ratio_formula is not None):
        raise OptionError(f"method={chosen.name!r} uses no density ratio; leave ratio= out, or use 'aipw'.")
    outcome_family = family_of(family, link)
    check_ratio(ratio, weights=weights)
    check_seed(seed)
    margins = read_margins(target, totals, target_weights)
    if margins is not None and (isinstance(ratio, Weights) or is_estimated(ratio)):
        margins = replace(margins, more=True)
    read = f"{formula} {ratio_formula or ''}"
    given = (weights, target_weights, cluster, ratio)
    tables = sample_tables(read, source, target, *given, known=margins is not None)
    with reporting(progress):
        if tables is not None:
            from statinf.shifts.target_mean_passes import target_mean_passes

            return target_mean_passes(
                formula, tables, margins, chosen, settings, outcome_family, ratio=ratio, ratio_formula=ratio_formula,
                vcov=vcov, cluster=cluster, weights=weights, target_weights=target_weights, na_action=na_action,
                context=context, progress=progress,
            )  # fmt: skip
        if chosen.pooled:
            return _poststratified(
                formula, source, margins or target, chosen, settings, outcome_family, vcov=vcov, cluster=cluster,
                weights=weights, target_weights=target_weights, na_action=na_action, context=context,
            )  # fmt: skip
        spec = VcovSpec.read(vcov, cluster, TargetMean.vcov_kinds)
        samples = read_samples(
            formula, source, margins or target, ratio_formula=ratio_formula, response="numeric", weights=weights,
            target_weights=target_weights, cluster=cluster_columns(spec, cluster), na_action=na_action, context=context,
            seed=seed,
        )  # fmt: skip
        weighting = None if chosen.power is None else find_ratio(samples, ratio)
        if weighting is not None:
            advice = "use fewer columns in ratio_formula=, or restrict the target"
            warn_concentrated(weighting.values, 1, covered=TARGET_MEANS, advice=advice)
        estimate = chosen.estimate(ShiftProblem(samples, outcome_family, weighting), settings)
        return TargetMean.of(samples.design, estimate, spec, method=chosen)


def _poststratified(
    formula: str,
    source: Any,
    target: Any,
    method: ShiftMethod,
    settings: Any,
    family: Family,
    *,
    vcov: Any,
    cluster: Any,
    **reading: Any,
) -> TargetMean:
    """The means of a multilevel model over the target."""
    spec = VcovSpec.read(vcov, cluster, PooledMean.vcov_kinds)
    if isinstance(reading["weights"], Weights):
        raise OptionError("method='mrp' counts rows by weights=; a Weights that was estimated is none. Give counts.")
    samples, pooled = read_pooled(formula, source, target, by=settings.by, census=settings.census, **reading)
    estimate = method.estimate(ShiftProblem(samples, family, None, pooled), settings)
    return PooledMean.of(samples.design, estimate, spec, method=method)

"""`transport`: the effect of a trial carried to a population."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from statinf.backend import reporting
from statinf.backend.seeds import check_seed
from statinf.errors import OptionError, one_of
from statinf.inference.vcov import VcovSpec, cluster_columns
from statinf.numerics.glm.families import family_of
from statinf.shifts.margins import read_margins
from statinf.shifts.overlap import MEANS, uncovered, warn_concentrated
from statinf.shifts.problem import ShiftMethod
from statinf.shifts.ratio_choice import check_ratio, find_ratio
from statinf.shifts.table import TRANSPORT
from statinf.shifts.transport.arm_means import TransportProblem
from statinf.shifts.transport.fit import COMPARISONS, TransportFit, compared, trial_estimates
from statinf.shifts.transport.trial import Trial, read_trial


@TRANSPORT.document
def transport(
    formula: str,
    trial: Any,
    population: Any,
    *,
    method: str = "aipw",
    treated: Any = None,
    reference: Any = None,
    comparison: str = "difference",
    family: str = "gaussian",
    link: str | None = None,
    ratio: Any = None,
    ratio_formula: str | None = None,
    vcov: Any = None,
    weights: Any = None,
    target_weights: Any = None,
    cluster: Any = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **options: Any,
) -> TransportFit:
    """Estimate the effect that a trial's treatment would have in another population.

    The population is a sample of its own, not the one that the trial was drawn from, and needs the covariates only. The
    estimand is the mean over the population of the outcome under one arm less that under the reference. Three assumptions
    identify it: arms are random given the covariates in the trial; given the covariates, outcomes under an arm have the same
    mean in trial and population, so that all modifiers of the effect by which the two differ are among the covariates; and
    every kind of person in the population may be in the trial.

    Parameters
    ----------
    formula : str
        `outcome ~ treatment | covariates`, read against the trial.
    trial : data frame
    population : data frame or mapping
        Rows with the covariates, or their known means, as `statinf.density_ratio` takes them; then only the trial adds to
        the standard error.
    method : {"aipw", "ipw", "gformula"}
        Doubly robust, weighted outcomes, or outcome models averaged over the population.
    treated, reference : optional
        As in `statinf.effect`; every other arm is compared with `reference`.
    comparison : {"difference", "ratio", "lift", "log_odds"}
        Of the arms' means: difference, ratio, ratio less one, or difference of log odds.
    family, link
        Of the outcome model of each arm, as in `statinf.glm`.
    ratio, ratio_formula
        Of the density ratio of population to trial, the odds of being in the population rather than in the trial, as in
        `statinf.target_mean`: by default a logit of the covariates. A ratio of the kernel methods counts as fixed.
    vcov : str or mapping
        "HC0" or `{"cluster": "column of the trial"}`; both account for all estimated models.
    weights, target_weights : array or str, optional
        Sampling weights of the rows of trial and population.
    cluster : str, sequence of str, or array of shape (trial rows,), optional
        Clusters of the trial.
    seed, na_action, context
        As in `statinf.shift`.
    progress : bool, optional
        None shows a bar in a terminal or a notebook on work over a second.
    **options
        {methods}

    Returns
    -------
    TransportFit
        Its effect is named after the treatment column, of several arms one per arm; `means()` of the arms, `overlap()` of
        the weights; the summary shows the trial's own effect beside it.

    Raises
    ------
    DataError
        If the treatment has no arms, or the frames lack columns or usable rows.
    NotIdentifiedError
        If trial and population have no common support.
    OptionError
        If an option does not fit the method.

    References
    ----------
    Dahabreh, Robertson, Steingrimsson, Stuart and Hernan (2020), Statistics in Medicine 39, arXiv 1805.00550; Westreich et al.
    (2017), American Journal of Epidemiology 186.

    Examples
    --------
    The effect of the National Supported Work programme among the people of a survey, of whom fewer are black:

    >>> import statinf as si
    >>> trial, people = si.datasets.load("nsw"), si.datasets.load("lalonde")
    >>> survey = people[people["treat"] == 0].assign(black=lambda d: (d["race"] == "black") * 1.0)
    >>> fit = si.transport("re78 ~ treat | age + educ + black", trial, survey, method="gformula")
    >>> round(float(fit.in_trial[0])), round(float(fit.params["treat"])), round(float(fit.std_errors["treat"]))
    (1794, 1010, 1181)
    >>> fit.means().params.round(0).astype(int).to_dict()
    {'treat[0]': 6338, 'treat[1]': 7347}
    """
    chosen, settings = TRANSPORT.read(method, options)
    assert isinstance(chosen, ShiftMethod)
    one_of("comparison", comparison, COMPARISONS)
    if chosen.power is None and (ratio is not None or ratio_formula is not None):
        raise OptionError(f"method={chosen.name!r} uses no density ratio; leave ratio= out, or use 'aipw'.")
    outcome_family = family_of(family, link)
    check_ratio(ratio, weights=weights)
    check_seed(seed)
    margins = read_margins(population, None, target_weights)
    spec = VcovSpec.read(vcov, cluster, TransportFit.vcov_kinds)
    read = read_trial(
        formula, trial, margins or population, ratio_formula=ratio_formula, treated=treated, reference=reference,
        weights=weights, target_weights=target_weights, cluster=cluster_columns(spec, cluster), na_action=na_action,
        context=context, seed=seed,
    )  # fmt: skip
    with reporting(progress):
        weighting = None if chosen.power is None else find_ratio(read.samples, ratio)
        problem = TransportProblem(read, outcome_family, weighting, settings)
        means = chosen.estimate(problem, settings)
        effects, outcomes = trial_estimates(read, means, comparison, weighting)
        samples, plain = read.samples, _plain_means(read)
        extra = {
            "treatment": read.treatment,
            "levels": read.names,
            "comparison": comparison,
            "population_rows": samples.target.nobs,
            "in_trial": compared(plain, comparison)[0],
            "parts": {name: value for mean in means for name, value in mean.parts.items()},
            "ratio": weighting,
            "coverage": _coverage(problem),
            "outside": 0 if samples.target.known is not None else uncovered(samples.xs, samples.xt)[1],
            "outcomes": outcomes,
        }
        return TransportFit.of(read.design, replace(effects, extra=extra, facts=read.arms.facts), spec, method=chosen)


def _plain_means(trial: Trial) -> np.ndarray:
    made = trial.samples.design
    mass = np.bincount(trial.codes, made.weights, minlength=trial.k)
    return np.bincount(trial.codes, made.weights * made.y, minlength=trial.k) / mass


def _coverage(problem: TransportProblem) -> tuple[tuple[str, int, float, float], ...]:
    """Rows, effective sample size and largest share of weight of each arm; warns where a few rows carry an arm."""
    trial, ratio = problem.trial, problem.ratio
    if ratio is None:
        return ()
    w = ratio.values[np.searchsorted(ratio.used, trial.samples.design.rows)]
    w = w / problem.chances.chance[np.arange(len(w)), trial.codes]
    found = []
    for arm, name in enumerate(trial.names):
        own = w[(trial.codes == arm) & (w > 0)]
        found.append((name, len(own), float(own.sum() ** 2 / (own**2).sum()), float(own.max() / own.sum())))
    advice = "use fewer columns in ratio_formula=, or restrict the population"
    worst = min(range(trial.k), key=lambda arm: found[arm][2] / found[arm][1])
    warn_concentrated(w[trial.codes == worst], 1, covered=MEANS, advice=advice)
    return tuple(found)

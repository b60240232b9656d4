"""Generalised linear models on data that are read in blocks: Fisher scoring in columns that are orthonormal over all rows.

One pass reads levels, one reduces the columns to their triangular factor and takes some rows from all over the table, and each
step of scoring is one more. Scoring begins at the estimate on those rows, so that three or four steps do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from statinf.errors import ConvergenceError, DataError, FormulaError, OptionError, StatinfWarning, issue_warning
from statinf.formula.scale import check_scale
from statinf.inference.vcov import VcovSpec
from statinf.models import regression as common
from statinf.models.existence import refuse_range, warn_not_whole
from statinf.models.generalized_fit import GeneralizedFit
from statinf.models.glm_options import VerbOptions
from statinf.models.glm_pass_facts import Facts, facts
from statinf.models.glm_pass_scoring import Maximum, OutOfRangeError, at, null_steps, scoring_steps, together
from statinf.models.glm_pass_separation import Some, refuse_separation_by_passes
from statinf.models.glm_pass_sums import (
    LikelihoodRows,
    Model,
    PassLikelihood,
    density,
    evaluated,
    first_guess,
    information_factor,
    stack,
)
from statinf.models.glm_scoring import start_of
from statinf.models.regression_passes import regression_passes
from statinf.numerics.glm.endings import OUTSIDE_AT_START
from statinf.numerics.glm.irls import fit_glm
from statinf.numerics.glm.likelihood import (
    WELL_CONDITIONED,
    least_deviance,
    smallest_eigenvalue,
    solve_information,
)
from statinf.numerics.glm.orthonormal import as_they_stand, inside, orthonormal
from statinf.numerics.linear.factors import inverse_gram
from statinf.numerics.linear.reduction import Reduced
from statinf.numerics.linear.triangular import solve_triangular
from statinf.passes import BlockTable, PassDesign
from statinf.passes.covariance import PassScores
from statinf.passes.drawing import block_draws
from statinf.passes.reduction import reduce_rows
from statinf.results import Estimate

_SAMPLE = 1 << 21
"""Entries of the columns that are held for a start."""


def glm_passes(
    formula: str,
    table: BlockTable,
    chosen: Any,
    settings: VerbOptions,
    spec: VcovSpec,
    vcov: Any,
    *,
    weights: Any,
    cluster: Any,
    na_action: str,
    context: Mapping[str, Any] | None,
) -> GeneralizedFit:
    """The fit of `si.glm` on a table in blocks."""
    if settings.penalty is not None:
        raise OptionError(f"penalty={settings.penalty!r} is not for data that are read in blocks; fit rows in memory.")
    family = settings.model
    if family.law.overdispersed and settings.alpha is None:
        raise OptionError(
            "family='negative_binomial' estimates its overdispersion from rows in memory; give alpha= for data that are read in "
            "blocks, or take family='quasipoisson'."
        )
    reading = {"weights": weights, "cluster": cluster, "na_action": na_action, "context": context}
    reading["response"] = "matrix" if family.law.shares else "numeric"
    made, vcov = regression_passes(formula, table, GeneralizedFit.vcov_kinds, settings, spec, vcov, **reading)
    fit = GeneralizedFit.of(made.passage, estimate(made, settings), vcov, method=chosen, cluster=cluster)
    return replace(fit, citation=settings.paper) if settings.paper else fit


def estimate(made: PassDesign, options: VerbOptions) -> Estimate:
    """Maximum likelihood of the outcome on the columns of the first part."""
    return fitted(made, options).estimate


class FittedPasses(NamedTuple):
    """An estimate, the scores behind its covariances, and its rows."""

    estimate: Estimate
    scores: PassScores
    rows: LikelihoodRows


def fitted(made: PassDesign, options: VerbOptions) -> FittedPasses:
    """The same, with what verbs that build on it need beside."""
    return _described(made, *_maximum(made, options), options)


def maximise(made: PassDesign, options: VerbOptions) -> tuple[PassLikelihood, Maximum]:
    """The maximum alone, in columns that are orthonormal over all rows."""
    problem, _, solved, _ = _maximum(made, options)
    return problem, solved


def likelihood_rows(made: PassDesign, options: VerbOptions) -> LikelihoodRows:
    """The maximum with the scores of its rows, for what is made of a model beside its own table."""
    problem, _, solved, _ = _maximum(made, options)
    return _whitened(made, problem, solved)[0]


def _maximum(made: PassDesign, options: VerbOptions) -> tuple[PassLikelihood, Facts, Maximum, float]:
    """The maximum, with facts of the outcome and the null deviance less its saturated part."""
    model = Model.of(options.model, options.alpha or 0.0)
    stride = max(1, -(-made.nobs * len(made.names) // _SAMPLE))
    reduced, told = reduce_rows(
        made, stack, partial(facts, model, stride), label="reading outcomes", check=partial(_check, made, model)
    )
    common.check_size(told.nobs, reduced.rank, made.names)
    solved, null = _solved(made, model, reduced, told, options)
    if solved.sums.bounded:
        refuse_separation_by_passes(made, model, reduced, solved.beta, _sample(told))
    return PassLikelihood(model, reduced), told, solved, null


def _check(made: PassDesign, model: Model, told: Facts) -> None:
    """Refuse outcomes that the family cannot take."""
    family, labels = model.family, made.outcomes
    name = labels[0] if len(labels) == 1 else f"cbind({', '.join(labels)})"
    if len(labels) > 2:
        raise FormulaError(
            f"cbind() holds {len(labels)} columns; a binomial outcome is cbind(successes, failures), or a share of successes with "
            "the trials as weights=."
        )
    if told.negative.count:
        raise DataError(
            f"{name} counts successes and failures and cannot be negative, such as {told.negative.examples[0]:g}."
        )
    if not told.nobs:
        raise DataError(f"{name} holds no trial in any row of positive weight.")
    if told.outside.count:
        refuse_range(told.outside.examples[0], told.outside.count, family, name)
    low, high = float(told.range.low), float(told.range.high)
    if told.nobs > 1 and low == high:
        raise DataError(f"the outcome '{name}' is constant ({low:g}) on the rows used; there is nothing to explain.")
    check_scale(max(high, -low), f"the outcome '{name}'")
    if told.broken.count:
        warn_not_whole(told.broken.examples[0], told.broken.count, family, name)
    if told.halves.count:
        issue_warning(
            f"{name} holds {told.halves.count} rows of counts that are not whole: take a robust vcov, which does not need the "
            "likelihood, or a quasi family.",
            StatinfWarning,
        )


def _sample(told: Facts) -> Some:
    return Some(np.concatenate(told.x), np.concatenate(told.y))


def _solved(
    made: PassDesign, model: Model, reduced: Reduced, told: Facts, options: VerbOptions
) -> tuple[Maximum, float]:
    """The maximum, and the null deviance less its saturated part; separation that explains a failure is named."""
    family = model.family
    problem = PassLikelihood(model, reduced)
    problems = {"model": problem, "null": PassLikelihood(model, None)}

    def sums(asked: Mapping[str, Any]) -> Any:
        return made.total(partial(evaluated, problems, asked), "Fisher scoring")

    floor = least_deviance(family, np.concatenate(told.y), np.concatenate(told.w))

    def solve(starts: list[np.ndarray]) -> tuple[Maximum, float]:
        steps = scoring_steps(starts, family, options.tol, options.max_iter, told.nobs, floor)
        found = together({"model": steps, "null": _null(made, model, told, floor)}, sums)
        return found["model"], np.nan if found["null"] is None else found["null"].deviance

    given = start_of(options.start, made.names)
    try:
        if given is not None:
            try:
                return solve([inside(given, reduced)])
            except OutOfRangeError:
                raise ConvergenceError(OUTSIDE_AT_START) from None
        start = _from_some_rows(model, reduced, told)
        if start is not None:
            try:
                return solve([start])
            except OutOfRangeError:
                pass
        return solve(_guesses(made, problem, told))
    except ConvergenceError:
        far = np.zeros(reduced.rank)
        refuse_separation_by_passes(made, model, reduced, far, _sample(told))
        raise


def _null(made: PassDesign, model: Model, told: Facts, floor: float) -> Any:
    """The steps to the deviance of a constant alone, of nothing without one."""
    family = model.family
    if not made.intercept:
        return at(np.zeros(1))
    with np.errstate(all="ignore"):
        level = float(family.link.link(np.array(told.weighted / told.weight)))
        if not made.reading.offsets:
            return at(np.array([level]))
        level = float(family.link.link(np.array(told.start / told.weight)))
    return null_steps(np.array([level - told.offset / told.weight]), family, told.nobs, floor)


def _from_some_rows(model: Model, reduced: Reduced, told: Facts) -> np.ndarray | None:
    """Coefficients from the rows that were held; None where these are not up to it."""
    x = orthonormal(np.concatenate(told.x), reduced)
    y, w = np.concatenate(told.y), np.concatenate(told.w)
    offset = np.concatenate(told.o) if told.o else None
    try:
        found = fit_glm(np.asfortranarray(x), y, model.family, weights=w, offset=offset, tolerance=1e-4)
    except ConvergenceError:
        return None
    return found.coef if np.isfinite(found.coef).all() else None


def _guesses(made: PassDesign, problem: PassLikelihood, told: Facts) -> list[np.ndarray]:
    """Coefficients to begin with, from one pass: a first step of scoring, and a predictor that is the same on every row."""
    with np.errstate(all="ignore"):
        level = float(problem.model.family.link.link(np.array(told.start / told.weight)))
    gram, moment, flat = made.total(partial(first_guess, problem, level), "Fisher scoring")
    guess = solve_information(gram, moment) if np.isfinite(gram).all() else flat
    return [guess, flat] if np.isfinite(guess).all() else [flat]


def _described(
    made: PassDesign, problem: PassLikelihood, told: Facts, solved: Maximum, null: float, options: VerbOptions
) -> FittedPasses:
    reduced, family = problem.reduced, problem.model.family
    assert reduced is not None
    df = float(told.nobs - reduced.rank)
    rows, coef, factor = _whitened(made, problem, solved)
    deviance = solved.sums.deviance + told.saturated
    dispersion = 1.0
    if not family.known_dispersion:
        dispersion = solved.sums.pearson / df if df > 0 else np.nan
    outside = solve_triangular(reduced.centred_factor, rows.whitened)
    if reduced.centring is not None:
        outside = reduced.centring.raw_coefficients(outside, reduced.kept)
    scores = PassScores.on(
        made,
        rows.scored,
        rows.unit,
        outside,
        told.nobs,
        df,
        model=inverse_gram(factor) * dispersion,
        normal=family.known_dispersion,
        weighted=family.name != "gaussian" or made.weights is not None,
    )
    loglik = _loglik(made, problem, told, solved, deviance)
    estimate = Estimate(
        terms=made.names,
        theta=coef,
        moments=None,
        covary=scores.covariance,
        redraw=partial(block_draws, scores),
        nobs=told.nobs,
        df_resid=df,
        facts=made.record,
        extra={
            "family": family.name,
            "link": family.link.name,
            "factor": factor,
            "aliases": reduced.aliases,
            "deviance": deviance,
            "null_deviance": null + told.saturated,
            "dispersion": dispersion,
            "loglik": loglik,
            "iterations": solved.iterations,
            "df_null": float(told.nobs - int(made.intercept)),
            "shape": {"alpha": options.alpha} if family.law.overdispersed else {},
            "penalty": "",
            "weights_kind": "precision",
            "copies": None,
        },
    )
    return FittedPasses(estimate, scores, rows)


def _whitened(
    made: PassDesign, problem: PassLikelihood, solved: Maximum
) -> tuple[LikelihoodRows, np.ndarray, np.ndarray]:
    """The rows at the maximum, and coefficients (p,) and the information's factor (k, k) in columns as they stand."""
    reduced, gram = problem.reduced, solved.sums.information
    assert reduced is not None
    if smallest_eigenvalue(gram) > WELL_CONDITIONED:
        inner = np.linalg.cholesky(gram).T
    else:
        inner = made.total(partial(information_factor, problem, solved.beta), "the information").factor
    coef, factor, condition = as_they_stand(reduced, solved.beta, inner)
    common.warn_aliased(made.names, reduced.kept, condition)
    return LikelihoodRows(problem, solved.beta, solve_triangular(inner, np.eye(reduced.rank))), coef, factor


def _loglik(made: PassDesign, problem: PassLikelihood, told: Facts, solved: Maximum, deviance: float) -> float:
    """As `log_likelihood` has it of rows in memory; one pass more where the dispersion is estimated."""
    family = problem.model.family
    if family.law.density is None:
        return np.nan
    if family.known_dispersion:
        return told.density - deviance / 2.0
    if deviance <= 0.0:
        return np.inf
    dispersion = deviance / (told.weight if family.law.total_weight else told.nobs)
    return float(made.total(partial(density, problem, solved.beta, dispersion), "the likelihood"))

"""Fisher scoring of a generalised linear model: checks, the solution, and what a fit says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np

from statinf.errors import ConvergenceError, OptionError
from statinf.formula.design import Design
from statinf.formula.scale import check_columns
from statinf.inference.moments import Moments
from statinf.models import regression as common
from statinf.models.existence import check_range, check_separation, check_whole, name_separation, null_deviance
from statinf.models.glm_options import GlmOptions
from statinf.models.row_counts import ONE_EACH, RowCounts
from statinf.numerics.glm.families import Family, log_likelihood
from statinf.numerics.glm.irls import GlmSolution, fit_glm
from statinf.numerics.linear.factors import inverse_gram
from statinf.numerics.linear.reduction import TOLERANCE
from statinf.results import Estimate, stack_scores
from statinf.results.predicting import predictor


@dataclass(frozen=True)
class ScoredModel:
    """What scoring has found, and what further fields of the fit say of it.

    Attributes
    ----------
    family : Family
    glm : GlmSolution
    shift : ndarray, shape (n,), or None
        What a prior adds to each row's score in its linear predictor, per unit of weight.
    shape : mapping of str to float
        Of the law: its overdispersion, and what is known of it.
    penalty : str
    facts : mapping of str to object
    """

    family: Family
    glm: GlmSolution
    shift: np.ndarray | None = None
    shape: Mapping[str, float] = field(default_factory=dict)
    penalty: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def estimate(made: Design, options: GlmOptions, rows: RowCounts = ONE_EACH) -> Estimate:
    """Maximum likelihood by Fisher scoring; outcomes out of range and separation are refused by name."""
    check_outcomes(made, options.model, rows)
    solved = ScoredModel(options.model, solve(made, options.model, options))
    check_separation(made, solved.family, solved.glm)
    return described(made, solved, rows)


def check_outcomes(made: Design, family: Family, rows: RowCounts) -> None:
    """Refuse outcomes and columns that the family cannot take."""
    matrix, name = made.parts[0], made.response_names[0]
    check_range(made.y, made.weights, family, name)
    common.check_outcome(made.y, made.weights, name)
    check_columns(matrix)
    if not rows.trials:
        check_whole(made.y, made.weights, made.weights_object is not None or not rows.whole, family, name)


def described(made: Design, solved: ScoredModel, rows: RowCounts) -> Estimate:
    """The estimate of coefficients that were found, with the deviance, dispersion and likelihood there."""
    matrix, family, solution = made.parts[0], solved.family, solved.glm
    nobs, rank = rows.nobs(made.weights), len(solution.factor)
    common.check_size(nobs, rank, matrix.names)
    common.warn_aliased(matrix.names, solution.kept, solution.condition)
    df_resid = float(nobs - rank)
    dispersion = 1.0
    if not family.known_dispersion:
        pearson = solution.deviance
        if not family.quadratic:
            mean = family.link.inverse(solution.eta)
            pearson = float(np.sum(made.weights * (made.y - mean) ** 2 / family.variance(mean)))
        dispersion = pearson / df_resid if df_resid > 0 else np.nan
    loglik = np.nan
    if rows.likely:
        loglik = log_likelihood(
            family, made.y, lambda: family.link.inverse(solution.eta), made.weights, solution.deviance, rows.copies
        )
    return Estimate(
        terms=matrix.names,
        theta=solution.coef,
        moments=partial(moments, made, family, solution, dispersion, rows, solved.shift),
        nobs=nobs,
        df_resid=df_resid,
        facts=solved.facts,
        extra={
            "family": family.name,
            "link": family.link.name,
            "factor": solution.factor,
            "aliases": solution.aliases,
            "deviance": solution.deviance,
            "null_deviance": null_deviance(made, family, matrix.intercept),
            "dispersion": dispersion,
            "loglik": loglik,
            "iterations": solution.iterations,
            "df_null": float(nobs - int(matrix.intercept)),
            "shape": dict(solved.shape),
            "penalty": solved.penalty,
            "weights_kind": rows.weights_kind,
            "copies": rows.copies,
        },
    )


def moments(
    made: Design,
    family: Family,
    solution: GlmSolution,
    dispersion: float,
    rows: RowCounts = ONE_EACH,
    shift: np.ndarray | None = None,
) -> Moments:
    """Scores of the likelihood and the inverse of the Fisher information, at dispersion one."""
    matrix = made.parts[0]
    x = common.kept_columns(matrix, solution.kept)[1]
    terms = _RowTerms(made, family, solution, rows, shift)
    stacked = {}
    if made.weights_object is not None:
        stacked = stack_scores(made.weights_object, made.rows, x * terms.slope[:, None])
    bread = inverse_gram(solution.factor)
    nobs = rows.nobs(made.weights)
    return Moments(
        lambda: x * terms.multiplier[:, None],
        bread,
        nobs,
        float(nobs - len(bread)),
        bread * dispersion,
        columns=x,
        working=lambda: terms.working,
        residual=lambda: terms.slope,
        factor=solution.factor,
        present=made.weights > 0,
        copies=rows.copies,
        variance=lambda: terms.variance,
        multiplier=lambda: terms.multiplier,
        **stacked,
    )


@dataclass(frozen=True)
class _RowTerms:
    """Numbers of every row that inference reads, made where it does: the inverse information needs none."""

    made: Design
    family: Family
    solution: GlmSolution
    rows: RowCounts
    shift: np.ndarray | None

    @cached_property
    def _eta(self) -> np.ndarray:
        return predictor(self.made.parts[0], self.solution.coef, self.made.offset)

    @cached_property
    def _terms(self) -> tuple[np.ndarray, np.ndarray]:
        return self.family.scores(self._eta, self.made.y)

    @cached_property
    def slope(self) -> np.ndarray:
        return self._terms[0] if self.shift is None else self._terms[0] + self.shift

    @cached_property
    def multiplier(self) -> np.ndarray:
        return self.slope if (self.made.weights == 1.0).all() else self.slope * self.made.weights

    @cached_property
    def working(self) -> np.ndarray:
        return self.made.weights * self._terms[1]

    @cached_property
    def variance(self) -> np.ndarray:
        return self.family.variance(self.family.link.inverse(self._eta)) * self.rows.variances(self.made.weights)


def start_of(start: Any, names: Sequence[str]) -> np.ndarray | None:
    """Coefficients to begin with, one per column of the design."""
    if start is None:
        return None
    try:
        given = np.asarray(start, dtype=np.float64)
    except (TypeError, ValueError):
        given = np.array(np.nan)
    if given.shape != (len(names),) or not np.isfinite(given).all():
        raise OptionError(
            f"start= takes {len(names)} finite numbers, one for each of {', '.join(names[:8])}"
            f"{', ...' if len(names) > 8 else ''}."
        )
    return given


def scoring(made: Design, options: GlmOptions) -> dict[str, Any]:
    """Keyword arguments that every scoring routine takes."""
    return {
        "weights": made.weights,
        "offset": made.offset,
        "start": start_of(options.start, made.parts[0].names),
        "tolerance": options.tol,
        "max_iterations": options.max_iter,
        "alias_tolerance": TOLERANCE,
    }


def solve(made: Design, family: Family, options: GlmOptions) -> GlmSolution:
    """Fisher scoring; a failure that separation explains names it."""
    try:
        return fit_glm(made.parts[0].values, made.y, family, **scoring(made, options))
    except ConvergenceError:
        name_separation(made, family)
        raise

"""Mean of a target population by multilevel regression and poststratification.

Gelman and Little (1997, Survey Methodology 23); Park, Gelman and Bafumi (2004, Political Analysis 12). The estimand is E_T[y],
and E_T[y] within groups of the target, where only the source records y, if y given the variables of the formula has the same law
in both. Effects of the levels behind the bar are normal with variances estimated from the data: a level of few rows is drawn to
the others, one that the source lacks is theirs on average, with an error as large as levels differ. Variances maximise the
restricted likelihood (gaussian) or Laplace's approximation of it (binomial), under a prior that keeps them from zero (Chung,
Rabe-Hesketh, Dorie, Gelman and Liu 2013, Psychometrika 78). The mean of a target row is
that of the outcome over the estimated law of its predictor; errors count coefficients, effects, variance components, and the
target's sampling unless its rows are the population.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.errors import DataError, NotIdentifiedError, OptionError, StatinfWarning, issue_warning
from statinf.inference.covariance import Covariance
from statinf.models.existence import check_range, check_whole
from statinf.numerics.mixed.laplace import fit_logistic
from statinf.numerics.mixed.reml import fit_reml
from statinf.numerics.mixed.rows import PooledFit, PooledRows
from statinf.results import Estimate, Options, choice, flag, value
from statinf.shifts.pooled import PooledTerm, PooledTerms
from statinf.shifts.poststratified import FixedColumns, poststratified
from statinf.shifts.problem import ShiftMethod, ShiftProblem


def _column(name: str, given: Any) -> str:
    if not isinstance(given, str):
        raise OptionError(f"{name}={given!r}: give the name of one column of the target.")
    return given


@dataclass(frozen=True, kw_only=True)
class MrpOptions(Options):
    """Options of multilevel regression and poststratification."""

    by: Any = value(None, "a column of the target: the mean of each of its groups too", "a column's name", _column)
    census: bool = flag(
        False,
        "the target's rows are the population, such as its cells with counts as target_weights, not a sample of it",
    )
    prior: str = choice(
        "weak",
        ("weak", "none"),
        "'weak' multiplies the likelihood by s / sqrt(1 + s^2) for each standard deviation s of effects, relative to the "
        "residuals', which keeps it from zero as the prior of Chung et al. (2013) does; 'none' gives the estimates of lme4, "
        "whose intervals of groups are too short where few rows tell how much levels differ",
    )


def estimate(problem: ShiftProblem, options: MrpOptions) -> Estimate:
    """Fit the multilevel model, average it over the target, and over its groups."""
    samples, pooled = problem.samples, problem.pooled
    assert pooled is not None
    made, family = samples.design, problem.family
    if family.name not in ("gaussian", "binomial") or not family.canonical:
        raise OptionError(
            f"method='mrp' has the families 'gaussian' and 'binomial' with their own links, not {family.name!r} with "
            f"{family.link.name!r}."
        )
    if made.offset is not None:
        raise NotIdentifiedError("method='mrp' takes no offset; leave it out of the formula.")
    used = made.weights > 0
    y, w = made.y[used], made.weights[used]
    check_range(y, w, family, made.response_names[0])
    check_whole(y, w, made.weights_object is not None, family, made.response_names[0])
    columns = FixedColumns.of(samples, used)
    codes = tuple(t.source[used] for t in pooled.terms)
    rows = PooledRows(columns.at(made.parts[0].values[used]), codes, tuple(t.seen for t in pooled.terms))
    _check_levels(rows, pooled.terms, w)
    fit = _fit(rows, y, w, family.name, 1.0 if options.prior == "weak" else 0.0)
    columns.check_target(samples.target.x)
    _warn_of_zeros(fit, pooled)
    theta, matrix, df, terms = poststratified(
        samples, pooled, columns, fit, rows.gram(w) if family.name == "gaussian" else None
    )
    nobs = int(used.sum())
    back = columns.back()
    fixed = back @ fit.covariance[: rows.p, : rows.p] @ back.T
    labels = [(name, "") for name in columns.names]
    labels += [(t.name, level) for t in pooled.terms for level in t.levels[: t.seen]]
    residual = {"residual": fit.dispersion} if family.name == "gaussian" else {}
    return Estimate(
        terms=terms,
        theta=theta,
        moments=None,
        nobs=nobs,
        df_resid=np.inf,
        covary=partial(_covariance, matrix, df, pooled.census),
        extra={
            "target_rows": samples.target.nobs,
            "variances": {t.name: float(v) for t, v in zip(pooled.terms, fit.variances, strict=True)} | residual,
            "labels": tuple(labels),
            "estimates": np.concatenate([back @ fit.coef[: rows.p], fit.coef[rows.p :]]),
            "errors": np.sqrt(np.concatenate([np.diag(fixed), np.diag(fit.covariance)[rows.p :]])),
        },
    )


def _covariance(matrix: np.ndarray, df: np.ndarray, census: bool, kind: Any) -> Covariance:
    label = "multilevel model" + ("" if census else ", sampled target")
    return Covariance(matrix, kind, label, float(df.min()), each=df)


def _warn_of_zeros(fit: PooledFit, pooled: PooledTerms) -> None:
    none = [t.name for t, v in zip(pooled.terms, fit.variances, strict=True) if v == 0]
    if none:
        issue_warning(
            f"the effects of {', '.join(map(repr, none))} have an estimated variance of zero: their levels are taken to be all "
            "alike, without error. prior='weak', the default, keeps the variance from zero.",
            StatinfWarning,
        )


def _check_levels(rows: PooledRows, terms: tuple[PooledTerm, ...], w: np.ndarray) -> None:
    mass = float(w.sum())
    for term in terms:
        if term.seen < 2:
            raise DataError(
                f"the pooled term '{term.name}' has one level in the source: nothing can be pooled. Leave it out."
            )
        if term.seen >= mass:
            raise DataError(
                f"the pooled term '{term.name}' has as many levels as the source has rows, so that its effects and the residuals "
                "cannot be told apart; merge levels or leave it out."
            )
    if rows.p >= mass:
        raise DataError(f"{rows.p} coefficients for {mass:g} source rows; use fewer columns.")


def _fit(rows: PooledRows, y: np.ndarray, w: np.ndarray, family: str, penalty: float) -> PooledFit:
    if family == "gaussian":
        return fit_reml(rows, y, w, penalty=penalty)
    rows, y, w = _merged(rows, y, w)
    if (w @ y) in (0.0, w.sum()):
        raise NotIdentifiedError("the outcome is the same on every row: a logistic model has no estimate.")
    return fit_logistic(rows, y, w, np.zeros(rows.p), penalty=penalty)


def _merged(rows: PooledRows, y: np.ndarray, w: np.ndarray) -> tuple[PooledRows, np.ndarray, np.ndarray]:
    """Rows alike in columns and levels as one row with their share of successes; as they are where few are."""
    if len(y) < 2 or np.unique(rows.x[:1000], axis=0).shape[0] * 2 > min(len(y), 1000):
        return rows, y, w
    table = np.column_stack([rows.x, *rows.codes])
    order = np.lexsort(table.T[::-1])
    new = np.ones(len(y), dtype=bool)
    new[1:] = (table[order][1:] != table[order][:-1]).any(axis=1)
    cell = np.empty(len(y), dtype=np.intp)
    cell[order] = np.cumsum(new) - 1
    mass = np.bincount(cell, w)
    first = order[new]
    some = PooledRows(rows.x[first], tuple(c[first] for c in rows.codes), rows.sizes)
    return some, np.bincount(cell, w * y) / mass, mass


METHOD = ShiftMethod(
    verb="target_mean",
    name="mrp",
    estimate=estimate,
    options=MrpOptions,
    pooled=True,
    summary="multilevel regression and poststratification: effects of the levels behind the bar are partially pooled",
    citation="Gelman and Little (1997); Park, Gelman and Bafumi (2004)",
    guarantee="right if the multilevel model is right; errors count its coefficients, effects and variance components",
    vignette="known-margins",
    traits={"weights doubled": "weights count rows: doubled they leave less to pool"},
)

"""Generalised linear models with a penalty on the size of coefficients: ridge, lasso, elastic net.

Shrunken estimates are biased by as much as they vary, and no standard error says how much: they have predictions, and no intervals.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NoReturn

import numpy as np

from statinf.errors import DataError, NotIdentifiedError
from statinf.formula.design import Design
from statinf.models.existence import null_deviance
from statinf.models.glm_options import VerbOptions
from statinf.models.glm_scoring import check_outcomes
from statinf.models.row_counts import RowCounts
from statinf.numerics.glm.families import log_likelihood
from statinf.numerics.glm.shrinkage import ShrinkageProblem, shrink, shrinkage_path
from statinf.results import Estimate
from statinf.results.predicting import predictor

_STRENGTHS = 60


def shrunken(made: Design, options: VerbOptions, rows: RowCounts) -> Estimate:
    """The penalised estimate; its strength chosen on held-out folds if that was asked for."""
    family = options.model
    check_outcomes(made, family, rows)
    matrix = made.parts[0]
    free = np.array([name == "Intercept" for name in matrix.names])
    flat = ~free & (np.ptp(matrix.values[made.weights > 0], axis=0) == 0.0)
    if flat.any():
        raise DataError(
            f"'{matrix.names[int(np.argmax(flat))]}' is constant on the rows used; remove it from a penalised regression."
        )
    problem = ShrinkageProblem.of(matrix.values, made.y, made.weights, made.offset, family, free)
    strength, chosen = options.strength, "Strength"
    if strength == "cv":
        strength, chosen = _by_folds(made, options, free, problem), f"Strength ({options.folds}-fold deviance)"
    scaled = shrink(
        problem, float(strength or 0.0), options.absolute, problem.null(),
        tolerance=options.tol, max_iterations=max(options.max_iter, 2),
    )  # fmt: skip
    coef = problem.raw(scaled)
    mean = family.link.inverse(predictor(matrix, coef, made.offset))
    nobs, count = rows.nobs(made.weights), int(np.count_nonzero(scaled))
    df_resid = float(nobs - count)
    deviance = float(made.weights @ family.unit_deviance(made.y, mean))
    pearson = float(made.weights @ ((made.y - mean) ** 2 / family.variance(mean)))
    loglik = log_likelihood(family, made.y, mean, made.weights, deviance, rows.copies) if rows.likely else np.nan
    return Estimate(
        terms=matrix.names,
        theta=coef,
        moments=None,
        nobs=nobs,
        df_resid=df_resid,
        covary=_refused,
        facts={"Penalty": _named(options), chosen: float(strength or 0.0), "Coefficients not zero": count},
        extra={
            "family": family.name,
            "link": family.link.name,
            "factor": np.eye(len(coef)),
            "aliases": np.empty((len(coef), 0)),
            "deviance": deviance,
            "null_deviance": null_deviance(made, family, matrix.intercept),
            "dispersion": 1.0 if family.known_dispersion else pearson / df_resid if df_resid > 0 else np.nan,
            "loglik": loglik,
            "iterations": 0,
            "df_null": float(nobs - int(matrix.intercept)),
            "shape": {"strength": float(strength or 0.0)}
            | ({"alpha": options.alpha} if options.alpha is not None else {}),
            "penalty": str(options.penalty),
            "weights_kind": rows.weights_kind,
            "copies": rows.copies,
        },
    )


def _named(options: VerbOptions) -> str:
    share = f", {options.share:g} of it absolute" if options.penalty == "elastic_net" else ""
    return f"{options.penalty}{share}, on columns of unit standard deviation"


def _refused(kind: Any) -> NoReturn:
    raise NotIdentifiedError(
        "estimates shrunken by penalty='l2', 'l1' or 'elastic_net' are biased by as much as they vary, and have no standard "
        "errors. For an effect among many covariates use si.effect(method='plr'), whose models may be a lasso; for separated "
        "outcomes penalty='firth'"
    )


def _by_folds(made: Design, options: VerbOptions, free: np.ndarray, whole: ShrinkageProblem) -> float:
    """The strength of least deviance on rows held out."""
    n, k = made.parts[0].values.shape
    positive = np.flatnonzero(made.weights > 0)
    if len(positive) < 2 * options.folds:
        raise DataError(f"{len(positive)} rows are too few for folds={options.folds}; give strength= a number.")
    top = whole.largest(options.absolute)
    strengths = np.geomspace(top, top * (1e-4 if n > k else 1e-2), _STRENGTHS)
    place = np.full(n, -1)
    place[positive] = np.random.default_rng(options.seed).permutation(len(positive)) % options.folds
    family = options.model
    lost = np.zeros(_STRENGTHS)
    for fold in range(options.folds):
        out = place == fold
        held = replace(made, weights=np.where(out, 0.0, made.weights))
        problem = ShrinkageProblem.of(made.parts[0].values, made.y, held.weights, made.offset, family, free)
        for i, scaled in enumerate(shrinkage_path(problem, strengths, options.absolute)):
            mean = family.link.inverse(predictor(made.parts[0], problem.raw(scaled), made.offset)[out])
            lost[i] += made.weights[out] @ family.unit_deviance(made.y[out], mean)
    return float(strengths[int(np.argmin(lost))])

"""Partially linear regression by double machine learning (Chernozhukov et al. 2018, arXiv 1608.00060).

Y = theta D + g(X) + e with E[e | D, X] = 0 and D = m(X) + v. With effects that differ between rows theta is
their average weighted by Var(D | X). The score (Y - l(X) - theta v) v is orthogonal to both nuisances, so
that learners that converge faster than n^(-1/4) leave the standard error alone. Treatments may take any values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from statinf.effects.estimate import Estimate, Pieces, Score, solve_scores
from statinf.effects.options import Options
from statinf.effects.rows import EffectRows
from statinf.errors import NotIdentifiedError, OptionError, one_of
from statinf.learners.nuisance import Nuisance, cross_predict

CITATION = "partially linear double machine learning (Chernozhukov et al. 2018)"
SCORES = ("partialling-out", "iv-type")


def estimate(rows: EffectRows, options: Options) -> Estimate:
    """The effect of the treatment's variation beside the covariates.

    Raises
    ------
    NotIdentifiedError
        If the covariates explain the treatment completely.
    """
    one_of("score", options.score, SCORES)
    if options.estimand != "ATE":
        raise OptionError("method='plr' estimates one variance-weighted effect; estimand does not apply, leave it out.")
    wanted = [Nuisance("outcome", rows.y, options.outcome)]
    if options.known is None:
        wanted.append(Nuisance("treatment", rows.d, options.treatment, probability=rows.binary))
    made = cross_predict(rows.x, wanted, options.folds, rows.w, seed=options.seed, progress=options.progress)
    if options.known is not None:
        made = [p | {"treatment": options.known} for p in made]
    varied = float(rows.w @ (rows.d - np.average(rows.d, weights=rows.w)) ** 2)
    theta, thetas, moments = solve_scores(rows, (_score(rows, options, r, p, varied) for r, p in enumerate(made)))
    left = rows.d - made[0]["treatment"]
    notes = {"Residual treatment variance": float(np.average(left**2, weights=rows.w))}
    known = len(theta) == 1 and options.score == "partialling-out"
    sensitivity = partial(_sensitivity, rows, tuple(made), thetas[:, 0]) if known else None
    return Estimate(theta, thetas, moments, nuisance=made[0], notes=notes, sensitivity=sensitivity)


def _score(
    rows: EffectRows, options: Options, split: int, predictions: Mapping[str, np.ndarray], varied: float
) -> Score:
    u, v = rows.y - predictions["outcome"], rows.d - predictions["treatment"]
    square = v * v
    mean = float(rows.w @ square)
    if mean <= 1e-12 * varied:
        raise NotIdentifiedError("the covariates explain the treatment completely; nothing of it is left to compare.")
    if options.score == "partialling-out":
        return Score(square, v * u)
    first = float((rows.w * v) @ u) / mean
    return Score(v * rows.d, v * (rows.y - _baseline(rows, options, split, first)))


def _baseline(rows: EffectRows, options: Options, split: int, first: float) -> np.ndarray:
    folds = None if options.folds is None else options.folds[split : split + 1]
    asked = [Nuisance("outcome", rows.y - first * rows.d, options.outcome)]
    return cross_predict(rows.x, asked, folds, rows.w, seed=options.seed)[0]["outcome"]


def _sensitivity(rows: EffectRows, made: Sequence[Mapping[str, np.ndarray]], thetas: np.ndarray) -> list[Pieces]:
    out = []
    for predictions, theta in zip(made, thetas, strict=True):
        u, v = rows.y - predictions["outcome"], rows.d - predictions["treatment"]
        residual = (u - theta * v) ** 2
        mean = float(np.average(v**2, weights=rows.w))
        sigma2, nu2 = float(np.average(residual, weights=rows.w)), 1.0 / mean
        out.append((sigma2, nu2, residual - sigma2, nu2 - v**2 * nu2**2))
    return out

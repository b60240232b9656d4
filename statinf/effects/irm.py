"""Doubly robust average effects: augmented inverse probability weighting, with or without cross-fitting.

Robins, Rotnitzky and Zhao (1994); the interactive model of Chernozhukov et al. (2018, arXiv 1608.00060).
Estimands: E[Y(1) - Y(0)] over all rows (ATE), the treated (ATT) or the controls (ATC), for a binary
treatment that is as good as random given the covariates, with overlap. The score is unbiased if either the
outcome or the treatment model is right, and its standard error ignores nuisances whose errors multiply to
less than n^(-1/2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from statinf.brief import Later
from statinf.effects.arm_scores import DoublyRobustOptions, doubly_robust_means
from statinf.effects.estimate import LinearScore, Pieces, effect_estimate, solve_scores
from statinf.effects.method import EffectMethod
from statinf.effects.options import Nuisances, nuisances_of
from statinf.effects.overlap import clipped
from statinf.effects.problem import EffectProblem
from statinf.effects.rows import EffectRows
from statinf.learners.nuisance import Nuisance, cross_predict
from statinf.results import Estimate

ARMS = {"ATE": (0, 1), "ATT": (0,), "ATC": (1,)}
"""Arms whose outcome models an estimand needs."""


def nuisances(
    rows: EffectRows, how: Nuisances, estimand: str, arms: tuple[int, ...] = (0, 1)
) -> list[dict[str, np.ndarray]]:
    """Outcome by arm and propensity of every split, the propensity clipped; each dict has "clipped" too."""
    wanted = [
        Nuisance(f"outcome{arm}", rows.y, how.outcome, rows=rows.treated if arm else ~rows.treated) for arm in arms
    ]
    if how.known is None:
        wanted.append(Nuisance("propensity", rows.d, how.treatment, probability=True))
    made = cross_predict(rows.x, wanted, how.folds, rows.w, seed=how.seed, progress=how.progress)
    out = []
    for predictions in made:
        raw = how.known if how.known is not None else predictions["propensity"]
        e, count = clipped(raw, rows.design.rows, how.clip, rows.w, estimand=estimand)
        out.append({**predictions, "propensity": e, "clipped": np.array(float(count))})
    return out


def scores(
    y: np.ndarray,
    d: np.ndarray,
    e: np.ndarray,
    mu0: np.ndarray | None,
    mu1: np.ndarray | None,
    estimand: str,
    w: np.ndarray,
    *,
    normalize: bool = False,
) -> LinearScore:
    """Doubly robust score of an estimand.

    Parameters
    ----------
    y, d, e : ndarray, shape (n,)
        Outcome, treatment (0 or 1) and propensity.
    mu0, mu1 : ndarray, shape (n,), or None
        Outcome models; the ATT needs `mu0` only, the ATC `mu1` only.
    estimand : {"ATE", "ATT", "ATC"}
    w : ndarray, shape (n,)
        Row weights, for `normalize` alone.
    normalize : bool
        Divide inverse propensities by their mean within the arm.
    """
    if estimand == "ATE":
        assert mu0 is not None and mu1 is not None
        up, down = d / e, (1.0 - d) / (1.0 - e)
        if normalize:
            up, down = up / np.average(up, weights=w), down / np.average(down, weights=w)
        return LinearScore(np.ones(len(y)), mu1 - mu0 + up * (y - mu1) - down * (y - mu0))
    if estimand == "ATT":
        assert mu0 is not None
        odds = (1.0 - d) * e / (1.0 - e)
        if normalize:
            odds = odds * (w @ d) / (w @ odds)
        return LinearScore(d, d * (y - mu0) - odds * (y - mu0))
    assert mu1 is not None
    odds = d * (1.0 - e) / e
    if normalize:
        odds = odds * (w @ (1.0 - d)) / (w @ odds)
    return LinearScore(1.0 - d, odds * (y - mu1) - (1.0 - d) * (y - mu1))


def doubly_robust(problem: EffectProblem, options: DoublyRobustOptions, *, whole: bool) -> Estimate:
    """Average effects from doubly robust scores; `whole` lets parametric models see the rows they predict."""
    rows, estimand = problem.rows, problem.estimand
    how = nuisances_of(rows, options, problem.seed, problem.progress, whole=whole)
    made = nuisances(rows, how, estimand, ARMS[estimand])
    every = (
        scores(
            rows.y,
            rows.d,
            p["propensity"],
            p.get("outcome0"),
            p.get("outcome1"),
            estimand,
            rows.w,
            normalize=options.normalize,
        )
        for p in made
    )
    sensitivity = None
    if len(rows.groups) == 1:
        sensitivity = Later(_sensitivity, rows, how, estimand, tuple(made))
    e = made[0]["propensity"][rows.w > 0]
    moved = max(int(p["clipped"]) for p in made)
    return effect_estimate(
        problem,
        solve_scores(rows, every),
        nuisance={k: v for k, v in made[0].items() if k != "clipped"},
        facts={"Propensities": f"{e.min():.3f} to {e.max():.3f}", "Clipped rows": moved},
        sensitivity=sensitivity,
    )


def _sensitivity(
    rows: EffectRows, how: Nuisances, estimand: str, made: Sequence[Mapping[str, np.ndarray]]
) -> list[Pieces]:
    """Residual variance and size of the representer of every split, with their scores.

    Over the rows of one arm, whose share is estimated, the representer is that of all rows times the arm's probability
    over its share; the outcome model of the arm itself is learnt here, as the effect does not need it.
    """
    if estimand != "ATE":
        made = nuisances(rows, how, estimand)
    d, out = rows.d, []
    for p in made:
        e = p["propensity"]
        residual = (rows.y - np.where(rows.treated, p["outcome1"], p["outcome0"])) ** 2
        own, chance = {"ATE": (1.0, 1.0), "ATT": (d, e), "ATC": (1.0 - d, 1.0 - e)}[estimand]
        share = float(np.average(own * np.ones(len(d)), weights=rows.w))
        representer = chance / share * (d / e - (1.0 - d) / (1.0 - e))
        second = 2.0 * own * chance / share**2 * (1.0 / e + 1.0 / (1.0 - e)) - representer**2
        sigma2, nu2 = float(np.average(residual, weights=rows.w)), float(np.average(second, weights=rows.w))
        out.append((sigma2, nu2, residual - sigma2, second - nu2 - 2.0 * nu2 * (own / share - 1.0)))
    return out


METHOD = EffectMethod(
    verb="effect",
    name="irm",
    estimate=partial(doubly_robust, whole=False),
    means=partial(doubly_robust_means, whole=False),
    options=DoublyRobustOptions,
    summary="cross-fitted doubly robust scores: double machine learning of the interactive model",
    citation="Chernozhukov et al. (2018)",
    arxiv="1608.00060",
    guarantee="efficient; root-n with learners whose errors multiply to o(n^(-1/2))",
    vignette="effects",
    traits={"row order": "folds draw row numbers"},
)

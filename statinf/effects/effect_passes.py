"""`effect` on data that are read in blocks: scores of each block with nuisances that sums over rows have learnt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from statinf.effects.block_nuisances import BlockNuisance, Predictors, fit_nuisances
from statinf.effects.block_rows import EffectPasses, EffectReader, block_folds, read_effect
from statinf.effects.block_scores import Overlap, clipped, overlap_facts, score_estimate
from statinf.effects.effect_fit import EffectFit
from statinf.effects.irm import ARMS
from statinf.effects.method import EffectMethod
from statinf.effects.options import learners
from statinf.errors import NotIdentifiedError, OptionError
from statinf.formula.design import Design
from statinf.inference.vcov import VcovSpec
from statinf.learners.constant import Constant
from statinf.learners.linear import LeastSquares
from statinf.learners.logit import Logit
from statinf.passes import BlockTable
from statinf.passes.design import is_estimated
from statinf.results import Estimate

METHODS = ("dim", "regression", "ipw", "aipw", "plr", "irm")
_REFUSED = {"repeats": 1, "propensity": None, "score": "partialling-out"}


def effect_passes(
    formula: str,
    table: BlockTable,
    chosen: EffectMethod,
    settings: Any,
    estimand: str,
    *,
    treated: Any,
    reference: Any,
    by: str | None,
    vcov: Any,
    weights: Any,
    cluster: Any,
    seed: int,
    **reading: Any,
) -> EffectFit:
    """The fit of `si.effect` on a table in blocks."""
    _refuse(chosen, settings, by)
    estimated = is_estimated(weights)
    spec = VcovSpec.read(vcov, cluster, chosen.fit.vcov_kinds, stacked=estimated)
    folds = getattr(settings, "folds", None)
    problem = read_effect(
        formula, table, binary=chosen.two_arms, treated=treated, reference=reference, vcov=spec, cluster=cluster,
        folds=folds, weights=weights, **reading,
    )  # fmt: skip
    chosen.check_covariates(problem.width)
    if chosen.name in ("dim", "regression"):
        from statinf.effects.regression_passes import regression_estimate

        made = regression_estimate(problem, estimand, settings, adjusted=chosen.name == "regression")
    else:
        made = _scored(problem, chosen, settings, estimand, folds, seed, spec)
    fit = chosen.fit.of(problem.made.passage, made, spec, method=chosen, cluster=cluster)
    assert isinstance(fit, EffectFit)
    return fit


def _refuse(chosen: EffectMethod, settings: Any, by: str | None) -> None:
    if chosen.name not in METHODS:
        raise OptionError(
            f"method={chosen.name!r} needs its rows in memory; effects on data that are read in blocks are estimated by "
            f"{', '.join(METHODS)}."
        )
    if by is not None:
        raise OptionError("by= needs rows in memory; on data that are read in blocks estimate the groups one by one.")
    for name, usual in _REFUSED.items():
        if getattr(settings, name, usual) != usual:
            raise OptionError(
                f"{name}={getattr(settings, name)!r} of method={chosen.name!r} needs rows in memory; leave it out on data that are "
                "read in blocks."
            )


def _scored(
    problem: EffectPasses, chosen: EffectMethod, settings: Any, estimand: str, folds: Any, seed: int, spec: VcovSpec
) -> Estimate:
    """Effects from scores that are linear in the effect."""
    name = chosen.name
    modelled = getattr(settings, "outcome_model", None)
    outcome, treatment = learners(settings.learner, modelled, settings.treatment_model, binary=problem.binary)
    used = [treatment] if name == "ipw" else [outcome, treatment]
    whole = name in ("aipw", "ipw") and all(isinstance(one, LeastSquares | Logit | Constant) for one in used)
    made, split = block_folds(problem.made, folds, seed, spec, whole=whole)
    problem = replace(problem, made=made)
    if name == "plr":
        wanted = [BlockNuisance("outcome", "y", outcome), BlockNuisance("treatment", "d", treatment)]
    else:
        arms = () if name == "ipw" else ARMS[estimand]
        wanted = [BlockNuisance(f"outcome{arm}", "y", outcome, arm) for arm in arms] + [
            BlockNuisance("propensity", "d", treatment)
        ]
    predict, cells, information = fit_nuisances(problem, wanted, split)
    if name == "ipw":
        from statinf.effects.ipw_passes import ipw_estimate

        stack = isinstance(treatment, Logit) and split.count == 1
        return ipw_estimate(problem, settings, estimand, predict, cells, information if stack else None, treatment)
    clip = getattr(settings, "clip", 0.0)
    score = BlockScore(problem.read, predict, name, estimand, clip)
    if getattr(settings, "normalize", False):
        means: np.ndarray = problem.made.total(partial(_arm_means, score), "weights of the arms")
        score = BlockScore(problem.read, predict, name, estimand, clip, _ratios(means, estimand))
    below, above, told = problem.made.total(partial(_score_sums, score), "scores")
    facts = overlap_facts(told, clip, estimand) if name != "plr" else {}
    if name == "plr":
        varied = _varied(cells.gram)
        if below <= 1e-12 * varied:
            raise NotIdentifiedError(
                "the covariates explain the treatment completely; nothing of it is left to compare."
            )
        facts = {"Residual treatment variance": float(told.squares / told.mass)}
    theta = np.array([above / below])
    return linear_estimate(problem, score, theta, below, facts, estimand if name != "plr" else "variance-weighted")


@dataclass(frozen=True)
class BlockScore:
    """The score b - theta a of each row of a block, and the propensities behind it.

    Attributes
    ----------
    read : EffectReader
    predict : Predictors
    method : str
    estimand : str
    clip : float
    ratios : tuple of float
        What inverse propensities are divided by, of the treated and the controls.
    """

    read: EffectReader
    predict: Predictors
    method: str
    estimand: str
    clip: float
    ratios: tuple[float, float] = (1.0, 1.0)

    def __call__(self, block: Design) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Parts a and b of the score, weights, and propensities before they are clipped, shape (n,) each."""
        rows = self.read(block)
        made = self.predict(block, rows.x)
        if self.method == "plr":
            v = rows.d - made["treatment"]
            return v * v, v * (rows.y - made["outcome"]), rows.w, v
        raw = made["propensity"]
        e, y, d = clipped(raw, self.clip, self.estimand), rows.y, rows.d
        up, down = self.ratios
        if self.estimand == "ATE":
            mu0, mu1 = made["outcome0"], made["outcome1"]
            b = mu1 - mu0 + d / e / up * (y - mu1) - (1.0 - d) / (1.0 - e) / down * (y - mu0)
            return np.ones(len(y)), b, rows.w, raw
        if self.estimand == "ATT":
            left = y - made["outcome0"]
            return d, d * left - (1.0 - d) * e / (1.0 - e) / down * left, rows.w, raw
        left = y - made["outcome1"]
        return 1.0 - d, d * (1.0 - e) / e / up * left - (1.0 - d) * left, rows.w, raw


def _arm_means(score: BlockScore, block: Design) -> np.ndarray:
    """Sums of weights, of treatments, and of the factors that are normalised, of the treated and the controls."""
    rows = score.read(block)
    e = clipped(score.predict(block, rows.x)["propensity"], score.clip, score.estimand)
    d, w = rows.d, rows.w
    with np.errstate(divide="ignore", invalid="ignore"):
        up = {"ATE": d / e, "ATC": d * (1.0 - e) / e}.get(score.estimand, np.zeros(len(d)))
        down = {"ATE": (1.0 - d) / (1.0 - e), "ATT": (1.0 - d) * e / (1.0 - e)}.get(score.estimand, np.zeros(len(d)))
    return np.array([w.sum(), w @ d, w @ up, w @ down])


def _ratios(sums: np.ndarray, estimand: str) -> tuple[float, float]:
    mass, treated, up, down = map(float, sums)
    if estimand == "ATE":
        return up / mass, down / mass
    return (1.0, down / treated) if estimand == "ATT" else (up / (mass - treated), 1.0)


def _score_sums(score: BlockScore, block: Design) -> tuple[float, float, Overlap]:
    a, b, w, raw = score(block)
    return float(w @ a), float(w @ b), Overlap.of(raw, w, score.clip, score.estimand)


def _varied(gram: np.ndarray) -> float:
    """Weighted sum of squares of the treatment about its mean."""
    total = gram.sum(axis=(0, 1))
    return float(total[-1, -1] - total[0, -1] ** 2 / total[0, 0])


def linear_estimate(
    problem: EffectPasses, score: BlockScore, theta: np.ndarray, below: float, facts: Mapping[str, Any], estimand: str
) -> Estimate:
    """What a method with scores hands to its fit."""
    unit = partial(_unit, score, theta, below)
    return score_estimate(problem, theta, unit, facts, estimand)


def _unit(score: BlockScore, theta: np.ndarray, below: float, block: Design) -> np.ndarray:
    a, b, _, _ = score(block)
    return ((b - a * theta[0]) / below)[:, None]

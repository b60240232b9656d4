"""The average effect by cross-fitted learners of all nuisances, chosen among candidates for each.

Nuisances are the instrument's probability f, the treatment's pi_z, the outcome's mean mu_z, and the mean rho_z of products of
their residuals, from which ``beta = (rho_1 - rho_0) / D`` and kappa follow. Residuals that rho is learnt from are out of fold
within the rows it is learnt on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.effects.invalid.multiply_robust import Average
from statinf.effects.invalid.rows import InvalidRows
from statinf.effects.invalid.selection import RULES, LearnerChoice
from statinf.errors import OptionError
from statinf.learners.constant import Constant
from statinf.learners.crossfit import fold_ids
from statinf.learners.nuisance import Nuisance, cross_predict, over_mean
from statinf.learners.registry import canonical, resolve

BLOCKS = ("instrument", "treatment", "outcome", "covariance")
"""Nuisances: f, pi, mu and rho."""
LEAST = 0.02
"""Differences of variances are moved away from zero to at least this."""
_INNER = 3


@dataclass(frozen=True, repr=False)
class LearnedEffect(Brief):
    """Estimates by every combination of candidates.

    Attributes
    ----------
    averages : ndarray of object, shape (K1, K2, K3, K4)
        `Average` of each combination.
    estimates, errors : ndarray, shape (K1, K2, K3, K4)
    selection : LearnerChoice
    names : tuple of tuple of str
        Candidates of each block.
    moved : float
        Share of rows whose difference of variances was moved, for the chosen combination.
    """

    averages: np.ndarray
    estimates: np.ndarray
    errors: np.ndarray
    selection: LearnerChoice
    names: tuple[tuple[str, ...], ...]
    moved: float

    @property
    def chosen(self) -> Average:
        return self.averages[self.selection.chosen]


def read_candidates(name: str, given: Any) -> Mapping[str, tuple[Any, ...]]:
    """Candidates of each block from a list for all, or a mapping from blocks to lists.

    Raises
    ------
    OptionError
        For an unknown block, no candidates, or what is no learner.
    """
    if isinstance(given, Mapping):
        unknown = [k for k in given if k not in BLOCKS]
        if unknown:
            raise OptionError(f"{name}: {unknown[0]!r} is no nuisance; there are {', '.join(map(repr, BLOCKS))}.")
        every = {block: given.get(block, ("lm",)) for block in BLOCKS}
    else:
        every = dict.fromkeys(BLOCKS, given)
    out = {}
    for block, some in every.items():
        listed = (some,) if isinstance(some, str) or not isinstance(some, Sequence) else tuple(some)
        if not listed:
            raise OptionError(f"{name}: give at least one candidate for {block!r}.")
        for one in listed:
            _learner(one, block, name)
        out[block] = listed
    return out


def _learner(given: Any, block: str, option: str) -> Any:
    """A learner for a block; least squares stand for a logit where a probability is wanted."""
    if isinstance(given, str) and given == "constant":
        return None
    chance = block in ("instrument", "treatment")
    if chance and isinstance(given, str) and canonical(given) == "lm":
        given = "logit"
    return resolve(given, "probability" if chance else "mean", option)


class _MeanOnly:
    """The mean of what is learnt: a candidate that knows no covariates."""

    def fit(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0) -> Constant:
        return Constant(float(np.average(y, weights=w))).fit(X, y, w)


def learned(
    rows: InvalidRows, candidates: Mapping[str, tuple[Any, ...]], folds: int, rule: str, margin: float | None
) -> LearnedEffect:
    """All combinations, and the one that the rule chooses.

    Parameters
    ----------
    margin : float or None
        Of near-minimisers, in standard errors of the chosen estimate.
    """
    strata = rows.on.astype(np.intp) * 2 + (rows.a > 0.5)
    split = fold_ids(len(rows.a), folds, seed=rows.seed, strata=strata, groups=rows.groups)
    learners = {b: [_learner(c, b, "candidates") or _MeanOnly() for c in candidates[b]] for b in BLOCKS}
    outer = _predicted(rows, learners, rows.w, split, rows.seed)
    rho = _products(rows, learners, split, strata)
    shape = tuple(len(candidates[b]) for b in BLOCKS)
    averages = np.empty(shape, dtype=object)
    estimates, errors, moved = np.empty(shape), np.empty(shape), np.empty(shape)
    for at in product(*(range(k) for k in shape)):
        averages[at], moved[at] = _average(rows, outer, rho, at)
        estimates[at] = averages[at].delta
        errors[at] = float(np.linalg.norm(averages[at].influence))
    chosen = RULES[rule](estimates)
    width = 0.0 if margin is None else margin * float(errors[chosen.chosen])
    selection = RULES[rule](estimates, width)
    names = tuple(tuple(c if isinstance(c, str) else type(c).__name__ for c in candidates[b]) for b in BLOCKS)
    return LearnedEffect(averages, estimates, errors, selection, names, float(moved[selection.chosen]))


def _wanted(
    rows: InvalidRows, learners: Mapping[str, list[Any]], only: slice | np.ndarray, w: np.ndarray
) -> list[Nuisance]:
    on, a, y = rows.on[only], rows.a[only], rows.y[only]
    out = []
    for arm in (0, 1):
        mask = on == bool(arm)
        values = np.unique(a[mask & (w > 0)])
        for i, one in enumerate(learners["treatment"]):
            known = Constant(float(values[0])) if len(values) == 1 else one
            out.append(Nuisance(f"treatment{arm}{i}", a, known, rows=mask, probability=len(values) > 1))
        out += [Nuisance(f"outcome{arm}{i}", y, one, rows=mask) for i, one in enumerate(learners["outcome"])]
    return out


def _predicted(
    rows: InvalidRows, learners: Mapping[str, list[Any]], w: np.ndarray, split: np.ndarray, seed: int
) -> dict[str, np.ndarray]:
    x = np.ascontiguousarray(rows.x[:, 1:])
    wanted = _wanted(rows, learners, slice(None), w)
    wanted += [
        Nuisance(f"instrument{i}", rows.z[:, 0], one, probability=True) for i, one in enumerate(learners["instrument"])
    ]
    made = cross_predict(x, wanted, split[None], w, seed=seed, progress=False)[0]
    for name, values in made.items():
        if name.startswith("instrument"):
            made[name] = np.clip(values, 0.01, 0.99)
        elif name.startswith("treatment"):
            made[name] = np.clip(values, 0.0, 1.0)
    return made


def _products(
    rows: InvalidRows, learners: Mapping[str, list[Any]], split: np.ndarray, strata: np.ndarray
) -> dict[tuple[int, ...], np.ndarray]:
    """Mean product of residuals for every row by (arm, treatment, outcome, covariance), learnt on the other folds."""
    x = np.ascontiguousarray(rows.x[:, 1:])
    keys = list(product((0, 1), *(range(len(learners[b])) for b in ("treatment", "outcome", "covariance"))))
    out = {key: np.empty(len(rows.a)) for key in keys}
    for k in range(int(split.max()) + 1):
        train, here = np.flatnonzero(split != k), split == k
        on, w = rows.on[train], over_mean(rows.w[train])
        whole = None if rows.groups is None else rows.groups[train]
        inner = fold_ids(len(train), _INNER, seed=rows.seed + 1, strata=strata[train], groups=whole)
        made = cross_predict(
            x[train], _wanted(rows, learners, train, w), inner[None], w, seed=rows.seed, progress=False
        )[0]
        for key in keys:
            arm, i, j, m = key
            mask = on == bool(arm)
            r = rows.a[train] - np.clip(made[f"treatment{arm}{i}"], 0.0, 1.0)
            target = (r * (rows.y[train] - made[f"outcome{arm}{j}"]))[mask]
            if np.ptp(target) == 0.0:
                out[key][here] = target[0]
                continue
            fitted = learners["covariance"][m].fit(x[train][mask], target, w[mask], seed=rows.seed)
            out[key][here] = fitted.predict(x[here])
    return out


def _average(
    rows: InvalidRows, outer: Mapping[str, np.ndarray], rho: Mapping[tuple[int, ...], np.ndarray], at: tuple[int, ...]
) -> tuple[Average, float]:
    """The average by one combination, and the share of rows whose difference of variances was moved."""
    f, i, j, m = outer[f"instrument{at[0]}"], *at[1:]
    pi0, pi1 = outer[f"treatment0{i}"], outer[f"treatment1{i}"]
    v0, v1 = pi0 * (1.0 - pi0), pi1 * (1.0 - pi1)
    d = v1 - v0
    small = np.abs(d) < LEAST
    d = np.where(small, np.where(d < 0, -LEAST, LEAST), d)
    r0, r1 = rho[0, i, j, m], rho[1, i, j, m]
    beta = (r1 - r0) / d
    kappa = 0.5 * (r1 - beta * v1 + r0 - beta * v0)
    on = rows.on
    r = rows.a - np.where(on, pi1, pi0)
    u = rows.y - np.where(on, outer[f"outcome1{j}"], outer[f"outcome0{j}"])
    ratio = np.where(on, 1.0 / f, -1.0 / (1.0 - f))
    phi = beta + ratio / d * (r * (u - beta * r) - kappa)
    delta = float(np.average(phi, weights=rows.w))
    influence = rows.w * (phi - delta) / rows.w.sum()
    return Average(delta, influence, phi, beta, d, f, float(np.average(kappa, weights=rows.w))), float(small.mean())

"""What predicted effects are evaluated on: folds in sequence, each by what earlier folds taught, or all folds at once.

Predictions that are evaluated on the rows they were learnt from look good whatever they are. Leaving each fold out in
turn is not enough: the predictions of two folds share most of their rows, and each has seen the other fold, so that the
pooled statistic is not normal where effects do not vary. In sequence, fold k is evaluated by predictions from folds 1 to
k - 1 in all stages: given those, its statistic is that of an independent sample (Luedtke and van der Laan 2016; Wager
2024, arXiv 2405.05534). The folds' statistics are averaged with weights that their outcomes play no part in, the inverse
standard errors under one error variance, so that the mean over its standard error is standard normal; with equal standard
errors it is the sum of the t statistics over the root of their number, but a fold's own noisy standard error is no weight.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.backend import generator
from statinf.brief import Brief
from statinf.effects.conditional import ConditionalEffect
from statinf.errors import NotIdentifiedError, OptionError, one_of

EVALUATIONS = ("sequential", "cross-fold")
_ROUNDING = 1e-10
"""Differences of predicted effects below this share of their size, or of the outcome's spread, are no heterogeneity."""


@dataclass(frozen=True, eq=False, repr=False)
class EvaluationBlock(Brief):
    """Rows that are evaluated together.

    Attributes
    ----------
    rows : ndarray of int, shape (m,)
    effect : ndarray, shape (m,)
        Predicted effects, or what else the rows are sorted by.
    fold : ndarray of int, shape (m,)
        Ranks and means are taken within a fold: predictions of different folds come from different fits.
    """

    rows: np.ndarray
    effect: np.ndarray
    fold: np.ndarray

    def centred(self, w: np.ndarray) -> np.ndarray:
        """Predicted effects less their mean in each fold, shape (m,); `w` are the weights of all rows."""
        v = w[self.rows]
        total = np.bincount(self.fold, v)
        mean = np.bincount(self.fold, v * self.effect) / np.where(total > 0, total, 1.0)
        return self.effect - mean[self.fold]

    def priority(self, w: np.ndarray) -> np.ndarray:
        """What rows are ranked by, shape (m,): the effects, or of several folds the share of each fold ranked below."""
        if not self.fold.any():
            return self.effect
        v, out = w[self.rows], np.empty(len(self.rows))
        for k in range(int(self.fold.max()) + 1):
            here = np.flatnonzero(self.fold == k)
            values, code = np.unique(self.effect[here], return_inverse=True)
            mass = np.bincount(code, v[here], minlength=len(values))
            out[here] = ((np.cumsum(mass) - 0.5 * mass) / mass.sum())[code]
        return out

    def groups(self, count: int, w: np.ndarray, seed: int) -> np.ndarray:
        """Groups 0..count-1 of equal weight by rank within each fold, the lowest first, shape (m,); ties at random."""
        v, out = w[self.rows], np.empty(len(self.rows), np.intp)
        tie = generator(seed, 43).permutation(len(w))[self.rows]
        for k in range(int(self.fold.max(initial=-1)) + 1):
            here = np.flatnonzero(self.fold == k)
            order = here[np.lexsort((tie[here], self.effect[here]))]
            # Ranks, not cut points: ties are split so that groups keep their size.
            reached = (np.cumsum(v[order]) - 0.5 * v[order]) / v[order].sum()
            out[order] = np.minimum((reached * count).astype(int), count - 1)
        return out


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(Brief):
    """How predicted effects are evaluated.

    Attributes
    ----------
    kind : {"sequential", "cross-fold", ""}
        Empty where rows are sorted by something from elsewhere.
    splits : tuple of tuple of EvaluationBlock
        The blocks of every random split.
    scores : ndarray, shape (splits, n)
        Doubly robust scores of all rows.
    """

    kind: str
    splits: tuple[tuple[EvaluationBlock, ...], ...]
    scores: np.ndarray

    @property
    def facts(self) -> dict[str, str]:
        """What summaries say of it."""
        if not self.kind:
            return {}
        if self.kind == "cross-fold":
            return {"Evaluation": "cross-fold (not normal where effects do not vary; 'sequential' is)"}
        fewest = min(len(blocks) for blocks in self.splits)
        return {"Evaluation": f"sequential, {fewest} {'fold' if fewest == 1 else 'folds'} by the folds before each"}


def evaluation_of(learnt: ConditionalEffect, kind: str, priority: np.ndarray | None = None) -> Evaluation:
    """The blocks that effects are evaluated on.

    Parameters
    ----------
    learnt : ConditionalEffect
    kind : {"sequential", "cross-fold"}
    priority : ndarray, shape (n,), optional
        What to sort rows by, from other data; one block of all rows then.

    Raises
    ------
    NotIdentifiedError
        If the fit has no folds, or too few rows to learn from some and evaluate on others.
    OptionError
        If the kind is not known.
    """
    one_of("evaluation", kind, EVALUATIONS)
    n = len(learnt.sample)
    if priority is not None:
        block = EvaluationBlock(np.arange(n), priority, np.zeros(n, np.intp))
        return Evaluation("", ((block,),), learnt.gamma[None])
    if learnt.how.folds is None:
        raise NotIdentifiedError(
            "effects that were learnt on all rows cannot be evaluated on them; fit with folds=5, or give priority= from "
            "other data."
        )
    scale = float(np.std(learnt.sample.y))
    if kind == "cross-fold":
        pairs = zip(learnt.cross_fold, learnt.how.folds, strict=True)
        return Evaluation(
            kind, tuple((EvaluationBlock(np.arange(n), _plain(e, scale), f),) for e, f in pairs), learnt.scores
        )
    splits = tuple(
        tuple(EvaluationBlock(rows, _plain(effect, scale), np.zeros(len(rows), np.intp)) for rows, effect in steps)
        for steps in learnt.sequential
    )
    if not all(splits):
        raise NotIdentifiedError(
            f"{int(np.count_nonzero(learnt.sample.w))} rows are too few to learn effects from some folds and evaluate them on "
            "others; use fewer folds, or evaluation='cross-fold'."
        )
    return Evaluation(kind, splits, learnt.scores)


def _plain(effect: np.ndarray, scale: float) -> np.ndarray:
    """Predicted effects, all alike where they differ by rounding only; `scale` is the outcome's spread."""
    if np.ptp(effect) > _ROUNDING * (np.abs(effect).max() + scale):
        return effect
    return np.full(len(effect), effect.mean())


def check_groups(groups: object) -> int:
    """A number of groups, or an `OptionError`."""
    if isinstance(groups, bool) or not isinstance(groups, int | np.integer) or not 2 <= groups <= 20:
        raise OptionError(f"groups={groups!r} must be a whole number from 2 to 20.")
    return int(groups)


def combine(estimates: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Weight of each block's estimate, shape (blocks, q); columns add up to one, NaN where no block has an estimate.

    Parameters
    ----------
    estimates : ndarray, shape (blocks, q)
        NaN where a block has none: it counts for nothing.
    spread : ndarray, shape (blocks, q)
        Standard errors under an error variance of one, which the weights are the inverse of.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.where(np.isfinite(estimates), 1.0 / spread, 0.0)
        return weights / weights.sum(axis=0)

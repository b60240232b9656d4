"""Nuisances, scores and predicted effects of the rows of a conditional effect, made when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.effects.cate_options import CateOptions
from statinf.effects.cate_problem import CateProblem, Sample
from statinf.effects.irm import scores
from statinf.effects.options import Nuisances, nuisances_of
from statinf.effects.overlap import clipped
from statinf.effects.rows import EffectRows
from statinf.effects.stages import Affine, EffectFunction, PseudoRegression, Stages, predict_nuisances
from statinf.errors import ConvergenceError, DataError, NotIdentifiedError
from statinf.learners.crossfit import fold_ids
from statinf.learners.linear import FittedLinear, LeastSquares
from statinf.learners.registry import resolve
from statinf.numerics.linear.least_squares import solve


@dataclass(frozen=True, eq=False, repr=False)
class ConditionalEffect(Brief):
    """What a method of `cate` learns.

    Attributes
    ----------
    rows : EffectRows
    sample : Sample
    how : Nuisances
    stages : Stages
    final : Learner
        Of the second stage.
    propensity : float, str or None
        Known propensities as new rows have them too: a number, or the name of a column.
    """

    rows: EffectRows
    sample: Sample
    how: Nuisances
    stages: Stages
    final: Any
    propensity: float | str | None = None

    @property
    def mixes_known(self) -> bool:
        """Whether predicted effects depend on known propensities."""
        return self.stages.mixes and self.how.known is not None

    @cached_property
    def predictions(self) -> list[dict[str, np.ndarray]]:
        """Nuisances that the learner needs, one dict per split; propensities are clipped where it divides by them."""
        made = self._made(self.stages.wanted)
        return [self._clipped(m) for m in made] if self.stages.divides else made

    @cached_property
    def evaluation(self) -> list[dict[str, np.ndarray]]:
        """Nuisances of the doubly robust scores."""
        have = self.predictions[0]
        missing = tuple(
            name
            for name, key in (("arms", "outcome0"), ("mean", "mean"), ("propensity", "propensity"))
            if key not in have
        )
        more = self._made(missing) if missing else [{} for _ in self.predictions]
        return [self._clipped(a | b) for a, b in zip(self.predictions, more, strict=True)]

    def _made(self, wanted: tuple[str, ...]) -> list[dict[str, np.ndarray]]:
        return predict_nuisances(self.sample, self.how, wanted, self.how.folds, single=self.stages.single)

    def _clipped(self, made: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if "propensity" not in made:
            return made
        e, _ = clipped(made["propensity"], self.rows.design.rows, self.how.clip, self.sample.w)
        return made | {"propensity": e}

    @cached_property
    def scores(self) -> np.ndarray:
        """Doubly robust score of each row by split, shape (splits, n): unbiased for its own effect."""
        s = self.sample
        return np.stack(
            [scores(s.y, s.d, p["propensity"], p["outcome0"], p["outcome1"], "ATE", s.w).b for p in self.evaluation]
        )

    @cached_property
    def gamma(self) -> np.ndarray:
        """Mean score of each row over splits, shape (n,)."""
        return np.mean(self.scores, axis=0)

    @cached_property
    def functions(self) -> tuple[EffectFunction, ...]:
        """The second stage of every split, learnt on all rows."""
        return tuple(self.stages.second(self.sample, p, self.final, self.how) for p in self.predictions)

    @cached_property
    def fitted(self) -> np.ndarray:
        """Effect of each row by functions that have seen it, the median over splits, shape (n,)."""
        s = self.sample
        return np.median([f(s.phi, s.x, s.known) for f in self.functions], axis=0)

    @cached_property
    def cross_fold(self) -> np.ndarray:
        """Effect of each row by split, shape (splits, n), learnt in all its stages on the rows of the other folds.

        Without folds it is learnt and predicted on all rows, shape (1, n).
        """
        s, folds = self.sample, self.how.folds
        if folds is None:
            return self.functions[0](s.phi, s.x, s.known)[None]
        out = np.empty((len(folds), len(s)))
        for number, split in enumerate(folds):
            for k in range(int(split.max()) + 1):
                here = split == k
                out[number, here] = self._learnt_on(~here, split)(here)
        return out

    @cached_property
    def sequential(self) -> tuple[tuple[tuple[np.ndarray, np.ndarray], ...], ...]:
        """Per split and fold, from the second fold on: its rows, and their effects by all stages on earlier folds.

        Folds go in the order of their numbers. One whose earlier folds cannot be learnt from, for want of rows of an arm
        or of overlap, is left out: what decides is known before its outcomes are seen.
        """
        out = []
        for split in () if self.how.folds is None else self.how.folds:
            steps = []
            for k in range(1, int(split.max()) + 1):
                here = (split == k) & (self.sample.w > 0)
                try:
                    steps.append((np.flatnonzero(here), self._learnt_on(split < k, split)(here)))
                except (DataError, ConvergenceError, NotIdentifiedError):
                    continue
            out.append(tuple(steps))
        return tuple(out)

    def _learnt_on(self, train: np.ndarray, split: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """Effects of chosen rows by stages that have seen the rows `train` alone, nuisances included."""
        train = train & (self.sample.w > 0)
        s, how, stages = self.sample.some(train), self.how, self.stages
        inner = _inner_folds(s, split[train], how.seed)
        p = predict_nuisances(s, how, stages.wanted, inner[None], single=stages.single)[0]
        if stages.divides and "propensity" in p:
            p["propensity"] = np.clip(p["propensity"], how.clip, 1.0 - how.clip)
        learnt = stages.second(s, p, self.final, how)
        every = self.sample
        return lambda here: learnt(every.phi[here], every.x[here], None if every.known is None else every.known[here])

    @cached_property
    def coefficients(self) -> np.ndarray | None:
        """Coefficients of the second stage of every split, shape (splits, k); None for effects that are not linear."""
        if not all(isinstance(f, Affine) and isinstance(f.fitted, FittedLinear) for f in self.functions):
            return None
        return np.stack([np.append(f.fitted.intercept, f.fitted.coefficients) for f in self.functions])

    @cached_property
    def spanned(self) -> np.ndarray | None:
        """Independent columns of the final model where it is least squares, shape (k,) bool; None for other learners."""
        if self.coefficients is None or not isinstance(self.final, LeastSquares):
            return None
        return solve(self.sample.phi, self.sample.y, self.sample.w).kept

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What the summary says of the first split."""
        p, facts = self.predictions[0], {}
        if self.rows.arms is not None:
            facts |= self.rows.arms.facts
        facts |= self.stages.facts
        if "propensity" in p:
            facts["Propensities"] = f"{p['propensity'].min():.3f} to {p['propensity'].max():.3f}"
        if isinstance(self.stages, PseudoRegression) and self.stages.weighting != "none":
            w = self.sample.w * self.stages.products(self.sample, p)[1]
            facts["Effective sample"] = float(w.sum() ** 2 / (w**2).sum())
        return facts


def _inner_folds(sample: Sample, outer: np.ndarray, seed: int) -> np.ndarray:
    """Folds (n,) of the nuisances within rows that effects are learnt on: those there are, if four or more, else five."""
    found = np.unique(outer, return_inverse=True)[1]
    if found.max(initial=0) >= 3:
        return found
    arms = np.bincount(sample.d.astype(np.intp), minlength=2)
    count = int(min(5, arms.min(), len(sample) if sample.groups is None else len(np.unique(sample.groups))))
    if count < 2:
        raise DataError(
            f"effects cannot be learnt from {len(sample)} rows, {arms.min()} of them in one arm; use fewer folds."
        )
    return fold_ids(len(sample), count, seed=seed, strata=sample.d, groups=sample.groups)


def conditional_effect(problem: CateProblem, options: CateOptions, stages: Stages) -> ConditionalEffect:
    """The conditional effect that two stages learn with a method's options."""
    rows = problem.rows
    how = nuisances_of(rows, options, problem.seed, problem.progress)
    sample = Sample(rows.y, rows.d, rows.w, rows.x, problem.phi, how.known, rows.whole)
    final = resolve("lm" if options.final is None else options.final, "mean", "final")
    told = options.propensity if isinstance(options.propensity, str | float | int) else None
    return ConditionalEffect(rows, sample, how, stages, final, told)

"""Nuisances and pseudo-outcomes of a conditional effect, made when they are first asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from statinf.effects import pseudo as ps
from statinf.effects.irm import scores
from statinf.effects.options import Nuisances
from statinf.effects.overlap import clipped
from statinf.effects.rows import EffectRows
from statinf.learners.nuisance import Nuisance, cross_predict


@dataclass(frozen=True, eq=False)
class Problem:
    """Rows, options and the pair of pseudo-outcome and weight.

    Attributes
    ----------
    rows : EffectRows
    options : Nuisances
    recipe : Recipe
    phi : ndarray, shape (n, k)
        Columns of the final model, its intercept first.
    """

    rows: EffectRows
    options: Nuisances
    recipe: ps.Recipe
    phi: np.ndarray

    @cached_property
    def predictions(self) -> list[dict[str, np.ndarray]]:
        """Nuisances that the learner needs, one dict a split; propensities are clipped where it divides by them."""
        made = self._made(ps.needs(self.recipe.pseudo, self.recipe.weighting))
        divides = (self.recipe.pseudo, self.recipe.weighting) != ("u", "r")
        return [self._clipped(m) for m in made] if divides else made

    @cached_property
    def evaluation(self) -> list[dict[str, np.ndarray]]:
        """Nuisances of the doubly robust scores."""
        have = self.predictions[0]
        missing = [
            n for n, key in (("arms", "outcome0"), ("mean", "mean"), ("propensity", "propensity")) if key not in have
        ]
        more = self._made(missing) if missing else [{} for _ in self.predictions]
        return [self._clipped(a | b) for a, b in zip(self.predictions, more, strict=True)]

    def _clipped(self, made: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if "propensity" not in made:
            return made
        limit = 0.0 if self.options.known is not None else self.options.clip
        e, _ = clipped(made["propensity"], self.rows.design.rows, limit, self.rows.w)
        return made | {"propensity": e}

    def _made(self, wanted: Sequence[str]) -> list[dict[str, np.ndarray]]:
        rows, o = self.rows, self.options
        asked: list[Nuisance] = []
        if "arms" in wanted and not self.recipe.single:
            asked += [
                Nuisance("outcome0", rows.y, o.outcome, rows=~rows.treated),
                Nuisance("outcome1", rows.y, o.outcome, rows=rows.treated),
            ]
        if "mean" in wanted:
            asked.append(Nuisance("mean", rows.y, o.outcome))
        if "propensity" in wanted and o.known is None:
            asked.append(Nuisance("propensity", rows.d, o.treatment, probability=True))
        made = cross_predict(rows.x, asked, o.folds, rows.w, seed=o.seed, progress=o.progress)
        if "arms" in wanted and self.recipe.single:
            made = [m | s for m, s in zip(made, self._single(), strict=True)]
        if "propensity" not in wanted or o.known is None:
            return made
        return [m | {"propensity": o.known} for m in made]

    def _single(self) -> list[dict[str, np.ndarray]]:
        """Both arms' outcomes from one model that takes the treatment as a column."""
        rows, o = self.rows, self.options
        x = np.column_stack([rows.d, rows.x])
        out = []
        for number, split in enumerate(np.zeros((1, len(rows.y)), np.intp) if o.folds is None else o.folds):
            made = {"outcome0": np.empty(len(x)), "outcome1": np.empty(len(x))}
            for k in range(int(split.max()) + 1):
                here = split == k
                train = ((~here) | (o.folds is None)) & (rows.w > 0)
                fitted = o.outcome.fit(x[train], rows.y[train], rows.w[train], seed=o.seed + number)
                for arm in (0, 1):
                    made[f"outcome{arm}"][here] = fitted.predict(
                        np.column_stack([np.full(here.sum(), float(arm)), rows.x[here]])
                    )
            out.append(made)
        return out

    @cached_property
    def products(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Weight times pseudo-outcome, and weight, of each split."""
        r = self.recipe
        return [ps.weighted_pseudo(r.pseudo, r.weighting, self.rows.y, self.rows.d, p) for p in self.predictions]

    @cached_property
    def gamma(self) -> np.ndarray:
        """Doubly robust score of each row, averaged over splits, shape (n,): unbiased for its own effect."""
        rows = self.rows
        each = [
            scores(rows.y, rows.d, p["propensity"], p["outcome0"], p["outcome1"], "ATE", rows.w).b
            for p in self.evaluation
        ]
        return np.mean(each, axis=0)

    def final(self, learner: Any, split: int, train: np.ndarray) -> Any:
        """The second stage on some rows: a function of rows of the final model's columns (m, k)."""
        rows = self.rows
        train = train & (rows.w > 0)
        if self.recipe.pseudo == "x":
            return self._mixed(learner, split, train)
        product, weight = self.products[split]
        train = train & (weight > 0)
        w = (rows.w * weight)[train]
        w = w / w.mean()
        fitted = learner.fit(self.phi[train, 1:], product[train] / weight[train], w, seed=self.options.seed)
        return lambda phi, x: fitted.predict(phi[:, 1:])

    def _mixed(self, learner: Any, split: int, train: np.ndarray) -> Any:
        rows, p, seed = self.rows, self.predictions[split], self.options.seed
        on, off = train & rows.treated, train & ~rows.treated
        first = learner.fit(self.phi[on, 1:], (rows.y - p["outcome0"])[on], rows.w[on], seed=seed)
        second = learner.fit(self.phi[off, 1:], (p["outcome1"] - rows.y)[off], rows.w[off], seed=seed)
        known = self.options.known
        chance = (
            None
            if known is not None
            else self.options.treatment.fit(rows.x[train], rows.d[train], rows.w[train], seed=seed)
        )

        def mixed(phi: np.ndarray, x: np.ndarray) -> np.ndarray:
            if chance is None:
                e = np.full(len(phi), float(np.mean(np.asarray(known))))
            else:
                ask = getattr(chance, "predict_proba", chance.predict)
                e = np.clip(ask(x), self.options.clip, 1.0 - self.options.clip)
            return e * second.predict(phi[:, 1:]) + (1.0 - e) * first.predict(phi[:, 1:])

        return mixed

    def out_of_fold(self, learner: Any) -> np.ndarray:
        """Effect of each row by second stages that left its fold out, median over splits, shape (n,)."""
        rows, folds = self.rows, self.options.folds
        if folds is None:
            return self.final(learner, 0, np.ones(len(rows.y), bool))(self.phi, rows.x)
        out = np.empty((len(folds), len(rows.y)))
        for s, split in enumerate(folds):
            for k in range(int(split.max()) + 1):
                here = split == k
                out[s, here] = self.final(learner, s, ~here)(self.phi[here], rows.x[here])
        return np.median(out, axis=0)

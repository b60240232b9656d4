"""The two stages of a conditional effect: nuisances, and a second stage that learns the effect from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from statinf.backend import progress_bar
from statinf.effects import pseudo as ps
from statinf.effects.cate_problem import Sample
from statinf.effects.options import Nuisances
from statinf.errors import NotIdentifiedError
from statinf.learners.nuisance import Nuisance, cross_predict, over_mean

EffectFunction = Callable[[np.ndarray, np.ndarray, np.ndarray | None], np.ndarray]
"""From columns of the final model (m, k), covariates (m, p) and known propensities (m,) to effects (m,)."""


class Stages(Protocol):
    """How a method learns the effect."""

    @property
    def single(self) -> bool:
        """Whether one outcome model takes the treatment as a column, or each arm has its own."""
        ...

    @property
    def wanted(self) -> tuple[str, ...]:
        """Nuisances: "arms", "mean", "propensity"."""
        ...

    @property
    def divides(self) -> bool:
        """Whether it divides by propensities, which are clipped then."""
        ...

    @property
    def mixes(self) -> bool:
        """Whether the second stage reads the propensities of the rows that it predicts."""
        ...

    @property
    def facts(self) -> dict[str, Any]:
        """What the summary says of it."""
        ...

    def second(self, sample: Sample, p: dict[str, np.ndarray], final: Any, how: Nuisances) -> EffectFunction:
        """The second stage, learnt on all rows of a sample with the nuisances `p` of its rows."""
        ...


@dataclass(frozen=True)
class PseudoRegression:
    """A weighted regression of a pseudo-outcome.

    Attributes
    ----------
    pseudo, weighting : str
    single : bool
    """

    pseudo: str
    weighting: str
    single: bool = False
    mixes = False

    @property
    def wanted(self) -> tuple[str, ...]:
        return ps.needs(self.pseudo, self.weighting)

    @property
    def divides(self) -> bool:
        return (self.pseudo, self.weighting) != ("u", "r")

    @property
    def facts(self) -> dict[str, Any]:
        return {"Pseudo-outcome": self.pseudo, "Weighting": self.weighting}

    def products(self, sample: Sample, p: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Weight times pseudo-outcome, and weight, of each row, shape (n,)."""
        return ps.weighted_pseudo(self.pseudo, self.weighting, sample.y, sample.d, p)

    def second(self, sample: Sample, p: dict[str, np.ndarray], final: Any, how: Nuisances) -> EffectFunction:
        """Regression of the pseudo-outcome on the columns of the final model."""
        product, weight = self.products(sample, p)
        train = (sample.w > 0) & (weight > 0)
        if not train.any():
            raise NotIdentifiedError("the weights of the final stage are all zero; there is no overlap.")
        w = (sample.w * weight)[train]
        w = w / w.mean()
        fitted = final.fit(sample.phi[train, 1:], product[train] / weight[train], w, seed=how.seed)
        return Affine(fitted)


@dataclass(frozen=True)
class Affine:
    """An effect that a fitted learner predicts from the columns of the final model."""

    fitted: Any

    def __call__(self, phi: np.ndarray, x: np.ndarray, known: np.ndarray | None) -> np.ndarray:
        return self.fitted.predict(phi[:, 1:])


def predict_nuisances(
    sample: Sample, how: Nuisances, wanted: Sequence[str], folds: np.ndarray | None, *, single: bool
) -> list[dict[str, np.ndarray]]:
    """Nuisances of every row by fits that did not see it, one dict per split.

    Parameters
    ----------
    sample : Sample
    how : Nuisances
        Learners and their seed; its folds and known propensities are not read.
    wanted : sequence of str
        Some of "arms" (`outcome0`, `outcome1`), "mean", "propensity".
    folds : ndarray of int, shape (splits, n), or None
    single : bool
    """
    asked: list[Nuisance] = []
    if "arms" in wanted and not single:
        asked += [
            Nuisance("outcome0", sample.y, how.outcome, rows=~sample.treated),
            Nuisance("outcome1", sample.y, how.outcome, rows=sample.treated),
        ]
    if "mean" in wanted:
        asked.append(Nuisance("mean", sample.y, how.outcome))
    if "propensity" in wanted and sample.known is None:
        asked.append(Nuisance("propensity", sample.d, how.treatment, probability=True))
    made = cross_predict(sample.x, asked, folds, sample.w, seed=how.seed, progress=how.progress)
    if "arms" in wanted and single:
        made = [m | s for m, s in zip(made, _one_model(sample, how, folds), strict=True)]
    if "propensity" not in wanted or sample.known is None:
        return made
    return [m | {"propensity": sample.known} for m in made]


def _one_model(sample: Sample, how: Nuisances, folds: np.ndarray | None) -> list[dict[str, np.ndarray]]:
    """Both arms' outcomes from one model that takes the treatment as a column."""
    x, w = np.column_stack([sample.d, sample.x]), over_mean(sample.w)
    out = []
    for number, split in enumerate(np.zeros((1, len(sample)), np.intp) if folds is None else folds):
        made = {"outcome0": np.empty(len(x)), "outcome1": np.empty(len(x))}
        for k in progress_bar(range(int(split.max()) + 1), label="Fitting folds", show=how.progress):
            here = split == k
            train = ((~here) | (folds is None)) & (w > 0)
            fitted = how.outcome.fit(x[train], sample.y[train], w[train], seed=how.seed + number)
            for arm in (0, 1):
                made[f"outcome{arm}"][here] = fitted.predict(
                    np.column_stack([np.full(here.sum(), float(arm)), sample.x[here]])
                )
        out.append(made)
    return out

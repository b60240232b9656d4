"""X-learner: imputed effects of both arms, mixed by the propensity (Kuenzel et al. 2019, arXiv 1706.03461).

The estimand is the effect of a treatment with two arms given the covariates, E[Y(1) - Y(0) | X], for a treatment that is
as good as random given them. The effect on the treated is learnt from Y - mu_0(X) and that on the controls from
mu_1(X) - Y; the two are mixed with weights 1 - e(X) and e(X), so that the arm with more rows, whose outcome model is the
better one, counts more. Good with arms of unequal size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.effects.cate_options import CateOptions
from statinf.effects.cate_problem import CateProblem, Sample
from statinf.effects.conditional import ConditionalEffect, conditional_effect
from statinf.effects.options import Nuisances
from statinf.effects.stages import EffectFunction
from statinf.learners.nuisance import over_mean
from statinf.results.methods import Method


@dataclass(frozen=True)
class ImputedEffects:
    """Second stages of both arms, and the propensity that mixes them."""

    single = False
    wanted = ("arms", "propensity")
    divides = True
    mixes = True
    facts = {"Pseudo-outcome": "imputed effects of both arms"}  # noqa: RUF012

    def second(self, sample: Sample, p: dict[str, np.ndarray], final: Any, how: Nuisances) -> EffectFunction:
        """Imputed effects of each arm on the columns of the final model, and the propensity where it is not known."""
        used = sample.w > 0
        on, off = used & sample.treated, used & ~sample.treated
        y, w = sample.y, over_mean(sample.w)
        treated = final.fit(sample.phi[on, 1:], (y - p["outcome0"])[on], w[on], seed=how.seed)
        control = final.fit(sample.phi[off, 1:], (p["outcome1"] - y)[off], w[off], seed=how.seed)
        chance = None
        if sample.known is None:
            chance = how.treatment.fit(sample.x[used], sample.d[used], w[used], seed=how.seed)
        return Mixture(treated, control, chance, how.clip)


@dataclass(frozen=True)
class Mixture:
    """The effect on the treated and that on the controls, mixed by the propensity.

    Attributes
    ----------
    treated, control : fitted learners of the columns of the final model
    chance : fitted learner of the covariates, or None where propensities are known
    clip : float
    """

    treated: Any
    control: Any
    chance: Any
    clip: float

    def __call__(self, phi: np.ndarray, x: np.ndarray, known: np.ndarray | None) -> np.ndarray:
        if self.chance is None:
            assert known is not None
            e = known
        else:
            e = getattr(self.chance, "predict_proba", self.chance.predict)(x)
            e = np.clip(e, self.clip, 1.0 - self.clip)
        return e * self.control.predict(phi[:, 1:]) + (1.0 - e) * self.treated.predict(phi[:, 1:])


def estimate(problem: CateProblem, options: CateOptions) -> ConditionalEffect:
    """Imputed effects of both arms, mixed by the propensity."""
    return conditional_effect(problem, options, ImputedEffects())


METHOD = Method(
    verb="cate",
    name="x",
    estimate=estimate,
    options=CateOptions,
    summary="X-learner: imputed effects of both arms, mixed by the propensity",
    citation="Kuenzel et al. (2019)",
    arxiv="1706.03461",
    guarantee="predictions, good with arms of unequal size",
    vignette="r-learner-ivw",
    traits={
        "row order": "folds draw row numbers",
        "save": "its second stages and its propensity are learners, which files leave out",
    },
)

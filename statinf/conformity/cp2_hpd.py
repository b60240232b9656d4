"""CP2-HPD: highest-density sets whose level adapts to the row.

Plassier, Fishkov, Guizani, Panov and Moulines (2025, arXiv 2407.01794). With c(x) the density level whose upper set
holds the mass `level` under the model, the set is ``{y : f(y | x) >= c(x) / q}`` (adjustment "linear": scores
``c(x) / f(y | x)``, compared on the log scale), or ``{y : f(y | x) >= c(x) - q}`` ("difference"), or one density level
everywhere ("none", the density-level set of Izbicki, Shimizu and Stern, 2022, arXiv 2007.12778). As printed the linear
adjustment of the negative density is decreasing in the score; the ratio used here is the increasing version.
Coverage is marginal and exact whatever the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.conformity.held_out import HeldOutOptions, held_out
from statinf.conformity.problem import ConformalMethod, ConformalProblem
from statinf.conformity.procedure import Split
from statinf.conformity.score import Local, density_learner
from statinf.errors import check_level, one_of
from statinf.numerics.laws.highest_density import highest_density_level, highest_density_sets
from statinf.numerics.laws.normal_mixture import NormalMixture
from statinf.numerics.order.intervals import IntervalSets
from statinf.results import choice


@dataclass(frozen=True)
class CP2HPD:
    """Density at the outcome against the model's own highest-density level.

    Parameters
    ----------
    level : float
        The mass that the local level set is to hold.
    adjust : {"linear", "difference", "none"}
    """

    level: float = 0.9
    adjust: str = "linear"
    tails = 1

    def __post_init__(self) -> None:
        check_level(self.level)
        one_of("adjust", self.adjust, ("linear", "difference", "none"))

    def learner(self, model: Any, level: float) -> Any:
        return density_learner(model, "mixture", "CP2-HPD")

    def local(self, fitted: Any, X: np.ndarray, seed: int) -> Local:
        law = fitted.mixture(X)
        level = np.zeros(len(X)) if self.adjust == "none" else highest_density_level(law, self.level)
        return law.weights, law.means, law.scales, level

    def score(self, local: Local, y: np.ndarray) -> np.ndarray:
        log_level = local[3]
        log_density = NormalMixture(*local[:3]).log_density(y[:, None])[:, 0]
        if self.adjust == "difference":
            return (np.exp(log_level) - np.exp(log_density))[:, None]
        return (log_level - log_density)[:, None]

    def sets(self, local: Local, q: np.ndarray) -> IntervalSets:
        law, log_level = NormalMixture(*local[:3]), local[3]
        if self.adjust == "difference":
            with np.errstate(divide="ignore", invalid="ignore"):
                # A level of zero or below is exceeded everywhere.
                cut = np.log(np.maximum(np.exp(log_level) - q[:, 0], 0.0))
        else:
            cut = log_level - q[:, 0]
        return highest_density_sets(law, cut)


@dataclass(frozen=True, kw_only=True)
class CP2HPDOptions(HeldOutOptions):
    """Options of CP2-HPD."""

    adjust: str = choice(
        "linear", ("linear", "difference", "none"), "how the threshold adapts to the row; none: one density level"
    )


def estimate(problem: ConformalProblem, options: CP2HPDOptions) -> Split:
    """Fit a conditional density to the training rows and score the others."""
    return held_out(problem, options, CP2HPD(problem.level, options.adjust))


METHOD = ConformalMethod(
    verb="conformal",
    name="cp2-hpd",
    estimate=estimate,
    options=CP2HPDOptions,
    summary="highest-density sets whose level adapts to the row",
    citation="Plassier, Fishkov, Guizani, Panov, Moulines (2025)",
    arxiv="2407.01794",
    guarantee="P(covered) >= level, finite sample; conditional up to the model's error",
    vignette="conformal-cp2",
    unions=True,
    traits={"row order": "the split draws row numbers"},
)

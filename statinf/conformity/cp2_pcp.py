"""CP2-PCP: probabilistic conformal prediction with a radius that adapts to the row.

Plassier, Fishkov, Guizani, Panov and Moulines (2025, arXiv 2407.01794). At each row the model says which radius tau
gives its own balls the mass `level`; scores are divided by it (adjustment "linear") or it is subtracted ("difference").
Coverage is marginal and exact whatever the model, and conditional coverage errs by no more than the model does in
total variation, up to calibration noise.

Two samples are drawn at each row: `draws` centres, and `mass_draws` that measure the balls' mass. The Monte Carlo error
of tau goes into conditional coverage with standard deviation ``sqrt(level (1 - level) / mass_draws)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend import accelerated, chunks, map_threads, row_blocks, rows_per_chunk
from statinf.conformity.held_out import HeldOutOptions, held_out
from statinf.conformity.pcp import CENTRES, check_count
from statinf.conformity.problem import ConformalMethod, ConformalProblem
from statinf.conformity.procedure import Split
from statinf.conformity.score import Local, check_draws, density_learner
from statinf.errors import check_level, one_of
from statinf.inference.conformal import _SLACK
from statinf.numerics.kernels.nearest_centre import nearest_distance
from statinf.numerics.order.intervals import IntervalSets
from statinf.results import choice, count

MASS = 1
"""The stream of random numbers that measures mass, independent of the centres'."""
_ELEMENTS = 1 << 20


def mass_radius(centres: np.ndarray, draws: np.ndarray, level: float) -> np.ndarray:
    """The radius at which balls around centres (n, M) hold the share `level` of draws (n, Mt); shape (n,)."""
    k = max(1, int(np.ceil(draws.shape[1] * level * (1.0 - _SLACK))))
    out = np.empty(len(draws))

    def fill(rows: slice) -> None:
        distance = nearest_distance(centres[rows], draws[rows])
        distance.partition(k - 1, axis=1)
        out[rows] = distance[:, k - 1]

    blocks = row_blocks(len(draws), draws.shape[1], _ELEMENTS)
    map_threads(fill, blocks, parallel=draws.size > _ELEMENTS and not accelerated())
    return out


@dataclass(frozen=True)
class CP2PCP:
    """Distance to the nearest draw, adjusted by the radius that the model thinks right.

    Parameters
    ----------
    level : float
        The mass that the local radius is to hold.
    draws, mass_draws : int
        Centres and mass draws per row.
    adjust : {"linear", "difference"}
    """

    level: float = 0.9
    draws: int = 50
    mass_draws: int = 500
    adjust: str = "linear"
    tails = 1

    def __post_init__(self) -> None:
        check_level(self.level)
        check_count("draws", self.draws)
        check_count("mass_draws", self.mass_draws)
        one_of("adjust", self.adjust, ("linear", "difference"))

    def learner(self, model: Any, level: float) -> Any:
        return density_learner(model, "sample", "CP2-PCP")

    def local(self, fitted: Any, X: np.ndarray, seed: int) -> Local:
        centres = check_draws(fitted.sample(X, self.draws, seed=seed, stream=CENTRES), len(X), self.draws)
        radius = np.empty(len(X))
        for part in chunks(len(X), rows_per_chunk(32.0 * self.mass_draws, 64 * 2**20)):
            size = part.stop - part.start
            mass = check_draws(fitted.sample(X[part], self.mass_draws, seed=seed, stream=MASS), size, self.mass_draws)
            radius[part] = mass_radius(centres[part], mass, self.level)
        return centres, radius

    def score(self, local: Local, y: np.ndarray) -> np.ndarray:
        return self.adjusted(nearest_distance(local[0], y[:, None])[:, 0], local[1])[:, None]

    def adjusted(self, distance: np.ndarray, radius: np.ndarray) -> np.ndarray:
        """Scores (n,) from distances and local radii (n,)."""
        if self.adjust == "difference":
            return distance - radius
        with np.errstate(divide="ignore", invalid="ignore"):
            # A model that puts all its mass on its centres: an outcome on one of them is no surprise, any other is.
            return np.where(radius > 0, distance / radius, np.where(distance > 0, np.inf, 0.0))

    def sets(self, local: Local, q: np.ndarray) -> IntervalSets:
        centres, radius = local
        with np.errstate(invalid="ignore"):
            size = radius + q[:, 0] if self.adjust == "difference" else radius * q[:, 0]
        size = np.where(np.isnan(size), np.inf, size)
        return IntervalSets.balls(centres, size)


@dataclass(frozen=True, kw_only=True)
class CP2PCPOptions(HeldOutOptions):
    """Options of CP2-PCP."""

    draws: int = count(50, "centres per row")
    mass_draws: int = count(500, "draws that measure the centres' mass")
    adjust: str = choice("linear", ("linear", "difference"), "how the threshold adapts to the row")


def estimate(problem: ConformalProblem, options: CP2PCPOptions) -> Split:
    """Fit a conditional law to the training rows and score the others."""
    return held_out(problem, options, CP2PCP(problem.level, options.draws, options.mass_draws, options.adjust))


METHOD = ConformalMethod(
    verb="conformal",
    name="cp2-pcp",
    estimate=estimate,
    options=CP2PCPOptions,
    summary="as pcp, with a radius that adapts to the row",
    citation="Plassier, Fishkov, Guizani, Panov, Moulines (2025)",
    arxiv="2407.01794",
    guarantee="P(covered) >= level, finite sample; conditional up to the model's error",
    vignette="conformal-cp2",
    unions=True,
    traits={"row order": "the split draws row numbers"},
)

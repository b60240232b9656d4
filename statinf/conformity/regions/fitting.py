"""From rows to calibrated regions: what `"dqr"` and `"st-dqr"` share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend import generator
from statinf.conformity.held_out import HeldOutOptions, training_rows
from statinf.conformity.problem import ConformalProblem
from statinf.conformity.regions.models import RegionModel
from statinf.conformity.regions.procedure import RegionSplit
from statinf.conformity.regions.transforms import OutcomeUnits
from statinf.conformity.shift import calibration_ratio
from statinf.errors import DataError, OptionError
from statinf.inference.conformal import Calibration
from statinf.learners.directional import DirectionalQuantiles, FittedDirectional
from statinf.numerics.geometry.directions import sphere_directions
from statinf.results import choice, count, number

_VALIDATION = 103


@dataclass(frozen=True, kw_only=True)
class RegionOptions(HeldOutOptions):
    """Options of regions for several outcomes."""

    score: str = choice(
        "distance",
        ("distance", "signed"),
        "distance to the region, zero or small inside; or signed, the depth inside counting below zero",
    )
    direction: str = choice(
        "auto",
        ("auto", "grow", "shrink"),
        "whether calibration grows the region, or may shrink it as the signed score does; by its coverage of validation rows",
    )
    validation: float = number(
        0.2,
        "share of the training rows kept to choose the direction and to stop training, where one of them is asked for",
        low=0,
        high=1,
        open_low=True,
        open_high=True,
    )
    tau: float | None = number(
        None,
        "level of the directional quantiles; (1 - level) / 2 by default",
        low=0,
        high=0.5,
        open_low=True,
        open_high=True,
        also=(None,),
    )
    n_directions: int | None = count(
        None, "directions of the quantiles; by default 64 for two outcomes, 256 for more", low=2, also=(None,)
    )
    grid: int | None = count(
        None,
        "points, or draws above two outcomes, on which areas are counted; by default 3000, and 20000 above two outcomes",
        low=4,
        also=(None,),
    )

    def points(self, d: int) -> int:
        """On how many points areas of d outcomes are counted."""
        return self.grid or (3000 if d <= 2 else 20_000)

    def check(self) -> None:
        if self.score == "signed" and self.direction != "auto":
            raise OptionError(
                f"direction={self.direction!r} is for score='distance'; the signed score grows and shrinks regions by itself."
            )


Maker = Callable[[np.ndarray, np.ndarray, np.ndarray, OutcomeUnits], RegionModel]
"""From covariates (n, p), standardised outcomes (n, d), which rows are held apart (n,) and units to a model."""


def region_split(problem: ConformalProblem, options: RegionOptions, make: Maker, *, stops: bool = False) -> RegionSplit:
    """Fit regions to the training rows and score the others.

    Parameters
    ----------
    problem : ConformalProblem
    options : RegionOptions
    make : callable
        Fits the model.
    stops : bool
        Whether its training is stopped by rows held apart.

    Raises
    ------
    DataError, OptionError
        If rows cannot be split so, an outcome does not vary, or no calibration row has a region.
    """
    d, names = problem.design, problem.design.response_names
    train = training_rows(options.split, d, problem.seed)
    if not train.any():
        raise OptionError(
            f"split={options.split!r} leaves no row to fit regions to; they have no model that is fitted already."
        )
    chooses = options.score == "distance" and options.direction == "auto"
    held = held_apart(train, options.validation, problem.seed) if chooses or stops else np.zeros(d.n, bool)
    units = OutcomeUnits.of(problem.outcomes[train], names)
    Y = units.standard(problem.outcomes)
    model = make(problem.X[train], Y[train], held[train], units)
    signed = options.score == "signed" or options.direction == "shrink"
    if chooses:
        signed = bool(model.covers(problem.X[held], Y[held]).mean() > problem.level)
    rest = np.flatnonzero(~train)
    scores = model.scores(problem.X[rest], Y[rest], signed)
    if np.isposinf(scores).all():
        raise DataError(
            "the region of every calibration row is empty; give a smaller tau, or more latent points (n_inside=)."
        )
    ratio = None if problem.ratio is None else calibration_ratio(problem.ratio, d, problem.data, rest)
    groups = None if problem.groups is None else problem.groups[1][rest]
    covered = float(model.covers(problem.X[rest], Y[rest]).mean())
    counts = int((train & ~held).sum()), int(held.sum())
    calibration = Calibration(scores[:, None], ratio, groups)
    points = options.points(len(names))
    return RegionSplit(model, units, calibration, signed, problem.seed, points, *counts, covered, names)


def held_apart(train: np.ndarray, share: float, seed: int) -> np.ndarray:
    """A random share of the training rows (n,) of booleans, at least one, and not all.

    Raises
    ------
    DataError
        If there is one training row only.
    """
    rows = np.flatnonzero(train)
    count = int(np.clip(round(share * len(rows)), 1, len(rows) - 1)) if len(rows) > 1 else 0
    if not count:
        raise DataError("one training row cannot be divided into rows to fit and rows to validate; give more rows.")
    out = np.zeros(len(train), bool)
    out[rows[generator(seed, _VALIDATION).permutation(len(rows))[:count]]] = True
    return out


def directional(X: np.ndarray, Y: np.ndarray, options: RegionOptions, problem: ConformalProblem) -> FittedDirectional:
    """Directional quantiles of Y (n, d), outcomes or latent values, given X (n, p)."""
    wanted = options.n_directions or (64 if Y.shape[1] == 2 else 256)
    directions = sphere_directions(Y.shape[1], wanted, problem.seed)
    tau = 0.5 * (1.0 - problem.level) if options.tau is None else options.tau
    model: Any = "rq" if problem.model is None else problem.model
    return DirectionalQuantiles(directions, tau, model).fit(X, Y, seed=problem.seed)

"""Regions that bend: simple regions of a latent variable, decoded to the outcomes and calibrated there on held-out rows.

Feldman, Bates and Romano (2021, JMLR 2023, arXiv 2110.00816). A conditional variational autoencoder makes the latent variable
nearly standard normal given x; its region there is a ball (`latent="sphere"`), or one of directional quantiles (`"dqr"`,
the paper's), and the decoder carries points of it to the outcomes. Calibration grows or shrinks that cloud of points by
one distance. The direction is chosen on rows held apart from training, so that coverage is exact in finite samples,
where the authors choose it on the calibration rows; the threshold is an order statistic of the scores, not interpolated;
decoded points that lie apart from the others are left out (`trim=None` keeps them).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import chdtri

from statinf.conformity.problem import ConformalMethod, ConformalProblem
from statinf.conformity.regions.fitting import RegionOptions, directional, region_split
from statinf.conformity.regions.models import BallModel, DecodedModel, DirectionalModel, RegionModel
from statinf.conformity.regions.procedure import RegionSplit
from statinf.conformity.regions.result import Regions
from statinf.conformity.regions.transforms import GivenTransform, LatentDecoder, OutcomeUnits, check_transform
from statinf.errors import OptionError, StatinfWarning, issue_warning
from statinf.learners.cvae import Cvae
from statinf.numerics.geometry.directions import ball_points, box_grid, box_points
from statinf.results import choice, count, number, value

_MOST_OUTCOMES = 4
"""Beyond, points on a grid cannot tell what lies outside a region."""
_CANDIDATES = 8
"""Latent points per point of a cloud from which those in a directional region are taken."""
_MARGIN = 0.2
"""By how much the box of outcomes exceeds their central 98%, in standard deviations."""


def _check_hidden(name: str, given: Any) -> tuple[int, ...]:
    units = tuple(given) if isinstance(given, tuple | list) else (given,)
    if not units or not all(isinstance(h, int | np.integer) and not isinstance(h, bool) and h > 0 for h in units):
        raise OptionError(f"{name}={given!r} must be the numbers of units of the hidden layers, such as (64, 64).")
    return tuple(map(int, units))


@dataclass(frozen=True, kw_only=True)
class StDqrOptions(RegionOptions):
    """Options of regions by a latent variable."""

    transform: Any = value(
        "cvae",
        "how outcomes become latent: a conditional variational autoencoder, as they are, or the caller's map of (Y, X)",
        "'cvae', 'identity', a function with an attribute `inverse`, or a pair of functions",
        check_transform,
    )
    latent: str = choice("sphere", ("sphere", "dqr"), "the latent region: a ball, or directional quantiles")
    r: int = count(3, "dimension of the autoencoder's latent variable")
    n_inside: int = count(2000, "points of a row's region", low=2)
    trim: float | None = number(
        3.0,
        "points of a region whose fifth neighbour is further off than so many times the median are left out; None keeps all",
        low=1,
        also=(None,),
    )
    kl: float = number(0.01, "weight of the divergence from the standard normal law in the autoencoder's loss", low=0)
    hidden: Any = value((64, 64), "units of the hidden layers of encoder and decoder", "numbers", _check_hidden)
    epochs: int = count(300, "most passes of the autoencoder over the training rows")
    rate: float = number(0.002, "Adam's step size", low=0, open_low=True)


def estimate(problem: ConformalProblem, options: StDqrOptions) -> RegionSplit:
    """Train the autoencoder, decode the latent region at the calibration rows and score them."""
    d = problem.outcomes.shape[1]
    if problem.model is not None and options.latent == "sphere":
        raise OptionError("model= is the learner of the directional quantiles; it goes with latent='dqr'.")
    if d == 1:
        issue_warning("one outcome has intervals: method='cqr' is simpler, exact and faster.", StatinfWarning)
    if d > _MOST_OUTCOMES and options.transform != "identity":
        if options.score == "signed" or options.direction == "shrink":
            raise OptionError(
                f"regions of {d} outcomes can only grow: points on a grid cannot tell what lies outside them."
            )
        issue_warning(
            f"{d} outcomes are many for regions made of points: use contains(), and areas by more draws (grid=).",
            StatinfWarning,
        )

    def make(X: np.ndarray, Y: np.ndarray, held: np.ndarray, units: OutcomeUnits) -> RegionModel:
        if options.transform != "identity":
            return _decoded(X, Y, held, units, options, problem)
        if options.latent == "dqr":
            return DirectionalModel(directional(X[~held], Y[~held], options, problem))
        return BallModel(d, _radius(problem.level, d))

    return region_split(
        problem, options, make, stops=isinstance(options.transform, str) and options.transform == "cvae"
    )


def _decoded(
    X: np.ndarray,
    Y: np.ndarray,
    held: np.ndarray,
    units: OutcomeUnits,
    options: StDqrOptions,
    problem: ConformalProblem,
) -> DecodedModel:
    """A latent region with the points of it that are decoded, and points of the outcomes' box."""
    if options.transform == "cvae":
        learner = Cvae(options.r, options.kl, options.hidden, options.epochs, rate=options.rate)
        transform: Any = LatentDecoder(learner.fit(X, Y, held, seed=problem.seed, progress=problem.progress))
    else:
        forward, inverse = options.transform
        transform = GivenTransform(forward, inverse, units)
        transform.check(X, Y)
    Z = transform.encode(Y[~held], X[~held], problem.seed)
    r, count, support = Z.shape[1], options.n_inside, None
    if options.latent == "sphere":
        candidates = ball_points(r, count, _radius(problem.level, r))
    else:
        support = directional(X[~held], Z, options, problem)
        low, high = np.quantile(Z, [0.01, 0.99], axis=0)
        candidates = box_points(low, high, _CANDIDATES * count)
    few = Y.shape[1] <= _MOST_OUTCOMES
    low, high = np.quantile(Y, [0.01, 0.99], axis=0)
    grid = box_grid(low - _MARGIN, high + _MARGIN, options.points(Y.shape[1]))[0] if few else np.empty((0, Y.shape[1]))
    return DecodedModel(transform, candidates, support, count, grid, options.trim)


def _radius(level: float, r: int) -> float:
    """Of the ball that holds so much of the standard normal law in r dimensions."""
    return float(np.sqrt(chdtri(r, 1.0 - level)))


METHOD = ConformalMethod(
    verb="conformal",
    name="st-dqr",
    estimate=estimate,
    options=StDqrOptions,
    outcome="several",
    result=Regions,
    summary="regions of several outcomes that may bend: balls of a latent variable, decoded and calibrated",
    citation="Feldman, Bates, Romano (2021)",
    arxiv="2110.00816",
    guarantee="P(covered) >= level, finite sample",
    vignette="multioutput-quantile-regions",
    traits={"row order": "the split draws row numbers"},
)

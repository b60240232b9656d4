"""Split conformal prediction: scores from a mean model, one threshold from held-out rows.

Lei, G'Sell, Rinaldo, Tibshirani and Wasserman (2018, arXiv 1604.04173); Papadopoulos et al. (2002). With
exchangeable rows coverage is at least the level, and below level + 1/(n + 1) if scores are distinct, n being the
number of calibration rows; below level + 2/(n + 1) where each tail has a threshold of its own.

The same scores give the same intervals in MAPIE and crepes, apart from small samples: with 9 calibration rows at level
0.9 the largest score is a valid threshold, where MAPIE 1.6 refuses and crepes 0.9 returns the whole line; below that the
threshold is infinite here, where MAPIE may return the largest score. MAPIE's and crepes' scale models (`normalised`) are
fitted in their own ways; given the same scales the intervals agree.

Pure functions of predictions, for use without a formula; every threshold comes from `statinf.inference.conformal`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.backend import chunks
from statinf.conformity.held_out import HeldOutOptions, held_out
from statinf.conformity.problem import ConformalMethod, ConformalProblem
from statinf.conformity.procedure import Split
from statinf.conformity.score import IN_CACHE, Ends, Local
from statinf.errors import DataError, OptionError
from statinf.learners import LeastSquares, LocationScale, Ridge, names, resolve
from statinf.numerics.order.intervals import IntervalSets
from statinf.results import choice


@dataclass(frozen=True)
class Absolute:
    """Score ``|y - mean|``; set ``mean +- q``."""

    task = "mean"
    tails = 1

    def learner(self, model, level: float):
        return resolve("lm" if model is None else model, "mean")

    def local(self, fitted, X: np.ndarray, seed: int) -> Local:
        return (fitted.predict(X),)

    def score(self, local: Local, y: np.ndarray) -> np.ndarray:
        out = np.empty(len(y))
        for part in chunks(len(y), IN_CACHE):
            np.subtract(y[part], local[0][part], out=out[part])
            np.abs(out[part], out=out[part])
        return out[:, None]

    def band(self, local: Local, q: np.ndarray) -> Ends:
        return local[0] - q[:, 0], local[0] + q[:, 0]

    def sets(self, local: Local, q: np.ndarray) -> IntervalSets:
        return IntervalSets.one_each(*self.band(local, q))


@dataclass(frozen=True)
class Signed:
    """Score ``y - mean`` with one threshold per tail: intervals need not be symmetric about the mean.

    `side` "upper" bounds the outcome from above only, "lower" from below only, "both" with half the miss rate in
    each tail.
    """

    side: str = "both"
    task = "mean"

    @property
    def tails(self) -> int:
        return 2 if self.side == "both" else 1

    def learner(self, model, level: float):
        return resolve("lm" if model is None else model, "mean")

    def local(self, fitted, X: np.ndarray, seed: int) -> Local:
        return (fitted.predict(X),)

    def score(self, local: Local, y: np.ndarray) -> np.ndarray:
        error = y - local[0]
        parts = {"both": (-error, error), "upper": (error,), "lower": (-error,)}
        return np.column_stack(parts[self.side])

    def band(self, local: Local, q: np.ndarray) -> Ends:
        low = local[0] - q[:, 0] if self.side != "upper" else np.full(len(q), -np.inf)
        high = local[0] + q[:, -1] if self.side != "lower" else np.full(len(q), np.inf)
        return low, high

    def sets(self, local: Local, q: np.ndarray) -> IntervalSets:
        return IntervalSets.one_each(*self.band(local, q))


@dataclass(frozen=True)
class Normalised:
    """Score ``|y - mean| / scale`` with a fitted scale; set ``mean +- q scale`` (locally weighted)."""

    task = "mean"
    tails = 1

    def learner(self, model, level: float):
        """A learner that predicts a scale is used as it is; any other becomes both parts of a location-scale model."""
        spec = "lm" if model is None else model
        density = isinstance(spec, str) and spec in names("density")
        learner = resolve(spec, "density" if density else "mean")
        if getattr(learner, "predicts_scale", False):
            return learner
        return LocationScale(spec, spec, held_out=not isinstance(learner, LeastSquares | Ridge))

    def local(self, fitted, X: np.ndarray, seed: int) -> Local:
        return fitted.predict(X), fitted.predict_scale(X)

    def score(self, local: Local, y: np.ndarray) -> np.ndarray:
        if not (local[1] > 0).all():
            raise DataError("The fitted scale is not positive at some calibration row; use another model of the scale.")
        return (np.abs(y - local[0]) / local[1])[:, None]

    def band(self, local: Local, q: np.ndarray) -> Ends:
        half = local[1] * q[:, 0]
        return local[0] - half, local[0] + half

    def sets(self, local: Local, q: np.ndarray) -> IntervalSets:
        return IntervalSets.one_each(*self.band(local, q))


@dataclass(frozen=True, kw_only=True)
class SplitOptions(HeldOutOptions):
    """Options of split conformal prediction."""

    score: str = choice(
        "absolute",
        ("absolute", "normalised", "asymmetric"),
        "residuals as they are, over a fitted scale, or with half the miss rate in each tail",
    )
    side: str = choice("both", ("both", "upper", "lower"), "bound the outcome from one side only")

    def check(self) -> None:
        if self.score == "normalised" and self.side != "both":
            raise OptionError(f"side={self.side!r} does not go with score='normalised', which is two-sided.")


def rule_of(options: SplitOptions) -> Absolute | Signed | Normalised:
    """The score that the options name."""
    if options.score == "normalised":
        return Normalised()
    return Signed(options.side) if options.score == "asymmetric" or options.side != "both" else Absolute()


def estimate(problem: ConformalProblem, options: SplitOptions) -> Split:
    """Fit to the training rows and score the others."""
    return held_out(problem, options, rule_of(options))


METHOD = ConformalMethod(
    verb="conformal",
    name="split",
    estimate=estimate,
    options=SplitOptions,
    summary="residuals of held-out rows from a mean model",
    citation="Lei, G'Sell, Rinaldo, Tibshirani, Wasserman (2018)",
    arxiv="1604.04173",
    guarantee="P(covered) >= level, finite sample",
    vignette="conformal-cp2",
    traits={"row order": "the split draws row numbers"},
)

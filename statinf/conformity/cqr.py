"""Conformalized quantile regression and its variants.

Romano, Patterson and Candes (2019, arXiv 1905.03222); variants "m" of Kivaranovic, Johnson and Leeb (2020, arXiv
1905.10634), "r" of Sesia and Candes (2020, arXiv 1909.05433), and "fraction" (distance to the median in units of the
distance between the median and a quantile). "symmetric" and "asymmetric" are MAPIE's symmetric_correction true and false.
Quantiles that cross are sorted, alike for calibration and new rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend import chunks
from statinf.conformity.held_out import HeldOutOptions, held_out
from statinf.conformity.problem import ConformalMethod, ConformalProblem
from statinf.conformity.procedure import Split
from statinf.conformity.score import IN_CACHE, Ends, Local
from statinf.errors import OptionError
from statinf.learners import require, resolve
from statinf.numerics.order.intervals import IntervalSets
from statinf.results import choice

VARIANTS = ("symmetric", "asymmetric", "m", "r", "fraction")
_NARROW = 1e-8
"""Widths are kept above this share of their median over the training rows."""


@dataclass(frozen=True)
class QuantilePair:
    """A fitted quantile model read at the levels a CQR score needs."""

    fitted: Any
    taus: tuple[float, ...]
    least: float = 0.0

    def predict_quantiles(self, X: np.ndarray) -> np.ndarray:
        """Sorted quantiles (n, t)."""
        found = self.fitted.predict_quantiles(X, np.asarray(self.taus))
        crossing = any((found[:, j] > found[:, j + 1]).any() for j in range(found.shape[1] - 1))
        return np.sort(found, axis=1) if crossing else found


@dataclass(frozen=True)
class _AtTaus:
    """A quantile learner together with the levels it will be read at."""

    learner: Any
    taus: tuple[float, ...]

    def fit(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0) -> QuantilePair:
        learner = self.learner.at_taus(self.taus) if hasattr(self.learner, "at_taus") else self.learner
        fitted = learner.fit(X, y, w, seed=seed)
        require(fitted, "predict_quantiles", "Conformalized quantile regression")
        ends = QuantilePair(fitted, self.taus).predict_quantiles(X)
        least = _NARROW * float(np.median(ends[:, -1] - ends[:, 0]))
        return QuantilePair(fitted, self.taus, max(least, np.finfo(float).tiny))


@dataclass(frozen=True)
class CQR:
    """Scores from two conditional quantiles, or three with the median.

    Parameters
    ----------
    variant : {"symmetric", "asymmetric", "m", "r", "fraction"}
    side : {"both", "upper", "lower"}
        One-sided sets use the quantile at the level, or at one minus the level, alone.
    """

    variant: str = "symmetric"
    side: str = "both"

    def __post_init__(self) -> None:
        if self.side != "both" and self.variant != "symmetric":
            raise OptionError(
                f"side={self.side!r} has one quantile; score={self.variant!r} needs two. Leave score= out."
            )

    @property
    def tails(self) -> int:
        return 2 if self.variant == "asymmetric" else 1

    def taus(self, level: float) -> tuple[float, ...]:
        """Quantile levels the model must predict."""
        miss = 1.0 - level
        if self.side != "both":
            return (level,) if self.side == "upper" else (miss,)
        ends = (miss / 2.0, 1.0 - miss / 2.0)
        return (ends[0], 0.5, ends[1]) if self.variant in ("m", "fraction") else ends

    def learner(self, model: Any, level: float) -> Any:
        return _AtTaus(resolve("rq" if model is None else model, "quantile"), self.taus(level))

    def from_fitted(self, fitted: Any, level: float) -> QuantilePair:
        """A model fitted elsewhere, read at the levels this score needs."""
        require(fitted, "predict_quantiles", "Conformalized quantile regression")
        return QuantilePair(fitted, self.taus(level), np.finfo(float).tiny)

    def local(self, fitted: QuantilePair, X: np.ndarray, seed: int) -> Local:
        ends = fitted.predict_quantiles(X)
        return (ends,) if self.variant in ("symmetric", "asymmetric") else (ends, *self.units(ends, fitted.least))

    def score(self, local: Local, y: np.ndarray) -> np.ndarray:
        ends = local[0]
        if self.side != "both":
            return (y - ends[:, 0] if self.side == "upper" else ends[:, 0] - y)[:, None]
        start, end = self._anchors(ends)
        if self.variant == "asymmetric":
            return np.column_stack([start - y, y - end])
        out = np.empty(len(y))
        for part in chunks(len(y), IN_CACHE):
            below, above = out[part], y[part] - end[part]
            np.subtract(start[part], y[part], out=below)
            if self.variant != "symmetric":
                below /= local[1][part]
                above /= local[2][part]
            np.maximum(below, above, out=below)
        return out[:, None]

    def band(self, local: Local, q: np.ndarray) -> Ends:
        ends = local[0]
        if self.side == "upper":
            return np.full(len(q), -np.inf), ends[:, 0] + q[:, 0]
        if self.side == "lower":
            return ends[:, 0] - q[:, 0], np.full(len(q), np.inf)
        start, end = self._anchors(ends)
        if self.variant in ("symmetric", "asymmetric"):
            return start - q[:, 0], end + q[:, -1]
        return start - q[:, 0] * local[1], end + q[:, 0] * local[2]

    def sets(self, local: Local, q: np.ndarray) -> IntervalSets:
        return IntervalSets.one_each(*self.band(local, q))

    def _anchors(self, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where steps to the left and to the right start."""
        return (ends[:, 1], ends[:, 1]) if self.variant == "fraction" else (ends[:, 0], ends[:, -1])

    def units(self, ends: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
        """What steps to the left and to the right are measured in, at least `least`."""
        if self.variant == "r":
            width = np.maximum(ends[:, -1] - ends[:, 0], least)
            return width, width
        return np.maximum(ends[:, 1] - ends[:, 0], least), np.maximum(ends[:, 2] - ends[:, 1], least)


@dataclass(frozen=True, kw_only=True)
class CQROptions(HeldOutOptions):
    """Options of conformalized quantile regression."""

    score: str = choice("symmetric", VARIANTS, "how far an outcome lies outside the model's quantiles")
    side: str = choice("both", ("both", "upper", "lower"), "bound the outcome from one side only")

    def check(self) -> None:
        CQR(self.score, self.side)


def estimate(problem: ConformalProblem, options: CQROptions) -> Split:
    """Fit quantiles to the training rows and score the others."""
    return held_out(problem, options, CQR(options.score, options.side))


METHOD = ConformalMethod(
    verb="conformal",
    name="cqr",
    estimate=estimate,
    options=CQROptions,
    summary="two conditional quantiles, moved by one threshold, so that sets adapt to the row",
    citation="Romano, Patterson, Candes (2019)",
    arxiv="1905.03222",
    guarantee="P(covered) >= level, finite sample",
    vignette="conformal-cp2",
    traits={"row order": "the split draws row numbers"},
)

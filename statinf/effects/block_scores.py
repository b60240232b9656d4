"""Overlap and influence of effects on a table in blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.effects.block_rows import EffectPasses
from statinf.effects.overlap import OverlapWarning
from statinf.errors import NotIdentifiedError, issue_warning
from statinf.formula.design import Design
from statinf.passes.covariance import PassScores
from statinf.passes.drawing import block_draws
from statinf.passes.scored import ScoredRows
from statinf.passes.sums import Extent
from statinf.results import Estimate


def clipped(e: np.ndarray, clip: float, estimand: str) -> np.ndarray:
    """Propensities moved away from the ends that an estimand divides by."""
    low, high = bounds(clip, estimand)
    return np.clip(e, low, high)


def bounds(clip: float, estimand: str) -> tuple[float, float]:
    """Where propensities are clipped."""
    return clip if estimand in ("ATE", "ATC") else 0.0, 1.0 - clip if estimand in ("ATE", "ATT") else 1.0


@dataclass(frozen=True)
class Overlap:
    """What summaries say of propensities.

    Attributes
    ----------
    extent : Extent
        After they were clipped.
    moved, rows : int
    mass, squares : float
        Sum of weights, and of weighted squares of what is looked at.
    """

    extent: Extent
    moved: int
    rows: int
    mass: float = 0.0
    squares: float = 0.0

    @classmethod
    def of(cls, raw: np.ndarray, w: np.ndarray, clip: float, estimand: str) -> Overlap:
        """Of the rows of one block."""
        seen = w > 0
        low, high = bounds(clip, estimand)
        inside = raw[seen]
        moved = int(np.count_nonzero((inside < low) | (inside > high)))
        return cls(Extent.of(np.clip(inside, low, high)), moved, len(inside), float(w.sum()), float(w @ raw**2))

    def plus(self, other: Overlap) -> Overlap:
        """Of both."""
        return Overlap(
            self.extent.plus(other.extent), self.moved + other.moved, self.rows + other.rows, self.mass + other.mass,
            self.squares + other.squares,
        )  # fmt: skip


def overlap_facts(told: Overlap, clip: float, estimand: str) -> dict[str, Any]:
    """What the summary says of the propensities, with a word where many were moved."""
    share, (low, high) = told.moved / told.rows, bounds(clip, estimand)
    text = f"{told.moved} of {told.rows} rows ({100 * share:.1f}%) have a propensity outside [{low:g}, {high:g}]"
    if share > 0.5:
        raise NotIdentifiedError(
            f"no overlap: {text}. Restrict the sample to where both arms occur, drop the covariates that decide the treatment, or "
            "lower clip."
        )
    if share > 0.05:
        issue_warning(f"weak overlap: {text} and were moved to its ends.", OverlapWarning)
    return {
        "Propensities": f"{float(told.extent.low):.3f} to {float(told.extent.high):.3f}",
        "Clipped rows": told.moved,
    }


def score_estimate(
    problem: EffectPasses,
    theta: np.ndarray,
    unit: Callable[[Design], np.ndarray],
    facts: Mapping[str, Any],
    estimand: str,
    label: str = "",
) -> Estimate:
    """An effect from its influence per unit of weight, shape (n, 1), of a block."""
    made = problem.made
    plain = partial(_weighted, unit)
    df = float(made.nobs - 1)
    weighted = made.weights is not None
    scores = PassScores.on(made, plain, unit, np.eye(1), made.nobs, df, suffix=label, normal=True, weighted=weighted)
    return Estimate(
        terms=(problem.treatment,),
        theta=theta,
        moments=None,
        covary=scores.covariance,
        redraw=partial(block_draws, scores),
        nobs=made.nobs,
        df_resid=df,
        facts={**({} if problem.arms is None else problem.arms.facts), **facts},
        extra={"estimand": estimand, "treatment": problem.treatment, "thetas": theta[None]},
    )


def _weighted(unit: Callable[[Design], np.ndarray], block: Design) -> ScoredRows:
    return ScoredRows(unit(block) * block.weights[:, None])

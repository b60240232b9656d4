"""Localised conformal prediction: calibration rows near the new one count more, so that thresholds follow it.

Hore and Barber (2025, arXiv 2310.07850): the kernel is placed around a point drawn from the kernel at the new row; given
that point, rows are exchangeable up to known weights, so that coverage is at least the level in finite samples, and about
the level near every x. `randomize=False` places it at the new row itself, the localizer of Guan (2023, Biometrika 110, arXiv
2106.08460) without her recalibration of the level: without noise, and without the guarantee.

The kernel is Gaussian in the columns of the formula's second part, or in all covariates without one, over their standard
deviations among the training rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from statinf.conformity.held_out import scored
from statinf.conformity.mondrian import ROLE
from statinf.conformity.problem import ConformalMethod, ConformalProblem
from statinf.conformity.procedure import PerRow
from statinf.conformity.row_draws import row_draws
from statinf.conformity.split import SplitOptions, rule_of
from statinf.errors import OptionError
from statinf.inference.localized import bandwidth_for, localized_p_values, localized_thresholds
from statinf.numerics.order.intervals import IntervalSets
from statinf.results import flag, number

_STREAM = 59
_MISSES = 10.0
_MOST = 500
_CONSTANT = 1e-12


@dataclass(frozen=True, repr=False)
class Localized(PerRow):
    """Scores of held-out rows, and where those rows are.

    Attributes
    ----------
    shift, scale : ndarray, shape (d,)
        Of the columns that say where a row is.
    at : ndarray, shape (n, d)
        The calibration rows' places.
    bandwidth : float
    randomize : bool
    takes_columns : bool
        Whether places are columns of the formula's second part; the covariates otherwise.
    """

    shift: np.ndarray
    scale: np.ndarray
    at: np.ndarray
    bandwidth: float
    randomize: bool
    takes_columns: bool

    @property
    def depends_on(self) -> str:
        """What the thresholds depend on, in words."""
        return f"Gaussian kernel, bandwidth {self.bandwidth:.4g}"

    def sets(
        self, X: np.ndarray, level: float, ratio: np.ndarray | None = None, groups: np.ndarray | None = None
    ) -> IntervalSets:
        """Sets at rows X (m, p); `groups` (m, d) are the columns of the formula's second part, where it has one."""
        new, split = self.places(X, groups), self.split
        calibration = split.calibration
        q = localized_thresholds(
            calibration.scores, self.at, self.centres(new), new, self.bandwidth, calibration.tail_level(level),
            calibration.weights, ratio,
        )  # fmt: skip
        return split.score.sets(split.score.local(split.fitted, X, split.seed), q)

    def p_values(
        self, X: np.ndarray, scores: np.ndarray, ratio: np.ndarray | None, groups: np.ndarray | None, ties: Any
    ) -> np.ndarray:
        """Conformal p-values (m,) of scores (m, tails) at rows X (m, p), with the centres that their sets have."""
        new, calibration = self.places(X, groups), self.split.calibration
        return localized_p_values(
            calibration.scores,
            scores,
            self.at,
            self.centres(new),
            new,
            self.bandwidth,
            ties,
            calibration.weights,
            ratio,
        )

    def places(self, X: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
        """Where new rows are (m, d), in the units of the bandwidth."""
        return ((X if groups is None else groups) - self.shift) / self.scale

    def centres(self, new: np.ndarray) -> np.ndarray:
        """Where the kernel of each new row is placed, shape (m, d)."""
        if not self.randomize:
            return new
        keys = 0.5 + 0.5 * np.tanh(new)
        draws = [row_draws(keys, self.split.seed, _STREAM + j) for j in range(new.shape[1])]
        # Half a step of the uniform grid away from zero, where the normal quantile is infinite.
        return new + self.bandwidth * ndtri(np.column_stack(draws) + 2.0**-54)

    def guarantee(self, level: float) -> str:
        """What theory says of coverage."""
        if not self.randomize:
            return f"none; about {level:g} near every row if calibration rows are many there"
        if self.split.calibration.weights is not None:
            return f"at least {level:g} on the target population if the density ratio is right"
        return f"at least {level:g} for exchangeable rows, and about {level:g} near every row"


@dataclass(frozen=True, kw_only=True)
class LocalizedOptions(SplitOptions):
    """Options of localised conformal prediction."""

    bandwidth: float | None = number(
        None,
        "of the kernel, in standard deviations of the training rows (the columns' own units with split=0); by default "
        "neighbours are worth the rows of which the level leaves ten out",
        low=0,
        open_low=True,
        high=1e12,
        also=(None,),
    )
    randomize: bool = flag(True, "place the kernel at a point drawn around the new row, as the guarantee needs")

    def check(self) -> None:
        super().check()
        if self.by is not None:
            raise OptionError(
                "by= has groups with thresholds of their own; method='localized' has a threshold per row. Name the columns "
                "in which rows are near as the formula's second part, or use method='mondrian'."
            )


def estimate(problem: ConformalProblem, options: LocalizedOptions) -> Localized:
    """Fit to the training rows, score the others, and say where rows are.

    Raises
    ------
    OptionError
        If there is no column that says where a row is, or no training row and no bandwidth.
    """
    split, rest = scored(problem, options, rule_of(options))
    part = problem.design.part(ROLE)
    columns = problem.X if part is None else part.without_intercept().values
    if not columns.shape[1]:
        raise OptionError(
            "method='localized' needs a covariate, or a second part of the formula, that says which rows are near."
        )
    train = np.delete(columns, rest, axis=0)
    if len(train):
        shift, scale = train.mean(axis=0), train.std(axis=0)
        scale = np.where(scale > _CONSTANT * np.abs(shift), scale, np.maximum(np.abs(shift), 1.0))
    elif options.bandwidth is None:
        raise OptionError("split=0 leaves no training row to choose the bandwidth from; give bandwidth=.")
    else:
        shift, scale = np.zeros(columns.shape[1]), np.ones(columns.shape[1])
    at = (columns[rest] - shift) / scale
    bandwidth = options.bandwidth
    if bandwidth is None:
        share = min(0.5, _MISSES / (1.0 - split.calibration.tail_level(problem.level)) / split.n)
        some = np.unique(np.linspace(0, len(train) - 1, _MOST).astype(np.intp))
        bandwidth = bandwidth_for((train[some] - shift) / scale, share)
    return Localized(split, shift, scale, at, float(bandwidth), options.randomize, part is not None)


METHOD = ConformalMethod(
    verb="conformal",
    name="localized",
    estimate=estimate,
    options=LocalizedOptions,
    summary="a threshold for each row, from calibration rows near it",
    citation="Hore, Barber (2025)",
    arxiv="2310.07850",
    guarantee="P(covered) >= level, finite sample; about the level near every row",
    vignette="conformal-conditional",
    second="columns",
    traits={"row order": "the split draws row numbers"},
)

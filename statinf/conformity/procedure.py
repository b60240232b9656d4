"""The three ways a conformal set is made: calibrated on held-out rows, from leave-out fits, or from all rows at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from statinf.backend import chunks
from statinf.brief import Brief
from statinf.conformity.leave_out import Folds, guaranteed_level, intervals
from statinf.conformity.ranked_sets import full_sets
from statinf.errors import DataError
from statinf.inference.conformal import Calibration, smallest_n
from statinf.learners.crossfit import CrossFit, leave_one_out
from statinf.learners.smoother import LinearSmoother
from statinf.numerics.order.intervals import IntervalSets

_ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True, repr=False)
class Split(Brief):
    """A fitted model, a score and the scores of calibration rows.

    Attributes
    ----------
    score : ConformityScore
    fitted : object
    calibration : Calibration
    seed : int
        Of the draws at new rows; those of a row depend on it and the row alone.
    trained : int
        Rows the model was fitted to.
    """

    score: Any
    fitted: Any
    calibration: Calibration
    seed: int
    trained: int

    takes_columns = False
    per_row = False

    @property
    def split(self) -> Split:
        """The scores of held-out rows, itself: see `PerRow`."""
        return self

    @property
    def n(self) -> int:
        """Calibration rows."""
        return len(self.calibration.scores)

    def predict(self, X: np.ndarray) -> np.ndarray | None:
        """The model's mean at rows X, where it has one."""
        found = getattr(self.fitted, "predict", None)
        return None if found is None else np.asarray(found(X), np.float64)

    def sets(
        self, X: np.ndarray, level: float, ratio: np.ndarray | None = None, groups: np.ndarray | None = None
    ) -> IntervalSets:
        """Sets at rows X (m, p), with density ratios and group numbers (m,) where calibration had them."""
        parts = []
        for part in chunks(len(X), _ROWS_AT_ONCE):
            local = self.score.local(self.fitted, X[part], self.seed)
            q = self.calibration.thresholds(
                level,
                part.stop - part.start,
                None if ratio is None else ratio[part],
                None if groups is None else groups[part],
            )
            parts.append(self.score.sets(local, q))
        return IntervalSets.concatenate(parts) if parts else _nothing()

    def p_values(
        self, X: np.ndarray, scores: np.ndarray, ratio: np.ndarray | None, groups: np.ndarray | None, ties: Any
    ) -> np.ndarray:
        """Conformal p-values (m,) of scores (m, tails) at rows X (m, p), with `ties` (m,) as in `Calibration.p_values`."""
        return self.calibration.p_values(scores, ratio, groups, ties)

    def smallest(self, level: float) -> int:
        """Fewest calibration rows (of a group) at which sets are finite."""
        return smallest_n(self.calibration.tail_level(level))

    def guarantee(self, level: float) -> str:
        """What theory says of coverage."""
        per = " in every group" if self.calibration.groups is not None else ""
        if self.calibration.weights is not None:
            return f"at least {level:g} on the target population{per} if the density ratio is right"
        # Each tail's threshold is an order statistic, which may go beyond its share by one row.
        more = f"{self.calibration.scores.shape[1]}/(n + 1)"
        return f"at least {level:g}{per}, and below {level:g} + {more} if scores are distinct, for exchangeable rows"


@dataclass(frozen=True, repr=False)
class PerRow(Brief):
    """Scores of held-out rows, from which each new row has a threshold of its own.

    Attributes
    ----------
    split : Split
    """

    split: Split

    per_row = True

    @property
    def n(self) -> int:
        """Calibration rows."""
        return self.split.n

    def predict(self, X: np.ndarray) -> np.ndarray | None:
        """The model's mean at rows X, where it has one."""
        return self.split.predict(X)

    def smallest(self, level: float) -> int:
        """Fewest calibration rows at which sets can be finite."""
        return self.split.smallest(level)


@dataclass(frozen=True, repr=False)
class Leverages(Brief):
    """Leave-one-out fits in closed form, made from the rows when they are first needed."""

    learner: Any
    X: np.ndarray
    y: np.ndarray

    @cached_property
    def smoother(self) -> LinearSmoother:
        """The fit with its hat values."""
        return self.learner.smoother(self.X, self.y)

    def reach(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of the predictions (m,), (m,) of all fits that leave one row out."""
        return self.smoother.reach(X)

    def columns(self, X: np.ndarray, which: np.ndarray) -> np.ndarray:
        """Predictions (m, len(which)) of the fits that leave one of these rows out."""
        return self.smoother.predict_without(X, which)


@dataclass(frozen=True, repr=False)
class LeaveOut(Brief):
    """Residuals of rows from fits that left them out, by one or by folds.

    Attributes
    ----------
    full : object
        The fit on all rows.
    source : Leverages, LeaveOneOut or CrossFit
    variant : {"plus", "minmax", "base"}
    """

    full: Any
    source: Any
    residuals: np.ndarray
    variant: str

    takes_columns = False
    per_row = False

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.residuals)

    def predict(self, X: np.ndarray) -> np.ndarray | None:
        """The full fit's mean."""
        return self.full.predict(X)

    def sets(
        self, X: np.ndarray, level: float, ratio: np.ndarray | None = None, groups: np.ndarray | None = None
    ) -> IntervalSets:
        """Intervals at rows X (m, p)."""
        if len(X) == 0:
            return _nothing()
        without = Folds(self.source) if isinstance(self.source, CrossFit) else self.source
        return IntervalSets.one_each(*intervals(self.full.predict, without, X, self.residuals, level, self.variant))

    def smallest(self, level: float) -> int:
        """Fewest rows at which sets are finite."""
        return smallest_n(level)

    def guarantee(self, level: float) -> str:
        """What theory says of coverage."""
        if self.variant == "base":
            return "none; about the level where leaving a row out hardly moves the fit"
        if not isinstance(self.source, CrossFit):
            floor = max(0.0, 2 * level - 1) if self.variant == "plus" else level
            return f"at least {floor:g} for exchangeable rows{'; about the level in practice' if self.variant == 'plus' else ''}"
        floor = max(
            0.0, guaranteed_level(self.n, len(self.source.fits), level) + (0.0 if self.variant == "plus" else 1 - level)
        )
        return f"at least {floor:.4g} for exchangeable rows; about the level in practice"


@dataclass(frozen=True, repr=False)
class Full(Brief):
    """All rows, and a learner whose fit is linear in the outcomes."""

    learner: Any
    X: np.ndarray
    y: np.ndarray
    score: str

    takes_columns = False
    per_row = False

    @cached_property
    def smoother(self) -> Any:
        return self.learner.smoother(self.X, self.y)

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.y)

    def predict(self, X: np.ndarray) -> np.ndarray | None:
        """The mean of the fit to the rows, without the new one."""
        return self.smoother.fitted.predict(X)

    def sets(
        self, X: np.ndarray, level: float, ratio: np.ndarray | None = None, groups: np.ndarray | None = None
    ) -> IntervalSets:
        """Sets at rows X (m, p)."""
        return full_sets(self.smoother, X, level, self.score)

    def smallest(self, level: float) -> int:
        """Fewest rows at which sets are finite."""
        return smallest_n(level)

    def guarantee(self, level: float) -> str:
        """What theory says of coverage."""
        return f"at least {level:g}, and below {level:g} + 1/(n + 1) if scores are distinct, for exchangeable rows"


def leave_one_out_procedure(
    learner: Any, X: np.ndarray, y: np.ndarray, variant: str, seed: int, progress: bool | None
) -> LeaveOut:
    """Jackknife procedures: by leverages where the learner allows, else by n refits."""
    if hasattr(learner, "smoother"):
        rows = Leverages(learner, X, y)
        return LeaveOut(rows.smoother.fitted, rows, np.abs(rows.smoother.deletion), variant)
    loo = leave_one_out(learner, X, y, seed=seed, progress=progress)
    check_finite(loo.residuals, "leave-one-out predictions")
    return LeaveOut(loo.fitted, loo, np.abs(loo.residuals), variant)


def check_finite(predictions: np.ndarray, what: str) -> None:
    """Refuse a model whose predictions are not finite.

    Raises
    ------
    DataError
        With the number of rows.
    """
    bad = int((~np.isfinite(predictions)).sum())
    if bad:
        raise DataError(f"the model's {what} are not finite for {bad} of {len(predictions)} rows; use another model.")


def _nothing() -> IntervalSets:
    return IntervalSets.one_each(np.zeros(0), np.zeros(0))

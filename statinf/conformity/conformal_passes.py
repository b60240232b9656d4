"""Conformal prediction on data that are read in blocks: linear models from sums, thresholds as exact order statistics.

Which rows train and which calibrate goes by a hash of their values, so that it depends on neither blocks nor order; where rows
repeat, by a hash of their places in the table too, for equal rows must be free to go either way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np

from statinf.conformity.cqr import CQR, QuantilePair
from statinf.conformity.few_rows import warn_infinite
from statinf.conformity.problem import ConformalMethod
from statinf.conformity.procedure import Split
from statinf.conformity.result import Conformal
from statinf.conformity.split import Absolute, Signed, rule_of
from statinf.errors import DataError, NotIdentifiedError, OptionError
from statinf.formula.design import Design
from statinf.inference.conformal import quantile_rank
from statinf.learners.cells import solve_gram
from statinf.learners.linear import FittedLinear, LeastSquares, Ridge
from statinf.learners.linear_quantile import FittedLinearQuantile, LinearQuantile
from statinf.learners.registry import resolve
from statinf.passes import BlockTable, PassDesign, read_passes
from statinf.passes.columns import ColumnMoments, StandardColumns, column_moments
from statinf.passes.folding import RowHash, told_apart, units
from statinf.passes.order import order_statistics
from statinf.passes.quantiles import solve_passes

_NEEDS_ROWS = "needs rows in memory; data that are read in blocks have conformal intervals by 'split' and 'cqr'"


@dataclass(frozen=True)
class RowSplit:
    """Which rows of a block train the model.

    Attributes
    ----------
    share : float
        Of the rows that train, by their hashes.
    hashes : RowHash
    column : str
        True on rows that calibrate; empty for shares.
    """

    share: float
    hashes: RowHash
    column: str = ""

    def __call__(self, block: Design) -> np.ndarray:
        """Rows that train, shape (n,) bool."""
        if not self.column:
            return units(self.hashes(block)) < self.share
        values = np.asarray(block.column(self.column))
        if not np.isin(values, (0, 1)).all():
            raise OptionError(
                "split must hold true and false (or 1 and 0) only: false for the rows that the model is fitted to, true for those "
                "that calibrate."
            )
        return ~values.astype(bool)


@dataclass(frozen=True)
class Scores:
    """Scores of a block's calibration rows, shape (m, tails)."""

    rule: Any
    fitted: Any
    split: RowSplit
    seed: int

    def __call__(self, block: Design) -> np.ndarray:
        rest = ~self.split(block)
        x = np.ascontiguousarray(block.parts[0].rest.values[rest])
        scores = self.rule.score(self.rule.local(self.fitted, x, self.seed), block.y[rest])
        if not np.isfinite(scores).all():
            raise DataError("the model's prediction is not finite for a calibration row; use another model.")
        return scores


@dataclass(frozen=True)
class BlockCalibration:
    """Thresholds of calibration rows that are not kept.

    Attributes
    ----------
    n, tails : int
        Calibration rows, and columns of their scores.
    known : mapping of float to ndarray, shape (tails,)
        Thresholds by level.
    made : PassDesign or None
        The table, for other levels; not saved.
    numbers : Scores or None
        Not saved.
    """

    n: int
    tails: int
    known: Mapping[str, np.ndarray]
    made: PassDesign | None = field(default=None, metadata={"saved": False})
    numbers: Scores | None = field(default=None, metadata={"saved": False})

    groups = None
    weights = None

    def tail_level(self, level: float) -> float:
        """The level of each tail."""
        return 1.0 - (1.0 - level) / self.tails

    @cached_property
    def scores(self) -> np.ndarray:
        """A view that has the scores' shape (n, tails) and none of them, for counts of rows."""
        return np.broadcast_to(np.nan, (self.n, self.tails))

    def thresholds(self, level: float, m: int, new_weights: Any = None, new_groups: Any = None) -> np.ndarray:
        """Thresholds (m, tails) for m new rows; those of another level than the fit's take passes over the table."""
        found = self.known.get(f"{level:.12g}")
        if found is None:
            if self.made is None or self.numbers is None:
                raise DataError(
                    f"thresholds at level {level:g} need the table of the fit, which a saved fit leaves out; it holds those at "
                    f"{', '.join(self.known)}."
                )
            found = thresholds(self.made, self.numbers, level, self.tails)[0]
        return np.broadcast_to(found, (m, self.tails))

    def p_values(self, *args: Any, **options: Any) -> np.ndarray:
        """Refused: they rank new scores among all calibration scores."""
        raise NotIdentifiedError(
            "conformal p-values rank new scores among those of all calibration rows, which data read in blocks do not keep; fit "
            "rows in memory."
        )


def thresholds(made: PassDesign, numbers: Scores, level: float, tails: int) -> tuple[np.ndarray, int]:
    """Exact thresholds (tails,) at a level, and how many rows calibrate."""
    return order_statistics(made, numbers, partial(_ranks, 1.0 - (1.0 - level) / tails, tails))


def _ranks(level: float, tails: int, n: int) -> Sequence[int]:
    return [quantile_rank(n, level)] * tails


@dataclass(frozen=True, repr=False)
class BlockSplit(Split):
    """A fitted model and the thresholds of calibration rows read in blocks."""

    calibration: BlockCalibration  # type: ignore[assignment]

    @property
    def n(self) -> int:
        """Calibration rows."""
        return self.calibration.n


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class BlockConformal(Conformal):
    """Prediction sets calibrated on data read in blocks."""

    def exchangeability(self, *args: Any, **options: Any) -> Any:
        """Refused: it ranks new scores among all calibration scores."""
        self.refuse("test of exchangeability", "the scores of data read in blocks are not kept")

    def _martingale(self, ready: Any, seed: int) -> None:
        return None


def conformal_passes(
    formula: str,
    table: BlockTable,
    chosen: ConformalMethod,
    settings: Any,
    *,
    model: Any,
    level: float,
    weights: Any,
    seed: int,
    na_action: str,
    context: Mapping[str, Any] | None,
    progress: Any,
) -> BlockConformal:
    """The fit of `si.conformal` on a table in blocks."""
    rule = _rule(chosen, settings, weights, formula)
    column = settings.split if isinstance(settings.split, str) else ""
    if not column and (np.ndim(settings.split) == 1 or settings.split == 0.0):
        raise OptionError(
            "split= of data that are read in blocks is a share between 0 and 1, or a column that is true on rows that calibrate."
        )
    made = read_passes(
        formula, table, na_action=na_action, context=context, also=[column] if column else (), progress=progress
    )
    if made.reading.offsets:
        raise OptionError("conformal prediction takes no offset(); subtract it from the outcome.")
    made, hashes = (made, RowHash(seed)) if column else told_apart(made, seed)
    split = RowSplit(0.0 if column else float(settings.split), hashes, column)
    sums = column_moments(made, split)
    if isinstance(rule, CQR):
        fitted: Any = _quantile_pair(made, split, sums, model, rule.taus(level))
    else:
        fitted = _linear(sums, resolve("lm" if model is None else model, "mean"))
    numbers = Scores(rule, fitted, split, seed)
    found, n = thresholds(made, numbers, level, rule.tails)
    if not n:
        raise OptionError("split leaves no row to calibrate on; give a smaller share.")
    calibration = BlockCalibration(n, rule.tails, {f"{level:.12g}": found}, made, numbers)
    procedure = BlockSplit(rule, fitted, calibration, seed, sums.rows)
    warn_infinite(procedure, level, None)
    return BlockConformal(
        method=chosen.name,
        formula=formula,
        citation=chosen.reference,
        nobs=made.nobs,
        level=level,
        procedure=procedure,
        kind="pandas",
        dropped=dict(made.tally.causes),
        groups=None,
        ratio=None,
        seed=seed,
        data=None,
        recipe=made.recipe,
        unions=chosen.unions,
    )


def _rule(chosen: ConformalMethod, settings: Any, weights: Any, formula: str) -> Any:
    if chosen.name not in ("split", "cqr"):
        raise OptionError(f"method={chosen.name!r} {_NEEDS_ROWS}.")
    if weights is not None:
        raise OptionError(f"weights= for covariate shift {_NEEDS_ROWS}, without weights=.")
    if settings.by is not None or "|" in formula:
        raise OptionError(f"calibration by groups {_NEEDS_ROWS}, without groups.")
    rule = CQR(settings.score, settings.side) if chosen.name == "cqr" else rule_of(settings)
    if not isinstance(rule, Absolute | Signed) and settings.score not in ("symmetric", "asymmetric"):
        raise OptionError(f"score={settings.score!r} {_NEEDS_ROWS}, without a scale of their own.")
    return rule


def _linear(sums: ColumnMoments, learner: Any) -> FittedLinear:
    """Least squares or ridge from the sums of the training rows."""
    if not isinstance(learner, LeastSquares | Ridge):
        raise OptionError(
            f"model={type(learner).__name__} needs its rows in memory; on data that are read in blocks the mean is learnt by "
            "'lm' or 'ridge'."
        )
    p = len(sums.near) - 1
    mean = sums.gram[0, 1:] / sums.mass
    inner = sums.gram[1:, 1:] - sums.mass * np.outer(mean, mean)
    spread = np.sqrt(np.maximum(np.diag(inner)[:p], 0.0) / sums.mass)
    scale = np.where(spread > 1e-14 * np.maximum(np.abs(sums.near[:p]), 1e-290), spread, 1.0)
    penalty = getattr(learner, "penalty", 0.0) / scale**2
    scaled = inner[:p, :p] / np.outer(scale, scale)
    slopes = solve_gram(scaled, inner[:p, p] / scale, penalty) / scale if p else np.empty(0)
    centre = sums.near + mean
    return FittedLinear(float(centre[p] - centre[:p] @ slopes), slopes)


def _quantile_pair(
    made: PassDesign, split: RowSplit, sums: ColumnMoments, model: Any, taus: tuple[float, ...]
) -> QuantilePair:
    """Exact linear quantile regressions of the training rows."""
    learner = resolve("rq" if model is None else model, "quantile")
    if not isinstance(learner, LinearQuantile):
        raise OptionError(
            f"model={type(learner).__name__} needs its rows in memory; on data that are read in blocks quantiles are learnt "
            "by 'rq'."
        )
    columns = sums.standardised()
    level = sums.near[-1] + sums.gram[0, -1] / sums.mass
    inner = solve_passes(made, partial(_training, split, columns, level), taus, sums.rows)
    coef = inner @ columns.back(len(sums.near)).T
    coef[:, 0] += level
    fitted = FittedLinearQuantile(np.asarray(taus), coef)
    return QuantilePair(fitted, taus, float(np.finfo(float).tiny))


def _training(
    split: RowSplit, columns: StandardColumns, level: float, block: Design
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    inside = split(block)
    return np.ascontiguousarray(columns(block)[inside]), block.y[inside] - level, block.weights[inside]

"""Multicalibration by level-set boosting.

Globus-Harris, Harrison, Kearns, Roth and Sorrell (2023, ICML, arXiv 2301.13767). A prediction f is multicalibrated with
respect to a class of functions h if E[h(X) (Y - v) | f = v] = 0 for every h and every value v: right on average on each of
its level sets and, with indicators among the functions, in each group within them. A function that correlates with the error
on a level set lowers the squared error there; so fitting on level sets and rounding, until the error stops falling, ends
in a multicalibrated prediction, and is boosting of the squared error at once.

Assumes rows drawn independently and a bounded outcome. If a member of the class does better than a constant wherever the best
prediction does, the result is close to the best; where none does on the first level set, boosting stops at once.

The authors' code keeps the last round, which did not lower the error enough; here it is discarded, as in the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.backend import generator
from statinf.brief import Brief
from statinf.conformity.multicalibration.any_levels import AnyLearner
from statinf.conformity.multicalibration.boosting import UNBOOSTED, BoostPath, BoostPlan, BoostRows, boost
from statinf.conformity.multicalibration.grid import LevelGrid
from statinf.conformity.multicalibration.linear_levels import LinearLearner
from statinf.conformity.multicalibration.predictor import InUnits, LevelPredictor
from statinf.conformity.multicalibration.stump_levels import StumpLearner
from statinf.errors import DataError, OptionError
from statinf.learners import canonical, resolve
from statinf.results import Method, Options, choice, count, flag, number, value

Rows = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Columns (n, p), outcomes (n,) and weights (n,)."""


_SIZES = (30, 15, 10, 5)
"""Steps of grids, each of which holds the values of the coarsest."""


def _check_learner(name: str, given: Any) -> Any:
    if isinstance(given, int | float) and not isinstance(given, bool):
        raise OptionError(f"{name}={given!r} learns nothing; give 'ols', 'stump', a learner's name or an object.")
    if not (isinstance(given, str) and given == "stump"):
        resolve(given, "mean", name)
    return given


def _check_bounds(name: str, given: Any) -> tuple[float, float]:
    pair = list(given) if isinstance(given, Sequence | np.ndarray) and not isinstance(given, str) else []
    if len(pair) != 2 or not all(isinstance(v, int | float | np.number) and not isinstance(v, bool) for v in pair):
        raise OptionError(f"{name}={given!r} must be two numbers, the lower first.")
    low, high = map(float, pair)
    if not -np.inf < low < high < np.inf:
        raise OptionError(f"{name}={given!r} must be two finite numbers, the lower first.")
    return low, high


@dataclass(frozen=True, kw_only=True)
class MulticalibrationOptions(Options):
    """Options of `si.multicalibrate`."""

    learner: Any = value(
        "ols",
        "what is fitted on level sets: its span is the class of functions",
        "'ols', 'stump', the name of a learner, or an object with fit and predict",
        _check_learner,
    )
    levels: int | None = count(
        None,
        "steps of the grid of predictions, which has one value more; by default 30, or 15, 10 or 5 where held-out rows say so",
        also=(None,),
    )
    spacing: str = choice("even", ("even", "quantile"), "the grid: equal steps, or quantiles of the outcome")
    center: str = choice("grid", ("grid", "mean"), "predicted on a level set: its grid value, or its mean outcome")
    bounds: Any = value(
        None, "range of predictions; by default that of the outcome", "two numbers, the lower first", _check_bounds
    )
    valid: float = number(0.2, "share of rows held out to say when to stop; 0 for none", low=0, high=1, open_high=True)
    stop: str = choice(
        "round", ("round", "level"), "held-out rows judge whole rounds, or the fit on every level set as well"
    )
    max_rounds: int = count(100, "most rounds", low=0)
    tol: float = number(1e-5, "smallest fall of the squared error to go on, over the outcome's variance", low=0)
    learning_rate: float = number(1.0, "share of each update that is made", low=0, high=1, open_low=True)
    min_rows: int | None = count(
        None, "level sets with so many rows or fewer keep their value; by default max(5, columns + 2)", also=(None,)
    )
    round_last: bool = flag(True, "end on the grid; False adds one update that is not rounded")

    def check(self) -> None:
        if self.stop == "level" and self.valid == 0.0:
            raise OptionError("stop='level' needs held-out rows; give valid= above 0.")


@dataclass(frozen=True, repr=False)
class MulticalibrationProblem(Brief):
    """Rows of positive weight.

    Attributes
    ----------
    X : ndarray, shape (n, p)
        Covariates and groups, without a constant.
    y, w : ndarray, shape (n,)
    initial : ndarray, shape (n,), or None
        Initial predictions.
    start : object or None
        A learner to be fitted for them; with neither, the learner of level sets.
    outcome : str
    seed : int
    progress : bool or None
    """

    X: np.ndarray
    y: np.ndarray
    w: np.ndarray
    initial: np.ndarray | None
    start: Any
    outcome: str
    seed: int
    progress: bool | None


@dataclass(frozen=True, repr=False)
class Multicalibration(Brief):
    """What boosting made of the rows.

    Attributes
    ----------
    predictor : LevelPredictor
    held_out : ndarray of bool, shape (n,)
        Rows that said when to stop.
    fitted : ndarray, shape (n,)
        Predictions of the rows, in [0, 1].
    path : BoostPath
        Errors in the outcome's units.
    min_rows : int
    """

    predictor: LevelPredictor
    held_out: np.ndarray
    fitted: np.ndarray
    path: BoostPath
    min_rows: int


def estimate(problem: MulticalibrationProblem, options: MulticalibrationOptions) -> Multicalibration:
    """Boost from initial predictions until the error stops falling."""
    # Rows in an order of their own, by content: what is held out does not depend on how they came.
    keys = [problem.w, problem.y, *problem.X.T[::-1]]
    order = np.lexsort(keys if problem.initial is None else [problem.initial, *keys])
    X, y, w = problem.X[order], problem.y[order], problem.w[order]
    given = None if problem.initial is None else problem.initial[order]
    n, p = X.shape
    held = np.zeros(n, bool)
    held[generator(problem.seed, 73).permutation(n)[: min(round(options.valid * n), n - 1)]] = True
    low, unit = _range(y, options.bounds, problem.outcome)
    centre, scale = _standards(X[~held], w[~held])
    Z, target = np.ascontiguousarray((X - centre) / scale), (y - low) / unit
    rows = (Z[~held], target[~held], w[~held])
    learner = _learner(options.learner, rows, problem.seed)
    start = None if given is not None else _start(problem, learner, rows, low, unit)
    initial = LevelPredictor(low, unit, centre, scale, start, UNBOOSTED).opening(Z, given)
    if not np.isfinite(initial).all():
        raise DataError("init: its predictions are not finite numbers on some rows.")
    min_rows = max(5, p + 2) if options.min_rows is None else options.min_rows
    plan = _plan(options, rows, min_rows, problem.progress)
    inside, outside = (BoostRows(Z[r], target[r], w[r], initial[r]) for r in (~held, held))
    tries = [boost(learner, grid, inside, outside, plan) for grid in _grids(options, rows, bool(held.any()))]
    errors = [outside.error(values[1]) for *_, values in tries] if held.any() else [0.0]
    boosted, path, values = tries[int(np.argmin(errors))]
    path = replace(path, train=path.train * unit**2, held_out=path.held_out * unit**2)
    out, fitted = np.empty(n, bool), np.empty(n)
    out[order], fitted[order[~held]], fitted[order[held]] = held, *values
    return Multicalibration(LevelPredictor(low, unit, centre, scale, start, boosted), out, fitted, path, min_rows)


def _grids(options: MulticalibrationOptions, rows: Rows, held: bool) -> list[LevelGrid]:
    """The grid asked for, or those of which held-out rows choose: on the finest one a level set may be too few rows."""
    sizes = (options.levels,) if options.levels is not None else _SIZES if held else _SIZES[:1]
    if options.spacing == "even":
        return [LevelGrid.even(m) for m in sizes]
    return [LevelGrid.quantiles(*rows[1:], m) for m in sizes]


def _start(problem: MulticalibrationProblem, learner: Any, rows: Rows, low: float, unit: float) -> Any:
    """What makes initial predictions: the learner on one level set of all rows, or another one."""
    Z, y, w = rows
    if problem.start is None:
        return learner.fit(np.zeros(len(y), np.intp), np.ones(1, bool))
    # In the outcome's own units: a known mean is a number of these.
    return InUnits(problem.start.fit(Z, low + unit * y, w, seed=problem.seed), low, unit)


def _plan(options: MulticalibrationOptions, rows: Rows, min_rows: int, progress: bool | None) -> BoostPlan:
    _, y, w = rows
    share = w / w.sum()
    variance = float(share @ (y - share @ y) ** 2)
    return BoostPlan(
        max_rounds=options.max_rounds,
        least=max(options.tol * variance, np.finfo(float).tiny),
        min_rows=min_rows,
        by_level=options.stop == "level",
        mean=options.center == "mean",
        round_last=options.round_last,
        rate=options.learning_rate,
        progress=progress,
    )


def _range(y: np.ndarray, bounds: tuple[float, float] | None, outcome: str) -> tuple[float, float]:
    """Lower bound and distance to the upper one; one where outcomes are constant."""
    low, high = (float(y.min()), float(y.max())) if bounds is None else bounds
    outside = (y < low) | (y > high)
    if outside.any():
        raise DataError(
            f"bounds={bounds!r}: the outcome '{outcome}' lies outside in {int(outside.sum())} rows, from {y.min():g} to "
            f"{y.max():g}; give wider bounds."
        )
    return low, (high - low if high > low else 1.0)


def _standards(X: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard deviations (p,) of columns X (n, p); one for columns that are constant."""
    share = w / w.sum()
    centre = share @ X
    spread = np.sqrt(share @ (X - centre) ** 2)
    size = np.abs(X).max(axis=0, initial=0.0)
    return centre, np.where(spread > 1e-14 * size, spread, np.where(size > 0.0, size, 1.0))


def _learner(spec: Any, rows: Rows, seed: int) -> Any:
    name = canonical(spec) if isinstance(spec, str) else ""
    if name == "lm":
        return LinearLearner.of(*rows)
    if name == "stump":
        return StumpLearner.of(*rows)
    return AnyLearner(resolve(spec, "mean", "learner"), *rows, seed)


METHOD = Method(
    verb="multicalibrate",
    name="",
    estimate=estimate,
    options=MulticalibrationOptions,
    summary="predictions that are calibrated on every level set and in every group, by boosting on level sets",
    citation="Globus-Harris, Harrison, Kearns, Roth and Sorrell (2023)",
    arxiv="2301.13767",
    guarantee="K2 measured on held-out rows, with standard errors",
    vignette="multicalibration",
)

"""Calibration on rows that the model has not seen: which rows train, and what every such method shares."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.backend import generator
from statinf.conformity.problem import ConformalProblem
from statinf.conformity.procedure import Split
from statinf.conformity.shift import calibration_ratio
from statinf.errors import DataError, OptionError
from statinf.formula.design import Design
from statinf.formula.given import aligned
from statinf.inference.conformal import Calibration
from statinf.numerics.linear.products import PARALLEL_FROM
from statinf.results import Options, value


def check_split(name: str, given: Any) -> Any:
    """A share in [0, 1), a column, or one value per row."""
    if isinstance(given, bool | np.bool_):
        raise OptionError(f"{name}={given!r} must be a share of rows, a column, or an array with one value per row.")
    if isinstance(given, str) or np.ndim(given) == 1:
        return given
    if not isinstance(given, int | float | np.number) or not 0.0 <= float(given) < 1.0:
        raise OptionError(f"{name}={given!r} is the share of rows that the model is fitted to; it must be in [0, 1).")
    return float(given)


def _check_by(name: str, given: Any) -> Any:
    columns = [given] if isinstance(given, str) else list(given) if isinstance(given, list | tuple) else []
    if not columns or not all(isinstance(c, str) for c in columns):
        raise OptionError(f"{name}={given!r} must be a column name or several.")
    return given


@dataclass(frozen=True, kw_only=True)
class HeldOutOptions(Options):
    """Options of every method that calibrates on held-out rows."""

    split: Any = value(
        0.5,
        "rows that the model is fitted to; 0 means that `model` is fitted already, to other rows, and every row calibrates",
        "a share in [0, 1), a column, or an array of one value per row that is false for them and true for calibration",
        check_split,
    )
    by: Any = value(None, "columns whose combinations are groups with thresholds of their own", "names", _check_by)


def held_out(problem: ConformalProblem, options: HeldOutOptions, rule: Any) -> Split:
    """Fit the rule's model to the training rows and score the others, with thresholds of their own for groups."""
    split, rest = scored(problem, options, rule)
    if problem.groups is None:
        return split
    return replace(split, calibration=replace(split.calibration, groups=problem.groups[1][rest]))


def scored(problem: ConformalProblem, options: HeldOutOptions, rule: Any) -> tuple[Split, np.ndarray]:
    """Fit the rule's model to the training rows and score the others, whose numbers (n,) are returned too.

    Raises
    ------
    DataError, OptionError
        If rows cannot be split so, or the model is not one that the rule can use.
    """
    d, seed = problem.design, problem.seed
    train = training_rows(options.split, d, seed)
    rest = np.flatnonzero(~train)
    learner = rule.learner(problem.model, problem.level) if train.any() else None
    if learner is not None and getattr(learner, "by_sums", False) and problem.columns.size > PARALLEL_FROM:
        # Rows that do not train have weight zero: no copy of either half is made.
        fitted = learner.fit(problem.columns, problem.y, train.astype(np.float64), seed=seed)
        local = tuple(part[rest] for part in rule.local(fitted, problem.columns, seed))
    else:
        fitted = (
            model_as_fitted(rule, problem.model, problem.level)
            if learner is None
            else learner.fit(problem.X[train], problem.y[train], seed=seed)
        )
        local = rule.local(fitted, problem.X[rest], seed)
    scores = rule.score(local, problem.y[rest])
    bad = np.flatnonzero(~np.isfinite(scores).all(axis=1))
    if len(bad):
        raise DataError(
            f"the model's prediction for row {int(d.rows[rest[bad[0]]])} is not finite, and so for {len(bad)} calibration rows; "
            "use another model."
        )
    ratio = None if problem.ratio is None else calibration_ratio(problem.ratio, d, problem.data, rest)
    return Split(rule, fitted, Calibration(scores, ratio), seed, int(train.sum())), rest


def training_rows(split: Any, d: Design, seed: int) -> np.ndarray:
    """Which of the rows used the model is fitted to (n,).

    Raises
    ------
    OptionError
        If no row is left to calibrate, or none to fit a model.
    """
    if isinstance(split, float):
        count = round(split * d.n)
        if split > 0.0 and not 1 <= count < d.n:
            raise DataError(
                f"{d.n} rows cannot be split into training and calibration rows; give more, or use a method that does not split "
                "rows, such as 'full' of si.conformal or 'optcs-full' of si.conformal_select."
            )
        train = np.zeros(d.n, bool)
        train[generator(seed, 17).permutation(d.n)[:count]] = True
        return train
    if isinstance(split, str):
        values = np.asarray(d.column(split))
    else:
        values = np.asarray(aligned(split, d.frame, "split"))
        if values.shape != (d.n_total,):
            raise OptionError(
                f"split has shape {values.shape}; give one value per row of the data, shape ({d.n_total},)."
            )
        values = values[d.rows]
    if not np.isin(values, (0, 1)).all():
        raise OptionError(
            "split must hold true and false (or 1 and 0) only: false for the rows that the model is fitted to, true for "
            "those that calibrate."
        )
    calibrate = values.astype(bool)
    if not calibrate.any():
        raise OptionError("split leaves no row to calibrate on; some rows must be true.")
    return ~calibrate


def model_as_fitted(rule: Any, model: Any, level: float, option: str = "model") -> Any:
    """A model that the caller fitted, for `split=0`; `option` is what the caller's option is called.

    Raises
    ------
    OptionError
        If it is a name, or has no `predict`.
    """
    from statinf.learners.sklearn import FittedSklearn

    if model is None or isinstance(model, str) or (hasattr(model, "fit") and not hasattr(model, "predict")):
        raise OptionError(
            f"split=0 calibrates on every row: give {option}= an object that is fitted already and has predict."
        )
    fitted = FittedSklearn(model) if hasattr(model, "get_params") else model
    return rule.from_fitted(fitted, level) if hasattr(rule, "from_fitted") else fitted

"""Scores of selection: how far a model thinks an outcome falls short of its threshold.

A score V(x, y) must not fall in y. `clip` is infinite where the outcome passes the threshold c and ``(c - mu(x)) / s(x)``
elsewhere, `residual` is ``(y - mu(x)) / s(x)``; at a new row both are taken at its threshold. `rel` is `clip` calibrated
on the rows that do not pass alone. The scale s is one for models without one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.conformity.held_out import check_split, model_as_fitted, training_rows
from statinf.conformity.procedure import check_finite
from statinf.conformity.selection.problem import SelectProblem
from statinf.errors import DataError, OptionError
from statinf.inference.conformal_selection import BestScore, Reweighted, Stepped
from statinf.inference.discoveries import Discoveries
from statinf.learners import resolve
from statinf.learners.sklearn import FittedSklearn, FittedSklearnClassifier
from statinf.results import Options, choice, value


@dataclass(frozen=True, kw_only=True)
class FittedOptions(Options):
    """Options of the methods that fit models to some rows and calibrate on the others."""

    split: Any = value(
        0.5,
        "rows that models are fitted to; 0 means that they are fitted already, to other rows, and every row calibrates",
        "a share in [0, 1), a column, or an array of one value per row that is false for them and true for calibration",
        check_split,
    )
    fit_to: str = choice(
        "outcome",
        ("outcome", "label"),
        "what models learn: the outcome, or whether it passes its threshold, as classifiers always do",
    )


@dataclass(frozen=True, repr=False)
class Scored(Brief):
    """Scores of both samples under each of K models, and the rule that selects by them.

    Attributes
    ----------
    calibration : ndarray, shape (K, n)
    test, predictions : ndarray, shape (K, m)
    names : tuple of str
        Of the models.
    rule : Stepped, Reweighted or BestScore
    trained : int
        Rows the models were fitted to.
    guarantee : str
        When the bound on the false discovery rate holds.
    """

    calibration: np.ndarray
    test: np.ndarray
    predictions: np.ndarray
    names: tuple[str, ...]
    rule: Stepped | Reweighted | BestScore
    trained: int
    guarantee: str

    def select(self, fdr: float) -> Discoveries:
        """What is selected at level `fdr`."""
        return self.rule.select(self.calibration, self.test, fdr)

    @property
    def smallest(self) -> float:
        """The smallest p-value that a new row can have."""
        if isinstance(self.rule, Reweighted):
            own = float(self.rule.own.min(initial=np.inf))
            return own / (own + float(self.rule.weights.sum())) if np.isfinite(own) else 0.0
        return 1.0 / (self.calibration.shape[1] + 1)


@dataclass(frozen=True, repr=False)
class Judge(Brief):
    """A fitted model and what it predicts.

    Attributes
    ----------
    fitted : object
    label : bool
        Whether it predicts that the outcome passes its threshold, in place of the outcome.
    sign : float
    """

    fitted: Any
    label: bool
    sign: float

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predictions (n,) for rows X (n, p)."""
        found = np.asarray(self.fitted.predict(X), np.float64)
        check_finite(found, "predictions")
        return found

    def score(self, X: np.ndarray, predicted: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Scores (n,) at outcomes or thresholds `at` (n,); a label takes 0 at the threshold and 1 above."""
        if self.label:
            return at - predicted
        error = self.sign * (at - predicted)
        if not hasattr(self.fitted, "predict_scale"):
            return error
        scale = np.asarray(self.fitted.predict_scale(X), np.float64)
        if not (scale > 0).all():
            raise DataError("the fitted scale is not positive at some rows; use another model of the scale.")
        return error / scale


class _Given:
    """How `model_as_fitted` turns an estimator that the caller fitted into a model."""

    @staticmethod
    def from_fitted(fitted: Any, level: float) -> Any:
        classifies = isinstance(fitted, FittedSklearn) and hasattr(fitted.estimator, "predict_proba")
        return FittedSklearnClassifier(fitted.estimator) if classifies else fitted


def learns_label(model: Any, fit_to: str) -> bool:
    """Whether a model is fitted to labels: it is asked for, or the model is a classifier."""
    if isinstance(model, str):
        return fit_to == "label" or model == "logit"
    return fit_to == "label" or hasattr(model, "predict_proba")


def learner_of(model: Any, label: bool) -> Any:
    """The learner of one entry of `models=`."""
    return resolve(model, "probability" if label and isinstance(model, str) else "mean", "models")


def judged(problem: SelectProblem, options: FittedOptions) -> tuple[dict[str, Judge], np.ndarray, int]:
    """Fitted models by name, the numbers of the calibration rows, and how many rows models were fitted to."""
    train = training_rows(options.split, problem.design, problem.seed)
    rows = np.flatnonzero(train)
    found: dict[str, Judge] = {}
    for name, model in problem.models.items():
        label = learns_label(model, options.fit_to)
        if len(rows):
            target = problem.passes(rows).astype(np.float64) if label else problem.y[rows]
            fitted = learner_of(model, label).fit(problem.X[rows], target, seed=problem.seed)
        else:
            fitted = model_as_fitted(_Given, model, 0.5, "models")
        found[name] = Judge(fitted, label, problem.sign)
    return found, np.flatnonzero(~train), len(rows)


def scores(problem: SelectProblem, judges: Mapping[str, Judge], rows: np.ndarray, kind: str) -> tuple[np.ndarray, ...]:
    """Scores (K, n) of calibration rows, (K, m) of new rows and the predictions (K, m) of these.

    Parameters
    ----------
    rows : ndarray of int, shape (n,)
        Numbers of the calibration rows.
    kind : {"clip", "residual"}
    """
    old, new, predictions = [], [], []
    passed = problem.passes(rows) if kind == "clip" else None
    for judge in judges.values():
        predicted = judge.predict(problem.X_new)
        at = np.zeros(len(predicted)) if judge.label else problem.c_new
        new.append(judge.score(problem.X_new, predicted, at))
        predictions.append(predicted)
        X = problem.X[rows]
        if passed is not None:
            assert problem.thresholds.old is not None
            at = np.zeros(len(rows)) if judge.label else problem.thresholds.old[rows]
            old.append(np.where(passed, np.inf, judge.score(X, judge.predict(X), at)))
        else:
            at = problem.passes(rows).astype(np.float64) if judge.label else problem.y[rows]
            old.append(judge.score(X, judge.predict(X), at))
    return np.array(old), np.array(new), np.array(predictions)


def check_nulls(passed: np.ndarray) -> None:
    """Refuse calibration rows that all pass.

    Raises
    ------
    DataError
    """
    if passed.all():
        raise DataError(
            f"no null calibration examples: all {len(passed)} calibration rows pass their thresholds, so every new row would "
            "be selected. Give rows whose outcomes stay at or below them, or check threshold= and direction=."
        )


def refuse_unknown_thresholds(problem: SelectProblem, kind: str | None) -> str:
    """The score to use: `clip`, or `residual` where thresholds are those of the new rows alone.

    Raises
    ------
    OptionError
        If the score asked for needs those of labelled rows.
    """
    if kind is None:
        return "clip" if problem.thresholds.old is not None else "residual"
    if kind != "residual" and problem.thresholds.old is None:
        raise OptionError(
            f"score={kind!r} needs the thresholds of labelled rows: give threshold= a column of both samples or a pair (those "
            "of data, those of newdata), or use score='residual'."
        )
    return kind

"""Class probabilities: any classifier as a learner whose probabilities come by class, never by position.

A native learner is fitted to the numbers of the classes, a foreign estimator to the labels themselves, or to their
numbers where it takes numbers only. A class that a fit has not seen has probability zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statinf.backend import row_blocks
from statinf.errors import DataError, OptionError
from statinf.learners.base import Learner
from statinf.learners.sklearn import SklearnLearner

_SUM = 1e-6
"""How far probabilities may be from summing to one."""


@dataclass(frozen=True)
class ClassProbabilities:
    """A fitted classifier that gives probabilities of `count` classes, in their order.

    Attributes
    ----------
    model : object
        Has `predict_proba(X)`.
    columns : ndarray of int
        The class number of each column of `predict_proba`.
    count : int
    name : str
        What to call the model in messages.
    """

    model: Any
    columns: np.ndarray
    count: int
    name: str = field(default="model")

    @property
    def foreign(self) -> str | None:
        """The class of another library that this holds, if it does."""
        native = type(self.model).__module__.startswith("statinf.")
        return getattr(self.model, "foreign", None) if native else type(self.model).__name__

    def absent(self, levels: Sequence[Any]) -> tuple[Any, ...]:
        """The classes that the model has not seen."""
        return tuple(level for k, level in enumerate(levels) if k not in self.columns)

    def probabilities(self, X: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """Probabilities (n, count).

        Parameters
        ----------
        X : ndarray, shape (n, p)
        rows : ndarray of int, shape (n,), optional
            What to call the rows in messages.

        Raises
        ------
        DataError
            If what the model gives is not one distribution over its classes per row.
        """
        out = np.zeros((len(X), self.count))
        if not len(X):
            return out
        found = np.asarray(self.model.predict_proba(X))
        if found.shape != (len(X), len(self.columns)):
            raise DataError(
                f"predict_proba of {self.name} gave shape {found.shape}; one column for each of the {len(self.columns)} "
                f"classes that it was fitted to is needed, ({len(X)}, {len(self.columns)})."
            )
        out[:, self.columns] = found
        return checked_probabilities(out, self.name, rows)


def checked_probabilities(values: np.ndarray, name: str, rows: np.ndarray | None = None) -> np.ndarray:
    """Probabilities (n, K) that sum to one in every row; of those that do so to 1e-6 only, divided by their sums.

    Raises
    ------
    DataError
        For a probability that is missing or negative, or a row that does not sum to one.
    """
    total, least, ones = np.empty(len(values)), 0.0, np.ones(values.shape[1])
    for part in row_blocks(len(values), values.shape[1]):
        # A product with ones: a sum along short rows costs several times as much.
        np.dot(values[part], ones, out=total[part])
        least = min(least, values[part].min())
    off = np.abs(total - 1.0)
    wrong = ~(off <= _SUM)
    if wrong.any() or least < 0.0:
        wrong |= (values < 0.0).any(axis=1)
        first = int(np.argmax(wrong))
        row, given = first if rows is None else int(rows[first]), values[first]
        said = (
            "hold a value that is not finite" if not np.isfinite(given).all()
            else f"hold the negative value {given.min():.6g}" if given.min() < 0.0
            else f"sum to {total[first]:.6g}, not to one"
        )  # fmt: skip
        raise DataError(f"the class probabilities of {name} {said} in row {row} ({int(wrong.sum())} rows in all).")
    loose = off > 1e-12
    if loose.any():
        values = values / np.where(loose, total, 1.0)[:, None]
    return values


@dataclass(frozen=True)
class OneVersusRest:
    """One model per class of whether a row belongs to it, clipped to [0, 1] and scaled to sum to one.

    Attributes
    ----------
    learner : Learner
        Of a mean or a probability.
    """

    learner: Any

    def fit(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0) -> FittedOneVersusRest:
        """Fit to X (n, p), y (n,) whose distinct values are the classes, weights (n,)."""
        classes = np.unique(y)
        ones = classes[1:] if len(classes) == 2 else classes
        parts = tuple(self.learner.fit(X, (y == c).astype(np.float64), w, seed=seed) for c in ones)
        return FittedOneVersusRest(classes, parts)


@dataclass(frozen=True)
class FittedOneVersusRest:
    """Fitted models, one per class, or one of the second of two; `classes_` holds the outcomes' values."""

    classes_: np.ndarray
    parts: tuple[Any, ...]

    @property
    def foreign(self) -> str | None:
        """The class of another library that this holds, if it does."""
        return getattr(self.parts[0], "foreign", None)

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities (n, classes); equal ones where no class has any."""
        found = np.column_stack([np.clip(part.predict(X), 0.0, 1.0) for part in self.parts])
        if len(self.classes_) == 2:
            return np.column_stack([1.0 - found, found])
        total = found.sum(axis=1, keepdims=True)
        return np.where(total > 0.0, found / np.where(total > 0.0, total, 1.0), 1.0 / len(self.classes_))


@dataclass(frozen=True)
class ClassLearner:
    """A learner of class probabilities.

    Attributes
    ----------
    learner : object
        A native learner, fitted to class numbers, or an estimator with scikit-learn's interface.
    native : bool
    """

    learner: Any
    native: bool

    def fit(
        self,
        X: np.ndarray,
        codes: np.ndarray,
        levels: Sequence[Any],
        *,
        w: np.ndarray | None = None,
        seed: int = 0,
    ) -> ClassProbabilities:
        """Fit to X (n, p), class numbers (n,) of the levels, and weights (n,).

        Raises
        ------
        DataError
            If the estimator cannot be fitted.
        OptionError
            If it gives no probabilities.
        """
        if self.native:
            fitted = self.learner.fit(X, codes.astype(np.float64), w, seed=seed)
            return ClassProbabilities(fitted, fitted.classes_.astype(np.intp), len(levels), type(self.learner).__name__)
        name = type(self.learner).__name__
        seen, compact = np.unique(codes, return_inverse=True)
        fitted, numbered = self._fit_foreign(X, np.asarray(list(levels))[codes], compact, w, seed)
        if not hasattr(fitted, "predict_proba"):
            raise OptionError(f"model={name}: the fitted {type(fitted).__name__} has no predict_proba.")
        named = getattr(fitted, "classes_", None)
        if named is None:
            return ClassProbabilities(fitted, seen, len(levels), name)
        columns = seen[class_numbers(named, range(len(seen)), name)] if numbered else class_numbers(named, levels, name)
        return ClassProbabilities(fitted, columns, len(levels), name)

    def _fit_foreign(
        self, X: np.ndarray, labels: np.ndarray, numbers: np.ndarray, w: np.ndarray | None, seed: int
    ) -> tuple[Any, bool]:
        """The fitted estimator, and whether it was fitted to numbers from 0 in place of the labels."""
        source = SklearnLearner(self.learner, "probability")
        try:
            return source.fit_as_given(X, labels, w, seed=seed), False
        except (ValueError, TypeError) as first:
            try:
                return source.fit_as_given(X, numbers, w, seed=seed), True
            except (ValueError, TypeError):
                raise self._cannot(first) from None

    def _cannot(self, error: Exception) -> DataError:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        return DataError(f"model={type(self.learner).__name__} cannot be fitted to these rows: {reason}")


def class_numbers(named: Any, levels: Sequence[Any], name: str) -> np.ndarray:
    """Numbers of a classifier's `classes_` among the levels, by value or else by text; -1 for those not among them.

    Raises
    ------
    DataError
        If none of them is.
    """
    given = np.asarray(named).tolist()
    by_value = {level: k for k, level in enumerate(levels)}
    found = np.array([by_value.get(one, -1) for one in given], np.intp)
    if (found < 0).all():
        by_text = {str(level): k for k, level in enumerate(levels)}
        found = np.array([by_text.get(str(one), -1) for one in given], np.intp)
    if (found < 0).all():
        raise DataError(
            f"the classes of {name}, {given[:6]}, are none of the outcome's, {list(levels)[:6]}; fit it to these labels."
        )
    return found


def class_learner(spec: Any, option: str) -> ClassLearner:
    """The learner of an object, for `resolve`.

    Raises
    ------
    OptionError
        If it gives no probabilities.
    """
    if type(spec).__module__.startswith("statinf.") and isinstance(spec, Learner):
        return ClassLearner(_native(spec), native=True)
    if not hasattr(spec, "predict_proba") and not hasattr(type(spec), "predict_proba") and hasattr(spec, "predict"):
        raise OptionError(
            f"{option}={type(spec).__name__} has no predict_proba; sets of classes need a model of class probabilities."
        )
    return ClassLearner(spec, native=False)


def _native(learner: Any) -> Any:
    """A native learner of classes, or one model per class of any other."""
    from statinf.learners.boosting import Boosting, ClassBoosting
    from statinf.learners.class_forest import ClassForest
    from statinf.learners.forest import QuantileForest
    from statinf.learners.logit import Logit
    from statinf.learners.multinomial import Multinomial

    if isinstance(learner, Logit):
        return Multinomial(learner.penalty)
    if isinstance(learner, QuantileForest):
        return ClassForest(learner.trees, learner.min_leaf)
    if isinstance(learner, Boosting):
        return ClassBoosting(learner.max_iter, learner.learning_rate, learner.max_leaf_nodes)
    if isinstance(learner, Multinomial | ClassForest | ClassBoosting | OneVersusRest):
        return learner
    return OneVersusRest(learner)

"""What every method of class shares gets, what it hands back, and the options that all of them take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.learners.registry import resolve
from statinf.results.methods import Method
from statinf.results.options import Options, count, value
from statinf.shifts.labels.logit import StackedLogit

GIVEN = "given"


def _check_learner(name: str, given: Any) -> Any:
    if not (isinstance(given, str) and given == GIVEN):
        resolve(given, "classes", name)
    return given


@dataclass(frozen=True, kw_only=True)
class LabelOptions(Options):
    """Options of every method of class shares."""

    learner: Any = value(
        "logit",
        "the model of class probabilities; 'given' where the columns behind '~' are such probabilities already, in the "
        "order of the levels (without the first, which is what is left to one)",
        "'given', a learner's name, or an object with fit and predict_proba",
        _check_learner,
    )
    folds: int = count(5, "folds of cross-fitting; 1 predicts rows by a model that was fitted to them too")


@dataclass(frozen=True, kw_only=True)
class LabelMethod(Method):
    """A method of `target_shift` for classes."""

    outcome: str = "classes"


@dataclass(frozen=True, repr=False)
class LabelProblem(Brief):
    """Classes of the source rows and predicted probabilities of the rows of both samples.

    Attributes
    ----------
    codes : ndarray of int, shape (n,)
        Class numbers; every class occurs at positive weight.
    ws, wt : ndarray, shape (n,) and (m,)
    source, target : ndarray, shape (n, k) and (m, k)
        Probabilities, those of the source from a model that has not seen the row, where one was fitted by folds.
    names : tuple of str, length k
    behind : callable or None
        Fits the model behind the probabilities to all rows where its coefficients have influence values.
    """

    codes: np.ndarray
    ws: np.ndarray
    source: np.ndarray
    target: np.ndarray
    wt: np.ndarray
    names: tuple[str, ...]
    behind: Callable[[], StackedLogit] | None = None

    @cached_property
    def logit(self) -> StackedLogit | None:
        """The model behind the probabilities; None where it counts as known."""
        return None if self.behind is None else self.behind()

    @property
    def k(self) -> int:
        return len(self.names)

    @cached_property
    def mass(self) -> np.ndarray:
        """Weight of each class in the source, shape (k,)."""
        return np.bincount(self.codes, self.ws, minlength=self.k)

    @cached_property
    def shares(self) -> np.ndarray:
        """Class shares of the source, shape (k,)."""
        return self.mass / self.mass.sum()

    @cached_property
    def shares_influence(self) -> np.ndarray:
        """Influence of the source rows on them, shape (n, k)."""
        out = -np.multiply.outer(self.ws / self.mass.sum(), self.shares)
        out[np.arange(len(out)), self.codes] += self.ws / self.mass.sum()
        return out


@dataclass(frozen=True, repr=False)
class LabelSolution(Brief):
    """Class shares of the target.

    Attributes
    ----------
    shares : ndarray, shape (k,)
        They sum to one and may be negative.
    influence : callable
        Makes the influence of the rows of both samples on them, shape (n, k) and (m, k).
    facts : mapping
        Numbers of the fit.
    note : str
        What errors take as known, for the summary.
    """

    shares: np.ndarray
    influence: Callable[[], tuple[np.ndarray, np.ndarray]]
    facts: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


def hard(probabilities: np.ndarray) -> np.ndarray:
    """The most likely class of each row as 0 and 1, shape (n, k); the first of equal ones."""
    out = np.zeros_like(probabilities)
    out[np.arange(len(out)), probabilities.argmax(axis=1)] = 1.0
    return out

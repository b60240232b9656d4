"""The base of the intervals: predictions that are made before the outcome is known.

A prediction must not depend on how rows are cut into blocks, not even in its last bit. Models therefore predict chunks
of one length, in which a row's place goes by its number in the stream.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.conformity.score import Ends
from statinf.errors import DataError, OptionError
from statinf.learners import require, resolve

CHUNK = 1024


def by_chunks(predict: Callable[[np.ndarray], np.ndarray], X: np.ndarray, first: int) -> np.ndarray:
    """Predictions of rows X (n, p) whose numbers in the stream are `first`, `first` + 1, ..."""
    if not len(X):
        return predict(np.zeros((1, X.shape[1])))[:0]
    out = []
    done = 0
    while done < len(X):
        place = (first + done) % CHUNK
        rows = X[done : done + CHUNK - place]
        chunk = np.repeat(rows[:1], CHUNK, axis=0)
        chunk[place : place + len(rows)] = rows
        out.append(np.asarray(predict(chunk), np.float64)[place : place + len(rows)])
        done += len(rows)
    return np.concatenate(out)


@dataclass(frozen=True, repr=False)
class GivenPredictions(Brief):
    """Predictions made elsewhere: the formula's one column, or its two as quantiles."""

    def ends(self, X: np.ndarray, first: int = 0) -> Ends:
        return X[:, 0], X[:, -1]

    def advance(self, X: np.ndarray, y: np.ndarray) -> tuple[GivenPredictions, Ends]:
        """The base after rows, and what it predicted for each before it knew the outcome."""
        return self, self.ends(X)

    @property
    def point(self) -> bool:
        """Whether there is a point prediction."""
        return True


@dataclass(frozen=True, kw_only=True, repr=False)
class Learned(Brief):
    """A model fitted to the first rows, and again to all rows so far after every `refit` more.

    Attributes
    ----------
    learner : object
    fitted : object
    taus : tuple of float
        The two quantiles that are predicted; none for a mean.
    seed : int
    refit : int or None
    seen : int
        Rows so far, the first ones included.
    since : int
        Of these after the first fit.
    X, y : ndarray, shape (seen, p) and (seen,)
        The rows so far, where the model is fitted again; else none.
    """

    learner: Any
    fitted: Any
    taus: tuple[float, ...]
    seed: int
    refit: int | None
    seen: int
    since: int
    X: np.ndarray = field(repr=False)
    y: np.ndarray = field(repr=False)

    @property
    def point(self) -> bool:
        """Whether there is a point prediction."""
        return not self.taus

    def ends(self, X: np.ndarray, first: int = 0) -> Ends:
        """Predictions of rows X (n, p) whose numbers in the stream begin at `first`."""
        if self.taus:
            taus = np.asarray(self.taus)
            both = np.sort(by_chunks(lambda c: self.fitted.predict_quantiles(c, taus), X, first), axis=1)
            ends = both[:, 0], both[:, 1]
        else:
            made = by_chunks(self.fitted.predict, X, first)
            ends = made, made
        if not all(np.isfinite(e).all() for e in ends):
            raise DataError("the model's predictions are not finite for all rows; use another model.")
        return ends

    def advance(self, X: np.ndarray, y: np.ndarray) -> tuple[Learned, Ends]:
        """The base after rows, and what it predicted for each before it knew the outcome."""
        base, low, high = self, [], []
        done = 0
        while done < len(y) or not low:
            stop = len(y) if base.refit is None else min(len(y), done + base.refit - base.since % base.refit)
            ends = base.ends(X[done:stop], base.seen)
            low.append(ends[0])
            high.append(ends[1])
            base = base._after(X[done:stop], y[done:stop])
            done = stop
        return base, (np.concatenate(low), np.concatenate(high))

    def _after(self, X: np.ndarray, y: np.ndarray) -> Learned:
        since = self.since + len(y)
        base = replace(self, seen=self.seen + len(y), since=since)
        if self.refit is None:
            return base
        X, y = np.concatenate([self.X, X]), np.concatenate([self.y, y])
        again = since > self.since and since % self.refit == 0
        return replace(base, X=X, y=y, fitted=self.learner.fit(X, y, seed=self.seed) if again else self.fitted)


def start_given(X: np.ndarray) -> GivenPredictions:
    """Predictions that the formula's columns hold.

    Raises
    ------
    OptionError
        Unless there are one or two columns.
    """
    if X.shape[1] not in (1, 2):
        raise OptionError(
            f"model='given' reads predictions from the formula: 'y ~ p', or 'y ~ lower + upper' for quantiles; this one has "
            f"{X.shape[1]} columns."
        )
    return GivenPredictions()


def start_learned(
    model: Any, X: np.ndarray, y: np.ndarray, *, quantiles: bool, level: float, refit: int | None, seed: int
) -> tuple[Learned, Ends]:
    """Fit a model to the first half of rows, and predict the second half."""
    task = "quantile" if quantiles else "mean"
    learner = resolve(("rq" if quantiles else "lm") if model is None else model, task, "model")
    taus = ((1.0 - level) / 2.0, (1.0 + level) / 2.0) if quantiles else ()
    if quantiles and hasattr(learner, "at_taus"):
        learner = learner.at_taus(taus)
    half = len(y) - len(y) // 2
    fitted = learner.fit(X[:half], y[:half], seed=seed)
    if quantiles:
        require(fitted, "predict_quantiles", "score='cqr'")
    kept = refit is not None
    base = Learned(
        learner=learner, fitted=fitted, taus=taus, seed=seed, refit=refit, seen=half, since=0,
        X=X if kept else X[:0], y=y if kept else y[:0],
    )  # fmt: skip
    return replace(base, seen=len(y)), base.ends(X[half:], half)

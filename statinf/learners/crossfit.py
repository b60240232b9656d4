"""Folds, cross-fitting and leave-one-out for any learner; closed forms where a learner has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend import generator, progress_bar
from statinf.errors import DataError, OptionError
from statinf.learners.smoother import LinearSmoother


def fold_ids(
    n: int,
    folds: int | Sequence[Any] | np.ndarray = 5,
    *,
    seed: int = 0,
    strata: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> np.ndarray:
    """Fold numbers 0..K-1 of n rows.

    Parameters
    ----------
    n : int
    folds : int or array of shape (n,)
        How many folds of equal size (to one row) at random, or an array of labels to use as given.
    seed : int
    strata : ndarray, shape (n,), optional
        Labels whose shares every fold keeps, a treatment for instance.
    groups : ndarray of int, shape (n,), optional
        Codes from 0 of clusters, each of which stays whole within one fold; labels given as `folds` go before it.

    Raises
    ------
    OptionError
        If the number is below 2 or above n (or the number of groups), or the labels are fewer than two, missing in a
        row, or of the wrong length.
    """
    if isinstance(folds, str | bytes) or np.ndim(folds) > 1:
        raise OptionError(f"folds={folds!r} must be a whole number or one label per row.")
    if np.ndim(folds) == 1:
        return _given_codes(np.asarray(folds), n)
    if isinstance(folds, bool | np.bool_) or not isinstance(folds, int | np.integer) or not 2 <= folds <= n:
        raise OptionError(
            f"folds={folds!r} must be a whole number from 2 to the number of rows, {n}, or an array of labels."
        )
    random = generator(seed, 11)
    if groups is not None:
        groups = np.unique(groups, return_inverse=True)[1]
        count = int(groups.max()) + 1
        if count < folds:
            raise OptionError(
                f"folds={folds!r} with {count} {'cluster' if count == 1 else 'clusters'}: whole clusters share a fold; "
                "use fewer folds, or give the folds as one label per row."
            )
        if count < n:
            return _whole_groups(groups, int(folds), random, strata)
    order = random.permutation(n)
    if strata is not None:
        order = order[np.argsort(np.asarray(strata)[order], kind="stable")]
    out = np.empty(n, np.intp)
    out[order] = np.tile(np.arange(folds), -(-n // folds))[:n]
    return out


def _given_codes(labels: np.ndarray, n: int) -> np.ndarray:
    """Codes of the labels that a caller gave, one per row."""
    if len(labels) != n:
        raise OptionError(f"folds has {len(labels)} labels; the fit uses {n} rows.")
    absent = np.zeros(n, bool)
    if labels.dtype.kind not in "biuSU":
        import pandas as pd

        absent = np.asarray(pd.isna(labels))
    if absent.any():
        raise OptionError(
            f"folds has no label in {int(absent.sum())} rows (first: row {int(np.argmax(absent))} of those used); give "
            "every row a fold."
        )
    codes = _whole_codes(labels)
    if codes.max() < 1:
        raise OptionError("folds holds one label only; at least two folds are needed.")
    return codes


def _whole_groups(groups: np.ndarray, folds: int, random: np.random.Generator, strata: np.ndarray | None) -> np.ndarray:
    """Folds of whole groups, like in size and in shares of the strata.

    Groups come from the largest to the smallest, in random order within a size; each goes to the fold that holds least
    of the strata that it has, which keeps the sum of squared shares small.
    """
    count = int(groups.max()) + 1
    code = np.zeros(len(groups), np.intp) if strata is None else np.unique(strata, return_inverse=True)[1]
    sizes = np.zeros((count, int(code.max()) + 1))
    np.add.at(sizes, (groups, code), 1.0)
    sizes /= sizes.sum(axis=0)
    order = random.permutation(count)
    order = order[np.argsort(-sizes.sum(axis=1)[order], kind="stable")]
    held, members = np.zeros((folds, sizes.shape[1])), np.zeros(folds)
    out = np.empty(count, np.intp)
    for left, g in enumerate(order):
        # No fold stays empty: the last groups go where there is none yet.
        must = members == 0 if (members == 0).sum() >= count - left else np.ones(folds, bool)
        burden = np.where(must, held @ sizes[g], np.inf)
        least = np.flatnonzero(burden <= burden.min() * (1.0 + 1e-12))
        k = least[np.argmin(held[least].sum(axis=1) + 1e-9 * members[least])]
        out[g] = k
        held[k] += sizes[g]
        members[k] += 1
    return out[groups]


def _whole_codes(labels: np.ndarray) -> np.ndarray:
    """Codes of labels in their order; without sorting where they are small whole numbers already."""
    if labels.dtype.kind in "iu" and labels.min() >= 0 and labels.max() < len(labels):
        found = np.flatnonzero(np.bincount(labels))
        if len(found) == found[-1] + 1:
            return labels.astype(np.intp)
    return np.unique(labels, return_inverse=True)[1]


def stratum_codes(strata: np.ndarray) -> np.ndarray:
    """Codes of labels in their order, in as few bytes as hold them: `fold_ids` sorts short integers in one sweep."""
    whole = strata.astype(np.intp) if strata.dtype.kind == "f" and 0 <= strata.min() <= strata.max() < 2**16 else strata
    codes = _whole_codes(whole) if whole is strata or (whole == strata).all() else _whole_codes(strata)
    return codes.astype(np.uint8 if codes.max() < 256 else np.uint16 if codes.max() < 65536 else np.intp)


@dataclass(frozen=True)
class CrossFit:
    """Fits by fold and what they predict where they were not fitted.

    Attributes
    ----------
    fits : tuple
        One fitted learner a fold, each without that fold's rows.
    folds : ndarray of int, shape (n,)
    predictions : ndarray, shape (n,)
        Out-of-fold predictions.
    """

    fits: tuple[Any, ...]
    folds: np.ndarray
    predictions: np.ndarray


def fit_folds(
    learner: Any,
    X: np.ndarray,
    y: np.ndarray,
    folds: np.ndarray,
    w: np.ndarray | None = None,
    *,
    seed: int = 0,
    progress: bool | None = None,
) -> list[Any]:
    """One fit a fold, each without that fold's rows; in one pass where the learner has `fit_folds`."""
    count = int(folds.max()) + 1
    if hasattr(learner, "fit_folds"):
        return learner.fit_folds(X, y, folds, w, seed=seed)
    fits = []
    for k in progress_bar(range(count), label="Fitting folds", show=progress):
        keep = folds != k
        fits.append(learner.fit(X[keep], y[keep], None if w is None else w[keep], seed=seed))
    return fits


def crossfit(
    learner: Any,
    X: np.ndarray,
    y: np.ndarray,
    folds: np.ndarray,
    w: np.ndarray | None = None,
    *,
    seed: int = 0,
    method: str = "predict",
    progress: bool | None = None,
) -> CrossFit:
    """Fit on all folds but one and predict the one left out, for each fold.

    Parameters
    ----------
    learner : Learner
    X : ndarray, shape (n, p)
    y : ndarray, shape (n,)
    folds : ndarray of int, shape (n,)
        From `fold_ids`.
    w : ndarray, shape (n,), optional
    method : str
        The fitted learner's method that predicts (n,): "predict" or "predict_proba".

    Raises
    ------
    DataError
        If a fold leaves no rows to fit on.
    """
    X, y = np.asarray(X, np.float64), np.asarray(y, np.float64)
    if min(np.bincount(folds)) == len(y):
        raise DataError("Every row is in one fold; nothing is left to fit on.")
    fits = fit_folds(learner, X, y, folds, w, seed=seed, progress=progress)
    out = np.empty(len(y))
    for k, fitted in enumerate(fits):
        out[folds == k] = getattr(fitted, method)(X[folds == k])
    return CrossFit(tuple(fits), folds, out)


@dataclass(frozen=True)
class LeaveOneOut:
    """Leave-one-out residuals and the predictions of every leave-one-out fit.

    Attributes
    ----------
    fitted : object
        The fit on all rows.
    residuals : ndarray, shape (n,)
        ``y_i - mu_{-i}(x_i)``; infinite where row i determines its own fit.
    """

    fitted: Any
    residuals: np.ndarray
    _source: LinearSmoother | tuple[Any, ...]

    @property
    def closed_form(self) -> bool:
        """Whether leverages were used in place of refits."""
        return isinstance(self._source, LinearSmoother)

    def predict_without(self, X: np.ndarray, which: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Predictions (m, n) at rows X (m, p) of the n fits that leave one row out, or of some of them."""
        if isinstance(self._source, LinearSmoother):
            return self._source.predict_without(X, which)
        chosen = np.arange(len(self._source))[which]
        return np.column_stack([self._source[i].predict(X) for i in chosen])

    def reach(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bounds (m,), (m,) of those predictions."""
        if isinstance(self._source, LinearSmoother):
            return self._source.reach(X)
        low, high = np.full(len(X), np.inf), np.full(len(X), -np.inf)
        for fitted in self._source:
            found = fitted.predict(X)
            np.minimum(low, found, out=low)
            np.maximum(high, found, out=high)
        return low, high

    columns = predict_without


def leave_one_out(
    learner: Any,
    X: np.ndarray,
    y: np.ndarray,
    w: np.ndarray | None = None,
    *,
    seed: int = 0,
    progress: bool | None = None,
) -> LeaveOneOut:
    """Leave each row out in turn: by leverages where the learner is a linear smoother, else by refits."""
    if hasattr(learner, "smoother"):
        smoother = learner.smoother(X, y, w)
        return LeaveOneOut(smoother.fitted, smoother.deletion, smoother)
    n = len(y)
    fits = fit_folds(learner, X, y, np.arange(n), w, seed=seed, progress=progress)
    residuals = np.array([y[i] - float(fits[i].predict(X[i : i + 1])[0]) for i in range(n)])
    return LeaveOneOut(learner.fit(X, y, w, seed=seed), residuals, tuple(fits))

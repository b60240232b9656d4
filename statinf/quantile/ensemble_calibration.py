"""Conformal calibration of an ensemble's intervals, for every pair of levels t and 1 - t.

Conformalised quantile regression (Romano, Patterson and Candes 2019, arXiv 1905.03222) and CV+ (Barber, Candes,
Ramdas and Tibshirani 2021, arXiv 1905.02928). The outcome of a new row falls between the calibrated quantiles with
probability at least 1 - 2t (1 - 4t - sqrt(2 / n) for CV+) if rows are exchangeable. Calibrated intervals are made
nested by widening the outer ones, which keeps their coverage.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from statinf.brief import Brief
from statinf.errors import OptionError
from statinf.inference.conformal import threshold
from statinf.numerics.order.monotone import monotone
from statinf.quantile.ensemble_core import EnsembleCore, EnsembleTask, fit_core

_CELLS = 4_000_000
SHARE = 0.25


class Levels(Protocol):
    """A fitted model of quantiles at some levels."""

    @property
    def tau(self) -> np.ndarray:
        """Levels (m,), increasing."""
        ...

    def predict(self, X: np.ndarray, Z: np.ndarray | None = None) -> np.ndarray:
        """Quantiles (n, m) of rows X (n, d), from base predictions Z where there are any."""
        ...


def pairs(tau: np.ndarray) -> list[tuple[int, int, float]]:
    """Positions of t and 1 - t for every t below a half, with the miss rate 2t."""
    out = []
    for low in np.flatnonzero(tau < 0.5 - 1e-9):
        high = np.flatnonzero(np.abs(tau - (1 - tau[low])) < 1e-9)
        if len(high):
            out.append((int(low), int(high[0]), float(2 * tau[low])))
    if not out:
        raise OptionError("calibration works on pairs of levels t and 1 - t; tau holds none.")
    return out


def nested(q: np.ndarray) -> np.ndarray:
    """Intervals made nested from the middle outwards; outer ones can only widen."""
    return monotone(q, "sweep")


@dataclass(frozen=True, repr=False)
class SplitCalibration(Brief):
    """One shift a pair of levels, from rows that the model has not seen."""

    shifts: np.ndarray
    rows: int

    def __call__(self, core: Levels, X: np.ndarray, Z: np.ndarray | None) -> np.ndarray:
        q = core.predict(X, Z)
        for (low, high, _), shift in zip(pairs(core.tau), self.shifts, strict=True):
            q[:, low], q[:, high] = q[:, low] - shift, q[:, high] + shift
        return nested(q)


def calibrate_split(core: Levels, X: np.ndarray, y: np.ndarray, Z: np.ndarray | None) -> SplitCalibration:
    """Conformalised quantile regression on held-out rows."""
    q = core.predict(X, Z)
    shifts = [threshold(np.maximum(q[:, low] - y, y - q[:, high]), 1 - miss) for low, high, miss in pairs(core.tau)]
    return SplitCalibration(np.array(shifts), len(y))


@dataclass(frozen=True, repr=False)
class CrossCalibration(Brief):
    """CV+: the ensemble refitted without each fold, base models and weights, and every row's score."""

    cores: tuple[EnsembleCore, ...]
    folds: np.ndarray
    scores: np.ndarray

    def __call__(self, core: EnsembleCore, X: np.ndarray, Z: np.ndarray | None) -> np.ndarray:
        q, n = core.predict(X, Z), len(self.folds)
        each = np.stack([one.predict(X) for one in self.cores])
        step = max(1, _CELLS // n)
        for (low, high, miss), score in zip(pairs(core.tau), self.scores.T, strict=True):
            below, above = int(np.floor(miss * (n + 1) + 1e-9)), int(np.ceil((1 - miss) * (n + 1) - 1e-9))
            for at in range(0, len(X), step):
                rows = slice(at, at + step)
                ends = np.sort(each[self.folds, rows, low] - score[:, None], axis=0)
                q[rows, low] = ends[below - 1] if below >= 1 else -np.inf
                ends = np.sort(each[self.folds, rows, high] + score[:, None], axis=0)
                q[rows, high] = ends[above - 1] if above <= n else np.inf
        return nested(q)


def calibrate_cross(
    X: np.ndarray,
    y: np.ndarray,
    w: np.ndarray,
    folds: np.ndarray,
    inner: Callable[[int], np.ndarray],
    task: EnsembleTask,
) -> CrossCalibration:
    """Refit the whole ensemble without each fold; `inner` makes fold numbers for a number of rows."""
    cores: list[EnsembleCore] = []
    scores = np.empty((len(y), len(pairs(task.tau))))
    for k in range(int(folds.max()) + 1):
        out = folds == k
        core = fit_core(X[~out], y[~out], w[~out], inner(int((~out).sum())), task, False)
        q = core.predict(X[out])
        for i, (low, high, _) in enumerate(pairs(task.tau)):
            scores[out, i] = np.maximum(q[:, low] - y[out], y[out] - q[:, high])
        cores.append(core)
    return CrossCalibration(tuple(cores), folds, scores)

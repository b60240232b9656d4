"""Conformal calibration of a quantile process on rows that it has not seen.

"cqr": Romano, Patterson and Candes (2019, arXiv 1905.03222), one shift per pair of levels. "dcp": Chernozhukov, Wuethrich
and Zhu (2021, arXiv 1909.07889), where the distribution function at the outcome of a row set aside is a score, and the order
statistics of the scores say which levels to read. If rows are exchangeable, a new outcome lies between the calibrated
quantiles at t and 1 - t with probability at least 1 - 2t.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.errors import OptionError
from statinf.inference.conformal import quantile_rank
from statinf.learners.process_network import FittedProcess
from statinf.quantile.ensemble_calibration import SplitCalibration, calibrate_split, pairs

_NARROW = 1e-3
"""Least interquartile range, as a share of the outcome's."""


@dataclass(frozen=True)
class FixedLevels:
    """A process read at some levels, sorted."""

    fitted: FittedProcess
    tau: np.ndarray

    def predict(self, X: np.ndarray, Z: np.ndarray | None = None) -> np.ndarray:
        """Quantiles (n, m)."""
        return np.sort(self.fitted.predict_quantiles(X, self.tau), axis=1)


@dataclass(frozen=True, repr=False)
class PairShifts(Brief):
    """Shifts of the quantiles at pairs of levels t and 1 - t.

    tau : (m,) the levels of the fit, the only ones that are calibrated.
    """

    tau: np.ndarray
    split: SplitCalibration

    def quantiles(self, fitted: FittedProcess, X: np.ndarray, taus: np.ndarray) -> np.ndarray:
        """Calibrated quantiles (n, t) at levels of `tau` that have a partner, or at 0.5."""
        paired = {k for low, high, _ in pairs(self.tau) for k in (low, high)}
        where = [int(np.argmin(np.abs(self.tau - t))) for t in taus]
        for t, k in zip(taus, where, strict=True):
            if abs(self.tau[k] - t) > 1e-9 or (k not in paired and abs(t - 0.5) > 1e-9):
                listed = ", ".join(f"{self.tau[k]:g}" for k in sorted(paired))
                raise OptionError(
                    f"calibrate='cqr' knows the levels {listed}; asked for {t:g}. Give the pair {min(t, 1 - t):g} "
                    f"and {max(t, 1 - t):g} in tau= at the fit, or use calibrate='dcp'."
                )
        return self.split(FixedLevels(fitted, self.tau), X, None)[:, where]


@dataclass(frozen=True, repr=False)
class LevelMap(Brief):
    """Levels that are read in place of those asked for.

    scores : (n,) increasing values of the distribution function at the outcomes set aside, as `score` gives them.
    """

    scores: np.ndarray

    def levels(self, taus: np.ndarray) -> np.ndarray:
        """Order statistics of the scores (t,): outward from the median, so that intervals hold their level; infinite beyond."""
        padded = np.concatenate([[-np.inf], self.scores, [np.inf]])
        n = len(self.scores)
        upper = [quantile_rank(n, max(t, 1 - t)) for t in taus]
        ranks = np.array([r if t > 0.5 else n + 1 - r for t, r in zip(taus, upper, strict=True)])
        return np.where(np.abs(taus - 0.5) < 1e-9, np.median(self.scores), padded[ranks])

    def shares(self, values: np.ndarray) -> np.ndarray:
        """Calibrated values of the distribution function (n,) for scores (n,)."""
        return np.searchsorted(self.scores, values, side="right") / (len(self.scores) + 1.0)

    def quantiles(self, fitted: FittedProcess, X: np.ndarray, taus: np.ndarray) -> np.ndarray:
        """Calibrated quantiles (n, t) at any levels; infinite where rows set aside are too few."""
        levels = self.levels(taus)
        ends, unit = _ends(fitted, X)
        q = fitted.rearranged(X, np.clip(levels, 0.0, 1.0))
        with np.errstate(invalid="ignore"):
            q = np.where(levels < 0.0, ends[:, :1] + levels * unit, q)
            return np.where(levels > 1.0, ends[:, 1:] + (levels - 1.0) * unit, q)


def score(fitted: FittedProcess, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Value of the distribution function at y (n,), shape (n,).

    Beyond the quantiles at 0 and 1 it goes on below 0 and above 1, by the distance in units of the interquartile range: a
    network that is too narrow still calibrates to finite quantiles.
    """
    ends, unit = _ends(fitted, X)
    below, above = ((y[:, None] - ends) / unit).T
    inside = np.clip(fitted.cdf(X, y), 0.0, 1.0)
    return np.where(below <= 0.0, below, np.where(above >= 0.0, 1.0 + above, inside))


def _ends(fitted: FittedProcess, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles at levels 0 and 1 (n, 2), and the interquartile range (n, 1), positive."""
    q = fitted.rearranged(X, np.array([0.0, 0.25, 0.75, 1.0]))
    return q[:, [0, 3]], np.maximum(q[:, [2]] - q[:, [1]], _NARROW * fitted.scale)


def calibrated(
    kind: str, fitted: FittedProcess, X: np.ndarray, y: np.ndarray, tau: np.ndarray
) -> PairShifts | LevelMap:
    """The calibration of a kind from rows X (n, p), y (n,) set aside."""
    if kind == "cqr":
        return PairShifts(tau, calibrate_split(FixedLevels(fitted, tau), X, y, None))
    return LevelMap(np.sort(score(fitted, X, y)))

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

    scores : (n,) increasing values of the distribution function at the outcomes set aside.
    """

    scores: np.ndarray

    def levels(self, taus: np.ndarray) -> np.ndarray:
        """Order statistics of the scores: outward from the median, so that intervals hold their level; 0 or 1 beyond them."""
        padded = np.concatenate([[0.0], self.scores, [1.0]])
        n = len(self.scores)
        upper = [quantile_rank(n, max(t, 1 - t)) for t in taus]
        ranks = np.array([r if t > 0.5 else n + 1 - r for t, r in zip(taus, upper, strict=True)])
        middle = np.median(self.scores)
        return np.where(np.abs(taus - 0.5) < 1e-9, middle, padded[ranks])

    def shares(self, values: np.ndarray) -> np.ndarray:
        """Calibrated values of the distribution function in place of the network's, each (n,)."""
        return np.searchsorted(self.scores, values, side="right") / (len(self.scores) + 1.0)

    def quantiles(self, fitted: FittedProcess, X: np.ndarray, taus: np.ndarray) -> np.ndarray:
        """Calibrated quantiles (n, t) at any levels; infinite where rows set aside are too few."""
        levels = self.levels(taus)
        q = fitted.rearranged(X, levels)
        q[:, levels <= 0.0], q[:, levels >= 1.0] = -np.inf, np.inf
        return q


def calibrated(
    kind: str, fitted: FittedProcess, X: np.ndarray, y: np.ndarray, tau: np.ndarray
) -> PairShifts | LevelMap:
    """The calibration of a kind from rows X (n, p), y (n,) set aside."""
    if kind == "cqr":
        return PairShifts(tau, calibrate_split(FixedLevels(fitted, tau), X, y, None))
    return LevelMap(np.sort(fitted.cdf(X, y)))

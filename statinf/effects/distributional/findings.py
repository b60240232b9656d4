"""What discontinuities of distributions answer with: bands over levels and tests of the whole curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend import row_blocks
from statinf.errors import OptionError
from statinf.findings import Finding
from statinf.frames import to_caller
from statinf.inference.weights import BLOCK, draw


@dataclass(frozen=True, repr=False)
class CurveBand(Finding):
    """The effect at each level, with a band that holds at all levels at once.

    Attributes
    ----------
    tau, estimate, std_error, lower, upper : ndarray, shape (m,)
    level : float
    critical : float
        Half width of the band: in standard errors if `studentize`, else in units of the outcome.
    replicas : int
    studentize : bool
    """

    tau: np.ndarray
    estimate: np.ndarray
    std_error: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    level: float
    critical: float
    replicas: int
    studentize: bool

    def tidy(self) -> Any:
        """One row per level: tau, estimate, std_error, band_low, band_high."""
        import pandas as pd

        columns = {"tau": self.tau, "estimate": self.estimate, "std_error": self.std_error}
        return to_caller(pd.DataFrame(columns | {"band_low": self.lower, "band_high": self.upper}), self.frame_kind)

    def __str__(self) -> str:
        unit = "standard errors" if self.studentize else "units of the outcome"
        return (
            f"{100 * self.level:g}% band over {len(self.tau)} levels: the estimate and {self.critical:.4g} {unit}, from "
            f"{self.replicas} replicas"
        )


@dataclass(frozen=True, repr=False)
class CurveTest(Finding):
    """A test of a whole curve by the multiplier bootstrap.

    Attributes
    ----------
    hypothesis : str
    statistic, p_value : float
    replicas : int
    """

    hypothesis: str
    statistic: float
    p_value: float
    replicas: int

    def __str__(self) -> str:
        return f"{self.hypothesis}: statistic {self.statistic:.4g}, p = {self.p_value:.4g} ({self.replicas} replicas)"


def perturbed(influence: np.ndarray, replicas: int, law: str, seed: int) -> np.ndarray:
    """What random multipliers of units make of the estimates, shape (replicas, m), for influence values (n, m)."""
    out = np.empty((replicas, influence.shape[1]))
    step = max(BLOCK, (row_blocks(replicas, len(influence))[0].stop // BLOCK) * BLOCK)
    for start in range(0, replicas, step):
        stop = min(start + step, replicas)
        out[start:stop] = draw("multiplier", len(influence), start, stop, seed, law) @ influence
    return out


def band_quantile(largest: np.ndarray, level: float) -> float:
    """The order statistic of a band of that level among replicas' largest deviations (B,)."""
    place = int(np.ceil(level * (len(largest) + 1) - 1e-9))
    if place > len(largest):
        enough = int(np.ceil(level / (1.0 - level) - 1e-9))
        raise OptionError(f"replicas={len(largest)} are too few for a band of level {level:g}; {enough} will do.")
    return float(np.sort(largest)[place - 1])


def share_beyond(reference: np.ndarray, statistic: float) -> float:
    """The p-value of a statistic among replicas (B,)."""
    return float((1 + np.count_nonzero(reference >= statistic)) / (len(reference) + 1))


def gini(curves: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Gini coefficients of quantile functions (k, m), carried on to 0 and 1 with their ends; NaN where the mean is not positive."""
    levels = np.r_[0.0, tau, 1.0]
    wide = np.concatenate([curves[:, :1], curves, curves[:, -1:]], axis=1)
    steps = np.diff(levels)
    pieces = (wide[:, 1:] + wide[:, :-1]) / 2.0 * steps
    mean = pieces.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        lorenz = np.concatenate([np.zeros((len(curves), 1)), np.cumsum(pieces, axis=1)], axis=1) / mean[:, None]
        area = ((lorenz[:, 1:] + lorenz[:, :-1]) / 2.0 * steps).sum(axis=1)
        return np.where(mean > 0, np.clip(1.0 - 2.0 * area, 0.0, 1.0), np.nan)


def deviations(values: np.ndarray, spread: np.ndarray | None) -> np.ndarray:
    """Largest absolute value over levels of values (B, m), in units of `spread` (m,) where it is given and positive."""
    if spread is not None:
        some = spread > 0
        values = values[:, some] / spread[some]
    return np.abs(values).max(axis=1, initial=0.0)


def centred(values: np.ndarray) -> np.ndarray:
    """Curves (B, m) less their means over levels."""
    return values - values.mean(axis=1, keepdims=True)

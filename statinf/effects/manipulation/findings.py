"""What `rd_density` results answer beside their test: shares near the cutoff, the plain jump, curves of the density."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import bdtr

from statinf.errors import OptionError
from statinf.findings import Finding
from statinf.frames import to_caller

_NEAR = 20
"""Rows that the smallest window holds on each side."""


@dataclass(frozen=True, repr=False)
class BinomialTest(Finding):
    """Exact tests that rows near the cutoff fall on either side with probability one half.

    Attributes
    ----------
    window : ndarray, shape (m,)
        Half widths.
    below, above : ndarray of int, shape (m,)
    p_value : ndarray, shape (m,)
    """

    window: np.ndarray
    below: np.ndarray
    above: np.ndarray
    p_value: np.ndarray

    def tidy(self) -> Any:
        """One row per window: window, below, above, p_value."""
        import pandas as pd

        columns = {name: getattr(self, name) for name in ("window", "below", "above", "p_value")}
        return to_caller(pd.DataFrame(columns), self.frame_kind)

    def __str__(self) -> str:
        return "\n".join(
            f"within {w:.6g}: {b} below and {a} above the cutoff, p = {p:.4g}"
            for w, b, a, p in zip(self.window, self.below, self.above, self.p_value, strict=True)
        )


def binomial_test(x: np.ndarray, window: float | Sequence[float] | None) -> BinomialTest:
    """Tests in windows around zero; by default ten, from the smallest with 20 rows on each side to its double."""
    if window is None:
        least = max(np.sort(np.abs(side))[_NEAR - 1] for side in (x[x < 0], x[x >= 0]))
        windows = np.linspace(least, 2.0 * least, 10)
    else:
        windows = np.atleast_1d(np.asarray(window, dtype=np.float64))
        if windows.ndim != 1 or not (np.isfinite(windows) & (windows > 0)).all():
            raise OptionError(f"window={window!r} is not a positive number or a list of them.")
    below = np.array([np.count_nonzero((x < 0) & (x >= -w)) for w in windows])
    above = np.array([np.count_nonzero((x >= 0) & (x <= w)) for w in windows])
    empty = windows[(below + above) == 0]
    if len(empty):
        raise OptionError(f"no rows lie within {empty[0]:g} of the cutoff; give a wider window=.")
    # The law is symmetric: both tails are alike, and meet in the middle.
    p = np.minimum(2.0 * bdtr(np.minimum(below, above), below + above, 0.5), 1.0)
    return BinomialTest(windows, below, above, p)


@dataclass(frozen=True, repr=False)
class ConventionalTest(Finding):
    """The jump by polynomials of the order that the bandwidth is best for, whose bias the error does not know of.

    Attributes
    ----------
    estimate, std_error, statistic, p_value : float
    """

    estimate: float
    std_error: float
    statistic: float
    p_value: float

    def __str__(self) -> str:
        return f"conventional jump {self.estimate:.6g} ({self.std_error:.4g}): z = {self.statistic:.4g}, p = {self.p_value:.4g}"


@dataclass(frozen=True, repr=False)
class SideDensities(Finding):
    """A density on both sides of a cutoff, with limits at each point.

    Attributes
    ----------
    running : str
    cutoff : float
    at, estimate, std_error : ndarray, shape (m,)
        Points of the running variable; the cutoff itself stands twice, first with the density below.
    above : ndarray of bool, shape (m,)
    half : float
        Half width of the limits, in standard errors.
    """

    running: str
    cutoff: float
    at: np.ndarray
    estimate: np.ndarray
    std_error: np.ndarray
    above: np.ndarray
    half: float

    def tidy(self) -> Any:
        """One row per point: the running variable, side, estimate, std_error, conf_low, conf_high."""
        import pandas as pd

        frame = pd.DataFrame(
            {
                self.running: self.at,
                "side": np.where(self.above, "above", "below"),
                "estimate": self.estimate,
                "std_error": self.std_error,
                "conf_low": self.estimate - self.half * self.std_error,
                "conf_high": self.estimate + self.half * self.std_error,
            }
        )
        return to_caller(frame, self.frame_kind)

    def __str__(self) -> str:
        below, above = self.estimate[~self.above][-1], self.estimate[self.above][0]
        return f"density of {self.running} at {self.cutoff:g}: {below:.6g} below, {above:.6g} above"

"""Proper scores of predicted quantiles: pinball loss, weighted interval score, CRPS, coverage, calibration.

Gneiting and Raftery (2007), Strictly proper scoring rules, prediction, and estimation; Bracher, Ray, Gneiting
and Reich (2021), Evaluating epidemic forecasts in an interval format. The weighted interval score is defined
as twice the mean pinball loss over the levels, which is the interval form where levels are symmetric with the
median, also when quantiles cross.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.errors import DataError, OptionError
from statinf.formula.design import Design
from statinf.results import Result, Table, to_caller


def pinball(y: np.ndarray, q: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Check loss of each row and level, shape (n, m).

    Parameters
    ----------
    y : (n,)
    q : (n, m)
    tau : (m,)
    """
    u = np.asarray(y)[:, None] - q
    return np.maximum(tau * u, (tau - 1.0) * u)


def interval_score(y: np.ndarray, low: np.ndarray, high: np.ndarray, level: float) -> np.ndarray:
    """Width plus 2 / (1 - level) times the distance by which the outcome is missed, shape (n,)."""
    penalty = 2.0 / (1.0 - level)
    return high - low + penalty * np.maximum(low - y, 0.0) + penalty * np.maximum(y - high, 0.0)


def weighted_interval_score(y: np.ndarray, q: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Twice the mean pinball loss over levels, shape (n,).

    Examples
    --------
    >>> import numpy as np
    >>> from statinf.quantile.scores import weighted_interval_score
    >>> tau = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
    >>> float(weighted_interval_score(np.array([0.7]), np.array([[-1.2, -0.4, 0.1, 0.9, 2.0]]), tau).round(3)[0])
    0.314
    """
    return 2.0 * pinball(y, q, tau).mean(axis=1)


def crps(y: np.ndarray, q: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Continuous ranked probability score: twice the integral of the pinball loss over levels, shape (n,).

    By the trapezoidal rule between the levels; beyond the outermost levels their loss is held constant.
    """
    loss = pinball(y, q, tau)
    edges = np.concatenate([[0.0], tau, [1.0]])
    padded = np.concatenate([loss[:, :1], loss, loss[:, -1:]], axis=1)
    return 2.0 * ((padded[:, 1:] + padded[:, :-1]) / 2.0 * np.diff(edges)).sum(axis=1)


def pit(y: np.ndarray, q: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Probability integral transform by linear interpolation between quantiles, 0 or 1 beyond them, shape (n,)."""
    out = np.empty(len(y))
    for i, row in enumerate(np.sort(q, axis=1)):
        out[i] = np.interp(y[i], row, tau, left=0.0, right=1.0)
    return out


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class QuantileScores(Result):
    """Scores of predicted quantiles on rows with recorded outcomes.

    Attributes
    ----------
    tau : ndarray, shape (m,)
    pinball, coverage : ndarray, shape (m,)
        Mean check loss, and share of outcomes at or below the quantile, by level.
    wis, crps : float
        Mean weighted interval score and mean continuous ranked probability score.
    crossing : float
        Share of neighbouring pairs of levels in the wrong order.
    interval_coverage, interval_width : dict of float to float
        Of the central intervals, by nominal coverage.
    pit : ndarray, shape (n,)
    """

    tau: np.ndarray
    pinball: np.ndarray
    coverage: np.ndarray
    wis: float
    crps: float
    crossing: float
    interval_coverage: dict[float, float]
    interval_width: dict[float, float]
    pit: np.ndarray
    kind: str = "pandas"

    def levels(self) -> Any:
        """One row per level: tau, pinball, coverage, in the caller's kind of data frame."""
        import pandas as pd

        return to_caller(pd.DataFrame({"tau": self.tau, "pinball": self.pinball, "coverage": self.coverage}), self.kind)

    def intervals(self) -> Any:
        """One row a central interval: level, coverage, mean width."""
        import pandas as pd

        frame = pd.DataFrame(
            {
                "level": self.interval_coverage.keys(),
                "coverage": self.interval_coverage.values(),
                "width": self.interval_width.values(),
            }
        )
        return to_caller(frame, self.kind)

    def summary(self) -> Table:
        rows = list(zip(self.tau, self.pinball, self.coverage, strict=True))
        facts = (
            ("Rows", str(self.nobs)),
            ("Weighted interval score", f"{self.wis:.5g}"),
            ("CRPS", f"{self.crps:.5g}"),
            ("Crossing pairs", f"{100 * self.crossing:.2g}%"),
        )
        named = [(f"{t:g}", loss, share) for t, loss, share in rows]
        return Table.of(("tau", "pinball loss", "coverage"), named, title="Scores of predicted quantiles", facts=facts)

    def plot(self, **options: Any) -> Any:
        """Calibration: coverage against the level, with the binomial band of perfect calibration."""
        from statinf.plotting.quantile import plot_calibration

        return plot_calibration(self.tau, self.coverage, self.nobs, **options)


def frame_weights(design: Design) -> np.ndarray:
    """Weights of the rows of the whole frame, shape (n_total,): zero where a row is not of the fit."""
    weights = np.zeros(design.n_total)
    weights[design.rows] = design.weights
    return weights


def score_quantiles(
    y: np.ndarray, q: np.ndarray, tau: np.ndarray, *, weights: np.ndarray | None = None, kind: str = "pandas"
) -> QuantileScores:
    """Score predicted quantiles; rows with a missing outcome or prediction, or no weight, are left out.

    Parameters
    ----------
    y : ndarray, shape (n,)
    q : ndarray, shape (n, m)
    tau : ndarray, shape (m,)
        Increasing.
    weights : ndarray, shape (n,), optional
        Of the rows in every mean.
    kind : str
        Kind of data frame that tables come back in.
    """
    y, q, tau = np.asarray(y, float), np.asarray(q, float), np.asarray(tau, float)
    if q.shape != (len(y), len(tau)):
        raise OptionError(f"{q.shape} predicted quantiles for {len(y)} outcomes and {len(tau)} levels.")
    w = np.ones(len(y)) if weights is None else weights
    used = np.isfinite(y) & np.isfinite(q).all(axis=1) & (w > 0)
    if not used.any():
        raise DataError("no row has both a recorded outcome and predicted quantiles.")
    y, q = y[used], q[used]
    mean = partial(np.average, axis=0, weights=w[used])
    cover, width = {}, {}
    for low in np.flatnonzero(tau < 0.5 - 1e-9):
        high = np.flatnonzero(np.abs(tau - (1.0 - tau[low])) < 1e-9)
        if len(high):
            level = round(1.0 - 2.0 * float(tau[low]), 9)
            cover[level] = float(mean((y >= q[:, low]) & (y <= q[:, high[0]])))
            width[level] = float(mean(q[:, high[0]] - q[:, low]))
    return QuantileScores(
        method="scores of quantiles",
        formula="",
        citation="Gneiting and Raftery (2007); Bracher et al. (2021)",
        nobs=len(y),
        tau=tau,
        pinball=mean(pinball(y, q, tau)),
        coverage=mean(y[:, None] <= q),
        wis=float(mean(weighted_interval_score(y, q, tau))),
        crps=float(mean(crps(y, q, tau))),
        crossing=float(mean(np.diff(q, axis=1) < 0).mean()) if len(tau) > 1 else 0.0,
        interval_coverage=cover,
        interval_width=width,
        pit=pit(y, q, tau),
        kind=kind,
    )

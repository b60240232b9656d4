"""Covariances under dependence: in time (HAC), within the times of a panel (Driscoll and Kraay), in space (Conley).

Newey and West (1987); Andrews (1991); Driscoll and Kraay (1998), Review of Economics and Statistics 80; Conley (1999),
Journal of Econometrics 92; Hsiang (2010) for space and time together. All are sums of products of scores, with the weights
that were estimated accounted for, so they exist for every estimator whose scores are those of the rows.

With `adjust` (the default where weights were not estimated) the covariance has the factor of fixest: (n - 1) / (n - k) times
T / (T - 1) for T times, which is n / (n - k) for one series as in Stata's newey and R's sandwich with adjust=TRUE; n / (n - k)
in space. Times count by their order: a time that no row has does not count as a lag.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import DataError, NotIdentifiedError
from statinf.inference.clusters import RowClusters, cluster_sums
from statinf.inference.covariance import Covariance
from statinf.inference.moments import Moments, small_sample
from statinf.inference.roots import matrix_root, repaired
from statinf.inference.serial import (
    andrews_bandwidth,
    lag_weights,
    long_run,
    newey_west_bandwidth,
    panel_sums,
    prewhitened,
)

_KERNELS = {
    "bartlett": "Bartlett",
    "parzen": "Parzen",
    "quadratic-spectral": "quadratic spectral",
    "uniform": "uniform",
}
_RULES = {"newey-west": "Newey-West bandwidth", "andrews": "Andrews bandwidth"}


@dataclass(frozen=True)
class ScoreRows:
    """Scores of the rows of positive weight.

    Attributes
    ----------
    whitened : ndarray, shape (n, r)
        With the inner factor of the bread applied.
    moments : Moments
    seen : slice or ndarray of bool
    columns : mapping of str to ndarray, shape (n,)
    """

    whitened: np.ndarray
    moments: Moments
    seen: Any
    columns: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, moments: Moments, kind: Mapping[str, Any], clusters: Mapping[str, np.ndarray]) -> ScoreRows:
        if moments.outside is not None:
            raise NotIdentifiedError(
                f"the covariance {next(iter(kind))!r} does not exist with weights that rows outside of the fit helped to estimate: "
                "their place in time or space is not among those of the fit. Make the weights on the rows of the fit, or use "
                "vcov='HC0'."
            )
        seen = slice(None) if moments.observed is None else moments.observed
        found = clusters.columns if isinstance(clusters, RowClusters) else clusters
        names = [kind[key] for key in ("time", "unit", "latitude", "longitude") if key in kind]
        inside = moments.split[0]
        whitened = np.dot(inside.T, moments.total[seen].T).T
        return cls(whitened, moments, seen, {name: np.asarray(found[name])[seen] for name in names})

    def codes(self, name: str) -> np.ndarray:
        """Codes from 0 without gaps, in the column's order."""
        return np.unique(self.columns[name], return_inverse=True)[1]

    def as_given(self) -> tuple[np.ndarray, np.ndarray]:
        """Scores of the columns as given, shape (n, q), and which of them automatic bandwidths count, shape (q,)."""
        m = self.moments
        scores = m.total[self.seen]
        scores = scores if m.as_given is None else scores @ m.as_given
        counted = np.ones(m.q)
        if m.columns is not None and m.q > 1:
            columns = m.columns[self.seen]
            counted[(columns == columns[:1]).all(axis=0)] = 0.0
        return scores, counted if counted.any() else np.ones(m.q)


def under_dependence(
    moments: Moments, kind: Mapping[str, Any], clusters: Mapping[str, np.ndarray], *, normal: bool
) -> Covariance:
    """The covariance of a spelling under dependence, in normal form.

    Parameters
    ----------
    moments : Moments
    kind : mapping
    clusters : mapping of str to ndarray, shape (n,)
        Codes of times and units in their order, and coordinates in degrees.
    normal : bool
        Whether tables use the normal distribution.

    Raises
    ------
    DataError
        If times repeat within a series or a unit, or coordinates are no places on the earth.
    NotIdentifiedError
        If it does not exist for this estimator.
    """
    if "hac" in kind and moments.copies is not None and (moments.copies > 1.0).any():
        raise NotIdentifiedError(
            "a row that stands for several equal ones (weights_kind='frequency') has no place of its own in a series; use "
            "'driscoll-kraay', which sums over the rows of a time, or clusters."
        )
    rows = ScoreRows.of(moments, kind, clusters)
    df = np.inf if normal else float(moments.df_resid)
    if "conley" in kind:
        from statinf.inference.space import conley_meat

        meat, label = conley_meat(rows.whitened, kind, rows.columns)
        times = None
    elif "driscoll-kraay" in kind:
        meat, label, times = _driscoll_kraay(rows, kind)
        df = np.inf if normal else times - 1.0
    elif "unit" in kind:
        meat, label, times = _panel(rows, kind)
    else:
        meat, label, times = _series(rows, kind)
    adjust = kind.get("adjust", moments.adjustment is None)
    if adjust:
        meat = meat * _factor(moments, times)
    meat, mended = repaired(0.5 * (meat + meat.T))
    label += "" if adjust else ", no small-sample factor"
    label += ", made positive semi-definite" if mended else ""
    outside = moments.split[1]
    matrix = outside @ meat @ outside.T
    return Covariance(0.5 * (matrix + matrix.T), dict(kind), label, df, outside @ matrix_root(meat))


def _factor(moments: Moments, times: int | None) -> float:
    if times is None:
        return small_sample(moments.nobs, moments.df_resid)
    return small_sample(moments.nobs - 1.0, moments.df_resid) * times / (times - 1.0)


def _series(rows: ScoreRows, kind: Mapping[str, Any]) -> tuple[np.ndarray, str, int]:
    codes = rows.codes(kind["time"])
    if int(codes.max()) + 1 < len(codes):
        raise DataError(
            f"the time column '{kind['time']}' has the same value in several rows, so that they are not one series: name the "
            "units with 'unit': 'column', or use {'driscoll-kraay': lags, 'time': ...}, where all rows of a time may be correlated."
        )
    order = np.argsort(codes)
    scores, counted = rows.as_given() if kind["hac"] in _RULES else (rows.whitened, np.empty(0))
    meat, told = _smoothed(rows.whitened[order], scores[order], counted, kind, kind["hac"])
    return meat, f"HAC in {kind['time']} ({told})", len(codes)


def _driscoll_kraay(rows: ScoreRows, kind: Mapping[str, Any]) -> tuple[np.ndarray, str, int]:
    codes = rows.codes(kind["time"])
    times = int(codes.max()) + 1
    _check_times(times, kind["time"])
    scores, counted = rows.as_given() if kind["driscoll-kraay"] in _RULES else (np.empty((len(codes), 0)), np.empty(0))
    sums = cluster_sums(scores, codes) if scores.shape[1] else np.empty((times, 0))
    meat, told = _smoothed(cluster_sums(rows.whitened, codes), sums, counted, kind, kind["driscoll-kraay"])
    return meat, f"Driscoll-Kraay in {kind['time']} ({told})", times


def _smoothed(
    series: np.ndarray, scores: np.ndarray, counted: np.ndarray, kind: Mapping[str, Any], asked: Any
) -> tuple[np.ndarray, str]:
    """Long-run sum of a series in the order of time, and what tables say of it."""
    name, order, n = kind.get("kernel", "bartlett"), int(kind.get("prewhite", 0)), len(series)
    if asked in _RULES:
        rule = newey_west_bandwidth if asked == "newey-west" else andrews_bandwidth
        bandwidth = rule(scores, counted, name, order)
        if asked == "newey-west" and name == "bartlett":
            bandwidth = np.floor(bandwidth) + 1.0
        told = f"{_RULES[asked]} {bandwidth:.4g}"
    else:
        lags = _fourth_root(n) if asked == "auto" else asked
        bandwidth, told = lags + 1.0, _lags(lags)
    left, colour = prewhitened(series, order) if order else (series, None)
    meat = long_run(left, lag_weights(name, bandwidth, len(left)))
    told = f"{_KERNELS[name]} kernel, {told}{f', prewhitened by {_lags(order)}' if order else ''}"
    return meat if colour is None else colour @ meat @ colour.T, told


def _panel(rows: ScoreRows, kind: Mapping[str, Any]) -> tuple[np.ndarray, str, int]:
    """Sums over units of the long-run sums within them."""
    time, unit = rows.codes(kind["time"]), rows.codes(kind["unit"])
    times = int(time.max()) + 1
    _check_times(times, kind["time"])
    name = kind.get("kernel", "bartlett")
    asked = _fourth_root(times) if kind["hac"] == "auto" else kind["hac"]
    weights = lag_weights(name, asked + 1.0, times)
    width = times + len(weights)
    key = unit * width + time
    order = np.argsort(key, kind="stable")
    key, scores = key[order], rows.whitened[order]
    twice = np.flatnonzero(key[1:] == key[:-1])
    if len(twice):
        raise DataError(
            f"a unit of '{kind['unit']}' has several rows of one time of '{kind['time']}' ({len(twice)} rows too many); lags need "
            "one row a unit and time. Aggregate them, or cluster by the unit: vcov={'cluster': ...}."
        )
    label = f"HAC in {kind['time']} within {kind['unit']} ({_KERNELS[name]} kernel, {_lags(asked)})"
    return panel_sums(scores, key, weights), label, times


def _check_times(times: int, name: str) -> None:
    if times < 2:
        raise DataError(f"the time column '{name}' has one value; dependence over time needs at least two.")


def _fourth_root(times: int) -> int:
    return int(times**0.25)


def _lags(lags: int) -> str:
    return f"{lags} lag{'' if lags == 1 else 's'}"

"""Density ratio by calibration: weights that match the target's means exactly.

Hainmueller (2012, Political Analysis 20), whose entropy balancing is the raking of Deville and Särndal (1992, Journal of
the American Statistical Association 87): the weights closest to those at the start, by a distance, under which the
source's means of the formula's columns are the target's. With the raking distance they are exp(a + x'l), the ratio itself
where that is log-linear. The tilt l and its constant solve moment equations in both samples, whence the influence values;
means that are known move nothing, and what is left are the residuals of survey calibration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import ConvergenceError, DataError, InfeasibleError, OptionError
from statinf.numerics.linear.factors import triangular_factor
from statinf.numerics.linear.reduction import independent_columns
from statinf.numerics.rowwise.sums import ScaledRows
from statinf.numerics.tilting.distances import DISTANCES, Distance, DistanceSolution, calibrate
from statinf.results.options import Options, choice, count, number, value
from statinf.shifts.distinct import Distinct
from statinf.shifts.logistic import LogLinear
from statinf.shifts.moment_hull import WantedMeans, check_hull, check_ranges
from statinf.shifts.ratio_estimate import RatioEstimate, RatioMethod
from statinf.shifts.samples import Samples
from statinf.shifts.scaling import Scaling

CLEAR = 1e-6
"""Least eigenvalue of the columns' correlations from which none can be one that the others determine."""


def check_bounds(name: str, given: Any) -> tuple[float, float]:
    """The least and the largest ratio."""
    try:
        low, high = ((-np.inf, np.inf)[k] if v is None else float(v) for k, v in enumerate(given))
    except (TypeError, ValueError):
        low, high = np.nan, np.nan
    if isinstance(given, str) or not isinstance(given, Sequence | np.ndarray) or not 0.0 <= max(low, 0.0) < 1.0 < high:
        raise OptionError(
            f"{name}={given!r}: give the least and the largest ratio, (low, high) with 0 <= low < 1 < high."
        )
    return max(low, 0.0), high


@dataclass(frozen=True, kw_only=True)
class MomentOptions(Options):
    """Options of calibration."""

    distance: str = choice(
        "raking", DISTANCES, "from the starting weights: Kullback-Leibler, squared, or a logit between the bounds"
    )
    bounds: Any = value(
        None,
        "least and largest ratio of the weights to those at the start",
        "a pair (low, high) around 1",
        check_bounds,
    )
    tol: float = number(1e-12, "largest gap of a mean, in standard deviations", low=0, high=1, open_low=True)
    max_iter: int = count(200, "most evaluations of the dual")

    def check(self) -> None:
        if self.distance == "logit" and (self.bounds is None or self.bounds[1] == np.inf):
            raise OptionError("distance='logit' needs two finite bounds, such as bounds=(0.3, 3).")

    @property
    def curve(self) -> Distance:
        """The distance with its bounds."""
        return Distance(self.distance, *(self.bounds or (-np.inf, np.inf)))


@dataclass(frozen=True, repr=False)
class CalibratedRatio(LogLinear):
    """The ratio F(constant + (x - centre)'slope) of a distance.

    Attributes
    ----------
    distance : str
    low, high : float
    """

    distance: str = "raking"
    low: float = -np.inf
    high: float = np.inf

    def curve(self, u: np.ndarray) -> np.ndarray:
        return Distance(self.distance, self.low, self.high).ratio(u)


def estimate(samples: Samples, options: MomentOptions) -> RatioEstimate:
    """Solve for the tilt on centred and scaled columns.

    Raises
    ------
    DataError
        If there are as many columns as source rows.
    InfeasibleError
        If the target's means lie outside the convex hull of the source rows.
    """
    n, p = len(samples.at_source), len(samples.names)
    if p >= n:
        raise DataError(
            f"{p} means to match with {n} source rows: the weights are not determined. Use fewer columns, or a kernel "
            "method (method='kmm' or 'ulsif')."
        )
    scaling, rows = samples.scaling, samples.distinct
    share = samples.wt / samples.wt.sum()
    zt = scaling.apply(samples.xt)
    mean = share @ zt
    kept = _independent(rows, scaling)
    _check_aliased(samples, scaling.apply(rows.x) if not kept.all() else None, kept, mean)
    # Standard deviations about the target's mean, from those about the source's.
    centre, (first, second) = scaling.centre + mean * scaling.spread, _about(samples, rows, scaling)
    scale = np.sqrt(second - 2.0 * mean * first + mean**2)[kept]
    x = rows.x if kept.all() else rows.x[:, kept]
    scaled = ScaledRows(x, centre[kept], scale * scaling.spread[kept], intercept=True)
    distance = options.curve
    names = [name for name, k in zip(samples.names, kept, strict=True) if k]
    solved = _solve(samples, scaled, rows.w, names, distance, options)
    _, ratio, steep = distance.all(solved.predictor)
    _refuse_negative(rows.spread(ratio))
    slope = np.zeros(p)
    slope[kept] = solved.slope[1:] / scale
    rule = LogLinear.of(rows.x, float(solved.slope[0]), slope / scaling.spread, centre, np.append(True, kept))
    if distance != Distance("raking"):
        rule = CalibratedRatio(**vars(rule), distance=distance.name, low=distance.low, high=distance.high)
    expansion = _Expansion(samples, scaled, ratio, steep)
    return RatioEstimate(
        rule,
        rows.spread(ratio),
        told(distance),
        derivative=expansion.derivative,
        influence=expansion.influence,
        other_influence=None
        if samples.target.known is not None
        else expansion.target_influence(((zt - mean)[:, kept] / scale) * share[:, None]),
        facts={"moments matched": int(kept.sum()), "iterations": solved.iterations},
    )


@dataclass(frozen=True, repr=False)
class _Expansion(Brief):
    """The parameters' influence, made when errors are asked for.

    Parameters are the constant and the tilt, for columns around a fixed centre where the target's mean is. Where that mean
    is estimated its error moves the tilt.
    """

    samples: Samples
    columns: ScaledRows
    ratio: np.ndarray
    steep: np.ndarray

    @cached_property
    def full(self) -> np.ndarray:
        return self.columns.matrix()

    @cached_property
    def inverse(self) -> np.ndarray:
        rows = self.samples.distinct
        return np.linalg.pinv(self.full.T @ (self.full * (rows.w * self.steep)[:, None]), hermitian=True)

    def derivative(self) -> np.ndarray:
        return self.samples.distinct.spread(self.full * self.steep[:, None])

    def influence(self) -> np.ndarray:
        scores = np.column_stack([self.ratio - 1.0, self.full[:, 1:] * self.ratio[:, None]])
        return -self.samples.distinct.spread(scores @ self.inverse) * self.samples.ws[:, None]

    def target_influence(self, gaps: np.ndarray) -> np.ndarray:
        """Of target rows whose share of the mean's error is `gaps`, shape (m, k)."""
        return (gaps * float(self.samples.distinct.w @ self.ratio)) @ self.inverse[1:]


def _about(samples: Samples, rows: Distinct, scaling: Scaling) -> tuple[np.ndarray, np.ndarray]:
    """First and second moments of the scaled columns over the source, shape (p,) each."""
    p = rows.x.shape[1]
    if samples.target.known is not None:  # whose scaling is by the source
        return np.zeros(p), np.ones(p)
    share = rows.w / rows.w.sum()
    z = scaling.apply(rows.x)
    return share @ z, share @ z**2


def _independent(rows: Distinct, scaling: Scaling) -> np.ndarray:
    """Columns that the constant and those before them do not determine, shape (p,) of bool."""
    n, p = rows.x.shape
    columns = ScaledRows(rows.x, scaling.centre, scaling.spread, intercept=True)
    share = rows.w / rows.w.sum()

    def weigh(eta: np.ndarray, at: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return share[at], share[at], share[at]

    products = columns.sums(np.zeros(p + 1), weigh)[2]
    size = np.sqrt(np.diag(products))
    if size.min() > 0 and np.linalg.eigvalsh(products / np.outer(size, size))[0] > CLEAR:
        return np.ones(p, dtype=bool)
    full = np.column_stack([np.ones(n), scaling.apply(rows.x)])
    return independent_columns(triangular_factor(full), p + 1)[1:]


def told(distance: Distance) -> dict[str, Any]:
    """What the summary says of a distance; nothing of plain raking."""
    told: dict[str, Any] = {} if distance.name == "raking" else {"distance": distance.name}
    ends = {"least ratio": distance.low, "largest ratio": distance.high}
    return told | {name: end for name, end in ends.items() if np.isfinite(end)}


def _solve(
    samples: Samples, rows: ScaledRows, w: np.ndarray, names: list[str], distance: Distance, options: MomentOptions
) -> DistanceSolution:
    low, high = ((end - rows.centre) / rows.scale for end in (rows.x.min(axis=0), rows.x.max(axis=0)))
    wanted = WantedMeans.of(samples)
    check_ranges(wanted, low, high, names, distance)
    found = calibrate(rows, w, distance, tol=options.tol, max_iter=options.max_iter)
    if found.converged:
        return found
    check_hull(wanted, rows.matrix()[:, 1:], w, names, distance)
    raise ConvergenceError(
        f"the calibration did not converge (largest moment error {found.residual:.2e} standard deviations); the target's "
        "means lie close to the edge of what the source can wanted. Use fewer columns, wider bounds= or method='kmm'."
    )


def _refuse_negative(ratio: np.ndarray) -> None:
    check_sign(int(np.count_nonzero(ratio < 0)), len(ratio), float(ratio.min()))


def check_sign(negative: int, rows: int, least: float) -> None:
    """Refuse ratios of which some are negative.

    Raises
    ------
    InfeasibleError
    """
    if negative:
        raise InfeasibleError(
            f"{negative} of {rows} weights would be negative (least ratio {least:.4g}) with distance='linear' "
            "without bounds; give bounds=(0, None), or use distance='raking'."
        )


def _check_aliased(samples: Samples, columns: np.ndarray | None, kept: np.ndarray, mean: np.ndarray) -> None:
    """A column that others determine in the source must be determined alike in the target's means."""
    if columns is None:
        return
    basis = np.concatenate([[True], kept])
    left = np.column_stack([np.ones(len(columns)), columns[:, kept]])
    coefficients = np.linalg.lstsq(left, columns[:, ~kept], rcond=None)[0]
    implied = np.concatenate([[1.0], mean])[basis] @ coefficients
    check_gaps(samples.names, kept, np.abs(implied - mean[~kept]))


def check_gaps(names: Sequence[str], kept: np.ndarray, gap: np.ndarray) -> None:
    """Refuse means of columns that others determine, in gaps (p - k,) of their standard deviations from what these make."""
    if (gap > 1e-8).any():
        guilty = [name for name, k in zip(names, kept, strict=True) if not k]
        raise InfeasibleError(
            f"other columns determine {', '.join(map(repr, guilty))} in the source but not in the target: no weights match "
            "these means. Leave them out."
        )


METHOD = RatioMethod(
    verb="density_ratio",
    name="moment",
    estimate=estimate,
    options=MomentOptions,
    known_margins=True,
    drawn=False,
    summary="calibration: the weights closest to equal under which the source has the target's means, of a sample or known",
    citation="Deville and Särndal (1992); Hainmueller (2012)",
    guarantee="matches the target's means exactly; stacked standard errors downstream",
    vignette="covariate-shift",
)

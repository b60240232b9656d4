"""Confidence limits and regions of an averaged fit, by the law that belongs to its inference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from statinf.errors import NotIdentifiedError, OptionError, check_level, one_of
from statinf.inference import sup_t_critical
from statinf.stochastic.covariance import scaling_critical
from statinf.stochastic.regions import INTERVALS, REGIONS, Region, draw_intervals, draw_region, normal_region

if TYPE_CHECKING:
    from statinf.stochastic.fit import StochasticFit


def limits(fit: StochasticFit, level: float, interval: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper limits of every coefficient, shape (q,) each; NaN for those that no row moved."""
    check_level(level)
    kind = interval or fit.interval
    one_of("ci", kind, INTERVALS)
    low, high = np.full(len(fit.theta), np.nan), np.full(len(fit.theta), np.nan)
    ok = fit.estimable
    if not ok.any():
        return low, high
    if fit.inference == "multiplier":
        low[ok], high[ok] = draw_intervals(fit.theta[ok], fit.replica_draws(), level, kind).T
        return low, high
    if interval in ("basic", "percentile"):
        raise OptionError(
            f"ci={interval!r} needs replicas; inference={fit.inference!r} gives 'normal' and 'simultaneous'."
        )
    half = critical(fit, level, kind) * fit.std_errors.to_numpy()
    return fit.theta - half, fit.theta + half


def critical(fit: StochasticFit, level: float, kind: str) -> float:
    """How many standard errors a limit is away from the estimate, where it does not come from replicas."""
    if fit.inference == "random-scaling":
        if kind == "simultaneous":
            raise OptionError("ci='simultaneous' is not known for random scaling; use another inference.")
        return scaling_critical(level)
    if kind == "simultaneous":
        return sup_t_critical(fit.cov.matrix, level)
    from scipy.special import ndtri

    return float(ndtri(0.5 + level / 2.0))


def joint_region(fit: StochasticFit, kind: str, level: float, terms: Sequence[str] | None) -> Region:
    """See `StochasticFit.region`."""
    one_of("region", kind, REGIONS)
    index = chosen(fit, terms)
    if fit.inference == "random-scaling":
        raise NotIdentifiedError("random scaling has no region here; use fit.with_vcov('plugin') or replicas.")
    among = np.cumsum(fit.estimable)[index] - 1
    if fit.inference == "multiplier":
        return draw_region(fit.theta[index], fit.replica_draws()[:, among], level, kind)
    return normal_region(fit.theta[index], fit.cov.matrix[np.ix_(among, among)], level, kind)


def chosen(fit: StochasticFit, terms: Sequence[str] | None) -> np.ndarray:
    """Numbers of the coefficients named, all that are there by default."""
    if terms is None:
        return np.flatnonzero(fit.estimable)
    for term in terms:
        one_of("terms", term, fit.terms)
    index = np.array([fit.terms.index(t) for t in terms])
    if not fit.estimable[index].all():
        raise NotIdentifiedError("the region involves a coefficient that no row moved.")
    return index

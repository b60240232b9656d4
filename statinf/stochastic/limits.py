"""Confidence limits and regions of an averaged fit, by the law that belongs to its inference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from statinf.errors import NotIdentifiedError, OptionError, check_level, one_of
from statinf.inference import sup_t_critical
from statinf.stochastic.covariance import scaling_critical, scaling_tail
from statinf.stochastic.regions import KINDS, REGIONS, Region, draw_intervals, draw_region, normal_region
from statinf.stochastic.sequential import mixture_rho, sequential_critical, sequential_p_values

if TYPE_CHECKING:
    from statinf.stochastic.fit import StochasticFit


def limits(fit: StochasticFit, level: float, interval: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper limits of every coefficient, shape (q,) each; NaN for those that no row moved."""
    check_level(level)
    kind = interval or fit.interval
    one_of("ci", kind, KINDS)
    low, high = np.full(len(fit.theta), np.nan), np.full(len(fit.theta), np.nan)
    ok = fit.estimable
    if not ok.any():
        return low, high
    if fit.inference == "multiplier" and kind != "sequential":
        low[ok], high[ok] = draw_intervals(fit.theta[ok], fit.replica_draws(), level, kind).T
        return low, high
    if interval in ("basic", "percentile"):
        raise OptionError(
            f"ci={interval!r} needs replicas; inference={fit.inference!r} gives 'normal' and 'simultaneous'."
        )
    half = critical(fit, level, kind) * fit._se()
    return fit.theta - half, fit.theta + half


def critical(fit: StochasticFit, level: float, kind: str) -> float:
    """How many standard errors a limit is away from the estimate, where it does not come from replicas."""
    if kind == "sequential":
        _check_sequential(fit)
        return float(sequential_critical(fit.averaged, mixture_rho(fit.run.settings.look, level), level))
    if fit.inference == "random-scaling":
        if kind == "simultaneous":
            raise OptionError("ci='simultaneous' is not known for random scaling; use another inference.")
        return scaling_critical(level)
    if kind == "simultaneous":
        return sup_t_critical(fit.cov.matrix, level)
    from scipy.special import ndtri

    return float(ndtri(0.5 + level / 2.0))


def _check_sequential(fit: StochasticFit) -> None:
    if fit.inference == "random-scaling":
        raise NotIdentifiedError(
            "sequential intervals need a variance, random scaling studentises: use fit.with_vcov('plugin')."
        )


def p_values(fit: StochasticFit, level: float = 0.95) -> np.ndarray | None:
    """P-values of zero coefficients by a law other than the normal one, shape (q,); None where that is the law.

    Those of a sequence have its rho at the level, at which both decide alike.
    """
    if fit.interval == "sequential":
        _check_sequential(fit)
        return sequential_p_values(fit.statistics, fit.averaged, mixture_rho(fit.run.settings.look, level))
    if fit.inference == "random-scaling":
        return np.array([scaling_tail(abs(t)) if np.isfinite(t) else np.nan for t in fit.statistics])
    return None


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

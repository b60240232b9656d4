"""Limits that hold for several effects at once, by the multiplier bootstrap of units' influence values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.backend.seeds import check_seed
from statinf.effects.did.influence import UnitInfluence
from statinf.errors import check_level, one_of
from statinf.formula.design import Design
from statinf.inference.bands import sup_t_critical
from statinf.inference.bootstrap import LAWS, check_replicas, one_step
from statinf.inference.distributions import t_quantile

if TYPE_CHECKING:
    from statinf.results.estimated import Estimated


def uniform_critical(
    fit: Estimated,
    units: UnitInfluence | None,
    design: Design | None,
    *,
    which: slice = slice(None),
    level: float,
    replicas: int,
    law: str,
    seed: int,
) -> float:
    """Critical value, in standard errors: quantile of the largest absolute perturbed effect over its standard error.

    Parameters
    ----------
    fit : Estimated
        Its own bootstrap draws are used where it has some.
    units : UnitInfluence or None
        Of its coefficients; without them, as in a saved fit, and for clusters of several kinds, the effects are drawn from
        their joint normal distribution.
    design : Design or None
    which : slice
        Coefficients that the band is for.
    level : float
    replicas, law, seed
        Of the multiplier bootstrap; clusters are drawn where the covariance is clustered.
    """
    check_level(level)
    check_replicas(replicas)
    one_of("law", law, LAWS)
    check_seed(seed)
    error = fit._se()[which]
    moving = error > 0
    if not moving.any():
        return float("nan")
    names = [] if units is None else _clusters(fit.cov.kind, units.id)
    if fit.draws is not None:
        drawn = (fit.draws.draws - fit.theta)[:, which][:, moving] / error[moving]
    elif units is None or design is None or len(names) > 1:
        return sup_t_critical(fit.cov.matrix[which, which], level, seed=seed)
    else:
        codes = units.codes(design, names[0]) if names else None
        values = units.values[:, which][:, moving] / error[moving]
        drawn = one_step(np.zeros(values.shape[1]), values, replicas=replicas, seed=seed, law=law, clusters=codes).draws
    found = float(np.quantile(np.abs(drawn).max(axis=1), level, method="higher"))
    # One effect alone, or draws that happen to be short: a band is never inside the pointwise limits.
    return max(found, float(t_quantile(0.5 + level / 2.0, np.inf)))


def _clusters(kind: Any, id: str) -> list[str]:
    """Columns that a covariance in normal form clusters by, beside the units' own."""
    if not isinstance(kind, Mapping):
        return []
    names = [kind["cluster"]] if isinstance(kind["cluster"], str) else list(kind["cluster"])
    return [] if names == [id] else names


def limits(estimate: np.ndarray, error: np.ndarray, level: float, critical: float) -> dict[str, np.ndarray]:
    """Columns estimate, std_error, conf_low, conf_high, band_low, band_high."""
    half = float(t_quantile(0.5 + level / 2.0, np.inf)) * error
    wide = critical * error
    return {
        "estimate": estimate,
        "std_error": error,
        "conf_low": estimate - half,
        "conf_high": estimate + half,
        "band_low": estimate - wide,
        "band_high": estimate + wide,
    }

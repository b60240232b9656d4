"""Limits that hold for several effects at once, by the multiplier bootstrap of units' influence values."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.backend.seeds import check_seed
from statinf.effects.did.influence import UnitInfluence
from statinf.errors import check_level, one_of
from statinf.formula.design import Design
from statinf.inference.bootstrap import LAWS, check_replicas, one_step
from statinf.inference.clusters import intersect
from statinf.inference.distributions import t_quantile


def uniform_critical(
    units: UnitInfluence, design: Design, kind: Any, error: np.ndarray, level: float, replicas: int, law: str, seed: int
) -> float:
    """Critical value, in standard errors: quantile of the largest absolute perturbed effect over its standard error.

    Parameters
    ----------
    units : UnitInfluence
        Of k effects.
    design : Design
    kind : str or mapping
        Of the fit's covariance; clusters are drawn where it has one kind of them.
    error : ndarray, shape (k,)
        Standard errors; effects without one do not count.
    level : float
    replicas, law, seed
        Of the bootstrap.
    """
    check_level(level)
    check_replicas(replicas)
    one_of("law", law, LAWS)
    check_seed(seed)
    codes = None
    if isinstance(kind, dict) and kind["cluster"] not in (units.id, [units.id]):
        names = [kind["cluster"]] if isinstance(kind["cluster"], str) else list(kind["cluster"])
        codes = intersect([units.codes(design, name) for name in names[:1]])
    moving = error > 0
    if not moving.any():
        return float("nan")
    values = units.values[:, moving] / error[moving]
    drawn = one_step(np.zeros(values.shape[1]), values, replicas=replicas, seed=seed, law=law, clusters=codes).draws
    found = float(np.quantile(np.abs(drawn).max(axis=1), level, method="higher"))
    # One effect alone, or draws that happen to be short: a band is never inside the pointwise limits.
    return max(found, float(t_quantile(0.5 + level / 2.0, np.inf)))


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

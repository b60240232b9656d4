"""Warnings about a finished run that say what to change."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from statinf.errors import NumericalWarning, issue_warning
from statinf.stochastic import reach
from statinf.stochastic.estimates import Estimates
from statinf.stochastic.settings import Settings


def warn_reach(inference: str, settings: Settings, diagnosed: Mapping[str, float]) -> None:
    """Warn where an inference was found to cover less than it says, by the table in `reach.py`."""
    if settings.temporal:
        said = reach.too_short(inference, diagnosed["averaged"], diagnosed["relaxations"], settings.along)
    else:
        said = reach.too_few(inference, settings.loss, settings.tau, int(diagnosed["averaged"]))
    if said:
        issue_warning(said, NumericalWarning)


def _inflation(found: Estimates) -> float:
    """Median over coefficients of the replicas' standard deviation over the plug-in's; 1 without replicas or noise."""
    if "multiplier" not in found.covariances:
        return 1.0
    ours, plugin = (np.diag(found.covariances[name]) for name in ("multiplier", "plugin"))
    noisy = plugin > 0.0
    return float(np.median(np.sqrt(ours[noisy] / plugin[noisy]))) if noisy.any() else 1.0


def warn_about(found: Estimates, settings: Settings) -> None:
    """Warnings that say what to change."""
    gap, se, root = found.gap
    with np.errstate(invalid="ignore", divide="ignore"):
        far = np.where(se > 0.0, gap / se, 0.0)
    if not settings.adaptive and np.nanmax(far, initial=0.0) > 3.0 and settings.loss != "quantile":
        j = int(np.nanargmax(far))
        issue_warning(
            f"coefficient {j + 1} is {far[j]:.2g} standard errors away from the root of the equations of the "
            f"{found.state.done} rows ({found.theta[j]:.5g}, the root is near {root[j]:.5g}): the average has not converged. "
            "Give more rows, a larger step c0 or a longer burn_in, or leave step= out.",
            NumericalWarning,
        )  # fmt: skip
    diagnostics = found.diagnostics
    bias = diagnostics["start_share"] * np.abs(found.theta - settings.carried(settings.start_values()))
    se = np.full(len(bias), np.nan)
    se[~np.isnan(found.theta)] = np.sqrt(np.maximum(np.diag(found.covariances["plugin"]), 0.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        worst = float(np.nanmax(np.where(se > 0.0, bias / se, 0.0), initial=0.0))
    if worst > 0.5 and diagnostics["relaxations"] >= 1.0:
        issue_warning(
            f"up to {worst:.2g} standard errors of the first iterate's error may be left in the average: lengthen burn_in, "
            "raise step c0, or give a better start=.",
            NumericalWarning,
        )  # fmt: skip
    if diagnostics["relaxations"] < 1.0:
        issue_warning(
            f"the average spans {diagnostics['relaxations']:.2g} relaxation times of the slowest direction: its intervals are "
            "not to be trusted. Use more rows, a larger step c0, or fewer and less collinear columns.",
            NumericalWarning,
        )  # fmt: skip
    if diagnostics["exploded_replicas"] > 0.01 or _inflation(found) > 2.0:
        issue_warning(
            f"the replicas spread {_inflation(found):.2g} times as far as the plug-in says and "
            f"{diagnostics['exploded_replicas']:.1%} of them lie more than 10 robust standard deviations out, so intervals "
            "are too wide: raise step k0 (or divide c0 by 2), or lengthen burn_in.",
            NumericalWarning,
        )  # fmt: skip
    if settings.law == "gaussian" and settings.replicas:
        issue_warning(
            "law='gaussian' gives negative multipliers, which the theory excludes; 'mammen' is positive and bounded.",
            NumericalWarning,
        )  # fmt: skip

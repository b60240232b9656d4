"""The path of an averaged fit, and its figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.errors import OptionError, check_level, one_of
from statinf.stochastic.limits import chosen, joint_region
from statinf.stochastic.sequential import mixture_rho, sequential_critical

if TYPE_CHECKING:
    from statinf.stochastic.fit import StochasticFit


def path(
    fit: StochasticFit, level: float, interval: str | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows (m,), estimates and limits (m, q)."""
    from scipy.special import ndtri

    check_level(level)
    kind = interval or ("sequential" if fit.interval == "sequential" else "normal")
    one_of("interval", kind, ("normal", "sequential"))
    state = fit.run.state
    before = state.trace_rows < state.rows
    rows = np.append(state.trace_rows[before], state.rows)
    mean = np.vstack([state.trace_mean[before], fit.theta])
    se = np.vstack([state.trace_se[before], fit.std_errors.to_numpy()])
    z: Any = float(ndtri(0.5 + level / 2.0))
    if kind == "sequential":
        averaged = fit.averaged - (rows[-1] - rows)
        z = sequential_critical(averaged, mixture_rho(fit.run.settings.look, level), level)[:, None]  # type: ignore[index]
    return rows, mean, mean - z * se, mean + z * se


def plot_path(fit: StochasticFit, terms: Sequence[str] | None = None, level: float = 0.95, ax: Any = None) -> Any:
    """Estimates and intervals against rows."""
    from statinf.plotting import stochastic

    index = chosen(fit, terms if terms is not None else [t for t in fit.terms if t != "Intercept"] or None)
    rows, mean, low, high = path(fit, level)
    names = [fit.terms[i] for i in index]
    return stochastic.plot_path(rows, mean[:, index], low[:, index], high[:, index], names, level=level, ax=ax)


def plot_region(
    fit: StochasticFit,
    terms: Sequence[str] | None = None,
    region: str = "ellipsoid",
    level: float = 0.95,
    ax: Any = None,
) -> Any:
    """The joint region of two coefficients, with the replicas."""
    from statinf.plotting import stochastic

    pair = list(terms) if terms is not None else [fit.terms[i] for i in chosen(fit, None)[-2:]]
    if len(pair) != 2:
        raise OptionError("a region is drawn for two coefficients: terms=['x1', 'x2'].")
    made = joint_region(fit, region, level, pair)
    among = np.cumsum(fit.estimable)[chosen(fit, pair)] - 1
    draws = fit.replica_draws()[:, among] if fit.inference == "multiplier" else None
    return stochastic.plot_region(made.centre, made.form, made.bound, pair, draws=draws, ax=ax)

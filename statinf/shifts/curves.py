"""Splines of an additive regression over their arguments."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.errors import NotIdentifiedError, OptionError, check_level, nearest
from statinf.formula.smooths import SmoothTerm
from statinf.inference.distributions import t_quantile
from statinf.numerics.smoothing.natural_spline import natural_columns

if TYPE_CHECKING:
    from statinf.shifts.heterogeneous_fit import HeterogeneousShiftFit


def curve(fit: HeterogeneousShiftFit, term: str, points: int, margin: float, level: float) -> dict[str, np.ndarray]:
    """See `HeterogeneousShiftFit.curve`."""
    if isinstance(points, bool) or not isinstance(points, Integral) or int(points) < 2:
        raise OptionError(f"points={points!r} is not a whole number of at least 2.")
    if not (isinstance(margin, int | float) and 0.0 <= margin < np.inf):
        raise OptionError(f"margin={margin!r} is not a share of the range, of zero or more.")
    found = _find(fit, term)
    share = np.linspace(-margin, 1.0 + margin, points)
    x = found.low + share * (found.high - found.low)
    estimate, error = _values(fit, found, share)
    half = t_quantile(0.5 + level / 2.0, fit.cov.df) * error
    return {"x": x, "estimate": estimate, "std_error": error, "conf_low": estimate - half, "conf_high": estimate + half}


def _find(fit: HeterogeneousShiftFit, term: str) -> SmoothTerm:
    assert fit.recipe is not None
    terms = fit.recipe.smooth_terms("flexible")
    found = next((t for t in terms if term in (t.label, t.argument)), None)
    if found is None:
        known = [t.label for t in terms]
        raise OptionError(
            f"{term!r} is no spline of this fit; there are {', '.join(map(repr, known)) or 'none'}.{nearest(str(term), known)}"
        )
    return found


def _values(fit: HeterogeneousShiftFit, term: SmoothTerm, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The spline at shares of its range (m,), and its standard error with that of all other columns at their means."""
    assert fit.recipe is not None
    factor = fit.recipe.factors[term.label]
    (state,) = fit.recipe.learnt[factor.label].states.values()
    made = np.column_stack([share, natural_columns(share, state["knots"], state["directions"])])
    shift = int(next(p for p in fit.recipe.parts if p.role == "flexible").layout.intercept)
    at = slice(term.columns.start - shift, term.columns.stop - shift)
    about = made - fit.centre[at]
    root = fit._root[1:][at]
    return about @ fit.flexible[at], np.sqrt(((about @ root) ** 2).sum(axis=1))


def plot_blocks(fit: HeterogeneousShiftFit, *, level: float = 0.95, margin: float = 0.2) -> Any:
    """See `HeterogeneousShiftFit.plot`."""
    from statinf.plotting.smooths import plot_smooths

    check_level(level)
    assert fit.recipe is not None and fit.target is not None and fit.design is not None
    terms = fit.recipe.smooth_terms("flexible")
    if not terms:
        raise NotIdentifiedError("the flexible block has no s() terms, which are the curves that there are to plot.")
    panels = []
    for term in terms:
        lines = curve(fit, term.label, 201, float(margin), level)
        span = term.high - term.low
        source = term.low + span * fit.design.parts[1].values[:, term.columns.start]
        target = term.low + span * fit.target.parts["flexible"][:, term.columns.start]
        label = f"{term.label}, {fit.edf[term.label]:.1f} degrees of freedom"
        panels.append((term.argument, label, lines, (source, target), (term.low, term.high)))
    return plot_smooths(panels)

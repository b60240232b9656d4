"""Figures of the coefficients of one fit or several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from statinf.errors import OptionError, check_level
from statinf.plotting.coefficients import Limits, plot_coefficients
from statinf.results.protocol import Result


def coefficients_of(
    fit: Result,
    *,
    others: Any = (),
    names: Sequence[str] | None = None,
    level: float = 0.95,
    intercept: bool = False,
    ax: Any = None,
    label: str | None = None,
) -> Any:
    """Draw coefficients with their intervals; see `Fit.plot`.

    Parameters
    ----------
    fit : Result
        With coefficients.
    others : Fit or sequence of Fit
        Drawn beside `fit`, one colour and marker each.
    names : sequence of str, optional
        Of all fits, for the legend; their models, outcomes or numbers by default.
    level : float
    intercept : bool
    ax : matplotlib axes, optional
    label : str, optional
        Of the horizontal axis.

    Returns
    -------
    matplotlib axes
    """
    check_level(level)
    fits = [fit, *([others] if isinstance(others, Result) else others)]
    strange = [one for one in fits if not isinstance(one, Result)]
    if strange:
        raise OptionError(f"others holds a {type(strange[0]).__name__}; give fits with coefficients.")
    legend = _names(fits, names)
    drawn = {}
    for name, one in zip(legend, fits, strict=True):
        low, high = one.conf_int(level).to_numpy().T
        drawn[name] = Limits(tuple(one.params.index), one.params.to_numpy(), low, high)
    return plot_coefficients(drawn, intercept=intercept, ax=ax, label=label or f"estimate, {100 * level:g}% interval")


def _names(fits: Sequence[Result], names: Sequence[str] | None) -> list[str]:
    if names is None:
        numbers = [f"({i + 1})" for i in range(len(fits))]
        said = ([f.model_name for f in fits], [f.outcome for f in fits], numbers)
        return next(kind for kind in said if len(set(kind)) == len(fits))
    given = [] if isinstance(names, str) else [str(name) for name in names]
    if len(given) != len(fits) or len(set(given)) != len(fits):
        raise OptionError(f"names={names!r} must give each of the {len(fits)} fits a name of its own.")
    return given

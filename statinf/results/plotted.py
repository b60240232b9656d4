"""Figures of the coefficients of one fit or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from statinf.errors import OptionError, check_level
from statinf.plotting.coefficients import Limits, plot_coefficients, plot_panels, unlike
from statinf.plotting.style import figure
from statinf.results.protocol import Result
from statinf.results.term_names import label as label_of
from statinf.results.term_names import shown_terms


@figure
def coefficients_of(
    fit: Result,
    *,
    others: Any = (),
    names: Sequence[str] | None = None,
    level: float | Sequence[float] = 0.95,
    intercept: bool = False,
    rename: Mapping[str, str] | None = None,
    keep: Any = None,
    drop: Any = None,
    order: Any = None,
    panels: bool | None = None,
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
    level : float or sequence of float
        Several, such as [0.9, 0.95], are drawn over each other.
    intercept : bool
    rename, keep, drop, order : optional
        What coefficients are called, which are shown and in which order, as in `statinf.table`.
    panels : bool, optional
        A panel for each coefficient, with a scale of its own. By default where a fit is drawn alone, with none of the choices
        above, and its units are so unlike that on one axis some coefficient would be a dot at zero.
    ax : matplotlib axes, optional
    label : str, optional
        Of the horizontal axis.

    Returns
    -------
    matplotlib axes
        An array of them with ``panels=True``; the first panel's where panels are drawn by default.
    """
    listed: Any = level if isinstance(level, list | tuple) else [level]
    levels = sorted({check_level(one) for one in listed}, reverse=True)
    fits = [fit, *([others] if isinstance(others, Result) else others)]
    strange = [one for one in fits if not isinstance(one, Result)]
    if strange:
        raise OptionError(f"others holds a {type(strange[0]).__name__}; give fits with coefficients.")
    legend, called = _names(fits, names), dict(rename or {})
    known = list(dict.fromkeys(term for one in fits for term in one.params.index))
    shown = shown_terms(known, keep, drop, order, called)
    drawn = {name: _limits(one, levels, shown, called) for name, one in zip(legend, fits, strict=True)}
    said = " and ".join(f"{100 * one:g}%" for one in reversed(levels))
    label = label or f"estimate, {said} interval{'s' if len(levels) > 1 else ''}"
    intercept = intercept or (keep is not None and "Intercept" in shown)
    chosen = len(fits) > 1 or len(levels) > 1 or intercept or ax is not None
    chosen = chosen or any(one is not None for one in (rename, keep, drop, order))
    if panels is None and not chosen and unlike(drawn):
        return plot_panels(drawn, intercept=intercept, label=label).flat[0]
    if not panels:
        return plot_coefficients(drawn, intercept=intercept, ax=ax, label=label)
    if ax is not None:
        raise OptionError("panels=True draws a figure of its own; leave ax= out.")
    return plot_panels(drawn, intercept=intercept, label=label)


def _limits(fit: Result, levels: Sequence[float], shown: Sequence[str], rename: Mapping[str, str]) -> Limits:
    """Estimates and limits of the coefficients shown, in their order, under the names that they are given."""
    names = list(fit.params.index)
    at = [names.index(term) for term in shown if term in names]
    terms = tuple(term if term == "Intercept" else label_of(term, rename) for term in (names[i] for i in at))
    (low, high), *inner = (fit.conf_int(level).to_numpy()[at].T for level in levels)
    return Limits(terms, fit.params.to_numpy()[at], low, high, tuple((a, b) for a, b in inner))


def _names(fits: Sequence[Result], names: Sequence[str] | None) -> list[str]:
    if names is None:
        numbers = [f"({i + 1})" for i in range(len(fits))]
        said = ([f.model_name for f in fits], [f.outcome for f in fits], numbers)
        return next(kind for kind in said if len(set(kind)) == len(fits))
    given = [] if isinstance(names, str) else [str(name) for name in names]
    if len(given) != len(fits) or len(set(given)) != len(fits):
        raise OptionError(f"names={names!r} must give each of the {len(fits)} fits a name of its own.")
    return given

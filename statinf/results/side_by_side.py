"""Fits side by side in one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from statinf.errors import OptionError, check_level, one_of
from statinf.results.coefficients import ALIASED
from statinf.results.fit import Fit
from statinf.results.table import Table, check_digits, format_interval, format_number
from statinf.results.weights import Weights

_STATISTICS = (
    ("nobs", "Observations"),
    ("r_squared", "R2"),
    ("adj_r_squared", "Adjusted R2"),
    ("aic", "AIC"),
    ("bic", "BIC"),
)


def table(
    *fits: Any,
    names: Sequence[str] | None = None,
    level: float = 0.95,
    show: str = "std_error",
    stars: bool = False,
    digits: int = 4,
    keep: Sequence[str] | None = None,
) -> Table:
    """Coefficients of several fits, or the balance of several weightings, side by side.

    Parameters
    ----------
    *fits : Fit, or Weights
        Or one list of them. Weights give their standardised mean differences and effective sample sizes.
    names : sequence of str, optional
        Heading of each column; (1), (2), ... by default.
    level : float
        Of the intervals, where they are shown.
    show : {"std_error", "conf_int", "statistic", "p_value"}
        What stands in brackets below each estimate.
    stars : bool
        Mark p-values below 0.1, 0.05 and 0.01.
    digits : int
        Significant digits.
    keep : str or sequence of str, optional
        The coefficients to show, in this order; all by default.

    Returns
    -------
    Table
        A coefficient that other columns determine is NA, as in R; one without a standard error has an empty cell below it.
        `to_html`, `to_markdown`, `to_latex`, `to_typst`, `to_csv` and `to_frame` render it, `save` writes it.

    Examples
    --------
    >>> import statinf as si
    >>> data = si.datasets.load("mtcars")
    >>> print(si.table(si.lm("mpg ~ wt", data), si.lm("mpg ~ wt + hp", data)))
    Outcome: mpg   Model: lm
    <BLANKLINE>
    term               (1)         (2)
    ----------------------------------
    Intercept        37.29       37.23
                   (2.195)     (2.037)
    wt              -5.344      -3.878
                  (0.6545)    (0.6512)
    hp                        -0.03177
                            (0.006981)
    ----------------------------------
    Observations        32          32
    R2              0.7528      0.8268
    Adjusted R2     0.7446      0.8148
    AIC              166.0       156.7
    BIC              170.4       162.5
    Std. errors        HC1         HC1
    """
    if len(fits) == 1 and isinstance(fits[0], list | tuple):
        fits = tuple(fits[0])
    one_of("show", show, ("std_error", "conf_int", "statistic", "p_value"))
    check_level(level)
    check_digits(digits)
    if fits and all(isinstance(f, Weights) for f in fits):
        return weightings(fits, names, digits)
    if not fits or not all(isinstance(f, Fit) for f in fits):
        raise OptionError(
            "table() takes fitted results, such as si.table(fit1, fit2), or weights, such as si.table(w1, w2)."
        )
    heads = headings(names, [f"({i + 1})" for i in range(len(fits))], "fits")
    keep = [keep] if isinstance(keep, str) else keep
    known = list(dict.fromkeys(t for f in fits for t in f.terms))
    strange = [t for t in keep or () if t not in known]
    if strange:
        raise OptionError(f"keep: {strange[0]!r} is no coefficient of these fits; there are {', '.join(known[:20])}.")
    terms = known if keep is None else list(keep)
    facts, rows = _described(fits)
    above = len(rows)
    for term in terms:
        cells = [_cells(f, term, level, show, stars, digits) for f in fits]
        rows.append((term, *(c[0] for c in cells)))
        if any(c[1] for c in cells):
            rows.append(("", *(c[1] for c in cells)))
    cut = len(rows)
    glances = [f.glance_items() for f in fits]
    for key, label in _STATISTICS:
        if any(key in g for g in glances):
            rows.append((label, *(format_number(g.get(key), digits) for g in glances)))
    rows.append(("Std. errors", *(f.cov.label for f in fits)))
    notes = ["* p < 0.1, ** p < 0.05, *** p < 0.01"] if stars else []
    if any(t in f.terms and not f.estimable[f.terms.index(t)] for f in fits for t in terms):
        notes.append(ALIASED)
    rules = tuple(dict.fromkeys(at for at in (above, cut) if at))
    return Table(("term", *heads), tuple(rows), facts=facts, notes=tuple(notes), rules=rules, kind=fits[0].kind)


def _described(fits: Sequence[Fit]) -> tuple[tuple[tuple[str, str], ...], list[tuple[str, ...]]]:
    """Outcome and model: facts above the table where all fits agree, else its first rows."""
    facts, rows = [], []
    for label, values in (("Outcome", [f.outcome for f in fits]), ("Model", [f.model_name for f in fits])):
        if len(set(values)) > 1:
            rows.append((label, *values))
        elif values[0]:
            facts.append((label, values[0]))
    return tuple(facts), rows


def _cells(fit: Fit, term: str, level: float, show: str, stars: bool, digits: int) -> tuple[str, str]:
    if term not in fit.terms:
        return "", ""
    i = fit.terms.index(term)
    if not fit.estimable[i]:
        return "NA", ""
    p = float(fit.pvalues.iloc[i])
    mark = "" if not stars else "*" * sum(p < cut for cut in (0.1, 0.05, 0.01))
    if show == "conf_int":
        low, high = (float(v) for v in np.array(fit.conf_int(level).iloc[i]))
        below = format_interval(low, high, digits)
    else:
        value = {"std_error": fit.std_errors.iloc[i], "statistic": fit.statistics[i], "p_value": p}[show]
        below = f"({format_number(float(value), digits)})" if np.isfinite(value) else ""
    return format_number(fit.theta[i], digits) + mark, below


def headings(names: Sequence[str] | None, default: Sequence[str], what: str) -> list[str]:
    """One heading for each column, as asked for or by default."""
    if names is None:
        return list(default)
    if isinstance(names, str) or len(names) != len(default) or not all(isinstance(n, str) for n in names):
        count = f"the text {names!r}" if isinstance(names, str) else f"{len(names)} entries"
        raise OptionError(f"names has {count} for {len(default)} {what}; give a list of one text for each.")
    return list(names)


def weightings(weights: Sequence[Any], names: Sequence[str] | None, digits: int) -> Table:
    """Standardised mean differences before and after several weightings, and the sizes they leave."""
    heads = headings(names, [w.method for w in weights], "weightings")
    missing = [w.method for w in weights if not hasattr(w, "balance_frame")]
    if missing:
        raise OptionError(f"weights of {', '.join(map(repr, missing))} have no balance table to put side by side.")
    if len({w.measure for w in weights}) > 1:
        raise OptionError("weights of a dose and of arms have different balance tables; put them in two tables.")
    measure = weights[0].measure
    frames = [w.compared().set_index("term") for w in weights]
    terms = list(dict.fromkeys(t for f in frames for t in f.index))
    rows = []
    for term in terms:
        before = next(f.loc[term, "before"] for f in frames if term in f.index)
        after = [_fixed(f.loc[term, "after"], digits) if term in f.index else "" for f in frames]
        rows.append((term, _fixed(before, digits), *after))
    cut = len(rows)
    most = [_fixed(f["after"].abs().max(), digits) for f in frames]
    rows.append((f"Largest |{measure}|", _fixed(frames[0]["before"].abs().max(), digits), *most))
    sizes = [w.sizes_frame() for w in weights]
    for k, label in enumerate(weights[0].size_labels()):
        after = [format_number(f["ess_after"].iloc[k], digits) if k < len(f) else "" for f in sizes]
        rows.append((label, format_number(sizes[0]["ess_before"].iloc[k], digits), *after))
    rows.append(("Estimand", "", *(w.estimand for w in weights)))
    kinds = list(dict.fromkeys(str(k) for f in frames for k in f["denominator"]))
    what = "Standardised mean differences" if measure == "SMD" else "Correlations with the dose"
    note = f"{what}; denominator: {', '.join(kinds)}."
    return Table(("term", "unweighted", *heads), tuple(rows), notes=(note,), rules=(cut,), kind=weights[0].kind)


def _fixed(value: Any, digits: int) -> str:
    return f"{round(float(value), digits) + 0.0:.{digits}f}" if np.isfinite(value) else format_number(value)

"""Fits side by side in one table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from statinf.errors import OptionError, check_level, one_of
from statinf.inference.naming import spelled
from statinf.results import fit_columns as fc
from statinf.results.coefficient_rows import SHOWN, NumberStyle, TermChoice, coefficient_rows, marks_note, marks_of
from statinf.results.coefficients import ALIASED
from statinf.results.fit import Fit
from statinf.results.fit_columns import FitColumn
from statinf.results.fit_group import FitGroup
from statinf.results.fit_statistics import contributed_rows, covariance_rows, statistics_rows
from statinf.results.table import Span, Table, check_caption, check_digits
from statinf.results.term_names import label as label_of
from statinf.results.weightings import headings, weightings
from statinf.results.weights import Weights


def table(
    *fits: Any,
    names: Sequence[str] | None = None,
    level: float = 0.95,
    show: str | Sequence[str] | None = "std_error",
    below: bool = True,
    stars: bool | Mapping[str, float] = False,
    digits: int = 4,
    fixed: bool = False,
    rename: Mapping[str, str] | None = None,
    keep: Any = None,
    drop: Any = None,
    order: Any = None,
    indicate: Mapping[str, Any] | None = None,
    group_factors: bool = False,
    classes: str = "rows",
    exponentiate: bool | Sequence[bool] = False,
    vcov: Any = None,
    stats: Any = None,
    headers: Mapping[str, Sequence[str]] | None = None,
    outcome: bool = True,
    model: bool = True,
    notes: str | Sequence[str] = (),
    caption: str = "",
    label: str = "",
) -> Table:
    """Coefficients of several fits, or the balance of several weightings, side by side.

    Parameters
    ----------
    *fits : Fit, Fits or Weights
        Or lists of them; a collection, as several outcomes or `sw()` give it, is all of its fits. Weights give their
        standardised mean differences and effective sample sizes, and take `names`, `digits`, `caption` and `label` only.
    names : sequence of str, optional
        Heading of each column; (1), (2), ... by default.
    level : float
        Of the intervals, where they are shown.
    show : {"std_error", "conf_int", "statistic", "p_value"}, a list of them, or None
        What stands in brackets beside each estimate.
    below : bool
        In rows of its own below the estimate, or behind it in the same cell.
    stars : bool or mapping of str to float
        Mark p-values below 0.1, 0.05 and 0.01; or marks of your own, such as `{"a": 0.01, "b": 0.05}`.
    digits, fixed : int, bool
        Significant digits, or digits behind the point.
    rename : mapping of str to str, optional
        What coefficients, factors, outcomes and absorbed effects are called: the name of a factor counts in its levels and
        in interactions. Names that these fits lack are passed over, so that one mapping serves many tables.
    keep, drop, order : optional
        Coefficients to show, in this order; to leave out; to put first. Each is a text or a list of them: a coefficient, a
        factor for all of its levels, a text with `*` for anything, or a compiled regular expression.
    indicate : mapping of str to patterns, optional
        Leave these coefficients out and say in a row, by its label, whether a fit has any of them.
    group_factors : bool
        Levels of a factor below its name, which tells the level that they are compared with.
    classes : {"rows", "columns"}
        Where coefficients of several classes or quantile levels go: groups of rows, or a column each.
    exponentiate : bool or sequence of bool
        Estimates and limits as exp of themselves, for all fits or each; standard errors by the delta method.
    vcov : str, mapping or list, optional
        Another covariance for all fits, one for each, or several of one fit, which is then shown with each.
    stats : sequence of str, or mapping, optional
        Rows below: names of `glance()`, such as ["nobs", "r_squared"]; or by label a name, a function of the fit or a list of
        one value for each. Those that exist of nobs, R2, adjusted R2, AIC and BIC by default.
    headers : mapping of str to sequence of str, optional
        Further rows above the headings: a text for each fit, by the name of the row; neighbours that agree are one.
    outcome, model : bool
        Whether the rows of outcomes and of models stand above the headings.
    notes : str or sequence of str
        Lines below the table, after its own.
    caption, label : str
        A caption, and the name by which a document refers to the table. Leave both out in a Quarto cell, whose options
        `tbl-cap` and `label` do this.

    Returns
    -------
    Table
        A coefficient that other columns determine is NA, as in R; one without a standard error has an empty cell below it.
        `to_html`, `to_markdown`, `to_latex`, `to_typst`, `to_csv`, `to_frame` and `to_gt` render it, `save` writes it.

    Raises
    ------
    OptionError
        If an option names what these fits do not have.

    Examples
    --------
    >>> import statinf as si
    >>> data = si.datasets.load("mtcars")
    >>> fits = si.lm("mpg ~ wt", data), si.lm("mpg ~ wt + hp", data), si.lm("qsec ~ hp", data)
    >>> print(si.table(*fits, rename={"wt": "Weight", "hp": "Horsepower"}, drop="Intercept", stats=["nobs", "r2"]))
    Outcome               mpg                 qsec
    Model                  lm                   lm
                  --------------------
    term               (1)         (2)         (3)
    ----------------------------------------------
    Weight          -5.344      -3.878
                  (0.6545)    (0.6512)
    Horsepower                -0.03177    -0.01846
                            (0.006981)  (0.002713)
    ----------------------------------------------
    Observations        32          32          32
    R2              0.7528      0.8268      0.5016
    Std. errors        HC1         HC1         HC1
    """
    given = _flat(fits)
    if not isinstance(show, str | Iterable | None):
        raise OptionError(f"show={show!r}: give one of {', '.join(SHOWN)}, a list of them, or None.")
    show = (show,) if isinstance(show, str) else tuple(show or ())
    for what in show:
        one_of("show", what, SHOWN)
    one_of("classes", classes, ("rows", "columns"))
    check_level(level)
    check_digits(digits)
    check_caption(caption, label)
    further = _lines(notes)
    _check_kinds(headers, indicate, exponentiate, stats)
    if given and all(isinstance(f, Weights) for f, _ in given):
        return weightings([f for f, _ in given], names, digits).captioned(caption, label)
    _check_fits(given)
    style = NumberStyle(show, below, marks_of(stars), digits, fixed)
    choice = TermChoice(_names(rename), keep, drop, order, dict(indicate or {}), group_factors)
    columns, powers = _columns(given, level, exponentiate, vcov, headers, classes)
    heads = headings(names, [f"({i + 1})" for i in range(len(columns))], "columns")
    own = [marks_note(style.marks)] if style.marks else []
    own += _power_note(powers, heads)
    made = _assembled(columns, choice, style, stats)
    return replace(
        made,
        columns=("term", *heads),
        spans=_spans(columns, choice.rename, outcome, model),
        notes=(*own, *made.notes, *further),
        kind=given[0][0].kind,
        caption=caption,
        label=label,
    )


def _flat(given: Sequence[Any]) -> list[tuple[Any, Mapping[str, str]]]:
    """Results one by one, with what stands above them in a collection."""
    out: list[tuple[Any, Mapping[str, str]]] = []
    for one in given:
        if isinstance(one, FitGroup):
            out += [(fit, {name: texts[i] for name, texts in one.above.items()}) for i, fit in enumerate(one.fits)]
        elif isinstance(one, list | tuple):
            out += _flat(one)
        else:
            out.append((one, {}))
    return out


def _check_fits(given: Sequence[tuple[Any, Any]]) -> None:
    if not given or not all(isinstance(f, Fit) for f, _ in given):
        raise OptionError(
            "table() takes fitted results, such as si.table(fit1, fit2), or weights, such as si.table(w1, w2)."
        )


def _check_kinds(headers: Any, indicate: Any, exponentiate: Any, stats: Any) -> None:
    if not isinstance(headers, Mapping | None):
        raise OptionError(f"headers={headers!r}: give texts by row, such as {{'Sample': ['all', 'women']}}.")
    if not isinstance(indicate, Mapping | None):
        raise OptionError(f"indicate={indicate!r}: give coefficients by row, such as {{'Controls': ['x', 'z']}}.")
    if isinstance(exponentiate, str) or not isinstance(exponentiate, bool | Sequence):
        raise OptionError(f"exponentiate={exponentiate!r}: give True, False, or a list of them.")
    if not isinstance(stats, str | Mapping | Iterable | None):
        raise OptionError(f"stats={stats!r}: give names of statistics, or rows by label.")


def _lines(notes: Any) -> tuple[str, ...]:
    lines = (notes,) if isinstance(notes, str) else tuple(notes) if isinstance(notes, Iterable) else (notes,)
    if not all(isinstance(line, str) for line in lines):
        raise OptionError(f"notes={notes!r}: give a text, or a list of texts.")
    return lines


def _names(rename: Any) -> dict[str, str]:
    if rename is not None and (
        not isinstance(rename, Mapping) or not all(isinstance(v, str) for kv in rename.items() for v in kv)
    ):
        raise OptionError("rename takes texts by coefficient, such as {'wt': 'Weight'}.")
    given = dict(rename or {})
    return {spelled(name): text for name, text in given.items() if spelled(name) not in given} | given


def _columns(
    given: Sequence[tuple[Fit, Mapping[str, str]]],
    level: float,
    exponentiate: bool | Sequence[bool],
    vcov: Any,
    headers: Mapping[str, Sequence[str]] | None,
    classes: str,
) -> tuple[list[FitColumn], list[bool]]:
    """Columns of the table, and which hold exponentiated estimates."""
    fits = fc.covariances([fit for fit, _ in given], vcov)
    above = [dict(a) for _, a in given] if len(given) == len(fits) else [dict(given[0][1]) for _ in fits]
    for name, texts in (headers or {}).items():
        if isinstance(texts, str) or len(texts) != len(fits):
            raise OptionError(f"headers: {name!r} takes one text for each of the {len(fits)} fits.")
        for one, text in zip(above, texts, strict=True):
            one[name] = str(text)
    powers = [exponentiate] * len(fits) if isinstance(exponentiate, bool) else [bool(e) for e in exponentiate]
    if len(powers) != len(fits):
        raise OptionError(
            f"exponentiate has {len(powers)} entries for {len(fits)} fits; give one for each, or one for all."
        )
    made = [fc.column_of(*one) for one in zip(fits, [level] * len(fits), powers, above, strict=True)]
    if classes == "columns":
        split = [(part, power) for column, power in zip(made, powers, strict=True) for part in fc.in_columns(column)]
        return [part for part, _ in split], [power for _, power in split]
    return fc.without_single_groups(made), powers


def _power_note(powers: Sequence[bool], heads: Sequence[str]) -> list[str]:
    if not any(powers):
        return []
    where = "" if all(powers) else " in " + ", ".join(h for h, power in zip(heads, powers, strict=True) if power)
    return [f"Estimates and limits are exponentiated{where}."]


def _assembled(columns: Sequence[FitColumn], choice: TermChoice, style: NumberStyle, stats: Any) -> Table:
    """The rows of the table, without headings."""
    block = coefficient_rows(columns, choice, style)
    more = contributed_rows(columns, choice)
    numbers = [*statistics_rows(columns, stats, style), *covariance_rows([c.fit for c in columns])]
    rows = [*block.rows, *more.rows, *numbers]
    first = len(block.rows)
    cuts = (first, first + len(more.rows))
    aliased = any("NA" in row[1:] for row in block.rows)
    return Table(
        ("term", *[""] * len(columns)),
        tuple(rows),
        notes=(ALIASED,) if aliased else (),
        rules=tuple(dict.fromkeys(cut for cut in cuts if cut)),
        heads=(*block.heads, *(first + i for i in more.heads)),
        indented=(*block.indented, *(first + i for i in more.indented)),
    )


def _spans(columns: Sequence[FitColumn], rename: Mapping[str, str], outcome: bool, model: bool) -> tuple[Span, ...]:
    """What stands above the headings; a text goes on over its neighbour where both stand below the same."""
    said: dict[str, list[str]] = {}
    if outcome and any(c.fit.outcome for c in columns):
        said["Outcome"] = [rename.get(c.fit.outcome, c.fit.outcome) for c in columns]
    if model:
        said["Model"] = [c.fit.model_name for c in columns]
    for name in dict.fromkeys(name for c in columns for name in c.above):
        texts = [c.above.get(name, "") for c in columns]
        said[rename.get(name, name)] = [_renamed(text, rename) for text in texts]
    spans, before = [], [()] * len(columns)
    for name, texts in said.items():
        before = [(*parent, text) for parent, text in zip(before, texts, strict=True)]
        spans.append((name, tuple((key[-1], len(list(same))) for key, same in groupby(before))))
    return tuple(spans)


def _renamed(text: str, rename: Mapping[str, str]) -> str:
    """What stands above a column, the terms of a step by the names that coefficients have."""
    return rename.get(text) or " + ".join(label_of(term, rename) for term in text.split(" + "))

"""What each column of a table of fits holds: estimates with their precision by term, and what stands above and below them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from statinf.errors import OptionError
from statinf.results.fit import Fit

_NUMBERS = ("estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high")

Key = tuple[str, str]
"""Group and term of a coefficient; the group is empty in fits without classes or levels."""


@dataclass(frozen=True)
class FitColumn:
    """One column.

    Attributes
    ----------
    fit : Fit
    cells : mapping of (str, str) to mapping of str to float
        By group and term: what `tidy` says of a coefficient.
    above : mapping of str to str
        What stands above the column, by the name of the row.
    grouped_by : str
        What the groups are, such as "tau".
    """

    fit: Fit
    cells: Mapping[Key, Mapping[str, float]]
    above: Mapping[str, str] = field(default_factory=dict)
    grouped_by: str = ""

    def cell(self, key: Key) -> Mapping[str, float]:
        """What is known of a coefficient; empty where the fit has none of that name."""
        return self.cells.get(key, {})


def plain_columns(frame: Any) -> dict[str, list[Any]]:
    """Columns of any kind of data frame as lists."""
    import narwhals as nw

    return {name: column.to_list() for name, column in nw.from_native(frame, eager_only=True).to_dict().items()}


def column_of(fit: Fit, level: float, exponentiate: bool, above: Mapping[str, str]) -> FitColumn:
    """The column of a fit; what stands left of `term` in its tidy table, such as a class, makes groups of rows."""
    tidy = plain_columns(fit.tidy(level, exponentiate=True) if exponentiate else fit.tidy(level))
    names = list(tidy)
    groups = names[: names.index("term")]
    terms = tidy["term"]
    labels = [", ".join(s for s in (_said(name, tidy[name][i]) for name in groups) if s) for i in range(len(terms))]
    told_apart = set(names) <= {*groups, "term", *_NUMBERS} and len(set(zip(labels, terms, strict=True))) == len(terms)
    if not told_apart and len(fit.terms) == len(terms):
        # Further columns tell the estimates apart; the names of the coefficients say all of it.
        groups, labels, terms = [], [""] * len(terms), fit.terms
    cells = {
        (group, term): {name: _number(tidy[name][i]) for name in _NUMBERS if name in tidy}
        for i, (group, term) in enumerate(zip(labels, terms, strict=True))
    }
    return FitColumn(fit, cells, above, ", ".join(groups))


def _said(name: str, value: Any) -> str:
    """What a group is called: a class by itself, a number with its name; nothing for coefficients of no group."""
    if value is None or value != value or value == "":
        return ""
    return (
        str(value) if isinstance(value, str) else f"{name} = {value:g}" if not isinstance(value, bool) else str(value)
    )


def _number(value: Any) -> float:
    return np.nan if value is None else float(value)


def without_single_groups(columns: Sequence[FitColumn]) -> list[FitColumn]:
    """Columns that have one group each, without it: it stands above them where they differ."""
    groups = [list(dict.fromkeys(group for group, _ in c.cells)) for c in columns]
    if any(len(g) != 1 for g in groups) or not any(g[0] for g in groups):
        return list(columns)
    if len({g[0] for g in groups}) > 1:
        return [_of_group(c, g[0]) for c, g in zip(columns, groups, strict=True)]
    return [replace(_of_group(c, g[0]), above=c.above) for c, g in zip(columns, groups, strict=True)]


def in_columns(column: FitColumn) -> list[FitColumn]:
    """One column for each group of a fit."""
    return [_of_group(column, group) for group in dict.fromkeys(group for group, _ in column.cells)]


def _of_group(column: FitColumn, group: str) -> FitColumn:
    """The coefficients of one group, which stands above them."""
    cells = {("", term): found for (g, term), found in column.cells.items() if g == group}
    name = "Class" if column.grouped_by == "outcome" else column.grouped_by
    named = {name: group.removeprefix(f"{column.grouped_by} = ")} if column.grouped_by else {}
    return replace(column, cells=cells, above={**column.above, **named})


def keys_of(columns: Sequence[FitColumn]) -> list[Key]:
    """Groups and terms in the order in which they first appear, the terms of a group together."""
    found = dict.fromkeys(key for c in columns for key in c.cells)
    groups = dict.fromkeys(group for group, _ in found)
    return [key for group in groups for key in found if key[0] == group]


def covariances(fits: Sequence[Fit], vcov: Any) -> list[Fit]:
    """The fits with the covariances asked for: one for all, a list of one each, or several of a single fit."""
    if vcov is None:
        return list(fits)
    if not isinstance(vcov, list | tuple):
        return [fit.with_vcov(vcov) for fit in fits]
    if len(fits) == 1 and vcov:
        fits = [fits[0]] * len(vcov)
    if len(vcov) != len(fits):
        raise OptionError(f"vcov has {len(vcov)} entries for {len(fits)} fits; give one for each, or one for all.")
    return [fit if kind is None else fit.with_vcov(kind) for fit, kind in zip(fits, vcov, strict=True)]


def absorbed(fit: Fit) -> dict[str, bool]:
    """The effects that a fit has absorbed, by name."""
    terms = getattr(getattr(fit, "absorbed", None), "terms", ())
    return {str(term.name): True for term in terms}


def yes_no(values: Sequence[Any]) -> tuple[str, ...]:
    """Cells of a row that some fits have: True and False are yes and no, and so is what a fit lacks beside them."""
    logical = all(isinstance(v, bool | np.bool_) for v in values if v is not None)
    said = {True: "yes", False: "no", None: "no" if logical else ""}
    return tuple(
        said[None if v is None else bool(v)] if v is None or isinstance(v, bool | np.bool_) else str(v) for v in values
    )

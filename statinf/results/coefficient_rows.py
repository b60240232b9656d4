"""Rows of a table of fits: coefficients with what stands beside them, under the names and in the order asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statinf.errors import OptionError
from statinf.results import term_names as tn
from statinf.results.fit_columns import FitColumn, Key, keys_of
from statinf.results.table import format_fixed, format_number

SHOWN = ("std_error", "conf_int", "statistic", "p_value")
_STARS = {"***": 0.01, "**": 0.05, "*": 0.1}


@dataclass(frozen=True)
class NumberStyle:
    """How numbers are written: what stands beside an estimate, marks by the p-value below which they stand, digits."""

    show: tuple[str, ...] = ("std_error",)
    below: bool = True
    marks: Mapping[str, float] = field(default_factory=dict)
    digits: int = 4
    fixed: bool = False

    def number(self, value: Any) -> str:
        return format_fixed(value, self.digits) if self.fixed else format_number(value, self.digits)

    def cells(self, found: Mapping[str, float]) -> list[str]:
        """A coefficient's estimate and what stands below it; empty where there is none, NA where it is aliased."""
        rows = 1 + len(self.show) * self.below
        if not found or np.isnan(found["estimate"]):
            return ["NA" if found else "", *[""] * (rows - 1)]
        p = found.get("p_value", np.nan)
        mark = next((sign for sign, cut in sorted(self.marks.items(), key=lambda m: m[1]) if p < cut), "")
        rest = [self._bracketed(found, what) for what in self.show]
        estimate = self.number(found["estimate"]) + mark
        return [estimate, *rest] if self.below else [" ".join(s for s in (estimate, *rest) if s)]

    def _bracketed(self, found: Mapping[str, float], what: str) -> str:
        if what == "conf_int":
            low, high = (self.number(found.get(name, np.nan)) for name in ("conf_low", "conf_high"))
            return f"[{low or 'NA'}, {high or 'NA'}]" if low or high else ""
        value = found.get(what, np.nan)
        return f"({self.number(value)})" if np.isfinite(value) else ""


def marks_of(stars: Any) -> dict[str, float]:
    """Marks by the p-value below which they stand."""
    if isinstance(stars, bool):
        return dict(_STARS) if stars else {}
    if not isinstance(stars, Mapping) or not all(isinstance(s, str) and s.strip() for s in stars):
        raise OptionError(f"stars={stars!r}: give True, False or marks with their levels, such as {{'*': 0.05}}.")
    wrong = [v for v in stars.values() if isinstance(v, bool) or not isinstance(v, int | float) or not 0 < v < 1]
    if wrong:
        raise OptionError(f"stars: the level {wrong[0]!r} is no number between 0 and 1.")
    return dict(stars)


def marks_note(marks: Mapping[str, float]) -> str:
    """What the marks mean, the weakest first."""
    return ", ".join(f"{sign} p < {cut:g}" for sign, cut in sorted(marks.items(), key=lambda m: -m[1]))


@dataclass
class CellRows:
    """Rows that grow, with what is known of some: those that head others, and those below a head."""

    rows: list[tuple[str, ...]] = field(default_factory=list)
    heads: list[int] = field(default_factory=list)
    indented: list[int] = field(default_factory=list)

    def head(self, text: str, count: int) -> None:
        self.heads.append(len(self.rows))
        self.rows.append((text, *[""] * count))

    def add(self, name: str, cells: Sequence[Sequence[str]], indent: bool = False) -> None:
        """A row for each line of the cells, of which the first has the name; lines that are empty throughout are left out."""
        for line in range(len(cells[0])):
            row = [c[line] for c in cells]
            if line == 0 or any(row):
                if indent and line == 0:
                    self.indented.append(len(self.rows))
                self.rows.append((name if line == 0 else "", *row))


@dataclass(frozen=True)
class TermChoice:
    """Which coefficients are shown, in which order, and what they are called."""

    rename: Mapping[str, str]
    keep: Any = None
    drop: Any = None
    order: Any = None
    indicate: Mapping[str, Any] = field(default_factory=dict)
    group_factors: bool = False

    def indicated(self, terms: Sequence[str]) -> dict[str, set[str]]:
        """The terms that rows of yes and no stand for, by the label of the row."""
        return {
            label: {t for some in tn.chosen("indicate", patterns, terms, self.rename) for t in some}
            for label, patterns in self.indicate.items()
        }


def coefficient_rows(columns: Sequence[FitColumn], choice: TermChoice, style: NumberStyle) -> CellRows:
    """Coefficients of all columns, those of a group or factor below its name."""
    keys = keys_of(columns)
    terms = list(dict.fromkeys(term for _, term in keys))
    hidden = set().union(*choice.indicated(terms).values()) if choice.indicate else set()
    shown = [t for t in tn.shown_terms(terms, choice.keep, choice.drop, choice.order, choice.rename) if t not in hidden]
    present = set(keys)
    block = CellRows()
    for group in dict.fromkeys(group for group, _ in keys):
        found = [t for t in shown if (group, t) in present]
        if group and found:
            block.head(choice.rename.get(group, group), len(columns))
        if choice.group_factors and not group:
            _by_factor(block, found, columns, choice, style)
        else:
            _plain(block, group, found, columns, choice, style, indent=bool(group))
    return block


def _plain(
    block: CellRows,
    group: str,
    terms: Sequence[str],
    columns: Sequence[FitColumn],
    choice: TermChoice,
    style: NumberStyle,
    indent: bool,
    called: Mapping[str, str] | None = None,
) -> None:
    merged: dict[str, list[str]] = {}
    for term in terms:
        merged.setdefault((called or {}).get(term) or tn.label(term, choice.rename), []).append(term)
    for name, some in merged.items():
        block.add(name, [style.cells(_one(c, [(group, t) for t in some], name)) for c in columns], indent)


def _one(column: FitColumn, keys: Sequence[Key], name: str) -> Mapping[str, float]:
    """The one of some coefficients of the same name that a fit has."""
    there = [column.cell(key) for key in keys if column.cell(key)]
    if len(there) > 1:
        terms = " and ".join(repr(term) for _, term in keys if column.cell((keys[0][0], term)))
        raise OptionError(f"rename: {terms} stand in one fit and would both be called {name!r}.")
    return there[0] if there else {}


def _by_factor(
    block: CellRows, terms: Sequence[str], columns: Sequence[FitColumn], choice: TermChoice, style: NumberStyle
) -> None:
    """Levels of a factor below its name, at the place of the first; other terms as they are."""
    levels = {t: found for t in terms if (found := tn.level_of(t)) and t not in choice.rename}
    done: set[str] = set()
    for term in terms:
        if term not in levels:
            _plain(block, "", [term], columns, choice, style, indent=False)
            continue
        factor = levels[term][0]
        if factor in done:
            continue
        done.add(factor)
        reference = tn.reference_of(factor, [c.fit for c in columns])
        name = choice.rename.get(factor, factor)
        block.head(f"{name} (reference: {reference})" if reference else name, len(columns))
        called = {t: level for t, (f, level) in levels.items() if f == factor}
        _plain(block, "", list(called), columns, choice, style, indent=True, called=called)

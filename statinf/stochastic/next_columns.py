"""Which columns hold the features of the next state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from statinf.errors import OptionError
from statinf.formula import Design
from statinf.formula.sources import mentioned


def wanted_columns(formula: str, named: list[str], following: Any) -> Any:
    """Which columns a source must read: those of the formula, the named ones and the next ones."""
    if following is not None and not isinstance(following, str | Mapping | Sequence):
        raise OptionError(
            f"next= is a column name, a list of them, a mapping or a pattern such as 'next_{{}}', not a {type(following).__name__}."
        )
    extra = [
        *named,
        *(
            following.values()
            if isinstance(following, Mapping)
            else [following]
            if isinstance(following, str)
            else following or []
        ),
    ]
    by_formula = mentioned(formula, extra)
    if not (isinstance(following, str) and "{}" in following):
        return by_formula
    return lambda columns: [
        c for c in columns if c in by_formula(columns) or c in {following.format(b) for b in by_formula(columns)}
    ]


def next_columns(following: Any, first: Design) -> dict[str, str] | None:
    """The next column of each column that the features use."""
    if following is None:
        return None
    outcome = {c for label in first.recipe.response for c in first.recipe.factors[label].columns}
    used = [c for c in first.recipe.columns if c not in outcome] or list(first.recipe.columns)
    if isinstance(following, str) and "{}" in following:
        found = {c: following.format(c) for c in used}
    elif isinstance(following, str):
        if len(used) != 1:
            raise OptionError(
                f"next={following!r} is one column, the features use {len(used)} ({', '.join(used)}): give a list, a mapping or "
                "a pattern such as 'next_{}'."
            )
        found = {used[0]: following}
    elif isinstance(following, Mapping):
        found = {str(k): str(v) for k, v in following.items()}
        unknown, lacking = set(found) - set(used), set(used) - set(found)
        if unknown or lacking:
            raise OptionError(
                f"next maps {sorted(found)}, the features use {used}; map each of these columns to its next column."
            )
    elif isinstance(following, Sequence):
        if len(following) != len(used):
            raise OptionError(f"next names {len(following)} columns, the features use {len(used)}: {', '.join(used)}.")
        found = dict(zip(used, map(str, following), strict=True))
    else:
        raise OptionError(f"next={following!r} is not a column name, a list of them, a mapping or a pattern.")
    for name in found.values():
        first.frame.require(name)
    return found

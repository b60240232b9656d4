"""Outcomes whose categories have an order: who declared it, and the levels from the lowest to the highest."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from statinf.errors import DataError
from statinf.formula import expression as ex
from statinf.formula import factors as fa
from statinf.formula.classes import class_coding
from statinf.formula.coding import recode
from statinf.formula.columns import Categorical
from statinf.formula.rows import Store, take

_MOST = 20
"""Different whole numbers up to which a column of numbers is taken for ordered categories."""


def ordered_outcome(
    factor: fa.Factor, store: Store, index: np.ndarray | None, present: np.ndarray
) -> tuple[np.ndarray, dict[str, fa.Learnt], tuple[Any, ...]]:
    """Codes of the rows used, what new rows need, and the levels in their order.

    Declared levels stay though no row has them; numbers are levels where a row of positive weight has them.

    Parameters
    ----------
    factor : Factor
        From `class_factor`.
    store : Store
    index : ndarray of int, shape (n,), or None
        Rows used; all of them for None.
    present : ndarray of bool, shape (n,)
        Rows of positive weight.

    Returns
    -------
    codes : ndarray of int, shape (n,)
        Negative in rows of weight zero whose level no other row has.
    learnt : mapping of str to Learnt
    levels : tuple

    Raises
    ------
    DataError
        If categories have no declared order, or numbers are not whole or have many values.
    """
    found = fa.declared(factor, take(fa.categories(factor, store.values(), store.categories), index))
    call = factor.node if ex.call_name(factor.node) == ex.CATEGORICAL else None
    listed = isinstance(call, ast.Call) and any(k.arg == "levels" for k in call.keywords)
    levels = found.levels
    if not (listed or found.ordered):
        seen = np.bincount(found.codes[present & (found.codes >= 0)], minlength=len(levels)) > 0
        levels = tuple(level for level, there in zip(levels, seen, strict=True) if there)
        named = _has_names(factor, store)
        if named and len(levels) > 2:  # two have but one order
            raise _unordered(factor, store, levels)
        if call is None and not (named or factor.logical):
            _check_numbers(factor.label, levels)
        if factor.logical:
            levels = tuple(bool(v) for v in levels)
            found = Categorical(found.codes, tuple(bool(v) for v in found.levels))
    codes = recode(found.codes, found.levels, levels).astype(np.intp)
    return codes, {factor.label: fa.Learnt(store.states_of(factor), class_coding(levels))}, levels


def _has_names(factor: fa.Factor, store: Store) -> bool:
    """Whether the outcome is a column of categories, in `C()` or not, rather than of numbers."""
    name = fa.grouping_column(factor, store.scope)
    if name is None:
        return fa.is_grouped(factor.node, store.scope, store.column)
    return isinstance(store.column(name), Categorical)


def _unordered(factor: fa.Factor, store: Store, levels: tuple[Any, ...]) -> DataError:
    name = fa.grouping_column(factor, store.scope) or factor.label
    shown = ", ".join(map(repr, levels[:6])) + (", ..." if len(levels) > 6 else "")
    return DataError(
        f"the outcome '{factor.label}' holds categories without an order ({shown}); write C({name}, levels=[...]) on the left of "
        "'~' with the levels from the lowest to the highest, or make the column an ordered pandas.Categorical or a polars.Enum."
    )


def _check_numbers(label: str, levels: tuple[Any, ...]) -> None:
    advice = f"cut it into a few ordered classes first (pandas.cut), or write C({label}) if every value is a class of its own"
    broken = [v for v in levels if v != round(v)]
    if broken:
        raise DataError(
            f"the outcome '{label}' holds numbers that are not whole, such as {broken[0]:g}; ordered categories are needed: "
            f"{advice}."
        )
    if len(levels) > _MOST:
        raise DataError(
            f"the outcome '{label}' holds {len(levels)} different numbers, more than the {_MOST} that are taken for ordered "
            f"categories: {advice}."
        )

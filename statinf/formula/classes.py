"""Outcomes that are categories: what counts as one, its levels, and the codes of rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from statinf.errors import DataError, FormulaError
from statinf.formula import expression as ex
from statinf.formula import factors as fa
from statinf.formula.coding import Coding, recode
from statinf.formula.columns import Categorical
from statinf.formula.frame import Frame
from statinf.formula.parse import FormulaText
from statinf.formula.rows import Store, take, usable_rows

_MOST = 10_000
"""Levels beyond which an outcome is taken for an identifier or a measurement."""


def outcome_kind(text: FormulaText, frame: Frame, context: Mapping[str, Any] | None = None) -> str:
    """What the outcome of a formula is in these data, from its type alone.

    Returns
    -------
    {"numbers", "logical", "categories", "several"}
        "logical" for truth values and comparisons; "numbers" as well where there is no outcome, "several" where there are more
        than one.
    """
    if len(text.response) != 1:
        return "several" if text.response else "numbers"
    store = Store.of(frame, ex.Scope(frozenset(frame.names), text.quoted, dict(context or {})))
    made = fa.make_factor(text.response[0], store.scope, store.column, intercept=False)
    return "categories" if made.kind == "categorical" else "logical" if made.logical else "numbers"


def class_factor(text: str, store: Store) -> fa.Factor:
    """The outcome as a factor with levels: categories, truth values, `C(...)`, or numbers, of which two may occur."""
    made = fa.make_factor(text, store.scope, store.column, intercept=False)
    if made.kind == "transform":
        raise FormulaError(f"the outcome '{made.label}' is a transformed number; categories are needed here.")
    return replace(made, kind="categorical")


def class_outcome(
    factor: fa.Factor, store: Store, index: np.ndarray | None
) -> tuple[np.ndarray, dict[str, fa.Learnt], tuple[Any, ...]]:
    """Codes of the rows used, what new rows need, and the levels that occur, in their declared order.

    Parameters
    ----------
    factor : Factor
        From `class_factor`.
    store : Store
    index : ndarray of int, shape (n,), or None
        Rows used; all of them for None.

    Returns
    -------
    codes : ndarray of int, shape (n,)
    learnt : mapping of str to Learnt
    levels : tuple

    Raises
    ------
    DataError
        If one level occurs only, or an outcome of numbers has more than two values.
    """
    found = take(fa.categories(factor, store.values(), store.categories), index)
    found = fa.declared(factor, found)
    if factor.logical:
        found = Categorical(found.codes, tuple(bool(v) for v in found.levels))
    seen = np.bincount(found.codes, minlength=len(found.levels)) > 0
    levels = tuple(level for level, there in zip(found.levels, seen, strict=True) if there)
    if len(levels) < 2:
        only = f"only the level {levels[0]!r}" if levels else "no level"
        raise DataError(f"the outcome '{factor.label}' has {only} in the rows used; at least two are needed.")
    if len(levels) > 2 and not _declared_classes(factor, store):
        raise DataError(
            f"the outcome '{factor.label}' holds numbers, {len(levels)} different ones; write C({factor.label}) on the left "
            "of '~' if they stand for classes, or use a method for numbers."
        )
    if len(levels) > _MOST:
        raise DataError(
            f"the outcome '{factor.label}' has {len(levels)} levels; sets of classes are made of at most {_MOST:,}."
        )
    codes = recode(found.codes, found.levels, levels).astype(np.intp)
    return codes, {factor.label: fa.Learnt(store.states_of(factor), class_coding(levels))}, levels


def class_coding(levels: tuple[Any, ...]) -> Coding:
    """The coding of an outcome's levels, by which new rows find their codes."""
    return Coding(levels, tuple(f"[{level}]" for level in levels), np.arange(len(levels)))


def new_codes(factor: fa.Factor, learnt: fa.Learnt, store: Store) -> np.ndarray:
    """Codes (rows,) of an outcome's levels in new rows: -1 where it is missing, -2 where the fit did not see the level."""
    assert learnt.coding is not None
    found = fa.categories(factor, store.values(), store.categories)
    codes = np.array(recode(found.codes, found.levels, learnt.coding.levels), np.intp)
    # A comparison with a missing value is false, not missing.
    codes[~usable_rows(store, [factor]).ok] = -1
    return codes


def _declared_classes(factor: fa.Factor, store: Store) -> bool:
    if factor.logical or ex.call_name(factor.node) == ex.CATEGORICAL:
        return True
    return fa.is_grouped(factor.node, store.scope, store.column)

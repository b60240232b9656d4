"""What factors learn from the rows of a fit, and their values on these rows and on others."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from statinf.errors import FormulaError
from statinf.formula import expression as ex
from statinf.formula import factors as fa
from statinf.formula.coding import recode
from statinf.formula.columns import Categorical
from statinf.formula.rows import Store, strike_untaught, take, usable_rows


def learn_all(
    factors: Sequence[fa.Factor],
    store: Store,
    index: np.ndarray | None,
    n: int,
    known: Mapping[str, fa.Learnt] | None = None,
) -> tuple[dict[str, fa.Learnt], dict[str, Any]]:
    """What factors learn from the rows used, and their values there; what is `known` already is not learnt again."""
    if known is not None:
        return {f.label: known[f.label] for f in factors}, values_of(factors, known, store, index, n)
    learnt: dict[str, fa.Learnt] = {}
    values: dict[str, Any] = {}
    for factor in factors:
        learnt[factor.label], values[factor.label] = _learn(factor, store, index, n)
    return learnt, values


def learn_without(
    factors: Sequence[fa.Factor], store: Store, ok: np.ndarray, absent: np.ndarray
) -> tuple[np.ndarray, dict[str, fa.Learnt]]:
    """What factors learn from the rows used that are not absent, such as those of weight zero.

    Returns
    -------
    ndarray of bool, shape (n_total,)
        The rows used without those absent ones that the others cannot code, by level or range.
    dict of str to Learnt
    """
    index = np.flatnonzero(ok & ~absent)
    learnt = {f.label: _learn(f, store, index, len(index), absent)[0] for f in factors}
    return strike_untaught(store, factors, learnt, ok, absent), learnt


def values_of(
    factors: Sequence[fa.Factor], learnt: Mapping[str, fa.Learnt], store: Store, index: np.ndarray | None, n: int
) -> dict[str, Any]:
    """Values of factors on rows, with what they learnt elsewhere."""
    return {f.label: value_of(f, learnt[f.label], store, index, n) for f in factors}


def value_of(factor: fa.Factor, learnt: fa.Learnt, store: Store, index: np.ndarray | None, n: int) -> Any:
    """The value of one factor on rows: categories by the levels learnt, or an array (n, width)."""
    if learnt.coding is not None:
        found = fa.categories(factor, store.values(), store.categories)
        codes = recode(found.codes, found.levels, learnt.coding.levels)
        return Categorical(take(codes, index), learnt.coding.levels)
    ready = _ready(factor, store) if factor.kind == "numeric" else None
    if ready is not None:
        made = np.asarray(take(ready, index), dtype=np.float64)
        return made if made.ndim == 2 else made[:, None]
    return fa.apply(factor, learnt, store.values(index), n)


def _learn(
    factor: fa.Factor, store: Store, index: np.ndarray | None, n: int, absent: np.ndarray | None = None
) -> tuple[fa.Learnt, Any]:
    learnt, value = _learn_own(factor, store, index, n, absent)
    groups = store.states_of(factor)
    return (replace(learnt, states={**learnt.states, **groups}) if groups else learnt), value


def _learn_own(
    factor: fa.Factor, store: Store, index: np.ndarray | None, n: int, absent: np.ndarray | None
) -> tuple[fa.Learnt, Any]:
    found = None
    if factor.kind == "categorical":
        found = take(fa.categories(factor, store.values(), store.categories), index)
    ready = _ready(factor, store) if factor.kind == "numeric" else None
    if ready is not None and ready.ndim == 1:
        # The rows used are those on which it is finite.
        return fa.Learnt({}, logical=factor.logical), take(ready, index).reshape(n, 1)
    own = _own_rows(factor, store, absent) if index is not None and factor.kind != "categorical" else None
    if own is None:
        return fa.learn(factor, found, store.values(index), n)
    learnt, _ = fa.learn(factor, None, store.values(own), len(own))
    return learnt, fa.apply(factor, learnt, store.values(index), n)


def _ready(factor: fa.Factor, store: Store) -> np.ndarray | None:
    """The values of a factor on all rows where they are there already: a column, or an expression that rows were chosen by."""
    name = ex.column_name(factor.node, store.scope)
    if name is None:
        return store.computed.get(ast.unparse(factor.node))
    column = store.column(name)
    return None if isinstance(column, Categorical) else column.values


def _own_rows(factor: fa.Factor, store: Store, absent: np.ndarray | None) -> np.ndarray | None:
    """Rows that a transform learns from: as in R all on which its own columns are complete, used or not.

    Rows of weight zero are no such rows: they are absent. Penalised splines learn from the rows used, as R's mgcv has it.
    """
    called = {ex.call_name(call) for call in fa.stateful_calls(factor.node, store.scope)}
    if not called or ex.SMOOTH in called:
        return None
    complete = usable_rows(store, [factor], absent=absent).ok
    return np.flatnonzero(complete if absent is None else complete & ~absent)


def outcomes(
    factors: Sequence[fa.Factor],
    store: Store,
    index: np.ndarray | None,
    n: int,
    known: Mapping[str, fa.Learnt] | None = None,
) -> tuple[np.ndarray | None, Mapping[str, fa.Learnt]]:
    """The outcomes on the rows used, and what they learnt."""
    if not factors:
        return None, {}
    learnt, values = learn_all(factors, store, index, n, known)
    made = [single(f, values[f.label]) for f in factors]
    # A copy: the outcome must not change with the caller's table.
    return (np.array(made[0]) if len(made) == 1 else np.column_stack(made)), learnt


def single(factor: fa.Factor, value: np.ndarray) -> np.ndarray:
    """The one column of a factor, shape (n,)."""
    if value.shape[1] != 1:
        raise FormulaError(f"'{factor.label}' has {value.shape[1]} columns; one is needed here.")
    return value[:, 0]

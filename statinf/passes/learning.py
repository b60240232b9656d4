"""A formula read on a table in blocks: levels and transforms are learnt from all its rows, exactly as in memory."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from statinf.errors import DataError, FormulaError, OptionError, one_of
from statinf.formula import factors as fa
from statinf.formula.calls import learning_calls, stateful_calls
from statinf.formula.columns import Categorical
from statinf.formula.evaluate import grouped
from statinf.formula.expression import Scope, call_name, column_name
from statinf.formula.frame import Frame, as_frame
from statinf.formula.grouping import crossed_value
from statinf.formula.learning import learn_all
from statinf.formula.mentioned import Mentioned
from statinf.formula.reading import Reading, read_formula
from statinf.formula.recipe import check_kinds, check_no_rows, warn_rows
from statinf.formula.rows import Store, take, usable_rows
from statinf.formula.scan import check_text
from statinf.passes.adding import plus
from statinf.passes.design import PassDesign, Tally, carried_weights, is_estimated, used_block, weights_on
from statinf.passes.gathering import Gathered, gather
from statinf.passes.levels import GroupIndex, LevelsMet, is_declared
from statinf.passes.table import BlockTable


def read_passes(
    formula: str,
    table: BlockTable,
    *,
    roles: Sequence[str] = ("covariates",),
    weights: Any = None,
    cluster: Any = None,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    response: str = "numeric",
    also: Sequence[str] = (),
    progress: Any = None,
) -> PassDesign:
    """Read a formula on a table in blocks.

    One pass finds the levels of categories and clusters and counts rows; another before it gathers the columns that
    transforms such as `poly()` and `bs()` learn from (eight bytes a row and column), so that they learn what they learn in
    memory.

    Parameters
    ----------
    formula, roles, na_action, context, response
        As `statinf.formula.design` takes them; `response` is not "categories" or "ordered".
    table : BlockTable
    weights : str or BlockWeights, optional
        A column of row weights, or weights estimated on the same table.
    cluster : str or sequence of str, optional
    also : sequence of str
        Further columns that a method reads of each block.
    progress : bool, optional

    Returns
    -------
    PassDesign

    Raises
    ------
    FormulaError, DataError
        As `design` does.
    OptionError
        If weights or clusters are arrays: rows in blocks have columns only.
    """
    one_of("na_action", na_action, ("drop", "raise"))
    names, before = _named(cluster), table.count.done
    if weights is not None and not isinstance(weights, str) and not is_estimated(weights):
        raise OptionError(
            "data that are read in blocks take weights as the name of a column, or as weights estimated on the same blocks, not as "
            "an array."
        )
    weighing = [] if weights is None else [weights] if isinstance(weights, str) else list(weights.columns)
    mentioned = Mentioned(check_text(formula), weighing, list(names), list(also))
    columns = tuple(c for c in table.names if c in mentioned) or table.names[:1]
    first = table.first(columns)
    if first is None:
        raise DataError("the data have no rows.")
    frame = as_frame(first)
    known = Frame(frame.native, frame.kind, frame.names, frame.n, tuple(c for c in table.names if c not in columns))
    for name in (*names, *also, *weighing):
        known.require(name)
    reading, _ = read_formula(formula, frame, roles, response, context)
    _check_nested(reading)
    used = dict.fromkeys([*(c for f in reading.every for c in f.columns), *names, *also, *weighing])
    columns = tuple(c for c in table.names if c in used) or columns[:1]
    learner = _FormulaPasses(table, reading, columns, weights, tuple(weighing), names, progress)
    states, learnt = learner.transforms()
    met = learner.levels(states)
    check_no_rows(met.tally.n, met.tally.n_total, met.tally.causes)
    _check_causes(met.tally, na_action)
    if weights is not None and not met.tally.positive:
        raise DataError("all weights are zero on the rows used; at least some must be positive.")
    learnt |= _codings(reading, met, states)
    # The layout's own limit on memory counts one block.
    layouts = reading.layouts(learnt, min(met.tally.n, table.block_rows))
    recipe = reading.recipe(layouts, learnt)
    return PassDesign(table, reading, recipe, columns, met.tally, weights, met.clusters, progress, before)


def _named(cluster: Any) -> tuple[str, ...]:
    if cluster is None:
        return ()
    listed = [cluster] if isinstance(cluster, str) else cluster
    if isinstance(listed, list | tuple) and all(isinstance(c, str) for c in listed):
        return tuple(listed)
    raise OptionError("data that are read in blocks take cluster as names of columns, not as an array.")


def _check_causes(tally: Tally, na_action: str) -> None:
    if tally.causes and na_action == "raise":
        listed = "; ".join(f"{count} rows: {cause}" for cause, count in tally.causes.items())
        raise DataError(f"na_action='raise' and rows cannot be used: {listed}.")
    warn_rows({c: k for c, k in tally.causes.items() if c.endswith("is not finite")}, tally.n_total, "are dropped")


@dataclass(frozen=True)
class _Met:
    """What one pass has found: counts, levels of factors and values of clusters, and what plain factors look like."""

    tally: Tally
    levels: Mapping[str, LevelsMet]
    clusters: Mapping[str, GroupIndex]
    plain: Mapping[str, fa.Learnt]

    def plus(self, other: _Met) -> _Met:
        return _Met(
            self.tally.plus(other.tally),
            plus(self.levels, other.levels),
            plus(self.clusters, other.clusters),
            {**other.plain, **self.plain},
        )


@dataclass(frozen=True)
class _FormulaPasses:
    table: BlockTable
    reading: Reading
    columns: tuple[str, ...]
    weights: Any
    weighing: tuple[str, ...]
    clusters: tuple[str, ...]
    progress: Any

    def transforms(self) -> tuple[dict[str, dict[str, Any]], dict[str, fa.Learnt]]:
        """What calls that look at whole columns learn: states of groupings, and `Learnt` of transforms."""
        scope = self.reading.scope
        looking = [f for f in self.reading.every if stateful_calls(f.node, scope) or learning_calls(f.node, scope)]
        if not looking:
            return {}, {}
        needed = tuple(dict.fromkeys(c for f in looking for c in f.columns))
        read = tuple(dict.fromkeys((*needed, *self.weighing)))
        found: Gathered = self.table.total(
            partial(gather, needed, carried_weights(self.weights)),
            read,
            "reading the columns of transforms",
            progress=self.progress,
        )
        store = Store.of(as_frame(found.frame()), scope)
        learnt = {}
        for factor in looking:
            usable = usable_rows(store, [factor])
            if factor.kind != "categorical":
                index = usable.index
                n = store.frame.n if index is None else len(index)
                check_no_rows(n, store.frame.n, usable.causes)
                learnt |= learn_all([factor], store, index, n)[0]
        return dict(store.states), learnt

    def levels(self, states: Mapping[str, dict[str, Any]]) -> _Met:
        """Levels and counts, in one pass."""
        found = self.table.total(
            partial(_meet, self.reading, carried_weights(self.weights), self.clusters, states),
            self.columns,
            "reading levels",
            progress=self.progress,
        )
        return _Met(Tally(), {}, {}, {}) if found is None else found


def _meet(
    reading: Reading, weights: Any, clusters: Sequence[str], states: Mapping[str, dict[str, Any]], native: Any
) -> _Met:
    frame = as_frame(native)
    store = Store.of(frame, reading.scope, states=states)
    check_kinds(store, reading.every)
    held = weights_on(weights, frame)
    used = used_block(reading, store, held, dict.fromkeys(clusters))
    index = used.index
    helped = held.used if is_estimated(weights) else None
    if used.weights is not None and used.tally.positive < used.n:
        # Rows of weight zero teach nothing.
        rows = np.arange(frame.n) if index is None else index
        index = rows[used.weights > 0]
    levels: dict[str, LevelsMet] = {}
    plain: dict[str, fa.Learnt] = {}
    count = frame.n if index is None else len(index)
    for factor in reading.every:
        if factor.kind == "categorical":
            found = take(fa.categories(factor, store.values(), store.categories), index)
            name = fa.grouping_column(factor, reading.scope)
            if name is None or fa.has_labels(factor):
                # All intervals of a cut() and all labels are known before their rows are met.
                declared = found.ordered or fa.has_labels(factor)
            else:
                declared = is_declared(frame, name)
            levels[factor.label] = LevelsMet.of(found, declared)
            for place, argument in enumerate(_crossed_arguments(factor, reading.scope)):
                levels[f"{factor.label}\0{place}"] = _piece_met(argument, store, index)
        elif count and not stateful_calls(factor.node, reading.scope):
            plain |= learn_all([factor], store, index, count)[0]
    # Rows outside the fit that helped to estimate its weights have clusters too.
    grouped = index if helped is None else helped
    groups = {name: GroupIndex.of(frame.categories(name), grouped) for name in clusters}
    return _Met(used.tally, levels, groups, plain)


def _crossed_arguments(factor: fa.Factor, scope: Scope) -> list[ast.expr]:
    """What an `interaction()` that is a factor crosses; nothing for other factors."""
    node = factor.node
    while isinstance(node, ast.Call) and scope.is_categorical(node) and not fa.has_labels(factor):
        node = node.args[0]
    crosses = isinstance(node, ast.Call) and call_name(node) == "interaction" and scope.is_grouping(node)
    return list(node.args) if crosses else []  # type: ignore[union-attr]


def _piece_met(argument: ast.expr, store: Store, index: np.ndarray | None) -> LevelsMet:
    found = grouped(argument, store.values())
    name = column_name(argument, store.values().scope)
    return LevelsMet.of(take(found, index), found.ordered if name is None else is_declared(store.frame, name))


def _check_nested(reading: Reading) -> None:
    """Refuse levels that are made of made levels in ways whose order a block does not know."""
    for factor in reading.every:
        if factor.kind != "categorical":
            continue
        calls = [n for n in ast.walk(factor.node) if isinstance(n, ast.Call)]
        crossings = sum(call_name(n) == "interaction" for n in calls)
        renamed = [n for n in calls if n is not factor.node and any(k.arg == "labels" for k in n.keywords)]
        if crossings > 1 or (renamed and any(reading.scope.is_categorical(n) for n in renamed)):
            raise FormulaError(
                f"'{factor.label}': levels made of made levels are not learnt from data that are read in blocks; compute the "
                "column first."
            )


def _in_order(factor: fa.Factor, met: _Met, scope: Scope) -> LevelsMet:
    """The levels of a factor; those of an `interaction()` in the order that the levels of what it crosses have in all rows."""
    found, count = met.levels[factor.label], len(_crossed_arguments(factor, scope))
    if not count:
        return found
    pieces = [met.levels[f"{factor.label}\0{place}"].order for place in range(count)]
    cells = np.indices([len(p) for p in pieces]).reshape(count, -1)
    call = next(n for n in ast.walk(factor.node) if call_name(n) == "interaction")
    every = crossed_value(call, [Categorical(c, p) for c, p in zip(cells, pieces, strict=True)]).levels  # type: ignore[arg-type]
    return replace(found, order=tuple(dict.fromkeys(v for v in every if v in found.present)))


def _codings(reading: Reading, met: _Met, states: Mapping[str, dict[str, Any]]) -> dict[str, fa.Learnt]:
    """What plain and categorical factors have learnt from the levels met."""
    learnt = dict(met.plain)
    for factor in reading.every:
        if factor.kind != "categorical":
            continue
        found = _in_order(factor, met, reading.scope).as_column
        made = fa.learn(factor, found, None, len(found.codes))[0]  # type: ignore[arg-type]
        texts = {ast.unparse(call) for call in learning_calls(factor.node, reading.scope)}
        own = {text: state for text, state in states.items() if text in texts}
        learnt[factor.label] = replace(made, states={**made.states, **own}) if own else made
    return learnt

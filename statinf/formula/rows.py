"""Which rows of a table can be used, and why the others cannot."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from statinf.errors import DataError, FormulaError
from statinf.formula import evaluate as ev
from statinf.formula import expression as ex
from statinf.formula import factors as fa
from statinf.formula.calls import grouped_columns, learning_calls, stateful_calls, stateless_parts
from statinf.formula.coding import recode
from statinf.formula.columns import Categorical
from statinf.formula.scale import LARGEST
from statinf.formula.store import Store, take

__all__ = ["Store", "Strike", "Usable", "strike_untaught", "take", "usable_rows"]


@dataclass(frozen=True)
class Usable:
    """Rows that can be used.

    Attributes
    ----------
    ok : ndarray of bool, shape (n_total,)
    causes : mapping of str to int
        Number of rows lost to each cause, such as "x1 is missing".
    """

    ok: np.ndarray
    causes: Mapping[str, int]

    @property
    def index(self) -> np.ndarray | None:
        """Row numbers, or None if every row is used."""
        return None if bool(self.ok.all()) else np.flatnonzero(self.ok)


Strike = Callable[[np.ndarray, str], None]


def usable_rows(
    store: Store,
    factors: Iterable[fa.Factor],
    learnt: Mapping[str, fa.Learnt] | None = None,
    extra: Mapping[str, np.ndarray] | None = None,
    absent: np.ndarray | None = None,
) -> Usable:
    """Find the rows on which every factor has a finite value.

    Parameters
    ----------
    store : Store
    factors : iterable of Factor
    learnt : mapping, optional
        What the factors learnt at the fit; given for new rows, where unseen levels and values outside
        a spline's range cannot be predicted and infinite values are reported like missing ones.
    extra : mapping of str to ndarray of bool, optional
        Further causes with the rows they strike.
    absent : ndarray of bool, shape (n_total,), optional
        Rows of weight zero: what they lack is neither counted nor an error.

    Raises
    ------
    DataError
        If a column holds infinite values at the fit.
    """
    n = store.frame.n
    ok = np.ones(n, dtype=bool)
    causes: dict[str, int] = {}

    def strike(rows: np.ndarray, cause: str) -> None:
        ok[rows] = False
        count = int(np.count_nonzero(rows if absent is None else rows & ~absent))
        if count:
            causes[cause] = causes.get(cause, 0) + count

    factors = tuple(factors)
    strict, computed = _columns_by_use(store, factors)
    for name in dict.fromkeys(c for f in factors for c in f.columns):
        if name not in computed:
            _strike_groups(store, name, strike, absent)
        else:
            _strike_column(store, name, strike if name in strict else _ignore, absent)
    _learn_groups(store, factors, absent)
    for cause, rows in (extra or {}).items():
        # A column that is also a factor of the formula has been counted.
        if cause not in causes:
            strike(rows, cause)
    for factor in factors:
        for part in stateless_parts(factor.node, store.scope):
            if ex.column_name(part, store.scope) is None:
                _strike_expression(store, part, ok, strike, absent)
            elif factor.fixed or fa.has_labels(factor):
                _strike_unlabelled(store, factor, ok, strike)
    if learnt is not None:
        for factor in factors:
            _strike_new(store, factor, learnt[factor.label], ok, strike)
    return Usable(ok, causes)


def _ignore(rows: np.ndarray, cause: str) -> None:
    """Leave rows alone: their expression has a value all the same, or strikes them itself."""


def _columns_by_use(store: Store, factors: Sequence[fa.Factor]) -> tuple[set[str], set[str]]:
    """Columns without whose values a row cannot be used, and columns that are read as they are rather than as groups."""
    strict: set[str] = set()
    computed: set[str] = set()
    for factor in factors:
        strict |= set() if store.scope.admits_missing(factor.node) else set(factor.columns)
        if fa.grouping_column(factor, store.scope) is None:
            computed |= set(factor.columns) - _only_grouped(factor, store)
    return strict, computed


def _only_grouped(factor: fa.Factor, store: Store) -> set[str]:
    grouped, elsewhere = grouped_columns(factor.node, store.scope)
    return grouped - elsewhere


def _learn_groups(store: Store, factors: Sequence[fa.Factor], absent: np.ndarray | None) -> None:
    """Breaks and labels, from all rows that are not absent, used or not, as R has them."""
    for factor in factors:
        for call in learning_calls(factor.node, store.scope):
            text = ast.unparse(call)
            if text not in store.states:
                rows = None if absent is None else np.flatnonzero(~absent)
                store.states[text] = ev.learn_group(call, store.values(rows))


def _strike_unlabelled(store: Store, factor: fa.Factor, ok: np.ndarray, strike: Strike) -> None:
    """Strike rows whose level has no label."""
    if fa.has_labels(factor):
        found = fa.categories(factor, store.values(), store.categories)
        strike(ok & (found.codes < 0), f"{factor.label} has no label")


def _strike_groups(store: Store, name: str, strike: Strike, absent: np.ndarray | None) -> None:
    found = store.categories(name)
    endless = [i for i, v in enumerate(found.levels) if isinstance(v, float) and np.isinf(v)]
    infinite = np.isin(found.codes, endless) if endless and not store.new else None
    if infinite is not None and absent is not None:
        strike(infinite & absent, f"{name} is infinite")
        infinite = infinite & ~absent
    if infinite is not None and infinite.any():
        raise DataError(f"column '{name}' has infinite values; replace them by missing values or remove these rows.")
    strike(found.codes < 0, f"{name} is missing")


def _strike_column(store: Store, name: str, strike: Strike, absent: np.ndarray | None) -> None:
    column = store.column(name)
    if isinstance(column, Categorical):
        strike(column.codes < 0, f"{name} is missing")
        return
    if absent is not None:
        strike(absent & (np.abs(column.values) > LARGEST), f"{name} is too large to be squared")
    # One pass decides the common case: a sum is finite only if nothing in it is missing or infinite
    # (or it overflows, and then the exact look follows).
    with np.errstate(all="ignore"):
        if np.isfinite(np.sum(column.values)):
            return
    infinite = np.isinf(column.values)
    if infinite.any():
        counted = infinite if absent is None else infinite & ~absent
        if not store.new and counted.any():
            first = int(np.flatnonzero(counted)[0])
            raise DataError(
                f"column '{name}' has {int(counted.sum())} infinite values (first at row {first}); "
                "replace them by missing values or remove these rows."
            )
        strike(infinite, f"{name} is infinite")
    strike(np.isnan(column.values), f"{name} is missing")


def _strike_expression(store: Store, node: ast.AST, ok: np.ndarray, strike: Strike, absent: np.ndarray | None) -> None:
    n = store.frame.n
    # Only on rows still in use: a caller's function such as a deviation from the mean must not meet missing values.
    index = None if ok.all() else np.flatnonzero(ok)
    value = ev.evaluate(node, store.values(index))
    text = ex.label(node, store.scope)
    if isinstance(value, Categorical):
        lost = np.zeros(n, dtype=bool)
        lost[np.flatnonzero(value.codes < 0) if index is None else index[value.codes < 0]] = True
        inside = ex.call_name(node) == "cut" and not store.scope.admits_missing(node)
        strike(lost, f"{text} has no interval for it" if inside else f"{text} is missing")
        return
    if isinstance(value, list | str) or np.ndim(value) == 0:
        return
    array = ev.as_floats(value, text)
    if len(array) != (n if index is None else len(index)):
        raise FormulaError(f"'{text}' gave {len(array)} values for {n if index is None else len(index)} rows.")
    if index is not None:
        array, computed = np.full((n, *array.shape[1:]), np.nan), array
        array[index] = computed
    store.computed[ast.unparse(node)] = array
    if absent is not None:
        large = np.abs(array) > LARGEST
        strike(ok & absent & (large if large.ndim == 1 else large.any(axis=1)), f"{text} is too large to be squared")
    with np.errstate(all="ignore"):
        if np.isfinite(np.sum(array)):
            return
    finite = np.isfinite(array)
    finite = finite if finite.ndim == 1 else finite.all(axis=1)
    if store.scope.admits_missing(node):
        missing = np.isnan(array) if array.ndim == 1 else np.isnan(array).any(axis=1)
        strike(ok & missing, f"{text} is missing")
        finite = finite | missing
    strike(ok & ~finite, f"{text} is not finite")


def strike_untaught(
    store: Store,
    factors: Iterable[fa.Factor],
    learnt: Mapping[str, fa.Learnt],
    ok: np.ndarray,
    absent: np.ndarray,
) -> np.ndarray:
    """Which rows stay once absent ones that the others cannot code, by level or range, are out, shape (n_total,)."""
    left = ok.copy()

    def strike(rows: np.ndarray, cause: str) -> None:
        left[rows & absent] = False

    for factor in factors:
        _strike_new(store, factor, learnt[factor.label], left, strike)
    return left


def _strike_new(store: Store, factor: fa.Factor, learnt: fa.Learnt, ok: np.ndarray, strike: Strike) -> None:
    if learnt.coding is not None:
        found = fa.categories(factor, store.values(), store.categories)
        codes = recode(found.codes, found.levels, learnt.coding.levels)
        unseen = ok & (codes == -2)
        if unseen.any():
            names = [repr(found.levels[c]) for c in np.unique(found.codes[unseen])[:5]]
            strike(unseen, f"{factor.label} has the unseen level {', '.join(names)}")
        return
    for call in stateful_calls(factor.node, store.scope):
        _strike_outside(store, call, learnt, ok, strike)


def _strike_outside(store: Store, call: ast.Call, learnt: fa.Learnt, ok: np.ndarray, strike: Strike) -> None:
    """Strike rows beyond the range of a `bs()`, or note that a spline goes on there."""
    state, name = learnt.states.get(ast.unparse(call), {}), ex.call_name(call)
    if "lower_bound" not in state or name == "cc" or any(k.arg == "extrapolation" for k in call.keywords):
        return
    x = fa.apply(fa.Factor("", call.args[0], "numeric", ()), learnt, store.values(), store.frame.n)[:, 0]
    with np.errstate(invalid="ignore"):
        outside = ok & ((x < state["lower_bound"]) | (x > state["upper_bound"]))
    if not outside.any():
        return
    bounds = f"the fit's range [{state['lower_bound']:.6g}, {state['upper_bound']:.6g}]"
    text = ex.label(call, store.scope)
    chosen = any(k.arg == "Boundary_knots" for k in call.keywords)
    if name == "ns" and chosen:
        return
    if name == "bs" and not chosen:
        strike(outside, f"{text} is outside {bounds}")
        return
    how = "as polynomials, which are soon far off" if name == "bs" else "as a straight line"
    store.notes.append(f"{int(outside.sum())} rows are outside {bounds} of {text}, which goes on {how} there")

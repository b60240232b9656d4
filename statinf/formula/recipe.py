"""What a fit remembers of its formula: enough to make the same columns for new rows."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from statinf.errors import DataError, DroppedRowsWarning, NumericalWarning, issue_warning
from statinf.formula import expression as ex
from statinf.formula import factors as fa
from statinf.formula.classes import class_coding, new_codes
from statinf.formula.columns import Categorical, Numeric
from statinf.formula.frame import Frame, as_frame
from statinf.formula.layout import Layout
from statinf.formula.learning import values_of
from statinf.formula.matrix import Matrix, fill
from statinf.formula.rows import Store, usable_rows
from statinf.formula.smooths import SmoothTerm, is_smooth


@dataclass(frozen=True)
class NewRows:
    """The columns of a formula for new rows, one row out per row in.

    Attributes
    ----------
    parts : mapping of str to Matrix
        By role; rows that cannot be made are NaN.
    ok : ndarray of bool, shape (n,)
        Which rows could be made.
    offset : ndarray, shape (n,), or None
    response : ndarray, shape (n,) or (n, m), or None
        The recorded outcome where it was asked for; NaN where it is missing. Of categories the codes: -1 where it is
        missing, -2 where the fit did not see the level.
    n : int
    kind : str
        The new frame's kind.
    frame : Frame
        The new rows as given.
    causes : mapping of str to int
        Number of rows that could not be made, by cause.
    """

    parts: Mapping[str, Matrix]
    ok: np.ndarray
    offset: np.ndarray | None
    response: np.ndarray | None
    n: int
    kind: str
    frame: Frame
    causes: Mapping[str, int] = field(default_factory=dict)

    @property
    def index(self) -> Any:
        """Labels of the new rows, shape (n,): the index of a pandas frame, None for other kinds."""
        return self.frame.index

    def part(self, role: str) -> Matrix:
        """The part of that role; a `KeyError` where the formula has none or it was not asked for."""
        return self.parts[role]


@dataclass(frozen=True)
class PartRecipe:
    """One part of a formula."""

    role: str
    layout: Layout
    factors: tuple[str, ...]


@dataclass(frozen=True)
class Recipe:
    """Factors, what they learnt, and the layout of each part.

    Attributes
    ----------
    formula : str
    parts : tuple of PartRecipe
    response, offset : tuple of str
        Labels of factors.
    factors : mapping of str to Factor
    learnt : mapping of str to Learnt
    quoted : mapping of str to str
        Placeholders of names in backticks.
    context : mapping of str to object
        What the caller handed over, by reference.
    """

    formula: str
    parts: tuple[PartRecipe, ...]
    response: tuple[str, ...]
    offset: tuple[str, ...]
    factors: Mapping[str, fa.Factor]
    learnt: Mapping[str, fa.Learnt]
    quoted: Mapping[str, str] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every data column that the formula uses."""
        return tuple(dict.fromkeys(c for f in self.factors.values() for c in f.columns))

    @property
    def states(self) -> dict[str, dict[str, Any]]:
        """What the calls in the factors learnt, by their text."""
        return {text: state for learnt in self.learnt.values() for text, state in learnt.states.items()}

    def _scope(self) -> ex.Scope:
        # What the fit read has been checked: smooth terms are known where it has them.
        return ex.Scope(frozenset(self.columns), self.quoted, self.context, smooth=True)

    def smooth_terms(self, role: str) -> tuple[SmoothTerm, ...]:
        """The penalised splines of a part."""
        scope = self._scope()
        layout = next(part.layout for part in self.parts if part.role == role)
        found = []
        for block in layout.blocks:
            factor = self.factors[block.factors[0]]
            if is_smooth(factor, scope):
                assert isinstance(factor.node, ast.Call)
                state = self.learnt[factor.label].states[ast.unparse(factor.node)]
                argument, columns = ex.label(factor.node.args[0], scope), layout.terms[block.term]
                found.append(SmoothTerm(factor.label, argument, columns, state["lower_bound"], state["upper_bound"]))
        return tuple(found)

    def with_levels(self, levels: tuple[Any, ...]) -> Recipe:
        """The same recipe, whose outcome of categories may have further levels."""
        label = self.response[0]
        return replace(self, learnt={**self.learnt, label: replace(self.learnt[label], coding=class_coding(levels))})

    def new_rows(
        self, newdata: Any, roles: Sequence[str] | None = None, *, response: bool = False, warn: bool = True
    ) -> NewRows:
        """Make the formula's columns for new rows.

        Parameters
        ----------
        newdata : table
            Anything `as_frame` reads; needs the columns of the parts asked for only.
        roles : sequence of str, optional
            Parts to make; all of them by default.
        response : bool
            Whether to compute the recorded outcome as well; missing outcomes are no reason to drop a row.
        warn : bool
            Whether to warn, once, about rows that cannot be made.

        Raises
        ------
        DataError
            If a column is missing.
        """
        wanted = [p for p in self.parts if roles is None or p.role in roles]
        # An offset belongs to the first part.
        offsets = self.offset if self.parts and self.parts[0] in wanted else ()
        labels = [*dict.fromkeys(label for p in wanted for label in p.factors), *offsets]
        chosen = [self.factors[label] for label in labels]
        outcome = [self.factors[label] for label in self.response] if response else []
        frame = as_frame(newdata, [c for f in (*chosen, *outcome) for c in f.columns])
        for factor in (*chosen, *outcome):
            for column in factor.columns:
                frame.require(column)
        store = Store.of(frame, self._scope(), new=True, states=self.states)
        check_kinds(store, chosen)
        used = usable_rows(store, chosen, self.learnt)
        if warn:
            warn_rows(used.causes, frame.n, "cannot be predicted and are NaN")
            for note in store.notes:
                issue_warning(f"of {frame.n} rows, {note}.", NumericalWarning)
        index = used.index
        kept = frame.n if index is None else len(index)
        values = values_of(chosen, self.learnt, store, index, kept)
        parts = {p.role: _scatter(fill(p.layout, values, self.learnt, kept), index, frame.n) for p in wanted}
        offset = sum_offsets([_scatter_vector(values[label][:, 0], index, frame.n) for label in offsets])
        return NewRows(parts, used.ok, offset, self._outcome(outcome, store), frame.n, frame.kind, frame, used.causes)

    def _outcome(self, factors: list[fa.Factor], store: Store) -> np.ndarray | None:
        if not factors:
            return None
        if self.learnt[factors[0].label].coding is not None:
            return new_codes(factors[0], self.learnt[factors[0].label], store)
        used = usable_rows(store, factors, self.learnt)
        kept = store.frame.n if used.index is None else len(used.index)
        values = values_of(factors, self.learnt, store, used.index, kept)
        made = [_scatter_vector(values[f.label][:, 0], used.index, store.frame.n) for f in factors]
        return np.array(made[0]) if len(made) == 1 else np.column_stack(made)


def warn_rows(causes: Mapping[str, int], n: int, what: str) -> None:
    """One warning that counts rows by cause, if there is a cause."""
    if not causes:
        return
    listed = "; ".join(f"{count} {'row' if count == 1 else 'rows'}: {cause}" for cause, count in causes.items())
    issue_warning(f"rows of {n} that {what}: {listed}.", DroppedRowsWarning)


def check_kinds(store: Store, factors: Sequence[fa.Factor]) -> None:
    """A column that was numbers at the fit must be numbers now, and one that was categories must be categories."""
    for factor in factors:
        name = ex.column_name(factor.node, store.scope)
        if name is None:
            continue
        column = store.column(name)
        if factor.kind == "numeric" and isinstance(column, Categorical):
            if (column.codes < 0).all():  # nothing but gaps has no kind of its own
                store.columns[name] = Numeric(np.full(len(column.codes), np.nan))
                continue
            raise DataError(f"column '{name}' holds categories in the new data; it held numbers at the fit.")
        if factor.kind == "categorical" and not isinstance(column, Categorical) and np.isfinite(column.values).any():
            raise DataError(f"column '{name}' holds numbers in the new data; it held categories at the fit.")


def _scatter(matrix: Matrix, index: np.ndarray | None, n: int) -> Matrix:
    if index is None:
        return matrix
    values = np.full((n, matrix.p), np.nan, order="F")
    values[index] = matrix.values
    return Matrix(values, matrix.names, matrix.terms, matrix.intercept)


def _scatter_vector(vector: np.ndarray, index: np.ndarray | None, n: int) -> np.ndarray:
    if index is None:
        return vector
    out = np.full(n, np.nan)
    out[index] = vector
    return out


def sum_offsets(offsets: Sequence[np.ndarray]) -> np.ndarray | None:
    if not offsets:
        return None
    total = np.zeros_like(offsets[0])
    for offset in offsets:
        total = total + offset
    return total


def check_no_rows(n: int, n_total: int, causes: Mapping[str, int]) -> None:
    """Raise a `DataError` if nothing is left."""
    if n_total == 0:
        raise DataError("the data have no rows.")
    if n == 0:
        listed = "; ".join(f"{count}: {cause}" for cause, count in causes.items())
        raise DataError(f"no row of {n_total} can be used ({listed}).")

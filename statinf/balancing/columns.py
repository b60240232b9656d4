"""The columns that are balanced, and those a balance table shows."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from statinf.backend import one_blas_thread
from statinf.balancing.arms import rough_scales
from statinf.errors import AliasedWarning, DataError, OptionError
from statinf.formula.matrix import Matrix
from statinf.formula.recipe import Recipe
from statinf.numerics.discrepancy.imbalance import is_binary
from statinf.numerics.rowwise.sums import Rows, some_rows

_ALIASED = 1e-11
"""Share of its variance that must be left of a column beside those before it."""
_CLEAR = 1e-4
_SOME = 20_000


@dataclass(frozen=True)
class Columns:
    """Columns without a constant.

    Attributes
    ----------
    values : ndarray, shape (n, p)
    names : tuple of str
    terms : tuple of str
        The term that each column belongs to.
    """

    values: np.ndarray
    names: tuple[str, ...]
    terms: tuple[str, ...]

    def keep(self, which: np.ndarray) -> Columns:
        """Some of the columns; no copy if all are kept."""
        if which.all():
            return self
        at = np.flatnonzero(which)
        return Columns(self.values[:, at], tuple(self.names[j] for j in at), tuple(self.terms[j] for j in at))


def formula_columns(matrix: Matrix) -> Columns:
    """The columns of the formula's right-hand side."""
    plain = matrix.rest if matrix.intercept else matrix
    terms = [""] * plain.p
    for term, where in plain.terms.items():
        terms[where] = [term] * (where.stop - where.start)
    if plain.p < 1:
        raise DataError("the formula has no covariates to balance; write 'treatment ~ x1 + x2'.")
    return Columns(plain.values, plain.names, tuple(terms))


def with_all_levels(columns: Columns, recipe: Recipe) -> Columns:
    """Add the indicator of the reference level to every factor of three or more levels under treatment coding.

    Distances and balance tables should not depend on which level is the reference.
    """
    values, names, terms = columns.values, list(columns.names), list(columns.terms)
    extra, where = [], []
    for block in recipe.parts[0].layout.blocks:
        if len(block.factors) != 1 or not block.reduced[0]:
            continue
        coding = recipe.learnt[block.factors[0]].coding
        if coding is None or coding.marks is None or coding.columns(True) < 2:
            continue
        base = np.flatnonzero(coding.marks < 0)
        at = [j for j, term in enumerate(columns.terms) if term == block.term]
        if len(base) != 1 or len(at) != coding.columns(True):
            continue
        extra.append(1.0 - values[:, at].sum(axis=1))
        where.append((at[0], f"{block.factors[0]}[{coding.levels[base[0]]}]", block.term))
    if not extra:
        return columns
    pieces, start = [], 0
    for column, (at, _, _) in zip(extra, where, strict=True):
        pieces += [values[:, start:at], column[:, None]]
        start = at
    for shift, (at, name, term) in enumerate(where):
        names.insert(at + shift, name)
        terms.insert(at + shift, term)
    return Columns(np.hstack([*pieces, values[:, start:]]), tuple(names), tuple(terms))


def expanded(columns: Columns, moments: int, interactions: bool) -> Columns:
    """Add powers of the standardised columns and products of pairs from different terms."""
    if isinstance(moments, bool) or int(moments) != moments or not 1 <= moments <= 10:
        raise OptionError(f"moments={moments!r} must be a whole number from 1 to 10: 1 balances means, 2 squares too.")
    if moments == 1 and not interactions:
        return columns
    x = columns.values
    spread = x.std(axis=0)
    z = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    extra, names, terms = [], [], []
    for j in np.flatnonzero(~is_binary(x)):
        for power in range(2, int(moments) + 1):
            extra.append(z[:, j] ** power)
            names.append(f"{columns.names[j]}^{power}")
            terms.append(names[-1])
    if interactions:
        for j, k in combinations(range(len(columns.names)), 2):
            if columns.terms[j] != columns.terms[k]:
                extra.append(z[:, j] * z[:, k])
                names.append(f"{columns.names[j]}:{columns.names[k]}")
                terms.append(names[-1])
    if not extra:
        return columns
    return Columns(np.column_stack([x, *extra]), columns.names + tuple(names), columns.terms + tuple(terms))


def without_constants(columns: Columns, s: np.ndarray) -> Columns:
    """Drop columns with one value on the rows of positive weight, with a warning that names them."""
    x = columns.values[s > 0] if np.any(s <= 0) else columns.values
    constant = np.ptp(x[:1000], axis=0) == 0.0
    constant[constant] = np.ptp(x[:, constant], axis=0) == 0.0
    return _dropped(columns, constant, "constant on the rows used")


def independent(columns: Columns, s: np.ndarray) -> Columns:
    """Drop constant columns and those that earlier ones determine, with a warning that names them."""
    columns = without_constants(columns, s)
    return _dropped(columns, ~_independent(columns.values, s), "determined by columns before them")


def _dropped(columns: Columns, drop: np.ndarray, why: str) -> Columns:
    if not drop.any():
        return columns
    if drop.all():
        raise DataError(f"no column is left to balance: {', '.join(columns.names)} are {why}.")
    names = ", ".join(repr(columns.names[j]) for j in np.flatnonzero(drop))
    warnings.warn(f"not balanced, because {why}: {names}.", AliasedWarning, stacklevel=4)
    return columns.keep(~drop)


def _independent(x: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Whether enough of each column is left beside those before it, shape (p,)."""
    if len(x) > 2 * _SOME:
        few, weights = some_rows(x, _SOME), some_rows(s, _SOME)
        # Columns that are far from collinear on some rows are not collinear on all.
        if np.any(weights > 0) and np.all(_eliminated(few, weights, _CLEAR)):
            return np.ones(x.shape[1], dtype=bool)
    return _eliminated(x, s, _ALIASED)


def _eliminated(x: np.ndarray, s: np.ndarray, least: float) -> np.ndarray:
    """Sequential elimination on the correlation matrix: which columns keep more than the share `least`."""

    def weights(_: np.ndarray, at: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        w = s[at]
        return w, w, w

    rows = Rows(x, some_rows(x, 5000).mean(axis=0), rough_scales(x))
    with one_blas_thread():
        mass, first, second = rows.sums(np.zeros(rows.q), weights)
    gram = second - np.outer(first, first) / mass
    d = np.sqrt(np.maximum(np.diag(gram), 1e-300))
    left = gram / np.outer(d, d)
    keep = np.zeros(len(d), dtype=bool)
    for j in range(len(d)):
        if left[j, j] > least:
            keep[j] = True
            left = left - np.outer(left[:, j], left[j]) / left[j, j]
    return keep

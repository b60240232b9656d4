"""The columns that are balanced, and those a balance table shows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from statinf.backend import one_blas_thread
from statinf.brief import Brief
from statinf.errors import AliasedWarning, DataError, OptionError, issue_warning
from statinf.formula.matrix import Matrix
from statinf.formula.recipe import Recipe
from statinf.numerics.discrepancy.imbalance import is_binary
from statinf.numerics.rowwise.scales import rough_scales
from statinf.numerics.rowwise.sums import ScaledRows, some_rows

_ALIASED = 1e-11
"""Share of its variance that must be left of a column beside those before it."""
_CLEAR = 1e-4
_SOME = 20_000
_FAR = 1e3
"""Distance from zero, over the column's range, from which sums of squares would lose digits."""
_WIDE = 200
"""Binary exponent of the largest value from which sums of powers might leave the range of numbers."""


@dataclass(frozen=True, repr=False)
class BalanceColumns(Brief):
    """Columns without a constant.

    Attributes
    ----------
    values : ndarray, shape (n, p)
        The columns less `shift`, over `unit`.
    names : tuple of str
    terms : tuple of str
        The term that each column belongs to.
    shift, unit : ndarray, shape (p,)
        Zero and one but for columns that stand far from zero or are so large or small that their squares would leave the
        range of numbers; units are powers of two.
    """

    values: np.ndarray
    names: tuple[str, ...]
    terms: tuple[str, ...]
    shift: np.ndarray
    unit: np.ndarray

    def keep(self, which: np.ndarray) -> BalanceColumns:
        """Some of the columns; no copy if all are kept."""
        if which.all():
            return self
        return self.take(np.flatnonzero(which))

    def take(self, place: np.ndarray) -> BalanceColumns:
        """Columns by position."""
        return BalanceColumns(
            self.values[:, place],
            tuple(self.names[j] for j in place),
            tuple(self.terms[j] for j in place),
            self.shift[place],
            self.unit[place],
        )

    def with_more(self, extra: list[np.ndarray], names: list[str]) -> BalanceColumns:
        """Further columns, each a term of its own, behind these."""
        more = len(extra)
        return BalanceColumns(
            np.column_stack([self.values, *extra]),
            (*self.names, *names),
            (*self.terms, *names),
            np.r_[self.shift, np.zeros(more)],
            np.r_[self.unit, np.ones(more)],
        )

    def raw_slopes(self, slopes: np.ndarray) -> np.ndarray:
        """Coefficients of the columns as the caller gave them, shape (p,)."""
        return slopes / self.unit

    def raw_coefficients(self, coefficients: np.ndarray) -> np.ndarray:
        """The same with an intercept in front, shape (p + 1,), or a row of them for each equation."""
        slopes = self.raw_slopes(coefficients[..., 1:])
        return np.concatenate([coefficients[..., :1] - (slopes @ self.shift)[..., None], slopes], axis=-1)


def formula_columns(matrix: Matrix, used: np.ndarray) -> BalanceColumns:
    """The columns of the formula's right-hand side on the rows `used`, a mask of shape (n,)."""
    plain = matrix.rest if matrix.intercept else matrix
    terms = [""] * plain.p
    for term, where in plain.terms.items():
        terms[where] = [term] * (where.stop - where.start)
    if plain.p < 1:
        raise DataError("the formula has no covariates to balance; write 'treatment ~ x1 + x2'.")
    values, shift, unit = _within_range(plain.values if used.all() else plain.values[used])
    return BalanceColumns(values, plain.names, tuple(terms), shift, unit)


def _within_range(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns that can be squared and summed without loss, their shifts and units; no copy where none needs either."""
    low, high = some_rows(x, 5000).min(axis=0), some_rows(x, 5000).max(axis=0)
    flat = low == high
    if flat.any():
        low[flat], high[flat] = x[:, flat].min(axis=0), x[:, flat].max(axis=0)
    with np.errstate(over="ignore"):
        far = (high > low) & (np.maximum(np.abs(low), np.abs(high)) / _FAR > high - low)
    shift = np.where(far, low, 0.0)
    size = np.where(far, high - low, np.maximum(np.abs(low), np.abs(high)))
    exponent = np.frexp(size)[1]
    unit = np.where((size > 0.0) & (np.abs(exponent) > _WIDE), np.ldexp(1.0, np.clip(exponent, -1000, 1000)), 1.0)
    if not far.any() and np.all(unit == 1.0):
        return x, shift, unit
    out = x - shift
    out /= unit
    return out, shift, unit


@dataclass(frozen=True)
class _CodedFactor:
    """One factor under treatment coding.

    Attributes
    ----------
    at : ndarray of int, shape (levels - 1,)
        Positions of its columns.
    term : str
    base : ndarray, shape (n,)
        Indicator of the reference level.
    base_name : str
    names : tuple of str, of length levels - 1
        Of the indicators of the other levels, were they the reference.
    """

    at: np.ndarray
    term: str
    base: np.ndarray
    base_name: str
    names: tuple[str, ...]


def coded_factors(columns: BalanceColumns, recipe: Recipe) -> list[_CodedFactor]:
    """The factors under treatment coding among the columns."""
    found = []
    for block in recipe.parts[0].layout.blocks:
        if len(block.factors) != 1 or not block.reduced[0]:
            continue
        label, coding = block.factors[0], recipe.learnt[block.factors[0]].coding
        if coding is None or coding.marks is None:
            continue
        names = [f"{label}[{level}]" for level in coding.levels]
        at = np.flatnonzero([term == block.term for term in columns.terms])
        if np.count_nonzero(coding.marks < 0) == 1 and len(at) == coding.columns(True):
            name = names.pop(int(np.argmax(coding.marks < 0)))
            base = 1.0 - columns.values[:, at].sum(axis=1)
            found.append(_CodedFactor(at, block.term, base, name, tuple(names)))
    return found


def present_levels(columns: BalanceColumns, recipe: Recipe) -> BalanceColumns:
    """Leave out the indicators of levels that no row has, as if they had never been; rows of weight zero may have them.

    Where no row has the reference level, the first level that occurs takes its place.
    """
    keep = np.ones(len(columns.names), dtype=bool)
    for factor in coded_factors(columns, recipe):
        present: np.ndarray = np.asarray(columns.values[:, factor.at].any(axis=0))
        if not factor.base.any():
            present[int(np.argmax(present))] = False
        keep[factor.at] = present
    return columns.keep(keep)


def with_all_levels(columns: BalanceColumns, recipe: Recipe) -> BalanceColumns:
    """Add the indicator of the reference level to every factor of three or more levels under treatment coding.

    Distances and balance tables should not depend on which level is the reference. Levels that no row has are left out.
    """
    order, names = list(range(len(columns.names))), list(columns.names)
    extra, terms = [], list(columns.terms)
    for factor in coded_factors(columns, recipe):
        present = columns.values[:, factor.at].any(axis=0)
        reference, first = bool(factor.base.any()), int(factor.at[0])
        absent = set(factor.at[~present].tolist())
        if present.sum() + reference < 3:
            absent |= set() if reference else {int(factor.at[int(np.argmax(present))])}
        elif reference:
            order.insert(order.index(first), len(columns.names) + len(extra))
            extra.append(factor.base)
            names.append(factor.base_name)
            terms.append(factor.term)
        else:
            names[factor.at[int(np.argmax(present))]] = factor.names[int(np.argmax(present))]
        order = [j for j in order if j not in absent]
    whole = columns.with_more(extra, names[len(columns.names) :]) if extra else columns
    whole = replace(whole, names=tuple(names), terms=tuple(terms))
    return whole if order == list(range(len(names))) else whole.take(np.array(order))


def expanded(columns: BalanceColumns, s: np.ndarray, moments: int, interactions: bool) -> BalanceColumns:
    """Add powers of the standardised columns and products of pairs from different terms; s (n,) are sampling weights."""
    if moments == 1 and not interactions:
        return columns
    x = columns.values
    mean = s @ x / s.sum()
    spread = np.sqrt(s @ (x - mean) ** 2 / s.sum())
    z = (x - mean) / np.where(spread > 0, spread, 1.0)
    extra, names = [], []
    for j in np.flatnonzero(~is_binary(x)):
        for power in range(2, int(moments) + 1):
            extra.append(z[:, j] ** power)
            names.append(f"{columns.names[j]}^{power}")
    if interactions:
        for j, k in combinations(range(len(columns.names)), 2):
            if columns.terms[j] != columns.terms[k]:
                extra.append(z[:, j] * z[:, k])
                names.append(f"{columns.names[j]}:{columns.names[k]}")
    return columns.with_more(extra, names) if extra else columns


def check_moments(moments: int, interactions: bool, dose: bool | None = None) -> None:
    """Refuse what is no number of moments, or no yes or no."""
    if not (dose is None or isinstance(dose, bool | np.bool_)):
        raise OptionError(
            f"dose={dose!r} is not True, False or None: it says whether a treatment of numbers is a dose."
        )
    if not isinstance(interactions, bool | np.bool_):
        raise OptionError(f"interactions={interactions!r} is not True or False.")
    if isinstance(moments, bool) or not isinstance(moments, int | np.integer) or not 1 <= moments <= 10:
        raise OptionError(f"moments={moments!r} must be a whole number from 1 to 10: 1 balances means, 2 squares too.")


def without_constants(columns: BalanceColumns) -> BalanceColumns:
    """Drop columns with one value, with a warning that names them."""
    x = columns.values
    constant = np.ptp(x[:1000], axis=0) == 0.0
    constant[constant] = np.ptp(x[:, constant], axis=0) == 0.0
    return _dropped(columns, constant, "constant on the rows used")


def independent(columns: BalanceColumns, s: np.ndarray) -> BalanceColumns:
    """Drop constant columns and those that earlier ones determine, with a warning that names them."""
    columns = without_constants(columns)
    return _dropped(columns, ~_independent(columns.values, s), "determined by columns before them")


def _dropped(columns: BalanceColumns, drop: np.ndarray, why: str) -> BalanceColumns:
    if not drop.any():
        return columns
    if drop.all():
        raise DataError(f"no column is left to balance: {', '.join(columns.names)} are {why}.")
    names = ", ".join(repr(columns.names[j]) for j in np.flatnonzero(drop))
    issue_warning(f"not balanced, because {why}: {names}.", AliasedWarning)
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

    rows = ScaledRows(x, some_rows(x, 5000).mean(axis=0), rough_scales(x))
    with one_blas_thread():
        mass, first, second = rows.sums(np.zeros(rows.q), weights)
    return eliminated(second - np.outer(first, first) / mass, least)


def eliminated(gram: np.ndarray, least: float = _ALIASED) -> np.ndarray:
    """Which columns keep more than the share `least` of their variance beside those before them; from centred products (p, p)."""
    d = np.sqrt(np.maximum(np.diag(gram), 1e-300))
    left = gram / np.outer(d, d)
    keep = np.zeros(len(d), dtype=bool)
    for j in range(len(d)):
        if left[j, j] > least:
            keep[j] = True
            left = left - np.outer(left[:, j], left[j]) / left[j, j]
    return keep

"""One margin: numbers by the levels of the variables that it crosses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError, InfeasibleError
from statinf.formula.factors import Learnt
from statinf.formula.layout import TermBlock

ONE = 1e-6
"""How far shares may sum from one: published shares are rounded."""


def leveled(learnt: Learnt) -> bool:
    """Whether a factor has levels: categories and truth values."""
    return learnt.coding is not None or learnt.logical


def levels_of(learnt: Learnt) -> tuple[Any, ...]:
    return learnt.coding.levels if learnt.coding is not None else (False, True)


def spelled(key: str, factors: Sequence[str]) -> tuple[str, ...] | None:
    """The factors that a term such as "a:b" crosses, in its order; `g` stands for `C(g)`. None where one is not known."""
    plain = {bare(f): f for f in factors} | {f.replace(" ", ""): f for f in factors}
    whole = key.replace(" ", "")
    if whole in plain:
        return (plain[whole],)
    found = [plain.get(piece) for piece in whole.split(":")]
    return None if None in found or len(set(found)) < len(found) else tuple(f for f in found if f is not None)


def bare(factor: str) -> str:
    """The variable of a factor such as `C(g, contr.sum)`."""
    inner = factor.replace(" ", "")
    return inner[2:-1].split(",")[0] if inner.startswith("C(") and inner.endswith(")") else inner


@dataclass(frozen=True, repr=False)
class MarginCells(Brief):
    """Means of products of numeric factors within the cells of those with levels.

    Attributes
    ----------
    term : str
        As the caller wrote it.
    factors : tuple of str
    numeric : frozenset of str
        Those without levels.
    values : ndarray, shape (levels or columns of each factor)
        Shares of the cells where no factor is numeric.
    """

    term: str
    factors: tuple[str, ...]
    numeric: frozenset[str]
    values: np.ndarray

    def over(self, factors: Sequence[str]) -> np.ndarray:
        """Sums over the cells of the factors left out, axes in the order of `factors`."""
        gone = tuple(k for k, f in enumerate(self.factors) if f not in factors)
        left = [f for f in self.factors if f in factors]
        return self.values.sum(axis=gone).transpose([left.index(f) for f in factors])

    def _place(self, factor: str, learnt: Mapping[str, Learnt]) -> str | None:
        """The factor of this margin that is the same variable, in whatever coding; None where there is none."""
        if factor in self.factors:
            return factor
        same = [f for f in self.factors if bare(f) == bare(factor) and leveled(learnt[f]) and leveled(learnt[factor])]
        return next((f for f in same if levels_of(learnt[f]) == levels_of(learnt[factor])), None)

    def column_means(self, block: TermBlock, learnt: Mapping[str, Learnt]) -> np.ndarray | None:
        """Means of the columns of a block, shape (columns,); None where this margin does not determine them."""
        names = [self._place(f, learnt) for f in block.factors]
        numeric = frozenset(n for n in names if n is not None and not leveled(learnt[n]))
        if numeric != self.numeric or None in names or len(set(names)) < len(names):
            return None
        means = self.over([n for n in names if n is not None])
        for axis, (factor, reduced) in enumerate(zip(block.factors, block.reduced, strict=True)):
            means = np.moveaxis(np.tensordot(means, _coding(learnt[factor], reduced), (axis, 0)), -1, axis)
        # The first factor varies fastest.
        return block.scale * means.ravel(order="F")


def _coding(learnt: Learnt, reduced: bool) -> np.ndarray:
    """Columns of a factor by its levels, or by its own columns where it is numeric, shape (levels, columns)."""
    if learnt.coding is None:
        return (
            np.array([[0.0], [1.0]])
            if learnt.logical and reduced
            else np.eye(2 if learnt.logical else learnt.columns(reduced))
        )
    marks = learnt.coding.marked(reduced)
    if marks is None:
        assert learnt.coding.contrast is not None
        return learnt.coding.contrast
    return (marks[:, None] == np.arange(learnt.coding.columns(reduced))).astype(np.float64)


def cells_of(
    term: str,
    given: Any,
    factors: tuple[str, ...],
    learnt: Mapping[str, Learnt],
    size: float | None,
    check: bool = True,
) -> MarginCells:
    """One margin as an array; totals are divided by the population's size.

    Raises
    ------
    DataError
        If a level is missing or a value is no number.
    InfeasibleError
        If shares are negative or do not sum to one, or a level that the source lacks has a share.
    """
    groups = [f for f in factors if leveled(learnt[f])]
    numeric = [f for f in factors if f not in groups]
    widths = tuple(learnt[f].columns(True) for f in numeric)
    if (
        groups == list(factors)
        and len(groups) == 1
        and learnt[groups[0]].logical
        and np.ndim(given) == 0
        and not isinstance(given, Mapping)
    ):
        given = {False: (size or 1.0) - _number(given, term), True: given}
    levels = [levels_of(learnt[f]) for f in groups]
    found: dict[tuple[int, ...], np.ndarray] = {}
    for path, value in _leaves(given, groups, levels, term):
        if path in found:
            raise DataError(f"the margin of '{term}' gives a level twice: {_cell(path, levels)}.")
        found[path] = _leaf(value, widths, term)
    lacking = [path for path in product(*(range(len(one)) for one in levels)) if path not in found]
    if lacking:
        total = sum(float(v.sum()) for v in found.values())
        summed = "" if numeric else f"; those given sum to {total:g}"
        raise DataError(
            f"the margin of '{term}' lacks the level {_cell(lacking[0], levels)}{summed}. Give every level that the source has."
        )
    shape = tuple(len(one) for one in levels) + widths
    values = np.array([found[path] for path in product(*(range(len(one)) for one in levels))]).reshape(shape) / (
        size or 1.0
    )
    order = [(*groups, *numeric).index(f) for f in factors]
    values = values.transpose(order)
    if groups and not numeric and check:
        values = _shares(values, term, size)
    return MarginCells(term, factors, frozenset(numeric), values)


def _shares(values: np.ndarray, term: str, size: float | None) -> np.ndarray:
    if (values < 0).any():
        raise InfeasibleError(f"the margin of '{term}' has a negative share.")
    total = float(values.sum())
    if abs(total - 1.0) > ONE:
        what = (
            f"sum to {total:.8g}, not to one; divide them by their sum"
            if size is None
            else f"sum to {total * size:g}, the population has {size:g}"
        )
        raise InfeasibleError(f"the shares of '{term}' {what}, or look for a level left out.")
    return values / total


def _leaves(
    given: Any, groups: Sequence[str], levels: Sequence[tuple[Any, ...]], term: str
) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Numbers with the positions of their levels."""
    if not groups:
        yield (), given
        return
    pairs = given.items() if hasattr(given, "items") else None
    if pairs is None:
        raise DataError(
            f"the margin of '{term}' is {given!r}; '{groups[0]}' holds categories: give one share per level."
        )
    for key, value in pairs:
        path: list[int] = []
        for level in _keys(key, levels):
            at = _position(level, levels[len(path)])
            if at is None:
                if _is_zero(value):
                    break
                raise InfeasibleError(
                    f"the margin of '{term}' names {level!r}, a level of '{groups[len(path)]}' without a row in the source: "
                    "no weights on the source can stand for it. Merge levels, or leave it out and rescale the others."
                )
            path.append(at)
        else:
            depth = len(path)
            for rest, leaf in _leaves(value, groups[depth:], levels[depth:], term):
                yield (*path, *rest), leaf


def _keys(key: Any, levels: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    """The levels that a key names: one, a tuple of them, or "a:b"."""
    if isinstance(key, tuple) and len(key) <= len(levels):
        return key
    if isinstance(key, str) and len(levels) > 1 and _position(key, levels[0]) is None:
        pieces = tuple(piece.strip() for piece in key.split(":"))
        if len(pieces) == len(levels):
            return pieces
    return (key,)


def _position(level: Any, levels: tuple[Any, ...]) -> int | None:
    for at, known in enumerate(levels):
        if type(level) is type(known) and level == known:
            return at
    text = [str(known) for known in levels]
    if str(level) in text:
        return text.index(str(level))
    same = [
        at
        for at, known in enumerate(levels)
        if not isinstance(level, str) and not isinstance(known, str) and known == level
    ]
    return same[0] if same else None


def _is_zero(value: Any) -> bool:
    return np.ndim(value) == 0 and not hasattr(value, "items") and value == 0


def _number(value: Any, term: str) -> float:
    try:
        made = float(value)
    except (TypeError, ValueError):
        made = np.nan
    if isinstance(value, str) or not np.isfinite(made):
        raise DataError(f"the margin of '{term}' holds {value!r}, which is not a finite number.")
    return made


def _leaf(value: Any, widths: tuple[int, ...], term: str) -> np.ndarray:
    count = int(np.prod(widths))
    if hasattr(value, "items"):
        raise DataError(f"the margin of '{term}' has levels, but it names numbers: give its mean.")
    numbers = np.array([_number(v, term) for v in np.ravel(np.asarray(value, dtype=object))])
    if len(numbers) != count:
        raise DataError(f"the margin of '{term}' has {len(numbers)} numbers; the term has {count} columns.")
    return numbers.reshape(widths)


def _cell(path: tuple[int, ...], levels: Sequence[tuple[Any, ...]]) -> str:
    return repr(":".join(str(levels[k][at]) for k, at in enumerate(path)))

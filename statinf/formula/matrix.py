"""Terms → columns of one part's matrix: structural full rank, names, and a single filled array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from statinf.formula.factors import Factor, Learnt
from statinf.formula.frame import Categorical


@dataclass(frozen=True)
class Matrix:
    """The columns of one part of a formula.

    Attributes
    ----------
    values : ndarray, shape (n, p)
        float64, column-major.
    names : tuple of str
        Column names.
    terms : mapping of str to slice
        The columns of each term, "Intercept" included.
    intercept : bool
        Whether the first column is the constant.
    """

    values: np.ndarray
    names: tuple[str, ...]
    terms: Mapping[str, slice]
    intercept: bool

    @property
    def p(self) -> int:
        return len(self.names)

    @cached_property
    def rest(self) -> Matrix:
        return self.without_intercept()

    def without_intercept(self) -> Matrix:
        """The same columns less the constant, a view on the same memory."""
        if not self.intercept:
            return self
        terms = {t: slice(s.start - 1, s.stop - 1) for t, s in self.terms.items() if t != "Intercept"}
        return Matrix(self.values[:, 1:], self.names[1:], terms, False)

    def with_intercept(self) -> Matrix:
        """The same columns behind a constant."""
        if self.intercept:
            return self
        values = np.empty((len(self.values), self.p + 1), order="F")
        values[:, 0] = 1.0
        values[:, 1:] = self.values
        terms = {"Intercept": slice(0, 1)} | {t: slice(s.start + 1, s.stop + 1) for t, s in self.terms.items()}
        return Matrix(values, ("Intercept", *self.names), terms, True)


@dataclass(frozen=True)
class Block:
    """Columns of one term under one choice of coding for each of its categorical factors."""

    term: str
    factors: tuple[str, ...]
    reduced: tuple[bool, ...]
    scale: float


@dataclass(frozen=True)
class Layout:
    """The columns of a part: what `fill` needs beside the factors' values."""

    intercept: bool
    blocks: tuple[Block, ...]
    names: tuple[str, ...]
    terms: Mapping[str, slice]


def lay_out(
    intercept: bool, terms: Sequence[tuple[str, tuple[str, ...], float]], factors: Mapping[str, Factor], learnt: Mapping[str, Learnt]
) -> Layout:
    """Choose the coding of every categorical factor so that no term repeats what is spanned before it.

    A term's categorical factors span all products of their contrasts over all subsets; what earlier
    terms with the same numeric factors span already is left out, and what is left is put back together
    into as few blocks as possible, a merged pair being a factor with one dummy a level.

    Parameters
    ----------
    intercept : bool
    terms : sequence of (label, factor labels, multiplier)
    factors, learnt : mappings by factor label
    """
    spanned: dict[frozenset[str], set[frozenset[str]]] = {}
    if intercept:
        spanned[frozenset()] = {frozenset()}
    blocks: list[Block] = []
    for text, labels, scale in terms:
        numeric = frozenset(f for f in labels if factors[f].kind != "categorical")
        grouped = [f for f in labels if factors[f].kind == "categorical"]
        known = spanned.setdefault(numeric, set())
        pieces = _missing_pieces(grouped, known)
        known.update(frozenset(s) for s in _subsets(grouped))
        for piece in pieces:
            kept = tuple(f for f in labels if f in numeric or f in piece)
            blocks.append(Block(text, kept, tuple(piece.get(f, False) for f in kept), scale))
    names: list[str] = ["Intercept"] if intercept else []
    slices: dict[str, slice] = {"Intercept": slice(0, 1)} if intercept else {}
    for block in blocks:
        start = slices[block.term].start if block.term in slices else len(names)
        names += _names(block, learnt)
        slices[block.term] = slice(start, len(names))
    return Layout(intercept, tuple(blocks), tuple(names), slices)


def _subsets(items: Sequence[str]) -> list[tuple[str, ...]]:
    picks = product((False, True), repeat=len(items))
    found = [tuple(f for f, keep in zip(items, pick, strict=True) if keep) for pick in picks]
    return sorted(found, key=len)


def _missing_pieces(grouped: Sequence[str], known: set[frozenset[str]]) -> list[dict[str, bool]]:
    """Blocks of a term as maps from factor to reduced coding, spanning what `known` does not."""
    todo = [{f: True for f in subset} for subset in _subsets(grouped) if frozenset(subset) not in known]
    merged = True
    while merged:
        merged = False
        for small, large in ((a, b) for a in todo for b in todo if len(b) == len(a) + 1):
            extra = set(large) - set(small)
            if len(extra) == 1 and all(large[f] == reduced for f, reduced in small.items()) and large[(*extra,)[0]]:
                index = todo.index(large)
                todo[index] = {f: (False if f in extra else reduced) for f, reduced in large.items()}
                todo.remove(small)
                merged = True
                break
    return todo


def _names(block: Block, learnt: Mapping[str, Learnt]) -> list[str]:
    names = [""]
    for factor, reduced in zip(block.factors, block.reduced, strict=True):
        suffixes = _suffixes(learnt[factor], reduced)
        # The first factor varies fastest, as in R.
        names = [f"{left}:{factor}{s}" if left else f"{factor}{s}" for s in suffixes for left in names]
    return [f"{block.scale:g}:{n}" if block.scale != 1.0 else n for n in names]


def _suffixes(learnt: Learnt, reduced: bool) -> tuple[str, ...]:
    return learnt.suffixes if learnt.coding is None else learnt.coding.columns(reduced)[1]


def fill(layout: Layout, values: Mapping[str, np.ndarray | Categorical], learnt: Mapping[str, Learnt], n: int) -> Matrix:
    """Write every column once into one column-major array."""
    out = np.empty((n, len(layout.names)), order="F")
    if layout.intercept:
        out[:, 0] = 1.0
    at = int(layout.intercept)
    for block in layout.blocks:
        widths = [len(_suffixes(learnt[f], r)) for f, r in zip(block.factors, block.reduced, strict=True)]
        for picks in product(*(range(w) for w in reversed(widths))):
            _write(out[:, at], block, picks[::-1], values, learnt)
            at += 1
    return Matrix(out, layout.names, layout.terms, layout.intercept)


def _write(
    target: np.ndarray,
    block: Block,
    picks: Sequence[int],
    values: Mapping[str, np.ndarray | Categorical],
    learnt: Mapping[str, Learnt],
) -> None:
    for position, (factor, reduced, j) in enumerate(zip(block.factors, block.reduced, picks, strict=True)):
        value = values[factor]
        if isinstance(value, Categorical):
            coding = learnt[factor].coding
            assert coding is not None
            column = coding.columns(reduced)[0][:, j]
            level = _indicator(column)
            piece = value.codes == level if level is not None else column[value.codes]
        else:
            piece = value[:, j]
        if position == 0:
            target[:] = piece
        else:
            np.multiply(target, piece, out=target)
    if block.scale != 1.0:
        target *= block.scale


def _indicator(column: np.ndarray) -> int | None:
    """The one level that a 0/1 coding column marks, or None."""
    ones = np.flatnonzero(column)
    return int(ones[0]) if len(ones) == 1 and column[ones[0]] == 1.0 else None

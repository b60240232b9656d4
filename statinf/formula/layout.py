"""Terms → the columns of one part: structural full rank and names."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import prod
from pathlib import Path

from statinf.errors import DataError, FormulaError
from statinf.formula.factors import Factor, Learnt

MAX_COLUMNS = 100_000
MANY_LEVELS = 1_000
MAX_BYTES = 4 * 2**30
"""From here on a variable of many levels is refused, whatever the machine's memory."""
_SMALL = 2**26
"""Bytes that need no look at the machine's memory."""
MAX_CATEGORICAL = 12


@dataclass(frozen=True)
class TermBlock:
    """Columns of one term under one choice of coding for each of its categorical factors."""

    term: str
    factors: tuple[str, ...]
    reduced: tuple[bool, ...]
    scale: float


@dataclass(frozen=True)
class Layout:
    """The columns of a part: what `fill` needs beside the factors' values."""

    intercept: bool
    blocks: tuple[TermBlock, ...]
    names: tuple[str, ...]
    terms: Mapping[str, slice]


def lay_out(
    intercept: bool,
    terms: Sequence[tuple[str, tuple[str, ...], float]],
    factors: Mapping[str, Factor],
    learnt: Mapping[str, Learnt],
    n: int,
) -> Layout:
    """Choose the coding of every categorical factor so that no term repeats what is spanned before it.

    A term's categorical factors span all products of their contrasts over all subsets; what earlier
    terms with the same numeric factors span already is left out, and what is left is put back together
    into as few blocks as possible, a merged pair being a factor with one dummy per level.

    Parameters
    ----------
    intercept : bool
    terms : sequence of (label, factor labels, multiplier)
    factors, learnt : mappings by factor label
    n : int
        Number of rows, to refuse a matrix that memory cannot hold.

    Raises
    ------
    FormulaError
        If the matrix would be too large, or two of its columns would have one name.
    DataError
        If it would be too large because a variable has very many levels.
    """
    spanned: dict[frozenset[str], set[frozenset[str]]] = {}
    if intercept:
        spanned[frozenset()] = {frozenset()}
    blocks: list[TermBlock] = []
    for text, labels, scale in terms:
        numeric = frozenset(f for f in labels if not factors[f].groups)
        grouped = [f for f in labels if factors[f].groups]
        if len(grouped) > MAX_CATEGORICAL:
            raise FormulaError(
                f"the term '{text[:80]}' crosses {len(grouped)} categorical variables; at most {MAX_CATEGORICAL}."
            )
        known = spanned.setdefault(numeric, set())
        whole = frozenset(grouped)
        if whole and whole not in known and all(whole - {f} in known for f in whole):
            # The common case, every margin in the model: what is known holds all subsets of its members.
            pieces = [dict.fromkeys(grouped, True)]
            known.add(whole)
        else:
            subsets = _subsets(grouped)
            pieces = _missing_pieces(grouped, [s for s in subsets if s not in known])
            known.update(subsets)
        for piece in pieces:
            kept = tuple(f for f in labels if f in numeric or f in piece)
            blocks.append(TermBlock(text, kept, tuple(piece.get(f, False) for f in kept), scale))
    _check_width(blocks, learnt, n)
    names: list[str] = ["Intercept"] if intercept else []
    slices: dict[str, slice] = {"Intercept": slice(0, 1)} if intercept else {}
    for block in blocks:
        start = slices[block.term].start if block.term in slices else len(names)
        names += _names(block, learnt)
        slices[block.term] = slice(start, len(names))
    _check_names(names)
    return Layout(intercept, tuple(blocks), tuple(names), slices)


def _subsets(items: Sequence[str]) -> list[frozenset[str]]:
    return [frozenset(pick) for size in range(len(items) + 1) for pick in combinations(items, size)]


def _missing_pieces(grouped: Sequence[str], missing: Sequence[frozenset[str]]) -> list[dict[str, bool]]:
    """Blocks of a term as maps from factor to reduced coding, spanning exactly the `missing` products.

    A block with reduced factors R and full factors F spans the products R + S for every S within F.
    """
    pieces = dict.fromkeys((subset, frozenset[str]()) for subset in missing)
    for factor in grouped:
        for reduced, full in list(pieces):
            larger = (reduced | {factor}, full)
            if factor not in reduced and larger in pieces and (reduced, full) in pieces:
                del pieces[reduced, full], pieces[larger]
                pieces[reduced, full | {factor}] = None
    ordered = sorted(pieces, key=lambda piece: len(piece[0]) + len(piece[1]))
    return [{f: f in reduced for f in grouped if f in reduced or f in full} for reduced, full in ordered]


def _check_names(names: Sequence[str]) -> None:
    """Refuse columns of one name, such as a column of the data that is called as the constant is."""
    if len(set(names)) == len(names):
        return
    twice = next(name for name in names if names.count(name) > 1)
    if twice == "Intercept":
        raise FormulaError(
            "a column of the data is named 'Intercept', as the constant of the model is; rename it, or leave the constant out "
            "with '0 +'."
        )
    raise FormulaError(f"two columns of the model would be named '{twice[:80]}'; rename a column of the data.")


def _check_width(blocks: Sequence[TermBlock], learnt: Mapping[str, Learnt], n: int) -> None:
    """Refuse a matrix that is too large, before anything of its size is made."""
    widths = [prod(learnt[f].columns(r) for f, r in zip(b.factors, b.reduced, strict=True)) for b in blocks]
    total = 1 + sum(widths)
    # Fits hold the matrix and square arrays of its columns.
    size = 8 * total * (n + total)
    if total <= MAX_COLUMNS and (size <= _SMALL or size <= min(MAX_BYTES, memory_limit())):
        return
    widest = max(range(len(blocks)), key=widths.__getitem__)
    levels = {f: len(c.levels) for b in blocks for f in b.factors if (c := learnt[f].coding) is not None}
    largest = max(levels, key=levels.__getitem__, default="")
    share = sum(w for b, w in zip(blocks, widths, strict=True) if largest in b.factors)
    if levels.get(largest, 0) >= MANY_LEVELS and 2 * share >= total:
        name = largest[2:-1] if re.fullmatch(r"C\(\w+\)", largest) else largest
        raise DataError(
            f"the column '{name}' has {levels[largest]:,} levels, and one dummy variable per level needs {size / 2**30:.1f} GB for "
            f"{n:,} rows. If it names units, leave it out of the formula and give cluster='{name}' for standard errors by unit; "
            "for fixed effects subtract each unit's means from outcome and covariates first; drop it if it is an identifier "
            "without meaning, and turn it into numbers if it is numbers kept as text."
        )
    if total > MAX_COLUMNS or size > memory_limit():
        term = f"the term '{blocks[widest].term[:80]}' has {widths[widest]:,} columns; "
        raise FormulaError(
            f"{term}the formula asks for {total:,} columns of {n:,} rows ({8 * total * n / 2**30:.1f} GB), and at most "
            f"{MAX_COLUMNS:,} columns are made; leave out terms with very many columns."
        )


def memory_limit() -> float:
    """Bytes that a fit may plan for: a share of the machine's memory, or of the container's."""
    found = [float("inf")]
    with contextlib.suppress(AttributeError, OSError, ValueError):
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            found.append(int(Path(path).read_text()))
    return 0.9 * min(found)


def _names(block: TermBlock, learnt: Mapping[str, Learnt]) -> list[str]:
    names = [""]
    for factor, reduced in zip(block.factors, block.reduced, strict=True):
        suffixes = learnt[factor].names(reduced)
        # The first factor varies fastest, as in R.
        names = [f"{left}:{factor}{s}" if left else f"{factor}{s}" for s in suffixes for left in names]
    return [f"{block.scale:g}:{n}" if block.scale != 1.0 else n for n in names]

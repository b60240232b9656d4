"""Numbers cut into intervals, and variables crossed into one: codes and names of levels by R's rules."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from statinf.errors import DataError
from statinf.formula.columns import Categorical

_MOST_DIGITS = 12
_MOST_CELLS = 2**62


def equal_breaks(x: np.ndarray, count: int) -> np.ndarray:
    """Breaks (count + 1,) of intervals of equal width over the range of x, moved outwards by a thousandth of it at both ends."""
    low, high = float(x.min()), float(x.max())
    width = high - low
    if width == 0.0:
        width = abs(low) or 1.0
        return np.linspace(low - width / 1000, high + width / 1000, count + 1)
    breaks = np.linspace(low, high, count + 1)
    breaks[[0, -1]] = low - width / 1000, high + width / 1000
    return breaks


def interval_codes(x: np.ndarray, breaks: np.ndarray, right: bool, lowest: bool) -> np.ndarray:
    """The interval of each value, shape (n,); -1 outside all of them and where it is missing.

    Parameters
    ----------
    x : ndarray, shape (n,)
    breaks : ndarray, shape (k,)
        Ascending.
    right : bool
        Whether intervals hold their right ends, not their left ones.
    lowest : bool
        Whether the outermost end that is left out so belongs to its interval.
    """
    codes = np.searchsorted(breaks, x, "left" if right else "right").astype(np.int32) - 1
    if lowest:
        codes[x == breaks[0 if right else -1]] = 0 if right else len(breaks) - 2
    codes[(codes > len(breaks) - 2) | np.isnan(x)] = -1
    return codes


def interval_names(breaks: np.ndarray, right: bool, lowest: bool, digits: int = 3) -> tuple[str, ...]:
    """Names such as (0,1.5], with the fewest digits, from `digits` on, that tell the breaks apart."""
    shown: list[str] = []
    for precision in range(digits, max(_MOST_DIGITS, digits) + 1):
        shown = [_number(b, precision) for b in breaks]
        if all(a != b for a, b in zip(shown, shown[1:], strict=False)):
            break
    names = [f"({a},{b}]" if right else f"[{a},{b})" for a, b in zip(shown, shown[1:], strict=False)]
    if lowest and right:
        names[0] = "[" + names[0][1:]
    elif lowest:
        names[-1] = names[-1][:-1] + "]"
    return tuple(names)


def _number(value: float, precision: int) -> str:
    return f"{value + 0.0:.{precision}g}" if np.isfinite(value) else "Inf" if value > 0 else "-Inf"


def crossed(pieces: Sequence[Categorical], separator: str = ".", lexical: bool = False) -> Categorical:
    """One variable whose levels are the pairs of levels that occur; the first varies fastest, or the last where `lexical`."""
    order = list(pieces)[::-1] if lexical else list(pieces)
    key, size = np.zeros(len(order[0].codes), np.int64), 1
    missing = np.zeros(len(key), dtype=bool)
    if prod(len(piece.levels) for piece in order) > _MOST_CELLS:
        raise DataError(
            f"interaction() of {len(order)} variables has more cells than can be numbered; cross fewer of them."
        )
    for piece in order:
        missing |= piece.codes < 0
        key += size * piece.codes
        size *= len(piece.levels)
    present, codes = np.unique(key[~missing], return_inverse=True)
    out = np.full(len(key), -1, np.int32)
    out[~missing] = codes
    names = [np.full(len(present), "", object) for _ in order]
    left = present
    for i, piece in enumerate(order):
        left, digit = np.divmod(left, len(piece.levels))
        names[i] = np.array([str(v) for v in piece.levels], object)[digit]
    listed = names[::-1] if lexical else names
    return Categorical(out, tuple(separator.join(pair) for pair in zip(*listed, strict=True)))

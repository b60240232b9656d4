"""Names of coefficients in tables: which are shown, in which order, what they are called, and which are levels of a factor."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from statinf.errors import OptionError, nearest
from statinf.inference.naming import level_of, parts_of, spelled

if TYPE_CHECKING:
    from statinf.results.fit import Fit

Pattern = str | re.Pattern[str]


def label(term: str, rename: Mapping[str, str]) -> str:
    """What a term is called: by its own entry of `rename`, or with the names of its factors exchanged.

    Examples
    --------
    >>> label("wt:C(cyl)[T.6]", {"wt": "Weight", "C(cyl)": "Cylinders"})
    'Weight × Cylinders [6]'
    """
    if term in rename:
        return rename[term]
    pieces = parts_of(term)
    named = [_piece(piece, rename) for piece in pieces]
    return term if named == pieces else " × ".join(named)


def _piece(piece: str, rename: Mapping[str, str]) -> str:
    if piece in rename:
        return rename[piece]
    found = level_of(piece)
    if found is None or found[0] not in rename:
        return piece
    return f"{rename[found[0]]} [{found[1]}]"


def chosen(what: str, patterns: Any, terms: Sequence[str], rename: Mapping[str, str]) -> list[list[str]]:
    """The terms that each pattern means, in order; an `OptionError` names a pattern that means none.

    Parameters
    ----------
    what : str
        The option, for messages.
    patterns : str, compiled regular expression, or sequence of them
        A term, a factor (all of its levels), what a term is called in the table, text in which `*` stands for anything, or a
        regular expression that is searched for in the term.
    terms : sequence of str
    rename : mapping of str to str
    """
    listed = list(patterns) if isinstance(patterns, list | tuple | set | frozenset) else [patterns]
    called = {term: label(term, rename) for term in terms}
    out = []
    for pattern in listed:
        if not isinstance(pattern, str | re.Pattern):
            raise OptionError(f"{what}: {pattern!r} is neither a text nor a compiled regular expression.")
        found = _matching(pattern, terms, called)
        if not found:
            said = pattern if isinstance(pattern, str) else pattern.pattern
            raise OptionError(
                f"{what}: {said!r} is no coefficient of these fits; there are {', '.join(list(called)[:20])}."
                f"{nearest(said, [*called, *called.values()])}"
            )
        out.append(found)
    return out


def _matching(pattern: Pattern, terms: Sequence[str], called: Mapping[str, str]) -> list[str]:
    if isinstance(pattern, re.Pattern):
        return [t for t in terms if pattern.search(t)]
    exact = [t for t in terms if pattern in (t, called[t])] or [
        t for t in terms if (level_of(t) or "")[:1] in ((pattern,), (spelled(pattern),))
    ]
    if exact or "*" not in pattern:
        return exact
    wild = re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)
    return [t for t in terms if wild.fullmatch(t) or wild.fullmatch(called[t])]


def shown_terms(terms: Sequence[str], keep: Any, drop: Any, order: Any, rename: Mapping[str, str]) -> list[str]:
    """The terms of a table in its order; see `statinf.table`."""
    kept = list(terms) if keep is None else _flat(chosen("keep", keep, terms, rename))
    if drop is not None:
        dropped = set(_flat(chosen("drop", drop, terms, rename)))
        kept = [t for t in kept if t not in dropped]
    if order is not None:
        first = [t for t in _flat(chosen("order", order, terms, rename)) if t in kept]
        kept = [*first, *(t for t in kept if t not in first)]
    return kept


def _flat(found: Iterable[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(t for some in found for t in some))


def reference_of(factor: str, fits: Sequence[Fit]) -> str:
    """The level that the levels of a factor are compared with, in all fits that have it; empty where there is none."""
    found = {_reference(factor, fit) for fit in fits if any((level_of(t) or "")[:1] == (factor,) for t in fit.terms)}
    return found.pop() if len(found) == 1 else ""


def _reference(factor: str, fit: Fit) -> str:
    shown = {level[1] for t in fit.terms if (level := level_of(t)) and level[0] == factor}
    coding = getattr(fit.recipe and fit.recipe.learnt.get(factor), "coding", None)
    left = [str(v) for v in getattr(coding, "levels", ()) if str(v) not in shown]
    return left[0] if len(left) == 1 and getattr(coding, "contrast", None) is None else ""

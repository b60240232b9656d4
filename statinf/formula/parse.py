"""Formula text → response and parts as terms, read by formulaic's grammar behind guards.

Sums are split here; only products, powers and brackets of terms go through formulaic's grammar. What a
factor such as `log(x)` may contain, and how it is computed, is decided in `expression`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from statinf.errors import FormulaError, StatinfWarning, issue_warning
from statinf.formula.grammar import TermText, by_grammar, product_of
from statinf.formula.scan import CLOSERS, Names, check_text, lift, outside, short, split
from statinf.formula.spelling import advise, in_python, with_logicals, without_packages

MAX_PARTS = 12
MAX_TERMS = 100_000
MAX_GRAMMAR = 6_000
_CHAIN = 100
_LONGEST = 40_000
_CALL = re.compile(r"[^\W\d][\w.]*\(")


@dataclass(frozen=True)
class PartText:
    """One part of a formula: an intercept or none, and terms in order of degree."""

    intercept: bool
    terms: tuple[TermText, ...]


@dataclass(frozen=True)
class FormulaText:
    """A parsed formula.

    Attributes
    ----------
    text : str
        As written, stripped.
    response : tuple of str
        Factors on the left of `~`; empty for a one-sided formula.
    parts : tuple of PartText
        What stands between the bars on the right.
    quoted : mapping of str to str
        The column that each stand-in means.
    """

    text: str
    response: tuple[str, ...]
    parts: tuple[PartText, ...]
    quoted: Mapping[str, str]


def parse(formula: str, available: Sequence[str] = ()) -> FormulaText:
    """Read a formula.

    Parameters
    ----------
    formula : str
        `outcome ~ part | part`, or `~ part` without a response.
    available : sequence of str
        Columns of the data. A `.` stands for those used neither on the left nor in an earlier part.

    Raises
    ------
    FormulaError
        If the text is not a formula, is too long or too deep, or expands to too many terms.
    """
    text = check_text(formula)
    present = frozenset(available)
    names = Names(text, present)
    lifted = without_packages(lift(text, names, present))
    advise(lifted)
    sides = split(lifted, "~")
    if len(sides) > 2:
        raise FormulaError(f"the formula has {len(sides) - 1} '~'; it may have one: 'outcome ~ covariates'.")
    if len(sides) == 1:
        raise FormulaError(f"the formula {short(text)} has no '~'; write 'outcome ~ covariates', or '~ covariates'.")
    response = _response(in_python(with_logicals(sides[0], text)), text)
    pieces = split(sides[1], "|")
    pieces = [in_python(with_logicals(piece, text, len(pieces))) for piece in pieces]
    if len(pieces) > MAX_PARTS:
        raise FormulaError(f"the formula has {len(pieces)} parts separated by '|'; at most {MAX_PARTS} are read.")
    parts: list[PartText] = []
    for piece in pieces:
        dot: list[str] = []
        if "." in piece:
            used = _columns_in([*response, *(f for p in parts for t in p.terms for f in t.factors)], names.quoted)
            dot = [names.stand_in(c) for c in available if c not in used]
        parts.append(_part(piece, dot, text))
    return FormulaText(text, response, tuple(parts), names.quoted)


def _columns_in(factors: Iterable[str], quoted: Mapping[str, str]) -> Collection[str]:
    found: set[str] = set()
    for factor in factors:
        try:
            nodes = list(ast.walk(ast.parse(factor.strip(), mode="eval")))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise FormulaError(f"{short(factor)} cannot be read as a term of a formula.") from None
        found |= {quoted.get(n.id, n.id) for n in nodes if isinstance(n, ast.Name)}
        calls = (n for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "Q")
        found |= {str(a.value) for n in calls for a in n.args if isinstance(a, ast.Constant)}
    return found


def _response(text: str, whole: str) -> tuple[str, ...]:
    if not text:
        return ()
    pieces = [piece for addend in split(text, "+") for piece in bound_columns(addend)]
    if any(not p for p in pieces) or any(split(p, "|")[1:] for p in pieces):
        raise FormulaError(f"the left side of {short(whole)} cannot be read; write one outcome, or cbind(y1, y2).")
    twice = next((p for p in set(pieces) if pieces.count(p) > 1), None) if len(set(pieces)) < len(pieces) else None
    if twice is not None:
        raise FormulaError(f"the outcome {short(twice)} stands twice on the left of {short(whole)}.")
    return tuple(pieces)


def bound_columns(addend: str) -> list[str]:
    """What stands in a `cbind()`, which may stand in another; any other outcome as it is."""
    if not addend.startswith("cbind(") or not _is_single(addend):
        return [addend]
    return [piece for column in split(addend[6:-1], ",") for piece in bound_columns(column)]


def _part(text: str, dot: list[str], whole: str) -> PartText:
    if not text:
        raise FormulaError(f"a part of {short(whole)} is empty; write 1 for an intercept alone.")
    addends = _signed(text, whole)
    _warn_repeated(addends)
    grouped = _grouped(addends)
    _check_grammar(grouped, whole)
    intercept = True
    terms: dict[tuple[frozenset[str], float], TermText] = {}
    added: set[str] = set()
    for sign, addend in grouped:
        if sign < 0:
            added.clear()
        elif addend in added:
            continue
        else:
            added.add(addend)
        if addend in ("0", "1"):
            added -= {"0", "1"}
            intercept = (addend == "1") == (sign > 0)
            continue
        constant, found = _terms_of(addend, dot, whole)
        intercept = (intercept or sign > 0) if constant else intercept
        if sign > 0:
            for term in found:
                terms.setdefault(term.key, term)
        else:
            for term in found:
                terms.pop(term.key, None)
        if len(terms) > MAX_TERMS:
            raise FormulaError(f"the formula has more than {MAX_TERMS:,} terms.")
    return PartText(intercept, tuple(sorted(terms.values(), key=lambda t: len(t.factors))))


def _signed(text: str, whole: str) -> list[tuple[int, str]]:
    """The addends of a sum with their signs, split outside brackets."""
    depth, start, sign = 0, 0, 1
    out: list[tuple[int, str]] = []

    def push(end: int, following: int) -> None:
        nonlocal sign
        piece = text[start:end].strip()
        if piece:
            out.append((sign, piece))
            sign = following
        else:
            sign *= following

    for i, char in outside(text):
        if char in CLOSERS:
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif (
            char in "+-"
            and depth == 0
            and not re.search(r"([*:/^%]\s*|(?<![\w.])\d[\d.]*[eE])$", text[max(start, i - 40) : i])
        ):
            push(i, 1 if char == "+" else -1)
            start = i + 1
    before = len(out)
    push(len(text), 1)
    if len(out) == before:
        raise FormulaError(f"the formula {short(whole)} ends a part with an operator; a term is missing.")
    return out


def _grouped(addends: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Neighbouring addends that need the grammar, joined so that it is called once for many."""
    out: list[tuple[int, str]] = []
    waiting: list[str] = []

    def flush() -> None:
        if waiting:
            out.append((1, "+".join(waiting)))
            waiting.clear()

    for sign, addend in addends:
        if sign > 0 and addend not in ("0", "1", ".") and not _is_product(addend):
            waiting.append(addend)
            if len(waiting) == _CHAIN:
                flush()
        else:
            flush()
            out.append((sign, addend))
    flush()
    return out


def _check_grammar(grouped: list[tuple[int, str]], whole: str) -> None:
    """Refuse what the grammar would take long to read: it works through each operator and bracket."""
    long = [addend for _, addend in grouped if not _is_product(addend) and addend not in ("0", "1", ".")]
    operators = sum(char in "+-*:/^%(" for addend in long for _, char in outside(addend))
    if operators > MAX_GRAMMAR or any(len(addend) > _LONGEST for addend in long):
        raise FormulaError(f"the products and brackets of {short(whole)} are too long; write them shorter.")


def _is_product(addend: str) -> bool:
    """Whether an addend is one factor, or several with nothing but ':' between them."""
    return all(_is_single(factor) for factor in split(addend, ":"))


def _is_single(addend: str) -> bool:
    """Whether an addend is one factor: a name, or one call from its first to its last character."""
    if addend.isidentifier():
        return True
    opened = _CALL.match(addend)
    if not opened or addend[-1] != ")":
        return False
    depth = 0
    for i, char in outside(addend):
        depth += (char in CLOSERS) - (char in ")]}")
        if depth == 0 and i >= opened.end() - 1:
            return i == len(addend) - 1
    return False


def _terms_of(addend: str, dot: list[str], whole: str) -> tuple[bool, list[TermText]]:
    """Whether an addend holds the constant, and its other terms."""
    if addend == ".":
        return False, [TermText((name,)) for name in dot]
    if _is_single(addend):
        return False, [TermText((addend,))]
    factors = split(addend, ":")
    if _is_product(addend):
        return False, [product_of(tuple(dict.fromkeys(factors)), 1.0, whole)]
    if "0" in factors:
        raise FormulaError(f"the term {short(addend)} of {short(whole)} is multiplied by 0; leave it out.")
    return by_grammar(addend, dot, whole)


def _warn_repeated(addends: list[tuple[int, str]]) -> None:
    written = [a for sign, a in addends if sign > 0 and a not in ("0", "1")]
    seen: set[str] = set()
    twice = list(dict.fromkeys(a for a in written if a in seen or seen.add(a)))
    if twice:
        listed = ", ".join(f"'{a[:60]}'" for a in twice[:5]) + (", ..." if len(twice) > 5 else "")
        issue_warning(f"written more than once, counted once: {listed}.", StatinfWarning)

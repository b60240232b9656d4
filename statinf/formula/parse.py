"""Formula text → response and parts as terms, read by formulaic's grammar behind guards.

Only the grammar of formulaic is used here: operators and terms. What a factor such as `log(x)` may
contain, and how it is computed, is decided in `expression`.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from statinf.errors import FormulaError, StatinfWarning

MAX_LENGTH = 100_000
MAX_DEPTH = 40
MAX_TERMS = 5_000
_MAX_CHAIN = 150
_CLOSERS = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True)
class TermText:
    """A product of factors as written, with a numeric multiplier."""

    factors: tuple[str, ...]
    scale: float = 1.0


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
        Placeholder of each name in backticks.
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
        Column names that `.` stands for, less those on the left.

    Raises
    ------
    FormulaError
        If the text is not a formula, is too long or too deep, or expands to too many terms.
    """
    text = _check_text(formula)
    bare, quoted = _lift_quoted(text)
    sides = _split(bare, "~")
    if len(sides) > 2:
        raise FormulaError(f"the formula has {len(sides) - 1} '~'; it may have one: 'outcome ~ covariates'.")
    if len(sides) == 1:
        raise FormulaError(f"the formula {_short(text)} has no '~'; write 'outcome ~ covariates', or '~ covariates'.")
    response = _response(sides[0], text)
    used = {quoted.get(name, name) for name in re.findall(r"\w+", sides[0])}
    dot = [_placeholder(c, quoted) for c in available if c not in used]
    parts = tuple(_part(part, dot, text) for part in _split(sides[1], "|"))
    return FormulaText(text, response, parts, quoted)


def _check_text(formula: Any) -> str:
    if not isinstance(formula, str):
        raise FormulaError(f"the formula is a {type(formula).__name__}; give text such as 'y ~ x1 + x2'.")
    if len(formula) > MAX_LENGTH:
        raise FormulaError(f"the formula has {len(formula):,} characters; at most {MAX_LENGTH:,} are read.")
    text = formula.strip()
    bad = next((c for c in text if unicodedata.category(c)[0] == "C" and c not in "\n\t\r"), None)
    if bad is not None:
        raise FormulaError(f"the formula holds the control or format character U+{ord(bad):04X}; remove it.")
    _check_depth(text)
    return text


def _check_depth(text: str) -> None:
    open_ones: list[str] = []
    for char, _ in _outside_strings(text):
        if char in _CLOSERS:
            open_ones.append(_CLOSERS[char])
            if len(open_ones) > MAX_DEPTH:
                raise FormulaError(f"the formula nests brackets more than {MAX_DEPTH} deep; write it flatter.")
        elif char in _CLOSERS.values() and (not open_ones or open_ones.pop() != char):
            raise FormulaError(f"the formula {_short(text)} has an unmatched '{char}'.")
    if open_ones:
        raise FormulaError(f"the formula {_short(text)} lacks a '{open_ones[-1]}'.")


def _outside_strings(text: str) -> list[tuple[str, int]]:
    """Characters with their positions, those within quotes and backticks left out."""
    out, quote, escaped = [], "", False
    for i, char in enumerate(text):
        if quote:
            if escaped:
                escaped = False
            elif char == "\\" and quote != "`":
                escaped = True
            elif char == quote:
                quote = ""
        elif char in "'\"`":
            quote = char
        else:
            out.append((char, i))
    if quote:
        raise FormulaError(f"the formula {_short(text)} has an unmatched {quote}.")
    return out


def _lift_quoted(text: str) -> tuple[str, dict[str, str]]:
    """Replace each name in backticks by a placeholder identifier, so that it may hold any character."""
    quoted: dict[str, str] = {}
    if "`" not in text:
        folded = unicodedata.normalize("NFKC", text)
        if folded != text:
            strange = next(c for c in text if unicodedata.normalize("NFKC", c) != c) if len(folded) == len(text) else "?"
            raise FormulaError(f"the character {strange!r} looks like another; put the column's name in `backticks`.")
        return text, quoted
    pieces, inside, literal = [""], False, ""
    for char in text:
        if char in "'\"" and not inside:
            literal = "" if literal == char else (literal or char)
        if char == "`" and not literal:
            if inside:
                name = pieces.pop()
                pieces.append(_placeholder(name, quoted))
            pieces.append("")
            inside = not inside
        else:
            pieces[-1] += char
    bare = "".join(pieces)
    if unicodedata.normalize("NFKC", bare) != bare:
        raise FormulaError("the formula has a character that looks like another; put such names in `backticks`.")
    return bare, quoted


def _placeholder(name: str, quoted: dict[str, str]) -> str:
    if name.isidentifier() and unicodedata.normalize("NFKC", name) == name:
        return name
    for known, original in quoted.items():
        if original == name:
            return known
    key = f"quoted_{len(quoted)}_"
    quoted[key] = name
    return key


def _split(text: str, at: str) -> list[str]:
    """Split where a character stands outside brackets and quotes."""
    depth, cuts = 0, [-1]
    for char, i in _outside_strings(text):
        depth += (char in _CLOSERS) - (char in _CLOSERS.values())
        if char == at and depth == 0:
            cuts.append(i)
    cuts.append(len(text))
    return [text[a + 1 : b].strip() for a, b in zip(cuts, cuts[1:], strict=False)]


def _response(text: str, whole: str) -> tuple[str, ...]:
    if not text:
        return ()
    columns = re.fullmatch(r"cbind\((.*)\)", text, flags=re.DOTALL)
    pieces = _split(columns.group(1), ",") if columns else _split(text, "+")
    if any(not p for p in pieces) or any(_split(p, "|")[1:] for p in pieces):
        raise FormulaError(f"the left side of {_short(whole)} cannot be read; write one outcome, or y1 + y2.")
    return tuple(pieces)


def _part(text: str, dot: list[str], whole: str) -> PartText:
    if not text:
        raise FormulaError(f"a part of {_short(whole)} is empty; write 1 for an intercept alone.")
    addends = _split(text, "+")
    if len(addends) > _MAX_CHAIN and not _split(text, "-")[1:]:
        # The grammar recurses along a chain of sums; a wide formula is read piece by piece instead.
        pieces = ["+".join(addends[i : i + _MAX_CHAIN]) for i in range(0, len(addends), _MAX_CHAIN)]
    else:
        pieces = [text]
    intercept, terms = True, {}
    for piece in pieces:
        here, found = _piece(piece, dot, whole)
        intercept = intercept and here
        terms.update({(frozenset(t.factors), t.scale): t for t in found})
    if len(terms) > MAX_TERMS:
        raise FormulaError(f"the formula expands to {len(terms):,} terms; at most {MAX_TERMS:,} are allowed.")
    _warn_repeated(addends)
    return PartText(intercept, tuple(sorted(terms.values(), key=lambda t: len(t.factors))))


def _piece(text: str, dot: list[str], whole: str) -> tuple[bool, list[TermText]]:
    from formulaic.errors import FormulaicError
    from formulaic.parser import DefaultFormulaParser
    from formulaic.parser.types import Factor

    parser = DefaultFormulaParser(feature_flags=DefaultFormulaParser.FeatureFlags.NONE)
    context: dict[str, Any] = {"__formulaic_variables_available__": dot, "__formulaic_variables_used_lhs__": []}
    try:
        tree = parser.get_ast(text, context=context)
        if _count(tree, len(dot)) > MAX_TERMS:
            raise FormulaError(f"the formula expands to more than {MAX_TERMS:,} terms; write fewer * or a lower power.")
        terms = list(parser.get_terms(text, context=context))  # type: ignore[call-overload]
    except FormulaError:
        raise
    except RecursionError:
        raise FormulaError(f"the formula {_short(whole)} is nested too deeply; write it flatter.") from None
    except (FormulaicError, SyntaxError, ValueError, TypeError, KeyError, IndexError, AttributeError, MemoryError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FormulaError(f"the formula {_short(whole)} cannot be read: {_short(reason)}") from None
    intercept, out = False, []
    for term in terms:
        names = tuple(f.expr for f in term.factors if f.eval_method is not Factor.EvalMethod.LITERAL)
        scales = [f.expr for f in term.factors if f.eval_method is Factor.EvalMethod.LITERAL]
        if not names:
            intercept = True
            continue
        scale = 1.0
        for number in scales:
            scale *= float(number)
        out.append(TermText(names, scale))
    return intercept, out


def _count(node: Any, dot: int) -> int:
    """An upper bound of the number of terms below a node of the grammar's tree."""
    symbol = getattr(getattr(node, "operator", None), "symbol", None)
    if symbol is None:
        return dot if str(node) == "." else 1
    if symbol in ("**", "^"):
        power = str(node.args[1])
        if not power.isdigit() or len(power) > 2:
            raise FormulaError(f"the power '^{_short(power)}' is not a small whole number; for x squared write I(x**2).")
        _warn_power(node, symbol, power)
        return min(_count(node.args[0], dot), 100) ** int(power)
    sizes = [_count(a, dot) for a in node.args]
    if symbol == "*" and len(sizes) == 2:
        return sizes[0] * sizes[1] + sizes[0] + sizes[1]
    if symbol == ":" and len(sizes) == 2:
        return sizes[0] * sizes[1]
    if symbol in ("|", "~"):
        raise FormulaError(f"'{symbol}' may not stand inside brackets; it separates whole parts of a formula.")
    return sum(sizes)


def _warn_power(node: Any, symbol: str, power: str) -> None:
    base = node.args[0]
    if getattr(base, "operator", None) is None:
        warnings.warn(
            f"'{base}{symbol}{power}' means '{base}' in a formula (a power of terms); write I({base}**{power}) for the power.",
            StatinfWarning,
            stacklevel=2,
        )


def _warn_repeated(addends: list[str]) -> None:
    seen: set[str] = set()
    for addend in addends:
        if addend in seen and addend not in ("0", "1"):
            warnings.warn(f"the term '{addend}' is written twice; it counts once.", StatinfWarning, stacklevel=2)
        seen.add(addend)


def _short(text: str, limit: int = 80) -> str:
    return f"'{text}'" if len(text) <= limit else f"'{text[:limit]}...'"

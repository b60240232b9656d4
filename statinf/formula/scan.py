"""Characters of a formula before its grammar: quotes, brackets, and column names that are no identifiers."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Collection, Iterator
from typing import Any

from statinf.errors import FormulaError

MAX_LENGTH = 100_000
MAX_DEPTH = 40
CLOSERS = {"(": ")", "[": "]", "{": "}"}
_OPERATOR_WORDS = frozenset({"in", "not", "and", "or", "None", "True", "False"})
_WORD = re.compile(r"[^\W\d]\w*(?:\.\w+)*")


def check_text(formula: Any) -> str:
    """The formula stripped, with brackets and quotes that match and no control characters."""
    if not isinstance(formula, str):
        raise FormulaError(f"the formula is a {type(formula).__name__}; give text such as 'y ~ x1 + x2'.")
    if len(formula) > MAX_LENGTH:
        raise FormulaError(f"the formula has {len(formula):,} characters; at most {MAX_LENGTH:,} are read.")
    text = formula.strip()
    bad = next((c for c in text if c not in "\n\t\r" and unicodedata.category(c)[0] == "C"), None)
    if bad is not None:
        raise FormulaError(f"the formula holds the control or format character U+{ord(bad):04X}; remove it.")
    _check_brackets(text)
    return text


def _check_brackets(text: str) -> None:
    closers: list[str] = []
    inside_call: list[bool] = [False]
    before, opened = "", -1
    for i, char in outside(text):
        if char in CLOSERS:
            if char == "[" and not inside_call[-1]:
                raise FormulaError(f"the formula {short(text)} has a '[' outside a function; group terms with ( ).")
            closers.append(CLOSERS[char])
            inside_call.append(inside_call[-1] or char == "{" or (char == "(" and (before.isalnum() or before == "_")))
            opened = i
            if len(closers) > MAX_DEPTH:
                raise FormulaError(f"the formula nests brackets more than {MAX_DEPTH} deep; write it flatter.")
        elif char in ")]}":
            if not closers or closers.pop() != char:
                raise FormulaError(f"the formula {short(text)} has an unmatched '{char}'.")
            inside_call.pop()
            if char == "}" and not text[opened + 1 : i].strip():
                raise FormulaError(f"the formula {short(text)} has empty braces.")
        before = char if not char.isspace() else before
    if closers:
        raise FormulaError(f"the formula {short(text)} lacks a '{closers[-1]}'.")


def scan(text: str) -> Iterator[tuple[int, str, str]]:
    """Position, character and the quote it stands in (the quotes themselves included), "" outside."""
    quote, escaped = "", False
    for i, char in enumerate(text):
        if not quote:
            if char in "'\"`":
                quote = char
            yield i, char, quote
            continue
        yield i, char, quote
        if escaped:
            escaped = False
        elif char == "\\" and quote != "`":
            escaped = True
        elif char == quote:
            quote = ""
    if quote:
        raise FormulaError(f"the formula {short(text)} has an unmatched {quote}.")


def outside(text: str) -> Iterator[tuple[int, str]]:
    """Positions and characters outside quotes and backticks."""
    if not _has_quotes(text):
        return enumerate(text)
    return ((i, char) for i, char, quote in scan(text) if not quote)


def _has_quotes(text: str) -> bool:
    return "'" in text or '"' in text or "`" in text


def split(text: str, at: str) -> list[str]:
    """Split where a character stands outside brackets and quotes."""
    if at not in text and not _has_quotes(text):
        return [text.strip()]
    depth, cuts = 0, [-1]
    for i, char in outside(text):
        if char in CLOSERS:
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == at and depth == 0:
            cuts.append(i)
    cuts.append(len(text))
    return [text[a + 1 : b].strip() for a, b in zip(cuts, cuts[1:], strict=False)]


def halves(text: str) -> tuple[str, str, str]:
    """What stands before the first `~` outside quotes, the `~`, and what stands behind it; like `str.partition`."""
    at = next((i for i, char in outside(text) if char == "~"), len(text))
    return text[:at], text[at : at + 1], text[at + 1 :]


class Names:
    """Stand-ins for column names that are no Python identifiers, unique in the formula and the data."""

    def __init__(self, text: str, available: Collection[str]) -> None:
        prefix = "quoted"
        while prefix in text or any(prefix in c for c in available):
            prefix += "_"
        self._prefix = prefix
        self._known: dict[str, str] = {}

    @property
    def quoted(self) -> dict[str, str]:
        """Original name of each stand-in."""
        return {key: name for name, key in self._known.items()}

    def stand_in(self, name: str) -> str:
        """The name itself where Python reads it as one unchanged name, else its stand-in."""
        if name.isidentifier() and not keyword.iskeyword(name) and (name.isascii() or _folded(name) == name):
            return name
        return self._known.setdefault(name, f"{self._prefix}{len(self._known)}_")


def lift(text: str, names: Names, available: Collection[str]) -> str:
    """Replace names in backticks, and bare columns such as `Sepal.Length` or `class`, by stand-ins.

    Raises
    ------
    FormulaError
        If a bare name holds a character that Python would read as another one.
    """
    if not _has_quotes(text):
        return _lift_piece(text, "", names, available)
    pieces: list[str] = []
    start, inside = 0, ""
    for i, _, quote in scan(text):
        if quote != inside:
            pieces.append(_lift_piece(text[start:i], inside, names, available))
            start, inside = i, quote
        elif quote and i > start and text[i - 1] == quote == text[i] and text[start:i].count(quote) == 2:
            # One quoted piece directly after another.
            pieces.append(_lift_piece(text[start:i], inside, names, available))
            start = i
    pieces.append(_lift_piece(text[start:], inside, names, available))
    return "".join(pieces)


def _lift_piece(piece: str, quote: str, names: Names, available: Collection[str]) -> str:
    if quote == "`":
        if len(piece) == 2:
            raise FormulaError("the formula has an empty pair of backticks; put a column's name between them.")
        return f" {names.stand_in(piece[1:-1])} "
    if quote:
        return piece
    if not piece.isascii() and _folded(piece) != piece:
        strange = next((c for c in piece if _folded(c) != c), "")
        raise FormulaError(f"the character {strange!r} can be read as another; put the column's name in `backticks`.")

    def lifted(match: re.Match[str]) -> str:
        word = match.group()
        called = piece[match.end() :].lstrip()[:1] == "("
        special = "." in word or (keyword.iskeyword(word) and word not in _OPERATOR_WORDS)
        return names.stand_in(word) if special and not called and word in available else word

    return _WORD.sub(lifted, piece)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def short(text: str, limit: int = 80) -> str:
    """Text in quotes, cut for a message."""
    return f"'{text}'" if len(text) <= limit else f"'{text[:limit]}...'"

"""Coefficient names inside text: each becomes an identifier, so that the text around them reads as an expression."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from statinf.errors import OptionError

_FACTOR = re.compile(r"(?<![\w.`])(?:as\.factor|factor|i)\(")


def replace_names(text: str, names: Sequence[str]) -> tuple[str, dict[str, int]]:
    """The text with a slot in place of each coefficient name, and the coefficients that the slots stand for."""
    slots: dict[str, int] = {}
    for i in sorted(range(len(names)), key=lambda i: -len(names[i])):
        # A name may not be part of a longer identifier on either side.
        pattern = r"(?<![\w.])`?" + re.escape(names[i]) + r"`?(?![\w.\[(:])"
        text, count = re.subn(pattern, f" _{i}_ ", text)
        if count:
            slots[f"_{i}_"] = i
    return text.replace("==", "="), slots


def parts_of(term: str) -> list[str]:
    """The factors of an interaction, split at colons outside of brackets.

    Examples
    --------
    >>> parts_of("wt:C(cyl)[T.a:b]")
    ['wt', 'C(cyl)[T.a:b]']
    """
    out, depth = [""], 0
    for char in term:
        depth += (char in "([{") - (char in ")]}")
        if char == ":" and depth == 0:
            out.append("")
        else:
            out[-1] += char
    return out


def level_of(term: str) -> tuple[str, str] | None:
    """Factor and level of the coefficient of one level; None for any other term.

    Examples
    --------
    >>> level_of("C(cyl)[T.6]"), level_of("wt:C(cyl)[T.6]"), level_of("wt")
    (('C(cyl)', '6'), None, None)
    >>> level_of("cut(z, 3)[T.(1.8,3.68]]"), level_of("C(g, levels=['a', 'b'])[T.b]")
    (('cut(z, 3)', '(1.8,3.68]'), ("C(g, levels=['a', 'b'])", 'b'))
    """
    if not term.endswith("]") or len(parts_of(term)) > 1:
        return None
    depth = 0
    for i, char in enumerate(term):
        if char == "[" and depth == 0:
            return (term[:i], term[i + 1 : -1].removeprefix("T.")) if i else None
        depth += (char in "([{") - (char in ")]}")
    return None


def factors_of(term: str) -> str:
    """The term that a coefficient belongs to: its name without levels, and without blanks and backticks.

    Examples
    --------
    >>> factors_of("cut(z, 3)[T.(1.8,3.68]]:g[T.b]:x")
    'cut(z,3):g:x'
    """
    return compact(":".join((level_of(part) or (part,))[0] for part in parts_of(term)))


def spelled(text: str) -> str:
    """The text with R's `factor(g)` and fixest's `i(g)` as coefficients are named: `C(g)`."""
    return _FACTOR.sub("C(", text)


def compact(text: str) -> str:
    """The text without blanks and backticks."""
    return re.sub(r"[\s`]", "", text)


def split_equations(text: str) -> list[str]:
    """Equations between the commas that stand outside of parentheses."""
    depth, parts = 0, [""]
    for letter in text:
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += letter
    parts = [p.strip() for p in parts]
    if not all(parts):
        raise OptionError("a hypothesis is a list of equations such as 'x1 = x2, x3 = 0'.")
    return parts


def restore(text: str, slots: dict[str, int], names: Sequence[str]) -> str:
    """The text with its names in place of the slots."""
    for slot, i in slots.items():
        text = text.replace(slot, names[i])
    return " ".join(text.split())


def parse(text: str, whole: str) -> ast.expr:
    """The expression that the text holds; `whole` is what messages quote."""
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise OptionError(
            f"the hypothesis '{whole[:200]}' cannot be read; write equations such as 'x1 = x2, x3 = 0'."
        ) from None

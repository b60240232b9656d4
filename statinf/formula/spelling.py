"""The text of formulas as R writes it, brought into the expressions that are read; what has no counterpart is refused by name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from statinf.errors import FormulaError
from statinf.formula.scan import CLOSERS, outside, short

_QUOTED = re.compile(r"""('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")""")
_DOTTED = re.compile(r"\b(as|is)\.(\w+)(?=\s*\()")
_OPTION = re.compile(r"\b([a-zA-Z]+)\.([a-z]+)(?=\s*=(?!=))")
_RANGE = re.compile(r"(?<![\w.)\]])(-?\d+)\s*:\s*(-?\d+)(?![\w.(])")
_MINUS_TWICE = re.compile(r"-\s*-")
_BARRED = re.compile(r"\(\s*[^()|]*\|\s*[^()|]+\)")
_DOUBLE = re.compile(r"\|\s*\|")
_LOGICAL = re.compile(r"<(?!-)|[>&]|[=!]=|!")
_MEMBER = re.compile(r"%in%\s*(?:c\s*\(|seq\s*\(|\[|-?\d|$)")
_ARITHMETIC = re.compile(r"[*:/^]|%in%(?!\s*(?:c\s*\(|seq\s*\(|\[|-?\d|$))|[\w.)\]]\s*[+\-]")
_PACKAGE = re.compile(r"(?<![\w.])(?:base|stats|splines|fixest):::?(?=[^\W\d]\w*(?:\.\w+)*\s*\()")
_REMAINDER = re.compile(r"%%|%/%")
_FOREIGN = re.compile(r"%(?!in%|/?%)\S*?%")
_ADVICE_ON_TEXT = (
    (re.compile(r"\$"), "'$'", "name the column alone, without the data frame before it: y ~ x"),
    (re.compile(r"&&"), "'&&'", "write one &, which goes through the rows: I(x > 0 & z < 1)"),
)


def advise(text: str) -> None:
    """Refuse operators that only other languages have, with the spelling that works.

    Raises
    ------
    FormulaError
        If the text holds one outside quotes.
    """
    if not any(c in text for c in "$&<=|%") and text.count("-") < 2:
        return
    plain = "".join(_QUOTED.split(text)[::2])
    for pattern, name, advice in _ADVICE_ON_TEXT:
        if pattern.search(plain):
            raise FormulaError(f"{name} in {short(text)} is no operator of a formula; {advice}.")
    if _DOUBLE.search(plain):
        raise FormulaError(
            f"{short(text)} has '||'; write one | inside I( ), which goes through the rows, as in I(x > 0 | z < 1), or one '|' "
            "between two parts."
        )
    foreign = _FOREIGN.search(plain)
    if foreign:
        raise FormulaError(f"{foreign.group()!r} in {short(text)} is no operator of a formula.")
    if "~" not in plain:
        return
    outer = _without_calls(plain)
    found = _REMAINDER.search(outer)
    if found:
        raise FormulaError(
            f"{found.group()!r} in {short(text)} stands between terms; write it in a function, as in I(k {found.group()} 2)."
        )
    if _MINUS_TWICE.search(outer.partition("~")[2]):
        raise FormulaError(
            f"{short(text)} takes away what is already taken away, which R reads as leaving it out; write it with one sign."
        )
    bars = _BARRED.search(outer)
    if bars and not _LOGICAL.search(bars.group()):
        raise FormulaError(
            f"{short(bars.group())}: random effects are not fitted; write C(g) for one coefficient per level of g, and give "
            "cluster='g' for standard errors that allow for groups."
        )
    if "<-" in outer:
        raise FormulaError(
            f"{short(text)} assigns with '<-'; write the outcome before '~', or a space between < and -."
        )


def without_packages(text: str) -> str:
    """The text with functions of R's own packages, such as `splines::ns(x, 3)`, called by their name alone."""
    if "::" not in text:
        return text
    pieces = _QUOTED.split(text)
    pieces[::2] = [_PACKAGE.sub("", piece) for piece in pieces[::2]]
    return "".join(pieces)


def with_logicals(side: str, whole: str, parts: int = 1) -> str:
    """A side of a formula, or one of its parts, whose comparisons outside calls, such as `(x > 0) + z` or `!b`, stand in `I()`.

    Raises
    ------
    FormulaError
        If a comparison stands beside arithmetic of terms, which R takes into the comparison, or beside a bar between parts.
    """
    if not any(c in side for c in "<>!&=") and "%in%" not in side:
        return side
    found = [start for start, call, own in _brackets(side) if not call and _compares(own)]
    if not found:
        return side
    if found[-1] < 0:
        # What stands outside all brackets comes last, and takes the brackets into it.
        own = [text for _, _, text in _brackets(side)][-1]
        if parts > 1:
            raise FormulaError(
                f"{short(whole)} has a comparison beside '|', which separates parts here; write I(x > 0 | z < 1) where it means "
                "or, and (x > 0) | z where it separates parts."
            )
        if _ARITHMETIC.search(own):
            raise FormulaError(
                f"{short(whole)} compares outside a function, and R takes all of a sum into its comparison; write I(x + z > 1) "
                "for that, or put the comparison in parentheses, as in x + (z > 1)."
            )
        return f"I({side.strip()})"
    for start in sorted(found, reverse=True):
        side = f"{side[:start]}I{side[start:]}"
    return side


def _compares(own: str) -> bool:
    return _LOGICAL.search(own) is not None or _MEMBER.search(own.rstrip()) is not None


def _brackets(text: str) -> Iterator[tuple[int, bool, str]]:
    """Where each pair of brackets opens, whether it is in a call, and what stands in it less what inner brackets hold.

    The whole text comes last, as if it were in brackets that open at -1.
    """
    open_: list[tuple[int, bool, list[str]]] = [(-1, False, [])]
    before = ""
    for i, char in outside(text):
        if char in CLOSERS:
            open_[-1][2].append(char)
            call = open_[-1][1] or char != "(" or before.isalnum() or before in ("_", ".")
            open_.append((i, call, []))
        elif char in ")]}":
            start, call, own = open_.pop()
            yield start, call, "".join(own)
            open_[-1][2].append(char)
        else:
            open_[-1][2].append(char)
        before = char if not char.isspace() else before
    yield -1, False, "".join(open_[0][2])


def _without_calls(text: str) -> str:
    """The text without what stands in the brackets of calls and in braces."""
    if "(" not in text and "{" not in text:
        return text
    kept, calls, before = [], [False], ""
    for char in text:
        if char in CLOSERS:
            calls.append(calls[-1] or char == "{" or (char == "(" and (before.isalnum() or before in "_.")))
        if not calls[-1]:
            kept.append(char)
        if char in ")]}" and len(calls) > 1:
            calls.pop()
        before = char if not char.isspace() else before
    return "".join(kept)


_WORDS = (("%in%", " in "), ("%%", " % "), ("%/%", " // "), ("^", "**"), ("&", " and "), ("|", " or "))


def in_python(text: str) -> str:
    """The text with R's operators, ranges and dotted names inside calls as Python writes them."""
    if not (any(c in text for c in "^%&|!:") or _DOTTED.search(text) or _OPTION.search(text)):
        return text
    cuts, calls, before, start, skip = [], [False], "", 0, -1
    for i, char in outside(text):
        if i < skip:
            continue
        if char in CLOSERS:
            calls.append(calls[-1] or char == "{" or (char == "(" and (before.isalnum() or before == "_")))
        elif char in ")]}" and len(calls) > 1:
            calls.pop()
        elif calls[-1]:
            found = _operator_at(text, i)
            if found is not None:
                operator, word = found
                cuts += [text[start:i], word]
                start = skip = i + len(operator)
        before = char if not char.isspace() else before
    pieces = _QUOTED.split("".join([*cuts, text[start:]]))
    pieces[::2] = [_OPTION.sub(r"\1_\2", _DOTTED.sub(r"\1_\2", piece)) for piece in pieces[::2]]
    return _with_ranges(pieces) if ":" in text and "{" not in text else "".join(pieces)


def _operator_at(text: str, i: int) -> tuple[str, str] | None:
    if text[i] == "!" and text[i + 1 : i + 2] != "=":
        return "!", " not "
    return next(((operator, word) for operator, word in _WORDS if text.startswith(operator, i)), None)


def _with_ranges(pieces: list[str]) -> str:
    """Text in pieces, every other one a quotation, with `1:5` inside calls as `seq(1, 5)`."""
    level = 0
    for i in range(0, len(pieces), 2):
        depths = []
        for char in pieces[i]:
            level += (char in CLOSERS) - (char in ")]}")
            depths.append(level)
        pieces[i] = _RANGE.sub(lambda m, at=depths: f"seq({m[1]}, {m[2]})" if at[m.start()] else m[0], pieces[i])
    return "".join(pieces)

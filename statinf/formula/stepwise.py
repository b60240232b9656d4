"""One formula that stands for several: outcomes in `cbind()`, and steps `sw()`, `csw()`, `sw0()`, `csw0()` (as fixest has them).

What such a formula means is written out as formulas before any is parsed; each is then read as if it had been given alone.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from itertools import product

from statinf.errors import FormulaError
from statinf.formula.parse import bound_columns
from statinf.formula.scan import CLOSERS, check_text, outside, short, split

_CALL = re.compile(r"(?<![\w.])(c?sw0?)\s*\(")
_BOUND = re.compile(r"\s*cbind\s*\(")
_OTHERS = re.compile(r"\s*(?:c|list|c?sw0?)\s*\(")
_DOT = re.compile(r"(?<![\w.)\]`])\.(?![\w.])")
_COLUMN = re.compile(r"`[^`]*`|(?<![\w.])[^\W\d][\w.]*(?!\w|\.|\s*\()")
MOST = 1000


@dataclass(frozen=True)
class FormulaStep:
    """One of the formulas that a formula stands for.

    Attributes
    ----------
    formula : str
    outcome : str
        Its left side.
    right : str
        Its right side.
    step : str
        The alternatives that it takes, as written, "none" where a term is left out; empty where there is nothing to choose.
    """

    formula: str
    outcome: str
    right: str
    step: str


@dataclass(frozen=True)
class Choice:
    """A call such as `sw(x, z)` in a text: where it stands, and what may take its place."""

    start: int
    end: int
    alternatives: tuple[str, ...]


def expand(formula: object, *, outcomes: bool, known: Container[str] = ()) -> tuple[FormulaStep, ...] | None:
    """The formulas that a formula stands for, those of an outcome together; None for a formula that stands for itself.

    Parameters
    ----------
    formula : str
    outcomes : bool
        Whether `cbind(y1, y2)` on the left is several outcomes, rather than one of several columns.
    known : container of str
        Functions that the caller handed over: one called `sw` is that function.

    Raises
    ------
    FormulaError
        If a step is empty where it may not be, or there are too many.

    Examples
    --------
    >>> [step.formula for step in expand("y ~ x + csw0(z, w)", outcomes=True)]
    ['y ~ x', 'y ~ x + z', 'y ~ x + z + w']
    >>> [step.formula for step in expand("cbind(y, log(v)) ~ sw(x, z)", outcomes=True)]
    ['y ~ x', 'y ~ z', 'log(v) ~ x', 'log(v) ~ z']
    """
    if not isinstance(formula, str):
        return None
    unlike = _OTHERS.match(formula) if outcomes and not known else None
    if not (_CALL.search(formula) or unlike or (outcomes and _BOUND.match(formula))):
        return None
    sides = split(check_text(formula), "~")
    if len(sides) != 2:
        return None
    if unlike and _closing(sides[0], len(unlike.group())) == len(sides[0]):
        raise FormulaError(f"{short(sides[0])}: several outcomes are written cbind(y1, y2).")
    several = bound_columns(sides[0]) if outcomes and _BOUND.match(sides[0]) else [sides[0]]
    found = _choices(sides[1], known)
    if len(several) == 1 and not found:
        return None
    if len(several) > 1 and _DOT.search(sides[1]):
        sides[1] = _less_outcomes(sides[1], several)
        found = _choices(sides[1], known)
    count = len(several)
    for choice in found:
        count *= len(choice.alternatives)
    if count > MOST:
        raise FormulaError(f"the formula {short(formula)} stands for {count:,} formulas; at most {MOST:,} are fitted.")
    out = []
    for outcome in several:
        for taken in product(*(choice.alternatives for choice in found)):
            right = _written(sides[1], found, taken)
            out.append(
                FormulaStep(f"{outcome} ~ {right}".strip(), outcome, right, ", ".join(t or "none" for t in taken))
            )
    twice = next((s.formula for i, s in enumerate(out) if s in out[:i]), None)
    if twice is not None:
        raise FormulaError(f"the formula {short(formula)} stands for {short(twice)} twice; write each step once.")
    return tuple(out)


def _less_outcomes(text: str, outcomes: list[str]) -> str:
    """The right side with a `.` that stands for no column of any outcome."""
    columns = dict.fromkeys(name for outcome in outcomes for name in _COLUMN.findall(outcome))
    free = {i for i, _ in outside(text)}
    rest = f"(. - {' - '.join(columns)})"
    return _DOT.sub(lambda dot: rest if dot.start() in free else dot.group(), text)


def _choices(text: str, known: Container[str]) -> list[Choice]:
    free = [False] * len(text)
    for i, _ in outside(text):
        free[i] = True
    out: list[Choice] = []
    for call in _CALL.finditer(text):
        name = call[1]
        if not free[call.start()] or name in known:
            continue
        if out and call.start() < out[-1].end:
            raise FormulaError(f"{name}() stands within another such call in {short(text)}; steps do not nest.")
        end = _closing(text, call.end())
        pieces = split(text[call.end() : end - 1], ",")
        if not all(pieces):
            raise FormulaError(
                f"{short(text[call.start() : end])} has an empty step; sw0() and csw0() begin with none."
            )
        if name.startswith("c"):
            pieces = [" + ".join(pieces[: i + 1]) for i in range(len(pieces))]
        out.append(Choice(call.start(), end, (("", *pieces) if name.endswith("0") else tuple(pieces))))
    return out


def _closing(text: str, start: int) -> int:
    """The place behind the bracket that closes the one before `start`."""
    depth = 1
    for i, char in outside(text):
        if i >= start:
            depth += (char in CLOSERS) - (char in ")]}")
            if depth == 0:
                return i + 1
    raise FormulaError(f"the formula {short(text)} lacks a ')'.")


def _written(text: str, choices: list[Choice], taken: tuple[str, ...]) -> str:
    """The text with an alternative in the place of each call, in brackets where it is part of a term."""
    for choice, piece in reversed(list(zip(choices, taken, strict=True))):
        before, after = text[: choice.start].rstrip(), text[choice.end :].lstrip()
        whole = (not before or before[-1] in "+|(") and (not after or after[0] in "+-|)")
        alone = (not before or before[-1] in "|") and (not after or after[0] == "|")
        called = bool(before) and before[-1] == "(" and bool(re.search(r"[\w.]\s*\($", before))
        if piece:
            piece = piece if whole and not called else f"({piece})"
        elif not whole or called:
            raise FormulaError(
                f"a step of {short(text)} leaves a term out that stands in a product; write the step as a sum."
            )
        elif alone:
            piece = "1"
        elif before.endswith("+"):
            before = before[:-1].rstrip()
        elif after.startswith("+"):
            after = after[1:].lstrip()
        text = " ".join(s for s in (before, piece, after) if s)
    return text

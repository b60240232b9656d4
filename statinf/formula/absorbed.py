"""Effects that a regression absorbs: the factors that `absorb=` names, their codes on rows and their levels by name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError, FormulaError
from statinf.formula.columns import Categorical
from statinf.formula.design import Design
from statinf.formula.frame import Frame
from statinf.formula.given import without_gaps

_TOKEN = re.compile(r"\s*(`[^`]+`|[^\s+^:*\[\]()`~|-]+|[+^:*\[\]()~|-])")
_OPERATORS = frozenset("+^:*[]()~|`")
_MISSING, _UNSEEN = -1, -2


@dataclass(frozen=True)
class AbsorbedTerm:
    """A factor to absorb: one column, or the combinations of several.

    Attributes
    ----------
    name : str
        As `absorb=` says it.
    columns : tuple of str
    """

    name: str
    columns: tuple[str, ...]


def read_absorb(absorb: Any) -> tuple[AbsorbedTerm, ...]:
    """The factors of "firm + year", "firm^year" (or "firm:year"), or a list of such terms or of columns of any name.

    Raises
    ------
    FormulaError
        If it names no factor or asks for what is not there, such as slopes that vary by level.
    """
    if hasattr(absorb, "shape"):
        raise FormulaError(
            "absorb= names columns of the data, and was given values: add them to the data as a column and write its name."
        )
    listed = [absorb] if isinstance(absorb, str) else absorb
    if not isinstance(listed, Sequence) or not listed or not all(isinstance(term, str) for term in listed):
        raise FormulaError(f"absorb={absorb!r} names no factors; write absorb='firm + year', or a list of columns.")
    alone = not isinstance(absorb, str)
    terms = [term for text in listed for term in (_column(text) if alone and _is_name(text) else _terms(text))]
    if not terms:
        raise FormulaError(f"absorb={absorb!r} names no factors; write absorb='firm + year', or a list of columns.")
    return tuple(dict.fromkeys(terms))


def _is_name(text: str) -> bool:
    """Whether an entry of a list can only be a column's name, blanks and all."""
    return bool(text.strip()) and not _OPERATORS & set(text)


def _column(name: str) -> list[AbsorbedTerm]:
    return [AbsorbedTerm(name, (name,))]


def _terms(text: str) -> list[AbsorbedTerm]:
    tokens, at = [], 0
    body = text.strip().removeprefix("~")
    while at < len(body.rstrip()):
        found = _TOKEN.match(body, at)
        if found is None:
            raise FormulaError(f"absorb={text!r} cannot be read at {body[at:]!r}.")
        tokens.append(found[1])
        at = found.end()
    if "[" in tokens:
        raise FormulaError(
            f"absorb={text!r}: slopes that vary by level are not absorbed; write the interaction in the formula, such as "
            "C(firm):x, where the factor has few levels."
        )
    if "*" in tokens:
        raise FormulaError(
            f"absorb={text!r}: 'a*b' is not known here; 'a^b' absorbs the combinations, which hold 'a' and 'b'."
        )
    groups: list[list[str]] = [[]]
    for token in _without_calls(tokens):
        if token == "+":
            groups.append([])
        else:
            groups[-1].append(token)
    return [] if groups == [[]] else [_term(text, group) for group in groups]


def _without_calls(tokens: Sequence[str]) -> list[str]:
    """Tokens with C(firm) and factor(firm) written as firm: what is absorbed is always categories."""
    out, at = [], 0
    while at < len(tokens):
        call = tokens[at] in ("C", "factor") and tokens[at + 1 : at + 2] == ["("] and tokens[at + 3 : at + 4] == [")"]
        out.append(tokens[at + 2] if call else tokens[at])
        at += 4 if call else 1
    return out


def _term(text: str, tokens: Sequence[str]) -> AbsorbedTerm:
    names, joints = tokens[::2], tokens[1::2]
    if not tokens or len(names) != len(joints) + 1 or set(joints) - {"^", ":"} or any(n in "+^:()~|-" for n in names):
        raise FormulaError(
            f"absorb={text!r} cannot be read; write columns joined by '+', combinations as 'a^b', and odd names in backticks."
        )
    columns = tuple(dict.fromkeys(name.strip("`") for name in names))
    return AbsorbedTerm("^".join(columns), columns)


def term_codes(design: Design, term: AbsorbedTerm) -> np.ndarray:
    """Codes from 0 without gaps of a factor's levels on the rows of a design."""
    codes = [design.cluster_codes(name) for name in term.columns]
    return codes[0] if len(codes) == 1 else combined(codes)


def combined(codes: Sequence[np.ndarray]) -> np.ndarray:
    """Codes of the combinations of several factors, in the order of their own codes."""
    key = codes[0].astype(np.int64)
    for code in codes[1:]:
        key = key * (int(code.max(initial=0)) + 1) + code
        if int(key.max(initial=0)) <= 4 * len(key) + 1000:
            key = without_gaps(key)
        else:
            import pandas as pd

            key = pd.factorize(key, sort=True)[0]
    return key


@dataclass(frozen=True, eq=False, repr=False)
class LevelNames(Brief):
    """The levels of an absorbed factor by name.

    Attributes
    ----------
    columns : tuple of str
    labels : tuple of ndarray, shape (levels,)
        Value of each column at each level.
    """

    columns: tuple[str, ...]
    labels: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, frame: Frame, rows: np.ndarray, term: AbsorbedTerm, codes: np.ndarray, size: int) -> LevelNames:
        """Names of the levels whose codes on some rows of a frame are given."""
        example = np.empty(size, dtype=np.intp)
        example[codes] = rows
        labels = []
        for name in term.columns:
            found = frame.categories(name)
            labels.append(_as_array(found.levels)[found.codes[example]])
        return cls(term.columns, tuple(labels))

    @property
    def text(self) -> np.ndarray:
        """One name a level, shape (levels,): the value of a single column, text of several."""
        if len(self.labels) == 1:
            return self.labels[0]
        return np.array(["^".join(map(str, values)) for values in zip(*self.labels, strict=True)])

    def codes(self, frame: Frame) -> np.ndarray:
        """Levels of the rows of a new frame, shape (n,): -1 where a column is missing, -2 where the fit had no such level."""
        own, new = [], []
        for name, labels in zip(self.columns, self.labels, strict=True):
            values, position = np.unique(labels, return_inverse=True)
            own.append(position)
            new.append(_known(values.tolist(), frame.categories(name)))
        missing = np.any([code == _MISSING for code in new], axis=0)
        key, wanted = own[0], new[0]
        for one, other in zip(own[1:], new[1:], strict=True):
            width = int(one.max(initial=0)) + 1
            wanted = np.where((wanted >= 0) & (other >= 0), wanted * width + other, _UNSEEN)
            key = key * width + one
        order = np.argsort(key, kind="stable")
        place = np.minimum(np.searchsorted(key[order], wanted), len(order) - 1)
        found = np.where(key[order][place] == wanted, order[place], _UNSEEN)
        return np.where(missing, _MISSING, found)


def _as_array(levels: Sequence[Any]) -> np.ndarray:
    """Levels as an array that a file can hold: of whole numbers, numbers, truth values, or text."""
    array = np.asarray(levels)
    return array if array.dtype.kind in "biufU" else np.array([str(v) for v in levels])


def _known(values: Sequence[Any], column: Categorical) -> np.ndarray:
    place = {value: i for i, value in enumerate(values)}
    text = bool(values) and isinstance(values[0], str)
    position = [
        place.get(str(level) if text and not isinstance(level, str) else level, _UNSEEN) for level in column.levels
    ]
    return np.array([*position, _MISSING], dtype=np.intp)[column.codes]


def check_columns_there(frame: Frame, terms: Sequence[AbsorbedTerm]) -> None:
    """Refuse columns that are not in the data, or missing where rows can no longer be left out."""
    for term in terms:
        for name in term.columns:
            try:
                frame.require(name)
            except DataError as error:
                raise DataError(f"absorb= names {name!r}: {error}") from None

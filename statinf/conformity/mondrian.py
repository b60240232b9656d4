"""Mondrian (group-conditional) calibration: one threshold per group, coverage at least the level in every group.

Vovk, Lindsay, Nouretdinov and Gammerman (2003). Groups are the distinct rows of the formula's second part, or of the
columns named by `by=`; sets are infinite in groups with too few calibration rows and in groups never seen.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import OptionError
from statinf.formula.matrix import Matrix

ROLE = "groups"
_MOST = 10_000


@dataclass(frozen=True)
class Groups:
    """The groups of a fit.

    Attributes
    ----------
    rows : ndarray, shape (groups, k)
        The columns of the group part in each group.
    labels : tuple of str
    """

    rows: np.ndarray
    labels: tuple[str, ...]

    def codes(self, values: np.ndarray) -> np.ndarray:
        """Group numbers (m,) of rows of the group part (m, k); -1 where the group was not seen."""
        known = {tuple(row): g for g, row in enumerate(self.rows)}
        distinct, inverse = np.unique(values, axis=0, return_inverse=True)
        return np.array([known.get(tuple(row), -1) for row in distinct], np.intp)[inverse.reshape(-1)]


def find_groups(part: Matrix) -> tuple[Groups, np.ndarray]:
    """The groups of a formula part, and the group number of each row."""
    part = part.without_intercept()
    distinct, codes = np.unique(part.values, axis=0, return_inverse=True)
    if len(distinct) > _MOST:
        raise OptionError(
            f"The group part has {len(distinct)} distinct rows; group on fewer values, such as C(x) or I(x > 0)."
        )
    # Dummies of later levels make larger rows: from the last to the first puts levels in their order.
    distinct, codes = distinct[::-1], len(distinct) - 1 - codes.reshape(-1)
    return Groups(distinct, tuple(label_of(part.names, row) for row in distinct)), codes


def label_of(names: tuple[str, ...], row: np.ndarray) -> str:
    """What a reader calls a group: "C(sex)[male]" equal to one is "sex = male"."""
    said = []
    for name, value in zip(names, row, strict=True):
        if value == 0.0 and "[" in name:
            continue
        parts = [re.sub(r"^(?:C\((.+)\)|(.+?))\[(?:T\.)?(.*)\]$", r"\1\2 = \3", part) for part in name.split(":")]
        text = ", ".join(parts)
        said.append(text if value == 1.0 and "[" in name else f"{text} = {value:g}")
    return ", ".join(said) or "others"


def with_groups(formula: str, by: str | Sequence[str] | None) -> str:
    """The formula with columns named by `by=` as its second part.

    Raises
    ------
    OptionError
        If the formula has a second part already.
    """
    if by is None:
        return formula
    columns = [by] if isinstance(by, str) else list(by)
    if "|" in formula.split("~", 1)[-1]:
        raise OptionError("by= and a second part of the formula both name groups; use one of them.")
    # No intercept and full dummies of one interaction: one column, equal to one, a group.
    return f"{formula} | {':'.join(f'C({_quoted(c)})' for c in columns)} - 1"


def _quoted(column: str) -> str:
    return column if column.isidentifier() else f"`{column}`"


def as_groups(new: Any) -> np.ndarray:
    """The group part's columns for new rows (m, k)."""
    return new.part(ROLE).without_intercept().values

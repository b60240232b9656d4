"""What tests of a running variable's density get: its distances from the cutoff."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError, FormulaError
from statinf.formula.design import Design, design
from statinf.formula.scale import check_sizes

FEWEST = 25
"""Rows and distinct values that either side needs."""


@dataclass(frozen=True, repr=False)
class RunningRows(Brief):
    """A running variable around its cutoff; rows of weight zero are left out.

    Attributes
    ----------
    x : ndarray, shape (n,)
        Running variable less the cutoff; the cutoff itself is on the right.
    w : ndarray, shape (n,)
        Weights with mean one.
    kept : ndarray of int, shape (n,)
        Their places among the rows of the design.
    name : str
    cutoff : float
    design : Design
    """

    x: np.ndarray
    w: np.ndarray
    kept: np.ndarray
    name: str
    cutoff: float
    design: Design

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Values (n, q) per row at the rows of the design, zero where the weight is."""
        out = np.zeros((self.design.n, values.shape[1]))
        out[self.kept] = values
        return out


def running_rows(
    formula: str,
    data: Any,
    cutoff: float,
    *,
    weights: Any,
    cluster: Any,
    na_action: str,
    context: Mapping[str, Any] | None,
) -> RunningRows:
    """Read a running variable.

    Raises
    ------
    FormulaError
        If the formula is not `~ column`.
    DataError
        If a side of the cutoff has too few rows.
    """
    rows = design(
        formula,
        data,
        roles=("running",),
        weights=weights,
        cluster=cluster,
        na_action=na_action,
        context=context,
        response="none",
    )
    rows.refuse_offset("the density of a running variable takes")
    check_sizes(rows)
    part = rows.parts[0].without_intercept()
    if part.p != 1:
        raise FormulaError(f"'{formula}' has {part.p} columns; write '~ running', with one column of numbers.")
    kept = np.flatnonzero(rows.weights > 0)
    x, w, name = part.values[kept, 0] - float(cutoff), rows.weights[kept], part.names[0]
    for side, there in (("below", x[x < 0]), ("at or above", x[x >= 0])):
        count, distinct = len(there), len(np.unique(there))
        if distinct < FEWEST:
            words = f"{count} rows" if count < FEWEST else f"{distinct} distinct values"
            more = (
                "" if count < FEWEST else " A discrete running variable has no density; compare shares near the cutoff."
            )
            raise DataError(
                f"'{name}' has {words} {side} the cutoff {cutoff:g}; a test of its density needs at least {FEWEST}.{more}"
            )
    return RunningRows(x, w / w.mean(), kept, name, float(cutoff), rows)

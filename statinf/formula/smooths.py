"""Penalised splines `s(x)` in a formula: where they may stand, and their columns.

The first column of `s(x)` is x as a share of its range in the fit, the others are natural cubic splines whose penalty, the
integral of the squared second derivative, is the identity. Knots stand at quantiles of the different values, so that rows that
are repeated do not move them; beyond the outer knots the spline goes on as a straight line.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import DataError, FormulaError
from statinf.formula.expression import SMOOTH, Scope, call_name
from statinf.formula.factors import Factor, stateful_calls
from statinf.formula.scan import short
from statinf.numerics.smoothing.natural_spline import curved_directions, natural_columns

MOST_KNOTS, LEAST_KNOTS, ROWS_PER_KNOT = 20, 10, 20


@dataclass(frozen=True)
class SmoothTerm:
    """One `s(x)` of a part.

    Attributes
    ----------
    label : str
    argument : str
        What it is a function of.
    columns : slice
        Of the part; a penalty acts on all but the first of them, with the identity as its matrix.
    low, high : float
        Range of the argument in the fit.
    """

    label: str
    argument: str
    columns: slice
    low: float
    high: float


def smooth_columns(
    x: np.ndarray, options: Mapping[str, Any], state: dict[str, Any], text: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The columns (n, k - 1) of a spline with k knots; knots are made in `state` if they are not there yet."""
    if "knots" not in state:
        knots = _knots(x, options.get("k"), text)
        low, high = float(knots[0]), float(knots[-1])
        shares = (knots - low) / (high - low)
        state |= {"lower_bound": low, "upper_bound": high, "knots": shares, "directions": curved_directions(shares)}
    share = (x - state["lower_bound"]) / (state["upper_bound"] - state["lower_bound"])
    columns = np.column_stack([share, natural_columns(share, state["knots"], state["directions"])])
    return columns, tuple(f"[{j + 1}]" for j in range(columns.shape[1]))


def _knots(x: np.ndarray, k: int | None, text: str) -> np.ndarray:
    values = np.unique(x)
    if len(values) < 3:
        raise DataError(
            f"{short(text)}: the column has {len(values)} different values, a spline needs three; write it without s()."
        )
    if k is not None and k > len(values):
        raise DataError(f"{short(text)}: the column has {len(values)} different values, too few for k={k} knots.")
    count = k or min(int(np.clip(len(values) // ROWS_PER_KNOT, LEAST_KNOTS, MOST_KNOTS)), len(values))
    return values[np.round(np.linspace(0, len(values) - 1, count)).astype(int)]


def check_smooths(
    parts: Mapping[str, Sequence[tuple[str, tuple[str, ...], float]]],
    outside: Sequence[Factor],
    factors: Mapping[str, Factor],
    roles: Sequence[str],
    scope: Scope,
) -> None:
    """Refuse a smooth term that does not stand alone, or not in a part that takes it.

    Parameters
    ----------
    parts : mapping of str to terms
        By role.
    outside : sequence of Factor
        Outcomes and offsets.
    factors : mapping of str to Factor
    roles : sequence of str
        Parts that take smooth terms.
    scope : Scope

    Raises
    ------
    FormulaError
    """
    for factor in outside:
        if _smooth_calls(factor, scope):
            raise FormulaError(f"'{factor.label}': a smooth term stands among the {' and '.join(roles)} terms only.")
    for role, terms in parts.items():
        for label, members, scale in terms:
            inside = [factors[m] for m in members if _smooth_calls(factors[m], scope)]
            if not inside:
                continue
            if role not in roles:
                raise FormulaError(
                    f"'{label}' is a smooth term, which stands in the {' or '.join(roles)} part: write 'y ~ x | {label}'."
                )
            if len(members) > 1 or scale != 1.0 or not is_smooth(inside[0], scope):
                raise FormulaError(
                    f"'{label}': a smooth term s(x) stands by itself, without products or functions of it."
                )


def is_smooth(factor: Factor, scope: Scope) -> bool:
    """Whether a factor is `s(x)` as such."""
    return call_name(factor.node) == SMOOTH and scope.is_stateful(SMOOTH)


def _smooth_calls(factor: Factor, scope: Scope) -> list[ast.Call]:
    return [call for call in stateful_calls(factor.node, scope) if call_name(call) == SMOOTH]

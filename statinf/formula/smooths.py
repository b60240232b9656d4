"""Penalised splines `s(x)` in a formula: where they may stand, and where their columns are."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from statinf.errors import FormulaError
from statinf.formula.expression import SMOOTH, Scope, call_name
from statinf.formula.factors import Factor, stateful_calls


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

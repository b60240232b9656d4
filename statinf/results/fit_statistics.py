"""Rows below the coefficients of a table of fits: what fits contribute, statistics, covariances and weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from statinf.errors import OptionError, nearest
from statinf.results.coefficient_rows import CellRows, NumberStyle, TermChoice
from statinf.results.fit import Fit
from statinf.results.fit_columns import FitColumn, absorbed, keys_of, yes_no
from statinf.results.term_names import label

_DEFAULT = ("nobs", "r_squared", "adj_r_squared", "r2_within", "aic", "bic")
_LABELS = {
    "nobs": "Observations",
    "r_squared": "R2",
    "adj_r_squared": "Adjusted R2",
    "r2_within": "Within R2",
    "pseudo_r_squared": "Pseudo R2",
    "aic": "AIC",
    "bic": "BIC",
    "loglik": "Log-likelihood",
    "sigma": "Residual std. dev.",
    "df_resid": "Residual df",
    "first_stage_f": "First-stage F",
}
_SHORT = {"n": "nobs", "r2": "r_squared", "adj_r2": "adj_r_squared", "within_r2": "r2_within", "rmse": "sigma"}
_SHORT |= {"pseudo_r2": "pseudo_r_squared", "ll": "loglik"}

Row = tuple[str, ...]


def contributed_rows(columns: Sequence[FitColumn], choice: TermChoice) -> CellRows:
    """Absorbed effects, what else fits contribute, and whether they have the coefficients that `indicate` leaves out."""
    block, effects = CellRows(), [absorbed(c.fit) for c in columns]
    if any(effects):
        block.head("Absorbed effects", len(columns))
        _contribute(block, effects, choice, indent=True)
    _contribute(block, [c.fit.table_rows() for c in columns], choice, indent=False)
    hidden = choice.indicated(list(dict.fromkeys(term for _, term in keys_of(columns))))
    for name, terms in hidden.items():
        block.rows.append((name, *yes_no([any(term in terms for _, term in c.cells) for c in columns])))
    return block


def _contribute(block: CellRows, given: Sequence[Mapping[str, Any]], choice: TermChoice, indent: bool) -> None:
    for name in dict.fromkeys(name for found in given for name in found):
        cells = yes_no([found.get(name) for found in given])
        block.add(label(name, choice.rename), [[cell] for cell in cells], indent)


def statistics_rows(columns: Sequence[FitColumn], stats: Any, style: NumberStyle) -> list[Row]:
    """Statistics of whole fits by label; see `statinf.table`."""
    glances = [c.fit.glance_items() for c in columns]
    if stats is None:
        return [_named(key, glances, style) for key in _DEFAULT if any(key in g for g in glances)]
    if isinstance(stats, Mapping):
        return [(name, *_values(name, what, columns, glances, style)) for name, what in stats.items()]
    return [_named(_key(name, glances), glances, style) for name in ([stats] if isinstance(stats, str) else stats)]


def _named(key: str, glances: Sequence[Mapping[str, Any]], style: NumberStyle) -> Row:
    name = _LABELS.get(key) or key.replace("_", " ").capitalize()
    counts = key.startswith("df_") or key in ("nobs", "df", "iterations")
    values = (g.get(key) for g in glances)
    return (name, *(style.number(int(v) if counts and v is not None and v == v // 1 else v) for v in values))


def _key(name: Any, glances: Sequence[Mapping[str, Any]]) -> str:
    known = list(dict.fromkeys(key for g in glances for key in g))
    key = _SHORT.get(str(name).lower(), name)
    if key not in known:
        raise OptionError(
            f"stats: {name!r} is no statistic of these fits; there are {', '.join(known)}.{nearest(str(name), known)}"
        )
    return key


def _values(
    name: str, what: Any, columns: Sequence[FitColumn], glances: Sequence[Mapping[str, Any]], style: NumberStyle
) -> list[str]:
    if isinstance(what, str):
        return list(_named(_key(what, glances), glances, style)[1:])
    if isinstance(what, Callable):
        return [_cell(what(c.fit), style) for c in columns]
    listed = list(what) if isinstance(what, Sequence | np.ndarray) else []
    if len(listed) != len(columns):
        raise OptionError(
            f"stats: the row {name!r} takes a statistic's name, a function of the fit, or one value for each of the "
            f"{len(columns)} columns."
        )
    return [_cell(value, style) for value in listed]


def _cell(value: Any, style: NumberStyle) -> str:
    return yes_no([bool(value)])[0] if isinstance(value, bool | np.bool_) else style.number(value)


def covariance_rows(fits: Sequence[Fit]) -> list[Row]:
    """Which covariance each fit has, and which weights where any has some."""
    rows: list[Row] = [("Std. errors", *(f.cov.label for f in fits))]
    weights = ["".join(f.weighted[:1]) for f in fits]
    return [*rows, ("Weights", *weights)] if any(weights) else rows

"""Weights carried to another frame, which holds their rows in another order or some of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.errors import DataError

if TYPE_CHECKING:
    from statinf.formula.frame import Frame
    from statinf.formula.identity import RowMatch
    from statinf.results.weights import Weights


def moved(weights: Weights, found: RowMatch, frame: Frame) -> dict[str, Any]:
    """The fields of `MovedWeights` for the rows of `frame`, which stand at `found.position` among those of the weights."""
    back = np.full(weights.n_total, -1)
    back[found.position] = np.arange(frame.n)
    outside = back < 0
    back[outside] = frame.n + np.arange(int(outside.sum()))
    rows = back[weights.used]
    order = np.argsort(rows)
    if found.same is not None:
        _check_alike(weights, found)

    def sorted_rows(name: str) -> Any:
        # Read now if it is there, later if it is yet to be made.
        held = weights.__dict__[name]
        return (lambda: getattr(weights, name)[order]) if held is not None else None

    identity = weights.identity
    if identity is not None:
        identity = None if outside.any() else replace(identity, frame=frame, labels=None, contents=None)
    return {
        "method": weights.method,
        "formula": weights.formula,
        "citation": weights.citation,
        "nobs": weights.nobs,
        "values": weights.values[order],
        "used": rows[order],
        "n_total": len(back),
        "estimand": weights.estimand,
        "derivative": sorted_rows("derivative"),
        "influence": sorted_rows("influence"),
        "leverage": sorted_rows("leverage"),
        "other_influence": weights.other_influence,
        "kind": weights.kind,
        "identity": identity,
        "origin": weights,
        "order": order,
    }


def _check_alike(weights: Weights, found: RowMatch) -> None:
    """Rows that nothing tells apart must have the same weight."""
    full = weights.full()[found.position]
    same = np.asarray(found.same)
    order = np.argsort(same, kind="stable")
    kind, value = same[order], full[order]
    twins = kind[1:] == kind[:-1]
    a, b = value[1:][twins], value[:-1][twins]
    scale = float(np.nanmax(np.abs(full))) if len(full) else 0.0
    # Twins may differ by the rounding of the sums behind their weights.
    if not ((np.abs(a - b) <= 1e-12 * scale) | (np.isnan(a) & np.isnan(b))).all():
        raise DataError(
            "the rows are in another order than those that the weights were made for, and rows of equal columns have "
            "different weights: keep the index, or make the weights on this frame."
        )

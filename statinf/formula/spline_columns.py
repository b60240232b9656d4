"""The columns of a penalised spline `s(x)`.

The first column is x as a share of its range in the fit, the others are natural cubic splines whose penalty, the integral of the
squared second derivative, is the identity. Knots stand at quantiles of the different values, so that rows that are repeated do
not move them; beyond the outer knots the spline goes on as a straight line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from statinf.errors import DataError
from statinf.formula.scan import short
from statinf.numerics.smoothing.natural_spline import curved_directions, natural_columns

MOST_KNOTS, LEAST_KNOTS, VALUES_PER_KNOT = 20, 10, 20


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
    count = k or min(int(np.clip(len(values) // VALUES_PER_KNOT, LEAST_KNOTS, MOST_KNOTS)), len(values))
    return values[np.round(np.linspace(0, len(values) - 1, count)).astype(int)]

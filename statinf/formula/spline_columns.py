"""The columns of splines: `bs(x)` and `ns(x)` by R's rules, and the penalised `s(x)`.

The first column of `s(x)` is x as a share of its range in the fit, the others are natural cubic splines whose penalty, the
integral of the squared second derivative, is the identity. Knots stand at quantiles of the different values, so that rows that
are repeated do not move them; beyond the outer knots the spline goes on as a straight line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from statinf.errors import DataError, FormulaError, NumericalWarning, issue_warning
from statinf.formula.scan import short
from statinf.numerics.smoothing.bsplines import (
    bspline_columns,
    natural_rotation,
    natural_spline_columns,
    padded,
)
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


def bspline_part(
    x: np.ndarray, options: Mapping[str, Any], state: dict[str, Any], text: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The columns of `bs(x)`; its knots are made in `state` if they are not there yet.

    Beyond its bounds it is refused, but goes on as polynomials where `Boundary.knots` were given, as in R.
    """
    degree = 3 if options.get("degree") is None else options["degree"]
    whole = bool(options.get("include_intercept"))
    beyond = options.get("extrapolation") or ("extend" if options.get("Boundary_knots") else "raise")
    if "knots" not in state:
        low, high = _bounds(x, options)
        _warn_beyond(x, options, (low, high), text)
        inner = _inner_knots(x, options, (low, high), degree + whole, text)
        knots = padded(inner, low, high, degree)
        state |= {"lower_bound": low, "upper_bound": high, "knots": knots.tolist()}
    knots = np.asarray(state["knots"], dtype=np.float64)
    low, high = knots[0], knots[-1]
    outside = (x < low) | (x > high)
    if beyond == "raise" and outside.any():
        raise FormulaError(
            f"{short(text)}: {int(outside.sum())} values are outside the bounds {low:g} and {high:g}; give "
            f"Boundary.knots=c({min(low, float(np.nanmin(x))):g}, {max(high, float(np.nanmax(x))):g}), or extrapolation='extend'."
        )
    columns = bspline_columns(np.clip(x, low, high) if beyond == "clip" else x, knots, degree)
    if beyond in ("na", "zero"):
        columns[outside] = np.nan if beyond == "na" else 0.0
    columns = columns if whole else columns[:, 1:]
    return columns, tuple(f"[{j + (not whole)}]" for j in range(columns.shape[1]))


def _warn_beyond(x: np.ndarray, options: Mapping[str, Any], bounds: tuple[float, float], text: str) -> None:
    count = int(np.count_nonzero((x < bounds[0]) | (x > bounds[1])))
    if count and options.get("Boundary_knots") and not options.get("extrapolation"):
        issue_warning(
            f"{short(text)}: {count} values are outside its Boundary.knots, where its polynomials go on and are soon far off.",
            NumericalWarning,
        )


def natural_part(
    x: np.ndarray, options: Mapping[str, Any], state: dict[str, Any], text: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The columns of `ns(x)`; its knots are made in `state` if they are not there yet. It goes on as a straight line."""
    if "knots" not in state:
        whole = bool(options.get("include_intercept"))
        low, high = _bounds(x, options)
        knots = padded(_inner_knots(x, options, (low, high), 1 + whole, text), low, high, 3)
        rotation = natural_rotation(knots, whole)
        state |= {"lower_bound": low, "upper_bound": high, "knots": knots.tolist(), "rotation": rotation}
    columns = natural_spline_columns(x, np.asarray(state["knots"], dtype=np.float64), state["rotation"])
    return columns, tuple(f"[{j + 1}]" for j in range(columns.shape[1]))


def _bounds(x: np.ndarray, options: Mapping[str, Any]) -> tuple[float, float]:
    lower, upper = options.get("Boundary_knots") or (options.get("lower_bound"), options.get("upper_bound"))
    return float(np.min(x) if lower is None else lower), float(np.max(x) if upper is None else upper)


def _inner_knots(
    x: np.ndarray, options: Mapping[str, Any], bounds: tuple[float, float], least: int, text: str
) -> np.ndarray:
    """Those given, or as many as df asks for at quantiles of the values within the bounds."""
    if options.get("knots") is not None:
        return np.asarray(options["knots"], dtype=np.float64)
    if options.get("df") is None:
        return np.empty(0)
    count = options["df"] - least
    if count < 0:
        raise FormulaError(f"{short(text)} has at least {least} columns; raise df to {least} or more.")
    inside = x[(x >= bounds[0]) & (x <= bounds[1])]
    if not len(inside):
        raise FormulaError(f"{short(text)}: no value is within the bounds {bounds[0]:g} and {bounds[1]:g}.")
    return np.quantile(inside, np.linspace(0.0, 1.0, count + 2)[1:-1])

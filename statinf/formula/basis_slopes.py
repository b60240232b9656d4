"""Derivatives of stateful transforms in their argument, exact because each is a polynomial between known points.

The columns of `bs`, `ns`, `cr`, `cs`, `cc`, `s` and `poly` are polynomials between their knots. Each piece is read off at as many
points inside it as determine it, and differentiated; no point outside of a spline's range is looked at unless a row is there.
At a knot the derivative is that of the piece to the right, and at the upper end of the range that of the last piece.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev

from statinf.formula.expression import SMOOTH, call_name
from statinf.formula.transforms import check_options, powers_of, transform_values

_LINEAR = ("scale", "center", "standardize")
_FAR = 1e12


def basis_slopes(call: ast.Call, x: np.ndarray, state: Mapping[str, Any]) -> Any:
    """The derivative of each column of a stateful call in its argument.

    Parameters
    ----------
    call : ast.Call
    x : ndarray, shape (n,)
        The argument's values.
    state : mapping
        What the call learnt at the fit.

    Returns
    -------
    float or ndarray, shape (n, width)
        One number for transforms that are straight lines.
    """
    name, options = str(call_name(call)), check_options(call)
    return _slopes_of(name, options, np.asarray(x, dtype=np.float64), state, ast.unparse(call))


def product_slopes(
    call: ast.Call, values: Sequence[np.ndarray], slopes: Sequence[Any], state: Mapping[str, Any]
) -> np.ndarray | None:
    """The derivative of each column of a `poly()` of several variables; None where no variable has one.

    Parameters
    ----------
    call : ast.Call
    values : sequence of ndarray, shape (n,)
    slopes : sequence of ndarray (n,), float or None
        Derivatives of the variables, None for zero.
    state : mapping
    """
    if all(s is None for s in slopes):
        return None
    options, text = check_options(call), ast.unparse(call)
    each, rates = [], []
    for i, (x, inner) in enumerate(zip(values, slopes, strict=True)):
        own = state.get(f"variable {i}", {})
        columns = transform_values("poly", x, options, dict(own), text)[0]
        each.append(np.column_stack([np.ones(len(x)), columns]))
        made = np.zeros_like(columns) if inner is None else _slopes_of("poly", options, x, own, text)
        rates.append(np.column_stack([np.zeros(len(x)), made * (0.0 if inner is None else np.reshape(inner, (-1, 1)))]))
    powers = powers_of(len(each), options.get("degree") or 1)
    out = np.zeros((len(values[0]), len(powers)))
    for i in range(len(each)):
        for j, pick in enumerate(powers):
            sides = [(rates if k == i else each)[k][:, p] for k, p in enumerate(pick)]
            out[:, j] += np.prod(sides, axis=0)
    return out


def _slopes_of(name: str, options: Mapping[str, Any], x: np.ndarray, state: Mapping[str, Any], text: str) -> Any:
    def columns(at: np.ndarray) -> np.ndarray:
        return transform_values(name, at, options, dict(state), text)[0]

    if name in _LINEAR:
        low, high = columns(np.array([-_FAR, _FAR]))[:, 0]
        return float((high - low) / (2.0 * _FAR))
    if name == "poly" and options.get("raw"):
        degrees = np.arange(1, int(options.get("degree") or 1) + 1)
        return degrees * x[:, None] ** (degrees - 1)
    edges = _edges(name, x, state)
    degree = int(options.get("degree") or (1 if name == "poly" else 3))
    return _piecewise(x, edges, degree, columns)


def _edges(name: str, x: np.ndarray, state: Mapping[str, Any]) -> np.ndarray:
    """Points between which the columns are polynomials, beyond the outermost rows on both sides."""
    least, most = (float(x.min()), float(x.max())) if len(x) else (0.0, 1.0)
    if name == "poly":
        alpha, norms = state["alpha"], state["norms2"]
        spread = float(np.sqrt(norms[1] / norms[0]))
        centre = float(alpha[0])
        return np.array([min(least, centre - spread), max(most, centre + spread)])
    low, high = float(state["lower_bound"]), float(state["upper_bound"])
    knots = np.asarray(state["knots"], dtype=np.float64).ravel()
    inside = low + knots * (high - low) if name == SMOOTH else knots
    edges = np.unique([low, *inside[(inside > low) & (inside < high)], high])
    span = high - low
    if name == "cc":
        # The cycle is repeated as often as rows lie beyond it.
        first, last = int(np.floor((least - low) / span)), int(np.ceil((most - low) / span))
        return np.unique(np.concatenate([edges + k * span for k in range(min(first, 0), max(last, 1))]))
    below = [least - span] if least < low else []
    above = [most + span] if most > high else []
    return np.array([*below, *edges, *above])


def _piecewise(x: np.ndarray, edges: np.ndarray, degree: int, columns: Any) -> np.ndarray:
    """Derivatives (n, width) of columns that are polynomials of a degree between edges."""
    nodes = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
    solved = np.linalg.inv(chebyshev.chebvander(nodes, degree))
    pieces = len(edges) - 1
    where = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, pieces - 1)
    present = np.unique(where)
    middle, half = 0.5 * (edges[1:] + edges[:-1]), 0.5 * (edges[1:] - edges[:-1])
    at = middle[present, None] + half[present, None] * nodes
    values = columns(at.ravel()).reshape(len(present), degree + 1, -1)
    out = np.zeros((len(x), values.shape[2]))
    for piece, found in zip(present, values, strict=True):
        rows = np.flatnonzero(where == piece)
        slopes = chebyshev.chebder(solved @ found)
        place = (x[rows] - middle[piece]) / half[piece]
        out[rows] = chebyshev.chebvander(place, len(slopes) - 1) @ slopes / half[piece]
    return out

"""Scoring of many rows with fewer products of columns: a start from some rows, and steps by information that is known already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from statinf.backend import accelerated
from statinf.errors import ConvergenceError
from statinf.numerics.glm.likelihood import WELL_CONDITIONED, LikelihoodSums, smallest_eigenvalue, solve_information

MANY_ROWS = 1 << 17
_SHARE = 16
_NEAR = 0.1
_ROUGH = 1e-3
"""Tolerance of a start, whose sampling error is far larger."""

Current = tuple[np.ndarray, np.ndarray, float]


def from_some_rows(problem: LikelihoodSums, fit: Callable[..., Any]) -> tuple[np.ndarray, Current] | None:
    """A start for large fits, from every sixteenth row and one step by these rows' information, and the sums there.

    None for small fits, for an accelerator, and where those rows or the design are not up to it.
    """
    if len(problem.y) < MANY_ROWS or accelerated():
        return None
    some = slice(None, None, _SHARE)
    offset = None if problem.offset is None else problem.offset[some]
    x, w = np.asfortranarray(problem.x[some]), problem.w[some]
    try:
        found = fit(x, problem.y[some], problem.family, weights=w, offset=offset, tolerance=_ROUGH)
    except ConvergenceError:
        return None
    mass = float(w.sum())
    if not np.isfinite(found.coef).all() or not mass > 0:
        return None
    if problem.family.quadratic:
        current = problem.evaluate(found.coef)
        usable = np.isfinite(current[2]) and smallest_eigenvalue(current[0]) >= WELL_CONDITIONED
        return (found.coef, current) if usable else None
    score, deviance = problem.evaluate_score(found.coef)
    if not np.isfinite(deviance):
        return None
    step = solve_information(found.factor.T @ found.factor * (float(problem.w.sum()) / mass), score)
    for start in (found.coef + step, found.coef):
        current = problem.evaluate(start)
        if np.isfinite(current[2]) and current[2] <= deviance + 1e-9 * (abs(deviance) + problem.floor):
            return (start, current) if _near_the_end(current) else None
    return None


def _near_the_end(current: Current) -> bool:
    """Whether scoring can go on from a start: its columns are told apart there, and the next step is a short one.

    Rows that are unlike the others, or that are separated, end far from where all rows do: there the information is next to
    nothing and a step by it leaves the range of floats.
    """
    gram, score, deviance = current
    if smallest_eigenvalue(gram) < WELL_CONDITIONED:
        return False
    return float(score @ solve_information(gram, score)) <= _NEAR * abs(deviance)


def next_is_last(step_length: float, rows: int, enough: float) -> bool:
    """Whether the step after one of this length, in the information's norm, will be short enough to end with.

    A Newton step is followed by one that is shorter by about the root mean square of the change in the linear predictor, and so
    is one by the information before the step. The information is then wanted at the end alone.
    """
    return rows >= MANY_ROWS and step_length * (step_length / np.sqrt(rows)) <= enough

"""From a design to the rows and columns of penalised quantile regressions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError, OptionError
from statinf.formula.design import Design
from statinf.formula.matrix import Matrix
from statinf.formula.scale import check_columns, check_scale
from statinf.numerics.linear.least_squares import solve as least_squares
from statinf.numerics.order.content import content_order
from statinf.quantile.penalised.options import PathOptions


@dataclass(frozen=True, repr=False)
class PathProblem(Brief):
    """Rows of positive weight, by their contents, with columns that are centred where there is an intercept.

    Attributes
    ----------
    design : Design
    levels : ndarray, shape (k,)
    used : ndarray of int, shape (n,)
        Positions among the design's rows. Outcomes that tie leave a choice, which the order of the rows must not make.
    X : ndarray, shape (n, p)
        All columns, less `centre` and over `scale`; the intercept, if there is one, is the first.
    y, w : ndarray, shape (n,)
        The outcome less offset and `level`.
    centre, scale : ndarray, shape (p,)
    level, unit : float
        What is taken from the outcome, and what it is divided by.
    seed : int
    progress : bool or None
    """

    design: Design
    levels: np.ndarray
    used: np.ndarray
    X: np.ndarray
    y: np.ndarray
    w: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    level: float
    unit: float
    seed: int
    progress: bool | None

    @property
    def matrix(self) -> Matrix:
        return self.design.parts[0]

    def carried(self, coef: np.ndarray) -> np.ndarray:
        """Coefficients (..., p) of the columns and the outcome as they were given."""
        out = self.unit * coef / self.scale
        if self.matrix.intercept:
            out[..., 0] += self.level - out[..., 1:] @ self.centre[1:]
        return out


def path_problem(
    design: Design, levels: np.ndarray, options: PathOptions, *, seed: int, progress: bool | None
) -> PathProblem:
    """The problem of a design.

    Raises
    ------
    DataError
        If no row has a positive weight, the formula has no column besides the intercept, or the outcome is constant.
    """
    matrix = design.parts[0]
    if matrix.p == int(matrix.intercept):
        raise DataError("the formula has no column to penalise; add a term.")
    check_columns(matrix)
    used = np.flatnonzero(design.weights > 0)
    if not len(used):
        raise DataError("no row has a positive weight.")
    outcome = design.y if design.offset is None else design.y - design.offset
    used = used[content_order(outcome[used], design.weights[used], *matrix.values[used].T)]
    w, y = design.weights[used], outcome[used]
    X = np.asarray(matrix.values[used], float)
    check_scale(float(np.abs(y).max()), f"the outcome '{design.response_names[0]}'")
    if np.ptp(y) <= 1e-13 * np.abs(y).max():
        raise DataError(
            f"the outcome '{design.response_names[0]}' is constant; there is nothing to choose columns for."
        )
    centre, level = np.zeros(matrix.p), 0.0
    if matrix.intercept:
        centre[1:] = w @ X[:, 1:] / w.sum()
        X = X - centre
        level = float(np.partition(y, (len(y) - 1) // 2)[(len(y) - 1) // 2])
        y = y - level
    scale = np.sqrt(w @ X**2 / w.sum())
    flat = scale <= 1e-13 * np.maximum(np.abs(centre), np.abs(X).max(axis=0))
    scale[flat] = 1.0
    X[:, flat] = 0.0
    X = X / scale
    if matrix.intercept:
        X[:, 0], scale[0] = 1.0, 1.0
    unit = float(w @ np.abs(y) / w.sum())
    return PathProblem(
        design, levels, used, np.ascontiguousarray(X), y / unit, w, centre, scale, level, unit, seed, progress
    )


def penalised_columns(matrix: Matrix, unpenalized: tuple[str, ...]) -> np.ndarray:
    """Columns whose coefficients are penalised, shape (p,) bool."""
    out = np.ones(matrix.p, bool)
    if matrix.intercept:
        out[0] = False
    for name in unpenalized:
        out[columns_of(matrix, name, "unpenalized")] = False
    if not out.any():
        raise OptionError("unpenalized= names every column; use si.rq for a fit without a penalty.")
    return out


def check_rank(problem: PathProblem, penalised: np.ndarray, penalties: tuple[float, ...] | None) -> None:
    """Refuse columns without a penalty that the others determine, by name; a penalty of zero leaves all without."""
    without = np.flatnonzero(~penalised | (penalties is not None and 0.0 in penalties))
    kept = least_squares(problem.X[:, without], problem.y, problem.w).kept if len(without) else np.ones(0, bool)
    if not kept.all():
        names = ", ".join(f"'{problem.matrix.names[j]}'" for j in without[~kept])
        raise DataError(
            f"{names}: no penalty is on these columns, and others determine them; leave them out or penalise them."
        )


def columns_of(matrix: Matrix, name: str, option: str) -> slice | int:
    """Where a column, or the columns of a term, stand."""
    if name in matrix.names:
        return matrix.names.index(name)
    if name in matrix.terms:
        return matrix.terms[name]
    raise OptionError(f"{option}= names '{name}', which is no column or term; there are {', '.join(matrix.names)}.")

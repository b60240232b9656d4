"""Linear quantile regressions from a design: columns that are not aliased, exact vertices, check losses."""

from __future__ import annotations

import numpy as np

from statinf.backend import map_threads, row_blocks
from statinf.errors import DataError, NumericalWarning, OptionError, issue_warning
from statinf.formula.design import Design
from statinf.formula.scale import check_scale
from statinf.models import regression as common
from statinf.numerics.linear.least_squares import solve as least_squares
from statinf.numerics.linear.products import gram, squares
from statinf.numerics.order.content import content_order
from statinf.numerics.quantreg.coordinates import coordinates
from statinf.numerics.quantreg.noncrossing import fit_noncrossing
from statinf.numerics.quantreg.solver import solve_quantiles
from statinf.quantile.working import SolvedQuantiles, WorkingRows, working_rows

_CLEARLY_FULL_RANK = 1e-6
_PARALLEL_FROM = 1 << 20
_MANY = 1 << 17
_SOME = 16
"""Of many rows one in so many is asked first."""


def solve_design(
    made: Design, levels: np.ndarray, *, noncrossing: bool, rule: str, weighted: bool
) -> tuple[SolvedQuantiles, np.ndarray, np.ndarray]:
    """Fit all levels on the rows of positive weight.

    Returns
    -------
    solved : SolvedQuantiles
    null_objective : ndarray, shape (k,)
        Check loss of the intercept alone, or of a prediction of zero where there is none.
    aliases : ndarray, shape (p kept, p aliased)
        How the columns that are not aliased make those that are.
    """
    matrix = made.parts[0]
    kept, aliases = kept_columns(made)
    several = noncrossing and len(levels) > 1
    rows = working_rows(made, np.where(kept, 0.0, np.nan)[None], orthogonal=not several)
    n, p = rows.Z.shape
    common.check_size(n, p, matrix.names)
    warn_extreme(levels, n)
    check_scale(float(np.abs(rows.y).max()), f"the outcome '{made.response_names[0]}'")
    w = rows.w if weighted else None
    coef = np.full((len(levels), matrix.p), np.nan)
    basis = dual = None
    if several:
        if not matrix.intercept:
            raise OptionError("noncrossing=True needs an intercept in the formula.")
        inner = fit_noncrossing(rows.Z, rows.y, levels, w, matrix.names.index("Intercept"))
    else:
        solution = solve_quantiles(rows.Z, rows.y, levels, w)
        inner, basis, dual = solution.coef, solution.basis, solution.dual
        if _several_solutions(dual, levels).any():
            inner, basis, dual = _by_contents(made, rows, kept, levels, w)
        warn_several_solutions(dual, levels)
    coef[:, kept] = rows.carried(inner)
    objective = _fitted_losses(rows, inner, levels)
    null = null_losses(rows.y if matrix.intercept else rows.y + rows.level, rows.w, levels, matrix.intercept)
    return SolvedQuantiles(made, levels, coef, objective, basis, dual, rule, [rows]), null * rows.w.sum(), aliases


def _by_contents(
    made: Design, rows: WorkingRows, kept: np.ndarray, levels: np.ndarray, w: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The fit, its basis and dual with the rows sorted by their contents, whose order then picks no minimiser of several."""
    X = np.asarray(made.parts[0].values[rows.used], float)[:, kept]
    order = content_order(rows.y, rows.w, *X.T)
    solution = solve_quantiles(X[order], rows.y[order], levels, None if w is None else w[order])
    basis = order[solution.basis]
    return np.linalg.solve(rows.Z[basis], rows.y[basis][:, :, None])[:, :, 0], basis, solution.dual


def kept_columns(made: Design) -> tuple[np.ndarray, np.ndarray]:
    """Columns that are not determined by those before them, shape (p,) bool, and how they make the others."""
    matrix = made.parts[0]
    used = made.weights > 0
    X = matrix.values if used.all() else matrix.values[used]
    if not len(X):
        raise DataError("no row has a positive weight.")
    at = coordinates(X, orthogonal=False, even=True)
    if _clearly_independent(X if at is None else at.columns(X)):
        return np.ones(X.shape[1], bool), np.empty((X.shape[1], 0))
    solution = least_squares(X, made.y[used], None)
    common.warn_aliased(matrix.names, solution.kept, solution.condition)
    return solution.kept, solution.aliases


def _clearly_independent(Z: np.ndarray) -> bool:
    """Whether the scaled columns (n, p) are far from dependent, which some rows settle where there are many.

    Rows that are left out only add to a sum of products: scaled by what all rows make of a column, its smallest eigenvalue is at
    least that of some rows times the smallest share that these have in a column's square.
    """
    for some in (slice(None, None, _SOME), slice(None)) if len(Z) > _MANY else (slice(None),):
        inner = gram(Z[some])
        own = np.diag(inner)
        if not (own > 0).all():
            continue
        scale = np.sqrt(own)
        share = 1.0 if some.step is None else float((own / squares(Z)).min())
        if np.linalg.eigvalsh(inner / np.outer(scale, scale))[0] * share > _CLEARLY_FULL_RANK:
            return True
    return False


def null_losses(y: np.ndarray, w: np.ndarray, levels: np.ndarray, intercept: bool) -> np.ndarray:
    """Weighted mean check losses of the outcome about its own quantiles, or about zero, shape (k,)."""
    if not intercept:
        alone = np.zeros((len(levels), 1))
    elif (w == 1.0).all():
        # Any quantile has the same loss.
        at = np.clip(np.ceil(len(y) * levels).astype(int) - 1, 0, len(y) - 1)
        alone = np.partition(y, np.unique(at))[at][:, None]
    else:
        alone = solve_quantiles(np.ones((len(y), 1)), y, levels, w).coef

    def block(some: slice) -> np.ndarray:
        return _check_loss(y[some] - alone, levels, w[some])

    parts = map_threads(block, row_blocks(len(y), 4 * len(levels)), parallel=len(y) > _PARALLEL_FROM >> 3)
    return np.sum(parts, axis=0) / w.sum()


def _fitted_losses(rows: WorkingRows, coef: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Weighted check losses of coefficients (k, p) of Z, shape (k,)."""

    def block(some: slice) -> np.ndarray:
        return _check_loss(rows.y[some] - np.dot(coef, rows.Z[some].T), levels, rows.w[some])

    return np.sum(map_threads(block, row_blocks(*rows.Z.shape), parallel=rows.Z.size > _PARALLEL_FROM), axis=0)


def _check_loss(residual: np.ndarray, tau: np.ndarray, w: np.ndarray) -> np.ndarray:
    return np.maximum(tau[:, None] * residual, (tau[:, None] - 1.0) * residual) @ w


def warn_extreme(levels: np.ndarray, n: int) -> None:
    """Warn of levels so near an end that no row is expected beyond."""
    extreme = levels[np.minimum(levels, 1 - levels) * n < 1]
    if len(extreme):
        issue_warning(
            f"tau={extreme[0]:g} is beyond the reach of {n} rows: the fit passes through extreme rows and its "
            "standard errors mean nothing.",
            NumericalWarning,
        )


def _several_solutions(dual: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Levels with a subgradient at an end of its range, which means an edge along which the loss does not change."""
    return np.minimum(dual - (tau[:, None] - 1.0), tau[:, None] - dual).min(axis=1) < 1e-8


def warn_several_solutions(dual: np.ndarray, tau: np.ndarray) -> None:
    """Say at which levels the fit is one of several."""
    flat = tau[_several_solutions(dual, tau)]
    if len(flat):
        shown = ", ".join(f"{t:g}" for t in flat[:5]) + (", ..." if len(flat) > 5 else "")
        issue_warning(
            f"the check loss has several minimisers at tau = {shown}; the fit is one of them, at a vertex.",
            NumericalWarning,
        )

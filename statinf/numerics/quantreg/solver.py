"""Exact weighted linear quantile regression: many levels, many weightings, any number of rows.

Every problem min_b sum_i w_i rho_tau(y_i - x_i'b) ends at a vertex whose optimality is checked on all rows.
Small data go to the simplex of `vertex` directly. Otherwise the fit is approached on growing
subsamples (interior point, then Newton steps on the averaged subgradient), rows outside a narrow band around
it are replaced by their sum, as in Portnoy and Koenker (1997, Statistical Science 12), the rest is solved
exactly, and rows found on the wrong side are put back until there are none.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import NamedTuple

import numpy as np

from statinf.backend import one_blas_thread
from statinf.errors import ConvergenceError, DataError, OptionError
from statinf.numerics.quantreg.approach import approach
from statinf.numerics.quantreg.band import solve_in_band
from statinf.numerics.quantreg.coordinates import coordinates
from statinf.numerics.quantreg.starting import nearest_basis
from statinf.numerics.quantreg.vertex import descend

DIRECT_ROWS = 600
_EXACT = 1e-14
_DIRECT_BYTES = 128 * 2**20
_BLAS_COLUMNS = 100


class QuantileSolution(NamedTuple):
    """Exact solutions of Q problems.

    coef : (Q, p); basis : (Q, p) rows that each fit interpolates; dual : (Q, p) subgradients of those rows in
    [tau - 1, tau], at or beyond an end if the solution is not unique; optimal : (Q,) the certificate.
    """

    coef: np.ndarray
    basis: np.ndarray
    dual: np.ndarray
    optimal: np.ndarray


def fit_quantiles(X: np.ndarray, y: np.ndarray, taus: np.ndarray | float, w: np.ndarray | None = None) -> np.ndarray:
    """Exact quantile regression coefficients at one or many levels.

    Parameters
    ----------
    X : (n, p) array
        Full column rank, with a column of ones if an intercept is wanted.
    y : (n,) array
    taus : float or (k,) array
        Levels in (0, 1).
    w : (n,) array, optional
        Row weights of at least 0, which multiply each row's loss.

    Returns
    -------
    ndarray, shape (k, p)
        One vertex solution per level. It is one of several where the problem has several (ties, n tau whole).

    Raises
    ------
    OptionError
        If a level is outside (0, 1).
    DataError
        If X is not of full column rank on the rows of positive weight.
    ConvergenceError
        If optimality could not be certified.

    Examples
    --------
    >>> import numpy as np
    >>> from statinf.numerics.quantreg.solver import fit_quantiles
    >>> y = np.array([3.0, 1.0, 2.0, 5.0, 4.0])
    >>> fit_quantiles(np.ones((5, 1)), y, [0.3, 0.5])
    array([[2.],
           [3.]])
    """
    levels = np.atleast_1d(np.asarray(taus, float))
    if levels.ndim != 1 or not ((levels > 0) & (levels < 1)).all():
        raise OptionError(f"taus={taus!r}: give levels strictly between 0 and 1.")
    return solve_quantiles(X, y, levels, w).coef


def solve_quantiles(
    X: np.ndarray,
    y: np.ndarray,
    tau: np.ndarray,
    w: np.ndarray | None = None,
    *,
    pull: np.ndarray | None = None,
    start: np.ndarray | None = None,
    certified: bool = True,
) -> QuantileSolution:
    """Solve Q problems min_b sum_i w_qi rho_tau_q(y_qi - x_i'b) - pull_q'b that share their regressors.

    Parameters
    ----------
    X : (n, p)
    y : (n,) or (Q, n)
        Responses, common or one row per problem.
    tau : (Q,)
    w : (n,) or (Q, n), optional
        Weights of at least 0, common or one row per problem.
    pull : (Q, p), optional
        A linear term, such as the perturbed estimating equation of a bootstrap.
    start : (Q, p), optional
        Coefficients near the solutions; needed for speed where each problem has its own weights.
    certified : bool
        Refuse problems without a certified solution; otherwise their coefficients are NaN.

    Returns
    -------
    QuantileSolution

    Raises
    ------
    DataError, ConvergenceError
        As in `fit_quantiles`.
    """
    X = np.ascontiguousarray(X, float)
    with nullcontext() if X.shape[1] > _BLAS_COLUMNS else one_blas_thread():
        found = _solve(X, y, tau, w, pull, start)
    failed = ~found.optimal
    if not failed.any():
        return found
    if not certified:
        return found._replace(coef=np.where(failed[:, None], np.nan, found.coef))
    levels = np.unique(np.broadcast_to(tau, failed.shape)[failed])[:5]
    raise ConvergenceError(
        f"{int(failed.sum())} of {len(failed)} quantile regressions have no certified solution: the levels "
        f"{', '.join(f'{t:g}' for t in levels)} are too extreme for the rows of positive weight, or columns nearly "
        "collinear."
    )


def _solve(X, y, tau, w, pull, start) -> QuantileSolution:
    y = np.asarray(y, float)
    tau = np.atleast_1d(np.asarray(tau, float))
    n, p = X.shape
    if n < p:
        raise DataError(f"{n} rows cannot determine {p} coefficients.")
    # A few rows tell of nearly every column that it is not zero.
    if not X[:1000].any(axis=0).all() and not (scale := np.einsum("ij,ij->j", X, X)).all():
        raise DataError(f"column {int(np.argmin(scale))} of the regressors is zero in every row.")
    if (at := coordinates(X)) is not None:
        even = _solve_scaled(
            at.columns(X),
            y,
            tau,
            w,
            None if pull is None else pull @ at.back,
            None if start is None else start @ at.forward.T,
        )
        return even._replace(coef=even.coef @ at.back.T)
    return _solve_scaled(X, y, tau, w, pull, start)


def _solve_scaled(X, y, tau, w, pull, start) -> QuantileSolution:
    """Solve where the columns are near zero and of one size."""
    Q, (n, p) = len(tau), X.shape
    if pull is None and y.ndim == 1 and (w is None or w.ndim == 1) and (exact := _perfect(X, y, w)) is not None:
        coef, basis, dual = (np.tile(part, (Q, 1)) for part in exact)
        return QuantileSolution(coef, basis, dual, np.ones(Q, bool))
    pull = np.zeros((Q, p)) if pull is None else pull
    if n <= DIRECT_ROWS:
        start = np.zeros((Q, p)) if n <= p + 1 else approach(X, y, tau, w, pull).coef if start is None else start
        out = solve_directly(X, y, tau, w, pull, start)
    else:
        out = solve_in_band(X, y, tau, w, pull, approach(X, y, tau, w, pull, start))
    return QuantileSolution(*out)


def _perfect(X, y, w):
    """Coefficients, basis and dual of a fit that interpolates every row, or None; cheap where there is none."""
    n, p = X.shape
    rows = np.arange(n) if w is None else np.flatnonzero(w > 0)
    if len(rows) < p:
        raise DataError(f"{len(rows)} rows of positive weight cannot determine {p} coefficients.")
    for some in (rows[: 2 * p + 20], rows):
        coef, _, rank, _ = np.linalg.lstsq(X[some], y[some], rcond=None)
        if np.abs(y[some] - X[some] @ coef).max() > _EXACT * np.abs(y[some]).max():
            return None
    if rank < p:
        raise DataError("the regressors are not of full column rank on the rows of positive weight.")
    basis, _ = nearest_basis(X[None, rows], np.zeros((1, len(rows))), np.ones((1, len(rows)), bool))
    return coef[None], rows[basis], np.zeros((1, p))


def solve_directly(X, y, tau, w, pull, start):
    """Simplex on all rows, in batches of bounded memory."""
    n, p = X.shape
    size = max(1, int(_DIRECT_BYTES // (8 * n * (p + 6))))
    parts = []
    for at in range(0, len(tau), size):
        q = slice(at, at + size)
        k = len(tau[q])
        Xq = np.broadcast_to(X, (k, n, p))
        yq = np.broadcast_to(y if y.ndim == 1 else y[q], (k, n))
        wq = np.ones((k, n)) if w is None else np.broadcast_to(w if w.ndim == 1 else w[q], (k, n))
        basis, independent = nearest_basis(Xq, yq - start[q] @ X.T, wq > 0)
        if not independent.all():
            raise DataError("the regressors are not of full column rank on the rows of positive weight.")
        parts.append(descend(Xq, yq, wq, pull[q], tau[q], basis)[:4])
    return tuple(np.concatenate(piece) for piece in zip(*parts, strict=True))

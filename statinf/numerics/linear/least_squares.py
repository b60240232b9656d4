"""Weighted least squares that reveals rank, by orthogonal factorisation.

Rows are reduced block by block to a triangular factor (a tall-skinny QR), so that memory beyond the
data is one block, and the numbers keep the accuracy of a Householder QR of the whole. Columns that the
columns before them determine are left out, as R's `lm` does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.numerics.linear.factors import inverse_gram, scaled_condition
from statinf.numerics.linear.reduction import TOLERANCE, reduce_columns
from statinf.numerics.linear.triangular import solve_triangular

_REFINE_ABOVE = 300.0
_REFINE_UP_TO = 1 << 20
_REFINE_STEPS = 3


@dataclass(frozen=True)
class LeastSquaresSolution:
    """A weighted least-squares solution.

    Attributes
    ----------
    coef : ndarray, shape (p,) or (p, m)
        Coefficients, NaN for aliased columns.
    kept : ndarray of bool, shape (p,)
        Columns that are not aliased.
    factor : ndarray, shape (k, k)
        Upper triangular R with R'R = X'WX of the kept columns.
    rss : float or ndarray, shape (m,)
        Weighted residual sum of squares.
    condition : float
        Condition number of the kept columns, centred where a constant is spanned and scaled to length one.
    aliases : ndarray, shape (k, p - k)
        How the kept columns make each column that was left out.
    """

    coef: np.ndarray
    kept: np.ndarray
    factor: np.ndarray
    rss: float | np.ndarray
    condition: float
    aliases: np.ndarray

    @property
    def rank(self) -> int:
        return len(self.factor)

    @property
    def inverse_gram(self) -> np.ndarray:
        """(X'WX)^-1 of the kept columns, shape (k, k)."""
        return inverse_gram(self.factor)


def solve(
    columns: np.ndarray, response: np.ndarray, weights: np.ndarray | None = None, *, tolerance: float = TOLERANCE
) -> LeastSquaresSolution:
    """Minimise sum of w (y - X b)^2.

    Parameters
    ----------
    columns : ndarray, shape (n, p)
    response : ndarray, shape (n,) or (n, m)
    weights : ndarray, shape (n,), optional
        Not negative.
    tolerance : float
        See `TOLERANCE`.

    Returns
    -------
    LeastSquaresSolution
    """
    p = columns.shape[1]
    targets = response.reshape(len(response), -1)
    reduced = reduce_columns(columns, weights, targets, tolerance=tolerance)
    kept, joint, k = reduced.kept, reduced.joint, reduced.rank
    centred = reduced.centred_factor
    solution = solve_triangular(centred, joint[:k, k:]) if k else np.empty((0, targets.shape[1]))
    rest = joint[k:, k:]
    rss = np.einsum("ij,ij->j", rest, rest)
    condition = scaled_condition(centred)
    if condition > _REFINE_ABOVE and k * len(targets) <= _REFINE_UP_TO:
        centre = None if reduced.centring is None else reduced.centring.centre[kept]
        solution, rss = _refined(columns[:, kept], targets, weights, solution, centre)
    if reduced.centring is not None:
        solution = reduced.centring.raw_coefficients(solution, kept)
    coef = np.full((p, targets.shape[1]), np.nan)
    coef[kept] = solution
    factor, aliases = reduced.factor, reduced.aliases
    if response.ndim == 1:
        return LeastSquaresSolution(coef[:, 0], kept, factor, float(rss[0]), condition, aliases)
    return LeastSquaresSolution(coef, kept, factor, rss, condition, aliases)


def _refined(
    columns: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray | None,
    start: np.ndarray,
    centre: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Iterative refinement of coefficients and residuals together (Bjorck 1967).

    The augmented system [I A; A' 0][r; x] = [b; 0] is corrected with right-hand sides in extended
    precision. Refining x alone would leave the part of the error that grows with the squared condition
    number times the residual.
    """
    root = np.ones(len(targets)) if weights is None else np.sqrt(weights)
    if centre is None:
        wide_a = (columns * root[:, None]).astype(np.longdouble)
    else:
        wide_a = (columns.astype(np.longdouble) - centre) * root[:, None]
    a, wide_b = wide_a.astype(np.float64), (targets * root[:, None]).astype(np.longdouble)
    q, r = np.linalg.qr(a)
    x = start.astype(np.longdouble)
    residual = wide_b - wide_a @ x
    last = np.inf
    for _ in range(_REFINE_STEPS):
        f = (wide_b - residual - wide_a @ x).astype(np.float64)
        g = (-(wide_a.T @ residual)).astype(np.float64)
        h = solve_triangular(r, g, trans="T")
        d = q.T @ f
        step = solve_triangular(r, d - h)
        length = float(np.abs(r @ step).max())
        if not np.isfinite(length) or length >= last:
            break
        last = length
        x += step
        residual += f - q @ (d - h)
    return x.astype(np.float64), np.asarray((residual**2).sum(axis=0), dtype=np.float64)

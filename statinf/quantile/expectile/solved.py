"""Solved expectile regressions: residuals, Hessians, moments and model-based covariance of all levels jointly.

With a = |tau - 1{r < 0}| the scores are w a r x and the Hessian is H = sum w a x x' (Newey and Powell 1987). Errors
independent of the regressors give the covariance between levels k and l as s_kl (X'WX)^-1, with
s_kl = sum w a_k a_l r_k r_l / (n - p), divided by the mean a of either level: that of least squares at tau = 1/2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from scipy.linalg import block_diag

from statinf.formula.design import Design
from statinf.inference.moments import Moments
from statinf.numerics.linear.asymmetric import asymmetry
from statinf.numerics.linear.factors import leverages, triangular_factor
from statinf.numerics.linear.triangular import solve_triangular
from statinf.quantile.working import WorkingRows, working_rows
from statinf.results import stack_scores


@dataclass(frozen=True)
class SolvedExpectiles:
    """Linear expectile regressions at k levels.

    Attributes
    ----------
    design : Design
    tau : ndarray, shape (k,)
    coef : ndarray, shape (k, all columns)
        NaN for aliased columns.
    inner : ndarray, shape (k, p)
        Of the columns in the coordinates of `working_rows`.
    """

    design: Design
    tau: np.ndarray
    coef: np.ndarray
    inner: np.ndarray

    @cached_property
    def rows(self) -> WorkingRows:
        """Columns near zero and of one size, and the outcome."""
        return working_rows(self.design, self.coef)

    @cached_property
    def residual(self) -> np.ndarray:
        """Of the rows of positive weight, shape (k, n)."""
        return self.rows.y - self.inner @ self.rows.Z.T

    @property
    def df_resid(self) -> float:
        return float(len(self.rows.used) - self.inner.shape[1])


def moments_of(solved: SolvedExpectiles) -> Moments:
    """Scores, Hessians and leverages of all levels."""
    solved = replace(solved)  # whose rows are held no longer than the call
    made, rows, r = solved.design, solved.rows, solved.residual
    X = made.parts[0].values[:, ~np.isnan(solved.coef[0])]
    a = asymmetry(r, solved.tau)
    unit = np.zeros((len(solved.tau), made.n))
    unit[:, rows.used] = a * r
    plain = np.concatenate([one[:, None] * X for one in unit], axis=1)
    stacked = {} if made.weights_object is None else stack_scores(made.weights_object, made.rows, plain)
    forward = np.eye(X.shape[1]) if rows.at is None else rows.at.forward
    halves = [triangular_factor(rows.Z, rows.w * one) for one in a]
    factor = block_diag(*(np.linalg.qr(half @ forward, mode="r") for half in halves))
    inverse = solve_triangular(factor, np.eye(len(factor)))
    one = len(solved.tau) == 1
    own = np.zeros(made.n)
    own[rows.used] = rows.w * a[0]
    return Moments(
        plain * made.weights[:, None],
        inverse @ inverse.T,
        len(rows.used),
        solved.df_resid,
        _model(solved, a),
        columns=X if one else None,
        working=own if one else None,
        residual=unit[0] if one else None,
        factor=factor,
        present=made.weights > 0,
        hats=None if one else partial(_leverages, replace(solved)),
        **stacked,
    )


def _leverages(solved: SolvedExpectiles) -> np.ndarray:
    """Leverage of each row of the design in the regression of each coefficient, shape (n, k p)."""
    solved = replace(solved)
    rows, p = solved.rows, solved.inner.shape[1]
    out = np.zeros((solved.design.n, solved.inner.size))
    for k, one in enumerate(asymmetry(solved.residual, solved.tau)):
        working = rows.w * one
        own = leverages(rows.Z, triangular_factor(rows.Z, working), working)
        out[rows.used, k * p : (k + 1) * p] = own[:, None]
    return out


def _model(solved: SolvedExpectiles, a: np.ndarray) -> np.ndarray | None:
    """Covariance where errors do not depend on the regressors, shape (k p, k p); None without degrees of freedom."""
    rows, df = solved.rows, solved.df_resid
    if df <= 0:
        return None
    score = a * solved.residual
    mean = a @ rows.w / rows.w.sum()
    spread = (score * rows.w) @ score.T / df / np.outer(mean, mean)
    half = triangular_factor(rows.Z, rows.w)
    inverse = solve_triangular(half, np.eye(len(half)))
    return np.kron(spread, rows.back @ (inverse @ inverse.T) @ rows.back.T)

"""Exact quantile regressions with an absolute penalty, along a path of penalties, several problems in lockstep.

The penalty lam |b_j| is a row of the same kind as the data: response 0, regressor e_j, weight 2 lam, and a linear term that
makes its check loss even. A penalised problem is therefore a quantile regression with p more rows, whose vertices
are exact and whose zeros are zeros (Belloni and Chernozhukov 2011, arXiv 0904.2931, for the estimator). Along the path
the signs of the coefficients are known up to few, so that Newton steps in the active columns come near each solution.
Of many columns, few enter: a problem is solved on some of them, and a column joins these where the subgradient of the
solution says that it would not stay at zero.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from statinf.errors import ConvergenceError
from statinf.numerics.quantreg.approach import Start, jacobian, subgradient
from statinf.numerics.quantreg.band import solve_in_band
from statinf.numerics.quantreg.solver import DIRECT_ROWS, solve_directly, solve_quantiles
from statinf.numerics.quantreg.vertex import without_ties

_JACOBIAN_ROWS = 20_000
_NEWTON_STEPS = 4
_FEW_COLUMNS = 24
_LEAST_JOINING = 8
_TOLERANCE = 1e-9


class LassoProblems(NamedTuple):
    """Q problems that share their rows.

    X : (n, p) columns of one size; y : (n,); w : (Q, n) weights of at least 0; tau : (Q,);
    factors : (p,) what the penalty is multiplied by for each column, 0 for columns that are not penalised.
    """

    X: np.ndarray
    y: np.ndarray
    w: np.ndarray
    tau: np.ndarray
    factors: np.ndarray


def largest_penalty(problems: LassoProblems) -> tuple[np.ndarray, np.ndarray]:
    """The smallest penalty at which all penalised coefficients are zero, shape (Q,), and the fits there, shape (Q, p).

    Where outcomes tie, these fits have several subgradients, and the penalty is that of one of them: no smaller than needed.
    """
    gradient, coef = null_gradient(problems)
    free = problems.factors > 0
    return np.max(np.abs(gradient[:, free]) / problems.factors[free], axis=1), coef


def null_gradient(problems: LassoProblems) -> tuple[np.ndarray, np.ndarray]:
    """Mean subgradients (Q, p) at the fits without penalised columns, and these fits (Q, p)."""
    X, y, w, tau, factors = problems
    alone = factors == 0
    coef = np.zeros((len(tau), X.shape[1]))
    psi = tau[:, None] - np.broadcast_to(y < 0, w.shape)
    if alone.any():
        moved = _apart(y)
        found = solve_quantiles(X[:, alone], moved, tau, w)
        coef[:, alone] = _interpolating(X[:, alone], y, found.basis)
        psi = tau[:, None] - (moved - found.coef @ X[:, alone].T < 0)
        # rows of weight zero may be basic, and have no subgradient
        np.put_along_axis(psi, found.basis, np.where(np.isfinite(found.dual), found.dual, 0.0), 1)
    return (psi * w) @ X / w.sum(axis=1)[:, None], coef


def _apart(y: np.ndarray) -> np.ndarray:
    """Responses moved by less than matters, so that the sign of every residual that is not basic is known."""
    return without_ties(y[None], np.zeros(1))[0]


def _interpolating(X: np.ndarray, y: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Coefficients (Q, p) of the fits through the rows of each basis (Q, p)."""
    return np.linalg.solve(X[basis], y[basis][:, :, None])[:, :, 0]


def lasso_path(
    problems: LassoProblems,
    penalties: np.ndarray,
    begin: tuple[np.ndarray, np.ndarray],
    step: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """Exact minimisers of sum_i w_i rho_tau(y_i - x_i'b) / sum_i w_i + lam sum_j f_j |b_j|.

    Parameters
    ----------
    problems : LassoProblems
    penalties : (L,)
        In decreasing order.
    begin : arrays (Q,), (Q, p)
        What `largest_penalty` gives.
    step : callable
        Called after each penalty.

    Returns
    -------
    ndarray, shape (L, Q, p)

    Raises
    ------
    ConvergenceError
        If the optimality of a vertex could not be certified.
    """
    columns = _GrowingColumns(problems, begin[1])
    most, null = begin
    out = np.empty((len(penalties), *null.shape))
    coef = null
    for k, penalty in enumerate(penalties):
        # at the largest penalty itself there are other minimisers too
        coef = np.where((penalty >= most)[:, None], null, columns.solve(float(penalty), coef))
        out[k] = coef
        step()
    return out


class _GrowingColumns:
    """The columns that the problems are solved on; none leaves them along the path."""

    def __init__(self, problems: LassoProblems, null: np.ndarray) -> None:
        self.problems = problems
        X, y, w, tau, factors = problems
        self.total = w.sum(axis=1)
        self.mass = w @ np.abs(X) / self.total[:, None]
        self.gradient = subgradient(X, y, w, tau, null) / self.total[:, None]
        self.kept = (factors == 0) | (np.count_nonzero(factors) <= _FEW_COLUMNS)
        self.rows = None if not self.kept.any() else self._rows()

    def _rows(self) -> _PathRows:
        X, y, w, tau, factors = self.problems
        some = self.kept
        return _PathRows(self.problems if some.all() else LassoProblems(X[:, some], y, w, tau, factors[some]))

    def solve(self, penalty: float, start: np.ndarray) -> np.ndarray:
        """The minimisers (Q, p) at one penalty: where no column outside would join, they are those of all columns."""
        if penalty > 0:
            self._join(self._wanting(penalty))
        else:
            self._join(~self.kept)
        while True:
            coef = np.zeros_like(start)
            if self.rows is None:
                return coef
            found = self.rows.solve(penalty, start[:, self.kept])
            coef[:, self.kept] = found[0]
            if self.kept.all():
                return coef
            self.gradient = (
                (self.rows.subgradients(*found[1:]) * self.problems.w) @ self.problems.X / self.total[:, None]
            )
            wanting = self._wanting(penalty) if self._holds(penalty, coef) else ~self.kept
            if not wanting.any():
                return coef
            self._join(wanting)
            start = coef

    def _holds(self, penalty: float, coef: np.ndarray) -> bool:
        """Whether the subgradient is one of the solution, whatever rounding left open; else all columns are asked."""
        charge = penalty * self.problems.factors
        left = np.where(coef != 0, np.abs(self.gradient - charge * np.sign(coef)), np.abs(self.gradient) - charge)
        return bool((left <= _TOLERANCE * (self.mass + charge))[:, self.kept].all())

    def _wanting(self, penalty: float) -> np.ndarray:
        """Columns that would leave zero, of these the ones that pull most: as many as there are in use."""
        charge = penalty * self.problems.factors
        over = ((np.abs(self.gradient) - charge) / (self.mass + charge)).max(axis=0)
        over[self.kept] = -np.inf
        most = max(_LEAST_JOINING, int(self.kept.sum()))
        wanting = np.zeros(len(over), bool)
        wanting[np.argsort(-over)[:most]] = True
        return wanting & (over > _TOLERANCE)

    def _join(self, more: np.ndarray) -> None:
        if more.any():
            self.kept = self.kept | more
            self.rows = self._rows()


class _PathRows:
    """The rows of the data and of the penalty."""

    def __init__(self, problems: LassoProblems) -> None:
        self.problems = problems
        X, y, w, self.tau, factors = problems
        self.n, self.p = X.shape
        self.total = w.sum(axis=1)
        penalised = np.flatnonzero(factors)
        self.X = np.vstack([X, np.eye(self.p)[penalised]])
        self.moved = _apart(y)
        self.y, self.given = (np.concatenate([part, np.zeros(len(penalised))]) for part in (self.moved, y))
        self.penalised, self.factors = penalised, factors
        self.w = np.concatenate([w, np.zeros((len(w), len(penalised)))], axis=1)
        n = self.n
        self.some = (
            np.arange(n) if n <= _JACOBIAN_ROWS else np.random.default_rng(0).choice(n, _JACOBIAN_ROWS, replace=False)
        )

    def solve(self, penalty: float, start: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Minimisers (Q, p), the rows that they interpolate (Q, p), and the subgradients of these (Q, p)."""
        tau, charge = self.tau, 2.0 * penalty * self.total[:, None] * self.factors[self.penalised]
        self.w[:, self.n :] = charge
        pull = np.zeros((len(tau), self.p))
        pull[:, self.penalised] = (0.5 - tau)[:, None] * charge
        if len(self.X) <= DIRECT_ROWS:
            found = solve_directly(self.X, self.y, tau, self.w, pull, start)
        else:
            near = [self._near(q, penalty, start[q]) for q in range(len(tau))]
            begun = Start(np.stack([b for b, _ in near]), np.array([u for _, u in near]))
            found = solve_in_band(self.X, self.y, tau, self.w, pull, begun)
        if not found[3].all():
            raise ConvergenceError(
                f"the penalised quantile regression at penalty {penalty:.4g} has no certified solution: "
                "columns are nearly collinear, or the level is too extreme; use larger penalties."
            )
        coef = _interpolating(self.X, self.given, found[1])
        # A coefficient whose penalty row is in the basis is zero up to rounding.
        for q, basis in enumerate(found[1]):
            mine = basis[basis >= self.n] - self.n
            if penalty > 0:
                coef[q, self.penalised[mine]] = 0.0
        return coef, found[1], found[2]

    def subgradients(self, basis: np.ndarray, dual: np.ndarray) -> np.ndarray:
        """Those of the data's rows at a solution, shape (Q, n)."""
        through = _interpolating(self.X, self.y, basis)
        psi = self.tau[:, None] - (self.moved - through @ self.problems.X.T < 0)
        for q, rows in enumerate(basis):
            data = rows < self.n
            psi[q, rows[data]] = np.nan_to_num(dual[q, data])
        return psi

    def _near(self, q: int, penalty: float, start: np.ndarray) -> tuple[np.ndarray, float]:
        """Coefficients near the solution of one problem, and about how many rows are undecided there."""
        X, y, w, _, factors = self.problems
        wq, tau, total = w[q], self.tau[q : q + 1], self.total[q]
        coef = start.copy()
        gradient = subgradient(X, y, wq, tau, coef[None])[0] / total
        entering = (coef == 0) & (np.abs(gradient) > penalty * factors)
        active = (coef != 0) | (factors == 0) | entering
        sign = np.where(coef != 0, np.sign(coef), np.sign(gradient))
        size = np.inf
        for _ in range(_NEWTON_STEPS):
            at = np.flatnonzero(active)
            Xa = X[np.ix_(self.some, at)]
            J = jacobian(Xa, y[self.some], wq[self.some], tau, coef[None, at])[0] * len(self.some) / wq[self.some].sum()
            mean = gradient[at] - penalty * (factors * sign)[at]
            values, vectors = np.linalg.eigh(J)
            if values[0] <= 1e-10 * values[-1]:
                break
            trial = coef.copy()
            trial[at] += vectors @ ((vectors.T @ mean) / values)
            turned = active & (factors > 0) & (trial * sign < 0)
            trial[turned] = 0.0
            new = subgradient(X, y, wq, tau, trial[None])[0] / total
            left = np.where(active & ~turned, np.abs(new - penalty * factors * sign), np.abs(new) - penalty * factors)
            new_size = float(np.sqrt((np.maximum(left, 0.0) ** 2).sum()))
            if new_size >= 0.9 * size:
                break
            coef, gradient, size = trial, new, new_size
            active &= ~turned
            entering = ~active & (np.abs(gradient) > penalty * factors)
            sign[entering] = np.sign(gradient[entering])
            active |= entering
        return coef, self.n * min(size, 1.0)

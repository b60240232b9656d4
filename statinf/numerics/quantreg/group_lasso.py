"""Quantile regressions whose groups of coefficients are penalised by their length, along a path of penalties.

Each problem is a cone program. It is solved by Clarabel's interior point on the rows near a good start only, as exact
quantile regressions are: the others keep the sign of their residual and act through the sum of their subgradients, and those
that turn out to lie on the wrong side are put back until there are none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from statinf.errors import ConvergenceError
from statinf.numerics.quantreg.approach import jacobian, subgradient
from statinf.numerics.quantreg.lasso import LassoProblems, null_gradient

_JACOBIAN_ROWS = 20_000
_DIRECT_ROWS = 600
_NEWTON_STEPS = 4
_MOST_ROUNDS = 50
_ZERO = 1e-6


class GroupProblems(NamedTuple):
    """Q problems that share their rows.

    X : (n, p); y : (n,); w : (Q, n); tau : (Q,); group : (p,) number of each column's group, -1 for columns that are not
    penalised; factors : (G,) what the penalty is multiplied by for each group.
    """

    X: np.ndarray
    y: np.ndarray
    w: np.ndarray
    tau: np.ndarray
    group: np.ndarray
    factors: np.ndarray


def lengths(values: np.ndarray, group: np.ndarray, count: int) -> np.ndarray:
    """Euclidean length of each group's entries, shape (..., G)."""
    return np.stack([np.linalg.norm(values[..., group == g], axis=-1) for g in range(count)], axis=-1)


def largest_group_penalty(problems: GroupProblems) -> tuple[np.ndarray, np.ndarray]:
    """The smallest penalty at which all groups are zero, shape (Q,), and the fits there, shape (Q, p)."""
    X, y, w, tau, group, factors = problems
    gradient, coef = null_gradient(LassoProblems(X, y, w, tau, (group >= 0).astype(float)))
    return np.max(lengths(gradient, group, len(factors)) / factors, axis=1), coef


def group_lasso_path(
    problems: GroupProblems,
    penalties: np.ndarray,
    begin: tuple[np.ndarray, np.ndarray],
    step: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """Minimisers of sum_i w_i rho_tau(y_i - x_i'b) / sum_i w_i + lam sum_g f_g |b_g|, with |.| the Euclidean length.

    Parameters
    ----------
    problems : GroupProblems
    penalties : (L,)
        In decreasing order.
    begin : arrays (Q,), (Q, p)
        What `largest_group_penalty` gives.
    step : callable
        Called after each penalty.

    Returns
    -------
    ndarray, shape (L, Q, p)

    Raises
    ------
    ConvergenceError
        If the interior point does not reach its tolerance.
    """
    each = [_Problem(problems, q) for q in range(len(problems.tau))]
    most, null = begin
    out = np.empty((len(penalties), *null.shape))
    coef = null.copy()
    for k, penalty in enumerate(penalties):
        for q in np.flatnonzero(penalty < most):  # at the largest penalty itself there are other minimisers too
            coef[q] = each[q].solve(float(penalty), coef[q])
        out[k] = coef
        step()
    return out


class _Problem:
    """One problem: the rows of positive weight."""

    def __init__(self, problems: GroupProblems, q: int) -> None:
        use = problems.w[q] > 0
        self.X, self.y = problems.X[use], problems.y[use]
        self.w = problems.w[q][use] / problems.w[q][use].sum()
        self.tau, self.group, self.factors = problems.tau[q], problems.group, problems.factors
        n = len(self.y)
        self.some = (
            np.arange(n) if n <= _JACOBIAN_ROWS else np.random.default_rng(0).choice(n, _JACOBIAN_ROWS, replace=False)
        )

    def gradient(self, coef: np.ndarray) -> np.ndarray:
        return subgradient(self.X, self.y, self.w, np.array([self.tau]), coef[None])[0]

    def solve(self, penalty: float, start: np.ndarray) -> np.ndarray:
        n, p = self.X.shape
        if n <= _DIRECT_ROWS:
            inside = np.ones(n, bool)
            coef = start
        else:
            coef, undecided = self._near(penalty, start)
            near = np.abs(self.y - self.X @ coef)
            wanted = int(min(n - 1, 10 * p + 5 * undecided))
            inside = near <= np.partition(near, wanted)[wanted]
        below = self.y - self.X @ coef < 0
        for _ in range(_MOST_ROUNDS):
            outside = np.where(inside, 0.0, self.w * (self.tau - below))
            coef = self._cone_program(penalty, inside, outside @ self.X)
            flipped = ((self.y - self.X @ coef < 0) != below) & ~inside
            if not flipped.any():
                return coef
            inside |= flipped
        raise ConvergenceError(f"rows changed sides without end at penalty {penalty:.4g}; use larger penalties.")

    def _cone_program(self, penalty: float, inside: np.ndarray, pull: np.ndarray) -> np.ndarray:
        """Minimise over b, v and t: w'v - (sum w tau x + pull)'b + lam sum f t, v >= 0, v >= x'b - y, t_g >= |b_g|."""
        import clarabel
        from scipy import sparse

        X, y, w = self.X[inside], self.y[inside], self.w[inside]
        scale = w.max()
        m, p = X.shape
        G = len(self.factors)
        cost = np.concatenate([-(self.tau * w @ X + pull), w, penalty * self.factors]) / scale
        blocks = [
            [None, -sparse.eye_array(m), sparse.csr_array((m, G))],
            [sparse.csr_array(X), -sparse.eye_array(m), None],
        ]
        cones: list = [clarabel.NonnegativeConeT(2 * m)]
        for g in range(G):
            mine = np.flatnonzero(self.group == g)
            k = len(mine)
            length = sparse.csr_array(([-1.0], ([0], [g])), shape=(k + 1, G))
            entries = sparse.csr_array((-np.ones(k), (np.arange(1, k + 1), mine)), shape=(k + 1, p))
            blocks.append([entries, None, length])
            cones.append(clarabel.SecondOrderConeT(k + 1))
        A = sparse.csc_matrix(sparse.block_array(blocks))
        right = np.concatenate([np.zeros(m), y, np.zeros(A.shape[0] - 2 * m)])
        settings = clarabel.DefaultSettings()
        settings.verbose = False
        settings.max_threads = 1
        settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-10
        found = clarabel.DefaultSolver(
            sparse.csc_matrix((A.shape[1], A.shape[1])), cost, A, right, cones, settings
        ).solve()
        if str(found.status) not in ("Solved", "AlmostSolved"):
            raise ConvergenceError(
                f"the interior point ended with '{found.status}' at penalty {penalty:.4g}: the level is too extreme, or columns "
                "nearly collinear; use larger penalties."
            )
        return self._with_zeros(np.array(found.x[:p]), np.array(found.z[2 * m :]) * scale, penalty)

    def _with_zeros(self, coef: np.ndarray, dual: np.ndarray, penalty: float) -> np.ndarray:
        """Coefficients whose groups are exactly zero where the dual lies inside its cone."""
        at = 0
        for g, factor in enumerate(self.factors):
            mine = self.group == g
            k = int(mine.sum())
            if np.linalg.norm(dual[at + 1 : at + 1 + k]) < (1.0 - _ZERO) * penalty * factor:
                coef[mine] = 0.0
            at += k + 1
        return coef

    def _near(self, penalty: float, start: np.ndarray) -> tuple[np.ndarray, float]:
        """Newton steps in the groups that are not zero, and about how many rows are undecided after them."""
        coef, n, tau = start.copy(), len(self.y), np.array([self.tau])
        some, size = self.some, np.inf
        gradient = self.gradient(coef)
        for _ in range(_NEWTON_STEPS):
            slope, curve, active = self._penalty(penalty, coef, gradient)
            at = np.flatnonzero(active)
            J = jacobian(self.X[np.ix_(some, at)], self.y[some], self.w[some], tau, coef[None, at])[0]
            J = J * len(some) / self.w[some].sum() + curve[np.ix_(at, at)]
            values, vectors = np.linalg.eigh(J)
            if values[0] <= 1e-10 * values[-1]:
                break
            trial = coef.copy()
            trial[at] += vectors @ ((vectors.T @ (gradient - slope)[at]) / values)
            for g in range(len(self.factors)):  # a group that passes through zero stops there
                mine = self.group == g
                if coef[mine].any() and trial[mine] @ coef[mine] < 0:
                    trial[mine] = 0.0
            new = self.gradient(trial)
            slope, _, active = self._penalty(penalty, trial, new)
            new_size = float(np.linalg.norm((new - slope)[active]))
            if new_size >= 0.9 * size:
                break
            coef, gradient, size = trial, new, new_size
        return coef, n * min(size, 1.0)

    def _penalty(
        self, penalty: float, coef: np.ndarray, gradient: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Gradient (p,) and curvature (p, p) of the penalty, and the columns (p,) of groups that are not or not to stay zero."""
        p = len(coef)
        slope, curve, active = np.zeros(p), np.zeros((p, p)), self.group < 0
        for g, factor in enumerate(self.factors):
            mine = np.flatnonzero(self.group == g)
            b, length = coef[mine], np.linalg.norm(coef[mine])
            pulled = np.linalg.norm(gradient[mine])
            if length > 0:
                slope[mine] = penalty * factor * b / length
                curve[np.ix_(mine, mine)] = penalty * factor * (np.eye(len(mine)) - np.outer(b, b) / length**2) / length
                active[mine] = True
            elif pulled > penalty * factor:
                slope[mine] = penalty * factor * gradient[mine] / pulled
                active[mine] = True
        return slope, curve, active

"""Kernel bridges by the minimax equations of Ghassami, Ying, Shpitser and Tchetgen Tchetgen (2022), in low-rank features.

With kernels K_H and K_F of what the bridge and its critics read, the bridge minimises ``n^-2 r' G r + lam |h|^2`` over residuals r,
``G = K_F (K_F / n + lam_F)^-1 / 4``: the inner maximum in closed form. Each kernel is one plus an inner product plus a
Gaussian on standardised columns. Features F with ``F F' = K`` to a given accuracy turn it into a ridge regression of few
columns, whose penalty is chosen by held-out values of the criterion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor

from statinf.backend import generator
from statinf.numerics.kernels.distances import gaussian, squared_distances
from statinf.numerics.kernels.lowrank import pivoted_cholesky
from statinf.numerics.linear.triangular import solve_triangular

RIDGES = np.logspace(-7, 0, 8)
_ACCURACY, _MOST, _SOME = 1e-6, 500, 1000
_INNER = 3


def features(*blocks: np.ndarray) -> np.ndarray:
    """Features of the kernel on columns (n, p) in standard units, shape (n, r)."""
    v = np.column_stack(blocks)
    n = len(v)
    some = v if n <= _SOME else v[:: n // _SOME + 1]
    off = squared_distances(some, some)[~np.tri(len(some), dtype=bool)]
    width = 2.0 * (float(np.median(off)) or 1.0)
    factor = pivoted_cholesky(
        lambda at: gaussian(v, v[at], width), np.ones(n), tol=_ACCURACY, max_rank=min(n, _MOST), partial=True
    )
    assert factor is not None
    return np.column_stack([np.ones(n), v, factor])


@dataclass(frozen=True)
class _MinimaxSums:
    """Sums over some rows: critics' Gram matrix, critics by bridge, critics by target, and the mass."""

    gram: np.ndarray
    cross: np.ndarray
    target: np.ndarray
    mass: float

    @staticmethod
    def of(f: np.ndarray, h: np.ndarray, r: np.ndarray, v: np.ndarray) -> _MinimaxSums:
        fv = f * v[:, None]
        return _MinimaxSums(fv.T @ f, fv.T @ h, fv.T @ r, float(v.sum()))

    def __add__(self, other: _MinimaxSums) -> _MinimaxSums:
        return _MinimaxSums(
            self.gram + other.gram, self.cross + other.cross, self.target + other.target, self.mass + other.mass
        )

    def _whitened(self) -> tuple[np.ndarray, np.ndarray]:
        """Cross and target in coordinates in which the criterion is a sum of squares."""
        inner = self.gram / self.mass
        inner[np.diag_indices(len(inner))] += self.mass**-0.8
        low = np.tril(cho_factor(inner, lower=True)[0])
        both = solve_triangular(low, np.column_stack([self.cross, self.target]), lower=True)
        return 0.5 * both[:, :-1], 0.5 * both[:, -1]

    def solve(self, ridges: np.ndarray) -> np.ndarray:
        """Coefficients for each penalty, shape (r, penalties)."""
        c, d = self._whitened()
        values, vectors = np.linalg.eigh(c.T @ c)
        shrunk = np.maximum(values, 0.0)[:, None] + self.mass**2 * ridges
        return vectors @ ((vectors.T @ (c.T @ d))[:, None] / shrunk)

    def criterion(self, beta: np.ndarray) -> np.ndarray:
        """Held-out value for each column of coefficients (r, penalties)."""
        c, d = self._whitened()
        return ((d[:, None] - c @ beta) ** 2).sum(axis=0) / self.mass**2


def kernel_bridge(
    f: np.ndarray, h: np.ndarray, target: np.ndarray, v: np.ndarray, train: np.ndarray, ridge: float | None, seed: int
) -> tuple[np.ndarray, float]:
    """A bridge's values at features h (n, r), learnt on some rows, and its penalty.

    Parameters
    ----------
    f : ndarray, shape (n, s)
        Critics' features.
    h : ndarray, shape (n, r)
        The bridge's features where the equation counts it, zero on other rows.
    target : ndarray, shape (n,)
        What the bridge's values are to be, as the critics see it.
    v : ndarray, shape (n,)
        Row weights, zero on rows that the equation leaves out.
    train : ndarray of bool, shape (n,)
    ridge : float or None
        None chooses among `RIDGES` by three inner folds.
    seed : int

    Returns
    -------
    beta : ndarray, shape (r,)
    ridge : float
    """
    at = np.flatnonzero(train & (v > 0))
    v = v / v[at].mean()  # penalties fall with the number of rows, in any unit of weights
    if ridge is not None:
        return _MinimaxSums.of(f[at], h[at], target[at], v[at]).solve(np.array([ridge]))[:, 0], ridge
    part = generator(seed, 5).permutation(len(at)) % _INNER
    sums = [_MinimaxSums.of(*(m[at[part == k]] for m in (f, h, target, v))) for k in range(_INNER)]
    total = np.zeros(len(RIDGES))
    for k in range(_INNER):
        total += sums[k].criterion(_added([sums[j] for j in range(_INNER) if j != k]).solve(RIDGES))
    best = float(RIDGES[int(np.argmin(total))])
    return _added(sums).solve(np.array([best]))[:, 0], best


def _added(sums: Sequence[_MinimaxSums]) -> _MinimaxSums:
    out = sums[0]
    for one in sums[1:]:
        out = out + one
    return out

"""Exponential tilting for many weight vectors at once: bootstrap re-solves as matrix products."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_CHORDS = 8


@dataclass(frozen=True)
class Tilts:
    """Problems that share their rows and a first guess; made by `Tilts.of`.

    Attributes
    ----------
    centre : ndarray, shape (k,)
    basis, back : ndarray, shape (k, k)
        ``(z - centre) basis`` has mean zero and covariance one at the first guess; `back` is the inverse.
    columns : ndarray, shape (n, 1 + k)
        A one and ``(z - centre) basis``.
    start : ndarray, shape (k,)
        The first guess, in these columns.
    design : ndarray of float32, shape (n, 1 + k + k (k + 1) / 2)
        `columns` and the columns' pairwise products: the sums behind a Newton step are one product with it. Steps need
        few digits of them, the weights take theirs from `columns`.
    at_start : ndarray of float32, shape of design
        Its rows times ``exp(z' start)``.
    pairs : ndarray of int, shape (k, k)
        Column of `design` that holds each product.
    """

    centre: np.ndarray
    basis: np.ndarray
    back: np.ndarray
    columns: np.ndarray
    start: np.ndarray
    design: np.ndarray
    at_start: np.ndarray
    pairs: np.ndarray

    @staticmethod
    def of(z: np.ndarray, start: np.ndarray | None = None) -> Tilts:
        """Prepare the rows.

        Parameters
        ----------
        z : ndarray, shape (n, k)
        start : ndarray, shape (k,), optional
            Common first guess, such as the solution of the sample itself.
        """
        n, k = z.shape
        upper = np.triu_indices(k)
        pairs = np.empty((k, k), dtype=int)
        pairs[upper] = pairs[upper[::-1]] = 1 + k + np.arange(len(upper[0]))
        first = np.zeros(k) if start is None else start
        eta = z @ first
        p = np.exp(eta - eta.max(initial=-np.inf))
        p /= p.sum()
        centre = p @ z
        _, sizes, axes = np.linalg.svd(np.sqrt(p)[:, None] * (z - centre), full_matrices=n < k)
        sizes = np.maximum(np.r_[sizes, np.zeros(k - len(sizes))], 1e-13 * sizes.max(initial=0.0))
        sizes[sizes == 0.0] = 1.0
        basis, back = axes.T / sizes, sizes[:, None] * axes
        columns = np.column_stack([np.ones(n), (z - centre) @ basis])
        design = _with_products(columns)
        at_start = (p[:, None] * design).astype(np.float32)
        return Tilts(centre, basis, back, columns, back @ first, design.astype(np.float32), at_start, pairs)

    def solve(
        self, base: np.ndarray, targets: np.ndarray, *, tol: float = 1e-9, max_iter: int = 60
    ) -> tuple[np.ndarray, np.ndarray]:
        """Weights proportional to ``base_b exp(z' l_b)`` with mean `targets_b`, for every row b of `base`.

        Two Newton steps, then steps with the Hessian of the second, which cost an exponential a row; the few problems
        they do not settle get Newton steps with their own step lengths.

        Parameters
        ----------
        base : ndarray, shape (B, n)
            Nonnegative.
        targets : ndarray, shape (B, k)
        tol : float
            Largest difference between a weighted mean and its target.
        max_iter : int

        Returns
        -------
        p : ndarray, shape (B, n)
            Rows sum to 1; NaN where there is no solution.
        residual : ndarray, shape (B,)
        """
        targets = (targets - self.centre) @ self.basis
        with np.errstate(all="ignore"):
            p, residual = self._chords(base, targets, tol)
        rest = np.flatnonzero(~(residual <= tol))
        if len(rest):
            p[rest], residual[rest] = self._damped(base[rest], targets[rest], tol, max_iter)
        return p, residual

    def _chords(self, base: np.ndarray, targets: np.ndarray, tol: float) -> tuple[np.ndarray, np.ndarray]:
        rough = base.astype(np.float32)
        gap, hessian = self._moments(rough @ self.at_start, targets)
        slope = self.start - _solve(hessian, gap)
        p = _terms(slope.astype(np.float32), self.design[:, 1 : len(self.start) + 1], rough)
        gap, hessian = self._moments(p @ self.design, targets)
        slope -= _solve(hessian, gap)
        p, mass, gap, size = self._means(slope, base, targets)
        for _ in range(_CHORDS):
            open_ = np.flatnonzero(size > tol)
            if len(open_) == 0:
                break
            slope[open_] -= _solve(hessian[open_], gap[open_])
            if len(open_) == len(base):
                p, mass, gap, left = self._means(slope, base, targets)
            else:  # after a step or two those left are few
                p[open_], mass[open_], gap[open_], left = self._means(slope[open_], base[open_], targets[open_])
            stuck = not np.any(left < 0.3 * size[open_])
            size[open_] = left
            if stuck:
                break
        p /= mass
        return p, size

    def _means(self, slope: np.ndarray, base: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, ...]:
        """Weights, their sums (B, 1), the gaps between their means and the targets, and each problem's largest gap."""
        p = _terms(slope, self.columns[:, 1:], base)
        sums = p @ self.columns
        gap = sums[:, 1:] / sums[:, :1] - targets
        return p, sums[:, :1], gap, self._size(gap)

    def _size(self, gap: np.ndarray) -> np.ndarray:
        """The largest difference of each problem in units of the columns as given, shape (B,)."""
        return np.abs(gap @ self.back).max(axis=1, initial=0.0)

    def _moments(self, sums: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gaps between means and targets, and covariances, from products with `design`."""
        k = len(self.start)
        sums = sums.astype(np.float64)
        sums /= sums[:, :1].copy()
        mean = sums[:, 1 : k + 1]
        second = sums[:, self.pairs]
        ridge = 1e-13 * np.einsum("bii->b", second)[:, None] / max(k, 1)
        second -= mean[:, :, None] * mean[:, None, :]
        second[:, np.arange(k), np.arange(k)] += ridge
        return mean - targets, second

    def _damped(
        self, base: np.ndarray, targets: np.ndarray, tol: float, max_iter: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Newton steps for all problems that are still open, each with its own step length."""
        z, (count, k) = self.columns[:, 1:], targets.shape
        slope = np.tile(self.start, (count, 1))
        residual = np.full(count, np.inf)
        p = np.full(base.shape, np.nan)
        open_ = np.arange(count)
        value = np.full(count, np.inf)
        step, length = np.zeros((count, k)), np.ones(count)
        # In full precision: columns that nearly coincide may be what kept the quick steps from a solution.
        design = _with_products(self.columns)
        for _ in range(max_iter):
            trial = slope[open_] + length[open_, None] * step[open_]
            eta = trial @ z.T
            shift = eta.max(axis=1, keepdims=True)
            eta -= shift
            np.exp(eta, out=eta)
            eta *= base[open_]
            mass = eta.sum(axis=1)
            mass[mass <= 0] = np.nan
            with np.errstate(divide="ignore", invalid="ignore"):
                now = np.log(mass) + shift[:, 0] - np.einsum("bk,bk->b", trial, targets[open_])
                mean = eta @ z / mass[:, None]
            gap = mean - targets[open_]
            size = self._size(gap)
            better = (now <= value[open_] + 1e-12 * np.maximum(1.0, np.abs(value[open_]))) | (size < residual[open_])
            length[open_[~better]] /= 2.0
            moved = open_[better]
            slope[moved], value[moved], residual[moved] = trial[better], now[better], size[better]
            done = better & (size <= tol)
            p[open_[done]] = eta[done] / mass[done, None]
            going = better & ~done
            if going.any():
                at = open_[going]
                hessian = self._moments(eta[going] @ design, targets[at])[1]
                step[at] = -_solve(hessian, gap[going])
                length[at] = 1.0
            lost = (length[open_] < 1e-8) | ~np.isfinite(size) | (np.abs(slope[open_]).max(axis=1) > 500.0)
            open_ = open_[~done & ~lost]
            if len(open_) == 0:
                break
        return p, residual


def _with_products(columns: np.ndarray) -> np.ndarray:
    """A one, k columns and their products with one another, the upper triangle row by row."""
    z = columns[:, 1:]
    first, second = np.triu_indices(z.shape[1])
    return np.column_stack([columns, z[:, first] * z[:, second]])


def _terms(slope: np.ndarray, z: np.ndarray, base: np.ndarray) -> np.ndarray:
    """``base_b exp(z' l_b)``, shape (B, n)."""
    e = slope @ z.T
    np.exp(e, out=e)
    e *= base
    return e


def _solve(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Solutions of B small systems, shape (B, k); NaN for those that have none."""
    try:
        return np.linalg.solve(matrices, vectors[:, :, None])[:, :, 0]
    except np.linalg.LinAlgError:
        if len(matrices) == 1:
            return np.full_like(vectors, np.nan)
        pairs = zip(matrices, vectors, strict=True)
        return np.concatenate([_solve(matrix[None], vector[None]) for matrix, vector in pairs])

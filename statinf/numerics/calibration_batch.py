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
    z : ndarray, shape (n, k)
    start : ndarray, shape (k,)
    design : ndarray, shape (n, 1 + k + k (k + 1) / 2)
        A one, the columns and their pairwise products: the sums behind a Newton step are one product with it.
    at_start : ndarray, shape of design
        Its rows times ``exp(z' start)``.
    pairs : ndarray of int, shape (k, k)
        Column of `design` that holds each product.
    """

    z: np.ndarray
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
        design = np.column_stack([np.ones(n), z, z[:, upper[0]] * z[:, upper[1]]])
        first = np.zeros(k) if start is None else start
        eta = z @ first
        return Tilts(z, first, design, np.exp(eta - eta.max(initial=-np.inf))[:, None] * design, pairs)

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
        with np.errstate(all="ignore"):
            p, residual = self._chords(base, targets, tol)
        rest = np.flatnonzero(~(residual <= tol))
        if len(rest):
            p[rest], residual[rest] = self._damped(base[rest], targets[rest], tol, max_iter)
        return p, residual

    def _chords(self, base: np.ndarray, targets: np.ndarray, tol: float) -> tuple[np.ndarray, np.ndarray]:
        k = self.z.shape[1]
        gap, hessian = self._moments(base @ self.at_start, targets)
        slope = self.start - _times(_inverses(hessian), gap)
        p = self._terms(slope, base)
        gap, hessian = self._moments(p @ self.design, targets)
        inverse = _inverses(hessian)
        narrow = np.ascontiguousarray(self.design[:, : k + 1])
        before = np.full(len(base), np.inf)
        for _ in range(_CHORDS):
            slope -= _times(inverse, gap)
            p = self._terms(slope, base)
            sums = p @ narrow
            gap = sums[:, 1:] / sums[:, :1] - targets
            size = np.abs(gap).max(axis=1, initial=0.0)
            if not np.any((size > tol) & (size < 0.3 * before)):
                break
            before = size
        p /= sums[:, :1]
        return p, size

    def _terms(self, slope: np.ndarray, base: np.ndarray) -> np.ndarray:
        e = slope @ self.z.T
        np.exp(e, out=e)
        e *= base
        return e

    def _moments(self, sums: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gaps between means and targets, and covariances, from products with `design`."""
        k = self.z.shape[1]
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
        z, (count, k) = self.z, targets.shape
        slope = np.tile(self.start, (count, 1))
        residual = np.full(count, np.inf)
        p = np.full(base.shape, np.nan)
        open_ = np.arange(count)
        value = np.full(count, np.inf)
        step, length = np.zeros((count, k)), np.ones(count)
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
            size = np.abs(gap).max(axis=1)
            better = (now <= value[open_] + 1e-12 * np.maximum(1.0, np.abs(value[open_]))) | (size < residual[open_])
            length[open_[~better]] /= 2.0
            moved = open_[better]
            slope[moved], value[moved], residual[moved] = trial[better], now[better], size[better]
            done = better & (size <= tol)
            p[open_[done]] = eta[done] / mass[done, None]
            going = better & ~done
            if going.any():
                at = open_[going]
                gap, hessian = self._moments(eta[going] @ self.design, targets[at])
                step[at] = -_times(_inverses(hessian), gap)
                length[at] = 1.0
            lost = (length[open_] < 1e-8) | ~np.isfinite(size) | (np.abs(slope[open_]).max(axis=1) > 500.0)
            open_ = open_[~done & ~lost]
            if len(open_) == 0:
                break
        return p, residual


def _inverses(matrices: np.ndarray) -> np.ndarray:
    """Inverses of B small matrices; NaN for those that have none."""
    try:
        return np.linalg.inv(matrices)
    except np.linalg.LinAlgError:
        if len(matrices) == 1:
            return np.full_like(matrices, np.nan)
        return np.concatenate([_inverses(matrix[None]) for matrix in matrices])


def _times(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    return (matrices @ vectors[:, :, None])[:, :, 0]

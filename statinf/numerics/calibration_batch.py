"""Exponential tilting for many weight vectors at once: bootstrap re-solves as matrix products."""

from __future__ import annotations

import numpy as np

from statinf.backend import chunks, map_threads, rows_per_chunk


def exponential_tilts(
    z: np.ndarray,
    base: np.ndarray,
    targets: np.ndarray,
    *,
    start: np.ndarray | None = None,
    tol: float = 1e-9,
    max_iter: int = 60,
) -> tuple[np.ndarray, np.ndarray]:
    """Weights proportional to ``base_b exp(z' l_b)`` with mean `targets_b`, for every row b of `base`.

    What depends on the rows enters through sums, so a Newton step for all problems is one product of the weight matrix with
    the rows and their pairwise products.

    Parameters
    ----------
    z : ndarray, shape (n, k)
    base : ndarray, shape (B, n)
        Nonnegative.
    targets : ndarray, shape (B, k)
    start : ndarray, shape (k,), optional
        Common first guess, such as the solution of the sample itself.
    tol : float
        Largest difference between a weighted mean and its target.
    max_iter : int

    Returns
    -------
    p : ndarray, shape (B, n)
        Rows sum to 1; NaN where there is no solution.
    residual : ndarray, shape (B,)
    """
    n, k = z.shape
    upper = np.triu_indices(k)
    pairs = z[:, upper[0]] * z[:, upper[1]]
    p, residual = np.empty((len(base), n)), np.empty(len(base))
    first = np.zeros(k) if start is None else start

    def run(part: slice) -> None:
        p[part], residual[part] = _solve(z, pairs, upper, base[part], targets[part], first, tol, max_iter)

    # Chunks that stay in the cache: the work is exponentials and narrow products.
    parts = list(chunks(len(base), rows_per_chunk(8.0 * n, 2**19)))
    map_threads(run, parts, parallel=base.size > 1 << 18)
    return p, residual


def _solve(
    z: np.ndarray,
    pairs: np.ndarray,
    upper: tuple,
    base: np.ndarray,
    targets: np.ndarray,
    start: np.ndarray,
    tol: float,
    max_iter: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Newton steps for all problems that are still open, each with its own step length."""
    count, k = len(base), z.shape[1]
    slope = np.tile(start, (count, 1))
    residual = np.full(count, np.inf)
    p = np.full(base.shape, np.nan)
    open_ = np.arange(count)
    value = np.full(count, np.inf)
    step, length = np.zeros((count, k)), np.ones(count)
    for turn in range(max_iter):
        everyone = len(open_) == count
        trial = slope[open_] + length[open_, None] * step[open_]
        if turn == 0:
            # All problems start at one point: one exponential a row serves them all.
            first = z @ start
            shift = np.full((count, 1), first.max())
            eta = base * np.exp(first - first.max())
        else:
            eta = trial @ z.T
            shift = eta.max(axis=1, keepdims=True)
            eta -= shift
            np.exp(eta, out=eta)
            eta *= base if everyone else base[open_]
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
            second = np.empty((len(at), k, k))
            sums = (eta if going.all() else eta[going]) @ pairs / mass[going, None]
            second[:, upper[0], upper[1]] = sums
            second[:, upper[1], upper[0]] = sums
            second -= mean[going][:, :, None] * mean[going][:, None, :]
            second[:, np.arange(k), np.arange(k)] += 1e-13 * np.einsum("bii->b", second)[:, None] / k
            step[at] = -np.linalg.solve(second, gap[going][:, :, None])[:, :, 0]
            length[at] = 1.0
        lost = (length[open_] < 1e-8) | ~np.isfinite(size) | (np.abs(slope[open_]).max(axis=1) > 500.0)
        open_ = open_[~done & ~lost]
        if len(open_) == 0:
            break
    return p, residual

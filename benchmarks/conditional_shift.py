"""The conditional operator discrepancy on factors of the kernel matrices beside its definition in NumPy."""

from __future__ import annotations

import os
from functools import partial

import numpy as np

from benchmarks.harness import compare
from statinf.numerics.discrepancy.conditional import conditional_distance
from statinf.shifts.conditional_discrepancy import kernel_factor
from statinf.shifts.kernels import rbf

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))
RIDGE = 0.05


def ours(z: np.ndarray, y: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Both parts, the factors included; a permutation costs the last line alone."""
    found = conditional_distance(kernel_factor(z, 1.0), kernel_factor(y, 1.0), first, RIDGE)
    return np.array([found.mean, found.covariance])


def direct(z: np.ndarray, y: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The definition, with inverses and roots of the size of each sample."""
    K, L = rbf(z, z, 1.0), rbf(y, y, 1.0)
    inverse, trace, rest, half = [], [], [], []
    for rows in (first, ~first):
        n = int(rows.sum())
        k, ell, H = K[np.ix_(rows, rows)], L[np.ix_(rows, rows)], np.eye(n) - 1.0 / n
        A = np.linalg.inv(ell + RIDGE * n * np.eye(n))
        inner = np.linalg.inv(RIDGE * n * np.eye(n) + H @ ell @ H)
        value, vector = np.linalg.eigh(RIDGE * n * inner)
        inverse.append(A)
        trace.append(np.trace(ell @ A @ k @ A))
        rest.append(RIDGE * np.trace(H @ k @ H @ inner))
        half.append(H @ ((vector * np.sqrt(np.maximum(value, 0.0))) @ vector.T))
    cross = np.trace(L[np.ix_(first, ~first)].T @ inverse[0] @ K[np.ix_(first, ~first)] @ inverse[1])
    inner = np.linalg.svd(half[1].T @ K[np.ix_(~first, first)] @ half[0], compute_uv=False).sum()
    return np.array([sum(trace) - 2 * cross, sum(rest) - 2 * inner / np.sqrt(first.sum() * (~first).sum())])


def main() -> None:
    for n in (200,) if QUICK else (500, 2000):
        rng = np.random.default_rng(0)
        y = rng.normal(size=(2 * n, 1))
        z = np.column_stack([y[:, 0] + rng.normal(size=2 * n), rng.normal(size=2 * n)])
        rows = (z, y, np.arange(2 * n) < n)
        compare(
            f"conditional discrepancy, two samples of {n:,}, two features",
            partial(ours, *rows),
            partial(direct, *rows),
            repeat=1,
            check=lambda mine, theirs: (float(np.abs(mine - theirs).max()), float(np.abs(mine - theirs).max())),
            peer_name="its definition in NumPy",
            note="error: largest difference of the two parts, whose square roots of small eigenvalues the definition rounds",
        )


if __name__ == "__main__":
    main()

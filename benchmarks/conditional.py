"""Thresholds with coverage over a class of functions, beside the same linear programmes in cvxpy.

cvxpy compiles the programme once, with the new row as a parameter, and solves it by HiGHS for each row. The authors' package
instead searches the imputed score, with a programme at each step.
"""

from __future__ import annotations

import os
from functools import partial

import numpy as np

from benchmarks.harness import compare
from statinf.inference.function_class import conditional_thresholds

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))
LEVEL = 0.9


def rows(n: int, m: int, d: int):
    """Functions and scores of calibration rows, and functions of new rows: a constant, groups and a covariate."""
    random = np.random.default_rng(0)
    basis = np.column_stack([np.ones(n + m), random.normal(size=(n + m, 2)), random.random((n + m, d - 3)) < 0.3])
    scores = np.abs(random.normal(size=n)) * (1.0 + basis[:n, 3] + np.abs(basis[:n, 1]))
    return basis[:n], scores, basis[n:]


def by_cvxpy(basis: np.ndarray, scores: np.ndarray, new: np.ndarray) -> np.ndarray:
    """One programme per new row, in coefficients and residuals of either sign."""
    import cvxpy as cp

    n, d = basis.shape
    coef, above, below, moved = (
        cp.Variable(d),
        cp.Variable(n, nonneg=True),
        cp.Variable(n, nonneg=True),
        cp.Parameter(d),
    )
    loss = LEVEL * cp.sum(above) + (1.0 - LEVEL) * cp.sum(below) - moved @ coef
    problem = cp.Problem(cp.Minimize(loss), [basis @ coef + above - below == scores])
    out = np.full(len(new), np.inf)
    for i, x in enumerate(new):
        moved.value = (LEVEL - 2e-8) * x
        problem.solve(solver=cp.HIGHS)
        if problem.status == cp.OPTIMAL:
            out[i] = x @ coef.value
    return out


def largest_difference(ours: np.ndarray, peer: np.ndarray) -> float:
    """Over the rows; infinite if an infinite threshold is not infinite on both sides."""
    finite = np.isfinite(ours)
    if not np.array_equal(finite, np.isfinite(peer)):
        return np.inf
    return float(np.abs(ours[finite] - peer[finite]).max())


def main() -> None:
    n, m = (300, 20) if QUICK else (2000, 2000)
    data = rows(n, m, 6)
    compare(
        f"conditional thresholds, {n:,} calibration and {m:,} new rows, 6 functions",
        partial(conditional_thresholds, *data, LEVEL), partial(by_cvxpy, *data), peer_name="cvxpy", repeat=1, warmup=0,
        check=largest_difference, note="cvxpy compiles once and calls HiGHS for each row; error: largest difference of a threshold",
    )  # fmt: skip


if __name__ == "__main__":
    main()

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
    """One programme per new row, in the dual variables of the calibration rows."""
    import cvxpy as cp

    dual, moved = cp.Variable(len(scores)), cp.Parameter(basis.shape[1])
    balance = basis.T @ dual == -moved
    problem = cp.Problem(cp.Maximize(scores @ dual), [balance, dual >= LEVEL - 1.0, dual <= LEVEL])
    out = np.empty(len(new))
    for i, x in enumerate(new):
        moved.value = (LEVEL - 2e-8) * x
        problem.solve(solver=cp.HIGHS)
        # The multipliers of the balance are the coefficients, up to the sign that cvxpy gives a maximum.
        out[i] = np.inf if balance.dual_value is None else abs(x @ balance.dual_value)
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

"""Regression under shift beside densratio, the programme that adapt solves for kernel mean matching, and NumPy loops.

``STATINF_BENCH_FULL=1`` adds the MMD test with n = 50,000 rows per sample.
"""

from __future__ import annotations

import os

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.harness import compare
from statinf.shifts import permutation
from statinf.shifts.kernels import kernel_sums, median_distance, rbf

FULL = os.environ.get("STATINF_BENCH_FULL") == "1"
N = 5000
GRID = 10.0 ** np.linspace(-1, 1, 10)
LAMBDAS = 10.0 ** np.linspace(-3, 1, 10)


def samples(n: int, d: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), 0.8 * rng.standard_normal((n, d)) + 0.5


def frames(n: int, d: int = 2) -> list[pd.DataFrame]:
    return [pd.DataFrame(x, columns=[f"x{j}" for j in range(d)]) for x in samples(n, d)]


def least_squares_importance() -> None:
    """The peer's leave-one-out formula lacks a denominator, so the chosen pair may differ: the fit at the chosen pair is
    compared by its squared error against the true ratio."""
    import densratio

    source, target = frames(N)
    xs, xt = source.to_numpy(), target.to_numpy()
    truth = np.exp(0.5 * (xs**2).sum(1) - 0.5 * (((xs - 0.5) / 0.8) ** 2).sum(1)) / 0.8**2

    def ours() -> np.ndarray:
        w = si.density_ratio("~ x0 + x1", source, target, method="ulsif", bandwidth=GRID, ridge=LAMBDAS, scale=False)
        return w.ratio

    def peer() -> np.ndarray:
        made = densratio.densratio(
            xt, xs, alpha=0.0, sigma_range=list(GRID), lambda_range=list(LAMBDAS), kernel_num=100, verbose=False
        )
        return made.compute_density_ratio(xs)

    compare(
        f"uLSIF with leave-one-out, 10 x 10 grid, n = {N}",
        ours,
        peer,
        repeat=3,
        warmup=1,
        peer_name="densratio",
        error=lambda ratio: float(np.mean((ratio - truth) ** 2)),
        note="error: mean square against the true ratio",
    )


def kernel_mean_matching(n: int = N) -> None:
    """adapt hands the whole programme to cvxopt with 2 n + 2 dense inequalities; the same ridge and bounds here."""
    import cvxopt

    source, target = frames(n)
    xs, xt = source.to_numpy(), target.to_numpy()
    sigma = median_distance(np.concatenate([xs, xt]))
    ridge, bound, eps = 1.0, 1000.0, 0.05
    kernel = rbf(xs, xs, sigma) + ridge * np.eye(n)
    pull = kernel_sums(xs, xt, np.ones(n), sigma)

    def objective(w: np.ndarray) -> float:
        return float(0.5 * w @ kernel @ w - pull @ w)

    def ours() -> np.ndarray:
        return si.density_ratio(
            "~ x0 + x1", source, target, method="kmm", bandwidth=sigma, ridge=ridge, eps=eps, scale=False
        ).values

    def peer() -> np.ndarray:
        matrix = rbf(xs, xs, sigma) + ridge * np.eye(n)
        linear = kernel_sums(xs, xt, np.ones(n), sigma)
        limits = np.vstack([np.ones((1, n)), -np.ones((1, n)), -np.eye(n), np.eye(n)])
        right = np.concatenate([[n * (1 + eps)], [n * (eps - 1)], np.zeros(n), np.full(n, bound)])
        cvxopt.solvers.options["show_progress"] = False
        solved = cvxopt.solvers.qp(*(cvxopt.matrix(a) for a in (matrix, -linear, limits, right)))
        return np.array(solved["x"]).ravel()

    def check(a: np.ndarray, b: np.ndarray) -> float:
        gap = abs(objective(a) - objective(b)) / abs(objective(b))
        assert gap < 1e-6, gap
        return gap

    compare(
        f"KMM, n = {n}",
        ours,
        peer,
        repeat=1,
        warmup=0,
        check=check,
        peer_name="cvxopt",
        note="as adapt calls it; error: relative gap of the objectives",
    )


def mmd_permutations() -> None:
    """The loop permutes the rows and columns of the kernel matrix; ten of its permutations, times a hundred."""
    xs, xt = samples(N)
    x = np.concatenate([xs, xt])
    sigma = median_distance(x)
    loops = 10

    def ours() -> np.ndarray:
        return permutation.mmd(x, np.arange(2 * N) < N, sigma, 1000, 0, False)[1]

    def peer() -> np.ndarray:
        kernel = rbf(x, x, sigma)
        out = np.empty(loops)
        for b in range(loops):
            order = np.argsort(permutation.masses(N, N, 1, 0, b)[0] < 0, kind="stable")
            a, c = order[:N], order[N:]
            out[b] = kernel[np.ix_(a, a)].mean() + kernel[np.ix_(c, c)].mean() - 2 * kernel[np.ix_(a, c)].mean()
        return out

    def check(a: np.ndarray, b: np.ndarray) -> float:
        gap = float(np.abs(a[:loops] - b).max())
        assert gap < 1e-9, gap
        return gap

    compare(
        f"MMD test, n = {N}, ours with 1,000 permutations, the loop with {loops}",
        ours,
        peer,
        repeat=3,
        warmup=1,
        check=check,
        peer_name="numpy loop",
        note="multiply the ratio by 100 for equal work; error: largest difference",
    )


def large_mmd() -> np.ndarray:
    xs, xt = samples(50_000)
    x = np.concatenate([xs, xt])
    return permutation.mmd(x, np.arange(len(x)) < 50_000, median_distance(x), 1000, 0, False)[1]


def target_shift() -> None:
    rng = np.random.default_rng(0)
    y = 2 * rng.standard_normal(500)
    source = pd.DataFrame({"y": y, "x": y + 3 * np.tanh(y) + rng.standard_normal(500)})
    z = 0.5 + 0.5 * rng.standard_normal(400)
    target = pd.DataFrame({"x": z + 3 * np.tanh(z) + rng.standard_normal(400)})
    compare(
        "ReTaSA with the discrepancy principle, n = 500, m = 400",
        lambda: si.target_shift("y ~ x", source, target).omega,
    )


if __name__ == "__main__":
    least_squares_importance()
    mmd_permutations()
    target_shift()
    compare(
        "MMD test, n = 50,000 a sample, 1,000 permutations", large_mmd, repeat=1, warmup=0, memory=True
    ) if FULL else None
    kernel_mean_matching()

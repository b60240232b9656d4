"""Double weighting and robust regression beside cvxpy, at the same optimum.

cvxpy gets the kernel's low-rank factor that our own solver uses, so that both solve the same programme.
"""

from __future__ import annotations

import os
from functools import partial

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.harness import compare
from statinf.numerics.kernels.lowrank import pivoted_cholesky
from statinf.shifts.kernels import rbf

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))
WIDTH, D = 1.0, 4.0


def samples(n: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(0)
    source, target = (rng.normal(mean, 1.0, (n, 2)) for mean in (0.0, 1.0))
    y = source @ [1.0, -0.5] + rng.normal(size=n) * (1.0 + (rng.random(n) < 0.1) * 4.0)
    return pd.DataFrame(source, columns=["x1", "x2"]).assign(y=y), pd.DataFrame(target, columns=["x1", "x2"])


def gap(pair: tuple[np.ndarray, np.ndarray], source: np.ndarray, target: np.ndarray) -> float:
    """The objective: squared discrepancy and ridge."""
    b, a = pair
    v, both = np.append(b / len(b), -a / len(a)), np.concatenate([source, target])
    return float(v @ rbf(both, both, WIDTH) @ v + b @ b / len(b) ** 2)


def ours(source: pd.DataFrame, target: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    made = si.density_ratio("~ x1 + x2", source, target, method="double", D=D, bandwidth=WIDTH, scale=False)
    return made.beta, made.alpha


def by_cvxpy(source: pd.DataFrame, target: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    import cvxpy as cp

    xs, xt = source[["x1", "x2"]].to_numpy(), target.to_numpy()
    n, t, both = len(xs), len(xt), np.concatenate([xs, xt])
    root = pivoted_cholesky(lambda at: rbf(both, both[at], WIDTH), np.ones(n + t), tol=1e-11, max_rank=n + t)
    assert root is not None
    b, a = cp.Variable(n), cp.Variable(t)
    apart = root[:n].T @ b / n - root[n:].T @ a / t
    rules = [b >= 0, b <= 1000 / np.sqrt(D), a >= 0, a <= 1, cp.norm(a - 1) <= (1 - 1 / np.sqrt(D)) * np.sqrt(t)]
    rules.append(cp.abs(cp.sum(b) / n - cp.sum(a) / t) <= 1 - 1 / np.sqrt(n))
    objective = 1e4 * (cp.sum_squares(apart) + cp.sum_squares(b) / n**2)
    cp.Problem(cp.Minimize(objective), rules).solve(solver="CLARABEL")
    return b.value, a.value


def robust(source: pd.DataFrame) -> float:
    fit = si.shift("y ~ x1 + x2", source, source, method="dro", ball="chi2", radius=0.5)
    return float(fit.worst_case_risk)


def robust_by_cvxpy(source: pd.DataFrame) -> float:
    """Duchi and Namkoong's dual: the root mean square of losses beyond a level."""
    import cvxpy as cp

    x, y = np.column_stack([np.ones(len(source)), source[["x1", "x2"]]]), source["y"].to_numpy()
    beta, level = cp.Variable(3), cp.Variable()
    losses = 0.5 * cp.square(y - x @ beta)
    worst = np.sqrt(2 * 0.5 + 1) / np.sqrt(len(y)) * cp.norm(cp.pos(losses - level)) + level
    return float(cp.Problem(cp.Minimize(worst)).solve(solver="CLARABEL"))


def apart(mine: float, peers: float) -> tuple[float, float]:
    """How far each objective lies above the lower one."""
    least = min(mine, peers)
    return mine / least - 1.0, peers / least - 1.0


def main() -> None:
    n = 100 if QUICK else 2000
    source, target = samples(n)
    xs, xt = source[["x1", "x2"]].to_numpy(), target.to_numpy()
    compare(
        f"double weights, D = 4, n = t = {n:,}",
        partial(ours, source, target),
        partial(by_cvxpy, source, target),
        repeat=1 if QUICK else 3,
        warmup=0 if QUICK else 1,
        check=lambda mine, peers: apart(gap(mine, xs, xt), gap(peers, xs, xt)),
        peer_name="cvxpy",
        note="Clarabel on the same low-rank factor; error: relative distance from the lower objective",
    )
    source, _ = samples(300 if QUICK else 20_000)
    compare(
        f"robust regression, chi-square ball, n = {len(source):,}",
        partial(robust, source),
        partial(robust_by_cvxpy, source),
        repeat=1 if QUICK else 3,
        check=apart,
        peer_name="cvxpy",
        note="Clarabel; error: relative distance from the lower worst-case loss",
    )


if __name__ == "__main__":
    main()

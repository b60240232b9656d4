"""Kernel balancing of missing outcomes beside cvxpy's exponential cones, on the same rows and kernel functions."""

from __future__ import annotations

import os
from functools import partial

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.harness import compare

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))
ANCHORS, BOUND, PRICE = 20, 1e-3, 100.0


def rows(n: int) -> pd.DataFrame:
    """Five covariates, a logit that is not linear, and half of the outcomes."""
    random = np.random.default_rng(0)
    x = random.normal(size=(n, 5))
    seen = random.random(n) < 1 / (1 + np.exp(-x[:, 0] + 0.5 * x[:, 1] * x[:, 2]))
    y = x.sum(axis=1) + x[:, 0] ** 2 + random.normal(size=n)
    return pd.DataFrame(x, columns=[f"x{j}" for j in range(5)]).assign(y=np.where(seen, y, np.nan))


def ours(data: pd.DataFrame) -> tuple[float, np.ndarray]:
    """The mean, its stacked standard error made as well, and the weights."""
    fit = si.missing_mean(
        "y ~ x0 + x1 + x2 + x3 + x4", data, base="uniform", n_anchors=ANCHORS, tols=BOUND, slack=PRICE
    )
    return float(fit.params["y"]), fit.weights.values / len(data)


def by_cvxpy(data: pd.DataFrame, anchors: np.ndarray, bandwidth: float) -> tuple[float, np.ndarray]:
    """The primal by Clarabel; no standard errors."""
    import cvxpy as cp

    x = data.drop(columns="y").to_numpy()
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    k = np.exp(-((x[:, None] - x[anchors]) ** 2).sum(axis=2) / (2 * bandwidth**2))
    seen = data["y"].notna().to_numpy()
    z, k = x[seen], (k - k.mean(axis=0))[seen]
    p = cp.Variable(len(z))
    over = cp.sum(cp.pos(cp.abs(p @ k) - BOUND))
    rules: list = [cp.sum(p) == 1, p @ z == 0]
    cp.Problem(cp.Minimize(-cp.sum(cp.entr(p)) + PRICE * over), rules).solve(solver=cp.CLARABEL)
    weights = np.zeros(len(data))
    weights[seen] = p.value
    return float(weights[seen] @ data["y"][seen]), weights


def objective(data: pd.DataFrame, fit: si.results.Fit, weights: np.ndarray) -> float:
    """Entropy and price of the weights."""
    x = data.drop(columns="y").to_numpy()
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    anchors = [int(t.rsplit(" ", 1)[1]) for t in fit.imbalance()["term"][5:]]
    k = np.exp(-((x[:, None] - x[anchors]) ** 2).sum(axis=2) / (2 * fit.facts["Bandwidth"] ** 2))
    over = np.maximum(np.abs(weights @ k - k.mean(axis=0)) - BOUND, 0).sum()
    p = weights[weights > 1e-300]
    return float(p @ np.log(p)) + PRICE * over


def main() -> None:
    n = 1_000 if QUICK else 10_000
    data = rows(n)
    fit = si.missing_mean("y ~ x0 + x1 + x2 + x3 + x4", data, base="uniform", n_anchors=ANCHORS)
    anchors = np.array([int(t.rsplit(" ", 1)[1]) for t in fit.imbalance()["term"][5:]])

    def excess(mine: tuple, peers: tuple) -> tuple[float, float]:
        found = [objective(data, fit, one[1]) for one in (mine, peers)]
        return abs(found[0] - min(found)), abs(found[1] - min(found))

    compare(
        f"kernel balancing of missing outcomes, n = {n:,}, {ANCHORS} anchors",
        partial(ours, data),
        partial(by_cvxpy, data, anchors, fit.facts["Bandwidth"]),
        repeat=1 if QUICK else 3,
        check=excess,
        peer_name="cvxpy",
        note="Clarabel on the primal; errors are objectives less the lower of both; ours with standard errors",
    )


if __name__ == "__main__":
    main()

"""Regressions of least CVaR beside cvxpy's cone programme, on the same rows."""

from __future__ import annotations

import os
from functools import partial

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.harness import compare

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))
LEVEL = 0.95


def rows(n: int, p: int) -> pd.DataFrame:
    """Heavy-tailed errors whose spread varies with the first regressor."""
    random = np.random.default_rng(0)
    X = random.normal(size=(n, p - 1))
    y = 1.0 + X @ random.normal(size=p - 1) + random.standard_t(5, n) * np.exp(0.3 * X[:, 0])
    return pd.DataFrame(X, columns=[f"x{j}" for j in range(1, p)]).assign(y=y)


def ours(data: pd.DataFrame, loss: str) -> np.ndarray:
    """Coefficients, with their sandwich standard errors made as well."""
    return si.cvar("y ~ " + " + ".join(data.columns.drop("y")), data, level=LEVEL, loss=loss).params.to_numpy()


def by_cvxpy(data: pd.DataFrame, loss: str) -> np.ndarray:
    """The programme in coefficients and the threshold, by Clarabel; no standard errors."""
    import cvxpy as cp

    X = np.column_stack([np.ones(len(data)), data.drop(columns="y")])
    theta, a = cp.Variable(X.shape[1]), cp.Variable()
    residual = data["y"].to_numpy() - X @ theta
    losses = cp.abs(residual) if loss == "absolute" else 0.5 * cp.square(residual)
    worst = cp.sum(cp.pos(losses - a)) / (len(data) * (1.0 - LEVEL))
    cp.Problem(cp.Minimize(a + worst)).solve(solver=cp.CLARABEL)
    return theta.value


def objective(data: pd.DataFrame, loss: str, theta: np.ndarray) -> float:
    """CVaR of the losses at these coefficients, exactly."""
    residual = data["y"] - theta[0] - data.drop(columns="y") @ theta[1:]
    return si.cvar_of(np.abs(residual) if loss == "absolute" else 0.5 * residual**2, LEVEL).cvar


def excess(data: pd.DataFrame, loss: str, mine: np.ndarray, peers: np.ndarray) -> tuple[float, float]:
    """How far either objective is above the lower of both, relative to it."""
    found = [objective(data, loss, theta) for theta in (mine, peers)]
    return found[0] / min(found) - 1.0, found[1] / min(found) - 1.0


def main() -> None:
    n, p = (2_000, 5) if QUICK else (100_000, 20)
    data = rows(n, p)
    for loss in ("absolute", "squared"):
        compare(
            f"cvar, {loss} loss, worst 5 percent, n = {n:,}, {p} columns",
            partial(ours, data, loss),
            partial(by_cvxpy, data, loss),
            repeat=1 if QUICK else 3,
            check=partial(excess, data, loss),
            peer_name="cvxpy",
            note="Clarabel; errors are objectives over the lower of both; ours with standard errors",
        )


if __name__ == "__main__":
    main()

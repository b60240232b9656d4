"""Penalised quantile regressions beside scikit-learn's QuantileRegressor, on the same rows."""

from __future__ import annotations

import os
from functools import partial

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.harness import compare

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))
TAU, PENALTY = 0.5, 0.05


def rows(n: int, p: int) -> pd.DataFrame:
    """Five columns matter; errors are heavy-tailed and spread with the first column. Columns have mean 0 and sd 1."""
    random = np.random.default_rng(0)
    X = random.normal(size=(n, p))
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    y = 1.0 + X[:, :5] @ [2.0, -1.0, 0.5, 0.3, -0.2] + random.standard_t(3, n) * (1.0 + 0.3 * np.abs(X[:, 0]))
    return pd.DataFrame(X, columns=[f"x{j}" for j in range(p)]).assign(y=y)


def ours(data: pd.DataFrame) -> np.ndarray:
    """Coefficients at the penalty."""
    return si.rq_path("y ~ .", data, tau=TAU, penalty=PENALTY).params.to_numpy()


def by_sklearn(data: pd.DataFrame) -> np.ndarray:
    """The linear programme at one penalty, by HiGHS."""
    from sklearn.linear_model import QuantileRegressor

    fit = QuantileRegressor(quantile=TAU, alpha=PENALTY).fit(data.drop(columns="y"), data["y"])
    return np.concatenate([[fit.intercept_], fit.coef_])


def objective(data: pd.DataFrame, coef: np.ndarray) -> float:
    r = (data["y"] - coef[0] - data.drop(columns="y") @ coef[1:]).to_numpy()
    return float(np.where(r < 0, (TAU - 1.0) * r, TAU * r).mean() + PENALTY * np.abs(coef[1:]).sum())


def excess(data: pd.DataFrame, mine: np.ndarray, peers: np.ndarray) -> tuple[float, float]:
    """How far either objective is above the lower of both, relative to it."""
    found = [objective(data, coef) for coef in (mine, peers)]
    return found[0] / min(found) - 1.0, found[1] / min(found) - 1.0


def main() -> None:
    for n, p in ((2_000, 10),) if QUICK else ((100_000, 50),):
        data = rows(n, p)
        compare(
            f"rq_path at one penalty, n = {n:,}, {p} columns",
            partial(ours, data),
            partial(by_sklearn, data),
            repeat=1,
            check=partial(excess, data),
            peer_name="scikit-learn QuantileRegressor",
            note="HiGHS at that penalty alone; errors are objectives over the lower of both",
        )


if __name__ == "__main__":
    main()

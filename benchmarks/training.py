"""Training weights of both arms beside scikit-learn's logistic regression, from a data frame to two columns of weights."""

from __future__ import annotations

import os
from functools import partial

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.harness import compare

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))


def rows(n: int, p: int) -> pd.DataFrame:
    """Two arms whose features differ in two of p columns."""
    random = np.random.default_rng(0)
    arm = (random.random(n) < 0.5) * 1
    x = random.standard_normal((n, p))
    x[:, :2] += 0.3 * arm[:, None]
    return pd.DataFrame(x, columns=[f"x{j}" for j in range(p)]).assign(arm=arm)


def ours(data: pd.DataFrame) -> np.ndarray:
    made = si.training_weights("arm ~ .", data, clip=0.0)
    return np.column_stack([made.w_treat.values, made.w_control.values])


def by_sklearn(data: pd.DataFrame) -> np.ndarray:
    """Maximum likelihood without a penalty by Newton's method, the fastest of its solvers for many rows and few columns."""
    from sklearn.linear_model import LogisticRegression

    x, arm = data.drop(columns="arm").to_numpy(), data["arm"].to_numpy()
    e = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-8).fit(x, arm).predict_proba(x)[:, 1]
    p = arm.mean()
    return np.column_stack([e / p, (1 - e) / (1 - p)])


def unbalanced(data: pd.DataFrame, mine: np.ndarray, peers: np.ndarray) -> tuple[float, float]:
    """Largest difference between weighted means and the arm's own, which the likelihood equations set to zero."""
    x, arm = data.drop(columns="arm").to_numpy(), data["arm"].to_numpy()

    def gap(w: np.ndarray) -> float:
        return max(
            float(np.abs(np.average(x, axis=0, weights=w[:, 1 - k]) - x[arm == k].mean(axis=0)).max()) for k in (0, 1)
        )

    return gap(mine), gap(peers)


def main() -> None:
    for n, p in ((20_000, 10),) if QUICK else ((100_000, 20), (1_000_000, 20)):
        data = rows(n, p)
        compare(
            f"training weights, n = {n:,}, {p} features",
            partial(ours, data),
            partial(by_sklearn, data),
            repeat=3,
            check=partial(unbalanced, data),
            peer_name="scikit-learn LogisticRegression",
            note="newton-cholesky; errors: weighted means less the arm's own",
        )


if __name__ == "__main__":
    main()

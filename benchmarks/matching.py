"""Matching beside a pipeline of scikit-learn's nearest neighbours, and targeted maximum likelihood beside one of statsmodels.

Both pipelines do the same work, from a data frame to the estimate and its standard error.
"""

from __future__ import annotations

import os
from functools import partial

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.harness import compare

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))


def rows(n: int, p: int) -> pd.DataFrame:
    random = np.random.default_rng(0)
    x = random.standard_normal((n, p))
    t = (random.random(n) < 1 / (1 + np.exp(1 - x[:, 0]))) * 1.0
    y = x.sum(axis=1) + t + random.standard_normal(n)
    frame = pd.DataFrame(x, columns=[f"x{j}" for j in range(p)])
    return frame.assign(t=t, y=y, b=(y > 0) * 1.0)


def formula(data: pd.DataFrame, outcome: str) -> str:
    return f"{outcome} ~ t | " + " + ".join(c for c in data if c[0] == "x")


def matched(data: pd.DataFrame) -> np.ndarray:
    fit = si.effect(formula(data, "y"), data, method="matching", estimand="ATT")
    return np.array([fit.theta[0], fit.std_errors.iloc[0]])


def by_neighbours(data: pd.DataFrame) -> np.ndarray:
    """One match per treated row in Mahalanobis distance, and Abadie and Imbens's variance from two neighbours of the same arm."""
    from sklearn.neighbors import NearestNeighbors

    x, t, y = data.filter(like="x").to_numpy(), data["t"].to_numpy() == 1, data["y"].to_numpy()
    z = x @ np.linalg.cholesky(np.linalg.inv(np.cov(x.T)))
    control = np.flatnonzero(~t)
    found = NearestNeighbors(n_neighbors=1, algorithm="brute", n_jobs=-1).fit(z[control]).kneighbors(z[t])[1][:, 0]
    effect = y[t] - y[control[found]]
    theta, n1 = effect.mean(), int(t.sum())
    times = np.bincount(control[found], minlength=len(y)).astype(float)
    variance = np.zeros(len(y))
    for arm in (t, ~t):
        # Rows that are matches, and all treated: others' variances are not asked for.
        here, asked = np.flatnonzero(arm), np.flatnonzero(arm & (t | (times > 0)))
        near = NearestNeighbors(n_neighbors=3, algorithm="brute", n_jobs=-1).fit(z[here]).kneighbors(z[asked])[1]
        variance[asked] = y[here[near]].var(axis=1, ddof=1)
    total = ((effect - theta) ** 2).sum() + ((times * (times - 1)) * variance)[~t].sum()
    return np.array([theta, np.sqrt(total) / n1])


def targeted(data: pd.DataFrame) -> np.ndarray:
    fit = si.effect(formula(data, "b"), data, method="tmle", clip=0.0)
    return np.array([fit.theta[0], fit.std_errors.iloc[0]])


def by_statsmodels(data: pd.DataFrame) -> np.ndarray:
    """Logits of treatment and outcome by arm, one fluctuation per arm, and the efficient influence function."""
    import statsmodels.api as sm

    x, t, y = sm.add_constant(data.filter(like="x").to_numpy()), data["t"].to_numpy(), data["b"].to_numpy()
    e = sm.GLM(t, x, family=sm.families.Binomial()).fit(tol=1e-12).predict(x)
    means, influence = [], []
    for arm, chance in ((0.0, 1 - e), (1.0, e)):
        here = t == arm
        q = np.clip(sm.GLM(y[here], x[here], family=sm.families.Binomial()).fit(tol=1e-12).predict(x), 0.0005, 0.9995)
        offset, clever = np.log(q / (1 - q)), 1 / chance
        slope = sm.GLM(y[here], clever[here], family=sm.families.Binomial(), offset=offset[here]).fit(tol=1e-12).params
        moved = 1 / (1 + np.exp(-(offset + slope[0] * clever)))
        means.append(moved.mean())
        influence.append(here * clever * (y - moved) + moved - moved.mean())
    gap = influence[1] - influence[0]
    return np.array([means[1] - means[0], np.sqrt(gap @ gap) / len(y)])


def apart(mine: np.ndarray, peers: np.ndarray) -> tuple[float, float]:
    """Largest relative difference of estimate and standard error."""
    return float(np.abs(mine / peers - 1).max()), 0.0


def main() -> None:
    n = 5_000 if QUICK else 100_000
    data = rows(n, 10)
    compare(
        f"matching 1:1 with Abadie-Imbens errors, ATT, n = {n:,}, 10 columns",
        partial(matched, data),
        partial(by_neighbours, data),
        repeat=1,
        check=apart,
        peer_name="scikit-learn NearestNeighbors",
        note="brute force with both cores, faster here than its trees; error: largest relative difference",
    )
    compare(
        f"TMLE, ATE, n = {n:,}, 10 columns",
        partial(targeted, data),
        partial(by_statsmodels, data),
        repeat=3,
        check=apart,
        peer_name="statsmodels GLM",
        note="error: largest relative difference",
    )


if __name__ == "__main__":
    main()

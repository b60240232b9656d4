"""Sequential intervals at every block of a stream beside none; forgetting and groups beside loops over rows and groups."""

from __future__ import annotations

import os
from functools import partial

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.harness import compare

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))


def rows(n: int, groups: int = 1) -> pd.DataFrame:
    random = np.random.default_rng(0)
    data = pd.DataFrame(random.standard_normal((n, 4)), columns=list("abcd"))
    data["y"] = 1.0 + data["a"] - 0.5 * data["b"] + random.standard_normal(n)
    data["k"] = random.poisson(np.exp(0.5 + 0.3 * data["a"])).astype(float)
    return data.assign(g=random.integers(0, groups, n))


def look(fit) -> object:
    return fit.conf_int(interval="sequential")


def work(fit, block: pd.DataFrame) -> object:
    return fit.update(block, **({"progress": False} if hasattr(fit, "averaged") else {})).theta


def recursive(data: pd.DataFrame, factor: float) -> np.ndarray:
    """Recursive least squares with a forgetting factor, row by row."""
    X, y = np.column_stack([np.ones(len(data)), data[list("abcd")]]), data["y"].to_numpy()
    P, theta = 1e8 * np.eye(5), np.zeros(5)
    for x, target in zip(X, y, strict=True):
        v = P @ x
        gain = v / (factor + x @ v)
        theta = theta + gain * (target - x @ theta)
        P = (P - np.outer(gain, v)) / factor
        P = 0.5 * (P + P.T)  # without it rounding grows by 1 / factor a row, and the loop diverges
    return theta


def by_loop(data: pd.DataFrame) -> np.ndarray:
    """statsmodels' Poisson regression with HC0 errors, group after group."""
    import statsmodels.api as sm

    out = []
    for _, part in data.groupby("g"):
        X = np.column_stack([np.ones(len(part)), part[["a", "b"]]])
        found = sm.GLM(part["k"].to_numpy(), X, family=sm.families.Poisson()).fit(cov_type="HC0")
        out.append([found.params, found.bse])
    return np.array(out)


def by_groups(data: pd.DataFrame) -> np.ndarray:
    found = si.lsa("k ~ a + b", data, loss="poisson", by="g").found
    return np.stack([found.theta, np.sqrt((found.root**2).sum(axis=2))], axis=1)


def main() -> None:
    n, groups = (50_000, 50) if QUICK else (1_000_000, 1_000)
    data = rows(n)
    for name, options in (("averaged", {"replicas": 0, "burn_in": 5_000}), ("renewable", {"method": "renewable"})):
        fit = si.lsa("y ~ a + b + c + d", data[:10_000], expected_rows=n, progress=False, **options)
        block = data[10_000:20_000]
        compare(
            f"{name}: sequential intervals of 5 coefficients", partial(look, fit), partial(work, fit, block), repeat=25,
            peer_name="working in 10,000 rows", note="one over the ratio is what a look after each such block costs",
        )  # fmt: skip
    few = rows(n // 10)
    compare(
        f"least squares that forget, {n // 10:,} rows",
        lambda: si.lsa("y ~ a + b + c + d", few, forget=0.999).theta,
        partial(recursive, few, 0.999),
        repeat=3,
        check=lambda ours, peer: float(np.abs(ours - peer).max()),
        peer_name="recursive least squares, row by row",
        note="ours has standard errors too",
    )
    many = rows(200 * groups, groups)
    compare(
        f"Poisson regressions of {groups:,} groups, {200 * groups:,} rows",
        partial(by_groups, many),
        partial(by_loop, many),
        repeat=3,
        check=lambda ours, peer: float(np.abs(ours[:, 0] - peer[:, 0]).max()),
        peer_name="statsmodels, group after group",
        note="the difference is of estimates",
    )


if __name__ == "__main__":
    main()

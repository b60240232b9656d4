"""Fifty quantiles at once by one network, beside fifty separate fits.

Both sides learn the levels 0.01, 0.03, ..., 0.99 on the same rows; errors are mean distances from the true quantiles over new
rows and all levels. Ours trains with four penalties and keeps one, compilation included.
"""

from __future__ import annotations

import os
import warnings
from functools import partial

import numpy as np
import pandas as pd
from scipy import stats

import statinf as si
from benchmarks.harness import compare

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))
LEVELS = np.arange(1, 100, 2) / 100


def rows(n: int, seed: int) -> pd.DataFrame:
    """A wave in x, a line in z, errors whose spread grows with x."""
    random = np.random.default_rng(seed)
    x, z = random.random((2, n))
    noise = np.exp(2 * x - 1) * random.standard_normal(n)
    return pd.DataFrame({"x": x, "z": z, "y": 2 * x * np.sin(4 * np.pi * x) + z + noise})


def truth(data: pd.DataFrame) -> np.ndarray:
    """Quantiles (n, 50)."""
    x, z = data["x"].to_numpy()[:, None], data["z"].to_numpy()[:, None]
    return 2 * x * np.sin(4 * np.pi * x) + z + np.exp(2 * x - 1) * stats.norm.ppf(LEVELS)


def ours(data: pd.DataFrame, new: pd.DataFrame, **options: object) -> np.ndarray:
    """The process from a formula, and its quantiles of new rows."""
    fit = si.quantile_process("y ~ x + z", data, progress=False, **options)
    return fit.predict(new, tau=LEVELS, monotone=None).to_numpy()


def by_boosting(data: pd.DataFrame, new: pd.DataFrame) -> np.ndarray:
    """A gradient boosting per level, as scikit-learn has it."""
    from sklearn.ensemble import GradientBoostingRegressor

    X, Z = data[["x", "z"]].to_numpy(), new[["x", "z"]].to_numpy()
    fits = (GradientBoostingRegressor(loss="quantile", alpha=t).fit(X, data["y"]) for t in LEVELS)
    return np.column_stack([fit.predict(Z) for fit in fits])


def error(new: pd.DataFrame, q: np.ndarray) -> float:
    """Mean distance from the true quantiles; prints in how many rows quantiles cross."""
    print(f"  quantiles cross in {100 * (np.diff(q, axis=1) < 0).any(axis=1).mean():.2f}% of rows")
    return float(np.abs(q - truth(new)).mean())


def main() -> None:
    warnings.simplefilter("ignore", si.StatinfWarning)
    n = 400 if QUICK else 10_000
    data, new = rows(n, 0), rows(2_000, 1)
    settings = {"epochs": 2} if QUICK else {}
    for network, peer in (("requ", by_boosting), ("gaps", None)):
        compare(
            f"quantile process, 50 levels, {network}, n = {n:,}, 2 covariates",
            partial(ours, data, new, network=network, **settings),
            None if peer is None else partial(peer, data, new),
            repeat=1,
            warmup=0,
            error=partial(error, new),
            peer_name="scikit-learn",
            note="peer: 50 GradientBoostingRegressor(loss='quantile'); errors: mean distance from the true quantiles; "
            "ours with compilation, requ with four penalties",
        )


if __name__ == "__main__":
    main()

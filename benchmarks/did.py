"""Group-time effects beside a loop over cells in statsmodels: a logit and a weighted regression for each cohort and period.

Both start at the data frame and end with effects and standard errors. The loop lays the panel side by side once and then fits, for
every cell, the cohort's logit against units never treated and the controls' regression of the change, and makes the doubly robust
effect and its influence values in NumPy.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from functools import partial

import numpy as np
import pandas as pd
import statsmodels.api as sm

import statinf as si
from benchmarks.harness import compare

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))
T = 10


def rows(n: int) -> pd.DataFrame:
    """A balanced panel of ten periods, nine cohorts and units never treated, whose trends go with a covariate."""
    random = np.random.default_rng(0)
    x, z, level = random.standard_normal((3, n))
    never = random.random(n) < 1 / (1 + np.exp(0.5 + 0.5 * x))
    cohort = np.where(never, 0, random.integers(2, T + 1, n))
    unit, t = np.repeat(np.arange(n), T), np.tile(np.arange(1, T + 1), n)
    on = (cohort[unit] > 0) & (t >= cohort[unit])
    y = level[unit] + 0.1 * t * x[unit] + on + random.standard_normal(n * T)
    return pd.DataFrame({"unit": unit, "t": t, "y": y, "x": x[unit], "z": z[unit], "cohort": cohort[unit]})


def ours(data: pd.DataFrame) -> np.ndarray:
    fit = si.did("y ~ 1 | x + z", data, id="unit", time="t", cohort="cohort")
    return np.array([fit.theta, fit._se()])


def loop(data: pd.DataFrame) -> np.ndarray:
    """Effects and standard errors, cell by cell."""
    y = data.pivot(index="unit", columns="t", values="y").to_numpy()
    first = data.drop_duplicates("unit").set_index("unit").sort_index()
    x, cohort, n = first[["x", "z"]].to_numpy(), first["cohort"].to_numpy(), len(first)
    effects, influence = [], []
    for g in range(2, T + 1):
        used = (cohort == g) | (cohort == 0)
        d, columns = (cohort[used] == g) * 1.0, sm.add_constant(x[used])
        for t in range(2, T + 1):
            base = g - 1 if t >= g else t - 1
            change = y[used, t - 1] - y[used, base - 1]
            logit = sm.GLM(d, columns, family=sm.families.Binomial()).fit()
            p = logit.fittedvalues
            line = sm.OLS(change[d == 0], columns[d == 0]).fit()
            rest = change - columns @ line.params
            odds = (1 - d) * p / (1 - p)
            one, other = d / d.sum(), odds / odds.sum()
            mean = other @ rest
            score = ((d - p)[:, None] * columns) @ np.linalg.inv(columns.T @ (columns * (p * (1 - p))[:, None]))
            moved = (other * (rest - mean)) @ columns
            turned = np.linalg.inv(columns[d == 0].T @ columns[d == 0])
            own = one * (rest - one @ rest) - other * (rest - mean) - score @ moved
            own -= (1 - d) * rest * (columns @ (turned @ ((one - other) @ columns)))
            full = np.zeros(n)
            full[used] = own
            effects.append(one @ rest - mean)
            influence.append(full)
    covariance = np.array(influence) @ np.array(influence).T
    return np.array([effects, np.sqrt(np.diag(covariance))])


def main() -> None:
    for n in (5_000,) if QUICK else (10_000, 100_000):
        data = rows(n)

        def gap(mine: np.ndarray, peers: np.ndarray) -> tuple[float, float]:
            return float(np.abs(mine - peers).max()), 0.0

        compare(
            f"{n:,} units, {T} periods, 81 cells, dr",
            partial(ours, data),
            partial(loop, data),
            repeat=3,
            check=gap,
            peer_name="statsmodels",
            note="error: largest difference of effects and standard errors to the loop's",
        )


if __name__ == "__main__":
    main()

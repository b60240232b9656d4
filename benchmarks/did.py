"""Group-time effects beside a loop over cells in statsmodels: a logit and a weighted regression for each cohort and period.

The loop does what ours does once the panel lies side by side in arrays: for every cell the cohort's logit against units never
treated, the controls' regression of the change, the doubly robust effect and its influence values, and from these the covariance.
It is handed the arrays; ours starts at the data frame.
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


def loop(y: np.ndarray, x: np.ndarray, cohort: np.ndarray) -> np.ndarray:
    """Effects and standard errors, cell by cell."""
    n = len(y)
    effects, errors, influence = [], [], []
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
    errors = np.sqrt(np.diag(covariance))
    return np.array([effects, errors])


def main() -> None:
    for n in (5_000,) if QUICK else (10_000, 100_000):
        data = rows(n)
        y, first = data["y"].to_numpy().reshape(n, T), data.iloc[::T]

        def gap(mine: np.ndarray, peers: np.ndarray) -> tuple[float, float]:
            return float(np.abs(mine - peers).max()), 0.0

        compare(
            f"{n:,} units, {T} periods, 81 cells, dr",
            partial(ours, data),
            partial(loop, y, first[["x", "z"]].to_numpy(), first["cohort"].to_numpy()),
            repeat=3,
            check=gap,
            peer_name="statsmodels",
            note="error: largest difference of effects and standard errors to the loop's",
        )


if __name__ == "__main__":
    main()

"""Continuous-time temporal differences beside a loop over transitions in plain Python with NumPy, on the same rows."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.harness import compare

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))
DISCOUNT = 0.5


def ours(data: pd.DataFrame) -> np.ndarray:
    """Coefficients from the formula, with errors by episode made as well."""
    fit = si.ctd("reward ~ x + I(x**2)", data, id="episode", time="time", discount=DISCOUNT)
    return np.append(fit.theta, fit.std_errors)


def by_loop(data: pd.DataFrame) -> np.ndarray:
    """The matrix and the right side summed one transition after the other, and episode sums for the errors."""
    episode, time, x, reward = (data[c].to_numpy() for c in ("episode", "time", "x", "reward"))
    A, b = np.zeros((3, 3)), np.zeros(3)
    phi = np.array([1.0, x[0], x[0] ** 2])
    for k in range(len(x) - 1):
        after = np.array([1.0, x[k + 1], x[k + 1] ** 2])
        if episode[k + 1] == episode[k]:
            dt = time[k + 1] - time[k]
            A += np.outer(phi, phi * (1.0 + DISCOUNT * dt) - after)
            b += phi * (reward[k] * dt)
        phi = after
    theta = np.linalg.solve(A, b)
    sums = np.zeros((int(episode.max()) + 1, 3))
    phi = np.array([1.0, x[0], x[0] ** 2])
    for k in range(len(x) - 1):
        after = np.array([1.0, x[k + 1], x[k + 1] ** 2])
        if episode[k + 1] == episode[k]:
            dt = time[k + 1] - time[k]
            sums[episode[k]] += phi * (reward[k] * dt + (after - phi * (1.0 + DISCOUNT * dt)) @ theta)
        phi = after
    influence = sums @ np.linalg.inv(A).T
    return np.append(theta, np.sqrt((influence**2).sum(axis=0) * len(sums) / (len(sums) - 1)))


def same(mine: np.ndarray, loop: np.ndarray) -> float:
    """Largest relative distance of estimates and errors."""
    np.testing.assert_allclose(mine, loop, rtol=1e-6)
    return float(np.max(np.abs(mine / loop - 1.0)))


def main() -> None:
    n = 20_200 if QUICK else 1_010_000
    data = si.datasets.simulate("ornstein_uhlenbeck", n, seed=1)
    compare(
        f"ctd, clstd with errors by episode, {n // 101 * 100:,} transitions",
        lambda: ours(data),
        lambda: by_loop(data),
        peer_name="Python loop",
        repeat=1 if QUICK else 3,
        warmup=1,
        check=same,
    )


if __name__ == "__main__":
    main()

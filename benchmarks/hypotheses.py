"""Wild cluster bootstrap tests beside wildboottest, Romano and Wolf's adjustment and randomisation tests beside NumPy loops.

Without wildboottest its comparisons are left as they are.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.harness import compare

REPLICAS = 9999


def clustered(n: int, groups: int, columns: int = 10) -> pd.DataFrame:
    random = np.random.default_rng(0)
    g = random.integers(0, groups, n)
    x = random.standard_normal((n, columns)) + random.standard_normal((groups, columns))[g]
    y = x @ np.linspace(0.02, 0.2, columns) + random.standard_normal(n) + random.standard_normal(groups)[g]
    return pd.DataFrame(x, columns=[f"x{j}" for j in range(columns)]).assign(y=y, g=g)


def wild(n: int, groups: int, repeat: int = 5) -> None:
    """From the fitted model to the p-value, and for ours the interval."""
    data = clustered(n, groups)
    terms = [f"x{j}" for j in range(10)]
    fit = si.lm("y ~ " + " + ".join(terms), data, cluster="g")

    def ours() -> float:
        return fit.test("x0 = 0", bootstrap="wild", replicas=REPLICAS).p_value

    peer = _wildboottest(data, terms)
    if peer is None:
        print("wildboottest is not installed; its comparisons are left as they are")
        return
    note = "statinf's time holds the confidence interval as well, which wildboottest has not"
    compare(
        f"wild cluster bootstrap, n = {n:,}, {groups} clusters, 11 columns, {REPLICAS:,} replicas",
        ours,
        peer,
        repeat=repeat,
        check=_near,
        peer_name="wildboottest",
        note=note,
    )


def _wildboottest(data: pd.DataFrame, terms: list[str]) -> Any:
    try:
        import statsmodels.api as sm
        from wildboottest.wildboottest import wildboottest
    except ImportError:
        return None
    model = sm.OLS(data["y"], sm.add_constant(data[terms]))
    codes = data["g"].to_numpy()

    def peer() -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = wildboottest(model, B=REPLICAS, cluster=codes, param="x0", show=False, seed=1)
        return float(found["p-value"].iloc[0])

    return peer


def _near(ours: float, theirs: float) -> float:
    """Monte Carlo error of two independent shares."""
    half = 5 * np.sqrt(2 * 0.25 / REPLICAS)
    assert abs(ours - theirs) < half, (ours, theirs)
    return abs(ours - theirs)


def step_down(n: int = 20_000, columns: int = 50) -> None:
    """The loop draws multipliers and steps down as the definition says."""
    data = clustered(n, 100, columns)
    fit = si.lm("y ~ " + " + ".join(f"x{j}" for j in range(columns)), data)
    influence, theta, error = fit.influence, fit.theta, fit.std_errors.to_numpy()

    def loop() -> np.ndarray:
        random = np.random.default_rng(0)
        draws = np.array([np.abs(random.choice([-1.0, 1.0], n) @ influence) for _ in range(499)])[:, 1:]
        draws /= np.sqrt((draws**2).mean(axis=0))
        t, left, out, last = np.abs(theta / error)[1:], list(range(columns)), np.ones(columns), 0.0
        while left:
            best = max(left, key=lambda j: t[j])
            last = max(last, (1 + np.count_nonzero(draws[:, left].max(axis=1) >= t[best])) / 500)
            out[best] = last
            left.remove(best)
        return out

    compare(
        f"Romano-Wolf, {columns} coefficients, n = {n:,}, 499 multipliers",
        lambda: fit.adjust("romano-wolf", replicas=499, law="rademacher")["adj_p_value"].to_numpy(),
        loop,
        repeat=3,
        check=lambda a, b: float(np.abs(a - b).max()),
        peer_name="NumPy loop",
    )


def assignments(n: int = 1000) -> None:
    """The loop refits by least squares with HC2 standard errors."""
    random = np.random.default_rng(0)
    t, x = (np.arange(n) % 2).astype(float), random.standard_normal((n, 4))
    y = 0.1 * t + x.sum(axis=1) + random.standard_normal(n)
    data = pd.DataFrame(x, columns=list("abcd")).assign(y=y, t=t)
    fit = si.lm("y ~ t + a + b + c + d", data, vcov="HC2")

    def refit(treatment: np.ndarray) -> float:
        columns = np.column_stack([np.ones(n), treatment, x])
        inverse = np.linalg.inv(columns.T @ columns)
        beta = inverse @ (columns.T @ y)
        e = y - columns @ beta
        h = np.einsum("ij,jk,ik->i", columns, inverse, columns)
        variance = inverse @ (columns.T * (e**2 / (1 - h))) @ columns @ inverse
        return float(abs(beta[1]) / np.sqrt(variance[1, 1]))

    def loop() -> float:
        drawn = np.random.default_rng(0)
        own = refit(t)
        return (1 + sum(refit(drawn.permutation(t)) >= own for _ in range(1999))) / 2000

    compare(
        f"randomisation test, n = {n:,}, 6 columns, 1,999 assignments, HC2",
        lambda: fit.randomization_test("t", permutations=1999).p_value,
        loop,
        repeat=3,
        check=lambda a, b: abs(a - b),
        peer_name="NumPy loop of refits",
        note="statinf's time holds the confidence interval as well",
    )


if __name__ == "__main__":
    wild(100_000, 50)
    wild(100_000, 500, repeat=3)
    step_down()
    assignments()

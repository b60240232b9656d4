"""Data and estimates that the tests of the array layer share."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from statinf.balancing.problem import BalanceProblem
from statinf.balancing.solution import BalanceSolution
from statinf.datasets import load

REFERENCE = Path(__file__).parent.parent / "reference" / "balance"


def solve(
    module: ModuleType, sample: BalanceProblem, estimand: str = "ATE", *, seed: int = 0, **options: Any
) -> BalanceSolution:
    """The solution of a method's module with options as a caller writes them."""
    settings = module.METHOD.options(**options)
    module.METHOD.check_estimand(estimand, settings)
    return module.METHOD.estimate(replace(sample, estimand=estimand, seed=seed), settings)


def from_frame(x: pd.DataFrame, treated, y, s=None) -> tuple[BalanceProblem, np.ndarray]:
    t = np.asarray(treated) == 1
    s = np.ones(len(t)) if s is None else np.asarray(s, float)
    return BalanceProblem(x.to_numpy(float), t, s, tuple(x.columns)), np.asarray(y, float)


@cache
def data(name: str) -> tuple[BalanceProblem, np.ndarray]:
    """The samples of the reference numbers: "lalonde", "lalonde_levels" (every level of race), "nsw_psid", "kang_schafer_X"
    and "kang_schafer_Z"."""
    if name.startswith("lalonde"):
        d = load("lalonde")
        x = d[["age", "educ", "married", "nodegree", "re74", "re75"]].astype(float)
        for level in ("hispan", "white") + (("black",) if name.endswith("levels") else ()):
            x[level] = (d["race"] == level).astype(float)
        return from_frame(x, d["treat"], d["re78"])
    if name == "nsw_psid":
        d = load("nsw_psid")
        x = d[["age", "educ", "black", "hispan", "married", "nodegree", "re74", "re75"]].astype(float)
        x["u74"], x["u75"] = (d["re74"] == 0).astype(float), (d["re75"] == 0).astype(float)
        return from_frame(x, d["treat"], d["re78"])
    d = pd.read_csv(REFERENCE / "kang_schafer_n1000.csv")
    letter = name[-1].lower()
    return from_frame(d[[f"{letter}{k}" for k in range(1, 5)]], d["treat"], d["y"])


def hajek(sample: BalanceProblem, y: np.ndarray, solution: BalanceSolution) -> tuple[float, np.ndarray, np.ndarray]:
    """Difference in weighted means, its influence values with estimated weights, and with the weights as known."""
    t, w = sample.treated, solution.values
    mean1, mean0 = np.average(y[t], weights=w[t]), np.average(y[~t], weights=w[~t])
    unit = np.where(t, (y - mean1) / w[t].sum(), -(y - mean0) / w[~t].sum())
    fixed = w * unit
    if solution.linear is None:
        return mean1 - mean0, fixed, fixed
    expansion = solution.linear()
    return mean1 - mean0, fixed + expansion.influence @ (expansion.derivative.T @ unit), fixed


def sizes(sample: BalanceProblem, solution: BalanceSolution) -> tuple[float, float]:
    t, w = sample.treated, solution.values
    return w[t].sum() ** 2 / (w[t] @ w[t]), w[~t].sum() ** 2 / (w[~t] @ w[~t])


def simulated(n: int, p: int, seed: int, strength: float = 0.3) -> tuple[BalanceProblem, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p))
    t = rng.random(n) < 1 / (1 + np.exp(-strength * x.sum(axis=1) / np.sqrt(p)))
    y = x.sum(axis=1) + t + rng.normal(size=n)
    return BalanceProblem(x, t, np.ones(n), tuple(f"x{j}" for j in range(p))), y

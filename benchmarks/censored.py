"""Censored quantile regressions beside R's quantreg: one process of levels, and the bootstrap of one.

Times are of whole verbs, from a data frame to coefficients (ours includes reading the formula); R is timed inside one running
process, its crq likewise. Errors are root mean squared distances to the true coefficients of the design, the same for both where
both solve the same equations.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import shutil
from functools import partial

import numpy as np
import pandas as pd
from scipy.stats import norm

import statinf as si
from benchmarks.harness import compare
from benchmarks.quantile import RSession

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))
STEP, TAU = 0.01, [0.2, 0.4, 0.6]


def rows(n: int, p: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Times 2 + sum x / 2 + (1 + .3 x1) e censored at random, and the true coefficients by level."""
    random = np.random.default_rng(0)
    X = random.uniform(-1, 1, (n, p))
    t = 2 + X.sum(axis=1) / 2 + (1 + 0.3 * X[:, 0]) * random.standard_normal(n)
    c = random.uniform(1, 6, n)
    data = pd.DataFrame(X, columns=[f"x{j}" for j in range(p)]).assign(y=np.minimum(t, c), d=(t <= c) * 1.0)
    q = norm.ppf(TAU)
    return data, np.column_stack([2 + q, 0.5 + 0.3 * q, np.full((len(q), p - 1), 0.5)])


def fitted(data: pd.DataFrame, method: str) -> np.ndarray:
    formula = "cbind(y, d) ~ " + " + ".join(c for c in data if c[0] == "x")
    return si.crq(formula, data, tau=TAU, method=method, step=STEP).coef


def drawn(data: pd.DataFrame, method: str, replicas: int) -> np.ndarray:
    formula = "cbind(y, d) ~ " + " + ".join(c for c in data if c[0] == "x")
    fit = si.crq(formula, data, tau=TAU, method=method, step=STEP)
    return fit.bootstrap(replicas, "bayesian", progress=False).std_errors.to_numpy()


def main() -> None:
    if shutil.which("Rscript") is None:
        print("R is not on the path; nothing to compare with.")
        return
    r = RSession()
    r.run("suppressMessages(library(survival))")
    for n, p in ((500, 3),) if QUICK else ((500, 3), (5_000, 5)):
        data, truth = rows(n, p)
        r.give("X", data.filter(like="x").to_numpy())
        r.give("y", data["y"].to_numpy())
        r.give("d", data["d"].to_numpy())
        levels = f"seq({STEP}, {max(TAU) + 3 * STEP}, by = {STEP})"
        for method, theirs in (("portnoy", "Portnoy"), ("peng-huang", "PengHuang")):
            call = f'crq(Surv(y, d) ~ X, method = "{theirs}", grid = {levels})'

            def error(ours: np.ndarray, peers: np.ndarray, truth: np.ndarray = truth) -> tuple[float, float]:
                both = (ours, peers.reshape(truth.shape))
                return tuple(float(np.sqrt(((b - truth) ** 2).mean())) for b in both)  # type: ignore[return-value]

            compare(
                f"{method}, 61 levels, n = {n:,}, {p} columns",
                partial(fitted, data, method),
                lambda call=call: r.numbers(f"coef({call}, c({', '.join(map(str, TAU))}))"),
                repeat=3,
                check=error,
                peer_name="quantreg crq",
                peer_version=r.version,
                note="R's standard errors are a bootstrap of their own, ours are part of the time",
            )
            if n <= 500:
                boot = f'summary({call}, c({", ".join(map(str, TAU))}), bmethod = "Bose", R = 100)'
                spread = fitted_errors(data, method)
                compare(
                    f"{method} with standard errors, n = {n:,}",
                    partial(fitted, data, method),
                    lambda boot=boot: r.numbers(f"sapply({boot}, function(s) s$coefficients[, 4])"),
                    repeat=1,
                    peer_name="quantreg summary.crq",
                    peer_version=r.version,
                    note="ours by influence, R's by 100 replicas, the only errors it has",
                )
                compare(
                    f"{method}, 100 bootstrap replicas, n = {n:,}",
                    partial(drawn, data, method, 100),
                    lambda boot=boot: r.numbers(f"sapply({boot}, function(s) s$coefficients[, 4])"),
                    repeat=1,
                    check=lambda a, b, s=spread: (float(np.abs(a / s - 1).mean()), float(np.abs(b / s - 1).mean())),
                    peer_name="quantreg summary.crq",
                    peer_version=r.version,
                    note="errors: mean relative distance of standard errors to those of the influence",
                )
    r.close()


def fitted_errors(data: pd.DataFrame, method: str) -> np.ndarray:
    formula = "cbind(y, d) ~ " + " + ".join(c for c in data if c[0] == "x")
    return si.crq(formula, data, tau=TAU, method=method, step=STEP).std_errors.to_numpy()


if __name__ == "__main__":
    main()

"""Calibration to known margins beside a NumPy loop of R survey's algorithm, and multilevel regression beside statsmodels.

Where ``Rscript`` has the package survey, its own time on data of the same law stands in the note.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.harness import compare

FULL = os.environ.get("STATINF_BENCH_FULL") == "1"
SHARES = np.linspace(1.0, 1.4, 3) / np.linspace(1.0, 1.4, 3).sum()
R_SCRIPT = """
suppressMessages(library(survey)); set.seed(1); n <- %d
d <- as.data.frame(lapply(1:10, function(k) factor(sample(c("a", "b", "c"), n, TRUE)))); names(d) <- paste0("g", 0:9)
d$w <- runif(n, 1, 3); N <- sum(d$w); s <- seq(1, 1.4, length = 3); s <- s / sum(s)
f <- as.formula(paste("~", paste(names(d)[1:10], collapse = "+"))); pop <- c(N, rep(s[2:3] * N, 10))
names(pop) <- colnames(model.matrix(f, d[1:100, ])); des <- svydesign(ids = ~1, weights = ~w, data = d)
cat(system.time(calibrate(des, f, pop, calfun = "raking"))[c("elapsed", "user.self")])
"""


def categories(n: int) -> tuple[pd.DataFrame, dict[str, dict[str, float]]]:
    """Ten variables of three levels, which are twenty margins, and sampling weights."""
    rng = np.random.default_rng(0)
    made = {f"g{k}": pd.Categorical.from_codes(rng.integers(0, 3, n), list("abc")) for k in range(10)}
    frame = pd.DataFrame(made).assign(w=rng.uniform(1, 3, n))
    return frame, {f"g{k}": dict(zip("abc", SHARES, strict=True)) for k in range(10)}


def numbers(n: int) -> tuple[pd.DataFrame, dict[str, float]]:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(n, 20)), columns=[f"x{k}" for k in range(20)])
    return frame.assign(w=rng.uniform(1, 3, n)), {f"x{k}": 0.1 for k in range(20)}


def raking_loop(frame: pd.DataFrame, margins: Mapping[str, Any], *, literal: bool) -> np.ndarray:
    """survey's Newton iteration on the dense model matrix, to its own tolerance of 1e-7.

    `literal` follows its lines: column sums of products with the whole matrix, twice an iteration, and a pseudo-inverse.
    """
    n, w = len(frame), frame["w"].to_numpy()
    columns, means = [np.ones(n)], [1.0]
    for name, margin in margins.items():
        if isinstance(margin, dict):
            for level in list(margin)[1:]:
                columns.append((frame[name] == level).to_numpy(float))
                means.append(margin[level])
        else:
            columns.append(frame[name].to_numpy())
            means.append(margin)
    x, population = np.column_stack(columns), np.array(means) * w.sum()
    eta, g = np.zeros(x.shape[1]), np.ones(n)
    start = (x * w[:, None]).sum(axis=0)
    for _ in range(50):
        if literal:
            square = (x * w[:, None] * g[:, None]).T @ x
            gap = population - start - (x * w[:, None] * (g - 1.0)[:, None]).sum(axis=0)
            eta = eta + np.linalg.pinv(square) @ gap
            g = np.exp(x @ eta)
            gap = population - start - (x * w[:, None] * (g - 1.0)[:, None]).sum(axis=0)
        else:
            square = x.T @ (x * (w * g)[:, None])
            eta = eta + np.linalg.solve(square, population - x.T @ (w * g))
            g = np.exp(x @ eta)
            gap = population - x.T @ (w * g)
        if np.max(np.abs(gap) / (1 + np.abs(population))) < 1e-7:
            break
    return w * g


def survey_seconds(n: int) -> str:
    """What R survey takes, for the note; empty without it."""
    if shutil.which("Rscript") is None:
        return ""
    done = subprocess.run(["Rscript", "-e", R_SCRIPT % n], capture_output=True, text=True, check=False)
    if done.returncode:
        return ""
    elapsed, user = (float(v) for v in done.stdout.split())
    return f"; R survey 4.1-1, calibrate alone, same law and machine: {elapsed:.1f} s elapsed, {user:.1f} s of CPU"


def apart(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Largest relative difference: survey's loop stops at a misfit of 1e-7."""
    found = float(np.abs(ours / theirs - 1).max())
    assert found < 1e-6, found
    return found


def calibration(what: str, n: int, *, literal: bool, note: str = "") -> None:
    frame, margins = categories(n) if what == "categories" else numbers(n)
    formula = "~ " + " + ".join(margins)
    style = "line by line" if literal else "lean"
    compare(
        f"raking to 20 margins of {what}, n = {n:,}, whole call ({style} loop)",
        lambda: si.density_ratio(formula, frame, margins, weights="w").values,
        lambda: raking_loop(frame, margins, literal=literal),
        repeat=3,
        check=apart,
        peer_name="NumPy loop of survey",
        note=("its lines as they stand" if literal else "one cross-product and one solve an iteration") + note,
    )


def multilevel(n: int = 20_000, levels: int = 50) -> None:
    """statsmodels takes one grouping; both fit by REML. Ours gives the poststratified means as well."""
    import statsmodels.formula.api as smf

    rng = np.random.default_rng(1)
    g, x = rng.integers(0, levels, n), rng.normal(size=n)
    y = 1 + 0.5 * x + rng.normal(size=levels)[g] + rng.normal(size=n)
    frame = pd.DataFrame({"y": y, "x": x, "g": g.astype(str)})

    def ours() -> float:
        return si.target_mean("y ~ x | g", frame, frame, method="mrp", census=True, prior="none").variances["g"]

    def peer() -> float:
        return float(smf.mixedlm("y ~ x", frame, groups=frame["g"]).fit(reml=True).cov_re.iloc[0, 0])

    def close(a: float, b: float) -> float:
        assert abs(a / b - 1) < 2e-3, (a, b)  # where its optimiser stops
        return abs(a / b - 1)

    compare(
        f"random intercepts, n = {n:,}, {levels} levels",
        ours,
        peer,
        repeat=3,
        check=close,
        peer_name="statsmodels MixedLM",
    )


if __name__ == "__main__":
    calibration("categories", 1_000_000, literal=True, note=survey_seconds(1_000_000))
    calibration("categories", 1_000_000, literal=False)
    calibration("numbers", 300_000, literal=True)
    calibration("numbers", 300_000, literal=False)
    multilevel()

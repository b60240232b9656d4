"""Covariances with few assumptions beside R's clubSandwich, statsmodels and loops over all pairs of rows.

clubSandwich's own time stands in the note of CR2, where ``Rscript`` has it: `vcovCR` and `coef_test` on the same data, a fit
made before. Both print their errors: the largest difference of standard errors and degrees of freedom.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.harness import compare
from statinf.inference.space import EARTH, spatial_sums

R_SCRIPT = """
suppressMessages(library(clubSandwich)); d <- read.csv("data.csv"); fit <- lm(y ~ x0 + x1 + x2 + x3 + x4, d)
t <- system.time({V <- vcovCR(fit, d$g, "CR2"); out <- coef_test(fit, V, test = "Satterthwaite")})
df <- if ("df_Satt" %in% names(out)) out$df_Satt else out$df
cat(t[["elapsed"]], t[["user.self"]], as.character(packageVersion("clubSandwich")), format(c(out$SE, df), digits = 17))
"""
FORMULA = "y ~ x0 + x1 + x2 + x3 + x4"


def clustered(n: int, groups: int) -> pd.DataFrame:
    """Clusters of unequal sizes with a shared part of the errors."""
    rng = np.random.default_rng(0)
    g = np.sort(rng.choice(groups, n, p=(share := np.exp(np.linspace(0, 1, groups))) / share.sum()))
    data = pd.DataFrame(rng.normal(size=(n, 5)), columns=[f"x{k}" for k in range(5)])
    data["x4"] += rng.normal(size=groups)[g]
    return data.assign(g=g, t=np.arange(n), y=data["x0"] + rng.normal(size=groups)[g] + rng.normal(size=n))


def of_clubsandwich(data: pd.DataFrame) -> tuple[np.ndarray, str] | None:
    """Its standard errors and degrees of freedom, and its time; None where it is not installed."""
    if shutil.which("Rscript") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        data.to_csv(Path(folder) / "data.csv", index=False)
        done = subprocess.run(["Rscript", "-e", R_SCRIPT], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        return None
    elapsed, user, version, *numbers = done.stdout.split()
    return np.array(
        numbers, float
    ), f"clubSandwich {version} took {float(elapsed):.1f} s (processor: {float(user):.1f} s)"


def corrected(fit: Any, kind: Any) -> np.ndarray:
    found = fit.with_vcov(kind)
    return np.append(found.std_errors, found.cov.each)


def cr2(n: int, groups: int) -> None:
    data = clustered(n, groups)
    theirs = of_clubsandwich(data)
    fit = si.lm(FORMULA, data)

    def distance(ours: np.ndarray, _: Any) -> tuple[float | None, None]:
        return (None if theirs is None else float(np.abs(ours / theirs[0] - 1).max())), None

    compare(
        f"CR2 and its degrees of freedom, n = {n:,}, {groups:,} clusters, 6 columns",
        partial(corrected, fit, {"cluster": "g", "type": "CR2"}),
        check=distance,
        note="clubSandwich is not installed" if theirs is None else theirs[1],
    )


def hac(n: int, lags: int) -> None:
    import statsmodels.api as sm

    data = clustered(n, 100)
    fit = si.lm(FORMULA, data)
    x = np.column_stack([np.ones(n), data[[f"x{k}" for k in range(5)]]])
    solved = sm.OLS(data["y"].to_numpy(), x).fit()
    scores = x * np.asarray(solved.resid)[:, None]
    long = [scores[lag:].T @ scores[: n - lag] * (1 - lag / (lags + 1)) for lag in range(lags + 1)]
    bread = np.linalg.inv(x.T @ x)
    exact = np.sqrt(np.diag(bread @ (long[0] + sum(m + m.T for m in long[1:])) @ bread))
    compare(
        f"HAC, n = {n:,}, {lags} lags, 6 columns",
        lambda: fit.with_vcov({"hac": lags, "time": "t", "adjust": False}).std_errors.to_numpy(),
        lambda: np.asarray(solved.get_robustcov_results("HAC", maxlags=lags, use_correction=False).bse),
        peer_name="statsmodels",
        error=lambda found: float(np.abs(found / exact - 1).max()),
    )


def all_pairs(scores: np.ndarray, lat: np.ndarray, lon: np.ndarray, cutoff: float) -> np.ndarray:
    phi, lam = np.radians(lat), np.radians(lon)
    a = (
        np.sin((phi[:, None] - phi) / 2) ** 2
        + np.cos(phi[:, None]) * np.cos(phi) * np.sin((lam[:, None] - lam) / 2) ** 2
    )
    weights = np.maximum(1 - 2 * EARTH * np.arcsin(np.sqrt(a)) / cutoff, 0)
    return scores.T @ (weights @ scores)


def conley(n: int, cutoff: float, *, peer: bool) -> None:
    rng = np.random.default_rng(1)
    lat, lon, scores = rng.uniform(25, 49, n), rng.uniform(-124, -67, n), rng.normal(size=(n, 6))
    exact = all_pairs(scores, lat, lon, cutoff) if peer else None
    compare(
        f"Conley, Bartlett, n = {n:,}, {cutoff:g} km, 6 columns",
        lambda: spatial_sums(scores, lat, lon, cutoff, "bartlett"),
        (lambda: all_pairs(scores, lat, lon, cutoff)) if peer else None,
        peer_name="NumPy, all pairs",
        error=None if exact is None else lambda found: float(np.abs(found - exact).max() / np.abs(exact).max()),
        repeat=3,
    )


def main() -> None:
    warnings.simplefilter("ignore")
    full = os.environ.get("STATINF_BENCH_FULL") == "1"
    cr2(100_000, 1_000)
    hac(100_000, 20)
    conley(3_000, 100.0, peer=True)
    conley(100_000, 50.0, peer=False)
    if full:
        cr2(1_000_000, 10_000)


if __name__ == "__main__":
    main()

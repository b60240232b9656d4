"""Coverage of intervals of the proportional-odds model of `si.presto`: slopes, boundaries, probabilities, clusters.

Run as ``python -m benchmarks.presto_coverage [REPLICATIONS [BOOTSTRAPPED]]``.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import logit
from scipy.stats import norm

import statinf as si

LEVEL = 0.95
SIZES = (100, 400, 1600)
CUTS = np.array([0.0, 1.5, 3.0])
REPLICAS = 199
NEW = pd.DataFrame({"x": [1.0], "g": [1.0]})
TRUE = {"x": -0.8, "g": 0.5, "2|3": 3.0}


def draw(n: int, seed: int, shared: float = 0.0, separate: bool = False) -> pd.DataFrame:
    """Four categories, the last in some six percent of the rows; `shared` correlates rows of a group of five."""
    rng = np.random.default_rng([7, n, seed])
    groups = np.arange(n) // 5
    x = rng.normal(size=n)
    if shared:
        x = rng.normal(size=n)[groups]
    g = (rng.random(n) < 0.5).astype(float)
    normal = np.sqrt(1 - shared) * rng.normal(size=n) + np.sqrt(shared) * rng.normal(size=n)[groups]
    # uniform for each row, whatever the correlation: the model of a row holds
    u = norm.cdf(normal)
    slopes = np.array([0.5, 0.5, 1.0]) if separate else np.full(3, TRUE["g"])
    eta = CUTS + TRUE["x"] * x[:, None] + slopes * g[:, None]
    y = pd.Categorical.from_codes((logit(u)[:, None] > eta).sum(axis=1), list("0123"), ordered=True)
    return pd.DataFrame({"y": y, "x": x, "g": g, "id": groups})


def covered(limits: pd.Series, value: float) -> float:
    return float(limits.iloc[0] <= value <= limits.iloc[1])


def replicate(n: int, seed: int, boot: bool) -> dict[str, float]:
    """Which intervals hold the truth."""
    fit = si.presto("y ~ x + g", draw(n, seed), penalty=0, parallel=True)
    out = {}
    for kind in ("iid", "HC0", "HC1"):
        limits = fit.with_vcov(kind).conf_int(LEVEL)
        out |= {f"{what}, {kind}": covered(limits.loc[name], TRUE[name]) for what, name in
                (("slope of x", "x"), ("slope of g", "g"), ("last boundary", "2|3"))}  # fmt: skip
    rare = fit.predict(NEW, interval="confidence", level=LEVEL)
    true = 1.0 / (1.0 + np.exp(TRUE["2|3"] + TRUE["x"] + TRUE["g"]))
    out["probability of the last category, iid"] = covered(rare[["conf_low_3", "conf_high_3"]].iloc[0], true)
    if boot:
        for kind in ("pairs", "bayesian", "multiplier"):
            drawn = fit.bootstrap(REPLICAS, kind, seed=seed)
            out[f"slope of x, {kind} percentile"] = covered(drawn.conf_int(LEVEL).loc["x"], TRUE["x"])
    grouped = si.presto("y ~ x + g", draw(n, seed, shared=0.5), penalty=0, parallel=True)
    out["slope of x in groups of five, iid"] = covered(grouped.conf_int(LEVEL).loc["x"], TRUE["x"])
    for kind in ("HC0", "HC1"):
        clustered = grouped.with_vcov({"cluster": "id", "type": kind})
        out[f"slope of x in groups of five, clustered {kind}"] = covered(clustered.conf_int(LEVEL).loc["x"], TRUE["x"])
    if n > SIZES[0]:  # with fewer rows some samples have no maximum
        own = si.presto("y ~ x + g", draw(n, seed, separate=True), penalty=0)
        out["slope of g at the last boundary, slopes of each boundary's own"] = covered(
            own.conf_int(LEVEL).loc["g[2|3]"], 1.0
        )
    return out


def study(replications: int, bootstrapped: int) -> tuple[pd.DataFrame, dict[str, int]]:
    """Shares of intervals that hold the truth, and samples without a maximum."""
    columns, failed = {}, {}
    for n in SIZES:
        runs = []
        for seed in range(replications):
            try:
                runs.append(replicate(n, seed, n == SIZES[1] and seed < bootstrapped))
            except si.StatinfError:
                failed[f"n = {n}"] = failed.get(f"n = {n}", 0) + 1
        columns[f"n = {n}"] = pd.DataFrame(runs).mean()
    return pd.DataFrame(columns), failed


def markdown(shares: pd.DataFrame, failed: dict[str, int], replications: int, bootstrapped: int) -> str:
    error = np.sqrt(LEVEL * (1 - LEVEL) / replications)
    lost = "; ".join(f"{count} at {name}" for name, count in failed.items()) or "none"
    lines = [
        "# Coverage of 95% intervals of the proportional-odds model",
        "",
        f"`si.presto(penalty=0, parallel=True)`, four categories; {replications} replications, {bootstrapped} of them "
        f"bootstrapped with {REPLICAS} replicas at n = {SIZES[1]}. Monte Carlo standard error {error:.4f}. Samples without a "
        f"maximum or a category, left out: {lost}.",
        "",
        "| interval | " + " | ".join(shares.columns) + " |",
        "|:---|" + "---:|" * shares.shape[1],
    ]
    for name, row in shares.iterrows():
        lines.append(f"| {name} | " + " | ".join("" if np.isnan(v) else f"{v:.3f}" for v in row) + " |")
    lines += [
        "",
        "Limits of probabilities are made on the logit scale. Ignoring the groups is wrong at every n; clustered errors fall "
        "short with twenty groups, little with eighty.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    replications, bootstrapped = (int(v) for v in sys.argv[1:3]) if len(sys.argv) > 2 else (1000, 200)
    warnings.simplefilter("ignore", si.StatinfWarning)
    target = Path(__file__).resolve().parent / "results" / "presto_coverage.md"
    target.write_text(markdown(*study(replications, bootstrapped), replications, bootstrapped))
    print(target.read_text())


if __name__ == "__main__":
    main()

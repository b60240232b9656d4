"""Coverage of intervals along streams: exchangeable errors, errors that double, and errors that drift for ever.

Shares of covered rows over many series with their largest distance from the level, and for the methods with a bound on every
path the largest ratio of that distance to the bound: never above one.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import statinf as si

LEVEL, N, BURN_IN = 0.9, 1200, 200
METHODS = {"aci": {"gamma": 0.02}, "dtaci": {}, "agaci": {}, "sf-ogd": {}, "saocp": {}, "enbpi": {"models": 10}}
SCALES = {
    "stable": lambda t: np.ones(len(t)),
    "doubling": lambda t: np.where(t < N // 2, 1.0, 2.0),
    "drifting": lambda t: 1.0 + 3.0 * t / N,
}


def series(kind: str, seed: int) -> pd.DataFrame:
    """An autoregression with errors of a changing scale."""
    random = np.random.default_rng([seed, len(kind)])
    errors = random.standard_normal(N) * SCALES[kind](np.arange(N))
    y = np.zeros(N + 1)
    for t in range(N):
        y[t + 1] = 0.6 * y[t] + errors[t]
    return pd.DataFrame({"y": y[1:], "before": y[:-1]})


def study(replications: int) -> pd.DataFrame:
    """One row a method and kind of series."""
    rows = []
    for kind in SCALES:
        for seed in range(replications):
            data = series(kind, seed)
            for method, options in METHODS.items():
                fit = si.conformal_online("y ~ before", data, method=method, burn_in=BURN_IN, level=LEVEL, **options)
                share = float(fit.path["covered"].mean())
                short = abs(share - LEVEL) if fit.side == "both" else max(0.0, LEVEL - share)
                last = float(fit.path["covered"].tail(300).mean())
                ratio = np.nan if fit.bound is None else short / fit.bound
                rows.append({"errors": kind, "method": method, "share": share, "last": last, "ratio": ratio})
    return pd.DataFrame(rows)


def markdown(runs: pd.DataFrame, replications: int) -> str:
    half = 3.29 * np.sqrt(LEVEL * (1 - LEVEL) / (replications * (N - BURN_IN)))
    lines = [
        "# Coverage along streams",
        "",
        f"`si.conformal_online` at level {LEVEL:g} on autoregressions of {N} rows, {BURN_IN} of them burn-in, a model "
        f"that is not fitted again; {replications} series of each kind. Shares of covered rows: their mean, the farthest from the "
        f"level of any series, the mean of the last 300 rows; and the largest ratio of that distance to the bound that holds on "
        f"every path, where there is one. For independent rows the binomial band of the mean at 99.9% is "
        f"[{LEVEL - half:.4f}, {LEVEL + half:.4f}].",
        "",
        "| errors | method | coverage | farthest series | last 300 rows | distance / bound |",
        "|:---|:---|---:|---:|---:|---:|",
    ]
    for (kind, method), part in runs.groupby(["errors", "method"], sort=False):
        far = part["share"].iloc[int((part["share"] - LEVEL).abs().to_numpy().argmax())]
        ratio = part["ratio"].max()
        told = "" if np.isnan(ratio) else f"{ratio:.2f}"
        lines.append(
            f"| {kind} | {method} | {part['share'].mean():.4f} | {far:.3f} | {part['last'].mean():.3f} | {told} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    found = markdown(study(count), count)
    (Path(__file__).parent / "results" / "online_coverage.md").write_text(found)
    print(found)

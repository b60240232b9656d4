"""Coverage of regions of several outcomes against its law, and their areas, on the banana.

Each replication fits, calibrates and predicts anew. Run as ``python -m benchmarks.multioutput_coverage [REPLICATIONS]``.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

import statinf as si
from statinf.inference.conformal import quantile_rank

LEVEL, ROWS, NEW = 0.9, 400, 100
NETWORK = {"method": "st-dqr", "epochs": 60, "hidden": (16, 16), "rate": 0.005, "n_inside": 300, "grid": 1000}
METHODS = {
    "dqr": {"method": "dqr", "n_directions": 32},
    "dqr, signed": {"method": "dqr", "n_directions": 32, "score": "signed"},
    "box (4 directions), signed": {"method": "dqr", "n_directions": 4, "score": "signed"},
    "st-dqr": NETWORK,
    "st-dqr, signed": NETWORK | {"score": "signed"},
    "st-dqr, latent dqr": NETWORK | {"latent": "dqr", "n_directions": 32},
    "st-dqr, identity, signed": {"method": "st-dqr", "transform": "identity", "score": "signed"},
}


def replicate(seed: int) -> dict[str, tuple[float, float]]:
    """Covered rows and mean area by method."""
    data, new = (si.datasets.simulate("banana", n, seed=2 * seed + k) for k, n in enumerate((ROWS, NEW)))
    out = {}
    for name, options in METHODS.items():
        fit = si.conformal("cbind(y1, y2) ~ x1", data, level=LEVEL, seed=seed, **options)
        out[name] = float(fit.contains(new).sum()), float(fit.area(new.head(10))["area"].mean())
    return out


def study(replications: int) -> pd.DataFrame:
    """One row per method: mean coverage, its standard error, how often counts lie in the 90% band, and the mean area."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runs = [replicate(seed) for seed in range(replications)]
    n = ROWS // 2
    k = quantile_rank(n, LEVEL)
    law = stats.betabinom(NEW, k, n + 1 - k)
    low, high = law.ppf(0.05), law.ppf(0.95)
    found = {}
    for name in METHODS:
        hits, area = np.array([run[name] for run in runs]).T
        found[name] = {
            "coverage": hits.mean() / NEW,
            "standard error": hits.std() / NEW / np.sqrt(replications),
            "in the band": np.mean((low <= hits) & (hits <= high)),
            "area": area.mean(),
        }
    found["theory"] = {"coverage": k / (n + 1), "in the band": law.cdf(high) - law.cdf(low - 1)}
    return pd.DataFrame(found).T


def markdown(table: pd.DataFrame, replications: int) -> str:
    lines = [
        "# Coverage of regions of two outcomes",
        "",
        f"Level {LEVEL:g}; {replications} replications of {ROWS} rows of the banana, half of which calibrate, and {NEW} new rows. "
        "Counts of covered rows have a beta-binomial law; the band is its central 90%. Where distances are not signed and the "
        "region covers more than the level before calibration, scores are tied at zero and coverage may exceed the law's.",
        "",
        "| method | " + " | ".join(table.columns) + " |",
        "|:---|" + "---:|" * table.shape[1],
    ]
    for name, row in table.iterrows():
        cells = ["" if np.isnan(v) else f"{v:.2f}" if c == "area" else f"{v:.4f}" for c, v in row.items()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    text = markdown(study(count), count)
    print(text)
    (Path(__file__).parent / "results" / "multioutput_coverage.md").write_text(text)

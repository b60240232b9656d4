"""Coverage of 80% and 90% intervals of `si.quantile_process` on new rows, by calibration.

Run as ``python -m benchmarks.quantile_process_coverage [REPLICATIONS]``.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import statinf as si
from statinf.inference.conformal import quantile_rank

ROWS, NEW, LEVELS = 400, 200, (0.8, 0.9)
NETWORK = {"hidden": (32, 32), "penalty": "log_n", "tau": (0.05, 0.1, 0.5, 0.9, 0.95), "progress": False}
KINDS = (None, "cqr", "dcp")


def draw(n: int, seed: int) -> pd.DataFrame:
    """A wave whose spread grows with x."""
    random = np.random.default_rng(seed)
    x = random.random(n)
    return pd.DataFrame({"x": x, "y": 2 * x * np.sin(4 * np.pi * x) + np.exp(2 * x - 1) * random.standard_normal(n)})


def replicate(seed: int) -> dict[tuple[str, float], tuple[float, float]]:
    """Share of new rows covered, and mean width, by calibration and level."""
    data, new, out = draw(ROWS, 2 * seed), draw(NEW, 2 * seed + 1), {}
    for kind in KINDS:
        fit = si.quantile_process("y ~ x", data, calibrate=kind, seed=seed, **NETWORK)
        for level in LEVELS:
            found = fit.predict(new, interval="prediction", level=level)
            covered = new["y"].between(found["lower"], found["upper"]).mean()
            out[kind or "none", level] = float(covered), float((found["upper"] - found["lower"]).mean())
    return out


def markdown(runs: list[dict[tuple[str, float], tuple[float, float]]]) -> str:
    """A row per calibration and level."""
    aside = int(np.ceil(0.25 * ROWS))
    lines = [
        "# Coverage of intervals of quantile processes",
        "",
        f"n = {ROWS}, of which calibration sets {aside} aside; {NEW} new rows in each of {len(runs)} replications; networks of "
        "32-32 units with the penalty log n. In theory: of calibrated intervals, over rows set aside and new, with distinct "
        "scores. The two tails of 'dcp' are counted apart, so that its share is a little larger.",
        "",
        "| calibration | level | coverage | standard error | in theory | mean width |",
        "|:---|---:|---:|---:|---:|---:|",
    ]
    for kind, level in runs[0]:
        cover, width = np.array([run[kind, level] for run in runs]).T
        error = cover.std(ddof=1) / np.sqrt(len(cover))
        tails = 2 * quantile_rank(aside, (1 + level) / 2) - aside - 1
        theory = {
            "none": "",
            "cqr": f"{quantile_rank(aside, level) / (aside + 1):.4f}",
            "dcp": f"{tails / (aside + 1):.4f}",
        }
        lines.append(f"| {kind} | {level:g} | {cover.mean():.4f} | {error:.4f} | {theory[kind]} | {width.mean():.2f} |")
    lines += ["", "Quantiles of a network are estimates without a guarantee; both calibrations hold their level."]
    return "\n".join(lines) + "\n"


def main() -> None:
    warnings.simplefilter("ignore", si.StatinfWarning)
    replications = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    target = Path(__file__).resolve().parent / "results" / "quantile_process_coverage.md"
    target.write_text(markdown([replicate(seed) for seed in range(replications)]))
    print(target.read_text())


if __name__ == "__main__":
    main()

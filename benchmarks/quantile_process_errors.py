"""Errors of quantile processes by level on the wave and the triangle, and how often their quantiles cross.

The sheet's errors are those of three replications of ReQU networks with the penalty log n (64-64-64 units, 100 epochs).
Run as ``python -m benchmarks.quantile_process_errors [REPLICATIONS]``.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

import statinf as si

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
GRID = np.arange(1, 20) / 20
ROWS = 512
SHEET = {"wave": (0.88, 0.34, 0.31, 0.39, 0.90), "triangle": (0.45, 0.11, 0.11, 0.17, 0.59)}
X = np.linspace(0.0, 1.0, 5001)
CENTRE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "wave": lambda x: 2 * x * np.sin(4 * np.pi * x),
    "triangle": lambda x: 4 - 4 * np.abs(x - 0.5),
}
SPREAD: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "wave": lambda x: np.exp(2 * x - 1),
    "triangle": lambda x: np.sin(np.pi * x),
}


def draw(model: str, seed: int) -> pd.DataFrame:
    """Rows with errors of Student's law with two degrees of freedom."""
    random = np.random.default_rng(seed)
    x = random.random(ROWS)
    return pd.DataFrame({"x": x, "y": CENTRE[model](x) + SPREAD[model](x) * random.standard_t(2, ROWS)})


def truth(model: str) -> np.ndarray:
    return CENTRE[model](X)[:, None] + SPREAD[model](X)[:, None] * stats.t(2).ppf(LEVELS)


def replicate(model: str, seed: int) -> dict[str, np.ndarray]:
    """Mean distances from the true quantiles by level, and the share of rows whose quantiles cross, by method."""
    data, new, out = draw(model, seed), pd.DataFrame({"x": X}), {}
    for network, options in (("requ", {"penalty": "log_n"}), ("gaps", {})):
        fit = si.quantile_process("y ~ x", data, tau=LEVELS, network=network, seed=seed, progress=False, **options)
        error = np.abs(fit.predict(new, monotone=None).to_numpy() - truth(model)).mean(axis=0)
        out[network] = np.append(error, fit.crossing_rate(new, GRID))
    line = si.rq("y ~ x", data, tau=LEVELS)
    crossing = (np.diff(si.rq("y ~ x", data, tau=GRID).predict(new), axis=1) < 0).any(axis=1).mean()
    out["linear"] = np.append(np.abs(line.predict(new).to_numpy() - truth(model)).mean(axis=0), crossing)
    return out


def markdown(found: dict[tuple[str, str], np.ndarray], replications: int) -> str:
    """A row per model and method: means with standard errors, beside the sheet's."""
    heads = [f"{t:g}" for t in LEVELS]
    lines = [
        "# Errors of quantile processes by level",
        "",
        f"Mean over x of the distance from the true quantile; n = {ROWS}, {replications} replications, standard errors in "
        "brackets; ReQU networks with the penalty log n. Reference: three replications of ReQU networks of the same size with "
        "that penalty.",
        "",
        "| model | method | " + " | ".join(heads) + " | rows crossing |",
        "|:---|:---|" + "---:|" * (len(heads) + 1),
    ]
    for (model, method), runs in found.items():
        mean, error = runs.mean(axis=0), runs.std(axis=0, ddof=1) / np.sqrt(len(runs))
        cells = [f"{m:.2f} ({e:.2f})" for m, e in zip(mean[:-1], error[:-1], strict=True)]
        lines.append(f"| {model} | {method} | " + " | ".join(cells) + f" | {100 * mean[-1]:.2f}% |")
        if method == "requ":
            worse = (mean[:-1] - SHEET[model]) / error[:-1]
            lines.append(f"| {model} | reference | " + " | ".join(f"{v:.2f}" for v in SHEET[model]) + " | |")
            print(model, "distances to the reference in standard errors:", worse.round(1))
    return "\n".join(lines) + "\n"


def main() -> None:
    warnings.simplefilter("ignore", si.StatinfWarning)
    replications = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    found = {}
    for model in SHEET:
        runs = [replicate(model, seed) for seed in range(replications)]
        found |= {(model, method): np.array([run[method] for run in runs]) for method in runs[0]}
    target = Path(__file__).resolve().parent / "results" / "quantile_process_errors.md"
    target.write_text(markdown(found, replications))
    print(target.read_text())


if __name__ == "__main__":
    main()

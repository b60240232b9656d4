"""Coverage of nominal 95% intervals for values in continuous time.

Run as ``python -m benchmarks.continuous_coverage [REPLICATIONS]``. A stationary Ornstein-Uhlenbeck process with the squared
state as reward; a hundred episodes of ten units of time.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
from scipy.stats import binom

import statinf as si

STEPS = (0.1, 0.01)
TRUE = np.array([0.392, 0.4])
WAYS = {
    "clstd, td0": {},
    "clstd, exact discounting": {"discounting": "exact"},
    "clstd, relative test function": {"test_function": "relative"},
    "clstd, lam = .5": {"lam": 0.5},
    "cgtd, features and traces": {"method": "cgtd", "test_function": "both", "lam": 0.5},
    "ctd0": {"method": "ctd0"},
}


def replicate(step: float, seed: int) -> dict[str, np.ndarray]:
    data = si.datasets.simulate("ornstein_uhlenbeck", (round(10 / step) + 1) * 100, seed=seed, step=step)
    how = {"id": "episode", "time": "time", "discount": 0.5}
    found = {}
    for name, options in WAYS.items():
        fit = si.ctd("reward ~ I(x**2)", data, **how, **options)
        limits = fit.conf_int().to_numpy()
        found[name] = np.concatenate([fit.theta, (limits[:, 0] <= TRUE) & (limits[:, 1] >= TRUE)])
    return found


def main() -> None:
    replications = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    warnings.simplefilter("ignore")
    low, high = binom.ppf([0.0005, 0.9995], replications, 0.95) / replications
    lines = [
        "# Coverage of values in continuous time",
        "",
        f"Shares of {replications} samples in which nominal 95% intervals by episode hold the coefficients of the values "
        "0.392 + 0.4 x^2, and means of the estimates. Bold where inside the binomial's 99.9% band "
        f"[{low:.3f}, {high:.3f}]. At a step of 0.1 the bias of the step, of which standard errors know nothing, is as large as "
        "they are.",
        "",
        "| estimator | step | mean of c | mean of a | coverage of c | coverage of a |",
        "|:---|---:|---:|---:|---:|---:|",
    ]
    for step in STEPS:
        runs = [replicate(step, seed) for seed in range(replications)]
        for name in WAYS:
            c, a, *shares = np.mean([run[name] for run in runs], axis=0)
            cells = " | ".join(f"**{s:.3f}**" if low <= s <= high else f"{s:.3f}" for s in shares)
            lines.append(f"| {name} | {step:g} | {c:.4f} | {a:.4f} | {cells} |")
    text = "\n".join(lines) + "\n"
    print(text)
    (Path(__file__).parent / "results" / "continuous_coverage.md").write_text(text)


if __name__ == "__main__":
    main()

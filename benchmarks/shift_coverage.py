"""Coverage of importance-weighted regression's intervals, the ratio estimated, as weights grow heavier.

A quadratic outcome is fitted by a line under a Gaussian shift of the first covariate by `tilt` standard deviations, so that
the weights are lognormal with variance ``exp(tilt^2) - 1``. The truth is the target's best line, in closed form.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import statinf as si

KINDS = ("HC0", "HC2", "HC3", "fixed")
TILTS, SIZES = (0.25, 0.5, 1.0), (200, 1000, 4000)


def truth(tilt: float) -> np.ndarray:
    """Intercept and slopes of the best line of 1 + x + x^2 / 2 - z for x ~ N(tilt, 1)."""
    slope = 1.0 + tilt
    return np.array([1.0 + tilt + 0.5 * (tilt**2 + 1.0) - slope * tilt, slope, -1.0])


def samples(n: int, tilt: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    random = np.random.default_rng([n, seed])
    x, z = random.normal(size=(2, n))
    noise = random.normal(size=n) * (1.0 + 0.3 * np.abs(x))
    source = pd.DataFrame({"x1": x, "x2": z, "y": 1.0 + x + 0.5 * x**2 - z + noise})
    return source, pd.DataFrame({"x1": random.normal(tilt, 1.0, n), "x2": random.normal(size=n)})


def replicate(n: int, tilt: float, seed: int) -> dict[str, float]:
    """Whether the interval of the shifted covariate's slope holds the truth, by covariance."""
    fit = si.shift("y ~ x1 + x2", *samples(n, tilt, seed), method="mwle", ratio="logistic")
    held = {}
    for kind in KINDS:
        low, high = fit.with_vcov(kind).conf_int().loc["x1"]
        held[kind] = float(low <= truth(tilt)[1] <= high)
    return held


def main() -> None:
    replications = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    half = 3.29 * np.sqrt(0.95 * 0.05 / replications)
    lines = [
        "# Coverage of importance-weighted regression",
        "",
        f"Nominal 95% intervals of the slope of the shifted covariate, `si.shift(method='mwle', ratio='logistic')`; "
        f"{replications} samples a cell, n rows in source and target each. Shares inside the binomial band at 99.9%, "
        f"[{0.95 - half:.3f}, {0.95 + half:.3f}], are bold.",
        "",
        "| shift (sd) | n | " + " | ".join(KINDS) + " |",
        "|---:|---:|" + "---:|" * len(KINDS),
    ]
    for tilt in TILTS:
        for n in SIZES:
            shares = pd.DataFrame([replicate(n, tilt, seed) for seed in range(replications)]).mean()
            cells = [f"**{v:.3f}**" if abs(v - 0.95) <= half else f"{v:.3f}" for v in shares]
            lines.append(f"| {tilt} | {n} | " + " | ".join(cells) + " |")
            print(lines[-1], flush=True)
    lines += [
        "",
        "Under a shift of one standard deviation the estimating function's own variance is estimated from a few rows of "
        "huge weight, and no sandwich repairs it; `overlap` diagnostics of the ratio say so beforehand. HC3 helps at small n.",
    ]
    target = Path(__file__).resolve().parent / "results" / "shift_coverage.md"
    target.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

"""Coverage of nominal 95% intervals and uniform bands of difference-in-differences.

Run as ``python -m benchmarks.did_coverage [REPLICATIONS]``. Three cohorts of five periods, never treated units, and
trends that go with a covariate as treatment does.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binom

import statinf as si

SIZES = (100, 500)
PERIODS = 5
WAYS = {
    "dr": {},
    "dr-improved": {"method": "dr-improved"},
    "ipw": {"method": "ipw"},
    "regression": {"method": "regression"},
    "dr, not yet treated": {"control": "not-yet"},
    "dr, universal base": {"base_period": "universal"},
}


def sample(n: int, seed: int) -> pd.DataFrame:
    """Effects 1 + (t - g); units of one village of five share a shock at each period, which clusters are for."""
    random = np.random.default_rng([n, seed])
    x, level = random.standard_normal((2, n))
    village = np.arange(n) // 5
    cohort = np.where(random.random(n) < 1 / (1 + np.exp(-0.5 * x)), random.choice([3, 4, 5], n), 0)
    unit, t = np.repeat(np.arange(n), PERIODS), np.tile(np.arange(1, PERIODS + 1), n)
    on = (cohort[unit] > 0) & (t >= cohort[unit])
    noise = random.standard_normal(n * PERIODS)
    y = level[unit] + 0.5 * t * x[unit] + np.where(on, 1 + t - cohort[unit], 0) + noise
    shock = random.standard_normal((n // 5 + 1, PERIODS))
    return pd.DataFrame(
        {"unit": unit, "t": t, "y": y, "x": x[unit], "cohort": cohort[unit], "village": village[unit]}
        | {"shared": y + shock[village[unit], t - 1]}
    )


def held(study: si.results.Fit, seed: int) -> tuple[float, bool, bool]:
    """Share of pointwise intervals, and whether the band and the overall interval, hold the truth."""
    path = study.path(replicas=499, seed=seed)
    truth = np.where(study.at >= 0, 1.0 + study.at, 0.0)
    pointwise = (path["conf_low"] <= truth) & (truth <= path["conf_high"])
    band = (path["band_low"] <= truth) & (truth <= path["band_high"])
    low, high = study.conf_int().to_numpy()[0]
    return float(pointwise.mean()), bool(band.all()), bool(low <= truth[study.at >= 0].mean() <= high)


def replicate(n: int, seed: int) -> dict[str, tuple[float, bool, bool]]:
    data = sample(n, seed)
    how = {"id": "unit", "time": "t", "cohort": "cohort"}
    found = {}
    for name, options in WAYS.items():
        found[name] = held(si.did("y ~ 1 | x", data, **how, **options).aggregate("dynamic"), seed)
    # Five times the units, each seen once.
    many = sample(PERIODS * n, seed)
    once = many[many["unit"] % PERIODS + 1 == many["t"]]
    for method in ("dr", "regression"):
        sections = si.did("y ~ 1 | x", once, time="t", cohort="cohort", method=method)
        found[f"repeated cross-sections, {method}"] = held(sections.aggregate("dynamic"), seed)
    holes = data[np.random.default_rng([9, seed]).random(len(data)) > 0.1]
    found["a tenth of the rows missing, dr"] = held(si.did("y ~ 1 | x", holes, **how).aggregate("dynamic"), seed)
    if n >= 500:
        by = si.did("shared ~ 1 | x", data, **how, cluster="village").aggregate("dynamic")
        found["shocks of villages, clustered"] = held(by, seed)
    return found


def main() -> None:
    replications = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    warnings.simplefilter("ignore")
    low, high = binom.ppf([0.0005, 0.9995], replications, 0.95) / replications
    lines = [
        "# Coverage of difference-in-differences",
        "",
        f"Shares of {replications} samples in which nominal 95% intervals hold the truth: of each time since treatment alone "
        "(mean over times), of the band for all times, of the overall average. Bold where inside the binomial's 99.9% band "
        f"[{low:.3f}, {high:.3f}].",
        "",
        "| estimator | units | pointwise | band | overall |",
        "|:---|---:|---:|---:|---:|",
    ]
    for n in SIZES:
        runs = [replicate(n, seed) for seed in range(replications)]
        for name in runs[0]:
            shares = np.array([run[name] for run in runs], float).mean(axis=0)
            cells = " | ".join(f"**{s:.3f}**" if low <= s <= high else f"{s:.3f}" for s in shares)
            lines.append(f"| {name} | {n} | {cells} |")
    lines += [
        "",
        "A cohort has a sixth of the units: with 100, influence values of 16 units are a little too small. Repeated "
        "cross-sections have as many rows per period as the panel.",
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    (Path(__file__).parent / "results" / "did_coverage.md").write_text(text)


if __name__ == "__main__":
    main()

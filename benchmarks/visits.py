"""Regressions at informative visits beside R: the intensity by coxph with its score residuals, and the weighted regression.

R is given the table of spells and of lagged outcomes ready made and stops at the weighted least squares; ours starts at the visits'
rows and ends with the stacked errors of units.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import shutil
from functools import partial

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.harness import compare
from benchmarks.quantile import RSession

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))
DAYS = 100


def rows(n: int) -> pd.DataFrame:
    """Visits of n units over a hundred days, sooner after large outcomes."""
    random = np.random.default_rng(0)
    group, level, last = (random.random(n) < 0.5) * 1.0, random.standard_normal(n), np.zeros(n)
    parts = []
    for day in range(DAYS):
        y = 1 + 0.5 * group + day / 100 + level + random.standard_normal(n)
        seen = random.random(n) < (1 - np.exp(-0.08 * np.exp(0.4 * (last - 1.5))) if day else 1.0)
        parts.append(pd.DataFrame({"id": np.flatnonzero(seen), "day": float(day), "g": group[seen], "y": y[seen]}))
        last = np.where(seen, y, last)
    return pd.concat(parts, ignore_index=True)


def ours(data: pd.DataFrame) -> np.ndarray:
    fit = si.visits("y ~ g + day", data, visits="~ lag(y) + g", id="id", time="day", end=DAYS - 1)
    return np.concatenate([fit.intensity.theta, fit.theta, fit.std_errors])[:5]


def spells(data: pd.DataFrame) -> dict[str, np.ndarray]:
    """Columns of the counting process, as R takes them."""
    ordered = data.sort_values(["id", "day"])
    ends = ordered.groupby("id").tail(1)
    ends = ends[ends["day"] < DAYS - 1].assign(day=float(DAYS - 1), visit=0.0)
    table = pd.concat([ordered.assign(visit=1.0), ends]).sort_values(["id", "day"])
    table["before"] = table.groupby("id")["y"].shift(1)
    table["start"] = table.groupby("id")["day"].shift(1)
    risk = table[table["start"].notna()]
    out = {name: risk[name].to_numpy(float) for name in ("start", "day", "visit", "before", "g")}
    visits = table[table["visit"] == 1]
    past = visits["before"].fillna(0.0).to_numpy()
    first = visits["before"].isna().to_numpy()
    return out | {"vy": visits["y"].to_numpy(), "vg": visits["g"].to_numpy(), "vd": visits["day"].to_numpy(), "vb": past,
                  "vf": first * 1.0}  # fmt: skip


def main() -> None:
    if shutil.which("Rscript") is None:
        print("R is not on the path; nothing to compare with.")
        return
    r = RSession()
    r.run("suppressMessages(library(survival))")
    version = r.run('cat(as.character(packageVersion("survival")))')
    for n in (500,) if QUICK else (1_000, 10_000):
        data = rows(n)
        for name, values in spells(data).items():
            r.give(name, values)
        code = (
            "local({f <- coxph(Surv(start, day, visit) ~ before + g); s <- residuals(f, 'score'); "
            "w <- ifelse(vf == 1, 1, exp(-(coef(f)[1] * vb + coef(f)[2] * vg))); "
            "c(coef(f), coef(lm(vy ~ vg + vd, weights = w)))})"
        )

        def gap(mine: np.ndarray, peers: np.ndarray) -> tuple[float, float]:
            return float(np.abs(mine - peers).max()), 0.0

        compare(
            f"visits of {n:,} units, {len(data):,} rows",
            partial(ours, data),
            lambda code=code: r.numbers(code),
            repeat=3,
            check=gap,
            peer_name="survival coxph and lm",
            peer_version=version,
            note="error: largest difference of coefficients to R's",
        )
    r.close()


if __name__ == "__main__":
    main()

"""Size of the test of calibration, and coverage of the table's limits, where predictions are calibrated and where they are not.

`fit.error` on new rows from a process in which the fitted predictions are right by construction: outcomes are drawn around the
fit's own predictions, so that every rejection at 5% is false. Then on the rows that the fit held out, which chose the number of
rounds: outcomes are independent of the covariates, the start is the true mean, and nothing is to be found.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import statinf as si

LEVEL = 0.05
KINDS = ("0/1", "normal, spread by level", "exponential")


def outcomes(kind: str, f: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Outcomes (n,) with means f (n,)."""
    if kind == "0/1":
        return (random.random(len(f)) < f).astype(float)
    noise = random.standard_normal(len(f)) if kind.startswith("normal") else random.exponential(size=len(f)) - 1.0
    return f + 0.1 * (1.0 + f) * noise


def frame(n: int, random: np.random.Generator) -> pd.DataFrame:
    """A covariate, a group and the mean of the outcome."""
    x = random.uniform(-2, 2, n)
    return pd.DataFrame({"x": x, "g": random.choice(list("abc"), n), "p": 1 / (1 + np.exp(-x))})


def new_rows(kind: str, n: int, seed: int, fit: si.results.Result) -> dict[str, float]:
    """One test on new rows whose outcomes are right on average at every prediction."""
    random = np.random.default_rng([seed, n])
    new = frame(n, random)
    new["y"] = outcomes(kind, np.clip(fit.predict(new)["estimate"].to_numpy(), 0.02, 0.98), random)
    return measured(fit, new)


def measured(fit: si.results.Result, new: pd.DataFrame | None) -> dict[str, float]:
    """p-values of the tests of all rows and of a group, and whether limits of the group's error hold zero."""
    error = fit.error(new).set_index("function")
    table = fit.table(new, per_level=False).set_index("group").loc["g = a"]
    held = table["conf_low"] <= 0.0 <= table["conf_high"]
    return {"all rows": error.loc["1", "p_value"], "group": error.loc["g = a", "p_value"], "covered": held}


def study(replications: int) -> pd.DataFrame:
    """One row per kind of outcome, rows and number of them."""
    rows = []
    for kind in KINDS:
        random = np.random.default_rng(1)
        data = frame(4000, random)
        data["y"] = outcomes(kind, np.clip(data["p"], 0.02, 0.98).to_numpy(), random)
        bounds = (0.0, 1.0) if kind == "0/1" else None
        fit = si.multicalibrate("y ~ x | g", data, init="p", levels=10, bounds=bounds)
        for n in (500, 2000):
            runs = pd.DataFrame([new_rows(kind, n, seed, fit) for seed in range(replications)])
            rows.append({"outcome": kind, "rows": f"{n} new", **shares(runs)})
        runs = pd.DataFrame([held_out(kind, seed) for seed in range(replications)])
        rows.append({"outcome": kind, "rows": "500 held out of 2500", **shares(runs)})
    return pd.DataFrame(rows)


def held_out(kind: str, seed: int) -> dict[str, float]:
    """One test on the rows that chose the number of rounds and levels: the start is right at every grid value."""
    random = np.random.default_rng([9, seed])
    data = frame(2500, random)
    # On the grid with margins, so that rounding changes no start.
    data["p"] = np.clip(np.round(10 * data["p"]), 1, 9) / 10
    data["y"] = outcomes(kind, data["p"].to_numpy(), random)
    bounds = (0.0, 1.0) if kind == "0/1" else (-1.0, 3.0)
    return measured(
        si.multicalibrate("y ~ x | g", data, init="p", levels=10 if kind == "0/1" else 40, bounds=bounds), None
    )


def shares(runs: pd.DataFrame) -> dict[str, float]:
    """Rejections at 5%, and coverage."""
    tested = runs[["all rows", "group"]]
    return {k: float((tested[k].dropna() < LEVEL).mean()) for k in tested} | {"covered": float(runs["covered"].mean())}


def markdown(found: pd.DataFrame, replications: int) -> str:
    half = 3.29 * np.sqrt(LEVEL * (1 - LEVEL) / replications)
    low, high = max(0.0, LEVEL - half), LEVEL + half
    lines = [
        "# Size of the test of calibration",
        "",
        f"`si.multicalibrate(...).error()` at 5%, {replications} samples each; shares inside the binomial band at 99.9%, "
        f"[{low:.3f}, {high:.3f}], are bold. Group's limits: how often the 95% limits of a group's mean error hold zero, band "
        "mirrored. New rows have outcomes that are right on average at every prediction of the fit. Rows held out chose the "
        "number of rounds; the start is right on every level set, so a round is kept by chance alone.",
        "",
        "| outcome | rows | all rows | group | group's limits |",
        "|:---|:---|---:|---:|---:|",
    ]
    for row in found.itertuples(index=False):
        values = [f"**{v:.3f}**" if low <= v <= high else f"{v:.3f}" for v in (row[2], row[3])]
        values.append(f"**{row[4]:.3f}**" if low <= 1.0 - row[4] <= high else f"{row[4]:.3f}")
        lines.append(f"| {row[0]} | {row[1]} | " + " | ".join(values) + " |")
    lines += [
        "",
        "For outcomes of 0 and 1 the variance is known. For normal errors the t law of each mean is carried over. Skewed errors "
        "make the test reject too often on small level sets, since a low mean comes with a low variance: ask for more rows by "
        "`min_rows=`.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    text = markdown(study(count), count)
    (Path(__file__).parent / "results" / "multicalibration_size.md").write_text(text)
    print(text)

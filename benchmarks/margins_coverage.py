"""Coverage of intervals with known margins: calibrated means by distance and design, and poststratified multilevel means."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import statinf as si

DISTANCES = {
    "linear": {"distance": "linear", "bounds": (0, None)},
    "raking": {},
    "logit": {"distance": "logit", "bounds": (0.2, 5.0)},
}
SHARES = {"a": 0.5, "b": 0.3, "c": 0.2}
"""Of the population; the sample has them as 0.35, 0.35, 0.3."""


def drawn(n: int, clusters: int, seed: int) -> pd.DataFrame:
    """A sample in which units of group c come too often, with clusters that share an effect where there are any."""
    random = np.random.default_rng([n, clusters, seed])
    g = random.choice(3, n, p=[0.35, 0.35, 0.3])
    x = 50.0 + 4.0 * g + random.normal(0, 8, n)
    unit = np.arange(n) // max(1, n // clusters) if clusters else np.arange(n)
    shared = random.normal(0, 2, unit.max() + 1)[unit] if clusters else 0.0
    y = 10.0 + 0.4 * x + np.array([0.0, 3.0, -2.0])[g] + shared + random.normal(0, 4, n) * (1 + 0.5 * (g == 2))
    return pd.DataFrame({"y": y, "x": x, "g": np.array(list("abc"))[g], "unit": unit})


def truth() -> float:
    """The population's mean of y with a mean of 52 of x, by the model that made it."""
    return 10.0 + 0.4 * 52.0 + 0.3 * 3.0 - 0.2 * 2.0


def calibrated(n: int, clusters: int, seed: int) -> dict[str, float]:
    frame = drawn(n, clusters, seed)
    held = {}
    for name, options in DISTANCES.items():
        w = si.density_ratio("~ g + x", frame, {"g": SHARES, "x": 52.0}, **options)
        cluster = {"vcov": {"cluster": "unit"}} if clusters else {}
        low, high = (
            si.target_mean("y ~ 1", frame, {"g": SHARES, "x": 52.0}, ratio=w, method="ipw", **cluster)
            .conf_int()
            .loc["mean"]
        )
        held[name] = float(low <= truth() <= high)
    return held


def pooled(family: str, levels: int, n: int, prior: str, seed: int) -> dict[str, float]:
    """Intervals of the mean, of the regions that the sample has (their share), and of one that it lacks; effects drawn anew."""
    random = np.random.default_rng([levels, n, seed, family == "binomial"])
    region, age = random.normal(0, 0.7, levels + 1), random.normal(0, 0.5, 4)
    r, a = random.choice(levels, n, p=random.dirichlet(np.full(levels, 2.0))), random.integers(0, 4, n)
    eta = 0.3 + region[r] + age[a]
    binary = family == "binomial"
    y = (random.random(n) < 1 / (1 + np.exp(-eta))).astype(float) if binary else eta + random.normal(size=n)
    source = pd.DataFrame({"y": y, "region": r, "age": a}).astype({"region": str, "age": str})
    cells = pd.DataFrame(np.indices((levels + 1, 4)).reshape(2, -1).T, columns=["region", "age"])
    value = 0.3 + region[cells["region"]] + age[cells["age"]]
    value = 1 / (1 + np.exp(-value)) if binary else value
    cells = cells.astype(str).assign(count=random.integers(50, 500, len(cells)), value=value)
    fit = si.target_mean(
        "y ~ 1 | region + age", source, cells, method="mrp", family=family, target_weights="count", census=True, by="region",
        prior=prior,
    )  # fmt: skip
    cells["total"] = cells["value"] * cells["count"]
    sums = cells.groupby("region")[["total", "count"]].sum()
    true = {f"region[{k}]": v for k, v in (sums["total"] / sums["count"]).items()}
    true["mean"] = sums["total"].sum() / sums["count"].sum()
    limits = fit.conf_int()
    inside = {k: float(limits.loc[k].iloc[0] <= v <= limits.loc[k].iloc[1]) for k, v in true.items()}
    new = inside.pop(f"region[{levels}]")
    overall = inside.pop("mean")
    known = [inside[f"region[{k}]"] for k in np.unique(r)]
    return {"mean": overall, "regions seen": float(np.mean(known)), "a region not seen": new}


def _cells(frame: pd.DataFrame) -> str:
    """Shares that lie within 3.29 standard errors of 95% are bold; regions of one sample count as one draw."""
    out = []
    for name in frame:
        share, count = frame[name].mean(), len(frame)
        error = max(float(frame[name].std()), np.sqrt(0.95 * 0.05) * (name != "regions seen")) / np.sqrt(count)
        out.append(f"**{share:.3f}**" if abs(share - 0.95) <= 3.29 * error else f"{share:.3f}")
    return " | ".join(out)


def main() -> None:
    replications = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    warnings.simplefilter("ignore", si.StatinfWarning)
    lines = [
        "# Coverage with known margins",
        "",
        f"Nominal 95% intervals. Calibrated means: `si.target_mean('y ~ 1', ..., method='ipw', ratio=si.density_ratio('~ g + x', "
        f"...))`, {replications} samples a row; clusters of ten rows with `vcov={{'cluster': ...}}`. Shares within 3.29 standard "
        "errors of 95% are bold.",
        "",
        "| design | n | " + " | ".join(DISTANCES) + " |",
        "|---|---:|" + "---:|" * len(DISTANCES),
    ]
    for n, clusters in ((100, 0), (400, 0), (400, 40), (1000, 100)):
        found = pd.DataFrame([calibrated(n, clusters, seed) for seed in range(replications)])
        lines.append(f"| {f'{clusters} clusters' if clusters else 'independent rows'} | {n} | {_cells(found)} |")
        print(lines[-1], flush=True)
    lines += [
        "",
        f"Multilevel regression and poststratification, `si.target_mean('y ~ 1 | region + age', ..., method='mrp')`: effects of "
        f"regions (sd 0.7) and four ages (sd 0.5) drawn anew in each of {replications // 2} samples (binomial: "
        f"{replications // 4}).",
        "",
        "| outcome | regions | n | prior | mean | regions seen | a region not seen |",
        "|---|---:|---:|---|---:|---:|---:|",
    ]
    for family, levels, n, share in (("gaussian", 10, 200, 2), ("gaussian", 40, 400, 2), ("binomial", 10, 300, 4)):
        for prior in ("none", "weak"):
            found = pd.DataFrame([pooled(family, levels, n, prior, seed) for seed in range(replications // share)])
            lines.append(f"| {family} | {levels} | {n} | {prior} | {_cells(found)} |")
            print(lines[-1], flush=True)
    lines += [
        "",
        "Variances of few levels by maximum likelihood are too small, and zero in some samples, which a binomial outcome shows; "
        "`prior='weak'`, the default, keeps them from zero and errs to the safe side for a region that the sample lacks.",
    ]
    target = Path(__file__).resolve().parent / "results" / "margins_coverage.md"
    target.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

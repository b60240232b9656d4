"""Coverage of nominal 95% intervals of marginal effects, for the rows at hand and for the population that they are from.

Run as ``python -m benchmarks.marginal_effects_coverage [REPLICATIONS]``. Covariates vary from sample to sample: the truth of the
delta method is the average of the true effects over the sample's own rows, that of ``population=True`` their mean in the law.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import binom

import statinf as si

SIZES = (50, 200, 1000)


def sample(n: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng([n, seed])
    x, z = random.standard_normal((2, n))
    t = (random.uniform(size=n) < expit(0.5 * x)).astype(float)
    u = 1.0 + x + 0.5 * t + 0.8 * t * x + random.standard_normal(n) * (0.5 + 0.5 * np.abs(x))
    return pd.DataFrame({"x": x, "z": z, "t": t, "u": u, "y": (random.uniform(size=n) < chance(x, t)).astype(float)})


def chance(x: np.ndarray, t: np.ndarray | float) -> np.ndarray:
    return expit(-0.3 + 0.7 * x + 0.6 * t)


def slope(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    p = chance(x, t)
    return 0.7 * p * (1 - p)


def means(data: pd.DataFrame) -> dict[str, float]:
    """Averages of true effects over rows."""
    x, t = data["x"].to_numpy(), data["t"].to_numpy()
    treated = t == 1
    return {
        "logit, slope": float(slope(x, t).mean()),
        "logit, slope by group": float(slope(x[treated], t[treated]).mean()),
        "logit, ratio": float(np.log(chance(x, 1.0).mean() / chance(x, 0.0).mean())),
        "lm, slope with interaction": float((1.0 + 0.8 * t).mean()),
        "lm, effect on the treated, weights estimated": float((0.5 + 0.8 * x[treated]).mean()),
    }


def estimates(data: pd.DataFrame, population: bool, replicas: int = 0) -> dict[str, si.results.Fit]:
    how = {"population": True} if population else {"method": "simulation", "replicas": replicas} if replicas else {}
    logit = si.glm("y ~ x + t", data, family="binomial")
    line = si.lm("u ~ x * t", data)
    found = {
        "logit, slope": logit.slopes("x", **how),
        "logit, slope by group": logit.slopes("x", by="t", **how),
        "logit, ratio": logit.comparisons("t", comparison="log_ratio", **how),
        "lm, slope with interaction": line.slopes("x", **how),
    }
    if not replicas:
        w = si.balance("t ~ x + z", data, method="entropy", estimand="ATT")
        found["lm, effect on the treated, weights estimated"] = si.lm("u ~ t * x", data, weights=w).comparisons(
            "t", **how
        )
    return found


def replicate(n: int, seed: int, truth: dict[str, float]) -> dict[tuple[str, str], tuple[bool, float]]:
    data, out = sample(n, seed), {}
    own = means(data)
    for kind, options, true in (
        ("delta", (False,), own),
        ("simulation", (False, 499), own),
        ("population", (True,), truth),
    ):
        for name, fit in estimates(data, *options).items():
            low, high = fit.conf_int().to_numpy()[-1]
            out[name, kind] = bool(low <= true[name] <= high), high - low
    return out


def main() -> None:
    replications = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    warnings.simplefilter("ignore")
    low, high = binom.ppf([0.0005, 0.9995], replications, 0.95) / replications
    truth = means(sample(4_000_000, 0))
    lines = [
        "# Coverage of marginal effects",
        "",
        f"Shares of {replications} samples in which nominal 95% intervals hold the truth, and their mean length. `delta` and "
        "`simulation` (499 draws): the average of the true effects over the sample's rows; `population`: their mean in the law "
        "that rows are drawn from. Logits have the iid covariance (HC1 with `population`), linear regressions HC1, errors "
        "heteroskedastic; effects on the treated come after entropy balancing, weights estimated. Bold where inside the binomial's "
        f"99.9% band [{low:.3f}, {high:.3f}].",
        "",
        "| estimand | rows | delta | length | simulation | population | length |",
        "|:---|---:|---:|---:|---:|---:|---:|",
    ]
    failed: dict[int, int] = {}
    for n in SIZES:
        runs = []
        for seed in range(replications):
            try:
                runs.append(replicate(n, seed, truth))
            except si.StatinfError:  # separated samples, and weights that do not exist
                failed[n] = failed.get(n, 0) + 1
        for name in dict.fromkeys(name for name, _ in runs[0]):
            cells = []
            for kind in ("delta", "simulation", "population"):
                if (name, kind) not in runs[0]:
                    cells.append("")
                    continue
                share = float(np.mean([run[name, kind][0] for run in runs]))
                cells.append(f"**{share:.3f}**" if low <= share <= high else f"{share:.3f}")
                if kind != "simulation":
                    cells.append(f"{np.mean([run[name, kind][1] for run in runs]):.3f}")
            lines.append(f"| {name} | {n} | {' | '.join(cells)} |")
    lost = ", ".join(f"{count} of {replications} at n = {n}" for n, count in failed.items()) or "none"
    lines += [
        "",
        "With 50 rows there are about 25 treated ones, and the sandwich of weights that were estimated is too small for the delta "
        "method; the mean length shows what the sampling of the rows adds.",
    ]
    lines += ["", f"Samples without an estimate (outcomes separated, or weights that balance do not exist): {lost}."]
    text = "\n".join(lines) + "\n"
    print(text)
    (Path(__file__).parent / "results" / "marginal_effects_coverage.md").write_text(text)


if __name__ == "__main__":
    main()

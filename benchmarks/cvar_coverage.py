"""Coverage of intervals of `si.cvar`: coefficients by loss, size and covariance. Those of the risks have certificates.

Errors are symmetric about the line and wider where |x| is, so that the line minimises the CVaR of absolute and squared losses;
for the logistic loss, and for the risks, the truth is that of 200,000 rows.
Run as ``python -m benchmarks.cvar_coverage [REPLICATIONS [BOOTSTRAPPED]]``.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import statinf as si

LEVEL = 0.95
TAIL = {"absolute": 0.9, "squared": 0.9, "logistic": 0.5}
"""Levels of the CVaR. Where the worst rows cannot be told from the others, the best logit gives every row even odds."""
SIZES = (500, 2000)
LOSSES = ("absolute", "squared", "logistic")
REPLICAS = 199


def draw(n: int, seed: int, loss: str, group: int = 1) -> pd.DataFrame:
    """Rows of y on x and z; with `group` above one, rows of a group share x and a part of the error."""
    rng = np.random.default_rng([11, seed])
    shared = rng.standard_normal((3, -(-n // group))).repeat(group, axis=1)[:, :n]
    x, z = rng.standard_normal((2, n))
    e = rng.standard_normal(n)
    if group > 1:
        x, e = shared[0], np.sqrt(0.5) * (e + shared[1])
    y = 1.0 + x - 0.5 * z + np.exp(0.3 * np.abs(x)) * e
    if loss == "logistic":
        y = (0.5 + x - 0.5 * z + 0.5 * e > 0).astype(float)
    return pd.DataFrame({"y": y, "x": x, "z": z, "g": np.arange(n) // group})


def truth(loss: str) -> dict[str, float]:
    """Coefficient of x, and both risks."""
    fit = si.cvar("y ~ x + z", draw(200_000, 10**6, loss), level=TAIL[loss], loss=loss, vcov="HC0")
    return {"x": float(fit.params["x"]) if loss == "logistic" else 1.0, "VaR": fit.var, "CVaR": fit.cvar}


def covered(low: float, high: float, value: float) -> float:
    return float(low <= value <= high)


def replicate(n: int, seed: int, loss: str, true: dict[str, float], boot: bool) -> dict[str, float]:
    """Which intervals hold the truth."""
    data = draw(n, seed, loss)
    fit = si.cvar("y ~ x + z", data, level=TAIL[loss], loss=loss)
    out = {"x, HC0": covered(*fit.conf_int().loc["x"], true["x"])}
    out["x, HC1"] = covered(*fit.with_vcov("HC1").conf_int().loc["x"], true["x"])
    if boot:
        drawn = fit.bootstrap(REPLICAS, "pairs", seed=seed)
        out["x, bootstrap of pairs, percentile"] = covered(*drawn.conf_int().loc["x"], true["x"])
        half = 1.96 * float(drawn.std_errors["x"])
        out["x, bootstrap of pairs, normal"] = covered(fit.params["x"] - half, fit.params["x"] + half, true["x"])
    if loss != "logistic":
        grouped = si.cvar("y ~ x + z", draw(n, seed, loss, group=5), level=TAIL[loss], loss=loss)
        out["x in groups of five, HC0"] = covered(*grouped.conf_int().loc["x"], 1.0)
        clustered = grouped.with_vcov({"cluster": "g"})
        out["x in groups of five, clustered"] = covered(*clustered.conf_int().loc["x"], 1.0)
    return out


def study(replications: int, bootstrapped: int) -> pd.DataFrame:
    """Shares of intervals that hold the truth."""
    columns = {}
    for loss in LOSSES:
        true = truth(loss)
        for n in SIZES:
            runs = [
                replicate(n, seed, loss, true, n == SIZES[0] and seed < bootstrapped) for seed in range(replications)
            ]
            columns[f"{loss}, n = {n}"] = pd.DataFrame(runs).mean()
            print(columns[f"{loss}, n = {n}"].round(3), flush=True)
    rows = dict.fromkeys(name for column in columns.values() for name in column.index)
    return pd.DataFrame(columns).reindex(list(rows))


def markdown(shares: pd.DataFrame, replications: int, bootstrapped: int) -> str:
    error = np.sqrt(LEVEL * (1 - LEVEL) / replications)
    lines = [
        "# Coverage of 95% intervals of regressions of least CVaR",
        "",
        f"Worst 10 percent, and worst half for the logistic loss; {replications} replications, {bootstrapped} of them "
        f"bootstrapped with {REPLICAS} replicas at n = {SIZES[0]}. Monte Carlo standard error {error:.4f} and, bootstrapped, "
        f"{np.sqrt(LEVEL * (1 - LEVEL) / max(bootstrapped, 1)):.4f}.",
        "",
        "| interval | " + " | ".join(shares.columns) + " |",
        "|:---|" + "---:|" * shares.shape[1],
    ]
    for name, row in shares.iterrows():
        lines.append(f"| {name} | " + " | ".join("" if np.isnan(v) else f"{v:.3f}" for v in row) + " |")
    lines += [
        "",
        "Intervals of coefficients fall short with 50 rows in the tail and hold with 200; with the logistic loss they fall "
        "short with 250 in the worst half and hold with 1,000. Those of the VaR and the CVaR are in `COVERAGE.md`. Errors of the "
        "bootstrap are the larger: its normal intervals hold for absolute and squared losses with 50 rows in the tail, its "
        "percentile intervals are then somewhat too long. Ignoring the groups is wrong at every n.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    replications, bootstrapped = (int(v) for v in sys.argv[1:3]) if len(sys.argv) > 2 else (1000, 200)
    warnings.simplefilter("ignore", si.StatinfWarning)
    target = Path(__file__).resolve().parent / "results" / "cvar_coverage.md"
    target.write_text(markdown(study(replications, bootstrapped), replications, bootstrapped))
    print(target.read_text())


if __name__ == "__main__":
    main()

"""Coverage of nominal 95% intervals of `si.crq`, by influence and by bootstrap.

Run as ``python -m benchmarks.censored_coverage [REPLICATIONS]``.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binom, norm

import statinf as si

TAU = np.array([0.1, 0.25, 0.5, 0.6])
TERMS = ("Intercept", "x1", "x2")


def sample(n: int, seed: int, known: bool) -> pd.DataFrame:
    """Times 2 + x1 + x2 / 2 + (1 + .3 x1) e, censored at a uniform time, or at 3.5; about 30 percent are."""
    random = np.random.default_rng([n, seed])
    x1, x2 = random.uniform(-1, 1, n), random.integers(0, 2, n).astype(float)
    t = 2 + x1 + 0.5 * x2 + (1 + 0.3 * x1) * random.standard_normal(n)
    c = np.full(n, 3.5) if known else random.uniform(1, 6, n)
    return pd.DataFrame({"y": np.minimum(t, c), "d": (t <= c) * 1.0, "x1": x1, "x2": x2})


def truth() -> np.ndarray:
    q = norm.ppf(TAU)
    return np.column_stack([2 + q, 1 + 0.3 * q, np.full(len(q), 0.5)])


def held(fit: si.results.Fit) -> np.ndarray:
    low, high = fit.conf_int().to_numpy().T.reshape(2, len(TAU), 3)
    return (low <= truth()) & (truth() <= high)


def replicate(n: int, seed: int, draws: int) -> dict[str, np.ndarray]:
    """Which intervals of one sample hold the truth, shape (levels, terms) each."""
    out = {}
    for method in ("portnoy", "peng-huang", "powell"):
        more = {"limit": 3.5} if method == "powell" else {}
        data = sample(n, seed, method == "powell")
        fit = si.crq("cbind(y, d) ~ x1 + x2", data, tau=TAU, method=method, **more)
        out[method] = held(fit)
        if draws:
            out[f"{method}, bootstrap"] = held(fit.with_vcov({"boot": "bayesian", "replicas": draws, "seed": seed}))
    return out


def main() -> None:
    replications = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    warnings.simplefilter("ignore")
    low, high = binom.ppf([0.0005, 0.9995], replications, 0.95) / replications
    lines = [
        "# Coverage of intervals of censored quantile regressions",
        "",
        f"Shares of {replications} samples in which nominal 95% intervals hold the truth, by level: intercept, slope of x1, slope "
        f"of x2; bold where inside the binomial's 99.9% band [{low:.3f}, {high:.3f}]. Bootstrap rows: 100 exponential weightings.",
    ]
    for n, draws in ((200, 0), (1000, 0)) if replications > 200 else ((200, 100),):
        runs = [replicate(n, seed, draws) for seed in range(replications)]
        lines += [
            "",
            f"## n = {n}",
            "",
            "| interval | " + " | ".join(f"tau = {t:g}" for t in TAU) + " |",
            "|:---" * 5 + "|",
        ]
        for name in runs[0]:
            shares = np.mean([run[name] for run in runs], axis=0)
            cells = [", ".join(f"**{v:.3f}**" if low <= v <= high else f"{v:.3f}" for v in at) for at in shares]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    text = "\n".join(lines) + "\n"
    print(text)
    (Path(__file__).parent / "results" / "censored_coverage.md").write_text(text)


if __name__ == "__main__":
    main()

"""Coverage of nominal 95% intervals after balancing three arms, or a dose.

A contrast of three arms and the slope of a dose in weighted least squares, standard errors HC0 and HC3 of the stacked equations.
Run as ``python -m benchmarks.balance_arms_coverage [REPLICATIONS]``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binom

import statinf as si

SIZES = (200, 500)
ARMS: dict[str, dict[str, Any]] = {
    "ipw": {"method": "ipw"},
    "ipw, ATT": {"method": "ipw", "estimand": "ATT", "treated": 2},
    "ipw, overlap": {"method": "ipw", "estimand": "ATO"},
    "entropy": {"method": "entropy"},
    "cbps": {"method": "cbps"},
    "cbps, one propensity per arm": {"method": "cbps", "separate": True},
    "sbw": {"method": "sbw"},
    "energy (weights as known)": {"method": "energy"},
}
DOSES: dict[str, dict[str, Any]] = {
    "ipw, normal": {"method": "ipw"},
    "ipw, kernel (weights as known)": {"method": "ipw", "density": "kernel"},
    "entropy": {"method": "entropy"},
    "cbps": {"method": "cbps"},
    "cbps, nonparametric": {"method": "cbps", "nonparametric": True},
    "energy (weights as known)": {"method": "energy"},
}


def three_arms(n: int, seed: int) -> pd.DataFrame:
    """The third arm adds two."""
    rng = np.random.default_rng([1, n, seed])
    x, z = rng.normal(size=(2, n))
    arm = (np.column_stack([0 * x, 0.5 * x, 0.5 * z]) + rng.gumbel(size=(n, 3))).argmax(axis=1)
    return pd.DataFrame({"arm": arm, "x": x, "z": z, "y": x + z + arm + rng.normal(size=n)})


def dose(n: int, seed: int) -> pd.DataFrame:
    """A slope of one."""
    rng = np.random.default_rng([2, n, seed])
    x, z = rng.normal(size=(2, n))
    d = 0.3 * x + 0.2 * z + rng.normal(size=n)
    return pd.DataFrame({"dose": d, "x": x, "z": z, "y": d + x + z + rng.normal(size=n)})


def study(replications: int, arms: bool) -> list[tuple[str, ...]]:
    """Lines of the table: per size the shares under HC0 and HC3, and samples without a solution."""
    formula, term, truth = ("y ~ C(arm)", "C(arm)[T.2]", 2.0) if arms else ("y ~ dose", "dose", 1.0)
    rows = []
    for name, options in (ARMS if arms else DOSES).items():
        cells: list[str] = []
        for n in SIZES:
            held, failed = {"HC0": [], "HC3": []}, 0
            for seed in range(replications):
                frame = three_arms(n, seed) if arms else dose(n, seed)
                try:
                    w = si.balance(f"{'arm' if arms else 'dose'} ~ x + z", frame, **options)
                except si.InfeasibleError:
                    failed += 1
                    continue
                fit = si.lm(formula, frame, weights=w)
                for kind, hits in held.items():
                    low, high = fit.with_vcov(kind).conf_int().loc[term]
                    hits.append(low <= truth <= high)
            cells += [_cell(float(np.mean(hits)), len(hits)) for hits in held.values()] + [str(failed)]
        rows.append((name, *cells))
    return rows


def _cell(share: float, count: int) -> str:
    low, high = binom.interval(0.999, count, 0.95)
    return f"**{share:.3f}**" if low <= share * count <= high else f"{share:.3f}"


def main() -> None:
    replications = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    heads = ["weights", *(f"n = {n}, {kind}" for n in SIZES for kind in ("HC0", "HC3", "no solution"))]
    lines = [
        "# Coverage after balancing three arms, or a dose",
        "",
        f"Shares of {replications} samples in which nominal 95% intervals hold the truth; bold inside the binomial's 99.9% band.",
    ]
    for title, arms in (("A contrast of three arms", True), ("The slope of a dose", False)):
        lines += ["", f"## {title}", "", "| " + " | ".join(heads) + " |", "|:---" + "|---:" * (len(heads) - 1) + "|"]
        lines += ["| " + " | ".join(row) + " |" for row in study(replications, arms)]
    Path(__file__).with_name("results").joinpath("balance_arms_coverage.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

"""Size of `shift_test` with row weights, and with missing values as part of the law, where both samples have one (weighted) law."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import statinf as si

SIZES = ((50, 50), (200, 200))
PERMUTATIONS = 39
COLUMNS = ("mmd", "energy", "classifier", "KS of x", "chi-square of g")


def _rows(random: np.random.Generator, n: int) -> pd.DataFrame:
    return pd.DataFrame({"x": random.standard_normal(n), "g": random.choice(list("abc"), n, p=[0.5, 0.3, 0.2])})


def apart(random: np.random.Generator, n: int, m: int) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Weights of unlike spread that have nothing to do with the columns."""
    weights = {"weights": random.exponential(size=n), "target_weights": random.uniform(0.5, 2.0, m)}
    return _rows(random, n), _rows(random, m), weights


def ratio(random: np.random.Generator, n: int, m: int) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """A target that moved by .7 standard deviations, and a source weighted by the known density ratio."""
    source, target = _rows(random, n), _rows(random, m)
    target["x"] += 0.7
    return source, target, {"weights": np.exp(0.7 * source["x"].to_numpy())}


def holes(random: np.random.Generator, n: int, m: int) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Values that are missing the more often the larger they are, alike in both samples."""
    made = []
    for k in (n, m):
        rows = _rows(random, k)
        gone = random.uniform(size=k) < 0.3 / (1.0 + np.exp(-rows["x"]))
        made.append(rows.assign(x=rows["x"].mask(gone)))
    return made[0], made[1], {"missing": "indicator"}


LAWS = {"weights unlike": apart, "density ratio": ratio, "missing by value, indicator": holes}


def rejections(law: Any, n: int, m: int, samples: int) -> np.ndarray:
    """Share of samples in which each test rejects at 5%; NaN for a test that is not to be had."""
    out = np.zeros(len(COLUMNS))
    for seed in range(samples):
        source, target, options = law(np.random.default_rng([n, m, seed]), n, m)
        found = si.shift_test("~ x + g", source, target, permutations=PERMUTATIONS, seed=seed, **options)
        assert found.columns is not None
        p = [found.p_values.get(name, np.nan) for name in COLUMNS[:3]] + list(found.columns.p_value[:2])
        out += np.where(np.isnan(p), np.nan, np.array(p) <= 0.05)
    return out / samples


def main() -> None:
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    half = 3.29 * np.sqrt(0.05 * 0.95 / samples)
    lines = [
        "# Size of the tests of covariate shift: weights and missing values",
        "",
        f"Rejections at 5% by `si.shift_test` where both samples have one weighted law; {samples} pairs of samples per cell, "
        f"{PERMUTATIONS} random signs or permutations. The binomial band at 99.9% is [{0.05 - half:.3f}, {0.05 + half:.3f}]: "
        "shares above it are bold. With weights that differ the classifier is not to be had.",
        "",
        "| law | n | m | " + " | ".join(COLUMNS) + " |",
        "|---|---:|---:|" + "---:|" * len(COLUMNS),
    ]
    for name, law in LAWS.items():
        for n, m in SIZES:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                shares = rejections(law, n, m, samples)
            cells = ["" if np.isnan(v) else f"**{v:.3f}**" if v > 0.05 + half else f"{v:.3f}" for v in shares]
            lines.append(f"| {name} | {n} | {m} | " + " | ".join(cells) + " |")
            print(lines[-1], flush=True)
    target = Path(__file__).resolve().parent / "results" / "shift_test_weights_size.md"
    target.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

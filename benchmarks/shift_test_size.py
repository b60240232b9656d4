"""Size of every test of `shift_test` where both samples have one law: binary, discrete and continuous columns, and many ties."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

import statinf as si

Draw = Callable[[np.random.Generator, int], pd.DataFrame]
PERMUTATIONS = 19
"""Enough for an exact test at 5%: one in twenty orderings is the largest."""
SIZES = ((50, 50), (200, 200))
TESTS = ("mmd", "energy", "classifier", "columns")


def _binary(share: float) -> Draw:
    return lambda random, n: pd.DataFrame({"x": (random.uniform(size=n) < share).astype(float)})


def _discrete(random: np.random.Generator, n: int) -> pd.DataFrame:
    return pd.DataFrame({"x": random.poisson(1.0, n).astype(float), "z": random.integers(0, 5, n).astype(float)})


def _continuous(random: np.random.Generator, n: int) -> pd.DataFrame:
    return pd.DataFrame({"x": random.standard_normal(n), "z": random.standard_exponential(n)})


def _ties(random: np.random.Generator, n: int) -> pd.DataFrame:
    """Four fifths of the rows at zero, as in spending or rainfall."""
    return pd.DataFrame({"x": np.where(random.uniform(size=n) < 0.8, 0.0, random.standard_exponential(n))})


def _categories(random: np.random.Generator, n: int) -> pd.DataFrame:
    return pd.DataFrame({"x": random.choice(list("abc"), n, p=[0.5, 0.3, 0.2])})


DESIGNS: dict[str, Draw] = {
    "binary, share 0.5": _binary(0.5),
    "binary, share 0.1": _binary(0.1),
    "two discrete": _discrete,
    "two continuous": _continuous,
    "80% ties": _ties,
    "three categories": _categories,
}


def rejections(draw: Draw, n: int, m: int, samples: int) -> np.ndarray:
    """Share of samples in which each of `TESTS` rejects at 5%: for columns, any column after adjustment."""
    out = np.zeros(len(TESTS))
    for seed in range(samples):
        random = np.random.default_rng([n, m, seed])
        source, target = draw(random, n), draw(random, m)
        formula = "~ " + " + ".join(source.columns)
        found = si.shift_test(formula, source, target, permutations=PERMUTATIONS, seed=seed)
        assert found.columns is not None
        p = [found.p_values[name] for name in TESTS[:3]] + [found.columns.adjusted.min()]
        out += np.array(p) <= 0.05
    return out / samples


def main() -> None:
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    half = 3.29 * np.sqrt(0.05 * 0.95 / samples)
    lines = [
        "# Size of the tests of covariate shift",
        "",
        f"Rejections at 5% by `si.shift_test` where both samples have one law; {samples} pairs of samples per cell, "
        f"{PERMUTATIONS} permutations. The binomial band at 99.9% is [{0.05 - half:.3f}, {0.05 + half:.3f}]: shares above it "
        "are bold. A test on few distinct rows has few possible p-values and may reject less.",
        "",
        "| law | n | m | " + " | ".join(TESTS) + " |",
        "|---|---:|---:|" + "---:|" * len(TESTS),
    ]
    for name, draw in DESIGNS.items():
        for n, m in SIZES:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                shares = rejections(draw, n, m, samples)
            cells = [f"**{v:.3f}**" if v > 0.05 + half else f"{v:.3f}" for v in shares]
            lines.append(f"| {name} | {n} | {m} | " + " | ".join(cells) + " |")
            print(lines[-1], flush=True)
    lines += [
        "",
        "Tests of the whole law are by permutation with ties counted half: exact at any size. Columns are tested by "
        "Kolmogorov-Smirnov, exact given which values tie, or, of categories and of two values, by chi-square, which is "
        "approximate with few expected counts.",
    ]
    target = Path(__file__).resolve().parent / "results" / "shift_test_size.md"
    target.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

"""Coverage of `si.glm` for overdispersed counts, quasi-likelihoods, shares, and few or separated binary outcomes.

Run as ``python -m benchmarks.counts_coverage [REPLICATIONS]``.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

import statinf as si

LEVEL, ALPHA = 0.95, 0.7
SIZES = (50, 200, 1000)
PROFILES = 300
"""Most samples with profile limits, which take some fits each."""
Shown = tuple[str, float, float, float, float]
"""Interval, estimate, lower and upper limit, truth."""


def _slope(fit: object, label: str, truth: float, **how: object) -> Shown:
    low, high = fit.conf_int(LEVEL, **how).loc["x"]  # type: ignore[attr-defined]
    return label, fit.params["x"], low, high, truth  # type: ignore[attr-defined]


def overdispersed(n: int, seed: int) -> Iterator[Shown]:
    """Counts of mean exp(.7 + .5 x) and variance mu + .7 mu^2."""
    rng = np.random.default_rng([1, n, seed])
    x = rng.standard_normal(n)
    y = rng.poisson(np.exp(0.7 + 0.5 * x) * rng.gamma(1 / ALPHA, ALPHA, n))
    fit = si.glm("y ~ x", pd.DataFrame({"x": x, "y": y}), family="negative_binomial")
    yield _slope(fit, "slope, iid", 0.5)
    yield _slope(fit.with_vcov("HC1"), "slope, HC1", 0.5)
    yield _slope(fit.with_vcov("HC3"), "slope, HC3", 0.5)
    if n == SIZES[0] and seed < PROFILES:
        yield _slope(fit, "slope, profile", 0.5, interval="profile")
    row = fit.overdispersion(LEVEL).iloc[0]
    if row["estimate"] > 0:
        yield "alpha", row["estimate"], row["conf_low"], row["conf_high"], ALPHA
    else:
        yield "alpha", 0.0, 0.0, 0.0, ALPHA


def quasi_counts(n: int, seed: int) -> Iterator[Shown]:
    """Counts of mean exp(.7 + .5 x) and variance 3 mu."""
    rng = np.random.default_rng([2, n, seed])
    x = rng.standard_normal(n)
    y = rng.negative_binomial(np.exp(0.7 + 0.5 * x) / 2, 1 / 3)
    fit = si.glm("y ~ x", pd.DataFrame({"x": x, "y": y}), family="quasipoisson")
    yield _slope(fit, "slope, iid", 0.5)
    yield _slope(fit.with_vcov("HC3"), "slope, HC3", 0.5)
    plain = si.glm("y ~ x", pd.DataFrame({"x": x, "y": y}), family="poisson")
    yield _slope(plain, "slope, poisson iid", 0.5)


def shares(n: int, seed: int) -> Iterator[Shown]:
    """Shares between 0 and 1 of mean expit(-1 + x), zeros among them, whose spread grows with x."""
    rng = np.random.default_rng([3, n, seed])
    x = rng.standard_normal(n)
    p = 1 / (1 + np.exp(1 - x))
    size = np.exp(1 - 0.5 * x)
    y = rng.beta(p * size, (1 - p) * size)
    # Rounded to zero or a hundredth at random, so that the mean stays.
    y = np.where(y < 0.01, (rng.random(n) < y / 0.01) * 0.01, y)
    fit = si.glm("y ~ x", pd.DataFrame({"x": x, "y": y}), family="quasibinomial")
    yield _slope(fit, "slope, iid", 1.0)
    for kind in ("HC1", "HC3"):
        yield _slope(fit.with_vcov(kind), f"slope, {kind}", 1.0)


def few_events(n: int, seed: int) -> Iterator[Shown]:
    """Binary outcomes, a fifth of them events, of a binary x that few share: often separated."""
    rng = np.random.default_rng([4, n, seed])
    x, z = (rng.random(n) < 0.2) * 1.0, rng.standard_normal(n)
    y = (rng.random(n) < 1 / (1 + np.exp(1.8 - 1.5 * x - 0.5 * z))) * 1.0
    if seed >= PROFILES or x.sum() < 2 or y.sum() < 2:
        return
    data = pd.DataFrame({"x": x, "z": z, "y": y})
    fit = si.glm("y ~ x + z", data, family="binomial", penalty="firth")
    yield _slope(fit, "slope, Firth, Wald", 1.5)
    yield _slope(fit, "slope, Firth, profile", 1.5, interval="profile")
    try:
        plain = si.glm("y ~ x + z", data, family="binomial")
    except si.NotIdentifiedError:
        yield "slope, maximum likelihood (none if separated)", np.nan, np.nan, np.nan, 1.5
        return
    yield _slope(plain, "slope, maximum likelihood (none if separated)", 1.5)


DESIGNS = {
    "negative binomial": (overdispersed, SIZES),
    "quasi-Poisson, variance 3 mu": (quasi_counts, SIZES),
    "shares": (shares, SIZES),
    "few events": (few_events, (30, 50)),
}


def study(replications: int) -> pd.DataFrame:
    """One row per design, size and interval."""
    lines = []
    for label, (make, sizes) in DESIGNS.items():
        for n in sizes:
            found: dict[str, list[tuple[float, float, float, float]]] = {}
            for seed in range(replications):
                for name, *numbers in make(n, seed):
                    found.setdefault(name, []).append(numbers)  # type: ignore[arg-type]
            for name, values in found.items():
                estimate, low, high, truth = np.array(values).T
                there = np.isfinite(estimate)
                inside = (low <= truth) & (truth <= high)
                lines.append(
                    (label, n, name, int(there.sum()), (estimate - truth)[there].mean(), estimate[there].std(),
                     np.median((high - low)[there]), inside[there].mean())
                )  # fmt: skip
    columns = ["design", "n", "interval", "samples", "bias", "sd", "median width", "coverage"]
    return pd.DataFrame(lines, columns=columns)


def markdown(found: pd.DataFrame) -> str:
    lines = [
        "# Counts, shares and few events: bias and coverage of 95% intervals",
        "",
        f"Monte Carlo standard error of a coverage of .95: {np.sqrt(0.95 * 0.05 / found['samples'].max()):.3f} with "
        f"{found['samples'].max()} samples.",
        "",
        "| " + " | ".join(found.columns) + " |",
        "|:---|---:|:---|" + "---:|" * 5,
    ]
    for row in found.itertuples(index=False):
        lines.append("| " + " | ".join(str(v) if isinstance(v, str | int) else f"{v:.3f}" for v in row) + " |")
    lines += [
        "",
        "alpha is 0.7, its interval symmetric in the logarithm; at the border 0 there is none, which counts as not held. The "
        "variance of the quasi-Poisson counts is three times their mean, which Poisson's own errors do not know.",
        "",
        "Few events: samples without two rows of x = 1 or two events are left out. Where outcomes are separated maximum likelihood "
        "has no estimate, and its row is of the other samples.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    replications = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    warnings.simplefilter("ignore", si.StatinfWarning)
    target = Path(__file__).resolve().parent / "results" / "counts_coverage.md"
    target.write_text(markdown(study(replications)))
    print(target.read_text())


if __name__ == "__main__":
    main()

"""One pass against a batch fit on designs that upset stochastic approximation, and the coverage of every `inference=`.

``python benchmarks/stream_stability.py`` writes ``results/stream_stability.md``; ``--stability`` or ``--coverage`` does one
half and keeps the other. The designs are those of the package's issue on streams: rare dummies, heavy tails, means far
from zero, nearly collinear columns; each table is worked through in three random orders.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import statinf as si

RESULTS = Path(__file__).parent / "results"
KINDS = ("multiplier", "plugin", "hac", "batch-means", "random-scaling")
LOSSES: dict[str, dict[str, Any]] = {
    "squared": {"loss": "squared"},
    "logistic": {"loss": "logistic"},
    "quantile .5": {"loss": "quantile", "tau": 0.5},
    "quantile .9": {"loss": "quantile", "tau": 0.9},
    "quantile .99": {"loss": "quantile", "tau": 0.99},
}

VALUES = {"td, independent": False, "td, trajectory": True}
"""Values of ten states by temporal differences, and whether the transitions follow one another."""


def designs(rng: np.random.Generator, n: int) -> Iterator[tuple[str, dict[str, np.ndarray], np.ndarray]]:
    """Name, covariates and mean of each design."""
    x = rng.normal(size=n)
    for share in (0.001, 0.002, 0.005, 0.01, 0.05):
        z = (rng.random(n) < share).astype(float)
        yield f"dummy, share {share:.1%}", {"x": x, "z": z}, 1 + x + 2 * z
    heavy = np.exp(2 * rng.normal(size=n))
    yield "lognormal, sd 2", {"x": heavy}, 1 + 0.5 * heavy
    heavy = rng.standard_t(2.5, size=n)
    yield "t(2.5)", {"x": heavy}, 1 + heavy
    yield "mean 1e4, sd 1", {"x": 1e4 + x}, 1 + x
    year, income = rng.integers(1990, 2021, n).astype(float), np.exp(10 + 0.8 * rng.normal(size=n))
    yield "year and income", {"year": year, "income": income}, 0.01 * (year - 2000) + 1e-5 * income
    for condition in (1e3, 1e5):
        twin = x + rng.normal(size=n) * 2 / condition
        yield f"condition {condition:.0e}", {"x": x, "twin": twin}, 1 + x + twin
    yield "outcome mean 1e4", {"x": x}, 1e4 + x


def outcome(name: str, mean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Normal errors, or a coin with the mean on the logistic scale."""
    if name != "logistic":
        return mean + rng.normal(size=len(mean))
    inside = np.std(np.clip(mean, *np.quantile(mean, [0.01, 0.99])))
    u = (mean - np.median(mean)) / max(inside, 1.0) - 0.3
    return (rng.random(len(mean)) < 0.5 * (1 + np.tanh(0.5 * u))).astype(float)


def batch(formula: str, data: Any, name: str) -> Any:
    """The fit that sees all rows at once."""
    if name == "squared":
        return si.lm(formula, data)
    if name == "logistic":
        return si.glm(formula, data, family="binomial")
    return si.rq(formula, data, tau=LOSSES[name]["tau"], vcov="iid")


def stability() -> list[str]:
    """Rows of the table: design, n, order, loss, distance in batch standard errors, verdict."""
    import pandas as pd

    lines = []
    for name in ("squared", "logistic", "quantile .5", "quantile .9"):
        for n in (2_000, 20_000, 200_000):
            rng = np.random.default_rng(n)
            for title, columns, mean in designs(rng, n):
                data = pd.DataFrame({"y": outcome(name, mean, rng)} | columns)
                formula = "y ~ " + " + ".join(columns)
                try:
                    fit = batch(formula, data, name)
                except si.StatinfError as error:
                    lines.append(f"| {title} | {n:,} | all | {name} | | batch fit: {type(error).__name__} |")
                    continue
                for order in range(3):
                    shuffled = data.sample(frac=1.0, random_state=order)
                    try:
                        stream = si.lsa(formula, shuffled, replicas=0, **LOSSES[name])
                    except si.StatinfError as error:
                        lines.append(f"| {title} | {n:,} | {order} | {name} | | {type(error).__name__} |")
                        continue
                    gap = np.nanmax(np.abs(stream.theta - fit.theta) / fit.std_errors.to_numpy())
                    verdict = "within 3" if gap < 3 else "**silent**"
                    lines.append(f"| {title} | {n:,} | {order} | {name} | {gap:.2f} | {verdict} |")
                print(lines[-1], flush=True)
    return lines


def sample(name: str, n: int, rng: np.random.Generator) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Three covariates, the truth at the level of the loss."""
    x, beta = rng.normal(size=(n, 3)), np.array([0.3, 0.5, -0.5, 0.25])
    mean = beta[0] + x @ beta[1:]
    if name == "logistic":
        y = (rng.random(n) < 0.5 * (1 + np.tanh(0.5 * mean))).astype(float)
    else:
        y = mean + rng.normal(size=n)
    if name.startswith("quantile"):
        from scipy.special import ndtri

        beta = beta + np.array([float(ndtri(LOSSES[name]["tau"])), 0, 0, 0])
    return {"y": y, "a": x[:, 0], "b": x[:, 1], "c": x[:, 2]}, beta


def hits(name: str, n: int, seed: int, replicas: int) -> dict[str, np.ndarray]:
    """Whether each interval of one sample covers each coefficient."""
    data, truth = sample(name, n, np.random.default_rng([seed, n]))
    first = ("multiplier", "plugin", "hac", "batch-means") if replicas else ("plugin", "hac", "batch-means")
    out = {}
    for kinds in (first, ("random-scaling",)):
        many = replicas if "multiplier" in kinds else 0
        try:
            fit = si.lsa("y ~ a + b + c", data, inference=kinds, replicas=many, seed=seed, **LOSSES[name])
        except si.ConvergenceError:
            continue
        for kind in kinds:
            limits = fit.with_vcov(kind).conf_int().to_numpy()
            out[kind] = (limits[:, 0] <= truth) & (truth <= limits[:, 1])
    return out


def value_hits(name: str, n: int, seed: int, replicas: int) -> dict[str, np.ndarray]:
    """Whether each interval of one sample of transitions covers the value of each state."""
    along = VALUES[name]
    moves = si.datasets.simulate("garnet", n, seed=seed, trajectory=along)
    truth = np.asarray(moves.attrs["truth"]["value"])
    first = ("hac", "plugin", "batch-means") if along or not replicas else KINDS[:4]
    out = {}
    for kinds in (first, ("random-scaling",)):
        fit = si.td(
            "reward ~ 0 + C(state)", moves, next="next_state", discount=0.9, inference=kinds, seed=seed,
            replicas=replicas if "multiplier" in kinds else 0, sampling="markov" if along else "iid",
        )  # fmt: skip
        for kind in kinds:
            limits = fit.with_vcov(kind).conf_int().to_numpy()
            out[kind] = (limits[:, 0] <= truth) & (truth <= limits[:, 1])
    return out


def coverage(samples: int, replicas: int, sizes: list[int], losses: list[str], cache: Path) -> list[str]:
    """Rows of the table: loss, n, coverage of each kind; cells already in the cache are kept."""
    found = json.loads(cache.read_text()) if cache.exists() else {}
    for n in sizes:
        for name in losses:
            key = f"{name}|{n}"
            if key in found:
                continue
            counts: dict[str, list[float]] = {kind: [] for kind in KINDS}
            for seed in range(samples):
                one = value_hits if name in VALUES else hits
                many = replicas if n <= 10_000 or name in VALUES else 0
                for kind, inside in one(name, n, seed, many).items():
                    counts[kind].append(float(inside.mean()))
            found[key] = {kind: [float(np.mean(v)), len(v)] for kind, v in counts.items() if v} | {"of": [samples]}
            cache.write_text(json.dumps(found))
            print(key, found[key], flush=True)
    lines = []
    order = [*LOSSES, *VALUES]
    for key, cell in sorted(found.items(), key=lambda kv: (order.index(kv[0].split("|")[0]), int(kv[0].split("|")[1]))):
        name, n = key.split("|")
        values = " | ".join(f"{cell[k][0]:.3f}" if k in cell else "" for k in KINDS)
        fitted = min((cell[k][1] for k in KINDS if k in cell), default=0)
        lines.append(f"| {name} | {int(n):,} | {values} | {fitted} of {cell['of'][0]} |")
    return lines


HEAD = """# Streams: one pass against a batch fit, and the coverage of its intervals

`python benchmarks/stream_stability.py`

## Distance from the batch fit

Largest |lsa - batch| over coefficients in standard errors of `si.lm` (HC1), `si.glm` or `si.rq` (iid), three random orders of
each table, all options by default. "ConvergenceError": the fit refused to give a number. No row may say "silent".

| design | n | order | loss | distance | verdict |
|---|---|---|---|---|---|
"""

MIDDLE = """
## Coverage of nominal 95 % intervals

Four coefficients, three standard normal covariates, normal errors; for "td" the values of ten states of a Garnet problem,
discount .9, which move together. The share of intervals that cover, over coefficients and samples (last column: samples with
a fit, of those drawn). 200 replicas; the multiplier, which covers from n = 1,000, was not run at n = 20,000 and beyond.

The standard error of one coefficient's coverage in m samples is sqrt(.95 x .05 / m): .011 at 400 samples, .015 at 200, .022
at 100, .034 at 40. A cell averages coefficients that are nearly independent (not in "td"), so that its 95 % band around .95
is +-.011 at 400 samples, +-.015 at 200, +-.021 at 100; for "td" at most +-.068. `statinf/stochastic/reach.py` counts a kind
as covering from the n at which its cells are .925 or more; `tests/stochastic/test_reach.py` holds it against these numbers.

| loss | n | multiplier | plugin | hac | batch-means | random-scaling | samples |
|---|---|---|---|---|---|---|---|
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--stability", action="store_true")
    parser.add_argument("--coverage", action="store_true")
    parser.add_argument("--samples", type=int, default=400)
    parser.add_argument("--sizes", type=int, nargs="*", default=[1_000, 2_000, 5_000, 10_000, 20_000, 50_000])
    parser.add_argument("--losses", nargs="+", default=[*LOSSES, *VALUES])
    parser.add_argument("--cache", type=Path, default=RESULTS / "stream_coverage.json")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    path = RESULTS / "stream_stability.md"
    both = not (options.stability or options.coverage)
    old = path.read_text().split(MIDDLE) if path.exists() else ["", ""]
    top = HEAD + "\n".join(stability()) + "\n" if both or options.stability else old[0]
    bottom = old[-1]
    if both or options.coverage:
        lines = coverage(options.samples, 200, options.sizes, options.losses, options.cache)
        bottom = "\n".join(lines) + "\n"
    path.write_text(top + MIDDLE + bottom)


if __name__ == "__main__":
    main()

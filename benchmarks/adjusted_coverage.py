"""Coverage of nominal 95% intervals of TMLE, matching, policies' values, informative visits and models with training weights.

Run as ``python -m benchmarks.adjusted_coverage [REPLICATIONS]``.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binom, norm

import statinf as si
from statinf.numerics.trees.policy import best_tree


def held(limits: np.ndarray, truth: float) -> bool:
    return bool(limits[0] <= truth <= limits[1])


def adjusted(n: int, seed: int) -> dict[str, bool]:
    """A binary outcome whose risks are 1 / (1 + exp(-(x - .5 + t))) averaged over x, and a numeric one of effect 1 + x."""
    random = np.random.default_rng([1, n, seed])
    x, z = random.standard_normal((2, n))
    t = (random.random(n) < 1 / (1 + np.exp(-0.7 * x))) * 1.0
    b = (random.random(n) < 1 / (1 + np.exp(-(x - 0.5 + t)))) * 1.0
    y = x + z + t * (1 + x) + random.standard_normal(n)
    data = pd.DataFrame({"x": x, "z": z, "t": t, "b": b, "y": y})
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    risk = [float(weights @ (1 / (1 + np.exp(-(nodes - 0.5 + arm)))) / weights.sum()) for arm in (0, 1)]
    out = {}
    for measure, truth in (("difference", risk[1] - risk[0]), ("ratio", np.log(risk[1] / risk[0]))):
        fit = si.effect("b ~ t | x + z", data, method="tmle", measure=measure)
        out[f"TMLE, {measure}"] = held(fit.conf_int().to_numpy()[0], truth)
    for correct in (False, True):
        fit = si.effect("y ~ t | x", data, method="matching", bias_correction=correct)
        out[f"matching, one covariate{', corrected' if correct else ''}"] = held(fit.conf_int().to_numpy()[0], 1.0)
    return out


def policies(n: int, seed: int) -> dict[str, bool]:
    """Effects 3 where a > 0 and -3 elsewhere: what the rules that the folds chose gain, each a cut in a; and nothing for all."""
    random = np.random.default_rng([2, n, seed])
    a, c = random.standard_normal((2, n))
    t = (random.random(n) < 0.5) * 1.0
    data = pd.DataFrame({"a": a, "t": t, "y": c + t * np.where(a > 0, 3.0, -3.0) + random.standard_normal(n)})
    none = data.assign(y=c - 3 * t + random.standard_normal(n))
    fit = si.cate("y ~ t | a", data, method="dr", learner="lm")
    found, fold = fit._evaluation("sequential", None), fit._learnt().how.folds[0]
    gamma, out = found.scores[0], {}
    for rule in ("tree", "threshold"):
        truths = []
        for block in found.splits[0]:
            before = fold < fold[block.rows[0]]
            treat = (
                block.effect > 0
                if rule == "threshold"
                else best_tree(a[before, None], gamma[before], 1, 20).actions(a[block.rows, None])
            )
            here = a[block.rows]
            cut = 0.5 * (here[~treat].max(initial=-9.0) + here[treat].min(initial=9.0))
            # Rows from the cut to zero lose 3 each, those above zero and the cut gain 3.
            truths.append(3 * (norm.sf(max(cut, 0.0)) - max(0.5 - norm.cdf(cut), 0.0)))
        value = fit.policy(rule, depth=1).tidy().iloc[0]
        out[f"policy, {rule}"] = held(value[["conf_low", "conf_high"]].to_numpy(), float(np.mean(truths)))
    fit = si.cate("y ~ t | a", none, method="dr", learner="lm")
    value = fit.policy("tree", depth=1).tidy().iloc[1]
    out["policy where nobody gains, over everybody"] = held(value[["conf_low", "conf_high"]].to_numpy(), 3.0)
    return out


def trained(n: int, seed: int) -> dict[str, bool]:
    """The line of a + a^2 / 2 on a where a ~ N(.8, 1): slope 1.8."""
    random = np.random.default_rng([3, n, seed])
    z = (random.random(n) < 0.5) * 1.0
    a = random.standard_normal(n) + 0.8 * z
    data = pd.DataFrame({"z": z, "a": a, "y": a + 0.5 * a**2 + 0.3 * random.standard_normal(n)})
    out = {}
    for folds in (1, 2):
        made = si.training_weights("z ~ a", data, folds=folds)
        limits = si.lm("y ~ a", data, weights=made.w_treat).conf_int().loc["a"].to_numpy()
        out[f"line with training weights, folds={folds}"] = held(limits, 1.8)
    return out


def visited(n: int, seed: int) -> dict[str, bool]:
    """Y(t) = 1 + g / 2 + t + u + a(t), seen the sooner the larger the last outcome was."""
    random = np.random.default_rng([4, n, seed])
    group = (random.random(n) < 0.5) * 1.0
    level, noise, last, parts = random.standard_normal(n), random.standard_normal(n), np.zeros(n), []
    for day in range(60):
        noise = noise if day == 0 else 0.9 * noise + np.sqrt(0.19) * random.standard_normal(n)
        y = 1 + 0.5 * group + day / 60 + level + noise
        seen = random.random(n) < (1 - np.exp(-0.12 * np.exp(0.3 * (last - 1.5))) if day else 1.0)
        parts.append(
            pd.DataFrame({"id": np.flatnonzero(seen), "day": day, "time": day / 60, "g": group[seen], "y": y[seen]})
        )
        last = np.where(seen, y, last)
    data = pd.concat(parts, ignore_index=True)
    out = {}
    for name, more in (("plain", {}), ("stabilised", {"stabilize": "~ g"})):
        fit = si.visits("y ~ g + time", data, visits="~ lag(y) + g", id="id", time="day", end=59, **more)
        limits = fit.conf_int().to_numpy()
        for term, row, truth in zip(("intercept", "group", "time"), limits, (1.0, 0.5, 1.0), strict=True):
            out[f"visits, {name}: {term}"] = held(row, truth)
    return out


def main() -> None:
    replications = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    warnings.simplefilter("ignore")
    low, high = binom.ppf([0.0005, 0.9995], replications, 0.95) / replications
    lines = [
        "# Coverage of TMLE, matching, policies, training weights and informative visits",
        "",
        f"Shares of {replications} samples in which nominal 95% intervals hold the truth; bold where inside the binomial's "
        f"99.9% band [{low:.3f}, {high:.3f}]. The truth of a policy is the mean gain of the rules that the folds chose.",
        "",
        "| interval | n = 200 | n = 800 |",
        "|:---|---:|---:|",
    ]
    shares = []
    for n in (200, 800):
        found: dict[str, list[bool]] = {}
        for seed in range(replications):
            made = adjusted(n, seed) | policies(n, seed) | trained(n, seed) | (visited(n // 4, seed))
            for name, one in made.items():
                found.setdefault(name, []).append(one)
        shares.append({name: float(np.mean(values)) for name, values in found.items()})
    for name in shares[0]:
        cells = [f"**{s[name]:.3f}**" if low <= s[name] <= high else f"{s[name]:.3f}" for s in shares]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", "Visits have n / 4 units."]
    text = "\n".join(lines) + "\n"
    print(text)
    (Path(__file__).parent / "results" / "adjusted_coverage.md").write_text(text)


if __name__ == "__main__":
    main()

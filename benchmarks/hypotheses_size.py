"""Size of the tests of regressions where their hypotheses are true: few uneven clusters, families, equivalence, assignment."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

import statinf as si

SIZES = (8, 10, 12, 15, 20, 25, 30, 40, 60, 80)
"""Rows of ten clusters."""


def uneven(seed: int) -> dict[str, bool]:
    """A regressor and errors with parts shared by clusters of eight to eighty rows; the slope is one."""
    random = np.random.default_rng([1, seed])
    g = np.repeat(np.arange(10), SIZES)
    x = random.standard_normal(10)[g] + random.standard_normal(len(g))
    y = x + random.standard_normal(10)[g] + random.standard_normal(len(g))
    fit = si.lm("y ~ x", pd.DataFrame({"y": y, "x": x, "g": g}), cluster="g")
    jackknife = fit.with_vcov({"cluster": "g", "type": "HC3"})
    wild = {"bootstrap": "wild", "replicas": 1024}
    return {
        "clustered HC1, t(9)": fit.test("x = 1").p_value <= 0.05,
        "clustered HC3, t(9)": jackknife.test("x = 1").p_value <= 0.05,
        "wild, null imposed, 11": fit.test("x = 1", **wild).p_value <= 0.05,
        "wild, null imposed, 31": fit.test("x = 1", type="31", **wild).p_value <= 0.05,
        "wild, null imposed, 33": fit.test("x = 1", type="33", **wild).p_value <= 0.05,
        "wild, null imposed, webb": fit.test("x = 1", law="webb", **wild).p_value <= 0.05,
        "wild, null not imposed, 11": fit.test("x = 1", restricted=False, **wild).p_value <= 0.05,
    }


def family(seed: int) -> dict[str, bool]:
    """Any rejection among seven true hypotheses of ten, dependent regressors, n = 200; the other three have effects."""
    random = np.random.default_rng([2, seed])
    x = random.standard_normal((200, 10)) + random.standard_normal((200, 1))
    y = x[:, :3] @ np.array([0.2, 0.3, 0.5]) + random.standard_normal(200) * (0.5 + 0.5 * np.abs(x[:, 5]))
    names = [f"x{j}" for j in range(10)]
    data = pd.DataFrame(x, columns=names).assign(y=y)
    fit = si.lm("y ~ " + " + ".join(names), data, vcov="HC3")
    methods = {
        "holm": {},
        "hommel": {},
        "sup-t": {},
        "romano-wolf": {"replicas": 499, "seed": seed, "law": "rademacher"},
    }
    out = {"unadjusted": bool((fit.pvalues.iloc[4:] <= 0.05).any())}
    for method, options in methods.items():
        out[method] = bool((fit.adjust(method, **options)["adj_p_value"].to_numpy()[3:] <= 0.05).any())
    return out


def equivalence(seed: int) -> dict[str, bool]:
    """The slope lies at a bound: equivalence and superiority are then both false."""
    random = np.random.default_rng([3, seed])
    x = random.standard_normal(60)
    fit = si.lm("y ~ x", {"y": 0.5 * x + (0.5 + np.abs(x)) * random.standard_normal(60), "x": x}, vcov="HC3")
    return {
        "equivalence within (-0.5, 0.5)": fit.test("x", equivalence=(-0.5, 0.5)).p_value <= 0.05,
        "equivalence within (-3, 0.5)": fit.test("x", equivalence=(-3, 0.5)).p_value <= 0.05,
        "greater than 0.5": fit.test("x", null=0.5, side="greater").p_value <= 0.05,
    }


def assignment(seed: int) -> dict[str, bool]:
    """Fourteen of sixty rows are treated; no effect on anybody, or none on average but more variance."""
    random = np.random.default_rng([4, seed])
    t = np.zeros(60)
    t[random.permutation(60)[:14]] = 1.0
    x = random.standard_normal(60)
    sharp = x + random.standard_exponential(60)
    weak = x + random.standard_normal(60) * np.where(t == 1, 3.0, 1.0)
    out = {}
    for name, y in (("no effect", sharp), ("no average effect", weak)):
        fit = si.lm("y ~ t + x", {"y": y, "t": t, "x": x}, vcov="HC2")
        for statistic in ("t", "estimate"):
            found = fit.randomization_test("t", permutations=199, statistic=statistic, seed=seed)
            out[f"{name}, {statistic}"] = found.p_value <= 0.05
    return out


STUDIES: dict[str, tuple[Callable[[int], dict[str, bool]], str]] = {
    "Ten clusters of 8 to 80 rows": (uneven, "share of samples in which the true slope is rejected"),
    "Ten coefficients, three of them not zero": (family, "share of samples in which any true hypothesis is rejected"),
    "One-sided tests and equivalence at a bound": (equivalence, "share of samples that reject"),
    "Randomisation tests": (assignment, "share of samples that reject"),
}


def section(title: str, samples: int) -> str:
    """One study as a section of the record."""
    replicate, said = STUDIES[title]
    half = 3.29 * np.sqrt(0.05 * 0.95 / samples)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shares = pd.DataFrame([replicate(seed) for seed in range(samples)]).mean()
    print(title, shares.round(3).to_dict(), flush=True)
    lines = [f"## {title}", "", f"| test | {said} |", "|---|---:|"]
    for name, share in shares.items():
        lines.append(f"| {name} | " + (f"**{share:.3f}** |" if share > 0.05 + half else f"{share:.3f} |"))
    return "\n".join([*lines, "", f"{samples} samples; binomial band at 99.9% [{0.05 - half:.3f}, {0.05 + half:.3f}]."])


def main(samples: int, chosen: list[str]) -> None:
    """Run the studies whose titles begin with one of the words, all by default; others keep their sections of the record."""
    file = Path(__file__).resolve().parent / "results" / "hypotheses_size.md"
    kept = {}
    if file.exists():
        kept = {part.split("\n")[0]: "## " + part.strip() for part in file.read_text().split("\n## ")[1:]}
    sections = []
    for title in STUDIES:
        asked = not chosen or any(title.startswith(word) for word in chosen)
        sections.append(section(title, samples) if asked or title not in kept else kept[title])
    head = "# Size of tests of regressions\n\nRejections at 5%; shares above the binomial band are bold. " + NOTE
    file.write_text("\n\n".join([head, *sections]) + "\n")


NOTE = (
    "Unadjusted tests, HC1 with few clusters, residuals without the null hypothesis imposed, and the plain estimate under unequal "
    "variances are there to compare with: they are known to reject too often. Equivalence within narrow bounds is conservative, "
    "since both one-sided tests must reject."
)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000, sys.argv[2:])

"""Size of the tests of heterogeneous effects: `python -m benchmarks.heterogeneity_size [--quick] [--jobs 2]`.

Without an effect, and with one that is the same for everybody, no test may find that effects vary more often than its
level says. Outcome models are ridge (random features for "s"), the treatment model is a logit, the final stage least
squares. `--quick` takes a tenth of the samples and records nothing; rows of the tables are drawn in so many processes.
"""

from __future__ import annotations

import argparse
import warnings
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

import statinf as si
from statinf.learners.random_features import RandomFeatureRidge

LEARNERS = ("s", "t", "x", "dr", "r", "u", "ivw")
TESTS = ("calibration", "autoc", "qini", "gates", "clan", "blp")
EFFECTS = {"none": 0.0, "the same for all": 1.0}
REPLICAS = 25
SIZES = (
    *((200, "none", method, "sequential") for method in LEARNERS),
    *((200, "the same for all", method, "sequential") for method in ("s", "r", "u")),
    *((1000, "none", method, "sequential") for method in LEARNERS),
    *((1000, "the same for all", method, "sequential") for method in ("s", "r", "u")),
    *((200, "none", method, "cross-fold") for method in ("t", "dr")),
)
"""Rows, effect, learner and evaluation of each row of the tables of sizes."""
SAMPLES, OF_POWER = 1000, 400
HERE = Path(__file__).resolve().parent
INTRODUCTION = (
    "# Size of the tests of heterogeneous effects",
    "",
    "Rejections at 5% where effects do not vary; shares outside the binomial band at 99.9%, 0.05 +- 3.29 sqrt(0.0475 / samples), "
    "are bold. An effect that is the same for all shifts what t, x, dr and ivw predict, and leaves their p-values as they "
    "are without an effect. `calibration`: the coefficient of the predicted effect; `autoc`, "
    f"`qini`: `rate()` with {REPLICAS} half-samples; `gates`: four groups have one effect; `clan`: a covariate that predictions do "
    "not use has one mean in the lowest and the highest group; `blp`: both slopes are zero. Five folds.",
)


def draw(seed: int, n: int, constant: float, slope: float = 0.0) -> pd.DataFrame:
    """An outcome with an effect of constant + slope a, a treatment that depends on a, and a covariate z beside it all."""
    random = np.random.default_rng([seed, n])
    a, b, z = random.standard_normal((3, n))
    d = (random.uniform(size=n) < 1.0 / (1.0 + np.exp(-0.5 * a))).astype(float)
    y = a + 0.5 * b + d * (constant + slope * a) + random.standard_normal(n)
    return pd.DataFrame({"y": y, "d": d, "a": a, "b": b, "z": z})


def fitted(frame: pd.DataFrame, method: str, seed: int) -> si.results.Result:
    """A fit whose effects vary with a and b, and not with z."""
    # One linear model of both arms has the same effect for all; random features bend.
    model = {"outcome_model": RandomFeatureRidge(features=32) if method == "s" else "ridge"}
    return si.cate("y ~ d | a + b + z", frame, method=method, effect="~ a + b", seed=seed, **model)


def p_values(fit: si.results.Result, evaluation: str = "sequential") -> list[float]:
    """p-values of `TESTS`: that predictions tell nothing, groups and ranks have one effect, z and the slopes are nothing."""
    how = {"evaluation": evaluation}
    clan = fit.clan(**how).set_index("variable")
    return [
        float(fit.calibration(**how).pvalues["heterogeneity"]),
        fit.rate(replicas=REPLICAS, **how).p_value,
        fit.rate(replicas=REPLICAS, target="qini", **how).p_value,
        float(fit.gates(**how).test(["d[G1] = d[G2]", "d[G2] = d[G3]", "d[G3] = d[G4]"]).p_value),
        float(clan.loc["z", "p_value"]),
        float(fit.blp("~ a + b").test(["d:a = 0", "d:b = 0"]).p_value),
    ]


def rejections(method: str, n: int, constant: float, samples: int, slope: float = 0.0, **how: str) -> np.ndarray:
    """Share of samples in which each of `TESTS` rejects at 5%."""
    found = [p_values(fitted(draw(seed, n, constant, slope), method, seed), **how) for seed in range(samples)]
    return np.mean(np.array(found) < 0.05, axis=0)


def row(name: str, method: str, n: int, samples: int, shares: np.ndarray, *, bold: bool = True) -> str:
    """A line of a table; shares outside the binomial band at 99.9% are bold."""
    half = 3.29 * np.sqrt(0.05 * 0.95 / samples)
    cells = [f"**{v:.3f}**" if bold and abs(v - 0.05) > half else f"{v:.3f}" for v in shares]
    return f"| {name} | {method} | {n} | {samples} | " + " | ".join(cells) + " |"


def size(cell: tuple[int, str, str, str], samples: int) -> str:
    """A row of `SIZES`."""
    n, name, method, evaluation = cell
    return row(name, method, n, samples, rejections(method, n, EFFECTS[name], samples, evaluation=evaluation))


def power(n: int, samples: int) -> str:
    """A row of the table of power."""
    return row("1 + a / 2", "dr", n, samples, rejections("dr", n, 1.0, samples, slope=0.5), bold=False)


def quietly() -> None:
    """Leave the warnings of many small samples out."""
    warnings.simplefilter("ignore")


def main(share: float, jobs: int) -> str:
    """The record, with this share of the samples."""
    some, few = int(share * SAMPLES), int(share * OF_POWER)
    head = [
        "| effect | learner | n | samples | " + " | ".join(TESTS) + " |",
        "|---|---|---:|---:|" + "---:|" * len(TESTS),
    ]
    tables: dict[str, list[str]] = {"sequential": [], "cross-fold": []}
    with ProcessPoolExecutor(jobs, get_context("spawn"), quietly) as pool:
        # The longest rows first.
        order = sorted(SIZES, key=lambda cell: -cell[0])
        drawn = {cell: pool.submit(size, cell, some) for cell in order}
        found = [pool.submit(power, n, few) for n in (200, 1000)]
        for done in as_completed([*drawn.values(), *found]):
            print(done.result(), flush=True)
    for cell in SIZES:
        tables[cell[-1]].append(drawn[cell].result())
    lines = [*INTRODUCTION, "", "## Sequential evaluation (the default)", "", *head, *tables["sequential"]]
    lines += ["", "## Cross-fold evaluation", "", *head, *tables["cross-fold"]]
    lines += ["", "## Power, sequential: an effect of 1 + a / 2", "", *head, *(one.result() for one in found)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--quick", action="store_true", help="a tenth of the samples, recorded nowhere")
    words.add_argument("--jobs", type=int, default=1, help="processes (default: %(default)s)")
    asked = words.parse_args()
    made = main(0.1 if asked.quick else 1.0, asked.jobs)
    if not asked.quick:
        (HERE / "results" / "heterogeneity_size.md").write_text(made)

"""Size of the tests of heterogeneous effects: `python -m benchmarks.heterogeneity_size [--quick] [SAMPLES]`.

Without an effect, and with one that is the same for everybody, no test may find that effects vary more often than its
level says. Outcome and treatment models are ridge and a logit, the final stage is least squares.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import statinf as si

LEARNERS = ("s", "t", "x", "dr", "r", "u", "ivw")
TESTS = ("calibration", "autoc", "qini", "gates", "clan", "blp")
EFFECTS = {"none": 0.0, "the same for all": 1.0}
REPLICAS = 50
HERE = Path(__file__).resolve().parent


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
    model = {} if method == "s" else {"outcome_model": "ridge"}
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


def main() -> None:
    quick = "--quick" in sys.argv
    given = [int(word) for word in sys.argv[1:] if word.isdigit()]
    samples = given[0] if given else 40 if quick else 400
    head = [
        "| effect | learner | n | samples | " + " | ".join(TESTS) + " |",
        "|---|---|---:|---:|" + "---:|" * len(TESTS),
    ]
    lines = [
        "# Size of the tests of heterogeneous effects",
        "",
        "Rejections at 5% where effects do not vary. The binomial band at 99.9% is "
        + " and ".join(f"[{0.05 - h:.3f}, {0.05 + h:.3f}] of {s}" for s, h in _bands(samples))
        + " samples; shares outside are bold. `calibration`: the coefficient of the predicted effect; `autoc`, `qini`: `rate()` "
        f"with {REPLICAS} half-samples; `gates`: four groups have one effect; `clan`: a covariate that predictions do not use has "
        "one mean in the lowest and the highest group; `blp`: both slopes are zero.",
        "",
        "## Sequential evaluation (the default)",
        "",
        *head,
    ]
    for n, some in ((200, samples), (1000, max(samples // 2, 2))):
        for name, constant in EFFECTS.items():
            for method in LEARNERS:
                lines.append(row(name, method, n, some, rejections(method, n, constant, some)))
                print(lines[-1], flush=True)
    lines += ["", "## Cross-fold evaluation", "", *head]
    for method in ("t", "dr"):
        shares = rejections(method, 200, 0.0, samples, evaluation="cross-fold")
        lines.append(row("none", method, 200, samples, shares))
        print(lines[-1], flush=True)
    lines += ["", "## Power, sequential: an effect of 1 + a / 2", "", *head]
    for n in (200, 1000):
        some = max(samples // 4, 2)
        lines.append(row("1 + a / 2", "dr", n, some, rejections("dr", n, 1.0, some, slope=0.5), bold=False))
        print(lines[-1], flush=True)
    if not quick:
        (HERE / "results" / "heterogeneity_size.md").write_text("\n".join(lines) + "\n")


def _bands(samples: int) -> list[tuple[int, float]]:
    return [(s, 3.29 * float(np.sqrt(0.05 * 0.95 / s))) for s in (samples, max(samples // 2, 2))]


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()

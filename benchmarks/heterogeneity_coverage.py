"""Coverage of evaluations where effects vary: `python -m benchmarks.heterogeneity_coverage [--quick]`.

The effect is 1 + a / 2. The truth of groups, of the calibration and of autoc depends on the predictions: it is what the
same estimator gives for them with each row's true effect in the place of its score or its residual. That of blp is
(1, 1/2, 0). `--quick` takes a tenth of the samples and records nothing.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import statinf as si
from benchmarks.heterogeneity_size import REPLICAS, draw
from statinf.effects.evaluation import EvaluationBlock
from statinf.effects.projection import project_blocks
from statinf.effects.rate import rate_by_blocks

INTERVALS = ("gates", "calibration: average", "calibration: heterogeneity", "autoc", "blp")
PLAN = ((1000, "t", 400),)
HERE = Path(__file__).resolve().parent
INTRODUCTION = (
    "# Coverage of evaluations where effects vary",
    "",
    "Share of 95% intervals that hold the truth where the effect is 1 + a / 2: `gates` over four groups and `blp` over three "
    "coefficients, on average. Outcome models are least squares, the treatment model is a logit, five folds, sequential "
    "evaluation. The 95% binomial band around 0.95 is +- 0.021 at 400 samples for one interval, at most that for an average. "
    "The truth of groups and autoc is that of the sample's own covariates, so that their intervals, which are about the "
    "population, may hold it somewhat too often.",
    "",
    "| learner | n | samples | " + " | ".join(INTERVALS) + " |",
    "|---|---:|---:|" + "---:|" * len(INTERVALS),
)


def truths(fit: Any, effect: np.ndarray) -> list[np.ndarray]:
    """Group means, calibration and autoc of a fit's predictions, given every row's effect, shape (n,)."""
    learnt, found = fit._learnt(), fit._evaluation("sequential", None)
    w, d = learnt.sample.w, learnt.sample.d

    def means(_: Any, b: EvaluationBlock) -> tuple[np.ndarray, np.ndarray]:
        return (b.groups(4, w, learnt.how.seed)[:, None] == np.arange(4)).astype(float), effect[b.rows]

    def products(p: Any, b: EvaluationBlock) -> tuple[np.ndarray, np.ndarray]:
        v = (d - p["propensity"])[b.rows]
        return np.column_stack([v, v * b.centred(w)]), v * effect[b.rows]

    def solved(of: Callable[[Any, EvaluationBlock], tuple[np.ndarray, np.ndarray]], q: int) -> np.ndarray:
        pairs = zip(learnt.evaluation, found.splits, strict=True)
        splits = [[(b.rows, *of(p, b)) for b in blocks] for p, blocks in pairs]
        names = [f"c{j}" for j in range(q)]
        return project_blocks(learnt.rows.design, splits, names, vcov=fit._spec(None, "HC3"), heading="").theta

    exact = replace(found, scores=np.broadcast_to(effect, found.scores.shape))
    ranked = rate_by_blocks(exact, w, target="autoc", replicas=2, seed=0, codes=None).estimate
    return [solved(means, 4), solved(products, 2), np.array([ranked])]


def covered(method: str, n: int, seed: int) -> list[float]:
    """Share of each of `INTERVALS` that hold the truth in one sample."""
    frame = draw(seed, n, 1.0, 0.5)
    fit: Any = si.cate("y ~ d | a + b + z", frame, method=method, effect="~ a + b", seed=seed, outcome_model="lm")
    groups, slopes, ranked = truths(fit, 1.0 + 0.5 * frame["a"].to_numpy())
    low, high = fit.rate(replicas=REPLICAS).conf_int()
    calibrated = inside(fit.calibration(), slopes)
    return [
        inside(fit.gates(), groups).mean(),
        *calibrated,
        float(low <= ranked[0] <= high),
        inside(fit.blp("~ a + b"), np.array([1.0, 0.5, 0.0])).mean(),
    ]


def inside(found: Any, truth: np.ndarray) -> np.ndarray:
    """Whether each interval holds its truth."""
    limits = found.conf_int().to_numpy()
    return (limits[:, 0] <= truth) & (truth <= limits[:, 1])


def main() -> None:
    quick = "--quick" in sys.argv
    lines = list(INTRODUCTION)
    for n, method, samples in PLAN:
        some = samples // 10 if quick else samples
        shares = np.mean([covered(method, n, seed) for seed in range(some)], axis=0)
        lines.append(f"| {method} | {n} | {some} | " + " | ".join(f"{v:.3f}" for v in shares) + " |")
        print(lines[-1], flush=True)
    if not quick:
        (HERE / "results" / "heterogeneity_coverage.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()

"""Studies of `si.cate`: coefficients, the average, projections, groups, calibration, ranks, characteristics and policies."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

import statinf as si
from benchmarks.adjusted_coverage import policies
from benchmarks.certify.study import Shown, Study, limits, many
from benchmarks.heterogeneity_coverage import truths
from benchmarks.heterogeneity_size import draw
from statinf.results.certified import described

SIZES = (200, 1000)
FORMULA = "y ~ d | a + b + z"


def learnt(method: str, n: int, seed: int) -> Iterator[Any]:
    """The effect is 1 + a / 2; what evaluates predictions has the truth of the sample's own covariates."""
    frame = draw(seed, n, 1.0, 0.5)
    fit: Any = si.cate(FORMULA, frame, method=method, effect="~ a + b", seed=seed, outcome_model="lm")
    own = described(fit)
    effect = 1.0 + 0.5 * frame["a"].to_numpy()
    groups, slopes, ranked = truths(fit, effect)

    def of(found: Shown, quantity: str) -> Shown:
        return Shown(own, quantity, found.held)

    if isinstance(fit, si.results.Fit):
        yield limits(fit, slice(0, 3), np.array([1.0, 0.5, 0.0]), "coefficients of the effect")
        new = frame.head(5)
        band = fit.predict(new, interval="confidence")
        true = 1.0 + 0.5 * new["a"]
        yield Shown(fit, "effect of a row", float(((band["conf_low"] <= true) & (true <= band["conf_high"])).mean()))
    yield of(limits(fit.ate(), 0, 1.0, ""), "average effect, ate()")
    yield of(limits(fit.blp("~ a + b"), slice(0, 3), np.array([1.0, 0.5, 0.0]), ""), "projection of the effect, blp()")
    yield of(limits(fit.gates(), slice(0, 4), groups, ""), "average effect of a group, gates()")
    calibrated = fit.calibration()
    yield of(limits(calibrated, 0, slopes[0], ""), "average of calibration()")
    yield of(limits(calibrated, 1, slopes[1], ""), "heterogeneity of calibration()")
    low, high = fit.rate(replicas=100).conf_int()
    yield Shown(own, "ranks, rate()", low <= ranked[0] <= high)


def rules(n: int, seed: int) -> Iterator[Any]:
    """Effects of 3 or -3: gains of the rules that the folds chose."""
    yield from many(policies(n, seed), lambda name: (("Policy", "policy", "its own"), f"gain of a {name}"))


LEARNERS = ("t", "x", "r", "u", "dr", "ivw")
STUDIES = (
    *(
        Study(
            f"cate_{method}", "cate", "effects 1 + a / 2 of a treatment that goes with a; linear outcome models", SIZES,
            partial(learnt, method),
        )
        for method in LEARNERS
    ),
    Study("policy", "cate", "effects of 3 where a > 0 and -3 elsewhere, or -3 for all", (200, 800), rules),
)  # fmt: skip

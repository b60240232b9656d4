"""Studies of weights followed by a regression, `si.effect` and `si.iv`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.certify.regressions import slope
from benchmarks.certify.study import Shown, Study

SIZES = (100, 200, 1000)


def confounded(n: int, seed: int) -> pd.DataFrame:
    """A treatment that goes with x and z; its effect is 1 + x / 2, so 1 on average."""
    rng = np.random.default_rng([11, n, seed])
    x, z = rng.standard_normal((2, n))
    treat = (rng.random(n) < 1 / (1 + np.exp(-0.5 * x + 0.5 * z))).astype(float)
    y = treat * (1 + 0.5 * x) + x + z + rng.standard_normal(n)
    return pd.DataFrame({"x": x, "z": z, "treat": treat, "y": y})


def treated_mean(draws: int = 400_000) -> float:
    """Average effect on the treated, by one large sample; its own error is below .002."""
    rng = np.random.default_rng(0)
    x, z = rng.standard_normal((2, draws))
    chance = 1 / (1 + np.exp(-0.5 * x + 0.5 * z))
    return float(1 + 0.5 * np.average(x, weights=chance))


ON_TREATED = treated_mean()


def weighted(n: int, seed: int) -> Iterator[Any]:
    data = confounded(n, seed)

    def made(method: str, estimand: str, kind: str) -> Shown:
        w = si.balance("treat ~ x + z", data, method=method, estimand=estimand)
        fit = si.lm("y ~ treat", data, weights=w, vcov=kind)
        truth = 1.0 if estimand == "ATE" else ON_TREATED
        return slope(fit, truth, f"{estimand} after {method}", "treat")

    for method in ("ipw", "entropy", "cbps"):
        for estimand in ("ATE", "ATT"):
            for kind in ("HC0", "HC3"):
                yield partial(made, method, estimand, kind)


def average(n: int, seed: int) -> Iterator[Any]:
    data = confounded(n, seed)

    def made(method: str, estimand: str) -> Shown:
        fit = si.effect("y ~ treat | x + z", data, method=method, estimand=estimand, seed=seed)
        return slope(fit, 1.0 if estimand == "ATE" else ON_TREATED, estimand, "treat")

    for method in ("regression", "ipw", "aipw", "irm", "tmle"):
        for estimand in ("ATE", "ATT"):
            if (method, estimand) != ("tmle", "ATT"):
                yield partial(made, method, estimand)


def randomised(n: int, seed: int) -> Iterator[Any]:
    rng = np.random.default_rng([12, n, seed])
    treat = rng.permutation(np.arange(n) % 2).astype(float)
    data = pd.DataFrame({"treat": treat, "y": treat + (1 + treat) * rng.standard_normal(n)})
    yield slope(si.effect("y ~ treat", data, method="dim"), 1.0, "ATE", "treat")


def instruments(n: int, seed: int) -> Iterator[Any]:
    rng = np.random.default_rng([13, n, seed])
    z1, z2, hidden = rng.standard_normal((3, n))
    treat = 0.5 * z1 + 0.5 * z2 + hidden + rng.standard_normal(n)
    y = treat + hidden + rng.standard_normal(n)
    data = pd.DataFrame({"y": y, "treat": treat, "z1": z1, "z2": z2})

    def made(method: str) -> Shown:
        return slope(si.iv("y ~ treat | 1 | z1 + z2", data, method=method), 1.0, "effect", "treat")

    for method in ("2sls", "liml", "gmm"):
        yield partial(made, method)


CONFOUNDED = "a treatment with confounders x and z; effects that grow with x"

STUDIES = (
    Study("weights", "lm", f"{CONFOUNDED}; weights estimated first", SIZES, weighted),
    Study("effect", "effect", CONFOUNDED, SIZES, average),
    Study(
        "randomised",
        "effect",
        "half of the rows treated at random, unlike error variances in the arms",
        SIZES,
        randomised,
    ),
    Study("instruments", "iv", "two instruments of coefficient .5 and a hidden confounder", SIZES, instruments),
)

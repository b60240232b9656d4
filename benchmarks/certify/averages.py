"""Studies of `si.effect` beside those of `treatments`: groups, repeats, several arms, doses, quantiles, matching, measures."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.certify.study import Shown, Study, inside, limits
from benchmarks.certify.treatments import CONFOUNDED, ON_TREATED, confounded

SIZES = (100, 200, 1000)
FORMULA = "y ~ treat | x + z"


def more(n: int, seed: int) -> Iterator[Any]:
    """Effect 1 + x / 2; groups are the halves of a coin that plays no part."""
    data = confounded(n, seed)
    rng = np.random.default_rng([31, n, seed])
    data["g"] = (rng.random(n) < 0.5) * 1.0

    def plr() -> Shown:
        # One effect for all: the partially linear model is then right.
        alike = data.assign(y=data["y"] - 0.5 * data["x"] * data["treat"])
        return limits(si.effect(FORMULA, alike, method="plr", seed=seed), 0, 1.0, "effect, alike for all")

    yield plr
    for method in ("regression", "ipw", "aipw"):
        yield lambda method=method: limits(
            si.effect(FORMULA, data, method=method, estimand="ATC"), 0, 2.0 - ON_TREATED, "ATC"
        )
    for method in ("regression", "ipw", "aipw"):
        yield lambda method=method: limits(
            si.effect(FORMULA, data, method=method, by="g"), slice(0, 2), 1.0, "ATE of a group, by="
        )
    yield lambda: limits(
        si.effect(FORMULA, data, method="irm", repeats=5, seed=seed), 0, 1.0, "ATE, median of five splits"
    )
    yield lambda: limits(
        si.effect(FORMULA, data, method="aipw").means(), slice(0, 2), np.array([0.0, 1.0]), "means of the arms"
    )


def binary(n: int, seed: int) -> Iterator[Any]:
    """A binary outcome of logit x - 1/2 + treatment."""
    rng = np.random.default_rng([32, n, seed])
    x, z = rng.standard_normal((2, n))
    t = (rng.random(n) < 1 / (1 + np.exp(-0.7 * x))) * 1.0
    b = (rng.random(n) < 1 / (1 + np.exp(-(x - 0.5 + t)))) * 1.0
    data = pd.DataFrame({"x": x, "z": z, "t": t, "b": b})
    low, high = _risks()
    for measure, truth in (
        ("difference", high - low),
        ("ratio", np.log(high / low)),
        ("odds-ratio", np.log(high / (1 - high) / (low / (1 - low)))),
    ):
        yield lambda measure=measure, truth=truth: limits(
            si.effect("b ~ t | x + z", data, method="tmle", measure=measure), 0, truth, f"ATE, {measure} of risks"
        )


@cache
def _risks() -> tuple[float, float]:
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    low, high = (float(weights @ (1 / (1 + np.exp(-(nodes - 0.5 + arm)))) / weights.sum()) for arm in (0, 1))
    return low, high


def matched(n: int, seed: int) -> Iterator[Any]:
    """Effect 1 + x of a treatment that goes with x."""
    rng = np.random.default_rng([33, n, seed])
    x, z = rng.standard_normal((2, n))
    t = (rng.random(n) < 1 / (1 + np.exp(-0.7 * x))) * 1.0
    data = pd.DataFrame({"x": x, "z": z, "t": t, "y": x + z + t * (1 + x) + rng.standard_normal(n)})
    for formula, said in (("y ~ t | x", "one covariate"), ("y ~ t | x + z", "two covariates")):
        for correct in (False, True):
            yield lambda formula=formula, said=said, correct=correct: limits(
                si.effect(formula, data, method="matching", bias_correction=correct), 0, 1.0,
                f"ATE, {said}{', bias corrected' if correct else ''}",
            )  # fmt: skip


def arms(n: int, seed: int) -> Iterator[Any]:
    """Three arms whose odds go with x; effects 1 and 2 + x / 2."""
    rng = np.random.default_rng([34, n, seed])
    x, z = rng.standard_normal((2, n))
    scores = np.column_stack([np.zeros(n), 0.5 * x, -0.5 * x]) + rng.gumbel(size=(n, 3))
    arm = scores.argmax(axis=1)
    y = x + z + np.where(arm == 1, 1.0, 0.0) + np.where(arm == 2, 2.0 + 0.5 * x, 0.0) + rng.standard_normal(n)
    data = pd.DataFrame({"x": x, "z": z, "y": y, "treat": np.array(["a", "b", "c"])[arm]})
    for method in ("regression", "ipw", "aipw"):
        yield lambda method=method: limits(
            si.effect(FORMULA, data, method=method), slice(0, 2), np.array([1.0, 2.0]), "ATE of two arms beside a third"
        )


def doses(n: int, seed: int) -> Iterator[Any]:
    """Mean outcome 1 + a - a^2 / 4 at dose a, which goes with x."""
    rng = np.random.default_rng([35, n, seed])
    x, z = rng.standard_normal((2, n))
    a = 0.5 * x + rng.standard_normal(n)
    data = pd.DataFrame({"x": x, "z": z, "a": a, "y": 1 + a - a**2 / 4 + x + rng.standard_normal(n)})
    at = np.array([-0.5, 0.0, 0.5, 1.0])
    fit = si.effect("y ~ a | x + z", data, method="dose", doses=list(at))
    band, truth = fit.curve().frame(), 1 + at - at**2 / 4
    yield Shown(fit, "mean at a dose", inside(band, truth).mean())
    yield Shown(fit, "means at four doses at once", inside(band, truth, ("band_low", "band_high")).all())


def quantile_effects(skewed: bool, n: int, seed: int) -> Iterator[Any]:
    """Normal arms of different spread, or lognormal ones."""
    from scipy.special import ndtri

    tau = np.array([0.1, 0.5, 0.9])
    rng = np.random.default_rng([36, n, seed])
    x, e = rng.standard_normal((2, n))
    t = (0.6 * x + rng.logistic(size=n) > 0).astype(float)
    if skewed:
        s = np.sqrt(0.89) * ndtri(tau)
        y, truth = np.exp(0.5 * x + 0.3 * t + 0.8 * e), np.exp(0.3 + s) - np.exp(s)
    else:
        y, truth = x + t + (1 + 0.5 * t) * e, 1 + (np.sqrt(3.25) - np.sqrt(2.0)) * ndtri(tau)
    data = pd.DataFrame({"y": y, "t": t, "x": x})
    fit = si.effect("y ~ t | x", data, method="qte", tau=tau)
    for k, level in enumerate(tau):
        yield limits(fit, k, truth[k], f"quantile effect, tau = {level:g}")
    band = inside(fit.process(seed=seed), truth, ("band_low", "band_high"))
    yield Shown(fit, "quantile effects at three levels at once", band.all())


STUDIES = (
    Study("effect_more", "effect", f"{CONFOUNDED}; other estimands and splits", SIZES, more),
    Study("effect_binary", "effect", "a binary outcome, a treatment that goes with x; targeted", (200, 1000), binary),
    Study("matching", "effect", "effects 1 + x of a treatment that goes with x; pairs", (200, 1000), matched),
    Study("effect_arms", "effect", "three arms whose odds go with x", (200, 1000), arms),
    Study("effect_dose", "effect", "a normal dose that goes with x, a curved response; less its bias", (200, 1000), doses),
    Study("qte_normal", "effect", "normal arms of unlike spread", (200, 500, 2000), partial(quantile_effects, False)),
    Study("qte_lognormal", "effect", "lognormal arms", (200, 500, 2000), partial(quantile_effects, True)),
)  # fmt: skip

"""Studies of `si.lm`, `si.glm` and `si.rq`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.certify.study import Shown, Study
from statinf.results import Fit

HC = ("HC0", "HC1", "HC2", "HC3")
SIZES = (25, 50, 200, 1000)
LEVEL = 0.95


def slope(fit: Fit, truth: float, quantity: str = "slope", term: str = "x", clusters: int = 0) -> Shown:
    """Whether the interval of a coefficient holds its true value."""
    low, high = fit.conf_int(LEVEL).loc[term]
    return Shown(fit, quantity, low <= truth <= high, clusters)


def even_errors(n: int, seed: int) -> Iterator[Shown | Callable[[], Shown]]:
    rng = np.random.default_rng([1, n, seed])
    x, z = rng.standard_normal((2, n))
    data = pd.DataFrame({"x": x, "z": z, "y": 1 + x - 0.5 * z + rng.standard_normal(n)})
    fit = si.lm("y ~ x + z", data, vcov="iid")
    for kind in ("iid", *HC):
        yield slope(fit.with_vcov(kind), 1.0)
    new = pd.DataFrame({"x": [0.0, 1.0, -2.0], "z": [0.0, -1.0, 2.0]})
    mean = (1 + new["x"] - 0.5 * new["z"]).to_numpy()
    band = fit.predict(new, interval="confidence", level=LEVEL)
    yield Shown(fit, "mean of a new row", ((band["conf_low"] <= mean) & (mean <= band["conf_high"])).mean())
    drawn = mean + rng.standard_normal(3)
    band = fit.predict(new, interval="prediction", level=LEVEL)
    yield Shown(fit, "outcome of a new row", ((band["lower"] <= drawn) & (drawn <= band["upper"])).mean())
    limits = fit.conf_int(LEVEL, simultaneous=True)
    truth = np.array([1.0, 1.0, -0.5])
    yield Shown(
        fit, "all coefficients at once", bool(((limits["conf_low"] <= truth) & (truth <= limits["conf_high"])).all())
    )


def uneven_errors(n: int, seed: int) -> Iterator[Shown]:
    rng = np.random.default_rng([2, n, seed])
    x = rng.standard_normal(n)
    data = pd.DataFrame({"x": x, "y": 1 + x + np.exp(x / 2) * rng.standard_normal(n)})
    fit = si.lm("y ~ x", data)
    for kind in HC:
        yield slope(fit.with_vcov(kind), 1.0)
    for kind in ("multiplier", "wild", "pairs"):
        drawn = fit.bootstrap(399, kind=kind, seed=seed, progress=False)
        yield slope(drawn, 1.0, "slope, percentile")


def shared_errors(rows: int, n: int, seed: int) -> Iterator[Shown]:
    """Clusters of so many rows, in which x and the error are shared."""
    rng = np.random.default_rng([3, n, seed])
    groups = n // rows
    codes = np.repeat(np.arange(groups), rows)
    x = rng.standard_normal(groups)[codes]
    y = x + np.exp(x / 4) * rng.standard_normal(groups)[codes] + rng.standard_normal(len(codes))
    fit = si.lm("y ~ x", pd.DataFrame({"y": y, "x": x, "id": codes}))
    for kind in HC:
        yield slope(fit.with_vcov({"cluster": "id", "type": kind}), 1.0, clusters=groups)


def crossed_errors(n: int, seed: int) -> Iterator[Shown]:
    rng = np.random.default_rng([4, n, seed])
    side = round(np.sqrt(n))
    a, b = np.repeat(np.arange(side), side), np.tile(np.arange(side), side)
    x = rng.standard_normal(side)[a] + rng.standard_normal(side)[b]
    y = x + rng.standard_normal(side)[a] + rng.standard_normal(side)[b] + rng.standard_normal(side**2)
    fit = si.lm("y ~ x", pd.DataFrame({"y": y, "x": x, "a": a, "b": b}))
    yield slope(fit.with_vcov({"cluster": ["a", "b"]}), 1.0, clusters=side)


def generalised(
    family: str, link: str | None, draw: Callable[[Any, np.ndarray], np.ndarray], n: int, seed: int
) -> Iterator[Any]:
    rng = np.random.default_rng([5, n, seed, *map(ord, family[:3])])
    x, z = rng.standard_normal((2, n))
    eta = 0.3 + 0.5 * x - 0.5 * z
    data = pd.DataFrame({"x": x, "z": z, "y": draw(rng, eta)})

    def made(kind: str) -> Shown:
        return slope(si.glm("y ~ x + z", data, family=family, link=link, vcov=kind), 0.5)

    for kind in ("iid", "HC0", "HC1", "HC3"):
        yield partial(made, kind)


def quantiles(tau: float, n: int, seed: int) -> Iterator[Any]:
    rng = np.random.default_rng([6, n, seed])
    x = rng.standard_normal(n)
    noise = rng.standard_normal(n)
    data = pd.DataFrame({"x": x, "y": 1 + x + noise})
    even = si.rq("y ~ x", data, tau=tau)

    def made(kind: str) -> Shown:
        return slope(even.with_vcov(kind), 1.0, f"slope, tau = {tau:g}")

    for kind in ("iid", "nid", "ker", "rank"):
        yield partial(made, kind)


def _binary(link: Callable[[np.ndarray], np.ndarray]) -> Callable[[Any, np.ndarray], np.ndarray]:
    return lambda rng, eta: (rng.random(len(eta)) < link(eta)).astype(float)


def _logistic(eta: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-eta))


FAMILIES = {
    ("binomial", "logit"): _binary(_logistic),
    ("binomial", "cloglog"): _binary(lambda eta: 1 - np.exp(-np.exp(eta))),
    ("poisson", "log"): lambda rng, eta: rng.poisson(np.exp(eta)).astype(float),
    ("gamma", "log"): lambda rng, eta: rng.gamma(2.0, np.exp(eta) / 2.0),
    ("gaussian", "identity"): lambda rng, eta: eta + rng.standard_normal(len(eta)),
}

CROSSED = "rows in two crossed classifications, as many levels as rows in a level; x and the error have a part of each"

STUDIES = (
    Study("lm_even", "lm", "two normal covariates, normal errors of one variance", SIZES, even_errors),
    Study(
        "lm_uneven", "lm", "a normal covariate x, normal errors of standard deviation exp(x / 2)", SIZES, uneven_errors
    ),
    Study(
        "lm_clusters",
        "lm",
        "clusters of ten rows that share x and a part of the error",
        (100, 200, 500, 2000),
        partial(shared_errors, 10),
    ),
    Study("lm_crossed", "lm", CROSSED, (225, 900, 2500), crossed_errors),
    *(
        Study(
            f"glm_{family}_{link}",
            "glm",
            f"{family} outcome, {link} link, two normal covariates",
            (50, 200, 1000),
            partial(generalised, family, link, draw),
        )
        for (family, link), draw in FAMILIES.items()
    ),
    *(
        Study(
            f"rq_{round(100 * tau)}",
            "rq",
            f"level {tau:g}; a normal covariate, normal errors of one variance",
            (50, 200, 1000),
            partial(quantiles, tau),
        )
        for tau in (0.25, 0.5, 0.9)
    ),
)

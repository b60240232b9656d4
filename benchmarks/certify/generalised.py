"""Studies of families of `si.glm` beside the common ones, of absorbed effects, and of intervals made by resampling."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.certify.study import Shown, Study, limits

SIZES = (50, 200, 1000)


def covariates(key: int, n: int, seed: int) -> tuple[Any, pd.DataFrame, np.ndarray]:
    """A generator, two normal covariates, and .3 + (x - z) / 2."""
    rng = np.random.default_rng([key, n, seed])
    x, z = rng.standard_normal((2, n))
    return rng, pd.DataFrame({"x": x, "z": z}), 0.3 + 0.5 * x - 0.5 * z


def family(
    name: str,
    link: str | None,
    draw: Callable[[Any, np.ndarray], np.ndarray],
    kinds: tuple[str, ...],
    n: int,
    seed: int,
) -> Iterator[Any]:
    rng, data, eta = covariates(21, n, seed)
    data["y"] = draw(rng, eta)

    @cache
    def fit() -> Any:
        return si.glm("y ~ x + z", data, family=name, link=link)

    for kind in kinds:
        yield lambda kind=kind: limits(fit().with_vcov(kind), "x", 0.5, "slope")


def few_rows(
    name: str, link: str | None, draw: Callable[[Any, np.ndarray], np.ndarray], n: int, seed: int
) -> Iterator[Any]:
    yield from family(name, link, draw, ("iid", "HC1", "HC3"), n, seed)


def separated(n: int, seed: int) -> Iterator[Any]:
    rng, data, eta = covariates(22, n, seed)
    data["y"] = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float)
    kept = si.glm("y ~ x + z", data, family="binomial", penalty="firth")
    yield limits(kept, "x", 0.5, "slope")
    low, high = kept.conf_int(interval="profile").loc["x"]
    yield Shown(kept, "slope, profile limits", low <= 0.5 <= high)

    def plain() -> Shown:
        fit = si.glm("y ~ x + z", data, family="binomial")
        low, high = fit.conf_int(interval="profile").loc["x"]
        return Shown(fit, "slope, profile limits", low <= 0.5 <= high)

    yield plain


def clustered(name: str, n: int, seed: int) -> Iterator[Any]:
    """Clusters of five rows that share x and a part of what the mean does not explain, which keeps the marginal mean."""
    rng = np.random.default_rng([23, n, seed])
    codes = np.arange(n) // 5
    x = rng.standard_normal(n)[codes]
    if name == "poisson":
        y = rng.poisson(np.exp(0.3 + 0.5 * x) * rng.gamma(4.0, 0.25, n)[codes]).astype(float)
    else:
        y = (_normal(_shared(rng, codes)) < _logistic(0.3 + 0.5 * x)).astype(float)
    data = pd.DataFrame({"x": x, "y": y, "g": codes})

    @cache
    def fit() -> Any:
        return si.glm("y ~ x", data, family=name)

    for kind in ("HC1", "HC2", "HC3"):
        yield lambda kind=kind: limits(
            fit().with_vcov({"cluster": "g", "type": kind}), "x", 0.5, "slope", clusters=n // 5
        )


def _shared(rng: Any, codes: np.ndarray) -> np.ndarray:
    n = len(codes)
    return np.sqrt(0.5) * (rng.standard_normal(n)[codes] + rng.standard_normal(n))


def absorbed(n: int, seed: int) -> Iterator[Any]:
    """Firms in six years; x and the error have trends of their own in every firm, which only clusters of firms allow for."""
    rng = np.random.default_rng([24, n, seed])
    firms = n // 6
    firm, year = np.repeat(np.arange(firms), 6), np.tile(np.arange(6), firms)
    slope, drift, level = rng.standard_normal((3, firms))
    x = slope[firm] * (year - 2.5) + rng.standard_normal(n)
    e = 0.3 * drift[firm] * (year - 2.5) + rng.standard_normal(n)
    data = pd.DataFrame({"x": x, "firm": firm, "year": year, "y": x + level[firm] + 0.2 * year + e})
    fit = si.lm("y ~ x", data, absorb="firm + year", vcov={"cluster": "firm"})
    yield limits(fit, "x", 1.0, "slope", clusters=firms)
    for kind in ("HC2", "HC3"):
        whole = si.lm("y ~ x + C(year)", data, absorb="firm", vcov={"cluster": "firm", "type": kind})
        yield limits(whole, "x", 1.0, "slope", clusters=firms)


def resampled(n: int, seed: int) -> Iterator[Any]:
    """The design of `lm_uneven`, with every interval of a bootstrap."""
    rng = np.random.default_rng([2, n, seed])
    x = rng.standard_normal(n)
    fit = si.lm("y ~ x", pd.DataFrame({"x": x, "y": 1 + x + np.exp(x / 2) * rng.standard_normal(n)}))
    for kind in ("pairs", "bayesian"):
        drawn = fit.bootstrap(399, kind=kind, seed=seed, studentize=True, progress=False)
        for interval in ("basic", "studentized", "bca", "normal") + ("percentile",) * (kind == "bayesian"):
            low, high = drawn.conf_int(interval=interval).loc["x"]
            yield Shown(drawn, f"slope, {interval}", low <= 1 <= high)
    drawn = fit.bootstrap(399, kind="wild", seed=seed, progress=False)
    low, high = drawn.conf_int(interval="normal").loc["x"]
    yield Shown(drawn, "slope, normal", low <= 1 <= high)


def _binary(link: Callable[[np.ndarray], np.ndarray]) -> Callable[[Any, np.ndarray], np.ndarray]:
    return lambda rng, eta: (rng.random(len(eta)) < link(eta)).astype(float)


def _normal(eta: np.ndarray) -> np.ndarray:
    from scipy.special import ndtr

    return ndtr(eta)


def _logistic(eta: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-eta))


def _mixed(rng: Any, eta: np.ndarray) -> np.ndarray:
    """Counts of variance mu + mu^2 / 2."""
    return rng.poisson(np.exp(1 + eta) * rng.gamma(2.0, 0.5, len(eta))).astype(float)


MODEL, ROBUST = ("iid", "HC1", "HC3"), ("iid", "HC0", "HC1", "HC3")
FAMILIES: dict[tuple[str, str | None], tuple[str, Callable[[Any, np.ndarray], np.ndarray], tuple[str, ...]]] = {
    ("binomial", "probit"): ("binary outcome, probit link", _binary(_normal), ROBUST),
    ("poisson", None): ("counts of twice the Poisson variance, log link", lambda rng, eta: _over(rng, eta), ROBUST[1:]),
    ("quasipoisson", None): (
        "counts of twice the Poisson variance, log link",
        lambda rng, eta: _over(rng, eta),
        MODEL,
    ),
    ("negative_binomial", None): ("counts of variance mu + mu^2 / 2, log link", _mixed, MODEL),
    ("quasibinomial", None): (
        "shares between 0 and 1 of beta law, logit link",
        lambda rng, eta: rng.beta(2 * _logistic(eta), 2 * _logistic(-eta)),
        MODEL,
    ),
    ("inverse_gaussian", None): (
        "inverse gaussian outcome, log link",
        lambda rng, eta: rng.wald(np.exp(eta), 2.0),
        MODEL,
    ),
}


def _over(rng: Any, eta: np.ndarray) -> np.ndarray:
    """Counts of twice the Poisson variance: Poisson means of gamma law with scale one."""
    return rng.poisson(rng.gamma(np.exp(1 + eta), 1.0)).astype(float)


TWO = "two normal covariates"
STUDIES = (
    *(
        Study(
            f"family_{name}" + (f"_{link}" if link else ""), "glm", f"{said}; {TWO}", SIZES,
            partial(family, name, link, draw, kinds),
        )
        for (name, link), (said, draw, kinds) in FAMILIES.items()
    ),
    Study(
        "few_rows_logit", "glm", f"binary outcome, logit link, {TWO}; few rows", (30,),
        partial(few_rows, "binomial", None, _binary(_logistic)),
    ),
    Study(
        "few_rows_poisson", "glm", f"Poisson counts, log link, {TWO}; few rows", (25,),
        partial(few_rows, "poisson", None, lambda rng, eta: rng.poisson(np.exp(1 + eta)).astype(float)),
    ),
    Study(
        "firth", "glm", f"binary outcome, logit link, {TWO}; Firth's penalty and profiles", (30, 50, 200), separated,
    ),
    *(
        Study(
            f"glm_clusters_{name}", "glm", f"{name} outcome; clusters of five rows that share x and a part of the error",
            SIZES, partial(clustered, name),
        )
        for name in ("binomial", "poisson")
    ),
    Study(
        "absorbed", "lm", "firms in six years with effects of both absorbed; trends in every firm, clusters of firms",
        (60, 180, 720, 2880), absorbed,
    ),
    Study(
        "resampled", "lm", "a normal covariate x, normal errors of standard deviation exp(x / 2)", (50, 200, 1000),
        resampled,
    ),
)  # fmt: skip

"""Studies of the quantile family: clusters and draws of `si.rq`, expectiles, censored outcomes, CVaR, ordinal rare events."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd

import statinf as si
from benchmarks import cvar_coverage, presto_coverage
from benchmarks.censored_coverage import TAU as CENSORED_TAU
from benchmarks.censored_coverage import sample as censored_rows
from benchmarks.censored_coverage import truth as censored_truth
from benchmarks.certify.study import Shown, Study, inside, limits

SIZES = (50, 200, 1000)
TAU = np.array([0.1, 0.5, 0.9])


def spread(n: int, seed: int) -> pd.DataFrame:
    """y = 1 + x + (.5 + x) e."""
    rng = np.random.default_rng([71, n, seed])
    x = rng.uniform(0, 2, n)
    return pd.DataFrame({"x": x, "y": 1 + x + (0.5 + x) * rng.standard_normal(n)})


def quantiles(n: int, seed: int) -> Iterator[Any]:
    """Unequal spread; draws, and the process of three levels."""
    from scipy.special import ndtri

    data, truth = spread(n, seed), 1 + ndtri(TAU)
    fit = si.rq("y ~ x", data, tau=TAU)

    @cache
    def by_kind(kind: str) -> tuple[Any, Any]:
        found = fit.with_vcov(kind)
        return found, found.conf_int()

    def made(kind: str, k: int) -> Shown:
        found, table = by_kind(kind)
        low, high = table.loc[f"q{TAU[k]:g}: x"]
        return Shown(found, f"slope, tau = {TAU[k]:g}", bool(low <= truth[k] <= high))

    for kind in ("nid", "ker", "rank-nid"):
        for k in range(len(TAU)):
            yield partial(made, kind, k)
    drawn = fit.bootstrap(199, kind="pairs", seed=seed, progress=False)
    table = drawn.conf_int()
    for k, level in enumerate(TAU):
        low, high = table.loc[f"q{level:g}: x"]
        yield Shown(drawn, f"slope, percentile, tau = {level:g}", bool(low <= truth[k] <= high))


def clustered(n: int, seed: int) -> Iterator[Any]:
    """Clusters of five rows that share x and a part of the error."""
    rng = np.random.default_rng([72, n, seed])
    codes = np.arange(n) // 5
    x = rng.standard_normal(n)[codes]
    e = np.sqrt(0.5) * (rng.standard_normal(n)[codes] + rng.standard_normal(n))
    fit = si.rq("y ~ x", pd.DataFrame({"x": x, "y": x + e, "g": codes}), cluster="g")
    yield limits(fit, "x", 1.0, "slope, tau = 0.5", clusters=n // 5)


@cache
def _expectiles() -> np.ndarray:
    from benchmarks.quantile_effects_coverage import _normal_expectile

    return 1 + np.array([_normal_expectile(t) for t in TAU])


def expectiles(n: int, seed: int) -> Iterator[Any]:
    fit = si.expectile("y ~ x", spread(n, seed), tau=TAU)
    for kind in ("HC0", "HC1", "HC3"):
        found = fit.with_vcov(kind)
        for k, level in enumerate(TAU):
            yield limits(found, 2 * k + 1, _expectiles()[k], f"slope, tau = {level:g}")


def censored(n: int, seed: int) -> Iterator[Any]:
    truth = censored_truth().ravel()
    for method in ("portnoy", "peng-huang", "powell"):
        data = censored_rows(n, seed, method == "powell")
        more = {"limit": 3.5} if method == "powell" else {}
        fit = si.crq("cbind(y, d) ~ x1 + x2", data, tau=CENSORED_TAU, method=method, **more)
        yield limits(fit, slice(None), truth, "coefficients at four levels up to 0.6")


@cache
def _worst(loss: str) -> dict[str, float]:
    return cvar_coverage.truth(loss)


def tails(loss: str, n: int, seed: int) -> Iterator[Any]:
    data, true = cvar_coverage.draw(n, seed, loss), _worst(loss)
    fit = si.cvar("y ~ x + z", data, level=cvar_coverage.TAIL[loss], loss=loss)
    for kind in ("HC0", "HC1"):
        yield limits(fit.with_vcov(kind), "x", true["x"], f"slope, {loss} loss")
    risk = fit.risk().set_index("term")
    for name in ("VaR", "CVaR"):
        yield Shown(fit, f"{name} of the rows, {loss} loss", inside(risk.loc[[name]], true[name])[0])


def ordinal(n: int, seed: int) -> Iterator[Any]:
    fit = si.presto("y ~ x + g", presto_coverage.draw(n, seed), penalty=0, parallel=True)
    for kind in ("iid", "HC0", "HC1"):
        found = fit.with_vcov(kind)
        for quantity, term in (("slope", "x"), ("slope of a binary column", "g"), ("last boundary", "2|3")):
            yield limits(found, term, presto_coverage.TRUE[term], quantity)
    true = 1.0 / (1.0 + np.exp(sum(presto_coverage.TRUE.values())))
    rare = fit.predict(presto_coverage.NEW, interval="confidence")
    yield Shown(fit, "probability of a rare class of a new row", inside(rare, true, ("conf_low_3", "conf_high_3"))[0])


STUDIES = (
    Study("rq_spread", "rq", "a uniform covariate, normal errors whose spread grows with it", (50, 200), quantiles),
    Study("rq_clusters", "rq", "clusters of five rows that share x and a part of the error", SIZES, clustered),
    Study("expectile", "expectile", "a uniform covariate, normal errors whose spread grows with it", SIZES, expectiles),
    Study("crq", "crq", "three of ten times censored, spread that grows with a covariate", (200,), censored),
    *(
        Study(
            f"cvar_{loss}", "cvar", "errors wider where |x| is larger; the worst tenth"
            + (", of the logistic loss the worst half" if loss == "logistic" else ""),
            (200, 500, 2000), partial(tails, loss),
        )
        for loss in ("absolute", "squared", "logistic")
    ),
    Study("presto", "presto", "four ordered categories, the last rare; proportional odds", (100, 400), ordinal),
)  # fmt: skip

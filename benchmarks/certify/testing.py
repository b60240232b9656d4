"""Studies of `si.lm` under dependence and leverage and of its tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.certify.study import Shown, Study, limits, many
from benchmarks.hypotheses_size import assignment, equivalence, family
from benchmarks.robust_errors_coverage import PANEL, SERIES, SPACE, autoregressive

CLUSTERED: dict[str, dict[str, Any]] = {
    "CR1": {"cluster": "g"},
    "CR2, df of clusters": {"cluster": "g", "type": "CR2", "df": "clusters"},
    "CR2": {"cluster": "g", "type": "CR2"},
    "CR3": {"cluster": "g", "type": "CR3"},
}


WILD: dict[str, dict[str, Any]] = {
    "": {},
    ", type 31": {"type": "31"},
    ", type 33": {"type": "33"},
    ", webb": {"law": "webb"},
}


def uneven(n: int, seed: int) -> Iterator[Any]:
    """Clusters whose sizes grow by e squared, three of them treated; slopes of a cluster's own covariate, and of treatment."""
    groups = n // 20
    rng = np.random.default_rng([91, groups, seed])
    share = np.exp(2 * np.arange(groups) / groups)
    size = np.maximum(np.round(n * share / share.sum()), 2).astype(int)
    g = np.repeat(np.arange(groups), size)
    treated = np.isin(g, rng.choice(groups, 3, False)) * 1.0
    data = pd.DataFrame({"g": g, "d": treated, "x": rng.lognormal(size=groups)[g]})
    data["y"] = 0.5 * rng.normal(size=groups)[g] + rng.normal(size=len(g))
    fit = si.lm("y ~ d + x", data)
    for name, kind in CLUSTERED.items():
        found = fit.with_vcov(kind)
        also = ", df of clusters" if name.endswith("of clusters") else ""
        yield limits(found, "d", 0.0, f"effect of three treated clusters{also}", clusters=groups)
        yield limits(found, "x", 0.0, f"slope of a lognormal covariate of clusters{also}", clusters=groups)
        if not also:
            kept = found.test("d = 0, x = 0").p_value > 0.05
            yield Shown(found, "test of both slopes at once", kept, groups)


def wild(n: int, seed: int) -> Iterator[Any]:
    """Ten clusters or more, whose rows differ by a factor of ten: tests of a true slope at 5%."""
    groups = n // 30
    rng = np.random.default_rng([92, groups, seed])
    size = np.maximum(np.round(np.geomspace(8, 80, groups) * n / np.geomspace(8, 80, groups).sum()), 2).astype(int)
    g = np.repeat(np.arange(groups), size)
    x = rng.standard_normal(groups)[g] + rng.standard_normal(len(g))
    y = x + rng.standard_normal(groups)[g] + rng.standard_normal(len(g))
    fit = si.lm("y ~ x", pd.DataFrame({"y": y, "x": x, "g": g}), cluster="g")
    for name, how in WILD.items():
        p = fit.test("x = 1", bootstrap="wild", replicas=599, seed=seed, **how).p_value
        yield Shown(("LinearFit", "lm", "wild bootstrap of clusters"), f"test of a slope{name}", p > 0.05, groups)
    for kind in ("HC1", "HC2", "HC3"):
        found = fit.with_vcov({"cluster": "g", "type": kind})
        yield Shown(found, "test of a slope", found.test("x = 1").p_value > 0.05, groups)


def series(n: int, seed: int) -> Iterator[Any]:
    x, e = autoregressive(np.random.default_rng([93, n, seed]), n, 0.5, 2).T
    fit = si.lm("y ~ x", pd.DataFrame({"y": e, "x": x, "t": np.arange(n)}))
    for name, kind in SERIES.items():
        yield limits(fit.with_vcov(kind), "x", 0.0, "slope" if name == "HC1" else f"slope, {name}")


def panel(n: int, seed: int) -> Iterator[Any]:
    """20 units that share shocks to covariate and outcome, which are autoregressions with coefficient 0.3."""
    times = n // 20
    rng = np.random.default_rng([94, times, seed])
    x, e = autoregressive(rng, times, 0.3, 2).T
    t = np.repeat(np.arange(times), 20)
    data = pd.DataFrame({"t": t, "i": np.tile(np.arange(20), times), "x": x[t] + rng.normal(size=len(t))})
    data["y"] = e[t] + rng.normal(size=len(t))
    fit = si.lm("y ~ x", data)
    for name, kind in PANEL.items():
        if name.startswith("Driscoll"):
            yield limits(fit.with_vcov(kind), "x", 0.0, f"slope, {name.split(', ')[1]}")


def space(n: int, seed: int) -> Iterator[Any]:
    """Places in a square; covariate and error have correlations that fall as a normal density."""
    rng = np.random.default_rng([95, n, seed])
    lat, lon = rng.uniform(-13.5, 13.5, (2, n))
    apart = np.hypot(lat[:, None] - lat, lon[:, None] - lon) * 111.2
    root = np.linalg.cholesky(np.exp(-((apart / 250) ** 2)) + 0.1 * np.eye(n))
    x, e = (root @ rng.normal(size=(n, 2))).T
    fit = si.lm("y ~ x", pd.DataFrame({"y": e, "x": x, "lat": lat, "lon": lon}))
    for name, kind in SPACE.items():
        if name.startswith("Conley"):
            yield limits(fit.with_vcov(kind), "x", 0.0, f"slope, {name.split(', ')[1]}")


def leverage(n: int, seed: int) -> Iterator[Any]:
    """A lognormal covariate whose largest values carry the most weight and the largest errors."""
    rng = np.random.default_rng([96, n, seed])
    x, e = rng.lognormal(sigma=1.2, size=n), rng.normal(size=n)
    fit = si.lm("y ~ x", pd.DataFrame({"y": e * np.sqrt(0.2 + x), "x": x}))
    for kind in ("HC1", "HC2", "HC3", "HC4", "HC4m", "HC5"):
        yield limits(fit.with_vcov(kind), "x", 0.0, "slope")


def plain(n: int, seed: int) -> Iterator[Any]:
    """Normal errors of one variance, for covariances that look at leverage."""
    rng = np.random.default_rng([97, n, seed])
    x, z = rng.standard_normal((2, n))
    fit = si.lm("y ~ x + z", pd.DataFrame({"x": x, "z": z, "y": 1 + x - 0.5 * z + rng.standard_normal(n)}))
    for kind in ("HC4", "HC4m", "HC5"):
        yield limits(fit.with_vcov(kind), "x", 1.0, "slope")


def hypotheses(n: int, seed: int) -> Iterator[Any]:
    """Tests keep what is true: multiplicity, equivalence at a bound, one side, assignment."""
    hc3, hc2 = ("LinearFit", "lm", "HC3"), ("LinearFit", "lm", "HC2")
    if n == 200:
        rejected = {name: not value for name, value in family(seed).items() if name != "unadjusted"}
        yield from many(rejected, lambda name: (hc3, f"any of seven true hypotheses, adjust('{name}')"))
        return
    rejected = {name: not value for name, value in equivalence(seed).items()}
    yield from many(rejected, lambda name: (hc3, f"test {name}"))
    rejected = {name: not value for name, value in assignment(seed).items()}
    rejected.pop("no average effect, estimate")
    yield from many(rejected, lambda name: (hc2, f"randomization_test: {name}"))


STUDIES = (
    Study(
        "lm_uneven_clusters", "lm", "clusters of unlike sizes, three of them treated, a lognormal covariate of clusters",
        (200, 300, 400, 1000), uneven,
    ),
    Study(
        "lm_wild", "lm", "clusters whose rows differ by a factor of ten, parts shared; tests at 5%", (300, 600), wild,
    ),
    Study("lm_series", "lm", "a series whose covariate and error are autoregressions of coefficient .5", (100, 400), series),
    Study("lm_panel", "lm", "20 units that share shocks, autoregressions of coefficient .3", (600, 2000), panel),
    Study("lm_space", "lm", "places in a square, correlations that fall with distance", (250,), space),
    Study("lm_leverage", "lm", "a lognormal covariate, errors that grow with it", (40, 100, 400), leverage),
    Study("lm_plain", "lm", "two normal covariates, normal errors of one variance; HC4 and HC5", (25, 50, 200), plain),
    Study("lm_tests", "lm", "tests of true hypotheses at 5%", (60, 200), hypotheses),
)  # fmt: skip

"""Studies of `si.did`, `si.rd`, `si.rd_distribution` and `si.rd_density`, on the samples of their scripts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

import statinf as si
from benchmarks.certify.study import Shown, Study, inside, limits
from benchmarks.did_coverage import PERIODS
from benchmarks.did_coverage import sample as panel
from benchmarks.discontinuity_coverage import BOUND, JUMP
from benchmarks.discontinuity_coverage import draw as elections
from benchmarks.distributional_coverage import MEMBERS, TAU, first, scores

HOW = {"id": "unit", "time": "t", "cohort": "cohort"}


def dynamic(study: Any, seed: int, own: Any, clusters: int = 0) -> Iterator[Shown]:
    """Intervals of the average, of each time since treatment, and the band of all times; clusters are units by default."""
    path = study.path(replicas=499, seed=seed)
    truth = np.where(study.at >= 0, 1.0 + study.at, 0.0)
    yield Shown(own, "effect at a time since treatment", inside(path, truth).mean(), clusters)
    yield Shown(own, "effects at all times at once", inside(path, truth, ("band_low", "band_high")).all(), clusters)
    low, high = study.conf_int().to_numpy()[0]
    yield Shown(own, "average effect", low <= truth[study.at >= 0].mean() <= high, clusters)


def differences(method: str, n: int, seed: int) -> Iterator[Any]:
    units = n // PERIODS
    data = panel(units, seed)
    fit = si.did("y ~ 1 | x", data, method=method, **HOW)
    yield from dynamic(fit.aggregate("dynamic"), seed, fit, units)
    if method == "dr":
        fit = si.did("shared ~ 1 | x", data, cluster="village", **HOW)
        yield from dynamic(fit.aggregate("dynamic"), seed, fit, units // 5)


def jumps(n: int, seed: int) -> Iterator[Any]:
    data = elections(n, seed)
    fit = si.rd("y ~ x", data)
    for k, name in enumerate(fit.terms):
        yield limits(fit, k, JUMP, f"jump, {name}")
    for name, options in (("bandwidth='cerrd'", {"bandwidth": "cerrd"}), ("HC3", {"vcov": "HC3"})):
        yield limits(si.rd("y ~ x", data, **options), "robust", JUMP, f"jump, robust, {name}")
    for name, options in (
        ("Taylor bound known", {"bound": BOUND, "smoothness": "taylor"}),
        ("Hoelder bound known", {"bound": BOUND}),
        ("Hoelder bound by rule", {}),
    ):
        yield limits(si.rd("y ~ x", data, method="honest", **options), 0, JUMP, f"jump, {name}")


def laws(method: str, n: int, seed: int) -> Iterator[Any]:
    """No effect on the laws of units."""
    units = n // MEMBERS
    x, y = first(np.random.default_rng([5, seed]), units)
    data = {"y": y.ravel(), "x": np.repeat(x, MEMBERS), "unit": np.repeat(np.arange(units), MEMBERS)}
    fit = si.rd_distribution("y ~ x | unit", data, tau=TAU, method=method)
    band = fit.band(replicas=399)
    yield Shown(fit, "jumps at nine levels at once", bool(((band.lower <= 0) & (band.upper >= 0)).all()), units)
    yield limits(fit, slice(None), 0.0, "jump at a level", clusters=units)
    yield Shown(fit, "test of no jump", fit.nullity_test(replicas=399).p_value > 0.05, units)
    yield Shown(fit, "test of one jump for all levels", fit.homogeneity_test(replicas=399).p_value > 0.05, units)


def densities(n: int, seed: int) -> Iterator[Any]:
    """A density that bends at the cutoff and does not jump."""
    data = {"x": scores(np.random.default_rng([6, seed]), n, 0.0)}
    fit = si.rd_density("~ x", data)
    yield Shown(fit, "test of no jump of the density", fit.p_value > 0.05)
    plugin = fit.with_vcov("plugin")
    yield Shown(plugin, "test of no jump of the density", plugin.p_value > 0.05)
    mccrary = si.rd_density("~ x", data, method="mccrary")
    yield Shown(mccrary, "test of no jump of the density", mccrary.p_value > 0.05)


STUDIES = (
    *(
        Study(
            f"did_{method}", "did", "three cohorts and units never treated, five times, trends that go with a covariate",
            (200, 500, 2500), partial(differences, method),
        )
        for method in ("dr", "dr-improved", "ipw", "regression")
    ),
    Study("rd", "rd", "means of Lee's elections, which bend at the cutoff", (200, 500, 1000), jumps),
    *(
        Study(
            f"rd_distribution_{method}", "rd_distribution", "units of fifty rows, normal with random means and spreads, no jump",
            (10_000, 25_000), partial(laws, method),
        )
        for method in ("frechet", "simple")
    ),
    Study("rd_density", "rd_density", "a density that bends at the cutoff and does not jump; tests at 5%", (500, 2000), densities),
)  # fmt: skip

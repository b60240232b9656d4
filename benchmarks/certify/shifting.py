"""Studies of the shift family: regressions and means for a target, trials elsewhere, label shift, known margins, tests."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd

import statinf as si
from benchmarks import dro_coverage, heterogeneous_coverage, margins_coverage
from benchmarks.certify.study import Shown, Study, inside, limits, many
from benchmarks.shift_coverage import samples, truth

SIZES = (200, 1000, 4000)


def regression(tilt: float, n: int, seed: int) -> Iterator[Any]:
    """A line for a quadratic outcome; the shares of effective rows are those of the density ratio."""
    source, target = samples(n, tilt, seed)
    fit = si.shift("y ~ x1 + x2", source, target, method="mwle", ratio="logistic")
    share = fit.ratio.ess / n
    for kind in ("HC0", "HC2", "HC3"):
        yield limits(fit.with_vcov(kind), "x1", truth(tilt)[1], "slope of the shifted column", share=share)
    right = source.assign(y=source["y"] - 0.5 * source["x1"] ** 2)
    plain = si.shift("y ~ x1 + x2", right, target, method="mle")
    yield limits(plain, "x1", 1.0, "slope of the shifted column, a right model")
    test = plain.specification_test("logistic")
    yield Shown(plain, "test that both fits estimate the same", test.p_value > 0.05, share=share)


def means(tilt: float, n: int, seed: int) -> Iterator[Any]:
    """The target's mean of 1 + x + x^2 / 2 - z, the outcome model with the square."""
    source, target = samples(n, tilt, seed)
    true = 1.0 + tilt + 0.5 * (tilt**2 + 1.0)
    share = si.density_ratio("~ x1 + x2", source, target).ess / n
    for method in ("aipw", "ipw", "gcomp"):
        fit = si.target_mean("y ~ x1 + x2 + I(x1**2)", source, target, method=method)
        yield limits(fit, "mean", true, "mean of the target", share=0.0 if method == "gcomp" else share)


def double(n: int, seed: int) -> Iterator[Any]:
    held = dro_coverage.weighted(n, seed)
    yield Shown(
        ("ShiftFit", "double, gaussian, identity", "HC0, weights taken as fixed"), "slopes of a right line", held.mean()
    )


def margins(n: int, seed: int) -> Iterator[Any]:
    for name, held in margins_coverage.calibrated(n, 0, seed).items():
        yield Shown(("TargetMean", "ipw", "HC0"), f"mean with known margins, {name}", held)


def pooled(n: int, seed: int) -> Iterator[Any]:
    found = margins_coverage.pooled("gaussian", n // 20, n, "weak", seed)
    yield from many(found, lambda name: (("PooledMean", "mrp", "model"), name))


def additive(n: int, seed: int) -> Iterator[Any]:
    """Slopes of the simple block, and means at rows of the source's law."""
    fit = si.heterogeneous_shift("y ~ x1 + x2 | s(u) + s(v)", heterogeneous_coverage.drawn(n, seed), _elsewhere_rows())
    yield limits(fit, slice(1, 3), np.array([1.0, -1.0]), "slopes of the simple block")
    new = _elsewhere_rows()
    yield Shown(fit, "mean of a row", inside(fit.predict(new, interval="confidence"), new["mean"].to_numpy()).mean())


@cache
def _elsewhere_rows() -> pd.DataFrame:
    return heterogeneous_coverage.drawn(300, 10**6)


def alike(higher: float, n: int, seed: int) -> Iterator[Any]:
    """Two samples of one law given the outcome, which is higher in the target: the test keeps that they are alike."""
    random = np.random.default_rng([51, n, seed])
    rows = []
    for centre in (0.0, higher):
        y = random.normal(centre, 1.0, n)
        x, z = random.standard_normal((2, n))
        rows.append(pd.DataFrame({"x": y + 3.0 * np.tanh(y) + x, "z": z, "y": y}))
    found = si.conditional_shift_test("x + z ~ y", *rows, permutations=99, seed=seed)
    yield Shown(found, "test of a shift of columns given the outcome", float(found.tidy()["p_value"].iloc[-1]) > 0.05)


TWO = "two normal columns, the first shifted by {} standard deviations"
STUDIES = (
    *(
        Study(
            f"shift_{tilt:g}", "shift", f"{TWO.format(tilt)}; a line for a quadratic outcome", SIZES,
            partial(regression, tilt),
        )
        for tilt in (0.25, 0.5, 1.0)
    ),
    *(
        Study(f"target_mean_{tilt:g}", "target_mean", TWO.format(f"{tilt:g}"), (200, 1000), partial(means, tilt))
        for tilt in (0.5, 1.0)
    ),
    Study("shift_double", "shift", "a right line, uniform columns, a shift of half a width", (200,), double),
    Study("known_margins", "target_mean", "known shares of three groups and a known mean", (100, 400), margins),
    Study("mrp", "target_mean", "normal effects of ages and of n / 20 regions, one of them not in the sample", (200, 400), pooled),
    Study("additive_shift", "heterogeneous_shift", "two linear columns and two smooth ones", (100, 400), additive),
    Study("same_law", "conditional_shift_test", "two samples of one bent law; tests at 5%", (50, 200), partial(alike, 0.0)),
    Study(
        "shifted_outcome", "conditional_shift_test", "one bent law given an outcome that is half a deviation higher; tests at 5%",
        (50, 200, 500), partial(alike, 0.5),
    ),
)  # fmt: skip

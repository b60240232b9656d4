"""Studies of the shift family: regressions and means for a target, trials elsewhere, label shift, known margins, tests."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd

import statinf as si
from benchmarks import dro_coverage, heterogeneous_coverage, margins_coverage, transport_coverage
from benchmarks.certify.study import Shown, Study, inside, limits, many
from benchmarks.label_shift_coverage import MEAN, SOURCE, TARGET, drawn
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


def trial(binary: bool, gap: float, n: int, seed: int) -> Iterator[Any]:
    given, population = transport_coverage.samples(np.random.default_rng([seed, n]), n, gap, binary)
    true = transport_coverage.truth(gap, binary)
    for method in ("ipw", "gformula", "aipw"):
        family = {"family": "binomial"} if binary and method != "ipw" else {}
        fit = si.transport("y ~ treat | x1 + x2", given, population, method=method, **family)
        yield limits(fit, 0, true, "effect in the population", share=_elsewhere(method, given, population))


def _elsewhere(method: str, given: pd.DataFrame, population: pd.DataFrame) -> float:
    if method == "gformula":
        return 0.0
    return si.density_ratio("~ x1 + x2", given, population).ess / len(given)


@cache
def _population(ball: str) -> np.ndarray:
    everybody = dro_coverage.sample(dro_coverage.POPULATION, 0)
    return dro_coverage.robust(everybody, dro_coverage.BALLS[ball])[0]


def robust(n: int, seed: int) -> Iterator[Any]:
    data = dro_coverage.sample(n, 1 + seed)
    for ball, options in dro_coverage.BALLS.items():
        fit = si.shift("y ~ x + z", data, data.head(5), method="dro", **options)
        true = _population(ball)
        yield limits(fit, "x", true[0], f"slope, {ball}")
        yield Shown(fit, f"worst-case loss, {ball}", inside(fit.risk(), true[1])[0])


def double(n: int, seed: int) -> Iterator[Any]:
    held = dro_coverage.weighted(n, seed)
    yield Shown(("ShiftFit", "double, gaussian, identity", "HC0"), "slopes of a right line", held.mean())


def labels(n: int, seed: int) -> Iterator[Any]:
    """Three normal classes whose shares differ."""
    random = np.random.default_rng([seed, n])
    source, target = drawn(random, n, SOURCE), drawn(random, n, TARGET)
    for method in ("bbse", "bbse-soft", "mlls", "rlls"):
        w = si.target_shift("C(label) ~ x1 + x2", source, target, method=method)
        low, high = w.shares.conf_int().to_numpy().T
        yield Shown(w, "shares of the classes", ((low <= TARGET) & (high >= TARGET)).mean())
        half = 1.959964 * w.ratio_errors
        yield Shown(w, "weights of the classes", (np.abs(w.ratio - TARGET / SOURCE) <= half).mean())
        yield Shown(w, "test of label shift", w.specification_test().p_value > 0.05)
        mean = si.lm("z ~ 1", source, weights=w)
        yield limits(mean, 0, MEAN, f"mean after {method}", share=w.ess / n)


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


def alike(n: int, seed: int) -> Iterator[Any]:
    """Two samples of one law: tests keep that they are alike."""
    random = np.random.default_rng([51, n, seed])
    a, b = (pd.DataFrame(random.standard_normal((n, 2)), columns=["x", "z"]) for _ in range(2))
    b["x"] = np.abs(b["x"]) * np.sign(random.standard_normal(n))
    found = si.shift_test("~ x + z", a, b, seed=seed, permutations=99)
    for name, column, p in found.tidy()[["test", "column", "p_value"]].itertuples(index=False):
        yield Shown(found, f"test of covariate shift, {name}{f' of {column}' if column else ''}", p > 0.05)
    rows = [frame.assign(y=frame["x"] + random.standard_normal(n)) for frame in (a, b)]
    found = si.conditional_shift_test("x + z ~ y", *rows, permutations=99, seed=seed)
    yield Shown(found, "test of a shift of x given y", float(found.tidy()["p_value"].iloc[0]) > 0.05)


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
    *(
        Study(
            f"transport_{kind}_{gap:g}", "transport",
            f"a {kind} outcome, a population {gap:g} standard deviations from the trial", (200, 1000),
            partial(trial, kind == "binary", gap),
        )
        for kind in ("numeric", "binary")
        for gap in (0.25, 1.0)
    ),
    Study("dro", "shift", "a quadratic outcome with uneven noise, fitted by a line; robust", (200, 1000), robust, samples=400),
    Study("shift_double", "shift", "a right line, uniform columns, a shift of half a width", (200,), double, samples=400),
    Study("label_shift", "target_shift", "three normal classes of other shares in the target", (200, 1000), labels),
    Study("known_margins", "target_mean", "known shares of three groups and a known mean", (100, 400), margins),
    Study("mrp", "target_mean", "normal effects of ages and of n / 20 regions, one of them not in the sample", (200, 400), pooled),
    Study("additive_shift", "heterogeneous_shift", "two linear columns and two smooth ones", (100, 400), additive),
    Study("same_law", "shift_test", "two samples of one law; tests at 5%", (50, 200), alike, samples=400),
)  # fmt: skip

"""What a fit makes of its rows anew has its covariance: that of before a bootstrap, and one that was chosen later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import statinf as si


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    random = np.random.default_rng(0)
    n = 240
    g = random.integers(0, 30, n)
    x, u = random.standard_normal(n), random.standard_normal(30)[g]
    z = (random.random(n) < 0.5) * 1.0
    t = (random.random(n) < 0.05 + 0.5 * z) * 1.0
    y = 1 + t + x + u + random.standard_normal(n) * (1 + z)
    count = random.poisson(random.gamma(1.0, 2.0, n))
    proxies = x[:, None] + random.standard_normal((n, 2))
    columns = {"y": y, "t": t, "x": x, "z": z, "v": random.standard_normal(n), "g": g, "count": count}
    return pd.DataFrame({**columns, "px": proxies[:, 0], "py": proxies[:, 1]})


CLUSTERS = {"cluster": "g"}
CASES: dict[str, tuple[Callable[[pd.DataFrame], Any], Callable[[Any], Any]]] = {
    "means": (lambda d: si.effect("y ~ t | x", d, vcov=CLUSTERS), lambda f: f.means()),
    "sensitivity": (lambda d: si.effect("y ~ t | x", d, vcov=CLUSTERS), lambda f: f.sensitivity()),
    "transport": (lambda d: si.transport("y ~ t | x", d, d, vcov=CLUSTERS), lambda f: f.means()),
    "anderson-rubin": (lambda d: si.iv("y ~ t | x | z", d, vcov=CLUSTERS), lambda f: f.anderson_rubin()),
    "first stage": (lambda d: si.iv("y ~ t | x | z", d, vcov=CLUSTERS), lambda f: f.first_stage()),
    "hansen": (lambda d: si.iv("y ~ t | x | z + v", d, vcov=CLUSTERS), lambda f: f.overid()),
    "ivqr": (lambda d: si.iv("y ~ t | x | z", d, method="ivqr", vcov=CLUSTERS), lambda f: f.region()),
    "invalid": (
        lambda d: si.iv("y ~ t | x | z", d, method="invalid", estimator="genius", vcov=CLUSTERS),
        lambda f: f.robust_set(),
    ),
    "qte": (lambda d: si.effect("y ~ t | x", d, method="qte", vcov=CLUSTERS), lambda f: f.quantiles()),
    "proxies": (lambda d: si.proximal("y ~ t | 1 | px | py", d, vcov=CLUSTERS), lambda f: f.robust_set()),
    "rd": (lambda d: si.rd("y ~ x", d).with_vcov(CLUSTERS), lambda f: f.sensitivity([0.8, 1.2])),
    "overdispersion": (
        lambda d: si.glm("count ~ x", d, family="negative_binomial", vcov=CLUSTERS),
        lambda f: f.overdispersion(),
    ),
    "parallel slopes": (
        lambda d: si.ordered("level ~ x", d.assign(level=np.digitize(d["y"], [0.5, 2.0])), vcov=CLUSTERS),
        lambda f: f.test_parallel(),
    ),
    "wild test": (
        lambda d: si.lm("y ~ x", d, vcov=CLUSTERS),
        lambda f: f.test("x = 0", bootstrap="wild", replicas=99),
    ),
    "wild test, absorbed": (
        lambda d: si.lm("y ~ x", d, absorb="g", vcov=CLUSTERS),
        lambda f: f.test("x = 0", bootstrap="wild", replicas=99),
    ),
    "randomisation": (
        lambda d: si.lm("y ~ z", d, vcov=CLUSTERS),
        lambda f: f.randomization_test("z", permutations=99),
    ),
    "shift, cross-validation": (lambda d: si.shift("y ~ x", d, d[:90], vcov=CLUSTERS), lambda f: f.cross_validate()),
    "shift, specification": (lambda d: si.shift("y ~ x", d, d[:90], vcov=CLUSTERS), lambda f: f.specification_test()),
    "shift, risk": (lambda d: si.shift("y ~ x", d, d[:90], vcov=CLUSTERS), lambda f: f.risk()),
    "risk": (lambda d: si.cvar("y ~ x", d, vcov=CLUSTERS), lambda f: f.risk()),
}


@pytest.mark.parametrize("name", list(CASES))
def test_clusters_stay_after_a_bootstrap(data, name):
    make, ask = CASES[name]
    fit = make(data)
    before, after = (
        found if isinstance(found, pd.DataFrame) else found.tidy() for found in map(ask, (fit, fit.bootstrap(39)))
    )
    pd.testing.assert_frame_equal(before, after)


def test_a_second_bootstrap_draws_the_same_clusters(data):
    fit = si.lm("y ~ x", data, cluster="g")
    once = fit.bootstrap(39, seed=4)
    for between in (once, fit.bootstrap(39, kind="pairs", studentize=True)):
        np.testing.assert_array_equal(between.bootstrap(39, seed=4).draws.draws, once.draws.draws)
    lines = si.rq("y ~ x", data, vcov=CLUSTERS).bootstrap(39, kind="pwy", seed=4)
    np.testing.assert_array_equal(lines.bootstrap(39, kind="pwy", seed=4).draws.draws, lines.draws.draws)


def test_fits_taken_together_keep_their_clusters_and_names(data):
    fits = si.lm("y ~ x", data, cluster="g"), si.lm("count ~ x", data, cluster="g")
    plain, drawn = si.joint(*fits, names=["a", "b"]), si.joint(*(f.bootstrap(39) for f in fits), names=["a", "b"])
    np.testing.assert_array_equal(plain.cov.matrix, drawn.cov.matrix)
    assert plain.with_vcov("HC0").terms == plain.terms == ("a: Intercept", "a: x", "b: Intercept", "b: x")


def test_rows_that_are_exchanged_are_told_of_clusters_after_a_bootstrap(data):
    fit = si.lm("y ~ h", data.assign(h=data["g"] % 2), cluster="g").bootstrap(39)
    with pytest.warns(si.StatinfWarning, match="constant within the clusters of 'g'"):
        fit.randomization_test("h", permutations=99, statistic="estimate")


@pytest.mark.parametrize("options", [{"cluster": "g"}, {"vcov": "HC3"}, {"absorb": "g", "cluster": "g"}])
def test_a_wild_test_after_a_bootstrap_is_that_of_before(data, options):
    fit = si.lm("y ~ x", data, **options)
    asked = {"bootstrap": "wild", "replicas": 99}
    plain = fit.test("x = 0", **asked)
    drawn = [fit.bootstrap(39)]
    if "absorb" not in options:
        drawn += [fit.bootstrap(39, kind="pairs", studentize=True)]
    for after in drawn:
        found = after.test("x = 0", **asked)
        assert (found.statistic, found.p_value) == pytest.approx((plain.statistic, plain.p_value), rel=1e-9)


def test_a_covariance_chosen_after_a_bootstrap_is_that_of_averages():
    data = si.datasets.load("mpdta").assign(state=lambda d: d["countyreal"] // 1000)
    fit = si.did("lemp ~ 1", data, id="countyreal", time="year", cohort="first_treat")
    chosen = fit.with_vcov({"cluster": "state"})
    again = fit.bootstrap(39).with_vcov({"cluster": "state"})
    np.testing.assert_array_equal(again.aggregate().std_errors, chosen.aggregate().std_errors)
    assert (chosen.aggregate().std_errors != fit.aggregate().std_errors).all()


CHOSEN: dict[str, tuple[Callable[..., Any], Callable[[Any], Any]]] = {
    "iv": (lambda d, **k: si.iv("y ~ t | x | z", d, **k), lambda f: f.glance()),
    "iv, absorbed": (lambda d, **k: si.iv("y ~ t | x | z", d, absorb="part", **k), lambda f: f.glance()),
    "proxies": (lambda d, **k: si.proximal("y ~ t | 1 | px | py", d, **k), lambda f: f.glance()),
    "p-learner": (lambda d, **k: si.proximal("y ~ t | 1 | px | py", d, method="p-learner", **k), lambda f: f.ate()),
    "average effect": (lambda d, **k: si.cate("y ~ t | x", d, folds="part", **k), lambda f: f.ate()),
    "effects by group": (lambda d, **k: si.cate("y ~ t | x", d, folds="part", **k), lambda f: f.gate("z")),
    "members": (
        lambda d, **k: si.cate("y ~ t | x", d, folds="part", **k),
        lambda f: f.clan(2, priority=np.arange(240.0)),
    ),
    "rank": (
        lambda d, **k: si.cate("y ~ t | x", d, folds="part", **k),
        lambda f: f.rate(priority=np.arange(240.0), replicas=20),
    ),
}


@pytest.mark.parametrize("name", list(CHOSEN))
def test_a_covariance_chosen_later_is_that_asked_for_at_first(data, name):
    make, ask = CHOSEN[name]
    data = data.assign(part=data["g"] % 3)
    at_first, later = make(data, vcov=CLUSTERS), make(data).with_vcov(CLUSTERS)
    first, second = (
        found if isinstance(found, pd.DataFrame) else found.tidy() for found in map(ask, (at_first, later))
    )
    pd.testing.assert_frame_equal(first, second, rtol=1e-10)
    assert not first.equals(ask(make(data)) if isinstance(ask(later), pd.DataFrame) else ask(make(data)).tidy())


def test_averages_of_proxies_cluster_by_every_column(data):
    data = data.assign(h=np.arange(len(data)) % 12, cell=lambda d: 12 * d["g"] + d["h"])
    both = si.proximal("y ~ t | 1 | px | py", data, method="p-learner", cluster=["g", "h"])
    one, other, cell = (both.with_vcov({"cluster": c}).ate()["std_error"] ** 2 for c in ("g", "h", "cell"))
    assert (one + other > cell).all()
    np.testing.assert_allclose(both.ate()["std_error"] ** 2, one + other - cell, rtol=1e-10)

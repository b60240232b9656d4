"""Absorbed effects in `si.glm`: dummies, rows that tell nothing, separation."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.errors import DataError, NotIdentifiedError, OptionError


def sample(n: int = 500, firms: int = 25) -> pd.DataFrame:
    """Counts, binary and positive outcomes with effects of firms and years."""
    random = np.random.default_rng(6)
    made = pd.DataFrame({"firm": random.permutation(np.arange(n) % firms), "year": random.integers(0, 5, n)})
    made = made.assign(x=random.standard_normal(n), z=random.standard_normal(n), w=random.integers(1, 4, n) / 2.0)
    eta = 0.5 * made["x"] - 0.2 * made["z"] + 0.3 * random.standard_normal(firms)[made["firm"]] + 0.1 * made["year"]
    made["count"] = random.poisson(np.exp(eta)).astype(float)
    made["bought"] = (random.uniform(size=n) < 1.0 / (1.0 + np.exp(-eta))).astype(float)
    made["cost"] = random.gamma(2.0, np.exp(eta) / 2.0)
    made["exposure"] = random.uniform(0.5, 2.0, n)
    return made


DATA = sample()
TWO = ["x", "z"]


def close(found, expected, tolerance=1e-8):
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("family", "link", "outcome", "weights"),
    [
        ("poisson", None, "count", None),
        ("poisson", None, "count", "w"),
        ("binomial", None, "bought", None),
        ("binomial", "probit", "bought", None),
        ("gamma", None, "cost", "w"),
        ("gaussian", None, "cost", None),
    ],
)
def test_equals_dummies(family, link, outcome, weights):
    formula = f"{outcome} ~ x + z + offset(log(exposure))"
    known = {"family": family, "link": link, "weights": weights}
    whole = si.glm(f"{formula} + C(firm) + C(year)", DATA, **known)
    fit = si.glm(formula, DATA, absorb="firm + year", absorb_tol=1e-11, tol=1e-12, **known)
    close(fit.params[TWO], whole.params[TWO])
    for kind in ("iid", "HC0", "HC1"):
        np.testing.assert_allclose(fit.with_vcov(kind).vcov, whole.with_vcov(kind).vcov.loc[TWO, TWO], rtol=1e-7)
    close(fit.fitted, whole.fitted, 1e-7)
    for name in ("df_resid", "deviance", "null_deviance", "df_null", "dispersion", "loglik", "aic", "bic"):
        close(fit.glance_items()[name], whole.glance_items()[name])
    close(fit.scaled_residuals("pearson"), whole.scaled_residuals("pearson"), 1e-7)
    close(fit.predict(DATA.head(5))["estimate"], whole.predict(DATA.head(5))["estimate"], 1e-7)


@pytest.mark.parametrize(("family", "kind"), [("binomial", "iid"), ("quasibinomial", "HC3")])
def test_successes_and_failures_beside_effects(family, kind):
    data = DATA.assign(won=DATA["bought"] * DATA["firm"] % 3, lost=DATA["count"].clip(upper=4) + (DATA.index > 5))
    known = {"family": family, "vcov": kind, "weights": "w", "tol": 1e-12}
    whole = si.glm("cbind(won, lost) ~ x + z + C(year)", data, **known)
    fit = si.glm("cbind(won, lost) ~ x + z", data, absorb="year", absorb_tol=1e-11, **known)
    close(fit.params, whole.params[TWO])
    close(fit.vcov, whole.vcov.loc[TWO, TWO])
    assert fit.nobs == whole.nobs
    for name in ("df_resid", "deviance", "null_deviance", "dispersion", "loglik"):
        close(fit.glance_items()[name], whole.glance_items()[name])


def test_leverages_of_one_factor():
    whole = si.glm("count ~ x + z + C(firm)", DATA, family="poisson")
    fit = si.glm("count ~ x + z", DATA, family="poisson", absorb="firm")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind in ("HC2", "HC3", {"cluster": "firm", "type": "HC3"}):
            np.testing.assert_allclose(fit.with_vcov(kind).vcov, whole.with_vcov(kind).vcov.loc[TWO, TWO], rtol=1e-7)
    close(fit.augment()["leverage"], whole.augment()["leverage"])


def test_levels_at_one_end_are_left_out_and_counted():
    data = DATA.copy()
    data.loc[data["firm"] == 3, "count"] = 0.0
    data.loc[data["firm"] == 4, "bought"] = 1.0
    fit = si.glm("count ~ x + z", data, family="poisson", absorb="firm + year")
    less = si.glm("count ~ x + z", data[data["firm"] != 3], family="poisson", absorb="firm + year")
    assert list(fit.dropped.values()) == [20]
    assert "outcomes of their level of firm all lie on one end" in fit.dropped_note()
    close(fit.params, less.params)
    close(fit.vcov, less.vcov)
    logit = si.glm("bought ~ x + z", data, family="binomial", absorb="firm")
    assert logit.nobs == 480
    with pytest.raises(DataError, match="no row of 500 is left beside the effects of firm"):
        si.glm("count ~ x", data.assign(count=0.0), family="poisson", absorb="firm")


def test_separated_counts_are_named_or_left_out():
    data = DATA.assign(shut=((DATA["count"] == 0) & (DATA["z"] > 1.0)).astype(float))
    with pytest.raises(
        NotIdentifiedError, match=r"zero outcomes of \d+ of 500 rows .*by 'shut' and the effects of firm"
    ):
        si.glm("count ~ x + shut", data, family="poisson", absorb="firm + year")
    # Two firms with counts in one year only, and a year that other firms tie down: effects alone take their zeros away.
    extra = pd.DataFrame(
        {"firm": [100] * 6 + [101] * 6 + [102] * 6, "year": [20, 20, 20, 21, 21, 21] * 2 + [21, 21, 21, 22, 22, 22]}
    )
    extra["count"] = [2.0, 1, 3, 0, 0, 0, 1, 0, 2, 0, 0, 0, 1, 2, 3, 0, 0, 1]
    extra["x"] = np.random.default_rng(1).standard_normal(18)
    both = pd.concat([DATA[["firm", "year", "count", "x"]], extra], ignore_index=True)
    fit = si.glm("count ~ x", both, family="poisson", absorb="firm + year")
    assert fit.dropped == {"the effects alone separate their zero outcomes": 6}
    left = both.drop(index=[503, 504, 505, 509, 510, 511])
    close(fit.params, si.glm("count ~ x", left, family="poisson", absorb="firm + year").params)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_separated_shares_are_named_or_left_out(link):
    known = {"family": "binomial", "link": link, "absorb": "firm + year"}
    sure = ((DATA["z"] > 1.2) & (DATA["bought"] == 1)).astype(float)
    with pytest.raises(NotIdentifiedError, match=r"outcomes of \d+ of 500 rows .*by 'sure' and the effects of firm"):
        si.glm("bought ~ x + sure", DATA.assign(sure=sure), **known)
    with pytest.raises(NotIdentifiedError, match="by 'x' and the effects of firm"):
        si.glm("bought ~ x", DATA.assign(bought=(DATA["x"] > 0.0).astype(float)), **known)
    with pytest.raises(NotIdentifiedError, match="by 'sure' and the effects of firm"):
        si.glm(
            "cbind(won, lost) ~ sure", DATA.assign(sure=sure, won=1.0 + sure, lost=1.0 - sure * DATA["bought"]), **known
        )


def test_shares_that_effects_alone_separate_are_left_out():
    extra = pd.DataFrame({"firm": [100] * 8 + [101] * 8, "year": ([20] * 4 + [21] * 4) * 2})
    extra["bought"] = [1.0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0]
    extra["x"] = np.random.default_rng(1).standard_normal(16)
    late = pd.DataFrame(
        {"firm": [101, 102, 102, 102], "year": [22, 22, 22, 21], "bought": [0.0, 1, 0, 1], "x": [0.1, 0.3, 0.2, 1.0]}
    )
    both = pd.concat([DATA[["firm", "year", "bought", "x"]], extra, late], ignore_index=True)
    fit = si.glm("bought ~ x", both, family="binomial", absorb="firm + year")
    cause = "the effects alone separate their outcomes"
    assert fit.dropped[cause] > 0
    assert np.abs(fit.absorbed.effects[0]).max() < 10.0
    left = both.iloc[fit.design.rows]
    close(fit.params, si.glm("bought ~ x", left, family="binomial", absorb="firm + year").params)


def test_options():
    with pytest.raises(OptionError, match="start= is not taken with absorb="):
        si.glm("count ~ x", DATA, family="poisson", absorb="firm", start=[0.0])
    fit = si.glm("count ~ x + z", DATA, family="poisson", absorb="firm + year", cluster="firm")
    assert fit.iterations > 1
    text = fit.summary().to_text()
    assert "Absorbed effects: firm (25), year (5)" in text
    assert "clustered by firm" in text
    assert "25 clusters" in fit.bootstrap(99).cov.label
    with pytest.raises(NotIdentifiedError, match="no intervals"):
        fit.predict(DATA, interval="confidence")


@pytest.mark.slow
def test_coverage_of_clustered_intervals():
    """Errors and regressor are correlated within firms; 95% intervals of Poisson and linear fits cover what they should."""
    random, draws, firms, years = np.random.default_rng(1), 400, 60, 6
    firm, year = (code.ravel() for code in np.divmod(np.arange(firms * years), years))
    inside = {"lm": 0, "poisson": 0}
    for _ in range(draws):
        effect, shock = random.standard_normal(firms), random.standard_normal(firms)
        trend = random.standard_normal(firms)
        x = random.standard_normal(len(firm)) + effect[firm] + trend[firm] * (year - 2.5) / 2.5
        y = x + effect[firm] + 0.3 * year + shock[firm] * (year - 2.5) / 2.5 + random.standard_normal(len(firm))
        # A gamma factor of mean one per firm and year keeps the mean of the counts what it is.
        noise = random.gamma(4.0, 0.25, len(firm))
        count = random.poisson(np.exp(0.3 * x + 0.5 * effect[firm]) * noise)
        data = pd.DataFrame({"firm": firm, "year": year, "x": x, "y": y, "count": count.astype(float)})
        for name, truth, fit in (
            ("lm", 1.0, si.lm("y ~ x", data, absorb="firm + year", cluster="firm")),
            ("poisson", 0.3, si.glm("count ~ x", data, family="poisson", absorb="firm + year", cluster="firm")),
        ):
            low, high = fit.conf_int().loc["x"]
            inside[name] += low <= truth <= high
    # Three standard errors of the simulation, and what sixty clusters fall short of.
    for name, hits in inside.items():
        assert abs(hits / draws - 0.95) < 3.0 * np.sqrt(0.95 * 0.05 / draws) + 0.015, (name, hits / draws)


def test_a_column_far_from_zero_is_not_taken_for_an_alias():
    rng = np.random.default_rng(1)
    firm, x, z = rng.integers(0, 40, 400), *rng.standard_normal((2, 400))
    x = np.round(x * 2.0**20) / 2.0**20
    counts = rng.poisson(np.exp(0.2 * x + 0.1 * x * z)).astype(float)
    data = pd.DataFrame({"y": counts, "x": x, "z": z, "firm": firm})
    options = {"family": "poisson", "absorb": "firm"}
    near, far = (si.glm("y ~ x * z", d, **options) for d in (data, data.assign(x=x + 1e7)))
    # The product holds nine digits there.
    np.testing.assert_allclose(far.params[["x", "x:z"]], near.params[["x", "x:z"]], rtol=1e-6)

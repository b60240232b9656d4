"""Marginal effects beside absorbed effects and aliased columns, of values that mean nothing, and without a covariance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import statinf as si

N = 160


def sample(n=N, seed=0):
    random = np.random.default_rng(seed)
    x, z = np.round(random.normal(size=(2, n)) * 1024) / 1024
    g = random.choice(["a", "b", "c"], n)
    t = (random.uniform(size=n) < 0.5).astype(float)
    eta = 0.3 + 0.6 * x - 0.4 * z + 0.5 * t + 0.4 * (g == "b") + 0.3 * x * t
    y = (random.uniform(size=n) < 1 / (1 + np.exp(-eta))).astype(float)
    u = eta + random.normal(size=n) * (1 + 0.5 * np.abs(x))
    w = random.integers(1, 4, n).astype(float)
    return pd.DataFrame(
        {"y": y, "u": u, "x": x, "z": z, "t": t, "g": g, "w": w, "c": np.arange(n) % 40.0, "k": z > 0},
        index=np.arange(n) + 1000,
    )


DATA = sample()
LINEAR = si.lm("u ~ x * t + z + C(g)", DATA)
LOGICAL = si.lm("u ~ x * k", DATA)


def same(one, other, rtol=1e-9):
    assert one.terms == other.terms
    np.testing.assert_allclose(one.theta, other.theta, rtol=rtol, atol=1e-12)
    np.testing.assert_allclose(one.cov.matrix, other.cov.matrix, rtol=rtol, atol=1e-12)


PANEL = DATA.assign(
    f=np.arange(N) % 5, own=(np.arange(N) % 5) ** 2.0, q=DATA.z + np.random.default_rng(3).normal(size=N)
)


@pytest.mark.parametrize("verb", ["slopes", "comparisons"])
@pytest.mark.parametrize("instrumented", [False, True])
def test_absorbed_effects_leave_differences_as_they_are(verb, instrumented):
    def fit(more, **options):
        if instrumented:
            return si.iv(f"u ~ z | x * t + x:g {more} | q", PANEL, method="2sls", **options)
        return si.lm(f"u ~ z + x * t + x:g {more}", PANEL, **options)

    with pytest.warns(si.errors.AliasedWarning, match="own"):
        absorbed = fit("+ own", absorb="f")
    names = ["z", "x", "t", "g"]
    same(getattr(absorbed, verb)(names), getattr(fit("+ C(f)"), verb)(names), 1e-7)
    with pytest.warns(si.errors.DroppedRowsWarning, match="1 of"):
        assert np.isnan(absorbed.slopes("own").theta).all()


def test_values_that_mean_nothing_are_refused():
    for ask in (
        lambda: LINEAR.predictions(newdata={"x": [np.nan, 1.0]}),
        lambda: LINEAR.predictions(newdata={"x": [None]}),
        lambda: LINEAR.predictions({"x": [np.inf]}),
        lambda: LINEAR.comparisons({"x": (0, np.nan)}),
        lambda: LOGICAL.predictions({"k": [7]}),
        lambda: LOGICAL.comparisons({"k": ("low", "high")}),
    ):
        with pytest.raises(si.OptionError, match="cannot be set to"):
            ask()
    turned = LOGICAL.comparisons({"k": (True, False)})
    assert turned.terms == ("k: False - True",)
    np.testing.assert_allclose(turned.theta, -LOGICAL.comparisons("k").theta)
    np.testing.assert_allclose(LOGICAL.predictions({"k": [np.bool_(True)]}).theta, LOGICAL.predictions("k").theta[1:])


def test_odds_of_means_beyond_zero_and_one_are_named():
    with pytest.warns(si.errors.NumericalWarning, match="1 of 1 comparisons have no finite value"):
        assert np.isnan(si.lm("c ~ x", DATA).comparisons("x", comparison="log_odds").theta).all()


def test_effects_of_no_rows():
    assert len(LINEAR.predictions(newdata=DATA.head(0), average=False).tidy()) == 0


@pytest.mark.parametrize("kind", [{"cluster": "c"}, {"cluster": ["c", "e"]}, "HC1"])
def test_sampled_rows_of_absorbed_fits_count_effects_as_the_fit_does(kind):
    fit = si.lm("u ~ x + z", PANEL.assign(e=np.arange(N) // 12), absorb="c", vcov=kind)
    # A constant slope does not vary over the rows: sampling them adds nothing.
    found = fit.slopes(population=True)
    np.testing.assert_allclose(found.std_errors, fit.std_errors, rtol=1e-9)
    np.testing.assert_allclose(found.with_vcov(kind).std_errors, fit.std_errors, rtol=1e-9)


def test_coefficients_without_covariance_are_not_drawn():
    fit = si.glm("y ~ x + z", DATA, family="binomial", penalty="l2", strength=0.1)
    with pytest.raises(si.NotIdentifiedError, match="this fit has none"):
        fit.slopes(method="simulation")
    with pytest.raises(si.NotIdentifiedError, match="nothing to test terms by"):
        si.anova(fit)


@pytest.mark.parametrize("verb", [si.lm, lambda f, d: si.glm(f, d, family="binomial")])
def test_rows_of_zeros_are_no_rows_that_break_an_alias(verb):
    data = DATA[~((DATA["g"] == "a") & DATA["k"])]
    with pytest.warns(si.errors.AliasedWarning):
        fit = verb("y ~ g * k", data)
    cells = pd.DataFrame({"g": list("abc") * 2, "k": np.repeat([False, True], 3)})
    with pytest.warns(si.errors.DroppedRowsWarning):
        found = fit.predict(cells)["estimate"].to_numpy()
    want = data.groupby(["k", "g"])["y"].mean().reindex(list(zip(cells["k"], cells["g"], strict=True)))
    np.testing.assert_allclose(found, want, rtol=1e-6)
    assert np.isnan(found).sum() == 1 and fit.predict()["estimate"].notna().all()


def test_columns_with_the_names_of_labels_stand_beside_them():
    data = DATA.assign(variable=DATA["g"], estimate=DATA["g"])
    made = si.lm("u ~ x + z", data).slopes("x", by="variable").tidy()
    assert list(made["variable"]) == ["x"] * 3 and list(made["variable_"]) == list("abc")
    each = si.lm("u ~ estimate", data).predictions({"estimate": ["a"]}, average=False).tidy()
    assert set(each["estimate_"]) == {"a"}
    with pytest.warns(si.errors.NumericalWarning, match="infinite"):
        si.lm("u ~ sqrt(c)", DATA).slopes("c")


@pytest.mark.parametrize("population", [False, True])
def test_margins_of_classes_and_quantiles_stand_without_their_rows(population, tmp_path):
    for fit in (si.multinomial("g ~ x + z", DATA, cluster="c"), si.rq("u ~ x + z", DATA)):
        live = fit.predictions(by="t", population=population)
        live.save(tmp_path / "margins.fit")
        for other in (live.lean(), si.load(tmp_path / "margins.fit")):
            assert str(other.summary()) == str(live.summary())
            kind = "HC0" if population else fit.vcov_kinds.names[0]
            same(other.with_vcov(kind), live.with_vcov(kind))


def test_functions_of_margins_say_their_method_once():
    margins = LINEAR.slopes("x", by="g")
    assert margins.differences().with_vcov("HC0").cov.label == "HC0, delta method"
    first, second = margins.terms[:2]
    assert margins.transform(lambda m: m[first] - m[second]).cov.label == "HC1, delta method"

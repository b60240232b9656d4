"""Marginal effects, comparisons and predictions: closed forms, promises of rows, and what is refused."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import statinf as si

N = 160
HUGE = 1e7


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
LOGIT = si.glm("y ~ x * t + z + C(g)", DATA, family="binomial")
LINEAR = si.lm("u ~ x * t + z + C(g)", DATA)
LOGICAL = si.lm("u ~ x * k", DATA)


def same(one, other, rtol=1e-9):
    assert one.terms == other.terms
    np.testing.assert_allclose(one.theta, other.theta, rtol=rtol, atol=1e-12)
    np.testing.assert_allclose(one.cov.matrix, other.cov.matrix, rtol=rtol, atol=1e-12)


# --- derivatives -----------------------------------------------------------------------------------------------

FORMULAS = [
    "u ~ bs(x, df=5) * t + poly(z, 3)",
    "u ~ cr(x, df=4) + log(3 + x) * z",
    "u ~ poly(scale(x), 2) + exp(x / 3) * z + sqrt(z ** 2 + 1)",
    "u ~ x:C(g) + I(z / (x + 5)) + maximum(x, 0.1) + where(x > 0, z, 2 * z)",
    "u ~ sin(x) + cos(x) + tanh(z) + log1p(z ** 2) + abs(x) + offset(2 * x)",
]


@pytest.mark.parametrize("formula", FORMULAS)
def test_slopes_are_those_of_the_predictions(formula):
    fit = si.lm(formula, DATA)
    inner = DATA[(DATA.x.abs() < 1.9) & (DATA.x.abs() > 1e-3)]
    for name in ("x", "z"):
        found = fit.slopes(name, newdata=inner, average=False).tidy()["estimate"].to_numpy()
        h = 1e-5
        ahead = fit.predict(inner.assign(**{name: inner[name] + h}))["estimate"].to_numpy()
        behind = fit.predict(inner.assign(**{name: inner[name] - h}))["estimate"].to_numpy()
        away = np.ones(len(inner), dtype=bool) if name == "z" else np.abs(inner.x - 0.1) > h
        np.testing.assert_allclose(found[away], ((ahead - behind) / (2 * h))[away], rtol=1e-6, atol=2e-6)


def test_a_function_of_the_callers_is_differenced_and_a_rough_one_is_told():
    fit = si.lm("u ~ f(x)", DATA, context={"f": lambda v: v**3 / 10})
    found = fit.slopes("x", average=False).tidy()["estimate"].to_numpy()
    np.testing.assert_allclose(found, fit.theta[1] * 0.3 * DATA.x.to_numpy() ** 2, rtol=1e-9, atol=1e-11)
    rough = si.lm("u ~ f(x)", DATA, context={"f": lambda v: np.abs(np.round(v, 3))})
    with pytest.warns(si.StatinfWarning, match="computed by differences"):
        rough.slopes("x")


def test_logit_slopes_have_the_closed_form():
    made, q = LOGIT.design.parts[0], len(LOGIT.theta)
    X, b = made.values, LOGIT.theta
    p = 1 / (1 + np.exp(-X @ b))
    at = list(made.names).index("z")
    first, second = p * (1 - p), p * (1 - p) * (1 - 2 * p)
    gradient = b[at] * (second @ X) / N + np.eye(q)[at] * first.mean()
    found = LOGIT.slopes("z")
    np.testing.assert_allclose(found.theta[0], b[at] * first.mean(), rtol=1e-12)
    np.testing.assert_allclose(found.cov.matrix[0, 0], gradient @ LOGIT.cov.matrix @ gradient, rtol=1e-9)
    np.testing.assert_allclose(LOGIT.slopes("z", type="link").theta[0], b[at], rtol=1e-12)


def test_derivatives_in_coefficients_are_exact_for_means_of_several_predictors():
    from statinf.inference.indexed_mean import IndexedMean
    from statinf.inference.marginal import Direction, RowGroups, mean_values, slope_values

    random = np.random.default_rng(1)
    X, theta = random.normal(size=(30, 3)), random.normal(size=7)
    # Two predictors that share a coefficient with opposite signs, as cumulative models have.
    places, signs = np.array([[0, 1, 2], [3, 1, 4]]), np.array([[1.0, -1.0, 1.0], [1.0, 1.0, -2.0]])

    def share(eta):
        e = np.exp(eta)
        return e[:, 0] / (1 + e.sum(axis=1))

    def slope(eta):
        e = np.exp(eta) / (1 + np.exp(eta).sum(axis=1))[:, None]
        return np.column_stack([e[:, 0] * (1 - e[:, 0]), -e[:, 0] * e[:, 1]])

    mean = IndexedMean(places, share, slope, "first", signs)
    groups = RowGroups(np.arange(30) % 2, random.uniform(1, 2, 30), 2)
    along = Direction(np.array([1, 2]), random.normal(size=(30, 2)), None, random.normal(size=30))

    def sums(values):
        return groups.sums(values.values)

    for kind in ("mean", "dydx", "eyex", "eydx", "dyex"):

        def at(b, kind=kind):
            return mean_values(mean, b, X, None) if kind == "mean" else slope_values(mean, b, X, None, along, kind)

        value, gradient = at(theta).sums(mean, groups, 3, 7)
        np.testing.assert_allclose(value, sums(at(theta)))
        rows = at(theta).rows(mean, 3, 7)
        for j in range(7):
            h = 1e-4 * np.eye(7)[j]
            ahead, behind = at(theta + h), at(theta - h)
            np.testing.assert_allclose((sums(ahead) - sums(behind)) / 2e-4, gradient[:, j], rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose((ahead.values - behind.values) / 2e-4, rows[:, j], rtol=1e-5, atol=1e-6)


# --- rows ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["slopes", "comparisons", "predictions"])
@pytest.mark.parametrize("kind", ["linear", "logit"])
def test_promises_of_rows(verb, kind):
    formula, options = ("u", {}) if kind == "linear" else ("y", {"family": "binomial"})
    fitted = {"linear": si.lm, "logit": si.glm}[kind]

    def effects(data, **more):
        return getattr(fitted(f"{formula} ~ x * t + z + C(g)", data, vcov="HC0", **options, **more), verb)(by="g")

    first = effects(DATA)
    same(effects(DATA.sample(frac=1.0, random_state=1)), first)
    same(effects(DATA.assign(x=DATA.x + HUGE).rename(columns={})), first, rtol=1e-5) if verb == "slopes" else None
    same(effects(pd.concat([DATA, DATA.assign(u=99.0, y=1.0, x=7.0)]), weights=np.repeat([1.0, 0.0], N)), first)
    weighted = effects(DATA, weights="w")
    doubled = effects(DATA.loc[DATA.index.repeat(DATA.w.astype(int))].reset_index(drop=True))
    np.testing.assert_allclose(weighted.theta, doubled.theta, rtol=1e-7)
    spread = DATA.assign(z=DATA.z.where(DATA.z < 2.5))
    same(effects(spread.dropna()), effects(spread)) if spread.z.isna().any() else None


def test_rows_keep_their_labels_and_gaps_are_nan():
    new = DATA.iloc[[3, 1, 2]].assign(g=["a", "unseen", "b"])
    with pytest.warns(si.StatinfWarning, match="unseen"):
        found = LINEAR.predictions(newdata=new, average=False)
    assert list(found.params.index) == list(new.index)
    np.testing.assert_array_equal(np.isnan(found.params.to_numpy()), [False, True, False])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        predicted = LINEAR.predict(new)
    np.testing.assert_allclose(found.params, predicted["estimate"])
    np.testing.assert_allclose(found.std_errors, predicted["std_error"])
    with pytest.warns(si.StatinfWarning, match="unseen"):
        mean = LINEAR.predictions(newdata=new)
    np.testing.assert_allclose(mean.theta[0], predicted["estimate"].mean())


def test_the_average_of_rows_is_the_average():
    rows = LOGIT.comparisons("t", average=False)
    np.testing.assert_allclose(rows.estimates.mean(), LOGIT.comparisons("t").theta[0], rtol=1e-12)
    assert list(rows.tidy().index) == list(DATA.index)
    grid = LOGIT.slopes("x", newdata={"t": [0, 1], "g": ["a", "c"]})
    assert [len(v) for v in grid.labels.values()] == [4, 4, 4, 4] and set(grid.labels["g"]) == {"a", "c"}
    one = DATA.iloc[:1].assign(x=DATA.x.mean(), z=DATA.z.mean(), t=1.0, g="c")
    at = LOGIT.slopes("x", newdata=one, average=False)
    np.testing.assert_allclose(grid.theta[-1], at.estimates[0, 0], rtol=1e-12)
    np.testing.assert_allclose(grid.std_errors.iloc[-1], at.errors[0, 0], rtol=1e-9)


def test_levels_that_new_rows_lack_are_known_from_the_fit():
    some = DATA[DATA.g == "b"]
    ours = LOGIT.comparisons("g", newdata=some)
    full = LOGIT.comparisons("g", by="g")
    np.testing.assert_allclose(ours.theta, [full.params["g: b - a, g=b"], full.params["g: c - a, g=b"]], rtol=1e-12)


def test_steps_and_kinds_of_variables_are_those_of_the_fits_rows():
    one = LOGIT.slopes("t", newdata={"x": 0.5})
    assert one.terms == ("t: 1 - 0, x=0.5",)
    np.testing.assert_allclose(one.theta, LOGIT.comparisons("t", newdata={"x": 0.5}).theta)
    some = DATA.iloc[:3]
    step = LINEAR.comparisons("z", step="sd", newdata=some)
    np.testing.assert_allclose(step.theta, LINEAR.params["z"] * DATA.z.std(), rtol=1e-9)
    np.testing.assert_allclose(
        LINEAR.comparisons("z", step="iqr").theta, LINEAR.params["z"] * np.subtract(*np.quantile(DATA.z, [0.75, 0.25]))
    )


def test_aliased_coefficients_leave_out_what_depends_on_them():
    data = DATA.assign(x2=2 * DATA.x)
    with pytest.warns(si.StatinfWarning, match="other columns determine"):
        fit = si.lm("u ~ x + x2 + z", data)
    same(fit.slopes("z"), si.lm("u ~ x + z", data).slopes("z"), rtol=1e-8)
    with pytest.warns(si.StatinfWarning, match="have no estimate"):
        found = fit.slopes(["x", "z"])
    assert np.isnan(found.theta[0]) and np.isfinite(found.theta[1]) and found.cov.matrix.shape == (1, 1)


def test_a_step_out_of_a_splines_range_has_no_estimate():
    fit = si.lm("u ~ bs(x, df=4) + z", DATA)
    with pytest.warns(si.StatinfWarning, match="outside"):
        assert np.isnan(fit.comparisons("x", step=4).theta).all()
    assert np.isfinite(fit.slopes("x").theta).all()


# --- inference -------------------------------------------------------------------------------------------------


def test_groups_can_be_tested_and_compared():
    found = LINEAR.slopes("x", by="t")
    assert found.terms == ("x, t=0", "x, t=1")
    one = found.differences()
    gap = LINEAR.test("x:t = 0") if "x:t" in LINEAR.terms else LINEAR.test("t:x = 0")
    np.testing.assert_allclose(found.test("x, t=1 = x, t=0").p_value, gap.p_value, rtol=1e-8)
    np.testing.assert_allclose(one.theta[0], LINEAR.theta[-1], rtol=1e-9)
    np.testing.assert_allclose(one.std_errors.iloc[0], LINEAR.std_errors.iloc[-1], rtol=1e-8)
    assert len(LOGIT.predictions(by="g").differences("sequential").terms) == 2
    assert len(LOGIT.predictions(by=["g", "t"]).differences(across="t", comparison="ratio").terms) == 3


def test_other_covariances_are_those_of_the_fit():
    for vcov in ("iid", "HC3", {"cluster": "c"}):
        same(LOGIT.slopes().with_vcov(vcov), LOGIT.with_vcov(vcov).slopes())
        same(LOGIT.slopes(vcov=vcov), LOGIT.with_vcov(vcov).slopes())
    assert "HC3, delta method" in LINEAR.slopes(vcov="HC3").cov.label
    assert np.isinf(LOGIT.slopes().cov.df) and LINEAR.slopes().cov.df == LINEAR.cov.df


def test_averages_over_a_sample_of_rows_have_the_variance_of_a_mean():
    found = LINEAR.predictions(population=True, vcov="HC0")
    np.testing.assert_allclose(found.theta[0], DATA.u.mean())
    np.testing.assert_allclose(found.std_errors.iloc[0], DATA.u.std(ddof=0) / np.sqrt(N), rtol=1e-9)
    assert found.cov.label == "HC0, rows sampled"
    few = si.lm("u ~ x", DATA, vcov={"cluster": "c", "type": "CR2"}).slopes(population=True)
    assert few.cov.label == "clustered by c (HC1), rows sampled"
    by = si.lm("u ~ x * C(g)", DATA, vcov="HC0").predictions(by="g", population=True)
    own = DATA.groupby("g").u
    np.testing.assert_allclose(by.std_errors.to_numpy(), (own.std(ddof=0) / np.sqrt(own.size())).to_numpy(), rtol=1e-9)


def test_adjusting_what_is_balanced_already_changes_nothing_with_weights_estimated():
    data = si.datasets.load("lalonde")
    w = si.balance("treat ~ age + educ + re74", data, method="entropy", estimand="ATT")
    plain = si.lm("re78 ~ treat", data, weights=w)
    adjusted = si.lm("re78 ~ treat * (age + educ + re74)", data, weights=w)
    found = adjusted.comparisons("treat", population=True)
    np.testing.assert_allclose(found.theta[0], plain.theta[1], rtol=1e-6)
    np.testing.assert_allclose(found.std_errors.iloc[0], plain.std_errors.iloc[1], rtol=1e-5)
    assert "weights estimated" in found.cov.label
    fixed = adjusted.comparisons("treat")
    assert fixed.std_errors.iloc[0] < found.std_errors.iloc[0]


def test_draws_agree_with_the_delta_method():
    replicas = 2000
    exact, drawn = LOGIT.slopes(["x", "g"]), LOGIT.slopes(["x", "g"], method="simulation", replicas=replicas, seed=4)
    # A standard deviation of R draws is off by its own share of 1 / sqrt(2 R); four of these, and curvature besides.
    np.testing.assert_allclose(drawn.std_errors, exact.std_errors, rtol=4 / np.sqrt(2 * replicas) + 0.02)
    np.testing.assert_array_equal(drawn.theta, exact.theta)
    assert drawn.draws.draws.shape == (replicas, 3) and "simulated" in drawn.cov.label
    fit = LINEAR.bootstrap(99, seed=2)
    own = fit.comparisons("t", newdata="mean")
    at = list(LINEAR.terms)
    moved = fit.draws.draws[:, at.index("t")] + DATA.x.mean() * fit.draws.draws[:, at.index("x:t")]
    np.testing.assert_allclose(own.draws.draws[:, 0], moved, rtol=1e-9)
    np.testing.assert_allclose(own.conf_int(0.8).to_numpy()[0], np.quantile(moved, [0.1, 0.9]), atol=0.05)


def test_estimates_are_a_fit_like_any_other(tmp_path):
    found = LOGIT.slopes(by="g")
    assert found.tidy(style="broom").columns[3] == "g" and found.tidy().shape == (15, 10)
    assert found.conf_int(simultaneous=True).shape == (15, 2)
    ratio = found.transform("`x, g=a` / `x, g=b`")
    assert np.isfinite(ratio.theta).all()
    assert found.bootstrap(50, seed=1).draws.draws.shape == (50, 15)
    assert "dY/dX" not in si.table(found).to_text() and set(found.terms) <= {row[0] for row in si.table(found).rows}
    again = si.load(found.save(tmp_path / "slopes.si"))
    same(again, found)
    assert again.labels == found.labels and again.summary().rows == found.summary().rows
    same(again.with_vcov("HC1"), found.with_vcov("HC1"))
    rows = LOGIT.slopes(average=False)
    read = si.load(rows.save(tmp_path / "rows.si"))
    np.testing.assert_array_equal(read.estimates, rows.estimates)
    for verb in ("slopes", "predict"):
        with pytest.raises(si.NotIdentifiedError, match="has no"):
            getattr(found, verb)()
    with pytest.raises(si.NotIdentifiedError, match="offers"):
        rows.test("x = 0")


def test_other_frames_and_fits_without_rows():
    import polars as pl

    frame = pl.DataFrame(DATA.reset_index(drop=True))
    fit = si.glm("y ~ x * t + z + C(g)", frame, family="binomial")
    same(fit.slopes(by="g"), LOGIT.slopes(by="g"))
    assert isinstance(fit.slopes().tidy(), pl.DataFrame)
    assert isinstance(fit.slopes(average=False).tidy(), pl.DataFrame)
    lean = LOGIT.lean()
    with pytest.raises(si.DataError, match="rows of the fit"):
        lean.slopes()
    same(lean.slopes(newdata=DATA), LOGIT.slopes())


# --- kinds of fits ---------------------------------------------------------------------------------------------


def test_quantiles_have_slopes_at_every_level():
    fit = si.rq("u ~ x * t", DATA, tau=[0.25, 0.75])
    found = fit.slopes("x", newdata={"t": 0})
    assert found.labels["tau"] == (0.25, 0.75)
    np.testing.assert_allclose(found.theta, fit.coef[:, 1])
    np.testing.assert_allclose(found.std_errors.to_numpy(), fit.std_errors.to_numpy()[[1, 5]], rtol=1e-9)
    wide = fit.predictions(average=False).estimates
    np.testing.assert_allclose(wide.T, fit.predict().to_numpy(), rtol=1e-12)


def test_instruments_and_effects():
    data = DATA.assign(v=DATA.x + np.random.default_rng(3).normal(size=N), arm=np.where(DATA.t > 0, "b", "a"))
    fit = si.iv("u ~ x | z + C(g) | v", data)
    np.testing.assert_allclose(fit.slopes("x").theta, fit.params["x"])
    np.testing.assert_allclose(fit.predictions().theta[0], fit.predict()["estimate"].mean())
    named = si.iv("u ~ arm | z | I(v > 0)", data, treated="a")
    found = named.comparisons({"arm": ("b", "a")})
    np.testing.assert_allclose([found.theta[0], found.std_errors.iloc[0]], [named.theta[0], named.std_errors.iloc[0]])


def test_what_an_effect_varies_with():
    fit = si.cate("u ~ t | x + z", DATA, method="r", learner="lm", folds=2)
    same_slopes = fit.slopes("x")
    np.testing.assert_allclose(same_slopes.theta[0], fit.params.filter(like="x").iloc[0], rtol=1e-9)
    line = fit.blp("~ x")
    np.testing.assert_allclose(line.slopes().theta, line.theta[1:], rtol=1e-12)


# --- refusals --------------------------------------------------------------------------------------------------

REFUSED = [
    ("slopes", {"variables": "nope"}, "does not use"),
    ("slopes", {"variables": []}, "names no variable"),
    ("slopes", {"variables": {"x": 2}}, "call comparisons"),
    ("slopes", {"variables": "g", "slope": "eyex"}, "numeric variable"),
    ("slopes", {"slope": "dx"}, "choose one of"),
    ("slopes", {"by": 3}, "names no columns"),
    ("slopes", {"newdata": "median"}, "is not known"),
    ("slopes", {"newdata": {"q": 1}}, "does not use"),
    ("slopes", {"newdata": {"g": "zz"}}, "its levels are"),
    ("slopes", {"newdata": {"x": "text"}}, "holds numbers"),
    ("slopes", {"newdata": {"x": range(5000)}}, "grid of 5000"),
    ("slopes", {"condition": "x", "newdata": "mean"}, "leave newdata"),
    ("slopes", {"condition": "nope"}, "does not use"),
    ("slopes", {"weights": True}, "equal weights"),
    ("slopes", {"average": "no"}, "neither True nor False"),
    ("slopes", {"population": "yes"}, "neither True nor False"),
    ("slopes", {"newdata": {"k": "yes"}}, "truth values"),
    ("slopes", {"average": False, "by": "g"}, "averages within groups"),
    ("slopes", {"average": False, "population": True}, "averages over rows"),
    ("slopes", {"average": False, "method": "simulation"}, "single rows"),
    ("slopes", {"newdata": "mean", "population": True}, "covariates are given"),
    ("slopes", {"method": "simulation", "population": True}, "delta method"),
    ("slopes", {"type": "logit"}, "choose one of"),
    ("slopes", {"method": "bayes"}, "choose one of"),
    ("slopes", {"seed": -1}, "whole number"),
    ("comparisons", {"comparison": "product"}, "choose one of"),
    ("comparisons", {"variables": "x", "step": 0}, "is no step"),
    ("comparisons", {"variables": "x", "step": "mad"}, "choose one of"),
    ("comparisons", {"variables": {"g": ("a", "zz")}}, "its levels are"),
    ("comparisons", {"variables": {"g": ("a",)}}, "no pair"),
    ("comparisons", {"contrast": "helmert"}, "choose one of"),
    ("predictions", {"variables": {"x": []}}, "no value"),
    ("predictions", {"variables": {"x": range(3000)}}, "at most"),
]


@pytest.mark.parametrize(("verb", "options", "said"), REFUSED, ids=lambda v: str(v)[:40])
def test_bad_input_is_named(verb, options, said):
    with pytest.raises(si.OptionError, match=said):
        getattr(LOGICAL if "k" in str(options.get("newdata")) else LINEAR, verb)(**options)


def test_truth_values_are_compared():
    found = LOGICAL.slopes("k", newdata={"x": 0})
    assert found.terms == ("k: True - False, x=0",)
    np.testing.assert_allclose(found.theta[0], LOGICAL.params["k"])


def test_what_has_no_mean_function_says_so():
    fit = si.effect("u ~ t | x", DATA, method="regression")
    for verb in ("slopes", "comparisons", "predictions"):
        with pytest.raises(si.NotIdentifiedError, match="coefficients of a mean function; it offers"):
            getattr(fit, verb)()
        assert verb not in fit.offers and verb in LINEAR.offers
    with pytest.raises(si.NotIdentifiedError, match="needs a fit with draws"):
        LINEAR.slopes(method="draws")
    with pytest.raises(si.NotIdentifiedError, match="constant alone"):
        si.lm("u ~ 1", DATA).slopes()
    with pytest.raises(si.OptionError, match="name the column"):
        LINEAR.slopes(by=["g", "t"]).differences()


def test_figures():
    import matplotlib.pyplot as plt

    for ax in (
        LOGIT.slopes("x", condition=["z", "t"]).plot(),
        LOGIT.predictions(condition=["x", "g"]).plot(level=0.8),
        LOGIT.slopes().plot(),
        LOGIT.slopes("x", average=False).plot(),
    ):
        assert ax.get_xlabel()
    with pytest.raises(si.OptionError, match="three values"):
        LOGIT.slopes().plot("line")
    plt.close("all")

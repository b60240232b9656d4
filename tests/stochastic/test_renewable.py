"""Renewable estimates against batch fits on the same rows, with forgetting, windows, groups, ridge and classes."""

import warnings

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.errors import NumericalWarning
from statinf.numerics.recursions.renewing import loss_parts, minimise


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    n = 1500  # some chunks of 256 rows
    d = pd.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n), "g": rng.choice(["v", "u", "w"], n)})
    d["y"] = 1 + 0.5 * d.a - d.b + rng.normal(size=n) * (1 + (d.a > 0))
    d["k"] = rng.poisson(np.exp(0.5 + 0.4 * d.a - 0.3 * d.b))
    d["z"] = (rng.random(n) < 1 / (1 + np.exp(-0.3 - d.a))).astype(float)
    d["c"] = np.where(d.a + rng.logistic(size=n) > 1, "p", rng.choice(list("pqr"), n))
    d["w"] = rng.integers(0, 3, n).astype(float)
    return d


@pytest.mark.parametrize(("loss", "k"), [("poisson", 1), ("multinomial", 3)])
def test_derivatives_are_those_of_the_loss(loss, k):
    import jax
    import jax.numpy as jnp

    from statinf.backend import x64

    rng = np.random.default_rng(0)
    u = rng.normal(size=k)
    y = np.eye(k + 1)[1][1:] if k > 1 else np.ones(1)

    def value(v):
        if loss == "poisson":
            return jnp.sum(jnp.exp(v) - y * v)
        return jnp.log1p(jnp.sum(jnp.exp(v))) - jnp.sum(y * v)

    with x64():
        expected = [np.asarray(f(value)(jnp.asarray(u))) for f in (jax.grad, jax.hessian)]
        level = float(value(jnp.asarray(u)))
    found, slope, curve = loss_parts(loss, u, y)
    assert found == pytest.approx(level, abs=1e-14)
    np.testing.assert_allclose(slope, expected[0], atol=1e-14)
    np.testing.assert_allclose(curve, expected[1], atol=1e-14)


def test_least_squares_are_those_of_all_rows(data):
    batch = si.lm("y ~ a + b", data, weights="w", vcov="HC1")
    fit = si.lsa("y ~ a + b", data, method="renewable", weights="w")
    np.testing.assert_allclose(fit.vcov, batch.vcov, rtol=1e-9, atol=1e-14)
    many = si.lsa("y ~ a + b", data, chunk=64, weights="w", method="renewable")
    np.testing.assert_allclose(many.theta, batch.theta, atol=1e-12)
    # Residuals were met at earlier estimates, off by about a standard error of the rows up to there.
    np.testing.assert_allclose(many.std_errors, batch.std_errors, rtol=3 / np.sqrt(len(data)))


@pytest.mark.parametrize(("outcome", "family", "loss"), [("k", "poisson", "poisson"), ("z", "binomial", "logistic")])
def test_other_losses_are_near_the_batch_fit(data, outcome, family, loss):
    formula = f"{outcome} ~ a + b"
    batch = si.glm(formula, data, family=family, vcov="HC0")
    one = si.lsa(formula, data, method="renewable", loss=loss)
    np.testing.assert_allclose(one.theta, batch.theta, atol=1e-8)
    np.testing.assert_allclose(one.vcov, batch.vcov * len(data) / (len(data) - 3), rtol=1e-6)
    fit = si.lsa(formula, data, method="renewable", loss=loss, chunk=256)
    assert (abs(fit.params - batch.params) < 0.15 * batch.std_errors).all()
    np.testing.assert_allclose(fit.std_errors, batch.std_errors, rtol=3 / np.sqrt(len(data)))


def test_classes_are_a_multinomial_logit(data):
    import statsmodels.api as sm

    few = data[:250]
    fit = si.lsa("c ~ a + b", few, loss="multinomial", chunk=256)
    logit = sm.MNLogit(few.c.astype("category").cat.codes, sm.add_constant(few[["a", "b"]]))
    batch = logit.fit(disp=0, tol=1e-12, method="newton")
    np.testing.assert_allclose(fit.theta, batch.params.to_numpy().T.ravel(), atol=1e-8)
    assert fit.terms[:2] == ("q: Intercept", "q: a")
    scores = logit.score_obs(batch.params.to_numpy().ravel(order="F"))
    bread = np.linalg.inv(-logit.hessian(batch.params.to_numpy().ravel(order="F")))
    np.testing.assert_allclose(fit.vcov, bread @ scores.T @ scores @ bread * 250 / 247, rtol=1e-6)
    p = fit.predict(few)
    np.testing.assert_allclose(p, batch.predict().astype(float), atol=1e-8)
    assert list(p.columns) == ["p", "q", "r"]
    more = fit.update(data[250:])
    long = si.lsa("c ~ a + b", data, loss="multinomial", chunk=256)
    np.testing.assert_allclose(more.vcov, long.vcov, rtol=1e-6, atol=1e-10)


def test_forgetting_is_least_squares_with_geometric_weights(data):
    fit = si.lsa("y ~ a + b", data, forget={"half_life": 100})
    factor = 0.5 ** (1 / 100)
    v = factor ** np.arange(len(data))[::-1]
    np.testing.assert_allclose(fit.theta, si.lm("y ~ a + b", data, weights=v).theta, atol=1e-10)
    assert fit.effective == pytest.approx(v.sum() ** 2 / (v**2).sum())
    recent = si.lsa("y ~ a + b", data[:250], forget=factor)
    batch = si.lm("y ~ a + b", data[:250], weights=v[-250:], vcov="HC0")
    share = recent.effective / (recent.effective - 3)
    np.testing.assert_allclose(recent.vcov, batch.vcov * share, rtol=1e-9)
    np.testing.assert_array_equal(
        si.lsa("y ~ a", data, forget=1.0).theta, si.lsa("y ~ a", data, method="renewable").theta
    )


def test_window_is_the_fit_to_its_rows(data):
    fit = si.lsa("y ~ a + b", data[:900], window=300).update(data[900:])
    batch = si.lm("y ~ a + b", data[-300:], vcov="HC1")
    np.testing.assert_allclose(fit.theta, batch.theta, atol=1e-12)
    np.testing.assert_allclose(fit.vcov, batch.vcov, rtol=1e-9)
    assert (fit.nobs, fit.effective) == (1500, 300)


def test_forgetting_follows_a_drift():
    rng = np.random.default_rng(0)
    n, runs, inside = 1500, 60, 0
    for _ in range(runs):
        x = rng.normal(size=n)
        y = np.where(np.arange(n) < 1000, -1.0, 1.0) * x + rng.normal(size=n)
        fit = si.lsa("y ~ x", {"x": x, "y": y}, forget=0.98)
        low, high = fit.conf_int().loc["x"]
        inside += low <= 1.0 <= high
    # 99 effective rows: coverage of HC1 there is .94; three Monte Carlo errors around it.
    assert inside / runs > 0.94 - 3 * np.sqrt(0.94 * 0.06 / runs)
    assert si.lsa("y ~ x", {"x": x, "y": y}, method="renewable").params["x"] < 0.0


def test_ridge_is_the_penalised_minimum(data):
    X = np.column_stack([np.ones(len(data)), data.a, data.b])
    penalty = np.diag([0.0, 40.0, 40.0])
    expected = np.linalg.solve(X.T @ X + penalty, X.T @ data.y)
    np.testing.assert_allclose(si.lsa("y ~ a + b", data, ridge=40).theta, expected, atol=1e-10)
    twice = data.assign(b2=data.b)
    fit = si.lsa("y ~ a + b + b2", twice, ridge=40)
    assert fit.params["b"] == pytest.approx(fit.params["b2"])
    apart = si.lsa("z ~ a", data.assign(z=(data.a > 0).astype(float))[:200], loss="logistic", ridge=1)
    assert np.isfinite(apart.theta).all()


def test_groups_are_streams_of_their_own(data):
    fit = si.lsa("y ~ a + b", data, by="g")
    for label, rows in data.groupby("g"):
        alone = si.lsa("y ~ a + b", rows, method="renewable", chunk=256)
        np.testing.assert_allclose(fit.params[label], alone.params, atol=1e-11)
        np.testing.assert_allclose(fit.std_errors[label], alone.std_errors, rtol=1e-9)
        np.testing.assert_allclose(fit.fit(label).vcov, alone.vcov, rtol=1e-8, atol=1e-12)
    table = fit.tidy()
    assert list(table.columns[:3]) == ["g", "term", "estimate"]
    assert (fit.fit("v").conf_int(interval="simultaneous").conf_low < fit.conf_int().loc["v"].conf_low).all()
    assert table.g.tolist() == ["u"] * 3 + ["v"] * 3 + ["w"] * 3
    half = fit.predict(data, interval="confidence")
    mine = fit.fit("v").predict(data[data.g == "v"], interval="confidence")
    np.testing.assert_allclose(half[data.g == "v"], mine, rtol=1e-12)


def test_groups_may_come_later_and_blocks_do_not_matter(data):
    late = data.assign(g=np.where(np.arange(1500) < 700, "u", data.g))
    fit = si.lsa("y ~ a + b", late, by="g", forget=0.999)
    pieces = si.lsa("y ~ a + b", (late[i : i + 37] for i in range(0, 650, 37)), by="g", forget=0.999)
    assert pieces.groups == ("u",)
    pieces = pieces.update(late[666:])
    np.testing.assert_allclose(pieces.params, fit.params, atol=1e-12)
    np.testing.assert_allclose(pieces.std_errors, fit.std_errors, rtol=1e-9)
    assert pieces.groups == ("u", "v", "w")
    unknown = late[:3].assign(g="x")
    with pytest.warns(si.errors.NumericalWarning, match="groups of 'g' without estimates"):
        assert fit.predict(unknown)["estimate"].isna().all()


def test_groups_of_weight_zero_are_absent(data):
    w = np.where(data.g == "v", 0.0, 1.0)
    fit = si.lsa("y ~ a", data, by="g", weights=w)
    assert fit.groups == ("u", "w")
    np.testing.assert_array_equal(fit.params, si.lsa("y ~ a", data[data.g != "v"], by="g").params)


def test_groups_that_are_not_identified_are_named(data):
    few = pd.concat([data[data.g != "v"], data[data.g == "v"][:2]])
    with pytest.warns(si.errors.NumericalWarning, match="'v', which has too few rows"):
        fit = si.lsa("y ~ a + b", few, by="g")
    assert fit.tidy().query("g == 'v'").estimate.isna().all()
    assert fit.glance().query("g == 'v'").note.iloc[0] == "has too few rows"
    with pytest.raises(si.NotIdentifiedError, match="'v' has too few rows"):
        fit.fit("v")
    with pytest.raises(si.DataError, match="no group 'x'"):
        fit.fit("x")


def test_counts_that_are_all_zero_have_no_estimate(data):
    none = data.assign(k=0, far=1e3 * data.a)
    few = data.assign(k=np.where(data.g == "w", 0, data.k))
    zero = "look at g.T.w., and whether all counts are zero"
    for formula, d, said in [("k ~ far", none, "separates"), ("k ~ 1", none, "separates"), ("k ~ a + g", few, zero)]:
        with pytest.raises(si.NotIdentifiedError, match=said):
            si.lsa(formula, d, loss="poisson", method="renewable")
    with pytest.warns(NumericalWarning, match="'w', which separates"):
        groups = si.lsa("k ~ a", few.iloc[:300], loss="poisson", by="g")
    assert np.isnan(groups.params["w"]).all()
    assert np.isfinite(groups.params[["u", "v"]]).all()
    with pytest.warns(NumericalWarning, match="of 'w' in 'g' moved by"):  # with every chunk it falls further
        assert np.isfinite(si.lsa("k ~ a", few, loss="poisson", by="g", ridge=1.0).params["u"]).all()
    many = none.iloc[np.arange(3000) % len(none)].reset_index(drop=True)
    for options in ({"by": "g"}, {"forget": 0.99}, {"window": 300}, {"method": "renewable"}):
        with pytest.raises(si.NotIdentifiedError, match="separates"):
            si.lsa("k ~ a", many, loss="poisson", **options)
    exposed = data.assign(e=1e6 * np.exp(data.b))
    fit = si.lsa("k ~ a + offset(log(e))", exposed, loss="poisson", method="renewable")
    batch = si.glm("k ~ a + offset(log(e))", exposed, family="poisson")
    np.testing.assert_allclose(fit.params, batch.params, rtol=1e-8)
    with pytest.raises(si.NotIdentifiedError, match="tell its columns apart"):
        si.lsa("k ~ a + I(2 * a)", data, loss="poisson", method="renewable")


def test_a_law_that_changes_is_told(data):
    late = data.assign(k=np.where(np.arange(1500) < 700, 0, data.k))
    options = {"loss": "poisson", "method": "renewable", "chunk": 256}
    with pytest.warns(NumericalWarning, match="Intercept moved by"):
        si.lsa("k ~ a", late, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        si.lsa("k ~ a", data, **options)
        si.lsa("k ~ a", late.sample(frac=1.0, random_state=0), **options)
    with pytest.warns(NumericalWarning, match="Intercept of .* in 'g' moved by"):
        si.lsa("k ~ a", late.assign(g=np.arange(1500) % 2), loss="poisson", by="g", chunk=128)
    classes = late.assign(y=1 * (late.k > 0))
    with pytest.warns(NumericalWarning, match="Intercept moved by"):
        si.lsa("y ~ a", classes, loss="logistic", method="renewable", chunk=256)


def test_missing_groups_are_dropped_and_named(data):
    holes = data.assign(g=data.g.mask(np.arange(1500) % 100 == 0))
    with pytest.warns(si.errors.DroppedRowsWarning, match="15: g is missing"):
        fit = si.lsa("y ~ a", holes, by="g")
    assert fit.nobs == 1485
    with pytest.raises(si.DataError, match="g is missing"):
        si.lsa("y ~ a", holes, by="g", na_action="raise")


def test_far_columns_and_polars(data):
    import polars as pl

    fit = si.lsa("y ~ a + b", data, by="g")
    far = si.lsa("y ~ a + b", data.assign(a=data.a + 1e7), by="g")
    for part in ("params", "std_errors"):
        one, other = (getattr(f, part).unstack()[["a", "b"]] for f in (fit, far))
        np.testing.assert_allclose(other, one, rtol=1e-6)
    table = si.lsa("y ~ a + b", pl.from_pandas(data), by="g").tidy()
    assert isinstance(table, pl.DataFrame)
    np.testing.assert_array_equal(table["estimate"].to_numpy(), fit.tidy().estimate)


def test_saved_results_go_on(data, tmp_path):
    fit = si.lsa("y ~ a", data[:1000], by="g", forget=0.999)
    again = si.load(fit.save(tmp_path / "groups.si")).update(data[1000:])
    np.testing.assert_array_equal(again.params, fit.update(data[1000:]).params)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"forget": 1.5}, "not a factor"),
        ({"forget": {"half": 3}}, "half_life"),
        ({"forget": 0.9, "window": 10}, "two ways"),
        ({"ridge": -1.0}, "ridge"),
        ({"by": ["g"]}, "not the name"),
        ({"by": "g", "ci": "simultaneous"}, "a group has them"),
        ({"method": "renewable", "lags": 3}, "lags= is an option of method='averaged'"),
        ({"method": "averaged", "by": "g"}, "by= is an option of method='renewable'"),
        ({"loss": "quantile", "forget": 0.9}, "loss"),
    ],
)
def test_options_are_refused(data, options, said):
    with pytest.raises(si.OptionError, match=said):
        si.lsa("y ~ a", data, **options)


def test_data_are_refused(data):
    with pytest.raises(si.DataError, match="negative"):
        si.lsa("y ~ a", data, loss="poisson", method="renewable")
    with pytest.raises(si.DataError, match="only the level 'p'"):
        si.lsa("c ~ a", data[data.c == "p"], loss="multinomial")
    with pytest.raises(si.NotIdentifiedError, match="a2"):
        si.lsa("y ~ a + a2", data.assign(a2=2 * data.a), forget=0.9)
    with pytest.raises(si.NotIdentifiedError, match="separates its outcomes"):
        si.lsa("z ~ a", data.assign(z=(data.a > 0).astype(float)), loss="logistic", method="renewable")
    with pytest.raises(si.NotIdentifiedError, match="separates its outcomes"):
        si.lsa(
            "z ~ C(g)", data.assign(z=data.z.where(data.g != "v", 0.0)), loss="logistic", chunk=128, method="renewable"
        )
    with pytest.raises(si.DataError, match="nowhere"):
        si.lsa("y ~ a", data, by="nowhere")
    with pytest.raises(si.DataError, match="levels="):
        si.lsa("c ~ a", data[data.c != "r"], loss="multinomial").update(data)


def test_a_problem_without_minimum_tells():
    x = np.linspace(-1, 1, 20).reshape(1, -1, 1)
    y = (x > 0).astype(float)
    zero = np.zeros((1, 1))
    _, left = minimise(zero[..., None], zero, x, y, np.ones((1, 20)), zero, "logistic", max_iter=10)
    assert left[0] > 1e-8

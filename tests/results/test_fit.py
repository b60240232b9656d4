"""What every fit can do, on the fits at hand."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pandas as pd
import pytest

import statinf as si


@pytest.fixture(scope="module")
def data():
    return si.datasets.load("mtcars")


@pytest.fixture(scope="module")
def fits(data):
    return {
        "lm": si.lm("mpg ~ wt + poly(hp, 2) + C(cyl)", data),
        "glm": si.glm("am ~ wt + drat", data, family="binomial", vcov="HC1"),
    }


@pytest.fixture(scope="module", params=["lm", "glm"])
def fit(request, fits):
    return fits[request.param]


def test_tables_have_the_fixed_names(fit):
    assert list(fit.tidy().columns) == [
        "term",
        "estimate",
        "std_error",
        "statistic",
        "p_value",
        "conf_low",
        "conf_high",
    ]
    assert "std.error" in fit.tidy(style="broom").columns
    assert fit.params.index.tolist() == fit.vcov.index.tolist() == fit.std_errors.index.tolist() == list(fit.terms)
    np.testing.assert_allclose(np.sqrt(np.diag(fit.vcov)), fit.std_errors)


def test_a_fit_is_immutable(fit):
    with pytest.raises(dataclasses.FrozenInstanceError):
        fit.theta = np.zeros(1)
    before = fit.std_errors.copy()
    fit.with_vcov("HC0")
    pd.testing.assert_series_equal(fit.std_errors, before)


def test_every_table_follows_the_covariance(fit):
    other = fit.with_vcov("HC3")
    assert other.cov.label == "HC3" and other.glance()["vcov"][0] == "HC3" and "HC3" in other.summary().to_text()
    assert not np.allclose(other.tidy()["std_error"], fit.tidy()["std_error"])
    np.testing.assert_allclose(other.tidy()["std_error"], other.std_errors)


def test_saving_keeps_predictions_tables_and_robust_covariances(fit, data, tmp_path):
    loaded = si.load(fit.save(tmp_path / "fit.si"))
    pd.testing.assert_frame_equal(loaded.tidy(), fit.tidy())
    pd.testing.assert_frame_equal(loaded.predict(data), fit.predict(data))
    for kind in ("iid", "HC0", "HC1", "HC2", "HC3"):
        np.testing.assert_allclose(loaded.with_vcov(kind).cov.matrix, fit.with_vcov(kind).cov.matrix, rtol=1e-12)
    with pytest.raises(si.DataError, match="rows of the fit"):
        loaded.with_vcov({"cluster": "cyl"})
    with pytest.raises(si.DataError, match="rows of the fit"):
        _ = loaded.influence
    assert loaded.summary().to_text() == fit.summary().to_text()


def test_pickles_leave_the_data_out(data):
    sizes = []
    for n in (50, 5000):
        frame = si.datasets.simulate("linear", n, seed=1)
        x = next(c for c in frame.columns if c.startswith("x"))
        fit = si.lm(f"y ~ {x}", frame)
        sizes.append(len(pickle.dumps(fit)))
        assert pickle.loads(pickle.dumps(fit)).params.equals(fit.params)
    assert abs(sizes[1] - sizes[0]) < 200


def test_functions_of_the_caller_are_asked_for_again(data, tmp_path):
    def halve(x):
        return x / 2

    fit = si.lm("mpg ~ halve(wt)", data, context={"halve": halve})
    path = fit.save(tmp_path / "fit.si")
    with pytest.raises(si.StatinfError, match="context"):
        si.load(path).predict(data)
    again = si.load(path, context={"halve": halve})
    pd.testing.assert_frame_equal(again.predict(data), fit.predict(data))


@pytest.mark.parametrize("kind", ["polars", "pyarrow", "duckdb", "dict"])
def test_tables_come_back_in_the_callers_kind(data, kind):
    import duckdb
    import polars as pl
    import pyarrow as pa

    made = {
        "polars": lambda: pl.from_pandas(data),
        "pyarrow": lambda: pa.Table.from_pandas(data),
        "duckdb": lambda: duckdb.from_df(data),
        "dict": lambda: {c: data[c].to_numpy() for c in data.columns},
    }[kind]()
    fit, reference = si.lm("mpg ~ wt + C(cyl)", made), si.lm("mpg ~ wt + C(cyl)", data)
    np.testing.assert_allclose(fit.theta, reference.theta, rtol=1e-12)
    expected = {"polars": pl.DataFrame, "pyarrow": pa.Table}.get(kind, pd.DataFrame if kind == "dict" else pa.Table)
    for table in (fit.tidy(), fit.glance(), fit.predict(made)):
        assert isinstance(table, expected)
    assert len(fit.augment()) == len(data)


def test_rows_that_cannot_be_predicted_are_nan_with_one_warning(data):
    fit = si.lm("mpg ~ wt + C(cyl)", data)
    new = data.head(4)[["wt", "cyl"]].assign(cyl=[4, 5, 6, 8], wt=[2.0, 2.0, np.nan, 3.0])
    with pytest.warns(si.StatinfWarning, match="unseen level") as caught:
        table = fit.predict(new, interval="prediction")
    assert len(caught) == 1 and table["estimate"].isna().tolist() == [False, True, True, False]


def test_augment_keeps_every_row_of_the_data(data):
    holes = data.assign(wt=data["wt"].where(data.index != 2))
    table = si.lm("mpg ~ wt", holes).augment()
    assert (
        len(table) == len(data) and np.isnan(table["fitted"].iloc[2]) and table["fitted"].notna().sum() == len(data) - 1
    )


def test_functions_of_coefficients(data):
    fit = si.lm("mpg ~ wt + hp", data)
    ratio = fit.transform(lambda b: {"ratio": b["wt"] / b["hp"], "wt": b["wt"]})
    gradient = np.array([[0, 1 / fit.params["hp"], -fit.params["wt"] / fit.params["hp"] ** 2], [0, 1, 0]])
    np.testing.assert_allclose(ratio.cov.matrix, gradient @ fit.cov.matrix @ gradient.T, rtol=1e-9)
    np.testing.assert_allclose(
        ratio.with_vcov("HC3").std_errors["wt"], fit.with_vcov("HC3").std_errors["wt"], rtol=1e-9
    )
    assert ratio.bootstrap(99).draws.draws.shape == (99, 2)
    assert ratio.test("ratio = 0").df == 1
    with pytest.raises(si.OptionError, match="not finite"):
        fit.transform(lambda b: np.log(b["wt"]))


def test_joint_covariance_of_a_fit_with_itself_is_singular_and_of_parts_is_its_own(data):
    fit = si.lm("mpg ~ wt", data, vcov="HC0")
    other = si.lm("qsec ~ hp", data.assign(hp=data["hp"].where(data.index > 3)))
    both = si.joint(fit, other, names=["a", "b"])
    np.testing.assert_allclose(both.cov.matrix[:2, :2], fit.cov.matrix, rtol=1e-10)
    np.testing.assert_allclose(both.cov.matrix[2:, 2:], other.with_vcov("HC0").cov.matrix, rtol=1e-10)
    assert np.abs(both.cov.matrix[:2, 2:]).max() > 0
    test = both.test("a: wt = b: hp")
    assert 0 <= test.p_value <= 1
    with pytest.raises(si.DataError, match="rows"):
        si.joint(fit, si.lm("mpg ~ wt", data.assign(mpg=data["mpg"] + data["wt"])))


def test_joint_covariance_is_that_of_the_difference(data):
    """Seemingly unrelated regressions on one outcome: y1 - y2 regressed alone has the variance of the contrast."""
    frame = data.assign(d=data["mpg"] - data["qsec"])
    both = si.joint(si.lm("mpg ~ wt", frame), si.lm("qsec ~ wt", frame))
    contrast = both.transform(lambda b: b["1: wt"] - b["2: wt"])
    np.testing.assert_allclose(
        contrast.std_errors.iloc[0], si.lm("d ~ wt", frame, vcov="HC0").std_errors["wt"], rtol=1e-8
    )


def test_clusters_of_a_joint_fit(data):
    with pytest.warns(si.StatinfWarning, match="6 values"):
        fit = si.lm("mpg ~ wt", data, vcov={"cluster": "carb", "type": "HC0"})
        both = si.joint(fit, si.lm("qsec ~ wt", data), vcov={"cluster": "carb"})
    np.testing.assert_allclose(both.cov.matrix[:2, :2], fit.cov.matrix, rtol=1e-10)


def test_functions_of_coefficients_keep_what_estimated_weights_and_kinds_of_errors_bring():
    """Twelve rows of a target make the weights: their part of the error is the larger one, also in draws."""
    random = np.random.default_rng(5)
    rows = pd.DataFrame({"x": random.normal(size=300)}).assign(y=lambda d: d["x"] ** 2 + random.normal(size=300))
    ratio = si.density_ratio("~ x", rows, pd.DataFrame({"x": random.normal(size=12)}))
    fit = si.lm("y ~ x", rows, weights=ratio)
    made = fit.transform("Intercept + x")
    own, parents = made.bootstrap(40, seed=1), fit.bootstrap(40, seed=1)
    assert np.sqrt((made.influence**2).sum()) < 0.9 * made.std_errors.iloc[0]
    np.testing.assert_allclose(own.draws.draws[:, 0], parents.draws.draws.sum(axis=1), rtol=1e-9)
    with pytest.raises(si.DataError, match="second sample"):
        si.joint(made, made)


def test_functions_of_quantile_coefficients_have_the_covariances_of_the_fit(tmp_path):
    fit = si.rq("foodexp ~ income", si.datasets.load("engel"), tau=[0.3, 0.6])
    change = "`q0.6: income` - `q0.3: income`"
    made = fit.transform(change)
    for vcov in ("nid", "ker", "iid", {"cluster": "income"}, {"boot": "pairs", "replicas": 20}):
        expected = fit.with_vcov(vcov).transform(change)
        assert made.with_vcov(vcov).cov.label == expected.cov.label
        np.testing.assert_allclose(made.with_vcov(vcov).std_errors, expected.std_errors, rtol=1e-8)
    with pytest.raises(si.OptionError, match="'nid', 'ker'"):
        made.with_vcov("HC0")
    again = si.load(made.save(tmp_path / "made.si"))
    np.testing.assert_allclose(again.with_vcov("ker").std_errors, made.with_vcov("ker").std_errors, rtol=1e-12)


def test_a_joint_fit_keeps_its_names_and_refuses_types_of_clusters_that_it_lacks():
    data = si.datasets.load("grunfeld")
    both = si.joint(*(si.lm(f"invest ~ {x}", data) for x in ("value", "capital")), names=["a", "b"])
    clustered = both.with_vcov({"cluster": "firm"})
    assert clustered.terms == both.terms and clustered.terms[1] == "a: value"
    for kind in ("HC1", "CR2", "none"):
        with pytest.raises(si.OptionError, match="for clusters; choose HC0"):
            both.with_vcov({"cluster": "firm", "type": kind})
    odds = [si.glm(f"I(invest > 100) ~ {x}", data, family="binomial", cluster="firm") for x in ("value", "year")]
    assert si.joint(*odds).cov.df == odds[0].cov.df == np.inf
    for joined in (both, si.joint(*odds)):
        lean, expected = joined.lean().with_vcov("HC0"), joined.with_vcov("HC0")
        assert (lean.terms, lean.cov.df) == (expected.terms, expected.cov.df)
        np.testing.assert_array_equal(lean.cov.matrix, expected.cov.matrix)


@pytest.mark.parametrize("vcov", ["HC0", {"cluster": "firm"}])
def test_rows_of_weight_zero_are_absent_from_joint_fits(vcov):
    data = si.datasets.load("grunfeld").assign(w=lambda d: (d["firm"] != "General Motors") * 1.0)
    few = data[data["w"] > 0]
    joined = [
        si.joint(*(si.lm(f"invest ~ {x}", d, weights="w") for x in ("value", "capital")), vcov=vcov)
        for d in (data, few)
    ]
    assert len(few) == 200 == joined[0].nobs and joined[0].cov.df == joined[1].cov.df
    np.testing.assert_allclose(joined[0].cov.matrix, joined[1].cov.matrix, rtol=1e-12)
    draws = [one.bootstrap(20, seed=1).draws.draws for one in joined]
    np.testing.assert_allclose(*draws, rtol=1e-9)


def test_simultaneous_limits_are_wider_and_hold_together(data):
    fit = si.lm("mpg ~ wt + hp + qsec", data)
    one, all_at_once = fit.conf_int(0.9), fit.conf_int(0.9, simultaneous=True)
    assert ((all_at_once["conf_high"] - all_at_once["conf_low"]) > (one["conf_high"] - one["conf_low"])).all()
    rng = np.random.default_rng(0)
    draws = rng.multivariate_normal(np.zeros(4), fit.cov.matrix, size=4000)
    # One estimated variance for all coefficients: a joint t with the residual degrees of freedom.
    draws *= np.sqrt(fit.cov.df / rng.chisquare(fit.cov.df, size=(4000, 1)))
    half = (all_at_once["conf_high"] - fit.params).to_numpy()
    share = (np.abs(draws) <= half).all(axis=1).mean()
    assert abs(share - 0.9) < 4 * np.sqrt(0.9 * 0.1 / 4000)
    with pytest.raises(si.OptionError, match="interval"):
        fit.conf_int(interval="bca", simultaneous=True)


def test_draws_go_to_arviz(data):
    fit = si.lm("mpg ~ wt", data).bootstrap(50, seed=1)
    container = fit.to_arviz()
    import arviz as az  # after our own import of it, which is silent

    posterior = container.posterior
    assert posterior["theta"].dims == ("chain", "draw", "term")
    np.testing.assert_array_equal(np.asarray(posterior["theta"])[0], fit.draws.draws)
    assert posterior["theta"].coords["term"].values.tolist() == ["Intercept", "wt"]
    assert len(az.summary(container, kind="stats")) == 2
    with pytest.raises(si.DataError, match="bootstrap"):
        si.lm("mpg ~ wt", data).to_arviz()


def test_plots_return_axes(fit):
    import matplotlib.pyplot as plt

    axes = fit.plot()
    assert len(axes.get_yticklabels()) == sum(t != "Intercept" for t in fit.terms)
    assert fit.plot("residuals").shape == (2, 2)
    plt.close("all")


@pytest.mark.filterwarnings("ignore:BCa limits lean")
def test_bootstrap_results_survive_saving(data, tmp_path):
    fit = si.lm("mpg ~ wt", data).bootstrap(99, kind="pairs", seed=3, studentize=True)
    loaded = si.load(fit.save(tmp_path / "fit.si"))
    for interval in ("percentile", "basic", "studentized", "bca", "normal"):
        pd.testing.assert_frame_equal(loaded.conf_int(0.9, interval=interval), fit.conf_int(0.9, interval=interval))


def test_fits_of_the_same_clusters_are_joined_by_them():
    data = si.datasets.load("grunfeld")
    one, two = (si.lm(f, data, cluster="firm") for f in ("invest ~ value", "invest ~ capital"))
    both = si.joint(one, two)
    given = si.joint(one, two, vcov={"cluster": "firm"})
    np.testing.assert_array_equal(both.cov.matrix, given.cov.matrix)
    with pytest.warns(si.errors.StatinfWarning, match="as if rows were independent"):
        mixed = si.joint(one, si.lm("invest ~ capital", data))
    assert mixed.cov.kind == "HC0"

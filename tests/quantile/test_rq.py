"""The verb: frames, weights, missing rows, tables, predictions, refusals."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import statinf as si
from statinf.errors import AliasedWarning, DataError, NumericalWarning, OptionError

pytestmark = [
    pytest.mark.filterwarnings("ignore::statinf.errors.NumericalWarning"),
    pytest.mark.filterwarnings("ignore::statinf.errors.DroppedRowsWarning"),
]
ENGEL = si.datasets.load("engel")


def groups(n=400, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"x": rng.standard_normal(n), "g": rng.choice(["a", "b", "c"], n), "id": rng.integers(0, 40, n)}
    )
    frame["w"] = rng.exponential(size=n)
    frame["y"] = 1 + frame.x + (frame.g == "b") + (1 + 0.5 * frame.x.abs()) * rng.standard_normal(n)
    return frame


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_frames_of_every_kind(kind):
    frame = {"pandas": ENGEL, "polars": pl.from_pandas(ENGEL), "pyarrow": pa.Table.from_pandas(ENGEL)}[kind]
    fit = si.rq("foodexp ~ income", frame, tau=[0.1, 0.5])
    tidy, predicted = fit.tidy(), fit.predict()
    assert type(tidy) is type(frame) and type(predicted) is type(frame) and type(fit.glance()) is type(frame)
    names = tidy.column_names if kind == "pyarrow" else list(tidy.columns)
    assert names == ["tau", "term", "estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"]
    assert (predicted.column_names if kind == "pyarrow" else list(predicted.columns)) == ["q0.1", "q0.5"]
    np.testing.assert_allclose(np.asarray(tidy["estimate"]), si.rq("foodexp ~ income", ENGEL, tau=[0.1, 0.5]).theta)


def test_missing_rows_are_dropped_and_counted():
    frame = groups()
    frame.loc[[3, 7], "y"] = np.nan
    frame.loc[9, "g"] = None
    fit = si.rq("y ~ x + C(g)", frame)
    assert fit.nobs == 397
    assert "Rows left out" in str(fit)
    assert np.isnan(fit.predict(frame)["q0.5"][9]) and np.isfinite(fit.predict(frame)["q0.5"][3])
    np.testing.assert_allclose(fit.theta, si.rq("y ~ x + C(g)", frame.dropna()).theta)
    with pytest.raises(DataError):
        si.rq("y ~ x + C(g)", frame, na_action="raise")


def test_whole_weights_equal_repeated_rows_in_coefficients():
    frame = groups()
    frame["k"] = np.random.default_rng(1).integers(0, 4, len(frame))
    weighted = si.rq("y ~ x + C(g)", frame, tau=[0.2, 0.6], weights="k")
    repeated = si.rq("y ~ x + C(g)", frame.loc[frame.index.repeat(frame.k)], tau=[0.2, 0.6])
    np.testing.assert_allclose(weighted.objective, repeated.objective, rtol=1e-12)
    assert weighted.nobs == (frame.k > 0).sum()


def test_weights_column_array_and_object_agree():
    frame = groups()
    by_name = si.rq("y ~ x", frame, weights="w", tau=[0.3, 0.8])
    by_array = si.rq("y ~ x", frame, weights=frame.w.to_numpy(), tau=[0.3, 0.8])
    np.testing.assert_array_equal(by_name.theta, by_array.theta)
    np.testing.assert_allclose(by_name.vcov, by_array.vcov)


def test_estimated_weights_enter_the_standard_errors():
    data = si.datasets.load("lalonde")
    w = si.balance("treat ~ age + educ + C(race) + re74", data, estimand="ATT")
    fit = si.rq("re78 ~ treat", data, tau=0.75, weights=w)
    fixed = si.rq("re78 ~ treat", data, tau=0.75, weights=w.full(0.0))
    np.testing.assert_allclose(fit.theta, fixed.theta)
    assert fit.cov.label == "nid, weights estimated"
    assert not np.allclose(fit.std_errors, fixed.std_errors, rtol=1e-3)


def test_offset_and_order_of_rows():
    frame = groups()
    frame["o"] = 2.0 * frame.x
    shifted = si.rq("y ~ x + offset(o)", frame)
    plain = si.rq("y ~ x", frame)
    assert shifted.params["x"] == pytest.approx(plain.params["x"] - 2.0)
    np.testing.assert_allclose(shifted.predict(frame)["q0.5"], plain.predict(frame)["q0.5"])
    np.testing.assert_allclose(si.rq("y ~ x", frame.sample(frac=1, random_state=1)).theta, plain.theta)


def test_covariance_is_joint_over_levels():
    fit = si.rq("foodexp ~ income", ENGEL, tau=[0.25, 0.75])
    assert fit.terms == ("q0.25: Intercept", "q0.25: income", "q0.75: Intercept", "q0.75: income")
    single = si.rq("foodexp ~ income", ENGEL, tau=0.75)
    np.testing.assert_allclose(fit.vcov.to_numpy()[2:, 2:], single.vcov, rtol=1e-10)
    assert fit.vcov.loc["q0.25: income", "q0.75: income"] > 0
    difference = fit.test("q0.25: income = q0.75: income")
    assert difference.statistic == pytest.approx(fit.equal_slopes().statistic)


@pytest.mark.parametrize("verb", [si.rq, si.expectile])
def test_equal_slopes_of_clustered_rows_count_clusters(verb):
    """The same Wald test as by words, whose F has one degree of freedom less than there are clusters."""
    fit = verb("y ~ x", groups(), tau=[0.25, 0.75], cluster="id")
    letter, slopes = fit.letter, fit.equal_slopes()
    said = fit.test(f"{letter}0.25: x = {letter}0.75: x")
    assert slopes.df_denominator == said.df_denominator == groups()["id"].nunique() - 1
    assert slopes.p_value == pytest.approx(said.p_value, rel=1e-9)
    assert fit.with_vcov("iid").equal_slopes().df_denominator == 2 * len(groups()) - 1


@pytest.mark.parametrize("formula", ["y ~ 0 + x", "y ~ 0 + C(g)", "y ~ 0 + x + offset(z)"])
def test_without_an_intercept_a_fit_is_compared_with_a_prediction_of_zero(formula):
    frame = groups().assign(z=1.0, y=lambda d: d["y"] + 3.0)
    outcome = frame["y"].to_numpy() - (1.0 if "offset" in formula else 0.0)
    for tau in (0.3, 0.5):
        fit = si.rq(formula, frame, tau=tau, weights="w")
        null = frame["w"].to_numpy() @ np.where(outcome < 0, (tau - 1) * outcome, tau * outcome)
        np.testing.assert_allclose(fit.null_objective, null, rtol=1e-12)
        np.testing.assert_allclose(fit.pseudo_r_squared, 1.0 - fit.objective / null, rtol=1e-12)
    if "offset" not in formula:
        mean, ols = (verb(formula, frame, weights="w") for verb in (si.expectile, si.lm))
        np.testing.assert_allclose(mean.pseudo_r_squared, ols.r_squared, rtol=1e-12)


def test_levels_of_one_name_are_refused():
    with pytest.raises(OptionError, match="all but equal to 0.3;"):
        si.rq("foodexp ~ income", ENGEL, tau=[0.1 + 0.2, 0.3, 0.7])
    with pytest.warns(NumericalWarning, match="repeated"):
        assert list(si.rq("foodexp ~ income", ENGEL, tau=[0.3, 0.3]).tau) == [0.3]


def test_scores_sum_to_zero_and_influence_gives_the_sandwich():
    fit = si.rq("y ~ x + C(g)", groups(), tau=[0.2, 0.5], weights="w")
    assert np.abs(fit.moments().scores.sum(axis=0)).max() < 1e-9
    robust = fit.influence.T @ fit.influence
    assert np.sqrt(np.diag(robust)) == pytest.approx(fit.std_errors.to_numpy(), rel=0.25)


def test_cluster_covariance_formula():
    """Against the formula of Parente and Santos Silva, written out."""
    from scipy.stats import norm

    frame = groups()
    fit = si.rq("y ~ x", frame, tau=0.3, cluster="id")
    X, y, n = np.c_[np.ones(400), frame.x], frame.y.to_numpy(), 400
    r = y - X @ fit.theta
    x0 = norm.ppf(0.3)
    h = n ** (-1 / 3) * norm.ppf(0.975) ** (2 / 3) * (1.5 * norm.pdf(x0) ** 2 / (2 * x0**2 + 1)) ** (1 / 3)
    delta = np.median(np.abs(r - np.median(r))) * (norm.ppf(0.3 + h) - norm.ppf(0.3 - h))
    H = (X[np.abs(r) <= delta]).T @ X[np.abs(r) <= delta] / (2 * delta)
    psi = 0.3 - (r < 0)
    psi[fit.basis[0]] = fit.dual[0]
    sums = np.stack([(X * psi[:, None])[frame.id == g].sum(axis=0) for g in frame.id.unique()])
    count = frame.id.nunique()
    V = np.linalg.inv(H) @ (sums.T @ sums) @ np.linalg.inv(H) * count / (count - 1)
    np.testing.assert_allclose(fit.vcov, V, rtol=1e-8)
    assert fit.cov.df == count - 1


def test_bootstraps_agree_with_each_other():
    fit = si.rq("y ~ x", groups(), tau=[0.25, 0.5])
    reference = fit.bootstrap(600, "pairs").std_errors
    # A bootstrap standard error of 600 draws has a relative error of 1 / sqrt(1200) = 3 %; the laws differ a little.
    for kind in ("bayesian", "pwy"):
        np.testing.assert_allclose(fit.bootstrap(600, kind).std_errors, reference, rtol=0.17)
    influence = fit.moments().influence
    expected = np.sqrt((influence**2).sum(axis=0))
    np.testing.assert_allclose(fit.bootstrap(600, "multiplier").std_errors, expected, rtol=0.12)
    again = si.rq("y ~ x", groups(), tau=[0.25, 0.5], vcov={"boot": "pwy", "replicas": 50}, seed=4)
    np.testing.assert_array_equal(again.draws.draws, fit.bootstrap(50, "pwy", seed=4).draws.draws)
    clustered = si.rq("y ~ x", groups(), cluster="id")
    assert clustered.bootstrap(100, "pwy").draws.clusters == 40
    assert clustered.bootstrap(100, "pairs").draws.clusters == 40


def test_noncrossing_fit_is_ordered_on_the_box():
    frame = groups(120, 3)
    taus = np.arange(1, 20) / 20
    free = si.rq("y ~ x + C(g)", frame, tau=taus)
    held = si.rq("y ~ x + C(g)", frame, tau=taus, noncrossing=True)
    corners = pd.DataFrame({"x": [frame.x.min(), frame.x.max()] * 3, "g": ["a", "a", "b", "b", "c", "c"]})
    assert (np.diff(free.predict(corners), axis=1) < 0).any()
    assert (np.diff(held.predict(corners), axis=1) >= -1e-9).all()
    assert (held.objective.sum() >= free.objective.sum()) and held.objective.sum() < 1.02 * free.objective.sum()
    sorted_free = free.predict(corners, noncrossing="sort").to_numpy()
    assert (np.diff(sorted_free, axis=1) >= 0).all()


def test_saved_fit_predicts_and_keeps_its_covariances(tmp_path):
    fit = si.rq("foodexp ~ income", ENGEL, tau=[0.1, 0.9], vcov="ker")
    back = si.load(fit.save(tmp_path / "fit.statinf"))
    np.testing.assert_allclose(back.predict(ENGEL), fit.predict(ENGEL))
    np.testing.assert_allclose(back.std_errors, fit.std_errors)
    np.testing.assert_allclose(back.with_vcov("iid").std_errors, fit.with_vcov("iid").std_errors)
    with pytest.raises(DataError, match="rows of the fit"):
        back.with_vcov({"cluster": "income"})


def test_plots_draw():
    import matplotlib

    matplotlib.use("Agg")
    fit = si.rq("foodexp ~ income", ENGEL, tau=[0.25, 0.5, 0.75])
    assert [a.get_title() for a in fit.plot().flat] == ["Intercept", "income"]
    assert fit.plot("lines").get_xlabel() == "income"
    assert fit.score().plot().get_xlabel() == "level"
    process = fit.process()
    assert (process.band_low <= process.conf_low).all() and (process.band_high >= process.conf_high).all()


def test_aliased_columns_are_named():
    frame = groups()
    frame["twice"] = 2 * frame.x
    with pytest.warns(AliasedWarning, match="twice"):
        fit = si.rq("y ~ x + twice", frame, tau=[0.3, 0.5])
    assert np.isnan(fit.params["q0.3: twice"])
    np.testing.assert_allclose(fit.predict(frame), si.rq("y ~ x", frame, tau=[0.3, 0.5]).predict(frame))
    assert "aliased" in str(fit)


def test_refusals():
    with pytest.raises(OptionError, match=r"tau=1\.2 is outside"):
        si.rq("foodexp ~ income", ENGEL, tau=[0.5, 1.2])
    with pytest.raises(OptionError, match="'nid'"):
        si.rq("foodexp ~ income", ENGEL, vcov="HC1")
    with pytest.raises(OptionError, match="bandwidth"):
        si.rq("foodexp ~ income", ENGEL, bandwidth="silverman")
    with pytest.raises(DataError, match="negative"):
        si.rq("foodexp ~ income", ENGEL, weights=-np.ones(235))
    with pytest.raises(OptionError, match="confidence"):
        si.rq("foodexp ~ income", ENGEL).predict(interval="prediction")
    with pytest.raises(OptionError, match="two levels"):
        si.rq("foodexp ~ income", ENGEL).equal_slopes()
    with pytest.warns(NumericalWarning, match="sorted"):
        fit = si.rq("foodexp ~ income", ENGEL, tau=[0.9, 0.1])
    assert fit.tau.tolist() == [0.1, 0.9]


def test_edges():
    exact = si.rq("foodexp ~ income", ENGEL.head(2))
    assert np.isnan(exact.std_errors).all() and exact.df_resid == 0
    assert si.rq("y ~ 1", pd.DataFrame({"y": [1, 2, 3, 4, 5]})).theta[0] == 3
    no_intercept = si.rq("foodexp ~ 0 + income", ENGEL)
    assert no_intercept.terms == ("income",)
    with pytest.raises(OptionError, match="intercept"):
        si.rq("foodexp ~ 0 + income", ENGEL, tau=[0.2, 0.8], noncrossing=True)
    counts = pd.DataFrame({"y": np.random.default_rng(0).poisson(3, 300), "x": np.arange(300) % 3})
    assert np.isfinite(si.rq("y ~ x", counts, tau=[0.25, 0.5]).theta).all()


def test_extreme_level_warns():
    with pytest.warns(NumericalWarning, match="beyond the reach"):
        si.rq("foodexp ~ income", ENGEL, tau=0.001, vcov="ker")

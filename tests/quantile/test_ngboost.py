"""`si.ngboost`: what is known exactly of boosting, early stopping, predictions and refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import statinf as si
from statinf.learners.natural_boosting import NaturalBoosting
from statinf.numerics.laws.parametric.law import Law, ScoreRule
from statinf.numerics.laws.parametric.normal import NORMAL

N = 200


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(7)
    x, z = random.normal(size=(2, N))
    y = np.sin(x) + np.exp(0.5 * z) * random.normal(size=N)
    bound = random.exponential(2.0, N)
    time = np.exp(0.5 * y)
    return pd.DataFrame(
        {
            "y": y,
            "x": x,
            "z": z,
            "time": np.minimum(time, bound),
            "seen": (time <= bound).astype(float),
            "k": random.poisson(np.exp(0.4 * x)),
            "g": np.array(["low", "mid", "high"])[np.digitize(y, [-0.5, 0.7])],
            "one": 3.0,
        },
        index=np.arange(N) + 100,
    )


@pytest.fixture(scope="module")
def fit(data):
    return si.ngboost("y ~ x + z", data, n_estimators=20, depth=2, learning_rate=0.1)


# --- what is known exactly --------------------------------------------------------------------------------


def test_without_iterations_the_law_is_the_marginal_one(data):
    law = si.ngboost("y ~ x", data, n_estimators=0).parameters(data)
    assert law["loc"].to_numpy() == pytest.approx(data["y"].mean())
    assert law["scale"].to_numpy() == pytest.approx(data["y"].std(ddof=0))
    shares = si.ngboost("g ~ x", data, dist="categorical", n_estimators=0).predict(data.head(1))
    assert shares.iloc[0].to_dict() == pytest.approx(data["g"].value_counts(normalize=True).to_dict())
    counts = si.ngboost("k ~ x", data, dist="poisson", n_estimators=0)
    assert counts.predict(data.head(1))["estimate"].item() == pytest.approx(data["k"].mean())


def test_an_intercept_alone_goes_to_the_marginal_law_from_anywhere():
    y = np.random.default_rng(2).normal(3.0, 2.0, 100)
    away = Law(**{f: getattr(NORMAL, f) for f in NORMAL.__dataclass_fields__} | {"start": lambda y, w, e: np.ones(2)})
    learner = NaturalBoosting(dist=away, base="linear", n_estimators=600, learning_rate=0.1, tol=1e-13)
    found = learner.fit(np.zeros((100, 0)), y).parameters(np.zeros((1, 0)))
    # The score is told apart to 1e-14 of itself, and so parameters to the root of that.
    assert found["loc"].item() == pytest.approx(y.mean(), abs=1e-6)
    assert found["scale"].item() == pytest.approx(y.std(), rel=1e-6)


def test_with_a_fixed_scale_it_is_boosting_of_residuals():
    random = np.random.default_rng(3)
    X = random.normal(size=(100, 2))
    y, w = X[:, 0] ** 2 + X[:, 1] + random.normal(size=100), random.integers(0, 3, 100).astype(float)
    rule = ScoreRule(lambda t, y, e: 0.5 * (y - t[0]) ** 2, lambda t: ((1.0,),))
    law = Law(
        name="square",
        parameters=("loc",),
        kind="real",
        rules={"log": rule},
        start=lambda y, w, e: np.array([np.average(y, weights=w)]),
        usual=lambda t, u: {"loc": u.centre + u.unit * t[0]},
        frozen=None,
        bounded=(False,),
    )
    fitted = NaturalBoosting(dist=law, base="linear", n_estimators=5, learning_rate=0.5, tol=1e-12).fit(X, y, w)
    mean, line = np.average(y, weights=w), np.column_stack([np.ones(100), X])
    least_squares = line @ np.linalg.solve(line.T @ (line * w[:, None]), line.T @ (w * y))
    expected = mean + (1.0 - 0.5**5) * (least_squares - mean)
    np.testing.assert_allclose(fitted.parameters(X)["loc"], expected, atol=1e-12)


def test_scores_that_are_shown_are_those_of_the_laws(fit, data):
    law = fit.parameters(data)
    log = -stats.norm.logpdf(data["y"], law["loc"], law["scale"])
    assert fit.scores(data)["log"].to_numpy() == pytest.approx(log)
    assert fit.glance()["training"].item() == pytest.approx(log.mean())
    staged = fit.staged(data)["score"]
    assert staged.to_numpy() == pytest.approx(fit.staged()["training"].to_numpy())
    early = fit.parameters(data, iterations=7)
    assert staged[7] == pytest.approx(-stats.norm.logpdf(data["y"], early["loc"], early["scale"]).mean())
    at = (data["y"].to_numpy() - law["loc"]) / law["scale"]
    crps = law["scale"] * (at * (2 * stats.norm.cdf(at) - 1) + 2 * stats.norm.pdf(at) - 1 / np.sqrt(np.pi))
    assert fit.scores(data)["crps"].to_numpy() == pytest.approx(crps.to_numpy())


def test_rows_doubled_are_rows_of_weight_two(data):
    options = {"n_estimators": 20, "depth": 2, "learning_rate": 0.1}
    some = data.head(60).assign(w=np.tile([1.0, 2.0, 3.0], 20))
    # Leaves of half a row of mean weight never bind where rows are whole.
    heavy = si.ngboost("y ~ x + z", some, weights="w", min_leaf=0, **options)
    many = si.ngboost("y ~ x + z", some.loc[some.index.repeat(some["w"].astype(int))], min_leaf=0, **options)
    np.testing.assert_allclose(heavy.parameters(some), many.parameters(some), rtol=1e-8)


def test_early_stopping_keeps_the_best_iteration_and_runs_no_further(data):
    fit = si.ngboost(
        "y ~ x + z", data, n_estimators=120, depth=2, learning_rate=0.1, early_stopping_rounds=5, validation=0.3
    )
    path = fit.staged()["validation"].to_numpy()
    assert fit.iterations == path.argmin() < 100
    assert len(path) == fit.iterations + 6
    again = si.ngboost(
        "y ~ x + z",
        data,
        n_estimators=120,
        depth=2,
        learning_rate=0.1,
        early_stopping_rounds=5,
        validation=0.3,
        refit=True,
    )
    whole = si.ngboost("y ~ x + z", data, n_estimators=fit.iterations, depth=2, learning_rate=0.1)
    assert again.iterations == fit.iterations
    pd.testing.assert_frame_equal(again.predict(data), whole.predict(data))


# --- what a law gives -------------------------------------------------------------------------------------


def test_predictions_are_those_of_the_law(fit, data):
    new = data.iloc[[3, 1]].assign(x=[np.nan, 0.2])
    with pytest.warns(si.StatinfWarning, match="cannot be predicted"):
        out = fit.predict(new, interval="prediction", level=0.8, tau=[0.1, 0.5])
    assert list(out.columns) == ["estimate", "lower", "upper", "q0.1", "q0.5"] and list(out.index) == list(new.index)
    assert out.iloc[0].isna().all()
    one = out.iloc[1]
    assert one["lower"] == one["q0.1"] and one["estimate"] == pytest.approx(one["q0.5"])
    law = fit.parameters(data.iloc[[1]].assign(x=0.2)).iloc[0]
    assert one["upper"] == pytest.approx(law["loc"] + law["scale"] * stats.norm.ppf(0.9))
    half = fit.cdf(data, values=fit.quantile(data, 0.3)["q0.3"])
    assert half["estimate"].to_numpy() == pytest.approx(0.3)
    draws = fit.sample(data.head(2), 4000, seed=1)
    law = fit.parameters(data.head(2))
    assert draws.mean(axis=1) == pytest.approx(law["loc"], abs=0.1) and draws.std(axis=1) == pytest.approx(
        law["scale"], rel=0.1
    )
    np.testing.assert_array_equal(draws, fit.sample(data.head(2), 4000, seed=1))
    shares = fit.importances()
    assert shares[["loc", "scale"]].sum().to_numpy() == pytest.approx(1.0)


def test_values_in_a_series_go_by_their_index(fit, data):
    rows = data.head(6)
    at = pd.Series(np.linspace(-1.0, 3.0, 6), index=rows.index)
    np.testing.assert_array_equal(fit.cdf(rows, at[::-1]), fit.cdf(rows, at.to_numpy()))


def test_counts_classes_and_censored_times(data):
    counts = si.ngboost("k ~ x", data, dist="poisson", n_estimators=0)
    mean = counts.predict(data.head(1))["estimate"].item()
    assert counts.logpdf(data) == pytest.approx(stats.poisson.logpmf(data["k"], mean))
    pit = counts.pit(data, seed=1)
    low, high = stats.poisson.cdf(data["k"] - 1, mean), stats.poisson.cdf(data["k"], mean)
    assert (low <= pit).all() and (pit <= high).all()
    classes = si.ngboost("g ~ x", data, dist="categorical", n_estimators=0)
    labels = classes.sample(data.head(3), 5)
    assert labels.shape == (3, 5) and set(labels.ravel()) <= {"low", "mid", "high"}
    assert list(classes.predict(data).columns) == list(map(str, classes.levels))
    with pytest.raises(si.NotIdentifiedError, match="classes, whose probabilities"):
        classes.predict(data, tau=0.5)
    times = si.ngboost("cbind(time, seen) ~ x", data, dist="lognormal", n_estimators=0)
    law = times.fitted.frozen(np.zeros((1, 1)))
    expected = np.where(data["seen"] > 0, law.logpdf(data["time"]), law.logsf(data["time"]))
    assert times.logpdf(data) == pytest.approx(expected)
    assert times.glance()["training"].item() == pytest.approx(-expected.mean())
    crps = si.ngboost("cbind(time, seen) ~ x", data, dist="lognormal", score="crps", n_estimators=0)
    found = crps.scores(data)["crps"]
    half, weight = np.polynomial.legendre.leggauss(200)
    grid = data["time"].to_numpy()[:, None] * 0.5 * (half + 1.0)
    upto = 0.5 * data["time"] * (law.cdf(grid) ** 2 @ weight)
    # A difference of terms of size one.
    np.testing.assert_allclose(found[data["seen"] == 0], upto[data["seen"] == 0], rtol=1e-8, atol=1e-14)
    assert crps.glance()["training"].item() == pytest.approx(found.mean())
    # New rows may all be times that are not over.
    longer = data[data["seen"] == 0]
    assert times.logpdf(longer) == pytest.approx(expected[data["seen"] == 0])
    assert times.staged(longer)["score"].item() == pytest.approx(-expected[data["seen"] == 0].mean())


def test_the_crps_of_classes_is_half_the_brier_score_and_falls(data):
    fit = si.ngboost(
        "g ~ x + z", data, dist="categorical", score="crps", n_estimators=5, base="linear", learning_rate=0.5
    )
    shares = fit.predict(data)
    errors = shares.to_numpy() - (data["g"].to_numpy()[:, None] == np.array(shares.columns))
    np.testing.assert_allclose(fit.scores(data)["crps"], 0.5 * (errors**2).sum(axis=1), rtol=1e-10)
    path = fit.staged()["training"].to_numpy()
    assert path[-1] == pytest.approx(0.5 * (errors**2).sum(axis=1).mean()) and (np.diff(path) < 0).all()


def test_it_stands_in_ensembles_and_in_conformal_sets(data):
    model = NaturalBoosting(n_estimators=20, depth=2, learning_rate=0.1)
    both = si.quantile_ensemble(
        "y ~ x + z", data, models=["rq", model], tau=[0.1, 0.9], folds=2, local=False, resolution="coarse"
    )
    assert both.out_of_fold_loss["NaturalBoosting"] > 0
    for method in ("cp2-hpd", "cp2-pcp"):
        sets = si.conformal("y ~ x + z", data, method=method, model=model, level=0.8)
        assert sets.coverage(data)["coverage"].iloc[0] > 0.6


# --- refusals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "options", "error", "match"),
    [
        ("y ~ x", {"dist": "poisson"}, si.DataError, "200 of 200 values that are not"),
        ("y ~ x", {"dist": "gamma"}, si.DataError, "is for positive numbers; the outcome 'y'"),
        ("k ~ x", {"dist": "poisson", "score": "rps"}, si.OptionError, "score='rps'"),
        ("y ~ x", {"dist": "norml"}, si.OptionError, "Did you mean 'normal'"),
        ("g ~ x", {}, si.DataError, "use dist='categorical'"),
        ("cbind(time, seen) ~ x", {}, si.OptionError, "takes no censored outcomes"),
        ("cbind(time, seen) ~ x", {"dist": "gamma", "score": "crps"}, si.OptionError, "use 'lognormal', 'weibull'"),
        ("cbind(time, y) ~ x", {"dist": "weibull"}, si.DataError, "'y' must be 1 where the time was seen"),
        ("y ~ x", {"df": 4.0}, si.OptionError, "df=4 is for dist='student'"),
        ("y ~ x", {"metric": "ngboost"}, si.OptionError, "score='crps' only"),
        ("y ~ x", {"refit": True}, si.OptionError, "needs early_stopping_rounds="),
        ("y ~ x + offset(z)", {}, si.OptionError, "takes no offset"),
    ],
)
def test_what_cannot_be_fitted_is_refused(data, formula, options, error, match):
    with pytest.raises(error, match=match):
        si.ngboost(formula, data, **options)


def test_what_a_law_cannot_give_is_refused(fit, data):
    with pytest.raises(si.OptionError, match="prediction intervals only"):
        fit.predict(data, interval="confidence")
    with pytest.raises(si.OptionError, match="iterations=30 is not a whole number from 0 to 20"):
        fit.predict(data, iterations=30)
    with pytest.raises(si.DataError, match="values has shape"):
        fit.cdf(data, values=[1.0, 2.0])
    with pytest.raises(si.NotIdentifiedError, match="standard errors"):
        _ = fit.std_errors
    with pytest.raises(si.OptionError, match="rows that the fit has not seen"):
        fit.plot("pit")


def test_an_outcome_that_does_not_vary_has_the_narrowest_law(data):
    law = si.ngboost("one ~ x + z", data, n_estimators=20, depth=2, learning_rate=0.1).parameters(data)
    assert law["loc"].to_numpy() == pytest.approx(3.0) and (law["scale"] < 1e-7).all()


def test_figures(fit, data):
    assert fit.plot().get_xlabel() == "iteration"
    assert fit.plot("pit", data).get_xlim() == (0.0, 1.0)
    assert len(fit.plot("importances").get_yticks()) == 2

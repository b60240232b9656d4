"""Quantile ensembles: exact weights against cvxpy, closed forms, calibration coverage, refusals."""

import pickle

import cvxpy as cp
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.stats import norm

import statinf as si
from statinf.errors import DataError, NotIdentifiedError, OptionError
from statinf.learners import resolve
from statinf.learners.quantile_objective import QuantileObjective, layers, predict
from statinf.quantile.aggregation import combine, fit_aggregator, fit_global, margins
from statinf.quantile.base_models import fit_base
from statinf.quantile.scores import pinball

TAU = np.array([0.1, 0.3, 0.5, 0.7, 0.9])


def predictions(n=300, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 3))
    y = X[:, 0] + (1 + (X[:, 1] > 0)) * rng.standard_normal(n)
    shapes = ((1, 1), (0.5, 2), (1.2, 1.5), (0, 1))
    Z = np.stack([X[:, [0]] * a + norm.ppf(TAU) * b + 0.3 * rng.standard_normal((n, 1)) for a, b in shapes], axis=1)
    return X, y, Z


def frame(n=200, seed=0):
    rng = np.random.default_rng(seed)
    out = pd.DataFrame({"a": rng.standard_normal(n), "b": rng.random(n), "g": rng.choice(["u", "v"], n)})
    out["y"] = np.sin(2 * out.a) + (0.2 + out.b) * rng.standard_normal(n)
    return out


@pytest.mark.parametrize("resolution", ["coarse", "medium"])
def test_constant_weights_equal_those_of_cvxpy(resolution):
    _, y, Z = predictions()
    w = np.random.default_rng(1).exponential(size=len(y))
    ours = fit_global(Z, y, TAU, resolution, w)
    v = cp.Variable(ours.shape, nonneg=True)
    goal = 0
    for k, t in enumerate(TAU):
        u = y - Z[:, :, k] @ (v if resolution == "coarse" else v[:, k])
        goal += w @ cp.maximum(t * u, (t - 1) * u)
    best = cp.Problem(cp.Minimize(goal), [cp.sum(v, axis=0) == 1]).solve(solver="CLARABEL")
    assert w @ pinball(y, combine(Z, ours), TAU).sum(axis=1) <= best * (1 + 1e-7)
    np.testing.assert_allclose(ours.sum(axis=0), 1)


def test_finer_weights_fit_better_and_perfect_models_win():
    _, y, Z = predictions()
    w = np.ones(len(y))
    losses = [pinball(y, combine(Z, fit_global(Z, y, TAU, r, w)), TAU).mean() for r in ("coarse", "medium", "fine")]
    assert losses[0] >= losses[1] >= losses[2]
    Z[:, 2] = y[:, None]
    np.testing.assert_allclose(fit_global(Z, y, TAU, "coarse", w), [0, 0, 1, 0], atol=1e-8)


@pytest.mark.parametrize("resolution", ["coarse", "medium"])
def test_equal_models_give_themselves_back(resolution):
    X, y, Z = predictions()
    same = np.repeat(Z[:, :1], 3, axis=1)
    for weights in (fit_global(same, y, TAU, resolution, np.ones(len(y))),):
        np.testing.assert_allclose(combine(same, weights), Z[:, 0], atol=1e-10)
    size = {"coarse": 3, "medium": 15}[resolution]
    start = layers((3, 8, size), 0)
    np.testing.assert_allclose(
        predict(QuantileObjective("local", resolution), start, X, same, TAU), Z[:, 0], atol=1e-10
    )


@pytest.mark.parametrize("resolution", ["coarse", "medium", "fine"])
def test_zero_logits_are_the_plain_average(resolution):
    X, _, Z = predictions()
    size = {"coarse": 4, "medium": 20, "fine": 100}[resolution]
    average = Z.mean(axis=(1, 2))[:, None] + np.zeros(5) if resolution == "fine" else Z.mean(axis=1)
    start = layers((3, 8, size), 0, last_zero=True)
    np.testing.assert_allclose(predict(QuantileObjective("local", resolution), start, X, Z, TAU), average, atol=1e-10)
    np.testing.assert_allclose(
        predict(QuantileObjective("global", resolution), np.zeros(size), X, Z, TAU), average, atol=1e-10
    )


def test_local_weights_learn_and_know_their_rows():
    X, y, Z = predictions(400)
    made = fit_aggregator(X, Z, y, np.ones(400), TAU, resolution="medium", local=True)
    weights = made.at(X, 4)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(np.einsum("njk,njk->nk", weights, Z), made(X, Z), atol=1e-8)
    assert pinball(y, made(X, Z), TAU).mean() < pinball(y, Z.mean(axis=1), TAU).mean()


def test_trained_constant_weights_come_near_the_exact_ones():
    X, y, Z = predictions(400)
    exact = pinball(y, combine(Z, fit_global(Z, y, TAU, "coarse", np.ones(400))), TAU).mean()
    made = fit_aggregator(X, Z, y, np.ones(400), TAU, resolution="coarse", local=False, solver="sgd", penalty=0.0)
    # training stops early on a fifth of the rows set aside
    assert exact <= pinball(y, made(X, Z), TAU).mean() < 1.01 * exact


def test_a_second_fit_of_similar_size_compiles_nothing():
    from statinf.learners import quantile_training as training

    X, y, Z = predictions(200)
    common = {"resolution": "coarse", "local": True}
    fit_aggregator(X, Z, y, np.ones(200), TAU, **common)
    before = training._epochs.traces, training._memory.traces
    fit_aggregator(X[:190], Z[:190], y[:190], np.ones(190), TAU, penalty=0.5, seed=3, **common)
    assert (training._epochs.traces, training._memory.traces) == before


def test_margins_are_a_share_of_residual_quantiles():
    _, y, Z = predictions()
    delta = margins(Z, y, TAU, "adapt")
    r = np.quantile(y - np.median(Z[:, :, 2], axis=1), TAU)
    assert delta[0, 4] == pytest.approx(0.01 * (r[4] - r[0])) and (np.tril(delta) == 0).all()
    assert not margins(Z, y, TAU, "none").any()


@pytest.mark.parametrize("name", ["rq", "forest", "gbm", "gaussian_network", "mqn", "gaussian"])
def test_base_models_beat_the_constant_quantiles(name):
    data = frame(300)
    X, y = data[["a", "b"]].to_numpy(), data.y.to_numpy()
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    q = fit_base(name, X[:200], y[:200], np.ones(200), TAU, 0)(X[200:])
    assert q.shape == (100, 5)
    constant = pinball(y[200:], np.tile(np.quantile(y[:200], TAU), (100, 1)), TAU).mean()
    assert pinball(y[200:], q, TAU).mean() < constant


def test_forest_is_scikit_learns_and_weighs_by_its_leaves():
    from sklearn.ensemble import RandomForestRegressor

    from statinf.learners.forest import as_arrays

    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((80, 2)), rng.standard_normal(80)
    grown = RandomForestRegressor(100, min_samples_leaf=5, random_state=0).fit(X, y)
    trees = as_arrays([one.tree_ for one in grown.estimators_])
    new = np.vstack([X, rng.standard_normal((200, 2))])
    np.testing.assert_array_equal(trees.leaves(new) - trees.root, grown.apply(new))
    forest = resolve("forest", "quantile").fit(X, y)
    at, expected = X[:3], []
    for row in at:
        weights = np.zeros(80)
        for t, leaf in enumerate(forest.trees.leaves(row[None])[0]):
            together = forest.leaves[:, t] == leaf
            weights[together] += 1 / together.sum()
        reached = np.cumsum(weights) / weights.sum()
        expected.append([forest.outcome[np.argmax(reached >= t - 1e-12)] for t in (0.25, 0.5)])
    np.testing.assert_allclose(forest.predict_quantiles(at, [0.25, 0.5]), expected)


@pytest.mark.parametrize("noncrossing", ["sort", "isotonic", "sweep"])
def test_output_is_monotone_and_of_the_callers_kind(noncrossing):
    data = pl.from_pandas(frame())
    fit = si.quantile_ensemble(
        "y ~ a + b + C(g)",
        data,
        models=["rq", "forest"],
        tau=TAU,
        local=False,
        resolution="fine",
        noncrossing=noncrossing,
    )
    predicted = fit.predict(data)
    assert isinstance(predicted, pl.DataFrame) and predicted.columns == ["q0.1", "q0.3", "q0.5", "q0.7", "q0.9"]
    assert (np.diff(predicted.to_numpy(), axis=1) >= -1e-12).all()
    table = fit.compare(data).to_pandas().set_index("model")
    assert table.loc["ensemble", "crossing"] == 0
    if noncrossing != "sweep":
        assert table.loc["ensemble", "wis"] <= table.loc["ensemble, unordered", "wis"] + 1e-12


def test_one_model_one_level_and_whole_objects():
    class Spread:
        def fit(self, X, y):
            self.sd = y.std()
            return self

        def predict(self, X):
            return X[:, 0] * 0

    data = frame()
    alone = si.quantile_ensemble("y ~ a", data, models=["rq"], tau=[0.5], local=False, resolution="medium")
    direct = si.rq("y ~ a", data).predict(data)
    np.testing.assert_allclose(alone.predict(data)["q0.5"], direct["q0.5"], atol=1e-8)
    mixed = si.quantile_ensemble(
        "y ~ a", data, models={"c": Spread(), "rq": "rq"}, tau=TAU, local=False, resolution="coarse"
    )
    assert mixed.models == ("c", "rq") and mixed.weights(data.head(2)).shape == (2, 2)


def test_arrays_of_predictions():
    X, y, Z = predictions(200)
    data = pd.DataFrame(X, columns=list("abc")).assign(y=y)
    given = {"one": Z[:, 0], "two": Z[:, 1]}
    fit = si.quantile_ensemble("y ~ a", data, models=given, tau=TAU, local=False, resolution="medium")
    direct = combine(Z[:, :2], fit_global(Z[:, :2], y, TAU, "medium", np.ones(200)))
    np.testing.assert_allclose(fit.predict(data, predictions=given), np.sort(direct, axis=1), atol=1e-6)
    with pytest.raises(DataError, match="hand over their predictions"):
        fit.predict(data)
    with pytest.raises(NotIdentifiedError, match="cqr"):
        si.quantile_ensemble("y ~ a", data, models=given, tau=TAU, calibrate="cv+")


@pytest.mark.parametrize("calibrate", ["cqr", "cv+"])
def test_calibrated_coverage(calibrate):
    """Linear quantiles of a curved truth are wrong; calibrated intervals cover all the same."""
    covered, count, fresh = [], 40 if calibrate == "cqr" else 16, 200
    for r in range(count):
        data, new = frame(160, 1000 + r), frame(fresh, 5000 + r)
        fit = si.quantile_ensemble(
            "y ~ b",
            data,
            models=["rq"],
            tau=[0.1, 0.5, 0.9],
            local=False,
            resolution="coarse",
            calibrate=calibrate,
            seed=r,
        )
        q = fit.predict(new).to_numpy()
        covered.append(((new.y >= q[:, 0]) & (new.y <= q[:, 2])).mean())
    calibration = 40 if calibrate == "cqr" else 160
    # Of one fit's coverage: that of new rows, and Beta-like spread from the calibration rows.
    error = np.sqrt((0.16 / fresh + 0.16 / calibration) / count)
    assert np.mean(covered) >= 0.8 - 3 * error
    if calibrate == "cqr":  # CV+ has no bound from above
        assert np.mean(covered) <= 0.8 + 1 / (calibration + 1) + 3 * error


def test_calibrated_intervals_are_nested_and_infinite_without_enough_rows():
    data = frame(60)
    fit = si.quantile_ensemble(
        "y ~ a",
        data,
        models=["rq"],
        tau=[0.02, 0.25, 0.5, 0.75, 0.98],
        local=False,
        resolution="coarse",
        calibrate="cqr",
    )
    q = fit.predict(data).to_numpy()
    assert (np.diff(q, axis=1) >= 0).all()
    assert np.isinf(q[:, 0]).all() and np.isfinite(q[:, 1]).all()


def test_boosted_models_are_the_same_in_any_unit_of_weights():
    data = frame().assign(s=np.random.default_rng(5).uniform(0.5, 2.0, 200))
    one, other = (
        si.quantile_ensemble("y ~ a + b", data.assign(s=unit * data["s"]), models=["gbm"], tau=[0.1, 0.9], weights="s")
        for unit in (1.0, 0.01)
    )
    np.testing.assert_allclose(one.predict(data), other.predict(data), rtol=1e-8)


def test_missing_rows_weights_and_seeds():
    data = frame()
    data["w"] = np.random.default_rng(0).exponential(size=200)
    data.loc[5, "a"] = np.nan
    options = {"models": ["rq"], "tau": TAU, "local": False, "resolution": "medium", "weights": "w"}
    with pytest.warns(si.StatinfWarning, match="cannot be predicted"):
        predicted = si.quantile_ensemble("y ~ a + b", data, **options).predict(data)
    assert np.isnan(predicted.iloc[5]).all() and predicted.notna().all(axis=1).sum() == 199
    again = si.quantile_ensemble("y ~ a + b", data, **options)
    assert again.nobs == 199 and "Quantile ensemble" in str(again)


def test_base_models_count_rows_in_any_unit_of_weights():
    data = frame()
    data["w"] = np.random.default_rng(0).exponential(size=200) + 0.2
    options = {"models": ["gbm"], "tau": TAU, "local": False, "folds": 2, "weights": "w"}
    one, two = (si.quantile_ensemble("y ~ a + b", data.assign(w=u * data["w"]), **options) for u in (1.0, 2.0**-12))
    np.testing.assert_allclose(two.predict(data), one.predict(data), rtol=1e-9)


def test_refusals():
    data = frame()
    for options, message in (
        ({"models": ["lasso"]}, "'lasso'"),
        ({"resolution": "coarser"}, "resolution"),
        ({"calibrate": "split"}, "calibrate"),
        ({"solver": "lp"}, "local=False"),
        ({"tau": [0.2, 0.5], "calibrate": "cqr"}, "pairs"),
        ({"folds": 1}, "folds"),
        ({"models": []}, "empty"),
        ({"tau": [0.0, 0.5]}, "outside"),
    ):
        with pytest.raises(OptionError, match=message):
            si.quantile_ensemble("y ~ a", data, **({"models": ["rq"]} | options))
    with pytest.raises(DataError, match="shape"):
        si.quantile_ensemble("y ~ a", data, models={"z": np.zeros((3, 9))})
    fit = si.quantile_ensemble("y ~ a", data, models=["rq"], tau=TAU, local=False)
    with pytest.raises(NotIdentifiedError, match="compare"):
        _ = fit.std_errors


@pytest.mark.parametrize("calibrate", [None, "cqr", "cv+"])
def test_a_saved_ensemble_predicts_as_before(tmp_path, calibrate):
    data = frame(80)
    fit = si.quantile_ensemble(
        "y ~ a + C(g)", data, models=["rq", "forest"], tau=[0.25, 0.5, 0.75], local=False, folds=2, calibrate=calibrate
    )
    again = si.load(fit.save(tmp_path / "ensemble.si"))
    pd.testing.assert_frame_equal(again.predict(data), fit.predict(data))
    pd.testing.assert_frame_equal(again.compare(data), fit.compare(data))
    np.testing.assert_array_equal(again.weights(data), fit.weights(data))
    assert str(again) == str(fit)
    with pytest.raises(DataError, match="out-of-fold"):
        _ = again.out_of_fold


def test_saved_and_pickled_networks_predict_as_before(tmp_path):
    data = frame(60)
    fit = si.quantile_ensemble("y ~ a + b", data, models=["rq", "mqn"], tau=TAU, resolution="medium", folds=2)
    for again in (si.load(fit.save(tmp_path / "ensemble.si")), pickle.loads(pickle.dumps(fit))):
        pd.testing.assert_frame_equal(again.predict(data), fit.predict(data))


def test_foreign_base_models_are_refused_by_name_and_can_be_left_out(tmp_path):
    from sklearn.linear_model import LinearRegression

    data, tau = frame(80), [0.25, 0.5, 0.75]
    models = {"rq": "rq", "gbm": "gbm", "line": LinearRegression()}
    common = {"tau": tau, "local": False, "folds": 2}
    fit = si.quantile_ensemble("y ~ a", data, models=models, calibrate="cqr", **common)
    with pytest.raises(DataError, match=r"'gbm' \(HistGradientBoostingRegressor\), 'line' \(LinearRegression\).*lean"):
        fit.save(tmp_path / "ensemble.si")
    again = si.load(fit.lean().save(tmp_path / "ensemble.si"))
    base = fit.base_predictions(data)
    pd.testing.assert_frame_equal(again.predict(data, predictions=base), fit.predict(data))
    with pytest.raises(DataError, match="hand over"):
        again.predict(data)
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(fit)).predict(data), fit.predict(data))
    crossed = si.quantile_ensemble("y ~ a", data, models=["rq", LinearRegression()], calibrate="cv+", **common)
    with pytest.raises(DataError, match="LinearRegression"):
        crossed.save(tmp_path / "crossed.si")
    with pytest.raises(NotIdentifiedError, match="cqr"):
        crossed.lean()

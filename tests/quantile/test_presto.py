"""si.presto with a penalty: the path, its choice, predictions, draws and options."""

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.errors import NumericalWarning

CALL = {"nlambda": 6, "folds": 3}


def sample(n=600):
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (n, 4))
    slopes = np.cumsum([[0.5, -0.5, 0.5, 0], [0, 0.5, 0, 0], [0, 0, -0.5, 0]], axis=0)
    below = 1 / (1 + np.exp(-(np.array([0, 1.5, 2.5]) + X @ slopes.T)))
    codes = (rng.random(n)[:, None] > below).sum(axis=1)
    return pd.DataFrame(X, columns=list("abcd")).assign(y=codes, id=np.arange(n) // 4)


DATA = sample()


@pytest.fixture(scope="module")
def fit():
    return si.presto("y ~ a + b + c + d", DATA, **CALL)


def test_reference_fit_through_the_formula():
    # coefficients by a coordinate descent of another implementation; intercepts by its own with cumulated centring
    fit = si.presto("y ~ a + b + c + d", DATA, penalty=0.005)
    first = (0.56648020, -0.42920226, 0.42780534, -0.10014227)
    np.testing.assert_allclose(fit.differences["0|1"], first, atol=1e-6)
    np.testing.assert_allclose(fit.differences["1|2"], (0.21255677, 0.47688530, -0.14804636, 0), atol=1e-6)
    np.testing.assert_allclose(fit.differences["2|3"], (-0.19314378, 0.05761084, -0.52442817, 0), atol=1e-6)
    np.testing.assert_allclose(fit.intercepts, (-0.02502156, 1.40464924, 2.71953724), atol=1e-6)
    assert fit.nonproportional == ("a", "b", "c")
    np.testing.assert_allclose(fit.slopes, fit.differences.cumsum(axis=1), atol=1e-15)


def test_predictions_are_named_by_the_categories(fit):
    named = DATA.assign(y=pd.Categorical.from_codes(DATA["y"], list("klmn"), ordered=True))
    again = si.presto("y ~ a + b + c + d", named, **CALL)
    table = again.predict(DATA.head(5))
    assert list(table.columns) == list("klmn")
    np.testing.assert_allclose(table, fit.predict(DATA.head(5)), atol=1e-12)
    np.testing.assert_allclose(table.sum(axis=1), 1, atol=1e-12)
    below = 1 / (1 + np.exp(-(fit.intercepts.to_numpy() + DATA[list("abcd")].head(5) @ fit.slopes.to_numpy())))
    np.testing.assert_allclose(table["n"], 1 - below.iloc[:, 2], atol=1e-12)
    assert list(again.predict(DATA.head(5), rare=True).columns) == ["n"]
    assert {"k", "n"} <= set(again.augment().columns)


def test_reversed_categories_are_the_mirrored_model():
    # with penalty zero P(Y <= k) of one order is 1 - P(Y <= k) of the other
    call = {"penalty": 0, "parallel": True}
    one, other = (si.presto("y ~ a + b", DATA, reverse=r, **call) for r in (False, True))
    np.testing.assert_allclose(other.params[["a", "b"]], -one.params[["a", "b"]], atol=1e-8)
    assert other.levels == (3, 2, 1, 0)
    np.testing.assert_allclose(other.predict(DATA)[["0", "3"]], one.predict(DATA)[["0", "3"]], atol=1e-9)


def test_the_path_and_its_choice(fit):
    path = fit.path
    assert list(path.columns) == ["penalty", "nonproportional", "loglik", "score", "std_error", "chosen"]
    assert path["chosen"].sum() == 1 and path["score"].argmin() == int(path["chosen"].argmax())
    assert path["nonproportional"][0] == 0 and (np.diff(path["loglik"]) > 0).all()
    largest = fit.at(path["penalty"][0])
    assert not largest.slopes.to_numpy().any() and largest.chosen == 0
    listed = si.presto("y ~ a + b + c + d", DATA, penalty=list(path["penalty"][::-1]), folds=3)
    np.testing.assert_allclose(listed.path[["penalty", "score"]], path[["penalty", "score"]], rtol=1e-8)
    alone = si.presto("y ~ a + b + c + d", DATA, penalty=fit.penalty)
    np.testing.assert_allclose(alone.params, fit.params, atol=1e-8)
    assert alone.validation is None
    likelihood = si.presto("y ~ a + b + c + d", DATA, criterion="loglik", **CALL)
    assert likelihood.path["score"].iloc[0] > 1.0 > path["score"].iloc[0]


def test_ends_of_the_path():
    # penalising differences alone leaves proportional odds; parallel slopes with a small penalty tend to it too
    odds = si.presto("y ~ a + b", DATA, penalty=0, parallel=True)
    shrunk = si.presto("y ~ a + b", DATA, penalty=10.0, penalize_first=False)
    np.testing.assert_allclose(shrunk.slopes["2|3"], odds.params[["a", "b"]], atol=1e-7)
    lasso = si.presto("y ~ a + b", DATA, penalty=1e-9, parallel=True)
    np.testing.assert_allclose(lasso.params, odds.params, atol=1e-6)
    free = si.presto("y ~ a + b", DATA, penalty=0)
    ridge = si.presto("y ~ a + b", DATA, penalty=1e-9, alpha=0.0)
    np.testing.assert_allclose(ridge.params, free.params, atol=1e-6)


def test_crossing_in_new_rows_is_sorted_and_told(fit):
    far = DATA.head(4) * 50
    with pytest.warns(NumericalWarning, match="cross on"):
        shares = fit.at(fit.path["penalty"].iloc[-1]).predict(far)
    assert (shares >= 0).all(axis=None) and np.allclose(shares.sum(axis=1), 1)


def test_draws_are_for_orientation():
    fit = si.presto("y ~ a + b", DATA, penalty=0.01)
    with pytest.raises(si.NotIdentifiedError, match="call bootstrap"):
        fit.conf_int()
    drawn = fit.bootstrap(40, seed=3)
    np.testing.assert_array_equal(drawn.bootstrap(40, seed=3).draws.draws, drawn.draws.draws)
    limits = drawn.conf_int(0.9)
    assert list(limits.index) == list(fit.terms) and (limits["conf_low"] <= limits["conf_high"]).all()
    assert {"std_error", "conf_low"} <= set(drawn.tidy().columns) and "heuristic" in drawn.summary().to_text()
    by_cluster = si.presto("y ~ a + b", DATA, penalty=0.01, cluster="id").bootstrap(20, "pairs")
    assert by_cluster.draws.clusters == 150
    again = si.presto("y ~ a + b", DATA, nlambda=3, folds=2).bootstrap(20, choose=True)
    assert again.draws.draws.shape == (20, 9)


def test_clusters_share_a_fold():
    fit = si.presto("y ~ a", DATA, nlambda=2, folds=3, cluster="id")
    assert (pd.Series(fit.fitted.fold).groupby(DATA["id"]).nunique() == 1).all()
    folds = np.arange(600) % 4
    given = si.presto("y ~ a", DATA, nlambda=2, folds=folds)
    np.testing.assert_array_equal(given.fitted.fold, folds)


def test_saved_results(fit, tmp_path):
    drawn = si.presto("y ~ a", DATA, penalty=0.01).bootstrap(39)
    for one in (fit, drawn):
        read = si.load(one.save(tmp_path / "fit.si"))
        assert repr(read) == repr(one)
        pd.testing.assert_frame_equal(read.predict(DATA), one.predict(DATA))
    pd.testing.assert_frame_equal(read.conf_int(), drawn.conf_int())
    with pytest.raises(si.DataError, match="fit again"):
        read.bootstrap(20)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"penalty": -1}, "penalty"),
        ({"penalty": []}, "penalty"),
        ({"penalty": "big"}, "penalty"),
        ({"penalty": True}, "penalty"),
        ({"folds": 1}, "folds"),
        ({"alpha": 1.2}, "alpha"),
        ({"criterion": "auc"}, "criterion"),
        ({"lambda_min_ratio": 1}, "lambda_min_ratio"),
        ({"vcov": "HC1"}, "penalty=0"),
        ({"parallel": True, "penalize_first": False}, "penalize_first"),
        ({"n_lambda": 5}, "nlambda"),
    ],
)
def test_options_are_checked_before_rows(options, said):
    with pytest.raises(si.OptionError, match=said):
        si.presto("y ~ a", DATA.iloc[:0], **options)


@pytest.mark.parametrize("kind", ["path", "cv", "slopes"])
def test_figures(fit, kind):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    ax = fit.plot(kind)
    assert ax.get_xlabel() and ax.get_ylabel() and ax.lines
    pyplot.close("all")


def test_a_figure_of_scores_needs_scores():
    with pytest.raises(si.OptionError, match="cross-validation"):
        si.presto("y ~ a", DATA, penalty=0.1).plot("cv")

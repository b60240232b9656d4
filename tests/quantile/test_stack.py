"""Stacked regressions: the programme against cvxpy, the guarantee, refusals."""

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.errors import DataError, NotIdentifiedError, OptionError
from statinf.numerics.programs.simplex_qp import simplex_least_squares
from statinf.quantile.stack import stack_weights


@pytest.mark.parametrize("m", [1, 2, 6, 25])
@pytest.mark.parametrize("weighted", [False, True])
def test_weights_equal_those_of_cvxpy(m, weighted):
    rng = np.random.default_rng(m)
    y = rng.standard_normal(80)
    P = y[:, None] * rng.random(m) + rng.standard_normal((80, m))
    w = rng.exponential(size=80) if weighted else np.ones(80)
    ours = stack_weights(P, y, w)
    v = cp.Variable(m, nonneg=True)
    best = cp.Problem(cp.Minimize(w @ cp.square(y - P @ v)), [cp.sum(v) == 1]).solve(solver="CLARABEL")
    assert ours.min() >= 0 and ours.sum() == pytest.approx(1)
    assert w @ (y - P @ ours) ** 2 <= best * (1 + 1e-7)
    E = (y[:, None] - P) * np.sqrt(w)[:, None]
    slope = E.T @ E @ ours
    assert (slope >= ours @ slope * (1 - 1e-8) - 1e-9).all()


def test_two_models_have_a_closed_form():
    C = np.array([[2.0, 0.5], [0.5, 1.0]])
    assert simplex_least_squares(C)[0] == pytest.approx((1.0 - 0.5) / (2.0 + 1.0 - 1.0))
    np.testing.assert_allclose(simplex_least_squares(np.array([[1.0, 2.0], [2.0, 9.0]])), [1, 0])


def test_duplicates_and_perfect_models():
    rng = np.random.default_rng(0)
    y = rng.standard_normal(60)
    noisy = y + rng.standard_normal(60)
    assert stack_weights(np.c_[noisy, noisy, noisy], y).sum() == pytest.approx(1)
    np.testing.assert_allclose(stack_weights(np.c_[noisy, y], y), [0, 1], atol=1e-9)


def test_verb_with_scikit_learn_models():
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.tree import DecisionTreeRegressor

    data = si.datasets.load("diabetes").dropna()
    outcome = data.columns[-1]
    features = " + ".join(f"`{c}`" for c in data.columns[:-1])
    models = {"lm": "lm", "tree": DecisionTreeRegressor(max_depth=3, random_state=0), "knn": KNeighborsRegressor(7)}
    fit = si.stack(f"`{outcome}` ~ {features}", data, models=models, folds=5)
    assert fit.ensemble_risk <= min(fit.risk.min(), fit.average_risk) * (1 + 1e-12)
    assert fit.kkt < 1e-8
    assert not hasattr(models["knn"], "_fit_X")
    predicted = fit.predict(data.head(4))
    assert list(predicted.columns) == ["estimate"] and len(predicted) == 4
    assert "RMSE" in str(fit) and set(fit.support) <= set(models)
    again = si.stack(f"`{outcome}` ~ {features}", data, models=models, folds=5)
    np.testing.assert_array_equal(fit.model_weights, again.model_weights)
    with pytest.raises(NotIdentifiedError, match="standard errors"):
        _ = fit.std_errors


def test_constraints():
    rng = np.random.default_rng(3)
    y = rng.standard_normal(100)
    P = y[:, None] + rng.standard_normal((100, 3))
    free, unit = stack_weights(P, y, constraint="none"), stack_weights(P, y, constraint="sum1")
    np.testing.assert_allclose(P.T @ (y - P @ free), 0, atol=1e-9)
    assert unit.sum() == pytest.approx(1)
    assert (stack_weights(P, y, constraint="nonneg") >= 0).all()
    with pytest.raises(OptionError, match="constraint"):
        stack_weights(P, y, constraint="box")


def test_arrays_and_refusals():
    frame = pd.DataFrame({"y": np.arange(10.0), "x": np.arange(10.0) ** 2})
    fit = si.stack("y ~ x", frame, models={"a": np.arange(10.0), "b": np.zeros(10)})
    np.testing.assert_allclose(fit.model_weights, [1, 0], atol=1e-9)
    with pytest.raises(DataError, match="holds no fitted models"):
        fit.predict(frame)
    with pytest.raises(DataError, match="'b'"):
        si.stack("y ~ x", frame, models={"a": np.arange(10.0), "b": np.r_[np.nan, np.zeros(9)]})
    with pytest.raises(OptionError, match="folds"):
        si.stack("y ~ x", frame, models=["lm"], folds=50)
    with pytest.raises(OptionError, match="cannot serve for a mean"):
        si.stack("y ~ x", frame, models=["rq"])


def test_a_saved_stack_predicts_unless_a_model_belongs_to_another_library(tmp_path):
    from sklearn.linear_model import LinearRegression

    data = si.datasets.load("mtcars")
    own = si.stack("mpg ~ wt + hp", data, models=["lm", "forest", "ridge"], folds=3)
    back = si.load(own.save(tmp_path / "own.si"))
    np.testing.assert_array_equal(back.predict(data)["estimate"], own.predict(data)["estimate"])
    other = si.stack("mpg ~ wt + hp", data, models={"lm": "lm", "line": LinearRegression()}, folds=3)
    back = si.load(other.save(tmp_path / "other.si"))
    assert str(back) == str(other)
    with pytest.raises(DataError, match="another library"):
        back.predict(data)


def test_the_figure_has_every_model_the_average_and_the_ensemble():
    import matplotlib

    matplotlib.use("agg")
    fit = si.stack("mpg ~ wt", si.datasets.load("mtcars"), models=["lm", "spline"])
    axes = fit.plot()
    assert [text.get_text() for text in axes.get_yticklabels()][-2:] == ["average", "ensemble"]
    drawn = axes.collections[-1].get_offsets()[:, 0]
    np.testing.assert_allclose(drawn[-1] ** 2, fit.ensemble_risk)

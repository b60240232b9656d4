"""Regressions of least CVaR: the exact minimum by linear programming and duality, streams, errors, bad input."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog
from scipy.stats import t

import statinf as si
from statinf.errors import NumericalWarning
from statinf.numerics.tails import losses, minimise
from statinf.numerics.tails.minimise import minimise_cvar
from statinf.numerics.tails.streams import multiplier, run_stream

REFERENCE = {
    ("normal", "squared"): (10.6774, 7.3131),
    ("normal", "absolute"): (4.5488, 3.8115),
    ("gumbel", "squared"): (116.0472, 68.7227),
    ("gumbel", "absolute"): (14.9083, 11.7074),
    ("lognormal", "squared"): (3367.9017, 696.4344),
    ("lognormal", "absolute"): (62.6255, 36.8004),
}
"""CVaR and VaR of Clarabel through cvxpy, whose optimum of the last squared problem is known to six digits."""


def experiment(noise: str) -> tuple[np.ndarray, np.ndarray]:
    """Ten regressors, a thousand rows; see `REFERENCE`."""
    rng = np.random.default_rng(1)
    X, theta = rng.normal(size=(1000, 10)), rng.normal(size=10)
    law = {"normal": (rng.normal, 0, 2), "gumbel": (rng.gumbel, 0, 4), "lognormal": (rng.lognormal, 2, 1)}[noise]
    return X, X @ theta + law[0](*law[1:], 1000)


def sample(n: int = 200, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, n))
    y = 1.0 + x - 0.5 * z + np.exp(0.3 * x) * rng.standard_t(5, n)
    return pd.DataFrame({"y": y, "x": x, "z": z, "b": (y > 1.0).astype(float), "w": rng.integers(1, 4, n)})


@pytest.mark.parametrize(("noise", "loss"), REFERENCE)
def test_the_minimum_is_that_of_a_cone_solver(noise, loss):
    X, y = experiment(noise)
    found = minimise_cvar(X, y, np.full(1000, 1e-3), 0.95, getattr(losses, loss)())
    value, threshold = REFERENCE[noise, loss]
    np.testing.assert_allclose(found.cvar, value, rtol=2e-7, atol=5.1e-5)
    np.testing.assert_allclose(found.var, threshold, rtol=1e-4 if noise == "lognormal" else 2e-5)
    assert found.exact and found.gap < 1e-9 * found.cvar


@pytest.mark.parametrize(("loss", "up", "down"), [("absolute", 1.0, -1.0), ("pinball", 0.3, -0.7)])
def test_losses_linear_in_pieces_solve_their_linear_programme(loss, up, down):
    data = sample(80)
    options = {"tau": 0.3} if loss == "pinball" else {}
    fit = si.cvar("y ~ x + z", data, level=0.85, loss=loss, weights="w", **options)
    X, w = np.column_stack([np.ones(80), data[["x", "z"]]]), data["w"] / data["w"].sum()
    eye, ones = np.eye(80), np.ones((80, 1))
    A = np.vstack([np.hstack([-s * X, -ones, -eye]) for s in (up, down)])
    right = np.concatenate([-s * data["y"] for s in (up, down)])
    cost = np.concatenate([np.zeros(3), [1.0], w / 0.15])
    best = linprog(cost, A_ub=A, b_ub=right, bounds=[(None, None)] * 4 + [(0, None)] * 80)
    np.testing.assert_allclose(fit.cvar, best.fun, rtol=1e-10)
    np.testing.assert_allclose(fit.params, best.x[:3], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_the_worst_rows_certify_the_minimum(loss):
    data = sample()
    level = 0.3 if loss == "logistic" else 0.8
    fit = si.cvar("b ~ x + z" if loss == "logistic" else "y ~ x + z", data, level=level, loss=loss)
    rows = fit.augment()
    share = rows["tail_share"].to_numpy()
    # With these weights of the rows the weighted mean loss is stationary, and it is the CVaR: no coefficients do better.
    X, y = np.column_stack([np.ones(200), data[["x", "z"]]]), data["b" if loss == "logistic" else "y"].to_numpy()
    slope = rows["fitted"].to_numpy() - y
    assert ((share >= 0) & (share <= 1)).all()
    np.testing.assert_allclose(share.sum(), (1 - level) * 200, rtol=1e-10)
    np.testing.assert_allclose(X.T @ (share * slope), 0.0, atol=1e-8)
    np.testing.assert_allclose(share @ rows["loss"] / share.sum(), fit.cvar, rtol=1e-10)
    np.testing.assert_allclose(si.cvar_of(rows["loss"], level).cvar, fit.cvar, rtol=1e-12)


def test_a_callable_is_the_loss_it_computes():
    data = sample()
    first = si.cvar("y ~ x + z", data, level=0.9, loss="squared")
    found = si.cvar("y ~ x + z", data, level=0.9, loss=lambda y, prediction: 0.5 * (y - prediction) ** 2)
    np.testing.assert_allclose(found.params, first.params, rtol=1e-8)
    np.testing.assert_allclose(found.std_errors, first.std_errors, rtol=1e-6)
    assert found.cvar == pytest.approx(first.cvar, rel=1e-10)


def test_level_zero_is_the_mean_loss():
    data = sample()
    np.testing.assert_allclose(
        si.cvar("y ~ x + z", data, level=0.0, loss="squared").params, si.lm("y ~ x + z", data).params, rtol=1e-9
    )
    np.testing.assert_allclose(
        si.cvar("b ~ x + z", data, level=0, loss="logistic").params,
        si.glm("b ~ x + z", data, family="binomial").params,
        rtol=1e-7,
    )
    with pytest.warns(si.StatinfWarning, match=r"si\.rq"):
        quantiles = si.cvar("y ~ x + z", data, level=0, loss="pinball", tau=0.3)
    np.testing.assert_allclose(quantiles.params, si.rq("y ~ x + z", data, tau=0.3).params, rtol=1e-7)


def test_weights_are_repeated_rows():
    data = sample()
    twice = data.loc[data.index.repeat(data["w"])]
    for loss in ("absolute", "squared"):
        found = si.cvar("y ~ x + z", data, level=0.83, loss=loss, weights="w")
        first = si.cvar("y ~ x + z", twice, level=0.83, loss=loss)
        np.testing.assert_allclose(found.params, first.params, rtol=1e-7)
        assert (found.var, found.cvar) == pytest.approx((first.var, first.cvar), rel=1e-9)


def test_losses_that_are_all_equal_and_a_flat_optimum():
    signs = pd.DataFrame({"y": np.tile([-1.0, 1.0], 20), "x": np.arange(40.0)})
    with pytest.warns(si.StatinfWarning, match="density"):
        fit = si.cvar("y ~ 1", signs, level=0.9)
    assert (fit.params["Intercept"], fit.var, fit.cvar) == pytest.approx((0.0, 1.0, 1.0), abs=1e-10)
    # Worst rows that nothing predicts: the best prediction of all is one half.
    noise = pd.DataFrame({"y": np.tile([0.0, 1.0], 60), "x": np.random.default_rng(0).normal(size=120)})
    with pytest.warns(si.StatinfWarning, match="density"):
        flat = si.cvar("y ~ x", noise, level=0.8, loss="logistic")
    assert flat.cvar == pytest.approx(np.log(2.0), rel=1e-12)
    with pytest.warns(NumericalWarning, match="exactly"):
        exact = si.cvar("y ~ x", signs.assign(y=2.0 * signs["x"]), level=0.9)
    np.testing.assert_allclose(exact.params, [0.0, 2.0], atol=1e-9)
    assert np.isnan(exact.std_errors).all()


def test_many_rows_are_solved_on_those_that_matter(monkeypatch):
    rng = np.random.default_rng(4)
    Z = np.column_stack([np.ones(8000), rng.normal(size=(8000, 3))])
    y, w = Z.sum(axis=1) + rng.standard_t(3, 8000), np.full(8000, 1 / 8000)
    found = minimise_cvar(Z, y, w, 0.9503, losses.absolute())
    monkeypatch.setattr(minimise, "FEW", 10**9)
    whole = minimise_cvar(Z, y, w, 0.9503, losses.absolute())
    np.testing.assert_allclose(found.theta, whole.theta, rtol=1e-9)
    assert found.gap < 1e-12


# --- streams ------------------------------------------------------------------------------------------------


def test_the_step_minimises_its_model():
    rng = np.random.default_rng(0)
    for _ in range(50):
        level, s_theta, s_a = rng.uniform(0.5, 0.98), *rng.uniform(0.1, 2.0, 2)
        v, a, loss = rng.normal(size=3), rng.normal(), rng.normal()
        eta = float(multiplier(loss - a, v @ v, s_theta, s_a, level, False))
        best = np.append(-s_theta * eta * v, -s_a * (1.0 - eta))

        def model(move, v=v, a=a, loss=loss, s_theta=s_theta, s_a=s_a, level=level):
            hinge = max(loss + v @ move[:3] - a - move[3], 0.0) / (1.0 - level)
            return a + move[3] + hinge + move[:3] @ move[:3] / (2 * s_theta) + move[3] ** 2 / (2 * s_a)

        around = [model(best + size * rng.normal(size=4)) for size in (1e-3, 0.1, 1.0) for _ in range(10)]
        assert model(best) <= min(around) + 1e-12


def test_a_loss_in_another_unit_gives_the_same_path():
    X, y = experiment("normal")
    index = np.random.default_rng(0).integers(0, 1000, (2, 400))
    first = run_stream(X, y, index, 0.95, losses.absolute(), "spl+", units=(0.25, 4.0))
    other = losses.pinball(0.5, "thousand", 2000.0)
    found = run_stream(X, y, index, 0.95, other, "spl+", units=(0.25e-3, 4.0e3))
    np.testing.assert_allclose(found.path, first.path, rtol=1e-10)
    np.testing.assert_allclose(found.a, 1000.0 * first.a, rtol=1e-10)


def test_streams_come_near_and_say_how_near():
    data = sample(300)
    exact = si.cvar("y ~ x + z", data, level=0.8)
    for method, steps in (("spl+", {}), ("spl", {}), ("sgm", {"lam": 0.5})):
        found = si.cvar("y ~ x + z", data, level=0.8, method=method, **steps)
        assert found.distance < 1 and np.isnan(found.gap)
        assert found.cvar == pytest.approx(exact.cvar, rel=0.02) and found.cvar >= exact.cvar
        assert found.path.shape == (50,) and 0 < found.active < 1
    with pytest.raises(si.ConvergenceError, match="ran off.*lower lam"):
        si.cvar("y ~ x + z", data, level=0.8, method="sgm", lam=1e4)
    with pytest.warns(NumericalWarning, match="standard errors from the minimum"):
        si.cvar("y ~ x + z", data, level=0.8, method="spl+", lam=30.0, average=False)


# --- errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["absolute", "squared"])
def test_standard_errors_are_those_of_repeated_samples(loss):
    runs = [si.cvar("y ~ x + z", sample(200, seed), level=0.8, loss=loss) for seed in range(20)]
    spread = np.std([run.params for run in runs], axis=0)
    errors = np.mean([run.std_errors for run in runs], axis=0)
    # A standard deviation of twenty draws is known to one part in six: four of these.
    assert (np.abs(errors / spread - 1.0) < 4 / np.sqrt(2 * 20)).all()


def test_errors_of_the_risks_and_by_other_covariances():
    data = sample().assign(g=np.arange(200) // 4)
    fit = si.cvar("y ~ x + z", data, level=0.8)
    risk = fit.risk().set_index("term")
    plain = si.cvar_of(fit.losses, 0.8)
    assert risk.loc["CVaR", "std_error"] == pytest.approx(plain.std_error, rel=1e-10) == fit.cvar_std_error
    assert (risk["conf_low"] < risk["estimate"]).all() and (risk["std_error"] > 0).all()
    clustered = fit.with_vcov({"cluster": "g"})
    assert clustered.risk()["std_error"][1] != pytest.approx(plain.std_error, rel=1e-3)
    single = si.cvar("y ~ x + z", data.assign(g=np.arange(200)), level=0.8, cluster="g").with_vcov(
        {"cluster": "g", "type": "HC0"}
    )
    np.testing.assert_allclose(single.std_errors, fit.std_errors * np.sqrt(200 / 199), rtol=1e-9)
    drawn = si.cvar("y ~ x + z", data, level=0.8, vcov={"boot": "bayesian", "replicas": 25})
    np.testing.assert_allclose(drawn.std_errors, fit.std_errors, rtol=0.6)
    np.testing.assert_allclose(fit.influence.sum(axis=0), 0.0, atol=1e-8)


def test_estimated_weights_enter_the_errors():
    data = sample().assign(t=lambda d: (d["x"] + np.random.default_rng(5).normal(size=200) > 0).astype(float))
    weights = si.balance("t ~ x + z", data)
    fit = si.cvar("y ~ t", data, level=0.8, weights=weights)
    assert "weights estimated" in fit.cov.label
    assert not np.allclose(fit.std_errors, fit.with_vcov("fixed").std_errors, rtol=1e-6)


def test_predictions_files_and_figures(tmp_path):
    data = sample()
    fit = si.cvar("b ~ x + z", data, level=0.3, loss="logistic")
    table = fit.predict(data, interval="confidence")
    assert list(table.columns) == ["estimate", "std_error", "conf_low", "conf_high"]
    assert ((table["conf_low"] > 0) & (table["conf_low"] <= table["estimate"]) & (table["conf_high"] < 1)).all()
    again = si.load(fit.save(tmp_path / "fit.si"))
    assert again.cvar == fit.cvar and again.glance()["cvar"][0] == fit.cvar
    pd.testing.assert_frame_equal(again.predict(data), fit.predict(data))
    with pytest.raises(si.DataError, match="rows of the fit"):
        again.risk()
    assert "worst 70 percent" in fit.plot().get_xlabel()
    stream = si.cvar("y ~ x + z", data, level=0.8, method="spl+")
    assert stream.plot("path").get_ylabel() == "CVaR"
    with pytest.raises(si.OptionError, match="streams"):
        fit.plot("path")


# --- losses as they are -------------------------------------------------------------------------------------


def test_cvar_of_losses_is_the_mean_of_the_worst():
    losses_ = np.random.default_rng(0).gumbel(size=57)
    k = 57 * 0.13
    order = np.sort(losses_)[::-1]
    expected = (order[:7].sum() + (k - 7) * order[7]) / k
    found = si.cvar_of(losses_, 0.87)
    assert float(found) == pytest.approx(expected, rel=1e-12) and found.var == order[7]
    at_least = [a + np.maximum(losses_ - a, 0).mean() / 0.13 for a in losses_]
    assert found.cvar == pytest.approx(min(at_least), rel=1e-12)
    w = np.random.default_rng(1).integers(0, 4, 57)
    assert si.cvar_of(losses_, 0.9, weights=w).cvar == pytest.approx(si.cvar_of(losses_.repeat(w), 0.9).cvar, rel=1e-12)
    assert si.cvar_of(losses_, 0).cvar == pytest.approx(losses_.mean(), rel=1e-12)
    assert si.cvar_of(np.ones(10), 0.5).tidy()["estimate"].tolist() == [1.0, 1.0]
    assert "CVaR" in str(found) and list(found.conf_int().index) == ["VaR", "CVaR"]


def test_limits_of_the_var_are_quantiles_whatever_the_scale():
    losses_ = np.random.default_rng(3).normal(size=400)
    plain, skewed = (si.cvar_of(values, 0.9).conf_int() for values in (losses_, np.exp(losses_)))
    mid = (np.arange(400) + 0.5) / 400
    half = t.ppf(0.975, 399) * np.sqrt(0.9 * 0.1 / 400)
    expected = np.interp([0.9 - half, 0.9 + half], mid, np.sort(losses_))
    np.testing.assert_allclose(plain.loc["VaR"], expected, rtol=1e-9)
    # Between two losses a quantile is a mean of both, before or after the exponential function.
    np.testing.assert_allclose(np.log(skewed.loc["VaR"].to_numpy(float)), expected, atol=0.02)
    few = si.cvar_of(losses_[:20], 0.95).conf_int()
    assert few.loc["VaR", "conf_high"] == np.inf and np.isfinite(few.loc["VaR", "conf_low"])


def test_long_samples_keep_a_stretch_around_the_var(tmp_path):
    losses_ = np.random.default_rng(4).gumbel(size=50_000)
    found = si.cvar_of(losses_, 0.99)
    half = t.ppf(0.975, 49_999) * np.sqrt(0.99 * 0.01 / 50_000)
    expected = np.interp([0.99 - half, 0.99 + half], (np.arange(50_000) + 0.5) / 50_000, np.sort(losses_))
    assert found.stretch.shape[1] <= 1001
    np.testing.assert_allclose(found.conf_int().loc["VaR"], expected, rtol=1e-4)
    assert si.load(found.save(tmp_path / "risk.si")).conf_int().equals(found.conf_int())


def test_limits_of_a_regressions_var_hold_and_are_those_of_its_losses():
    fit = si.cvar("y ~ x + z", sample(), level=0.8)
    limits = fit.risk().set_index("term").loc["VaR"]
    inside = np.sort(fit.losses)
    assert limits["conf_low"] < fit.var < limits["conf_high"] and inside[0] < limits["conf_low"]
    # In the middle of a law of losses both kinds of limits are alike: the width is that of two and two errors.
    assert limits["conf_high"] - limits["conf_low"] == pytest.approx(4 * limits["std_error"], rel=0.5)


@pytest.mark.parametrize(
    ("losses_", "options", "message"),
    [
        ([1.0, np.nan], {}, "position 1"),
        (["a"], {}, "numbers"),
        ([], {}, "no loss"),
        ([[1.0]], {}, "one number per row"),
        ([1.0, 2.0], {"weights": [1.0, -1.0]}, "negative"),
        ([1.0, 2.0], {"weights": [1.0]}, "1 entries for 2"),
        ([1.0], {"level": 1.0}, r"outside \[0, 1\)"),
        ([1.0], {"level": 95}, r"level=0\.95"),
    ],
)
def test_losses_that_cannot_be_used(losses_, options, message):
    with pytest.raises(si.StatinfError, match=message):
        si.cvar_of(losses_, **options)


def test_losses_without_a_density_are_bootstrapped():
    # Where ones and zeros cannot be told apart, the logit of least CVaR gives every row even odds.
    data = sample().assign(b=lambda d: (d["x"] + 9.0 * np.sin(99.0 * d["z"]) > 0).astype(float))
    with pytest.warns(si.StatinfWarning, match="no density at their VaR.*use vcov='boot'"):
        fit = si.cvar("b ~ x", data, level=0.9, loss="logistic")
    drawn = fit.with_vcov({"boot": "pairs", "replicas": 25})
    assert np.isfinite(drawn.std_errors).all() and drawn.cov.df == fit.df_resid


# --- bad input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"level": 1.0}, si.OptionError, r"outside \[0, 1\)"),
        ({"level": "high"}, si.OptionError, "not a number"),
        ({"level": 0.999}, si.DataError, "less than one row"),
        ({"loss": "huber"}, si.OptionError, "loss='huber'"),
        ({"loss": "logistic"}, si.DataError, "must be 0 or 1"),
        ({"tau": 1.5}, si.OptionError, "tau=1.5"),
        ({"lam": 2.0}, si.OptionError, r"lam= is an option of method='spl\+'"),
        ({"method": "splplus", "lam": -1.0}, si.OptionError, "lam=-1.0"),
        ({"vcov": "iid"}, si.OptionError, "'HC0'"),
        ({"vcov": {"boot": "wild"}}, si.OptionError, "wild"),
        ({"weights": "negative"}, si.DataError, "negative"),
        ({"max_iter": 1}, si.ConvergenceError, "max_iter=1"),
        ({"loss": lambda y, p: jnp.log(y - p - 50.0)}, si.DataError, "not finite"),
    ],
)
def test_bad_input_is_named(options, kind, message):
    data = sample().assign(negative=-1.0)
    with pytest.raises(kind, match=message):
        si.cvar("y ~ x + z", data, **options)


def test_what_else_is_refused_or_warned_of():
    data = sample()
    with pytest.warns(si.StatinfWarning, match="density"):
        assert si.cvar("y ~ x", data, level=0.999, allow_small=True).cvar > 0
    apart = data.assign(b=(data["x"] > 0).astype(float))
    with pytest.raises(si.NotIdentifiedError, match="separation.*'x'"):
        si.cvar("b ~ x", apart, level=0.5, loss="logistic")
    with pytest.raises(si.NotIdentifiedError, match="all rows"):
        si.cvar("b ~ x", data.assign(b=1.0), level=0.5, loss="logistic")
    with pytest.warns(NumericalWarning, match="not convex"):
        si.cvar("y ~ x", data, level=0.5, loss=lambda y, p: jnp.log1p((y - p) ** 2 / 9.0))
    with pytest.raises(si.NotIdentifiedError, match=r"si\.conformal"):
        si.cvar("y ~ x", data, level=0.8).predict(data, interval="prediction")


def test_weights_of_losses_in_a_series_go_by_their_index():
    data = sample().sample(frac=1.0, random_state=1)
    losses, w = data["y"], data["x"].abs()
    found = si.cvar_of(losses, 0.8, weights=w.sort_index())
    assert found.cvar == si.cvar_of(losses.to_numpy(), 0.8, weights=w.to_numpy()).cvar
    with pytest.raises(si.DataError, match="index lacks"):
        si.cvar_of(losses, 0.8, weights=w.head(20))


@pytest.mark.parametrize("seed", range(4))
def test_equal_rows_are_one_row_with_their_weight(seed):
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"x1": rng.normal(size=120), "x2": rng.normal(size=120)})
    data["y"] = 1 + data["x1"] + 0.5 * data["x1"] ** 2 - data["x2"] + rng.normal(size=120)
    drawn = data.sample(60, replace=True, random_state=seed)
    counts = drawn.index.value_counts()
    once = data.loc[counts.index].assign(w=counts)
    many = si.cvar("y ~ x1 + x2", drawn, level=0.5)
    weighted = si.cvar("y ~ x1 + x2", once, level=0.5, weights="w")
    # Both are within their duality gap, 1e-8, of the minimum; coefficients to its root.
    np.testing.assert_allclose(many.theta, weighted.theta, atol=1e-4)
    np.testing.assert_allclose(many.risk()["estimate"].iloc[-1], weighted.risk()["estimate"].iloc[-1], rtol=1e-7)

"""Quantile processes from a formula: predictions, calibration, what is refused, saving, and standing in other verbs."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.learners import ProcessNetwork

mpl.use("Agg")
CHEAP = {"hidden": (16, 16), "penalty": 1.0, "batch": 32, "progress": False}
"""One shape of network for every test: compiled once."""


def sample(n=200, seed=0):
    rng = np.random.default_rng(seed)
    x, g = rng.uniform(-1, 1, n), rng.choice(["a", "b"], n)
    y = 3.0 + x + (g == "b") + (1.2 + x) * rng.standard_normal(n)
    return pd.DataFrame({"y": y, "x": x, "g": g}, index=[f"r{i}" for i in range(n)])


@pytest.fixture(scope="module")
def fit():
    return si.quantile_process("y ~ x + g", sample(), epochs=40, rate=1e-2, **CHEAP)


def test_predictions_by_level_and_in_order(fit):
    new = sample(30, 1)
    found = fit.predict(new)
    assert list(found.columns) == ["q0.05", "q0.25", "q0.5", "q0.75", "q0.95"] and list(found.index) == list(new.index)
    raw = fit.predict(new, tau=[0.9, 0.1, 0.5], monotone=None)
    assert list(raw.columns) == ["q0.9", "q0.1", "q0.5"]
    ordered = fit.predict(new, tau=[0.9, 0.1, 0.5])
    np.testing.assert_array_equal(ordered[["q0.1", "q0.5", "q0.9"]], np.sort(raw, axis=1))
    inside = fit.predict(new, interval="prediction", level=0.8)
    assert list(inside.columns) == ["estimate", "lower", "upper"]
    np.testing.assert_allclose(inside[["lower", "estimate", "upper"]], ordered[["q0.1", "q0.5", "q0.9"]], rtol=1e-9)
    assert fit.predict(new, tau=0.37).shape == (30, 1)


def test_the_derivative_and_the_density_it_gives(fit):
    new = sample(10, 2)
    slope = fit.derivative(new, [0.3, 0.6])
    h = 1e-5
    ends = [fit.predict(new, tau=[0.3 + s, 0.6 + s], monotone=None).to_numpy() for s in (h, -h)]
    np.testing.assert_allclose(slope, (ends[0] - ends[1]) / (2 * h), rtol=1e-6, atol=1e-6)
    assert list(slope.columns) == ["q0.3", "q0.6"]


def test_distribution_function_and_draws_belong_to_the_quantiles(fit):
    new = sample(12, 3)
    assert fit.crossing_rate(new, np.linspace(0.001, 0.999, 300)) == 0.0 == fit.crossing_rate(new, of="pairs")
    at = fit.predict(new, tau=0.3)["q0.3"]
    np.testing.assert_allclose(fit.cdf(new, at)["estimate"], 0.3, atol=1e-9)
    np.testing.assert_allclose(fit.cdf(new, at.sample(frac=1.0, random_state=0))["estimate"], 0.3, atol=1e-9)
    recorded = fit.cdf(new)["estimate"]
    assert ((recorded >= 0) & (recorded <= 1)).all() and list(recorded.index) == list(new.index)
    assert (fit.cdf(new, 1e6)["estimate"] == 1).all() and (fit.cdf(new, -1e6)["estimate"] == 0).all()
    draws = fit.sample(new, 400, seed=5)
    assert draws.shape == (12, 400)
    np.testing.assert_array_equal(draws, fit.sample(new, 400, seed=5))
    below = (draws <= at.to_numpy()[:, None]).mean()
    assert abs(below - 0.3) < 4 * np.sqrt(0.21 / draws.size)


def test_missing_rows_offsets_and_weights(fit):
    new = sample(5, 4)
    new.loc["r2", "x"] = np.nan
    with pytest.warns(si.StatinfWarning, match="cannot be predicted"):
        found = fit.predict(new)
    assert found.loc["r2"].isna().all() and found.drop(index="r2").notna().all().all()
    data = sample()
    options = CHEAP | {"epochs": 3}
    plain = si.quantile_process("y ~ x", data, **options)
    moved = si.quantile_process("y ~ x + offset(o)", data.assign(y=data["y"] + 50, o=50.0), **options)
    np.testing.assert_allclose(moved.predict(data.assign(o=50.0)), plain.predict(data) + 50.0, rtol=1e-9)
    np.testing.assert_allclose(moved.cdf(data.assign(o=50.0), data["y"] + 50), plain.cdf(data, data["y"]), atol=1e-6)
    heavy = si.quantile_process("y ~ x", data, weights=np.where(data["g"] == "b", 20.0, 1.0), **options)
    assert heavy.predict(data)["q0.5"].mean() > plain.predict(data)["q0.5"].mean()


@pytest.mark.parametrize("kind", ["cqr", "dcp"])
def test_calibrated_intervals_cover(kind):
    # Coverage is exact whatever the network has learnt: 30 rows set aside give (30 + 1 - 2 * 3) / 31 at least.
    shares, rows = [], 40
    for seed in range(60):
        data = sample(120 + rows, 100 + seed)
        options = {"epochs": 1, "calibrate": kind, "tau": [0.1, 0.5, 0.9], "seed": seed}
        fit = si.quantile_process("y ~ x", data[:120], **CHEAP, **options)
        found = fit.predict(data[120:], interval="prediction", level=0.8)
        shares.append(data["y"][120:].between(found["lower"], found["upper"]).mean())
    error = np.std(shares) / np.sqrt(len(shares))
    assert abs(np.mean(shares) - 25 / 31) < 4 * error


def test_calibrated_levels():
    data = sample()
    fit = si.quantile_process("y ~ x", data, calibrate="cqr", epochs=2, **CHEAP)
    q = fit.predict(data)
    assert (np.diff(q, axis=1) >= 0).all()
    np.testing.assert_array_equal(q[["q0.25"]], fit.predict(data, tau=0.25))
    with pytest.raises(si.OptionError, match="calibrate='cqr' knows the levels .*asked for 0.1"):
        fit.predict(data, tau=0.1)
    free = si.quantile_process("y ~ x", data, calibrate="dcp", epochs=2, **CHEAP)
    assert np.isfinite(free.predict(data, tau=[0.1, 0.37])).all(axis=None)
    # Fifty rows set aside say nothing about levels beyond 1 / 51.
    ends = free.predict(data, tau=[0.001, 0.999])
    assert (ends["q0.001"] == -np.inf).all() and (ends["q0.999"] == np.inf).all()
    shares = np.sort(free.calibration.scores)
    np.testing.assert_array_equal(free.calibration.levels(np.array([0.1, 0.9])), shares[[4, 45]])


def test_refusals_of_input():
    data = sample()
    with pytest.raises(si.DataError, match="'y' has one value, 2"):
        si.quantile_process("y ~ x", data.assign(y=2.0), **CHEAP)
    with pytest.raises(si.DataError, match="9 rows are too few"):
        si.quantile_process("y ~ x", data[:9], **CHEAP)
    with pytest.warns(si.StatinfWarning, match="30 rows are few"):
        si.quantile_process("y ~ x", data[:30], epochs=1, **CHEAP)
    with pytest.raises(si.StatinfError, match="infinite|finite"):
        si.quantile_process("y ~ x", data.assign(x=np.where(data.index == "r3", np.inf, data["x"])), **CHEAP)
    for options, word in (
        ({"tau": [0.1, 1.0]}, "tau=1"),
        ({"penalty": -2}, "penalty"),
        ({"penalty": "log"}, "penalty"),
        ({"hidden": "wide"}, "hidden"),
        ({"network": "gaps", "penalty": 2.0}, "cannot cross"),
        ({"network": "gaps", "penalty": "auto", "knots": [0.1, 2.0]}, "knots"),
        ({"knots": [0.1, 0.5]}, "network='gaps'"),
        ({"calibrate": "cqr", "tau": [0.1, 0.5]}, "pairs of levels"),
        ({"epochs": 0}, "epochs"),
    ):
        with pytest.raises(si.OptionError, match=word):
            si.quantile_process("y ~ x", data, **(CHEAP | options))


def test_refusals_of_predictions(fit):
    new = sample(5, 1)
    for call, word in (
        (lambda: fit.predict(new, tau=0.0), "tau=0"),
        (lambda: fit.predict(new, tau=[0.5, 1.0]), "tau=1"),
        (lambda: fit.predict(new, tau=[]), "level"),
        (lambda: fit.predict(new, monotone="isotonic"), "monotone"),
        (lambda: fit.predict(new, interval="confidence"), "interval"),
        (lambda: fit.predict(new, interval="prediction", tau=0.1), "level="),
        (lambda: fit.predict(), "rows"),
        (lambda: fit.derivative(new, 1.5), "tau=1.5"),
        (lambda: fit.sample(new, 0), "size"),
        (lambda: fit.crossing_rate(new, [0.5]), "two or more"),
        (lambda: fit.cdf(new, "high"), "y='high'"),
        (lambda: fit.plot(new, "g"), "numerical"),
        (lambda: fit.plot(), "rows"),
    ):
        with pytest.raises(si.OptionError, match=word):
            call()
    with pytest.raises(si.DataError, match="shape"):
        fit.cdf(new, [1.0, 2.0])
    with pytest.raises(si.NotIdentifiedError, match="derivative"):
        _ = fit.params


def test_saving_summaries_and_figures(fit, tmp_path):
    new = sample(20, 6)
    calibrated = si.quantile_process("y ~ x", sample(), calibrate="dcp", epochs=2, **CHEAP)
    for one in (fit, calibrated):
        again = si.load(one.save(tmp_path / "fit"))
        np.testing.assert_array_equal(again.predict(new), one.predict(new))
        np.testing.assert_array_equal(again.cdf(new), one.cdf(new))
    printed = str(fit.summary())
    assert "requ" in printed and "rows crossing" in printed
    assert fit.glance()["epochs"][0] == len(fit.process.history) <= 40
    axes = fit.plot(new, "x", tau=[0.1, 0.5, 0.9])
    assert axes.get_xlabel() == "x" and len(axes.lines) == 3
    assert len(calibrated.plot(new).lines) == 1 + 5
    assert fit.plot(kind="training").get_ylabel().startswith("held-out")
    fit.plot(new, kind="calibration")
    score = fit.score(new)
    q = fit.predict(new).to_numpy()
    u = new["y"].to_numpy()[:, None] - q
    np.testing.assert_allclose(score.pinball, np.maximum(fit.tau * u, (fit.tau - 1) * u).mean(axis=0))


def test_as_a_learner_in_other_verbs():
    data = sample()
    small = ProcessNetwork(hidden=(16, 16), penalty=1.0, epochs=2)
    conformal = si.conformal("y ~ x", data, method="cqr", model=small, level=0.8)
    assert (conformal.predict(data)["upper"] >= conformal.predict(data)["lower"]).all()
    fit = si.quantile_ensemble(
        "y ~ x",
        data,
        models={"rq": "rq", "process": small},
        tau=[0.2, 0.5, 0.8],
        local=False,
        resolution="coarse",
        folds=3,
    )
    assert set(fit.out_of_fold_loss) >= {"rq", "process"} and fit.predict(data).notna().all(axis=None)
    from statinf.learners import resolve

    assert [resolve(name, "quantile").network for name in ("requ", "gaps")] == ["requ", "gaps"]

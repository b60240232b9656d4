"""The uniform transformer: closed forms, what order and units do, and the sizes of bias it promises."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.numerics.kernels.windows import WINDOWS
from statinf.numerics.laws.uniform_map import cell_counts, marginal_map, nested_map, smooth_step


def sample(n=300, seed=0):
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, n))
    t = (rng.random(n) < 1 / (1 + np.exp(0.5 - 0.8 * np.abs(x) - 0.3 * z))).astype(int)
    return pd.DataFrame({"x": x, "z": z, "t": t, "y": x**2 + z + t + rng.normal(size=n)})


@pytest.fixture(scope="module")
def frame():
    return sample()


@pytest.mark.parametrize("kind", ["constant", "linear", "quadratic"])
def test_steps_are_distribution_functions(kind):
    u = np.linspace(-0.5, 0.5, 1001)
    values = smooth_step(u, kind)
    assert values[0] == 0.0 and values[-1] == pytest.approx(1.0) and values[500] == pytest.approx(0.5)
    assert (np.diff(values) >= -1e-15).all()
    # Densities have no jump inside but those of the uniform law.
    assert np.abs(np.diff(values, 2)).max() < 1e-4
    np.testing.assert_allclose(values + values[::-1], 1.0, atol=1e-14)


@pytest.mark.parametrize("order", [4, 6, 8, 10])
def test_kernels_of_a_higher_order_have_no_lower_moments(order):
    u = np.linspace(-12, 12, 20001)
    k = WINDOWS[f"gaussian{order}"](u)
    mass = np.trapezoid(k, u)
    for power in range(2, order, 2):
        assert abs(np.trapezoid(k * u**power, u) / mass) < 1e-8
    assert abs(np.trapezoid(k * u**order, u) / mass) > 0.5


def test_one_axis_is_a_distribution_function(frame):
    x = (frame.x.to_numpy() - frame.x.min() + 0.1) / (np.ptp(frame.x) + 0.2)
    ones, low, high = np.ones(len(x)), np.zeros(1), np.ones(1)
    for smooth in ("constant", "linear", "quadratic", "step"):
        u = marginal_map(x[:, None], ones, low, high, smooth).apply(x[:, None])[:, 0]
        rank = np.argsort(np.argsort(x))
        assert (u > rank / len(x)).all() and (u < (rank + 1) / len(x)).all()
    nested = nested_map(x[:, None], ones, low, high, "constant", (len(x),)).apply(x[:, None])
    np.testing.assert_array_equal(nested, marginal_map(x[:, None], ones, low, high, "constant").apply(x[:, None]))


def test_cells_hold_equal_shares():
    assert cell_counts(60, 2) == (8, 7) and cell_counts(64, 3) == (4, 4, 4) and cell_counts(100, 1) == (100,)
    x = np.random.default_rng(1).random((60, 2))
    fitted = nested_map(x, np.ones(60), np.zeros(2), np.ones(2), "constant", (8, 7))
    cell = fitted.axes[0].apply(x[:, 0], "constant")[1]
    counts = np.bincount(cell)
    assert len(counts) == 8 and np.ptp(counts) <= 1
    u = fitted.apply(x)
    for j in range(2):
        assert np.abs(np.sort(u[:, j]) - (np.arange(60) + 0.5) / 60).max() < 1 / 7


def test_projection_is_regression_on_the_mapped_columns(frame):
    w = si.balance("t ~ x + z", frame, method="uniform", estimator="projection", estimand="ATT")
    t = frame.t.to_numpy() == 1
    unit = (frame[["x", "z"]] - frame[["x", "z"]].min()) / np.ptp(frame[["x", "z"]], axis=0)
    eps = 0.5 / len(frame)
    u = w.details["maps"]["control"].apply(((unit + eps) / (1 + 2 * eps)).to_numpy())
    basis = np.column_stack([np.ones(len(u)), u, u**2, u[:, 0] * u[:, 1]])
    fitted = basis[t] @ np.linalg.lstsq(basis[~t], frame.y[~t], rcond=None)[0]
    assert np.average(frame.y[~t], weights=w.values[~t]) == pytest.approx(fitted.mean(), rel=1e-9)


def test_limits_of_the_bandwidth(frame):
    t = frame.t.to_numpy() == 1
    wide = si.balance("t ~ x + z", frame, method="uniform", estimand="ATT", bandwidth=1e6)
    np.testing.assert_allclose(wide.values, 1.0, rtol=1e-6)
    with pytest.raises(si.DataError, match="larger bandwidth"):
        si.balance("t ~ x + z", frame, method="uniform", estimand="ATT", kernel="epanechnikov", bandwidth=1e-6)
    controls = frame[~t]
    twins = pd.concat([controls, controls.assign(t=1)], ignore_index=True)
    copied = si.balance("t ~ x", twins, method="uniform", estimand="ATT", bandwidth=0.02)
    assert np.abs(copied.values - 1.0).max() < 0.05


@pytest.mark.parametrize("options", [{}, {"map": "marginal"}, {"estimator": "projection"}], ids=str)
def test_order_units_and_rows_of_weight_zero_do_not_matter(frame, options):
    def weights(data, **more):
        return si.balance("t ~ x + z", data, method="uniform", **options, **more).values

    first = weights(frame)
    order = np.random.default_rng(3).permutation(len(frame))
    np.testing.assert_allclose(weights(frame.iloc[order]), first[order], rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(weights(frame.assign(x=8.0 * frame.x, z=frame.z / 4)), first, rtol=1e-7, atol=1e-10)
    more = pd.concat([frame, frame[:30].assign(x=1e6)], ignore_index=True)
    absent = weights(more, weights=np.r_[np.ones(300), np.zeros(30)])
    np.testing.assert_allclose(absent[:300], first, rtol=1e-10, atol=1e-12)
    stepped = {"map": "marginal", "smooth": "step"}
    if options.get("map") == "marginal":
        plain = si.balance("t ~ x + z", frame, method="uniform", **stepped).values
        bent = si.balance("t ~ exp(x) + I(z**3)", frame, method="uniform", **stepped).values
        np.testing.assert_allclose(bent, plain, rtol=1e-10)


def test_reflection_and_a_kernel_beat_a_wrong_logit():
    errors = {"ipw": [], "uniform": [], "open": [], "closed": []}
    for seed in range(12):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=400)
        t = (rng.random(400) < 1 / (1 + np.exp(0.5 - np.abs(x)))).astype(int)
        d = pd.DataFrame({"x": x, "t": t, "y": x**2 + t + rng.normal(size=400)})
        wide = {"method": "uniform", "bandwidth": 0.05}
        calls = {"ipw": {}, "uniform": {"method": "uniform"}, "open": {**wide, "boundary": None}, "closed": wide}
        for name, options in calls.items():
            w = si.balance("t ~ x", d, estimand="ATT", **options).values
            errors[name].append(d.y[t == 1].mean() - np.average(d.y[t == 0], weights=w[t == 0]) - 1.0)
    rmse = {name: np.sqrt(np.mean(np.square(e))) for name, e in errors.items()}
    assert rmse["uniform"] < rmse["ipw"] / 2
    assert abs(np.mean(errors["closed"])) < 0.75 * abs(np.mean(errors["open"]))


def test_what_is_told_of_the_map(frame):
    w = si.balance("t ~ x + z", frame, method="uniform")
    gaps = w.details["uniformity"]
    assert set(gaps) == {"control", "treated"} and max(gaps["control"].values()) < 0.15
    fit = si.lm("y ~ t", frame, weights=w)
    assert fit.cov.label == "HC0, weights taken as fixed" and "bootstrap" in w.summary().to_text()
    assert fit.bootstrap(39, seed=1, progress=False) is not None
    three = si.balance("arm ~ x", frame.assign(arm=np.arange(300) % 3), method="uniform")
    assert three.diagnostics()["smd_after"].abs().max() < 0.2


@pytest.mark.parametrize(
    ("change", "options", "error", "message"),
    [
        ({"z": np.arange(300) % 2}, {}, si.DataError, "two values"),
        ({"t": (np.arange(300) < 3).astype(int)}, {}, si.DataError, "less than two cells"),
        ({}, {"bandwidth": 0}, si.OptionError, "bandwidth"),
        ({}, {"kernel": "nonsense"}, si.OptionError, "kernel"),
        (
            {"t": (np.arange(300) < 4).astype(int)},
            {"estimator": "projection", "map": "marginal"},
            si.OptionError,
            "polynomials",
        ),
        ({}, {"estimand": "ATO"}, si.OptionError, "not defined"),
    ],
    ids=lambda v: str(v) if isinstance(v, dict) and "t" not in v and "z" not in v else None,
)
def test_bad_input(frame, change, options, error, message):
    with pytest.raises(error, match=message):
        si.balance("t ~ x + z", frame.assign(**change), method="uniform", **options)


def test_a_target_outside_the_arm_s_range_is_told(frame):
    far = frame.assign(x=frame.x + 2.0 * frame.t)
    with pytest.warns(si.StatinfWarning, match="outside the range"):
        si.balance("t ~ x", far, method="uniform", estimand="ATT")


@pytest.mark.parametrize("verb", [si.lm, si.glm, si.rq, lambda *a, **k: si.effect(*a, method="dim", **k)])
def test_negative_weights_are_refused_by_name(verb):
    random = np.random.default_rng(0)
    x = random.standard_normal(60)
    data = pd.DataFrame({"x": x, "t": (x + random.standard_normal(60) > 0.8) * 1.0, "y": x})
    weights = si.balance("t ~ x", data, method="sbw", estimand="ATT", negative=True)
    assert (np.asarray(weights.values) < 0).any()
    with pytest.raises(si.DataError, match="'sbw' are negative in .* rows"):
        verb("y ~ t", data, weights=weights)

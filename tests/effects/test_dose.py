"""Dose-response curves beside the formulas of Kennedy et al. (2017) written out, and known curves."""

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.effects.dose import curve
from statinf.effects.dose_nuisances import dose_nuisances
from statinf.effects.rows import effect_rows
from statinf.learners import resolve
from statinf.numerics.rowwise.local_linear import chosen_bandwidth, local_bend, local_linear

AT = [-1.0, 0.0, 1.0]


def simulate(n, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 2))
    a = 0.8 * x[:, 0] + rng.standard_normal(n)
    y = np.sin(a) + x[:, 0] + 0.5 * x[:, 1] + 0.3 * a * x[:, 1] + rng.standard_normal(n)
    return pd.DataFrame({"y": y, "a": a, "x1": x[:, 0], "x2": x[:, 1], "g": np.arange(n) % 40})


def test_local_lines_are_weighted_least_squares():
    rng = np.random.default_rng(0)
    x, y, w = rng.standard_normal(80), rng.standard_normal(80), rng.uniform(0.5, 2.0, 80)
    made = local_linear(x, y, w, np.array([-0.5, 0.7]), 0.4)
    for k, at in enumerate((-0.5, 0.7)):
        root = np.sqrt(w * np.exp(-0.5 * ((x - at) / 0.4) ** 2))
        line = np.linalg.lstsq(np.column_stack([root, root * (x - at)]), root * y, rcond=None)[0]
        assert made.level[k] == pytest.approx(line[0], rel=1e-10)
        assert made.slope[k] / 0.4 == pytest.approx(line[1], rel=1e-10)
    # Leave-one-out by hand at every row.
    candidates = np.array([0.15, 0.3, 0.6, 1.2])
    errors = []
    for h in candidates:
        kept = np.ones(80, bool)
        total = 0.0
        for i in range(80):
            kept[i] = False
            total += w[i] * (y[i] - local_linear(x[kept], y[kept], w[kept], x[i : i + 1], h).level[0]) ** 2
            kept[i] = True
        errors.append(total)
    assert chosen_bandwidth(x, y, w, candidates, points=4000) == candidates[int(np.argmin(errors))]


def test_curve_and_errors_by_hand():
    data = simulate(300, 1)
    options = {"method": "dose", "doses": AT, "bandwidth": 0.4, "folds": 1, "outcome_model": "lm"}
    fit = si.effect("y ~ a | x1 + x2", data, bias_correction=False, **options)
    rows = effect_rows("y ~ a | x1 + x2", data, binary=False)
    found = dose_nuisances(rows, resolve("lm"), resolve("lm"), None, 0, 0.01)
    y, a, x = rows.y, rows.d, rows.x
    z = np.column_stack([np.ones(300), a, x])
    beta = np.linalg.lstsq(z, y, rcond=None)[0]
    np.testing.assert_allclose(found.own, z @ beta, rtol=1e-8, atol=1e-9)
    # The outcome model is linear in the dose: its average over covariates is a line.
    level = beta[0] + x.mean(axis=0) @ beta[2:]
    np.testing.assert_allclose(found.pseudo, (y - z @ beta) * found.ratio + level + a * beta[1], rtol=1e-7, atol=1e-8)
    mean = z[:, [0, 2, 3]] @ np.linalg.lstsq(z[:, [0, 2, 3]], a, rcond=None)[0]
    normal = np.exp(-0.5 * (a - mean) ** 2) / np.sqrt(2 * np.pi)
    marginal = np.exp(-0.5 * a**2 / 1.64) / np.sqrt(2 * np.pi * 1.64)
    inside = np.abs(a) < 1.5
    # The estimated ratio of densities beside the true one.
    assert np.corrcoef(np.log(found.ratio[inside]), np.log(marginal / normal)[inside])[0, 1] > 0.9
    theta, influence = [], []
    for at in AT:
        k = np.exp(-0.5 * ((a - at) / 0.4) ** 2) / (0.4 * np.sqrt(2 * np.pi))
        g = np.column_stack([np.ones(300), (a - at) / 0.4])
        inverse = np.linalg.inv((g * k[:, None]).T @ g)
        b = inverse @ (g * k[:, None]).T @ found.pseudo
        own = (g * (k * (found.pseudo - g @ b))[:, None]) @ inverse[0]
        kg = np.exp(-0.5 * ((found.grid - at) / 0.4) ** 2) / (0.4 * np.sqrt(2 * np.pi))
        gg = np.column_stack([np.ones(len(found.grid)), (found.grid - at) / 0.4])
        through = (gg @ inverse[0]) * kg * found.mass
        influence.append(own + ((x - x.mean(axis=0)) @ beta[2:]) * through.sum())
        theta.append(b[0])
    np.testing.assert_allclose(fit.theta, theta, rtol=1e-8)
    influence = np.column_stack(influence)
    np.testing.assert_allclose(fit.vcov, influence.T @ influence, rtol=1e-6)
    plain = curve(rows, found, np.array(AT), 0.4, corrected=False)[1]
    np.testing.assert_allclose(plain, influence, rtol=1e-6, atol=1e-9)
    sums = pd.DataFrame(influence).groupby(data["g"].to_numpy()).sum().to_numpy()
    clustered = fit.with_vcov({"cluster": "g", "type": "HC0"})
    np.testing.assert_allclose(clustered.vcov, sums.T @ sums * 40 / 39, rtol=1e-6)


def test_the_bias_of_lines_by_hand():
    data = simulate(300, 1)
    options = {"method": "dose", "doses": AT, "bandwidth": 0.4, "folds": 1, "outcome_model": "lm"}
    fit = si.effect("y ~ a | x1 + x2", data, **options)
    rows = effect_rows("y ~ a | x1 + x2", data, binary=False)
    found = dose_nuisances(rows, resolve("lm"), resolve("lm"), None, 0, 0.01)
    plain, _ = curve(rows, found, np.array(AT), 0.4, corrected=False)
    for j, at in enumerate(AT):
        s = (rows.d - at) / 0.4
        k = np.exp(-0.5 * s**2)
        line, cubic = (np.linalg.pinv(np.sqrt(k)[:, None] * s[:, None] ** np.arange(q)) * np.sqrt(k) for q in (2, 4))
        # What the level of a line makes of a parabola of the second derivative that the cubic finds.
        whole = line[0] - (line[0] @ s**2) * cubic[2]
        assert fit.theta[j] == pytest.approx(whole @ found.pseudo, rel=1e-9)
        assert plain[j] == pytest.approx(line[0] @ found.pseudo, rel=1e-9)
        # The influence of the rows' outcomes sums to what they add: a residual each of its own fit.
        residual = found.pseudo - s[:, None] ** np.arange(2) @ (line @ found.pseudo)
        bent = found.pseudo - s[:, None] ** np.arange(4) @ (cubic @ found.pseudo)
        own = line[0] * residual - (line[0] @ s**2) * cubic[2] * bent
        near = (found.grid - at) / 0.4
        mass = np.exp(-0.5 * near**2) / (0.4 * np.sqrt(2 * np.pi)) * found.mass
        scale = np.sqrt(2 * np.pi) * 0.4
        moments = [(k / scale) @ s**j for j in range(7)]
        first = (moments[2] - moments[1] * near) / (moments[0] * moments[2] - moments[1] ** 2)
        gram = np.array([[moments[i + j] for j in range(4)] for i in range(4)])
        through = first - (line[0] @ s**2) * (near[:, None] ** np.arange(4)) @ np.linalg.inv(gram)[2]
        influence = own + (found.by_dose - found.mean) @ (through * mass)
        np.testing.assert_allclose(
            curve(rows, found, np.array(AT), 0.4, corrected=True)[1][:, j], influence, rtol=1e-6, atol=1e-9
        )
        assert fit.vcov.to_numpy()[j, j] == pytest.approx(influence @ influence, rel=1e-6)
    # A cubic is its own: nothing of it is left in the bias.
    x, w = rows.d, np.linspace(0.5, 1.5, 300)
    y = 1 + 2 * x - 0.5 * x**2 + 0.25 * x**3
    at = np.array(AT)
    level = local_linear(x, y, w, at, 0.4).level - local_bend(x, y, w, at, 0.4).bias
    third = np.array(
        [
            (
                lambda s, k: np.linalg.lstsq(
                    np.sqrt(k)[:, None] * s[:, None] ** np.arange(2), np.sqrt(k) * s**3, rcond=None
                )[0][0]
            )((x - a) / 0.4, w * np.exp(-0.5 * ((x - a) / 0.4) ** 2))
            for a in AT
        ]
    )
    np.testing.assert_allclose(level - third * 0.25 * 0.4**3, 1 + 2 * at - 0.5 * at**2 + 0.25 * at**3, rtol=1e-9)


def test_too_few_rows_for_the_bias_are_named():
    data = simulate(300, 4)
    with pytest.raises(si.NotIdentifiedError, match="larger bandwidth"):
        si.effect("y ~ a | x1", data, method="dose", doses=[data["a"].max()], bandwidth=0.02)


def test_bands_weights_and_places():
    data = simulate(400, 2)
    folds = np.arange(400) % 4
    w = np.random.default_rng(0).integers(0, 3, 400).astype(float)
    options = {"method": "dose", "doses": AT, "bandwidth": 0.5, "outcome_model": "lm"}
    fit = si.effect("y ~ a | x1 + x2", data, weights=w, folds=folds, **options)
    assert fit.terms == ("a[-1]", "a[0]", "a[1]") and fit.nobs == np.count_nonzero(w)
    again = np.repeat(np.arange(400), w.astype(int))
    repeated = si.effect("y ~ a | x1 + x2", data.iloc[again], folds=folds[again], **options)
    # The law of the residuals is smoothed by the effective number of rows, which repeating rows raises.
    np.testing.assert_allclose(fit.theta, repeated.theta, atol=0.1)
    strange = data.assign(y=np.where(w == 0, -1e5, data["y"]), x1=np.where(w == 0, 1e3, data["x1"]))
    absent = si.effect("y ~ a | x1 + x2", strange, weights=w, folds=folds, **options)
    np.testing.assert_allclose(absent.theta, fit.theta, rtol=1e-9)
    moved = si.effect(
        "y ~ a | x1 + x2", data.assign(a=data["a"] + 1e6), weights=w, folds=folds,
        **(options | {"doses": [1e6 - 1, 1e6, 1e6 + 1]}),
    )  # fmt: skip
    np.testing.assert_allclose(moved.theta, fit.theta, rtol=1e-6)
    band = fit.curve().frame()
    assert list(band["a"]) == AT
    assert (band["band_low"] < band["conf_low"]).all() and (band["band_high"] > band["conf_high"]).all()
    assert np.isfinite(fit.test("a[1] = a[-1]").p_value)
    assert len(si.effect("y ~ a | x1 + x2", data, method="dose", doses=7).terms) == 7


def test_faults_are_named():
    data = simulate(200, 3)
    with pytest.raises(si.OptionError, match="doses"):
        si.effect("y ~ a | x1", data, method="dose", doses=[1.0, 0.0])
    with pytest.raises(si.OptionError, match="lie within"):
        si.effect("y ~ a | x1", data, method="dose", doses=[0.0, 50.0])
    with pytest.raises(si.OptionError, match="bandwidth"):
        si.effect("y ~ a | x1", data, method="dose", bandwidth=-1)
    with pytest.raises(si.DataError, match="compare them as arms"):
        si.effect("y ~ b | x1", data.assign(b=(data["a"] > 0) * 1.0), method="dose")
    with pytest.raises(si.NotIdentifiedError, match="explain the dose completely"):
        si.effect("y ~ a | twice", data.assign(twice=2.0 * data["a"]), method="dose")
    with pytest.raises(si.OptionError, match="one curve"):
        si.effect("y ~ a | x1", data.assign(h=data["a"] > 0), method="dose", by="h")


@pytest.mark.parametrize("count", [12, pytest.param(300, marks=pytest.mark.slow)])
def test_limits_and_bands_cover_the_curve(count):
    covered, uniform = np.zeros(3), 0
    for seed in range(count):
        fit = si.effect("y ~ a | x1 + x2", simulate(800, seed), method="dose", doses=AT, folds=2)
        distance = np.abs(fit.theta - np.sin(AT)) / fit.std_errors.to_numpy()
        covered += distance < 1.959964
        uniform += distance.max() < fit.curve().critical
    error = 4.0 * np.sqrt(0.05 * 0.95 / count)
    assert (covered / count > 0.95 - error).all() and uniform / count > 0.95 - error

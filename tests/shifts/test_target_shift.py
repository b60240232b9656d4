"""`target_shift`: reference numbers, identities, the discrepancy principle, frames, refusals."""

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose

import statinf as si
from shifts.samples import number, two
from statinf.errors import NumericalWarning
from statinf.shifts import continuous, retasa
from statinf.shifts.reading import read_samples


def shifted(n, rng, mean=0.5, sd=0.5):
    """The design of the paper: x = y + 3 tanh(y) + e, source y ~ N(0, 2^2), target y ~ N(mean, sd^2)."""
    import pandas as pd

    out = []
    for rows, centre, spread in ((n, 0.0, 2.0), (int(0.8 * n), mean, sd)):
        y = centre + spread * rng.standard_normal(rows)
        out.append(pd.DataFrame({"y": y, "x": y + 3 * np.tanh(y) + rng.standard_normal(rows)}))
    return out


@pytest.mark.parametrize("alpha", [0.1, 0.01])
def test_retasa_meets_reference(alpha):
    source, target = two("target_shift_data")
    w = si.target_shift("y ~ x", source, target, alpha=alpha)
    assert_allclose(w.omega, np.maximum(0, 1 + number(f"alpha={alpha}", "rho")), atol=1e-9)
    name = "bandwidths 1.06 sd n^-1/5"
    assert_allclose(w.settings["bandwidth x"], number(name, "hx_source")[0], rtol=1e-10)
    assert_allclose(w.settings["bandwidth y"], number(name, "hy")[0], rtol=1e-10)
    assert_allclose(w.settings["bandwidth target x"], number(name, "hx_target")[0], rtol=1e-10)
    error = np.mean((w.omega - source["w_true"]) ** 2)
    assert_allclose(error, number(f"alpha={alpha}", "weight_mse_vs_true(clipped)")[0], rtol=1e-6)


def test_kmm_meets_reference():
    source, target = two("target_shift_data")
    w = si.target_shift("y ~ x", source, target, method="kmm")
    assert_allclose(w.facts["objective"], number("B=10 reg=.1 sx=2hx sy=2hy", "objective")[0], rtol=1e-3)
    assert w.omega.max() <= 10 + 1e-6


@pytest.mark.parametrize("method", ["retasa", "kmm"])
def test_new_outcomes_are_scored_as_the_source_rows(method):
    source, target = two("target_shift_data")
    w = si.target_shift("y ~ x", source, target, method=method)
    assert_allclose(w.at(source["y"]), w.omega, atol=1e-8)
    fresh = source.head(4).copy()
    fresh.loc[1, "y"] = np.nan
    assert_allclose(w.score(fresh)[[0, 2, 3]], w.omega[[0, 2, 3]], atol=1e-8)
    assert np.isnan(w.score(fresh)[1])


def test_no_shift_gives_weights_of_one():
    source, _ = two("target_shift_data")
    w = si.target_shift("y ~ x", source, source, alpha=0.1)
    assert_allclose(w.omega, 1.0, atol=1e-10)


def test_large_alpha_gives_weights_of_one():
    source, target = two("target_shift_data")
    assert_allclose(si.target_shift("y ~ x", source, target, alpha=1e9).omega, 1.0, atol=1e-7)


def test_units_and_order_do_not_matter():
    source, target = two("target_shift_data")
    w = si.target_shift("y ~ x", source, target, alpha=0.1)
    larger = source.assign(x=source["x"] * 7, y=source["y"] * 100)
    scaled = si.target_shift("y ~ x", larger, target.assign(x=target["x"] * 7), alpha=0.1)
    assert_allclose(scaled.omega, w.omega, atol=1e-9)
    order = np.random.default_rng(0).permutation(200)
    assert_allclose(si.target_shift("y ~ x", source.iloc[order], target, alpha=0.1).omega, w.omega[order], atol=1e-9)


def test_row_weights_are_repeated_rows():
    source, target = two("target_shift_data")
    times = np.random.default_rng(1).integers(1, 3, 160)
    weighted = read_samples("y ~ x", source, target, response="numeric", target_weights=times.astype(float))
    repeated = read_samples("y ~ x", source, target.loc[target.index.repeat(times)], response="numeric")
    width = continuous.column_bandwidths(weighted.xt)
    with pytest.MonkeyPatch.context() as patch:
        original = retasa.column_bandwidths
        patch.setattr(retasa, "column_bandwidths", lambda x: width if len(x) in (160, times.sum()) else original(x))
        a, b = (retasa.estimate(p, retasa.RetasaOptions(alpha=0.1)).raw for p in (weighted, repeated))
    assert_allclose(a, b, atol=1e-9)


def test_discrepancy_principle_finds_shift_and_its_absence():
    rng = np.random.default_rng(3)
    shifted_error, plain_error, none_error = [], [], []
    for _ in range(10):
        source, target = shifted(200, rng)
        y = source["y"].to_numpy()
        truth = np.exp(-0.5 * ((y - 0.5) / 0.5) ** 2) / 0.5 / (np.exp(-0.5 * (y / 2) ** 2) / 2)
        w = si.target_shift("y ~ x", source, target)
        shifted_error.append(np.mean((w.omega - truth) ** 2))
        plain_error.append(np.mean((1 - truth) ** 2))
        same = si.target_shift("y ~ x", *shifted(200, rng, mean=0.0, sd=2.0))
        none_error.append(np.mean((same.omega - 1) ** 2))
    assert np.mean(shifted_error) < np.mean(plain_error) / 3
    assert np.mean(none_error) < 0.05


def test_weights_improve_predictions_on_the_target():
    rng = np.random.default_rng(5)
    plain, weighted = [], []
    for _ in range(10):
        source, target = shifted(200, rng)
        w = si.target_shift("y ~ x", source, target)
        for fit, errors in (
            (si.lm("y ~ poly(x, 5)", source), plain),
            (si.lm("y ~ poly(x, 5)", source, weights=w), weighted),
        ):
            errors.append(np.mean((target["y"] - fit.predict(target)["estimate"]) ** 2))
    assert np.mean(weighted) < 0.75 * np.mean(plain)


def test_frames_missing_rows_and_saving(tmp_path):
    source, target = two("target_shift_data")
    source.loc[3, "y"] = np.nan
    target.loc[0, "x"] = np.nan
    w = si.target_shift("y ~ x", source, target, alpha=0.1)
    again = si.target_shift("y ~ x", pl.from_pandas(source), pl.from_pandas(target[["x"]]), alpha=0.1)
    assert_allclose(w.values, again.values, atol=1e-12)
    assert len(w.used) == 199 and w.n_target == 159
    loaded = si.load(w.save(tmp_path / "w.si"))
    assert_allclose(loaded.at([0.0, 1.0]), w.at([0.0, 1.0]))
    assert w.plot() is not None
    assert "Rows of the target left out" in str(w.summary())


def test_refusals():
    source, target = two("target_shift_data")
    with pytest.raises(si.DataError, match="2 values"):
        si.target_shift("y ~ x", source.assign(y=(source["y"] > 0) * 1.0), target)
    with pytest.raises(si.DataError, match="constant in the target: 'x'"):
        si.target_shift("y ~ x", source, target.assign(x=1.0))
    with pytest.raises(si.DataError, match="no covariates"):
        si.target_shift("y ~ 1", source, target)
    with pytest.raises(si.DataError, match=r"target frame.*'x'"):
        si.target_shift("y ~ x", source, target[["y"]])
    for bad in ({"alpha": 0.0}, {"alpha": "auto"}, {"draws": 1}, {"bound": 3.0}):
        with pytest.raises(si.OptionError):
            si.target_shift("y ~ x", source, target, **bad)
    with pytest.raises(si.OptionError):
        si.target_shift("y ~ x", source, target, method="kmm", ridge=0.0)
    with pytest.raises(si.DataError, match="all 160 target rows"):
        si.target_shift("y ~ x", source, target.assign(x=target["x"] + 1e3))
    with pytest.warns(NumericalWarning, match="three bandwidths"):
        si.target_shift("y ~ x", source, target.assign(x=np.where(np.arange(160) < 80, 1e3, target["x"])), alpha=0.1)

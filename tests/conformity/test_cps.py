"""Conformal predictive systems beside crepes, direct sums, and the uniform law that they promise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import statinf as si
from statinf.inference.conformal import Calibration
from statinf.inference.predictive import ErrorLaw

RECORDED = Path(__file__).parents[1] / "reference" / "conformal" / "crepes_cps.csv"


def rows(n, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    y = x + rng.normal(size=n) * (1.0 + 0.5 * (x > 0))
    return pd.DataFrame({"x": x, "y": y, "g": np.where(rng.random(n) < 0.5, "a", "b"), "w": np.exp(0.5 * x)})


@pytest.fixture(scope="module")
def data():
    return rows(400)


@pytest.fixture(scope="module")
def new():
    return rows(60, 1)


@pytest.mark.parametrize("score", ["residual", "normalised"])
@pytest.mark.parametrize("by", [None, "g"])
def test_percentiles_intervals_and_p_values_of_crepes(data, new, score, by):
    crepes = pytest.importorskip("crepes")
    fit = si.conformal("y ~ x", data, method="cps", score=score, by=by)
    calibration = fit.procedure.calibration
    local = fit.procedure.score.local(fit.procedure.fitted, new[["x"]].to_numpy(), 0)
    centre, sigmas = local[0], local[1] if score == "normalised" else None
    labels = {} if by is None else {"bins": np.asarray(fit.groups.labels)[calibration.groups]}
    named = {} if by is None else {"bins": ("g = " + new["g"]).to_numpy()}
    if by is not None:
        assert set(named["bins"]) == set(fit.groups.labels)
    peer = crepes.ConformalPredictiveSystem().fit(
        calibration.scores[:, 1],
        **({} if sigmas is None else {"sigmas": np.ones(len(calibration.scores))}),
        **labels,
    )
    theirs = peer.predict_percentiles(
        centre, sigmas=sigmas, lower_percentiles=[5, 50], higher_percentiles=[50, 95], **named
    )
    ours = np.column_stack([fit.quantile(new, [0.05, 0.5], bound="lower"), fit.quantile(new, [0.5, 0.95])])
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    limits = peer.predict_int(centre, sigmas=sigmas, confidence=0.9, **named)
    np.testing.assert_allclose(fit.interval(new).to_numpy(), limits, rtol=1e-12)
    uppermost = peer.predict_p(centre, new["y"].to_numpy(), sigmas=sigmas, smoothing=False, **named)
    np.testing.assert_allclose(fit.cdf(new)["upper"], uppermost, rtol=1e-12)


@pytest.mark.parametrize("system", ["all rows", "by group"])
def test_recorded_numbers_of_crepes(system):
    """crepes_cps.csv holds what crepes 0.9.1 gave for this series; its script says how."""
    t = np.arange(1, 201)
    x = np.sin(t / 7)
    y = x * (1 + t / 100) + ((37 * t % 101) / 50 - 1) * (1 + (t % 3 == 0))
    series = pd.DataFrame({"x": x, "y": y, "g": np.array(list("abc"))[t % 3], "calibrates": t % 2 == 0})
    new = {"x": [-1.0, -0.5, 0.0, 0.5, 1.0, 1.0], "y": [-2.0, -1.5, 0.1, 1.2, 0.5, 4.0], "g": list("abcabc")}
    new, theirs = pd.DataFrame(new), pd.read_csv(RECORDED)
    theirs = theirs[theirs["system"] == system].drop(columns=["system", "row"])
    fit = si.conformal("y ~ x", series, method="cps", split="calibrates", by="g" if system == "by group" else None)
    tables = fit.quantile(new, [0.1, 0.5], bound="lower"), fit.quantile(new, [0.5, 0.9]), fit.interval(new)
    crps = np.full(6, fit.crps(new).mean())
    ours = np.column_stack([*tables, fit.cdf(new)["upper"], crps])
    np.testing.assert_allclose(ours, theirs.to_numpy(), rtol=1e-12)


def test_crps_of_crepes(data, new):
    crepes = pytest.importorskip("crepes")
    fit = si.conformal("y ~ x", data, method="cps")
    peer = crepes.ConformalPredictiveSystem().fit(fit.procedure.calibration.scores[:, 1])
    centre = fit.predict(new)["estimate"].to_numpy()
    theirs = peer.evaluate(centre, new["y"].to_numpy(), metrics=["CRPS"])["CRPS"]
    assert fit.crps(new).mean() == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_crps_is_the_expected_distance_less_half_the_spread(weighted):
    rng = np.random.default_rng(2)
    errors, z = rng.normal(size=40), rng.normal(size=9)
    errors[:5] = errors[5]
    weights = rng.uniform(0.1, 2.0, 40) if weighted else np.ones(40)
    share = weights / weights.sum()
    expected = np.abs(errors[:, None] - z).T @ share - 0.5 * share @ np.abs(errors[:, None] - errors) @ share
    np.testing.assert_allclose(ErrorLaw.of(errors, weights).crps(z), expected, rtol=1e-12, atol=1e-14)


def test_quantiles_are_order_statistics_and_infinite_beyond_them():
    law = ErrorLaw.of(np.arange(1.0, 10.0))
    assert [law.upper_quantile(t)[0] for t in (0.1, 0.85, 0.9, 0.95)] == [1.0, 9.0, 9.0, np.inf]
    assert [law.lower_quantile(t)[0] for t in (0.05, 0.1, 0.15, 0.9)] == [-np.inf, 1.0, 1.0, 9.0]


def test_whole_weights_count_rows():
    """A weight of two is a row twice, apart from the new row's own point."""
    errors, twice = np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 2.0, 4.0])
    one, other = ErrorLaw.of(errors, np.array([1.0, 2.0, 1.0])), ErrorLaw.of(twice)
    z = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    np.testing.assert_allclose(one.cdf(z), other.cdf(z))
    np.testing.assert_allclose(one.crps(z), other.crps(z))


def test_the_smoothed_distribution_function_is_uniform():
    """One calibration after another: exchangeable rows, ties included, give exactly uniform values."""
    found = []
    for seed in range(400):
        both = rows(31, seed).assign(y=lambda d: d["y"].round(0))
        both["part"] = np.arange(31) >= 15
        fit = si.conformal("y ~ x", both.iloc[:30], method="cps", split="part", level=0.8)
        found.append(float(fit.cdf(both.iloc[30:], seed=seed)["estimate"].iloc[0]))
    # Independent samples: Kolmogorov's test at one in a thousand.
    assert stats.kstest(found, "uniform").pvalue > 0.001


def test_sets_hold_outcomes_whose_p_value_exceeds_the_miss_rate(data, new):
    for fit in (
        si.conformal("y ~ x", data, method="cps"),
        si.conformal("y ~ x", data, method="cps", by="g"),
        si.conformal("y ~ x", data),
        si.conformal("y ~ x", data, method="cqr", weights="w"),
    ):
        for level in (0.5, 0.83, 0.9):
            inside = fit.p_values(new) > 1.0 - level + 1e-12
            np.testing.assert_array_equal(inside, fit.contains(new, level=level))


def test_smoothed_p_values_of_split_sets_are_those_of_crepes(data, new):
    crepes = pytest.importorskip("crepes")
    fit = si.conformal("y ~ x", data)
    peer = crepes.ConformalRegressor().fit(fit.procedure.calibration.scores[:, 0])
    theirs = peer.predict_p(fit.predict(new)["estimate"].to_numpy(), new["y"].to_numpy(), smoothing=False)
    np.testing.assert_allclose(fit.p_values(new), theirs, rtol=1e-12)
    draws = fit.p_values(new, seed=3)
    assert (draws <= fit.p_values(new)).all() and (draws >= fit.p_values(new) - 2.0 / 201.0).all()
    np.testing.assert_array_equal(draws, fit.p_values(new, seed=3))


def test_weighted_p_values_are_sums_over_the_weighted_scores():
    scores, weights = np.array([[1.0], [2.0], [3.0]]), np.array([1.0, 2.0, 3.0])
    found = Calibration(scores, weights).p_values(np.array([[2.0], [2.5]]), np.array([4.0, 1.0]))
    np.testing.assert_allclose(found, [(2.0 + 3.0 + 4.0) / 10.0, (3.0 + 1.0) / 7.0])


def test_draws_have_the_errors_of_calibration(data, new):
    fit = si.conformal("y ~ x", data, method="cps", score="normalised")
    draws = fit.sample(new, 500, seed=1)
    local = fit.procedure.score.local(fit.procedure.fitted, new[["x"]].to_numpy(), 0)
    z = (draws - local[0][:, None]) / local[1][:, None]
    errors = fit.procedure.calibration.scores[:, 1]
    assert np.abs(z[:, :, None] - errors).min(axis=2).max() < 1e-9
    np.testing.assert_array_equal(draws, fit.sample(new, 500, seed=1))
    # The mean of 30,000 draws of the errors, whose variance is known: four standard errors.
    assert abs(z.mean() - errors.mean()) < 4.0 * errors.std() / np.sqrt(z.size)


def test_rows_without_a_distribution_say_so(data, new):
    fit = si.conformal("y ~ x", data, method="cps", by="g")
    with pytest.warns(si.StatinfWarning, match="2 rows are of a group"):
        strange = new.assign(g=["c", "c", *new["g"][2:]])
        limits = fit.quantile(strange, 0.5)
    assert np.isposinf(limits["q0.5"][:2]).all() and np.isfinite(limits["q0.5"][2:]).all()
    with pytest.warns(si.StatinfWarning):
        assert np.isnan(fit.crps(strange)[:2]).all()
    hole = new.assign(x=[np.nan, *new["x"][1:]], y=[*new["y"][:-1], np.nan])
    with pytest.warns(si.StatinfWarning):
        cdf = fit.cdf(hole)
    assert cdf.isna().all(axis=1).to_numpy().nonzero()[0].tolist() == [0, 59]


def test_refusals(data, new):
    fit = si.conformal("y ~ x", data, method="cps")
    with pytest.raises(si.OptionError, match="tau=1.2 is outside"):
        fit.quantile(new, 1.2)
    with pytest.raises(si.OptionError, match="bound='middle'"):
        fit.quantile(new, 0.5, bound="middle")
    with pytest.raises(si.DataError, match=r"values has shape \(3,\)"):
        fit.cdf(new, [1.0, 2.0, 3.0])
    with pytest.raises(si.OptionError, match="size=0"):
        fit.sample(new, 0)
    with pytest.raises(si.OptionError, match="without p-values"):
        si.conformal("y ~ x", data, method="jackknife+").p_values(new)


def test_other_frames_and_saved_fits(data, new, tmp_path):
    polars = pytest.importorskip("polars")
    fit = si.conformal("y ~ x", data, method="cps")
    fit.save(tmp_path / "law.statinf")
    again = si.load(tmp_path / "law.statinf")
    found = again.quantile(polars.from_pandas(new), [0.1, 0.9])
    assert isinstance(found, polars.DataFrame)
    np.testing.assert_array_equal(found.to_numpy(), fit.quantile(new, [0.1, 0.9]).to_numpy())
    shuffled = new.sample(frac=1.0, random_state=0)
    assert fit.interval(shuffled).loc[new.index].equals(fit.interval(new))

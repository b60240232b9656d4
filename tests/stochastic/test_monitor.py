"""`si.monitor`: other software's detections, exact probabilities of limits, martingales, files and pieces, bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import integrate, special

import statinf as si
from statinf.inference.betting import cusum_of, jumper, mixture, power, shiryaev_roberts_of
from statinf.inference.crossing import bessel_zeros, boundary, crossing_csw, crossing_linear, limits

RIVER = json.loads((Path(__file__).parents[1] / "reference" / "stochastic" / "river_adwin.json").read_text())
pytestmark = pytest.mark.filterwarnings("ignore:.*first rows are few")
METHODS = ("cusum", "adwin", "martingale")


def rows(n=600, change=300, seed=0, shift=1.0):
    """A regression whose constant moves by `shift` at row `change`."""
    random = np.random.default_rng(seed)
    x, z = random.standard_normal((2, n))
    y = 1.0 + x + shift * (np.arange(n) >= change) + random.standard_normal(n)
    return pd.DataFrame({"t": np.arange(n) * 2.0, "y": y, "x": x, "z": z, "b": (y > 1.0).astype(float)})


DATA = rows()


def river_series(kind, n=4000):
    random = np.random.default_rng(1)
    mean = np.repeat([0.2, 0.5, 0.3, 0.8], n // 4)
    if kind == "binary":
        return (random.random(n) < mean).astype(float)
    return np.round(mean + 0.1 * np.repeat([1, 2, 1, 3], n // 4) * random.normal(size=n), 6)


# --- ADWIN --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", RIVER, ids=lambda c: f"{c['kind']}-{c['delta']}-{c['max_buckets']}")
@pytest.mark.parametrize("after", ["keep", "reset"])
def test_adwin_cuts_where_river_cuts(case, after):
    data = pd.DataFrame({"y": river_series(case["kind"])})
    options = {"delta": case["delta"], "max_buckets": case["max_buckets"], "after_alarm": after}
    found = si.monitor("y ~ 1", data, method="adwin", **options)
    assert found.alarms["row"].tolist() == case[after]
    if after == "keep":
        window = found.run.detector.window
        assert window.sizes.sum() == case["width"]
        np.testing.assert_allclose(window.squares / window.sizes.sum(), case["variance"], rtol=1e-9)


def test_the_histogram_keeps_sums_and_squares():
    y = river_series("normal")[:500]
    window = si.monitor("y ~ 1", pd.DataFrame({"y": y}), method="adwin", delta=1e-9, max_buckets=3).run.detector.window
    ends = np.cumsum(window.sizes)
    assert ends[-1] == 500 and window.sizes.tolist() == sorted(window.sizes, reverse=True)
    for start, stop, total, inner in zip(ends - window.sizes, ends, window.totals, window.inner, strict=True):
        part = y[start:stop] - y[0]
        np.testing.assert_allclose([total, inner], [part.sum(), ((part - part.mean()) ** 2).sum()], atol=1e-10)
    np.testing.assert_allclose(window.squares, ((y - y.mean()) ** 2).sum(), rtol=1e-10)


def test_adwin_watches_losses_columns_and_bounded_values():
    found = si.monitor("y ~ x", DATA, method="adwin", loss="squared", burn_in=150)
    assert found.run.monitored == 450
    column = si.monitor("~ x", DATA, method="adwin").path
    pd.testing.assert_frame_equal(column, si.monitor("x ~ 1", DATA, method="adwin").path)
    bounded = si.monitor("x ~ 1", DATA, method="adwin", bounds=(-10, 10))
    np.testing.assert_allclose(bounded.path["mean"] * 20.0 - 10.0, column["mean"], atol=1e-12)
    assert "not all in [0, 1]" in str(found) and "not all in" not in str(bounded)


# --- CUSUM --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimension", [1, 2, 3, 7])
def test_limits_are_passed_with_their_probability(dimension):
    for shape, law in (("linear", crossing_linear), ("csw", crossing_csw)):
        for p in (0.2, 0.05, 0.001):
            assert abs(law(boundary(shape, p, dimension), dimension) - p) < 1e-9
            assert abs(law(boundary(shape, p, dimension, 0.3), dimension, 0.3) - p) < 1e-9
    np.testing.assert_allclose(special.jv(dimension / 2.0 - 1.0, bessel_zeros(dimension)[:20]), 0.0, atol=1e-12)


def test_published_constants_of_one_dimension():
    # P(max |W| > c), and 2 (1 - Phi(a) + a phi(a)) of Chu, Stinchcombe and White (1996).
    signs, odd = (-1.0) ** np.arange(50), 2.0 * np.arange(50) + 1.0
    stays = 4.0 / np.pi * np.sum(signs / odd * np.exp(-(odd**2) * np.pi**2 / (8.0 * 1.7**2)))
    assert abs(crossing_linear(1.7, 1) - (1.0 - stays)) < 1e-12
    a = 2.5
    density = np.exp(-a * a / 2) / np.sqrt(2 * np.pi)
    assert abs(crossing_csw(a, 1) - 2.0 * (special.ndtr(-a) + a * density)) < 1e-13


def test_walks_cross_as_often_as_the_limits_say():
    # The walk of m = 400 steps a unit looks less often than the process, hence at most as many crossings.
    random = np.random.default_rng(5)
    walks, m, ahead = 1500, 400, 1600
    start = random.standard_normal((walks, 2)) * m**0.5
    sums = np.cumsum(random.standard_normal((walks, ahead, 2)), axis=1)
    k = np.arange(1, ahead + 1)
    norm = np.linalg.norm(sums - k[None, :, None] / m * start[:, None], axis=2) / m**0.5
    for shape in ("linear", "csw"):
        bound = limits(shape, boundary(shape, 0.1, 2, 0.8), 2, k / m)
        share = (norm > bound).any(axis=1).mean()
        assert 0.06 < share < 0.1 + 3 * (0.09 / walks) ** 0.5


def test_the_sum_of_scores_is_that_of_the_batch_fit():
    m = 200
    found = si.monitor("y ~ x + z", DATA, burn_in=m, watch="scores").path
    fit = si.lm("y ~ x + z", DATA.iloc[:m])
    X = np.column_stack([np.ones(len(DATA)), DATA["x"], DATA["z"]])
    psi = X * (DATA["y"].to_numpy() - X @ fit.params.to_numpy())[:, None]
    S = psi[:m].T @ psi[:m] / (m - 3)
    Q = np.cumsum(psi[m:], axis=0)
    expected = np.sqrt(np.einsum("ni,ij,nj->n", Q, np.linalg.inv(S), Q) / m)
    np.testing.assert_allclose(found["statistic"], expected, rtol=1e-9)
    np.testing.assert_allclose(found["limit"], boundary("linear", 0.05, 3) * (1 + np.arange(1, 401) / m), rtol=1e-10)
    assert found["alarm"].sum() == 1 and (found["alarm"] == (found["statistic"] > found["limit"])).iloc[:100].all()


@pytest.mark.parametrize("lags", [0, 5])
def test_scores_of_a_logit_and_of_columns(lags):
    m = 250
    found = si.monitor("b ~ x", DATA, burn_in=m, family="binomial", lags=lags, watch="scores").path
    fit = si.glm("b ~ x", DATA.iloc[:m], family="binomial")
    X = np.column_stack([np.ones(len(DATA)), DATA["x"]])
    psi = X * (DATA["b"].to_numpy() - special.expit(X @ fit.params.to_numpy()))[:, None]
    columns = DATA[["x", "z"]].to_numpy()
    centred = columns - columns[:m].mean(axis=0)
    also = si.monitor("~ x + z", DATA, burn_in=m, lags=lags).path
    for path, rows_, lost in ((found, psi, 2), (also, centred, 1)):
        S = rows_[:m].T @ rows_[:m]
        for j in range(1, lags + 1):
            cross = rows_[j:m].T @ rows_[: m - j]
            S = S + (1 - j / (lags + 1)) * (cross + cross.T)
        Q = np.cumsum(rows_[m:], axis=0)
        expected = np.sqrt(np.einsum("ni,ij,nj->n", Q, np.linalg.inv(S / (m - lost)), Q) / m)
        np.testing.assert_allclose(path["statistic"], expected, rtol=1e-6)


def test_residuals_alone_and_the_horizon():
    path = si.monitor("y ~ x", DATA, burn_in=200, watch="residuals", horizon=100, boundary="csw").path
    fit = si.lm("y ~ x", DATA.iloc[:200])
    error = DATA["y"] - fit.predict(DATA)["estimate"]
    expected = error.iloc[200:].cumsum().abs() / (200 * (error.iloc[:200] ** 2).sum() / 198) ** 0.5
    np.testing.assert_allclose(path["statistic"], expected, rtol=1e-9)
    assert np.isinf(path["limit"].iloc[100:]).all() and not path["alarm"].iloc[100:].any()


# --- martingales --------------------------------------------------------------------------------------------


def test_bets_are_fair_and_match_their_integrals():
    grid = (np.arange(4000) + 0.5) / 4000
    for bet in (jumper, lambda u: power(u, 0.7), mixture):
        after = np.array([bet(np.array([0.3, 0.8, u]))[-1] for u in grid])
        before = bet(np.array([0.3, 0.8]))[-1]
        # A mean over a midpoint grid of a density with a pole at zero.
        assert abs(np.exp(after - before).mean() - 1.0) < 0.03
    u = np.array([0.02, 0.4, 0.9, 0.1])
    for n in range(1, 5):
        exact = integrate.quad(lambda e, n=n: np.exp(n * np.log(e) + (e - 1) * np.log(u[:n]).sum()), 0, 1)[0]
        assert abs(np.exp(mixture(u)[n - 1]) - exact) < 1e-9
    high = np.full(3000, 0.999)
    assert np.isfinite(mixture(high)).all() and abs(np.exp(mixture(high)[-1]) - 1 / (3001 - 3000 * 0.001)) < 1e-4


def test_statistics_made_of_a_martingale():
    logs = np.cumsum(np.random.default_rng(2).normal(size=50))
    growth = np.exp(logs[:, None] - np.concatenate([[0.0], logs[:-1]])[None])
    lower = np.tril(np.ones((50, 50), bool))
    np.testing.assert_allclose(np.exp(cusum_of(logs)), np.where(lower, growth, 0).max(axis=1))
    np.testing.assert_allclose(np.exp(shiryaev_roberts_of(logs)), np.where(lower, growth, 0).sum(axis=1))


def test_conformal_p_values_rank_residuals_of_the_first_half():
    found = si.monitor("y ~ x", DATA, method="martingale", burn_in=100)
    fit = si.lm("y ~ x", DATA.iloc[:50])
    score = (DATA["y"] - fit.predict(DATA)["estimate"]).abs().to_numpy()
    p = found.path["p_value"].to_numpy()
    for i in (100, 250, 599):
        beyond = (score[50:i] > score[i]).sum()
        assert beyond / (i - 49) <= p[i - 100] <= (beyond + 1) / (i - 49)


@pytest.mark.parametrize("statistic", ["martingale", "cusum", "shiryaev-roberts"])
@pytest.mark.parametrize("betting", ["histogram", "jumper", "mixture", "power"])
def test_a_change_is_found(statistic, betting):
    data = rows(900, 500, shift=3.0)
    found = si.monitor("y ~ x", data, method="martingale", betting=betting, statistic=statistic)
    assert len(found.alarms) == 1 and 500 <= found.alarms["row"].iloc[0] < 750


# --- streams, files, kinds ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("restart", [False, True])
def test_pieces_files_and_streams_go_on_as_one_call(method, restart, tmp_path):
    data = rows(700, 300, shift=3.0)
    options = {"restart": restart} if method != "adwin" else {"clock": 8}
    whole = si.monitor("y ~ x", data, time="t", method=method, **options)
    first = si.monitor("y ~ x", data.iloc[:333], time="t", method=method, **options)
    before = first.path
    read = si.load(first.save(tmp_path / "run.si"))
    parts = read.update(data.iloc[333:340]).update(pl.from_pandas(data.iloc[340:]))
    stream = si.monitor("y ~ x", iter([data.iloc[:150], data.iloc[150:]]), time="t", method=method, **options)
    for other in (parts, stream):
        pd.testing.assert_frame_equal(other.path, whole.path, rtol=1e-12)
    pd.testing.assert_frame_equal(first.path, before)
    assert parts.alarms["t"].tolist() == whole.alarms["t"].tolist() != []
    assert whole.nobs == 700 and whole.path["t"].is_monotonic_increasing


def test_monitoring_begins_again_after_an_alarm():
    data = rows(700, 200, shift=3.0)
    found = si.monitor("y ~ x", data, restart=True)
    at = int(found.alarms["row"].iloc[0])
    again = si.monitor("y ~ x", data.iloc[at + 1 :].reset_index(drop=True))
    path = found.path[found.path["row"] > at]
    np.testing.assert_allclose(path["statistic"], again.path["statistic"], rtol=1e-9)
    assert path["row"].iloc[0] == at + 101
    waiting = si.monitor("y ~ x", data.iloc[: at + 11], restart=True)
    assert "Learning anew: 10 of 100" in str(waiting) and waiting.glance()["alarms"].iloc[0] == 1


@pytest.mark.parametrize("method", METHODS)
def test_figures_and_tables(method):
    found = si.monitor("y ~ x", pl.from_pandas(DATA), method=method)
    assert isinstance(found.path, pl.DataFrame) and isinstance(found.alarms, pl.DataFrame)
    assert len(found.plot().lines) >= 2
    assert "Guarantee" in str(found)


# --- bad input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "options", "error", "says"),
    [
        ("y ~ x", {"method": "ddm"}, si.OptionError, "choose one of"),
        ("y ~ x | z", {}, si.FormulaError, "2 parts"),
        ("y", {}, si.FormulaError, "write"),
        ("y ~ x", {"burn_in": 700}, si.DataError, "burn_in=700"),
        ("y ~ x", {"burn_in": 4, "method": "martingale"}, si.DataError, "raise burn_in"),
        ("~ x + z", {"method": "adwin"}, si.OptionError, "2 columns"),
        ("~ x + z", {"method": "martingale", "score": "signed"}, si.OptionError, "signed"),
        ("~ x", {"watch": "residuals"}, si.OptionError, "constant"),
        ("y ~ 0 + x", {"watch": "residuals"}, si.OptionError, "constant"),
        ("y ~ 1", {"method": "adwin", "bounds": (0, 1)}, si.DataError, "lie outside"),
        ("y ~ 1", {"method": "adwin", "bounds": (1, 0)}, si.OptionError, "bounds"),
        ("y ~ x", {"family": "poisson"}, si.DataError, "at least 0"),
        ("y ~ x", {"level": 1.0}, si.OptionError, "level"),
        ("y ~ x + offset(z)", {}, si.OptionError, "offset"),
        ("y ~ x", {"weights": "x"}, si.OptionError, "weights"),
    ],
)
def test_what_cannot_be_used_is_refused(formula, options, error, says):
    with pytest.raises(error, match=says):
        si.monitor(formula, DATA, **options)


def test_an_exact_first_part_and_constant_columns():
    exact = DATA.assign(y=np.where(np.arange(600) < 100, 1.0, DATA["y"]))
    with pytest.raises(si.DataError, match="without error"):
        si.monitor("y ~ 1", exact)
    flat = DATA.assign(z=np.where(np.arange(600) < 100, 2.0, DATA["z"]))
    with pytest.warns(si.StatinfWarning, match="'z'"):
        found = si.monitor("y ~ x + z", flat)
    np.testing.assert_allclose(found.path["statistic"], si.monitor("y ~ x", flat).path["statistic"], rtol=1e-9)


def test_time_must_not_run_backwards():
    found = si.monitor("y ~ x", DATA.iloc[300:], time="t")
    with pytest.raises(si.DataError, match="runs backwards"):
        found.update(DATA.iloc[:10])


@pytest.mark.slow
@pytest.mark.parametrize("method", ["cusum", "martingale"])
def test_false_alarms_are_as_rare_as_the_level_says(method):
    """Of 400 streams without a change at most qbinom(.9995, 400, .05) = 36 give an alarm."""
    options = {"horizon": 2000} if method == "cusum" else {}
    alarms = 0
    for seed in range(400):
        data = rows(2200, 5000, seed + 100)
        alarms += len(si.monitor("y ~ x", data, method=method, burn_in=200, seed=seed, **options).alarms)
    assert alarms <= 36


@pytest.mark.parametrize("method", METHODS)
def test_separation_of_the_first_rows_is_refused(method):
    separated = DATA.assign(b=(DATA["x"] > 0.0) * 1.0)
    with pytest.raises(si.NotIdentifiedError, match="first .* rows: separation.*'x'.*burn_in"):
        si.monitor("b ~ x", separated, method=method, family="binomial")


def test_a_martingale_says_which_rate_of_false_alarms_holds():
    assert "1 - level" in str(si.monitor("y ~ x", DATA, method="martingale").summary())
    found = si.monitor("y ~ x", DATA, method="martingale", statistic="cusum", run_length=500)
    assert "at least run_length = 500 rows" in str(found.summary()) and "1 - level" not in str(found.summary())
    with pytest.raises(si.OptionError, match="run_length=500 is of statistic='cusum'"):
        si.monitor("y ~ x", DATA, method="martingale", run_length=500)
    with pytest.raises(si.OptionError, match="level=0.9 is of statistic='martingale'"):
        si.monitor("y ~ x", DATA, method="martingale", statistic="shiryaev-roberts", level=0.9)


def test_rows_that_cannot_be_used_are_listed():
    with pytest.raises(si.DataError, match=r"cannot be used: \d+: x is missing\."):
        si.monitor("y ~ x", DATA.assign(x=DATA["x"].where(DATA["x"] < 1.0)), na_action="raise")


def test_first_rows_too_few_for_their_lags_and_zero_counts_are_named():
    with pytest.raises(si.OptionError, match="lags=60: 100 first rows"):
        si.monitor("y ~ 1", DATA, lags=60)
    with pytest.raises(si.DataError, match="'n' is zero in all of the first 100 rows"):
        si.monitor("n ~ 1", DATA.assign(n=(np.arange(600) > 150) * 1), family="poisson")

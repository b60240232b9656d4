"""`si.conformal_online`: other software's numbers, bounds on every path, pieces and files that go on to the bit, bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import statinf as si
from statinf.conformity.online import history
from statinf.conformity.online.dtaci import rates
from statinf.conformity.online.options import GAMMAS

METHODS = ("aci", "dtaci", "agaci", "sf-ogd", "saocp", "enbpi")
GIVEN = METHODS[:-1]


def drifting(n=400, seed=0):
    """An autoregression whose errors double half way."""
    random = np.random.default_rng(seed)
    x = random.normal(size=n)
    y = 1.0 + x + random.standard_normal(n) * np.where(np.arange(n) < n // 2, 1.0, 2.0)
    return pd.DataFrame({"t": np.arange(n), "y": y, "x": x, "p": 1.0 + x, "low": x, "high": x + 2.0})


DATA = drifting()


def fixture():
    """The series on which R's AdaptiveConformal was run."""
    t = np.arange(1, 201)
    p = np.sin(t / 7)
    return pd.DataFrame({"t": t, "p": p, "y": p * (1 + t / 100) + ((37 * t % 101) / 50 - 1) * (1 + (t > 100))})


@pytest.mark.parametrize(
    ("method", "options", "coverage", "width"),
    [
        ("aci", {"gamma": 0.02, "quantile": "plain"}, 0.875, 3.81210855),
        ("dtaci", {"quantile": "plain"}, 0.87, 3.82042741846),
        ("sf-ogd", {"gamma": 1.0}, 0.855, 3.6792446714),
    ],
)
def test_the_same_intervals_as_adaptive_conformal_in_r(monkeypatch, method, options, coverage, width):
    # R multiplies n by the level and takes the next whole number even where the product is one up to rounding.
    monkeypatch.setattr(history, "SLACK", 0.0)
    fit = si.conformal_online("y ~ p", fixture(), time="t", model="given", method=method, **options)
    path = fit.path
    assert path["covered"].mean() == coverage
    assert (path["upper"] - path["lower"]).mean() == pytest.approx(width, rel=1e-8)
    if method == "aci":
        np.testing.assert_allclose(path["level_used"][[1, 2, 10, 50, 100]], [0.918, 0.936, 0.96, 0.96, 0.98])
    if method == "dtaci":
        assert path["level_used"].iloc[-1] == pytest.approx(0.990287871496, rel=1e-11)
        assert rates(0.9, 8, 100)[0] == pytest.approx(5.671439731, rel=1e-9)


# --- bounds ---------------------------------------------------------------------------------------------------


def sequences():
    """Outcomes around a prediction of zero, some of them chosen against the method."""
    random = np.random.default_rng(7)
    n = np.arange(1, 501)
    yield "noise", random.standard_normal(500)
    yield "growing for ever", 1.02**n
    yield "shrinking for ever", 0.98**n
    yield "jump", np.where(n < 250, 1.0, 100.0) * random.standard_normal(500)
    yield "ties", random.integers(0, 3, 500).astype(float)
    yield "constant", np.ones(500)
    yield "waves", np.sin(n / 30) * n
    yield "one row", np.array([3.0])


@pytest.mark.parametrize("name", [name for name, _ in sequences()])
@pytest.mark.parametrize("gamma", [0.005, 0.1, 1.0])
@pytest.mark.parametrize("burn_in", [0, 20])
def test_misses_of_aci_are_within_their_bound_at_every_time(name, gamma, burn_in):
    y = np.concatenate([np.linspace(0.0, 2.0, burn_in), dict(sequences())[name]])
    data = pd.DataFrame({"y": y, "p": 0.0 * y})
    fit = si.conformal_online("y ~ p", data, model="given", gamma=gamma, burn_in=burn_in, level=0.8)
    path, n = fit.path, np.arange(1, len(y) - burn_in + 1)
    assert (np.abs(np.cumsum(~path["covered"]) / n - 0.2) <= (0.8 + gamma) / (gamma * n) + 1e-12).all()
    assert fit.bound == pytest.approx((0.8 + gamma) / (gamma * len(n)))
    assert path["level_used"].between(-gamma - 1e-12, 1 + gamma + 1e-12).all()
    inside = (path["lower"] <= path["outcome"]) & (path["outcome"] <= path["upper"])
    assert (inside == path["covered"]).all()
    assert np.isinf(path["upper"][path["level_used"] >= 1]).all()
    assert (path["lower"] > path["upper"])[path["level_used"] <= 0].all()


@pytest.mark.parametrize("method", ["aci", "dtaci", "agaci"])
def test_summaries_promise_no_bound_that_options_lose(method):
    """Outcomes that grow for ever are missed by the plain quantile, which has no infinite sets, in every row."""
    data = pd.DataFrame({"y": 1.02 ** np.arange(1, 501), "p": 0.0})
    usual = si.conformal_online("y ~ p", data, model="given", method=method)
    assert "every path" in usual.guarantee or "every candidate as ACI" in usual.guarantee
    plain = si.conformal_online("y ~ p", data, model="given", method=method, quantile="plain")
    assert plain.path["covered"].mean() < 0.1
    assert "every" not in plain.guarantee.split("coverage")[-1] and "no infinite" in str(plain.summary())
    if method == "aci":
        moved = si.conformal_online("y ~ p", data, model="given", momentum=0.95)
        assert moved.bound is None and "Guarantee: none: levels that follow an average" in str(moved.summary())


def test_momentum_averages_all_misses_so_far_with_weights_that_fade():
    y = np.abs(np.random.default_rng(3).standard_normal(120)) * np.repeat([1.0, 2.0], 60)
    data = pd.DataFrame({"y": y, "p": 0.0})
    fit = si.conformal_online("y ~ p", data, model="given", gamma=0.05, momentum=0.95, level=0.8)
    level, misses, expected = 0.8, [], []
    for t in range(120):
        expected.append(level)
        k = int(np.ceil((t + 1) * level - 1e-9))
        misses.append(float(k <= t and y[t] > (np.sort(y[:t])[k - 1] if k >= 1 else -np.inf)))
        weights = 0.95 ** np.arange(t, -1, -1.0)
        level += 0.05 * (weights @ misses / weights.sum() - 0.2)
    np.testing.assert_allclose(fit.path["level_used"], expected, rtol=1e-12)
    assert fit.bound is None
    with pytest.raises(si.OptionError, match="momentum"):
        si.conformal_online("y ~ p", data, model="given", momentum=1.0)


@pytest.mark.parametrize("name", [name for name, _ in sequences()])
@pytest.mark.parametrize("gamma", [0.05, 5.0])
def test_coverage_of_scale_free_descent_falls_short_by_its_bound_at_most(name, gamma):
    y = dict(sequences())[name]
    data = pd.DataFrame({"y": y, "p": 0.0 * y})
    fit = si.conformal_online("y ~ p", data, model="given", method="sf-ogd", gamma=gamma)
    g = fit.path["covered"].to_numpy(float) - 0.9
    n, size = np.arange(1, len(y) + 1), np.maximum.accumulate(np.abs(y))
    bound = (size + gamma) * np.sqrt(np.cumsum(g**2)) / (gamma * n)
    assert (np.cumsum(g) / n >= -bound - 1e-12).all()
    assert fit.bound == pytest.approx(bound[-1])


def pinball(score, at, level):
    return np.maximum(level * (score - at), (1 - level) * (at - score))


def test_losses_of_dtaci_are_near_every_candidate_over_every_stretch():
    """The bound of fixed share, from any first row to any last one, on the levels that the paper's loss compares."""
    alone = [si.conformal_online("y ~ p", DATA, model="given", gamma=g, burn_in=20).path["level_used"] for g in GAMMAS]
    fit = si.conformal_online("y ~ p", DATA, model="given", method="dtaci", burn_in=20)
    levels, used = np.column_stack(alone), fit.path["level_used"].to_numpy()
    score = np.abs(DATA["y"] - DATA["p"]).to_numpy()
    least = np.array([np.mean(np.append(score[:t] < score[t], False)) for t in range(20, len(score))])
    losses, mixed = pinball(least[:, None], levels, 0.9), pinball(least, used, 0.9)
    eta, sigma = rates(0.9, len(GAMMAS), 100)
    excess = np.cumsum(mixed[:, None] - losses, axis=0)
    # Squared losses are at most those of the worst candidate, whatever the weights.
    square = np.cumsum((losses**2).max(axis=1))
    for first in range(0, len(least), 40):
        for last in range(first + 1, len(least), 17):
            length = last - first
            gap = excess[last] - excess[first]
            room = (np.log(len(GAMMAS) / sigma) - length * np.log(1 - sigma)) / eta + eta / 2 * (
                square[last] - square[first]
            )
            assert (gap <= room + 1e-9).all()
    assert abs(fit.path["covered"].mean() - 0.9) < 0.05


def test_losses_of_saocp_are_near_the_best_radius_over_every_stretch():
    """The rate of the paper, sqrt(length (log T + 1)) times the largest score, with a constant of 15."""
    fit = si.conformal_online("y ~ p", DATA, model="given", method="saocp", burn_in=50)
    path = fit.path
    score = np.abs(path["outcome"] - path["estimate"]).to_numpy()
    scale = score.max()
    mixed = pinball(score, (path["upper"] - path["estimate"]).to_numpy(), 0.9)
    for length in (25, 100, 350):
        for first in range(0, len(score) - length + 1, 25):
            part = slice(first, first + length)
            best = pinball(score[part], np.quantile(score[part], 0.9), 0.9).sum()
            assert mixed[part].sum() - best <= 15 * scale * np.sqrt(length * (np.log(len(score)) + 1))
    assert abs(path["covered"].mean() - 0.9) < 0.06


def test_ends_of_agaci_lose_little_to_the_best_candidate():
    fit = si.conformal_online("y ~ p", DATA, model="given", method="agaci", burn_in=50)
    path = fit.path
    mixed = pinball(path["outcome"], path["upper"], 0.95).sum()
    alone = []
    for gamma in GAMMAS:
        one = si.conformal_online("y ~ p", DATA, model="given", gamma=gamma, burn_in=50).path
        tops = one["upper"].replace(np.inf, one["estimate"].max() + 6.0)
        alone.append(pinball(one["outcome"], tops, 0.95).sum())
    assert mixed <= 1.1 * min(alone)
    assert abs(path["covered"].mean() - 0.9) < 0.05


@pytest.mark.parametrize("ends", ["shortest", "equal"])
def test_coverage_of_enbpi_on_an_autoregression(ends):
    random = np.random.default_rng(5)
    y = np.zeros(3001)
    for t in range(1, 3001):
        y[t] = 0.7 * y[t - 1] + random.exponential() - 1.0
    data = pd.DataFrame({"y": y[1:], "before": y[:-1]})
    fit = si.conformal_online("y ~ before", data, method="enbpi", burn_in=500, ends=ends, models=10)
    # 2,500 rows; windows of 500 errors make misses of neighbouring rows alike: twice the binomial standard error.
    assert abs(fit.path["covered"].mean() - 0.9) < 4 * np.sqrt(0.09 / 2500) + 1 / 500
    width = (fit.path["upper"] - fit.path["lower"]).mean()
    # The 90 % of a unit exponential: shortest from 0 to 2.303, between tails of 5 % from .051 to 2.996.
    assert width == pytest.approx(2.303 if ends == "shortest" else 2.944, rel=0.1)


def test_the_window_of_enbpi_moves_by_batches():
    fit = si.conformal_online("y ~ x", DATA, method="enbpi", burn_in=100, batch=30, models=5)
    path = fit.path
    width = (path["upper"] - path["lower"]).to_numpy()
    assert all(np.ptp(width[a : a + 30]) < 1e-12 for a in range(0, 300, 30)) and len(np.unique(width.round(9))) > 5
    # After a whole batch the window holds the latest hundred errors.
    errors = (path["outcome"] - path["estimate"]).to_numpy()[-fit.run.tracker.size :]
    np.testing.assert_allclose(fit.run.tracker.errors, errors)
    n = len(errors)  # out-of-bag errors of the burn-in, all but a few of its rows
    rank = int(np.ceil(0.9 * (n + 1)))
    ends = np.sort(errors)
    said, gaps = fit.predict(DATA[:1]), ends[rank:] - ends[: n - rank]
    assert (said["upper"] - said["lower"]).iloc[0] == pytest.approx(gaps.min())


# --- going on -------------------------------------------------------------------------------------------------

OPTIONS = [
    *[(m, {"model": "given", "burn_in": 30}) for m in GIVEN],
    *[(m, {"burn_in": 60}) for m in METHODS],
    ("aci", {"burn_in": 60, "refit": 50, "window": 40}),
    ("dtaci", {"burn_in": 60, "refit": 7, "model": "ridge"}),
    ("aci", {"burn_in": 60, "score": "cqr", "momentum": 0.9}),
    ("agaci", {"burn_in": 60, "score": "cqr", "refit": 90, "gamma": [0.01, 0.1]}),
    ("enbpi", {"burn_in": 60, "batch": 7, "window": 30, "models": 4}),
]


@pytest.mark.parametrize(
    ("method", "options"), OPTIONS, ids=lambda v: v if isinstance(v, str) else "-".join(map(str, v))
)
def test_pieces_and_files_go_on_to_the_last_bit(method, options, tmp_path):
    formula = "y ~ p" if options.get("model") == "given" else "y ~ scale(x) + I(x ** 2)"
    whole = si.conformal_online(formula, DATA, time="t", method=method, **options)
    for cuts in ([61, 62, 200, 399], [110, 207]):
        parts = np.split(np.arange(len(DATA)), cuts)
        fit = si.conformal_online(formula, DATA.iloc[parts[0]], time="t", method=method, **options)
        for part in parts[1:]:
            fit = si.load(fit.save(tmp_path / "fit.si")).update(DATA.iloc[part])
        pd.testing.assert_frame_equal(fit.path, whole.path, check_exact=True)
        pd.testing.assert_frame_equal(fit.predict(DATA[:5]), whole.predict(DATA[:5]), check_exact=True)
        assert fit.nobs == whole.nobs == len(DATA) and str(fit) == str(whole)


def test_an_update_leaves_the_result_as_it_was():
    fit = si.conformal_online("y ~ x", DATA[:200], burn_in=50)
    before = fit.path
    after = fit.update(DATA[200:])
    pd.testing.assert_frame_equal(fit.path, before)
    assert len(after.path) == len(before) + 200


def test_every_kind_of_stream_gives_the_same_path(tmp_path):
    whole = si.conformal_online("y ~ x", DATA, time="t", burn_in=50).path
    pq.write_table(pa.Table.from_pandas(DATA), tmp_path / "all.parquet")
    DATA.to_csv(tmp_path / "all.csv", index=False)
    duckdb = pytest.importorskip("duckdb")
    frame = pl.from_pandas(DATA)
    streams = {
        "iterator": iter([DATA[:10], DATA[10:333], DATA[333:]]),
        "rows": (row.to_dict() for _, row in DATA.iterrows()),
        "batches": pa.Table.from_pandas(DATA).to_batches(max_chunksize=60)[0],
        "parquet": tmp_path / "all.parquet",
        "csv": tmp_path / "all.csv",
        "lazy": frame.lazy(),
        "duckdb": duckdb.sql("select * from frame"),
        "shuffled table": DATA.sample(frac=1, random_state=0),
    }
    for name, stream in streams.items():
        fit = si.conformal_online("y ~ x", stream, time="t", burn_in=50)
        if name == "batches":
            fit = fit.update(DATA[60:])
        path = fit.path
        np.testing.assert_array_equal(path.to_numpy(float), whole.to_numpy(float), err_msg=name)


def test_intervals_of_rows_to_come_are_those_that_the_path_will_have():
    for method in METHODS:
        fit = si.conformal_online("y ~ x", DATA[:300], time="t", method=method, burn_in=100)
        said = fit.predict(DATA[300:301].drop(columns="y"))
        found = fit.update(DATA[300:301]).path.iloc[-1]
        np.testing.assert_allclose(
            said[["lower", "upper"]].iloc[0], found[["lower", "upper"]].astype(float), rtol=1e-12
        )


def test_a_model_is_fitted_again_to_all_rows_so_far():
    fit = si.conformal_online("y ~ x", DATA[:260], burn_in=60, refit=100)
    assert [fit.run.base.since, fit.run.base.seen] == [200, 260]
    again = np.polyfit(DATA["x"][:260], DATA["y"][:260], 1)
    assert fit.run.base.fitted.coefficients[0] == pytest.approx(again[0])
    once = si.conformal_online("y ~ x", DATA[:260], burn_in=60)
    half = np.polyfit(DATA["x"][:30], DATA["y"][:30], 1)
    assert once.run.base.fitted.coefficients[0] == pytest.approx(half[0])
    assert once.path["estimate"].iloc[0] == pytest.approx(np.polyval(half, DATA["x"][60]))


def test_given_quantiles_and_learned_ones():
    given = si.conformal_online("y ~ low + high", DATA, model="given", burn_in=100)
    base = np.maximum(DATA["low"] - DATA["y"], DATA["y"] - DATA["high"])
    first = np.sort(base[:100])[int(np.ceil(101 * 0.9)) - 1]
    assert given.path["lower"].iloc[0] == pytest.approx(DATA["low"][100] - first)
    learned = si.conformal_online("y ~ x", DATA, score="cqr", burn_in=200)
    assert "estimate" not in learned.path and "estimate" not in learned.predict(DATA[:2])


# --- time and rows --------------------------------------------------------------------------------------------


def test_times_of_every_kind_order_rows():
    n = len(DATA)
    kinds = {
        "dates": pd.date_range("2020-01-31", periods=n),
        "zones": pd.date_range("2020-01-31", periods=n, tz="Europe/Paris"),
        "text": [f"{i:05d}" for i in range(n)],
        "numbers": np.arange(n) / 7,
        "python dates": pd.date_range("2020-01-31", periods=n).date,
    }
    whole = si.conformal_online("y ~ x", DATA, burn_in=50).path
    assert whole["row"].tolist() == list(range(50, n))
    for name, times in kinds.items():
        data = DATA.assign(when=times).sample(frac=1, random_state=1)
        found = si.conformal_online("y ~ x", data, time="when", burn_in=50)
        (
            pd.testing.assert_frame_equal(found.path.drop(columns="when"), whole.drop(columns="row"), check_exact=True),
            name,
        )


def test_a_path_comes_back_in_the_callers_kind():
    for make, kind in ((pl.from_pandas, pl.DataFrame), (pa.Table.from_pandas, pa.Table)):
        fit = si.conformal_online("y ~ x", make(DATA), time="t", burn_in=50)
        assert (
            isinstance(fit.path, kind)
            and isinstance(fit.coverage(), kind)
            and isinstance(fit.predict(make(DATA)), kind)
        )


def test_running_coverage():
    fit = si.conformal_online("y ~ x", DATA, burn_in=100)
    table, covered = fit.coverage(window=40), fit.path["covered"].to_numpy(float)
    assert table["n"].tolist() == list(range(1, 301))
    np.testing.assert_allclose(table["coverage"], np.cumsum(covered) / np.arange(1, 301))
    assert table["recent"][:39].isna().all()
    np.testing.assert_allclose(table["recent"][39:], np.convolve(covered, np.ones(40) / 40, "valid"))
    endless = si.conformal_online("y ~ p", DATA, model="given", gamma=0.5)
    assert endless.coverage()["infinite"].iloc[-1] == endless.glance()["infinite"][0] > 0


@pytest.mark.parametrize("method", ["aci", "sf-ogd"])
@pytest.mark.parametrize("kind", ["coverage", "band", "level"])
def test_figures(method, kind):
    import matplotlib.pyplot as plt

    fit = si.conformal_online("y ~ x", DATA, method=method, burn_in=100)
    ax = fit.plot(kind)
    assert ax.lines or ax.collections
    plt.close("all")
    with pytest.raises(si.OptionError, match="plot kind"):
        fit.plot("nonsense")


# --- what cannot be used --------------------------------------------------------------------------------------


def test_rows_that_cannot_be_used_are_left_out_and_counted():
    holes = DATA.copy()
    holes.loc[[3, 250], "x"], holes.loc[300, "y"] = np.nan, np.nan
    with pytest.warns(si.StatinfWarning, match="is missing"):
        fit = si.conformal_online("y ~ x", holes, time="t", burn_in=50)
    assert fit.dropped == {"x is missing": 2, "y is missing": 1} and fit.nobs == 397
    kept = si.conformal_online("y ~ x", holes.dropna(), time="t", burn_in=50)
    pd.testing.assert_frame_equal(fit.path, kept.path, check_exact=True)
    with pytest.warns(si.StatinfWarning, match="1: y is missing"):
        assert fit.update(holes[300:301].assign(t=500)).dropped["y is missing"] == 2
    with pytest.raises(si.DataError, match="na_action='raise'"):
        si.conformal_online("y ~ x", holes, burn_in=50, na_action="raise")


def test_leading_rows_without_lags_do_not_count_as_burn_in():
    lagged = DATA.assign(before=DATA["y"].shift(70))
    with pytest.warns(si.StatinfWarning, match="70: before is missing"):
        fit = si.conformal_online("y ~ before", lagged, burn_in=20)
    assert len(fit.path) == 400 - 70 - 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gamma": 0.0}, "gamma=0.0"),
        ({"gamma": 1.5}, "gamma=1.5"),
        ({"method": "dtaci", "gamma": [0.1, 2.0]}, "gamma="),
        ({"method": "dtaci", "gamma": []}, "gamma="),
        ({"method": "agaci", "gamma": [0.1, 0.1]}, "different"),
        ({"burn_in": -1}, "burn_in"),
        ({"burn_in": 1}, "at least two rows"),
        ({"window": 0}, "window"),
        ({"time": 3}, "time=3"),
        ({"model": "given", "score": "cqr"}, "nothing to fit"),
        ({"model": "given", "refit": 5}, "nothing to fit"),
        ({"model": "given", "method": "enbpi"}, "models of its own"),
        ({"model": "nonsense"}, "model='nonsense'"),
        ({"model": "lm", "score": "cqr"}, "cannot serve"),
        ({"method": "sf-ogd", "window": 5}, "window= is an option of"),
        ({"method": "acii"}, "aci"),
        ({"level": 90}, "level"),
    ],
)
def test_options_are_refused_before_any_row_is_read(options, message):
    with pytest.raises(si.OptionError, match=message):
        si.conformal_online("y ~ x", DATA[:0], **options)


def test_data_that_cannot_be_used_are_refused_by_name():
    with pytest.raises(si.DataError, match="burn_in=100"):
        si.conformal_online("y ~ x", DATA[:60])
    with pytest.raises(si.DataError, match="'t' is missing in 1"):
        si.conformal_online("y ~ x", DATA.assign(t=DATA["t"].where(DATA["t"] != 5)), time="t")
    with pytest.raises(si.DataError, match="no rows"):
        si.conformal_online("y ~ x", DATA[:0])
    with pytest.raises(si.DataError, match="'when'"):
        si.conformal_online("y ~ x", DATA, time="when")
    with pytest.raises(si.OptionError, match="2 columns|3 columns"):
        si.conformal_online("y ~ low + high + x", DATA, model="given")
    with pytest.raises(si.OptionError, match="offset"):
        si.conformal_online("y ~ x + offset(p)", DATA)
    with pytest.raises(si.OptionError, match="burn_in= rows whose scores"):
        si.conformal_online("y ~ p", DATA, model="given", method="sf-ogd")
    with pytest.raises(si.DataError, match="all scores of the burn-in are zero"):
        si.conformal_online("y ~ y0", DATA.assign(y0=DATA["y"]), model="given", method="saocp", burn_in=10)


def test_time_that_runs_backwards_is_refused():
    fit = si.conformal_online("y ~ x", DATA[100:300], time="t", burn_in=50)
    with pytest.raises(si.DataError, match="time runs backwards: 't' is 0 after 299"):
        fit.update(DATA[:100])
    with pytest.raises(si.DataError, match="runs backwards"):
        si.conformal_online("y ~ x", iter([DATA[200:], DATA[:200]]), time="t", burn_in=50)
    with pytest.raises(si.DataError, match="whole numbers and now holds text"):
        fit.update(DATA[300:].assign(t="later"))


def test_predictions_need_rows():
    fit = si.conformal_online("y ~ x", DATA, burn_in=50)
    with pytest.raises(si.NotIdentifiedError, match="keeps no rows"):
        fit.predict()
    with pytest.raises(si.OptionError, match="prediction intervals only"):
        fit.predict(DATA, interval="confidence")
    with pytest.raises(si.OptionError, match="window"):
        fit.coverage(window=0)

"""`si.calibrate_online`: the papers' numbers, regret and calibration on chosen paths, pieces and files, bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import optimize

import statinf as si
from statinf.conformity.forecasts.calibeating import Hedging, Tracking, bin_of
from statinf.conformity.forecasts.platt import fit_platt
from statinf.numerics.recursions.hedging import hedge, hedge_ahead, hedge_start
from statinf.numerics.recursions.newton_steps import newton_path, newton_start, projected
from statinf.numerics.recursions.scanning import through


def fixture(n=30):
    """The series of the sheet of numbers: forecasts and outcomes by formula."""
    t = np.arange(1, n + 1)
    return pd.DataFrame({"t": t, "p": 0.5 + 0.4 * np.sin(t), "y": (7 * t % 5 < 2).astype(float)})


def drifting(n=2000, seed=0):
    """Forecasts of a class whose share falls."""
    random = np.random.default_rng(seed)
    share = np.linspace(0.9, 0.1, n)
    y = (random.uniform(size=n) < share).astype(float)
    x = 2.0 * y + random.normal(size=n)
    return pd.DataFrame({"t": np.arange(n), "y": y, "p": 1.0 / (1.0 + np.exp(2.0 - 2.0 * x - np.log(9.0)))})


DATA = drifting()
METHODS = ("ops", "obs", "platt")


def test_the_papers_numbers_of_platt_scaling():
    path = si.calibrate_online("y ~ p", fixture(), time="t").path
    expected = [0.8365883939, 0.8203915475, 0.156115476, 0.3281640886, 0.3075038224]
    np.testing.assert_allclose(path["calibrated"][[0, 1, 4, 9, 29]], expected, atol=6e-10)
    # Parameters before rows 2, 5, 10 and 30.
    after = {1: (0.86679855, -0.08156556), 4: (0.76604755, -0.13488839), 9: (0.57032831, -0.18459539),
             29: (0.25417944, -0.26656771)}  # fmt: skip
    for n, theta in after.items():
        np.testing.assert_allclose(si.calibrate_online("y ~ p", fixture(n)).parameters, theta, atol=6e-9)
    zero = si.calibrate_online("y ~ p", fixture(), start="zero").path["calibrated"]
    assert zero[29] == pytest.approx(0.4587026434, abs=6e-11)  # the authors' code
    np.testing.assert_allclose(
        si.calibrate_online("y ~ p", fixture(1), start="zero").parameters, [-0.08091127, -0.0495458], atol=6e-9
    )


def test_the_papers_numbers_of_tracking():
    path = si.calibrate_online("y ~ p", fixture(), calibeat="tracking").path
    np.testing.assert_allclose(path["calibrated"][[0, 1, 4, 9, 29]], [0.85, 0.425, 0.15, 0.35, 0.27], rtol=1e-12)
    assert list(path.columns) == ["row", "outcome", "forecast", "scaled", "calibrated"]


def newton(features, y, start, gamma, rho, radius=100.0):
    """Online Newton steps with matrices inverted anew, and a projection found by minimisation."""
    theta, A, out = np.array(start), rho * np.eye(len(start)), []
    for v, o in zip(np.column_stack([*features, np.ones(len(y))]), y, strict=True):
        p = 1.0 / (1.0 + np.exp(-theta @ v))
        out.append(p)
        g = (p - o) * v
        A = A + np.outer(g, g)
        theta = theta - np.linalg.solve(A, g) / gamma
        if np.linalg.norm(theta) > radius:
            angle = nearest_angle(theta, A, radius)
            theta = radius * np.array([np.cos(angle), np.sin(angle)])
    return np.array(out)


def nearest_angle(theta, A, radius):
    """Where a circle is nearest to a point in the norm of A, by a fine grid and a search around its best point."""

    def gap(angle):
        d = theta[:, None] - radius * np.array([np.cos(angle), np.sin(angle)])
        return np.einsum("ik,ij,jk->k", d, A, d)

    grid = np.linspace(-np.pi, np.pi, 4001)
    middle = grid[np.argmin(gap(grid))]
    ends = (middle - 0.002, middle + 0.002)
    found = optimize.minimize_scalar(
        lambda a: gap(np.array([a]))[0], bounds=ends, method="bounded", options={"xatol": 1e-13}
    )
    return found.x


def test_newton_steps_beside_inverted_matrices():
    p, y = DATA["p"].to_numpy()[:300], DATA["y"].to_numpy()[:300]
    beta = si.calibrate_online("y ~ p", DATA[:300], method="obs", gamma=0.2).path["calibrated"]
    np.testing.assert_allclose(beta, newton([np.log(p), np.log1p(-p)], y, (1.0, -1.0, 0.0), 0.2, 25.0), rtol=1e-8)
    platt = si.calibrate_online("y ~ p", DATA[:300], gamma=0.2).path["calibrated"]
    np.testing.assert_allclose(platt, newton([np.log(p) - np.log1p(-p)], y, (1.0, 0.0), 0.2, 100.0), rtol=1e-8)


def test_parameters_that_leave_their_ball_are_brought_back():
    x, y = fixture()["p"].to_numpy() * 4, fixture()["y"].to_numpy()
    (theta, _), found = newton_path(newton_start((1.0, 0.0), 1.0), [x, y], 0.05, 2.0)
    np.testing.assert_allclose(found, newton([x], y, (1.0, 0.0), 0.05, 1.0, radius=2.0), rtol=1e-5, atol=1e-7)
    assert np.linalg.norm(theta) <= 2.0 + 1e-12
    inverse = np.array([[2.0, 0.3], [0.3, 0.5]])
    back = projected(np.array([3.0, -4.0]), inverse, 2.0)
    best = nearest_angle(np.array([3.0, -4.0]), np.linalg.inv(inverse), 2.0)
    np.testing.assert_allclose(back, 2.0 * np.array([np.cos(best), np.sin(best)]), atol=1e-6)


def log_loss(p, y):
    return -np.where(y > 0.5, np.log(p), np.log1p(-p)).sum()


@pytest.mark.parametrize("seed", range(3))
def test_log_loss_is_within_the_regret_bound_of_the_best_fixed_map(seed):
    """The bound of online Newton steps, for the best map in hindsight, at every hundredth row."""
    random = np.random.default_rng(seed)
    x = random.uniform(-1.0, 1.0, 1000)
    y = (random.uniform(size=1000) < 1 / (1 + np.exp(-np.where(np.arange(1000) < 500, 1.0, -0.5) * x - 0.3))).astype(
        float
    )
    data = pd.DataFrame({"y": y, "p": 1 / (1 + np.exp(-x))})
    said = si.calibrate_online("y ~ p", data).path["calibrated"].to_numpy()
    squares = np.cumsum((said - y) ** 2 * (x**2 + 1.0))
    for n in range(100, 1001, 100):
        a, b = x[:n], y[:n]
        best = optimize.minimize(
            lambda t, a=a, b=b: np.logaddexp(0, t[0] * a + t[1]).sum() - b @ (t[0] * a + t[1]), [1, 0]
        )
        apart = np.sum((best.x - [1.0, 0.0]) ** 2)
        room = np.log1p(squares[n - 1] / 200.0) / 0.1 + 0.1 * 100.0 * apart / 2.0
        assert log_loss(said[:n], y[:n]) - best.fun <= room


def test_drift_is_followed_where_a_fixed_map_is_lost():
    fixed = si.calibrate_online("y ~ p", DATA, method="platt", every=None, burn_in=300)
    error = {"fixed": fixed.metrics()["ece"].iloc[-1], "none": fixed.metrics()["ece"].iloc[0]}
    for method in METHODS:
        fit = si.calibrate_online(
            "y ~ p", DATA, method=method, burn_in=300, **({"window": 300, "every": 50} if method == "platt" else {})
        )
        error[method] = fit.metrics()["ece"].iloc[-1]
    tracked = si.calibrate_online("y ~ p", DATA, calibeat="tracking", burn_in=300).metrics()
    assert max(error[m] for m in METHODS) < 0.5 * error["fixed"] < 0.5 * error["none"] + 0.05
    assert tracked["ece"].iloc[-1] < error["fixed"] / 2


@pytest.mark.parametrize("name", ["drift", "ones", "alternating"])
def test_brier_score_of_tracking_is_near_that_of_what_it_tracks(name):
    """Less than half the width of a bin more, and one plus log(rows) for each bin; here hardly more than its square."""
    n = len(DATA)
    y = {"drift": DATA["y"], "ones": np.ones(n), "alternating": np.arange(n) % 2.0}[name]
    fit = si.calibrate_online("y ~ p", DATA.assign(y=y), calibeat="tracking")
    path = fit.path
    scaled, tracked = (np.cumsum((path[c] - path["outcome"]) ** 2) for c in ("scaled", "calibrated"))
    rows = np.arange(1, n + 1)
    assert (tracked <= scaled + 0.01 * rows + 10 * (1 + np.log(rows)) + 1e-9).all()


@pytest.mark.parametrize("bins", [5, 10])
def test_tracking_loses_what_forecasts_tell_within_a_bin(bins):
    """Of forecasts that stand at one end of a bin or the other by the outcome: nearly half the width of a bin, and no more."""
    y = np.random.default_rng(3).integers(0, 2, 4000).astype(float)
    left = np.floor(bins / 2) / bins
    data = pd.DataFrame({"y": y, "p": left + np.where(y > 0.5, 0.999, 0.001) / bins})
    fit = si.calibrate_online("y ~ p", data, method="platt", every=4000, calibeat="tracking", bins=bins)
    brier = fit.metrics().set_index("kind")["brier"]
    lost = brier["calibrated"] - brier["scaled"]
    assert 1 / bins**2 < 0.8 / (2 * bins) < lost < 1 / (2 * bins) + bins * (1 + np.log(4000)) / 4000
    assert "plus 1 / (2 bins) and" in str(fit.summary())


def test_steps_that_are_too_small_for_the_curvature_lose_more_than_a_logarithm():
    y = (np.random.default_rng(0).random(20_000) < 0.9).astype(float)
    data = pd.DataFrame({"y": y, "p": 0.5})
    lost = {}
    for gamma in (0.1, 100.0):
        fit = si.calibrate_online("y ~ p", data, gamma=gamma)
        said = fit.path["calibrated"].to_numpy()
        lost[gamma] = [log_loss(said[:n], y[:n]) - log_loss(np.full(n, y[:n].mean()), y[:n]) for n in (1000, 20_000)]
        assert "where the loss curves at least gamma times its squared slope" in str(fit.summary())
    assert lost[0.1][1] < 2 * lost[0.1][0] and lost[100.0][1] > 10 * lost[100.0][0]


def test_hedging_is_calibrated_against_an_adversary():
    """Outcomes that are one exactly where the mean forecast is below one half, knowing all but the draws."""
    state, random, bins = hedge_start(10), np.random.default_rng(0), 10
    said, outcomes = [], []
    own = np.array([4])
    for _ in range(300):
        mean = np.mean([hedge_ahead(*state, own, np.float64(u))[0] + 0.5 for u in (0.25, 0.75)]) / bins
        y = float(mean < 0.5)
        state, (played,) = through(hedge, state, [own, random.random(1), np.array([y])])
        said.append((played[0] + 0.5) / bins)
        outcomes.append(y)
    said, outcomes = np.array(said), np.array(outcomes)
    at = bin_of(said, bins)
    error = sum(abs(said[at == b].sum() - outcomes[at == b].sum()) for b in range(bins)) / len(said)
    assert error <= 1 / bins + 2 * np.sqrt(bins / len(said))


def foster(own, uniform, y, bins=10):
    """The game written out."""
    counts, ones, out = np.zeros((bins, bins)), np.zeros((bins, bins)), []
    for b, u, o in zip(own, uniform, y, strict=True):
        mean = [ones[b, i] / counts[b, i] if counts[b, i] else (i + 0.5) / bins for i in range(bins)]
        d, e = [i / bins - mean[i] for i in range(bins)], [mean[i] - (i + 1) / bins for i in range(bins)]
        good = [i for i in range(bins) if d[i] <= 0 and e[i] <= 0]
        if b in good:
            i = b
        elif good:
            i = good[0]
        else:
            i = next(j for j in range(bins) if d[j] > 0) - 1
            i += u >= d[i + 1] / (d[i + 1] + e[i])
        counts[b, i] += 1
        ones[b, i] += o
        out.append(int(i))
    return out


def test_the_randomised_game():
    random = np.random.default_rng(1)
    own, uniform, y = random.integers(0, 4, 800), random.random(800), (random.random(800) < 0.43).astype(float)
    _, (played,) = through(hedge, hedge_start(10), [own, uniform, y])
    assert played.tolist() == foster(own, uniform, y)


def test_bins_hold_their_right_ends():
    assert bin_of(np.array([0.0, 0.1, 0.1001, 0.3, 0.7, 1.0]), 10).tolist() == [0, 0, 1, 2, 6, 9]
    whole = si.calibrate_online("y ~ p", DATA, calibeat="tracking", bins=1).path
    before = (0.5 + np.cumsum(DATA["y"]) - DATA["y"]) / np.arange(1, len(DATA) + 1)
    np.testing.assert_allclose(whole["calibrated"], before)


@pytest.mark.parametrize("y", ["all one", "separated", "noise"])
def test_platts_map(y):
    x = np.linspace(-2.0, 3.0, 40)
    y = {"all one": np.ones(40), "separated": (x > 0).astype(float), "noise": (np.arange(40) % 3 == 0).astype(float)}[y]
    theta = fit_platt(x, y, np.array([1.0, 0.0]))
    ones = y.sum()
    target = np.where(y > 0.5, (ones + 1) / (ones + 2), 1 / (40 - ones + 2))
    best = optimize.minimize(
        lambda t: (np.logaddexp(0, t[0] * x + t[1]) - target * (t[0] * x + t[1])).sum(), [0.0, 0.0], tol=1e-12
    )
    np.testing.assert_allclose(theta, best.x, atol=2e-5)
    np.testing.assert_allclose(fit_platt(np.full(40, 0.3), y, np.zeros(2))[0], 0.0)


def test_platt_scaling_is_fitted_when_it_says():
    fit = si.calibrate_online("y ~ p", DATA, method="platt", every=500, window=None)
    path = fit.path
    np.testing.assert_allclose(path["calibrated"][:500], path["forecast"][:500])
    x = np.log(DATA["p"]) - np.log1p(-DATA["p"])
    theta = fit_platt(x[:1500].to_numpy(), DATA["y"][:1500].to_numpy(), np.zeros(2))
    np.testing.assert_allclose(
        path["calibrated"][1500:2000], 1 / (1 + np.exp(-theta[0] * x[1500:] - theta[1])), rtol=1e-6
    )
    windowed = si.calibrate_online("y ~ p", DATA, method="platt", every=500, window=200)
    theta = fit_platt(x[1300:1500].to_numpy(), DATA["y"][1300:1500].to_numpy(), np.zeros(2))
    np.testing.assert_allclose(
        windowed.path["calibrated"][1500:], 1 / (1 + np.exp(-theta[0] * x[1500:] - theta[1])), rtol=1e-6
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("calibeat", [None, "tracking", "hedging"])
def test_pieces_and_files_go_on_to_the_last_bit(method, calibeat, tmp_path):
    data = DATA[:500]
    options = {"burn_in": 40, "calibeat": calibeat, "time": "t"} | (
        {"every": 60, "window": 150} if method == "platt" else {}
    )
    whole = si.calibrate_online("y ~ p", data, method=method, **options)
    for cuts in ([1, 39, 41, 300], [130, 421]):
        parts = np.split(np.arange(len(data)), cuts)
        fit = si.calibrate_online("y ~ p", data.iloc[parts[0]], method=method, **options)
        for part in parts[1:]:
            fit = si.load(fit.save(tmp_path / "fit.si")).update(data.iloc[part])
        pd.testing.assert_frame_equal(fit.path, whole.path, check_exact=True)
        pd.testing.assert_frame_equal(fit.predict(data[:50]), whole.predict(data[:50]), check_exact=True)
        assert str(fit) == str(whole) and len(fit.path) == 460


def test_probabilities_to_come_are_those_that_the_path_will_have():
    for method in METHODS:
        for calibeat in (None, "tracking", "hedging"):
            fit = si.calibrate_online("y ~ p", DATA[:1000], method=method, calibeat=calibeat)
            said = fit.predict(DATA[1000:1001].drop(columns="y"))["estimate"].iloc[0]
            assert said == pytest.approx(fit.update(DATA[1000:1001]).path["calibrated"].iloc[-1], rel=1e-12)


def test_metrics_by_their_definitions():
    fit = si.calibrate_online("y ~ p", DATA, calibeat="hedging")
    table = fit.metrics(every=600)
    assert table["rows"].unique().tolist() == [600, 1200, 1800, 2000]
    p, y = fit.path["forecast"][:600].to_numpy(), DATA["y"][:600].to_numpy()
    at = np.minimum(np.ceil(p * 10).astype(int) - 1, 9)
    ece = sum(abs(p[at == b].mean() - y[at == b].mean()) * np.mean(at == b) for b in np.unique(at))
    sharp = sum(y[at == b].mean() ** 2 * np.mean(at == b) for b in np.unique(at))
    row = table.iloc[0]
    expected = [ece, sharp, log_loss(p, y) / 600, np.mean((p - y) ** 2)]
    np.testing.assert_allclose(row[["ece", "sharpness", "log_loss", "brier"]].to_numpy(float), expected, rtol=1e-4)
    assert isinstance(si.calibrate_online("y ~ p", pl.from_pandas(DATA)).metrics(), pl.DataFrame)


def test_streams_and_orders_of_time():
    whole = si.calibrate_online("y ~ p", DATA, time="t").path
    shuffled = si.calibrate_online("y ~ p", DATA.sample(frac=1, random_state=0), time="t").path
    pieces = si.calibrate_online("y ~ p", iter([DATA[:3], DATA[3:1100], DATA[1100:]]), time="t").path
    lazy = si.calibrate_online("y ~ p", pl.from_pandas(DATA).lazy(), time="t").path
    for found in (shuffled, pieces, lazy):
        np.testing.assert_array_equal(np.asarray(found), np.asarray(whole))


@pytest.mark.parametrize("kind", ["calibration", "error", "path"])
@pytest.mark.parametrize("calibeat", [None, "tracking"])
def test_figures(kind, calibeat):
    import matplotlib.pyplot as plt

    ax = si.calibrate_online("y ~ p", DATA[:200], calibeat=calibeat).plot(kind)
    assert len(ax.lines) >= 2
    plt.close("all")


def test_forecasts_of_zero_and_one_are_clipped_and_counted():
    data = DATA.assign(p=np.where(np.arange(2000) % 4 == 0, np.round(DATA["p"]), DATA["p"]))
    fit = si.calibrate_online("y ~ p", data)
    assert np.isfinite(fit.path["calibrated"]).all() and fit.run.clipped == 500
    assert "500" in str(fit)


def test_logical_outcomes_and_one_row():
    same = si.calibrate_online("y ~ p", DATA.assign(y=DATA["y"] > 0.5)).path["calibrated"]
    np.testing.assert_array_equal(same, si.calibrate_online("y ~ p", DATA).path["calibrated"])
    assert len(si.calibrate_online("y ~ p", DATA[:1]).path) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gamma": 0.0}, "gamma"),
        ({"calibeat": "nonsense"}, "calibeat"),
        ({"clip": 0.5}, "clip"),
        ({"bins": 0}, "bins"),
        ({"method": "platt", "gamma": 0.1}, "gamma= is an option of"),
        ({"method": "platt", "every": None}, "burn_in="),
        ({"method": "isotonic"}, "ops"),
        ({"start": "one"}, "start"),
    ],
)
def test_options_are_refused_before_any_row_is_read(options, message):
    with pytest.raises(si.OptionError, match=message):
        si.calibrate_online("y ~ p", DATA[:0], **options)


def test_data_that_cannot_be_used_are_refused_by_name():
    with pytest.raises(si.DataError, match="'y' must hold 0 and 1; it holds 2"):
        si.calibrate_online("y ~ p", DATA.assign(y=2.0))
    with pytest.raises(si.DataError, match=r"outside \[0, 1\] in 2000 of 2000 rows"):
        si.calibrate_online("y ~ p", DATA.assign(p=1.5))
    with pytest.raises(si.FormulaError, match="one probability"):
        si.calibrate_online("y ~ p + t", DATA)
    with pytest.raises(si.DataError, match="no rows"):
        si.calibrate_online("y ~ p", DATA[:0])
    with pytest.raises(si.DataError, match="runs backwards"):
        si.calibrate_online("y ~ p", DATA[100:], time="t").update(DATA[:100])
    with pytest.raises(si.OptionError, match="every"):
        si.calibrate_online("y ~ p", DATA).metrics(every=0)
    holes = DATA.assign(p=DATA["p"].where(DATA["t"] != 7), y=DATA["y"].where(DATA["t"] != 9))
    with pytest.warns(si.StatinfWarning, match="is missing"):
        fit = si.calibrate_online("y ~ p", holes)
    assert fit.nobs == 1998 and fit.dropped == {"p is missing": 1, "y is missing": 1}
    with pytest.warns(si.StatinfWarning) as said:
        new = fit.predict(pd.DataFrame({"p": [0.5, np.nan, 1.2]}))["estimate"]
    assert ["outside [0, 1]" in str(w.message) for w in said] == [False, True]
    assert np.isfinite(new[0]) and new[1:].isna().all()


def test_states_of_calibeating_are_small():
    fit = si.calibrate_online("y ~ p", DATA, calibeat="hedging")
    assert isinstance(fit.run.beat, Hedging) and fit.run.beat.drawn == 2000
    assert isinstance(si.calibrate_online("y ~ p", DATA, calibeat="tracking").run.beat, Tracking)

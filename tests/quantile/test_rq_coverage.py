"""Coverage of every kind of interval in a location-scale model with known slopes."""

import numpy as np
import pytest
from scipy.stats import norm

import statinf as si

pytestmark = pytest.mark.filterwarnings("ignore::statinf.errors.NumericalWarning")
TAUS = np.array([0.25, 0.5, 0.75])
REPLICATIONS = 200


def band(level=0.95, count=REPLICATIONS):
    half = 3.0 * np.sqrt(level * (1 - level) / count)
    return level - half, level + half


def sample(seed, n=300):
    rng = np.random.default_rng(seed)
    x = 2 * rng.random(n)
    return {"x": x, "y": 1 + x + (1 + 0.5 * x) * rng.standard_normal(n)}


def hits(make, taus=TAUS, replications=REPLICATIONS):
    slopes = 1 + 0.5 * norm.ppf(taus)
    out = np.zeros((replications, len(taus)))
    for r in range(replications):
        tidy = make(sample(r)).tidy()
        rows = tidy[tidy.term == "x"]
        out[r] = (rows.conf_low <= slopes) & (slopes <= rows.conf_high)
    return out.mean(axis=0)


@pytest.mark.parametrize("vcov", ["nid", "ker"])
def test_sandwich_intervals(vcov):
    share = hits(lambda d: si.rq("y ~ x", d, tau=TAUS, vcov=vcov))
    low, high = band()
    # kernel densities smooth over the window and are known to err on the long side
    assert (share >= low).all() and (share <= (1.0 if vcov == "ker" else high + 0.005)).all(), share


def test_rank_intervals():
    share = hits(lambda d: si.rq("y ~ x", d, tau=[0.5], vcov="rank"), TAUS[1:2], 120)
    low, high = band(count=120)
    assert (share >= low).all() and (share <= high + 0.01).all(), share


@pytest.mark.parametrize("kind", ["pairs", "bayesian", "pwy", "wild", "multiplier"])
def test_bootstrap_intervals(kind):
    share = hits(lambda d: si.rq("y ~ x", d, tau=TAUS[1:], vcov={"boot": kind, "replicas": 100}), TAUS[1:], 100)
    low, high = band(count=100)
    assert (share >= low - 0.01).all() and (share <= min(1.0, high + 0.01)).all(), share


def test_cluster_intervals():
    slopes, out = 1.0, []
    for r in range(150):
        rng = np.random.default_rng(r)
        g = np.repeat(np.arange(60), 6)
        x = np.repeat(rng.standard_normal(60), 6) + 0.3 * rng.standard_normal(360)
        y = x + np.repeat(rng.standard_normal(60), 6) + rng.standard_normal(360)
        fit = si.rq("y ~ x", {"x": x, "y": y, "g": g}, cluster="g")
        tidy = fit.tidy()
        plain = fit.with_vcov("nid").tidy()
        out.append([(t.conf_low[1] <= slopes) & (slopes <= t.conf_high[1]) for t in (tidy, plain)])
    share = np.mean(out, axis=0)
    low, _ = band(count=150)
    assert share[0] >= low - 0.02, share  # 60 clusters: asymptotics are a little short
    assert share[1] < 0.85, share


def test_uniform_band_covers_all_levels_at_once():
    taus = np.arange(2, 19) / 20
    slopes, inside = 1 + 0.5 * norm.ppf(taus), []
    for r in range(80):
        process = si.rq("y ~ x", sample(r), tau=taus).process()
        rows = process[process.term == "x"]
        inside.append(
            [
                ((rows.band_low <= slopes) & (slopes <= rows.band_high)).all(),
                ((rows.conf_low <= slopes) & (slopes <= rows.conf_high)).all(),
            ]
        )
    share = np.mean(inside, axis=0)
    assert share[0] >= band(count=80)[0] and share[1] < 0.85, share


def test_confidence_limits_of_predictions():
    at = {"x": np.array([0.5, 1.5])}
    truth = 1 + at["x"] + (1 + 0.5 * at["x"]) * norm.ppf(0.75)
    inside = []
    for r in range(REPLICATIONS):
        shown = si.rq("y ~ x", sample(r), tau=0.75).predict(at, interval="confidence")
        inside.append((shown["q0.75_lower"] <= truth) & (truth <= shown["q0.75_upper"]))
    share = np.mean(inside, axis=0)
    low, high = band()
    assert (share >= low).all() and (share <= high + 0.005).all(), share

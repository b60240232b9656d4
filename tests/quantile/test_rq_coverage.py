"""Coverage of every kind of interval in a location-scale model with known slopes.

A share of hits is compared with the coverage that theory gives by an exact binomial test: if that is the coverage, a
share falls outside its band with probability `MISS`, all comparisons of a test together. Rows are as many as make the
coverage error of the studentised quantile, of order n^(-2/3) with these bandwidths (Hall and Sheather 1988), no more
than the binomial standard error.
"""

import numpy as np
import pytest
from scipy.stats import binom, norm

import statinf as si

pytestmark = pytest.mark.filterwarnings("ignore::statinf.errors.NumericalWarning")
TAUS = np.array([0.25, 0.5, 0.75])
MISS = 1e-3
REPLICATIONS = 60


def rows_for(count):
    """Rows at which n^(-2/3) is the binomial standard error of `count` trials."""
    return int(np.ceil((0.95 * 0.05 / count) ** (-3 / 4)))


def band(coverage, count, comparisons=1):
    """Shares of `count` trials that are compatible with a coverage."""
    tail = MISS / (2 * comparisons)
    return binom.ppf(tail, count, coverage) / count, binom.ppf(1 - tail, count, coverage) / count


def assert_compatible(share, coverage, count):
    low, high = band(coverage, count, np.size(share))
    assert ((share >= low) & (share <= high)).all(), (share, low, high)


def sample(seed, n):
    rng = np.random.default_rng(seed)
    x = 2 * rng.random(n)
    return {"x": x, "y": 1 + x + (1 + 0.5 * x) * rng.standard_normal(n)}


def hits(make, taus=TAUS, replications=REPLICATIONS):
    n = rows_for(replications)
    slopes = 1 + 0.5 * norm.ppf(taus)
    out = np.zeros((replications, len(taus)))
    for r in range(replications):
        tidy = make(sample(r, n)).tidy()
        rows = tidy[tidy.term == "x"]
        out[r] = (rows.conf_low <= slopes) & (slopes <= rows.conf_high)
    return out.mean(axis=0)


def test_difference_quotient_intervals():
    assert_compatible(hits(lambda d: si.rq("y ~ x", d, tau=TAUS, vcov="nid")), 0.95, REPLICATIONS)


def test_kernel_intervals_cover_at_least():
    """A kernel flattens the density at its peak, so that standard errors are long rather than short."""
    share = hits(lambda d: si.rq("y ~ x", d, tau=TAUS, vcov="ker"))
    assert (share >= band(0.95, REPLICATIONS, len(TAUS))[0]).all(), share


def test_rank_intervals():
    count = 80
    assert_compatible(hits(lambda d: si.rq("y ~ x", d, tau=[0.5], vcov="rank"), TAUS[1:2], count), 0.95, count)


SLOW = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("bayesian", "pwy", "multiplier", "wild")]


@pytest.mark.parametrize("kind", ["pairs", *SLOW])
def test_bootstrap_intervals(kind):
    """Limits at ranks (B + 1) p of the draws, whose expected coverage does not depend on the number of draws B."""
    count = 60
    share = hits(lambda d: si.rq("y ~ x", d, tau=TAUS[1:], vcov={"boot": kind, "replicas": 100}), TAUS[1:], count)
    assert_compatible(share, 0.95, count)


def test_cluster_intervals():
    """And those that take rows as independent: their coverage follows from the correlation of signs in a cluster."""
    out, groups, size, count = [], 200, 6, 100
    for r in range(count):
        rng = np.random.default_rng(r)
        g = np.repeat(np.arange(groups), size)
        x = np.repeat(rng.standard_normal(groups), size) + 0.3 * rng.standard_normal(groups * size)
        y = x + np.repeat(rng.standard_normal(groups), size) + rng.standard_normal(groups * size)
        fit = si.rq("y ~ x", {"x": x, "y": y, "g": g}, cluster="g")
        tables = fit.tidy(), fit.with_vcov("nid").tidy()
        out.append([(t.conf_low[1] <= 1.0) & (t.conf_high[1] >= 1.0) for t in tables])
    share = np.mean(out, axis=0)
    # Errors correlate by 1/2 within a cluster, their signs by 2/pi arcsin(1/2), regressors by 1/1.09.
    inflation = 1 + (size - 1) * (2 / np.pi * np.arcsin(0.5)) / 1.09
    naive = 2 * norm.cdf(norm.ppf(0.975) / np.sqrt(inflation)) - 1
    for found, coverage in zip(share, (0.95, naive), strict=True):
        low, high = band(coverage, count, 2)
        assert low <= found <= high, (share, naive)


def test_uniform_band_covers_all_levels_at_once():
    """And pointwise limits as often as a Brownian bridge over its standard deviation stays within 1.96."""
    taus, count, inside = np.arange(2, 19) / 20, 50, []
    slopes = 1 + 0.5 * norm.ppf(taus)
    for r in range(count):
        process = si.rq("y ~ x", sample(r, rows_for(count)), tau=taus).process()
        rows = process[process.term == "x"]
        inside.append(
            [
                ((rows.band_low <= slopes) & (slopes <= rows.band_high)).all(),
                ((rows.conf_low <= slopes) & (slopes <= rows.conf_high)).all(),
            ]
        )
    share = np.mean(inside, axis=0)
    # With errors of one shape H_t = f(Q(t)) A, so that slopes at two levels correlate as the bridge does.
    bridge = np.minimum.outer(taus, taus) - np.outer(taus, taus)
    correlation = bridge / np.sqrt(np.outer(np.diag(bridge), np.diag(bridge)))
    paths = np.random.default_rng(0).standard_normal((200_000, len(taus))) @ np.linalg.cholesky(correlation).T
    pointwise = (np.abs(paths).max(axis=1) <= norm.ppf(0.975)).mean()
    for found, coverage in zip(share, (0.95, pointwise), strict=True):
        low, high = band(coverage, count, 2)
        assert low <= found <= high, (share, pointwise)


def test_confidence_limits_of_predictions():
    at = {"x": np.array([0.5, 1.5])}
    truth = 1 + at["x"] + (1 + 0.5 * at["x"]) * norm.ppf(0.75)
    inside = []
    for r in range(REPLICATIONS):
        shown = si.rq("y ~ x", sample(r, rows_for(REPLICATIONS)), tau=0.75).predict(at, interval="confidence")
        inside.append((shown["q0.75_conf_low"] <= truth) & (truth <= shown["q0.75_conf_high"]))
    assert_compatible(np.mean(inside, axis=0), 0.95, REPLICATIONS)

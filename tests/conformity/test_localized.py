"""Localised thresholds beside sums written out, their limits, and the coverage promised."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import statinf as si
from statinf.inference.conformal import threshold, weighted_threshold
from statinf.inference.localized import bandwidth_for, localized_p_values, localized_thresholds


def rows(n, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    y = x + rng.normal(size=n) * (1.0 + 2.0 * (x > 0))
    return pd.DataFrame({"x": x, "z": rng.normal(size=n), "y": y, "g": rng.choice(list("ab"), n)})


@pytest.fixture(scope="module")
def data():
    return rows(400)


def written_out(scores, at, centre, new, h, level, weights=None, own=1.0):
    """One row's threshold by the definition: the smallest score whose cumulated weight is at least the level's share."""
    k = np.exp(-0.5 * (((at - centre) / h) ** 2).sum(axis=1)) * (1.0 if weights is None else weights)
    k = np.append(k, own * np.exp(-0.5 * (((new - centre) / h) ** 2).sum()))
    values = np.append(scores, np.inf)
    share = np.array([k[values <= v].sum() for v in values]) / k.sum()
    return values[share >= level * (1.0 - 1e-12)].min()


@pytest.mark.parametrize("weighted", [False, True])
def test_thresholds_are_the_sums_written_out(weighted):
    rng = np.random.default_rng(1)
    scores = rng.integers(0, 40, (70, 2)).astype(float)
    at, new = rng.normal(size=(70, 2)), rng.normal(size=(25, 2))
    centres = new + 0.4 * rng.normal(size=(25, 2))
    w, own = (rng.random(70) + 0.1, rng.random(25) + 0.1) if weighted else (None, None)
    found = localized_thresholds(scores, at, centres, new, 0.4, 0.75, w, own)
    expected = [
        [written_out(s, at, c, x, 0.4, 0.75, w, 1.0 if own is None else own[i]) for s in scores.T]
        for i, (c, x) in enumerate(zip(centres, new, strict=True))
    ]
    np.testing.assert_array_equal(found, expected)
    assert np.isinf(found).any() and np.isfinite(found).any()


def test_wide_kernel_is_split_conformal(data):
    new = rows(40, 1)
    for more in ({}, {"score": "asymmetric"}, {"side": "upper"}, {"score": "normalised"}):
        ours = si.conformal("y ~ x + z", data, method="localized", bandwidth=1e8, **more).predict(new)
        split = si.conformal("y ~ x + z", data, method="split", **more).predict(new)
        np.testing.assert_array_equal(ours.to_numpy(), split.to_numpy())
    weights = lambda d: np.exp(0.5 * d["z"]).to_numpy()  # noqa: E731
    ours = si.conformal("y ~ x", data, method="localized", bandwidth=1e8, weights=weights).predict(new)
    split = si.conformal("y ~ x", data, method="split", weights=weights).predict(new)
    np.testing.assert_array_equal(ours.to_numpy(), split.to_numpy())


def test_narrow_kernel_in_a_category_is_mondrian(data):
    new = rows(40, 2)
    ours = si.conformal("y ~ x | g", data, method="localized", bandwidth=1e-3, randomize=False).predict(new)
    mondrian = si.conformal("y ~ x", data, method="mondrian", by="g").predict(new)
    np.testing.assert_array_equal(ours.to_numpy(), mondrian.to_numpy())


def test_rows_far_from_all_others_have_infinite_sets():
    at = np.zeros((50, 1))
    found = localized_thresholds(
        np.arange(50.0)[:, None], at, np.array([[1e6], [0.0]]), np.array([[1e6], [0.0]]), 1.0, 0.9
    )
    assert found[0, 0] == np.inf
    assert found[1, 0] == threshold(np.arange(50.0), 0.9)
    # Not even the new row is near the centre: ratios of weights still count.
    centre, new = np.array([[60.0]]), np.array([[0.0]])
    tied = localized_thresholds(np.arange(50.0)[:, None], at, centre, new, 1.0, 0.9)
    assert tied[0, 0] == threshold(np.arange(50.0), 0.9)


@pytest.mark.parametrize("bandwidth", [0.15, 0.6])
def test_randomised_sets_cover(bandwidth):
    rng = np.random.default_rng(3)
    level, shares, near = 0.8, [], []
    for _ in range(500):
        x = rng.normal(size=(60 + 20, 1))
        scores = np.abs(rng.normal(size=80)) * (1.0 + 3.0 * (x[:, 0] > 0))
        centres = x[60:] + bandwidth * rng.normal(size=(20, 1))
        q = localized_thresholds(scores[:60, None], x[:60], centres, x[60:], bandwidth, level)[:, 0]
        covered = scores[60:] <= q
        shares.append(covered.mean())
        near.append((covered - level)[x[60:, 0] > 0].sum())
    assert np.mean(shares) > level - 4.0 * np.std(shares) / np.sqrt(500)
    # Where errors are wide split conformal covers 0.66 of the rows.
    assert np.mean(near) / 10.0 > -0.08


@pytest.mark.filterwarnings("ignore:.*sets are infinite")
def test_right_rows_are_covered_where_split_misses():
    data, new = rows(4000, 4), rows(4000, 5)
    new = new.assign(right=new["x"] > 0)
    shares = [
        si.conformal("y ~ x", data, method=method).coverage(new, by="right").set_index("label").loc["True", "coverage"]
        for method in ("split", "localized")
    ]
    assert shares[0] < 0.85 < 0.875 < shares[1]


def test_rows_keep_their_draws(data):
    fit = si.conformal("y ~ x + z", data, method="localized", seed=7)
    new = rows(30, 6)
    whole = fit.predict(new)
    np.testing.assert_array_equal(fit.predict(new[::-1]).to_numpy()[::-1], whole.to_numpy())
    np.testing.assert_array_equal(fit.predict(new.iloc[10:12]).to_numpy(), whole.to_numpy()[10:12])
    other = si.conformal("y ~ x + z", data, method="localized", seed=7, randomize=False).predict(new)
    assert (other["upper"] != whole["upper"]).any()


def test_centres_are_normal_draws_around_the_row(data):
    procedure = si.conformal("y ~ x + z", data, method="localized", bandwidth=0.5).procedure
    steps = (procedure.centres(procedure.at) - procedure.at) / 0.5
    n = len(steps)
    assert np.abs(steps.mean(axis=0)).max() < 4 / np.sqrt(n)
    assert np.abs(np.cov(steps.T) - np.eye(2)).max() < 4 * np.sqrt(2 / n)


def test_bandwidth_sets_what_neighbours_are_worth():
    z = np.random.default_rng(8).normal(size=(300, 2))
    h = bandwidth_for(z, 0.2)
    k = np.exp(-0.5 * ((z[:, None] - z[None]) ** 2).sum(axis=2) / h**2)
    assert np.median(k.sum(axis=1) ** 2 / (k**2).sum(axis=1)) == pytest.approx(60.0, rel=1e-6)
    assert bandwidth_for(10.0 * z, 0.2) == pytest.approx(10.0 * h, rel=1e-9)


def test_density_ratio_in_a_flat_kernel_is_the_weighted_quantile():
    rng = np.random.default_rng(9)
    scores, w, own = rng.random(50), rng.random(50), rng.random(6)
    found = localized_thresholds(
        scores[:, None], np.zeros((50, 1)), np.zeros((6, 1)), np.zeros((6, 1)), 1.0, 0.9, w, own
    )
    np.testing.assert_array_equal(found[:, 0], weighted_threshold(scores, w, own, 0.9))


def test_bad_input(data):
    for bandwidth in (0, -1, np.nan, np.inf, "wide", True):
        with pytest.raises(si.OptionError, match="bandwidth"):
            si.conformal("y ~ x", data, method="localized", bandwidth=bandwidth)
    with pytest.raises(si.OptionError, match="second part"):
        si.conformal("y ~ x", data, method="localized", by="g")
    with pytest.raises(si.OptionError, match="needs a covariate"):
        si.conformal("y ~ 1", data, method="localized")
    from sklearn.linear_model import LinearRegression

    fitted = LinearRegression().fit(data[["x"]].to_numpy(), data["y"])
    with pytest.raises(si.OptionError, match="give bandwidth="):
        si.conformal("y ~ x", data, method="localized", split=0, model=fitted)
    fit = si.conformal("y ~ x", data, method="localized", split=0, model=fitted, bandwidth=2.0)
    np.testing.assert_array_equal(fit.procedure.at[:, 0], data["x"])
    with pytest.raises(si.OptionError, match="without p-values"):
        si.conformal("y ~ x | z", data, method="conditional").p_values(data)


def test_p_values_are_the_weighted_shares_written_out():
    rng = np.random.default_rng(11)
    scores, values = rng.integers(0, 30, (60, 2)).astype(float), rng.integers(0, 30, (20, 2)).astype(float)
    at, new = rng.normal(size=(60, 2)), rng.normal(size=(20, 2))
    centres, u = new + 0.4 * rng.normal(size=(20, 2)), rng.random(20)
    w, own = rng.random(60) + 0.1, rng.random(20) + 0.1
    found = localized_p_values(scores, values, at, centres, new, 0.4, u, w, own)
    for i in range(20):
        k = np.exp(-0.5 * (((at - centres[i]) / 0.4) ** 2).sum(axis=1)) * w
        self_weight = own[i] * np.exp(-0.5 * (((new[i] - centres[i]) / 0.4) ** 2).sum())
        tails = [
            (k[s > v].sum() + u[i] * (k[s == v].sum() + self_weight)) / (k.sum() + self_weight)
            for s, v in zip(scores.T, values[i], strict=True)
        ]
        assert found[i] == pytest.approx(min(1.0, 2.0 * min(tails)), rel=1e-12)


@pytest.mark.filterwarnings("ignore:.*sets are infinite")
@pytest.mark.parametrize("second", ["", " | z"])
@pytest.mark.parametrize("options", [{}, {"score": "asymmetric"}, {"weights": "w"}, {"randomize": False}])
def test_outcomes_are_in_sets_below_one_minus_their_p_value(data, second, options):
    data = data.assign(w=np.exp(0.5 * data["z"]))
    fit = si.conformal("y ~ x" + second, data, method="localized", **options)
    new = rows(80, 12).assign(w=1.0)
    p = fit.p_values(new)
    for level in (0.5, 0.83, 0.9):
        np.testing.assert_array_equal(p > 1.0 - level + 1e-12, fit.contains(new, level=level))
    holes = new.assign(y=np.where(np.arange(80) % 3 == 0, np.nan, new["y"]))
    np.testing.assert_array_equal(fit.p_values(holes), np.where(np.isnan(holes["y"]), np.nan, p))


def test_smoothed_p_values_are_uniform_for_any_bandwidth():
    rng, found = np.random.default_rng(13), []
    for _ in range(600):
        x = rng.normal(size=(31, 1))
        scores = (rng.exponential(size=31) * (1.0 + 3.0 * (x[:, 0] > 0))).round(1)[:, None]
        centre, u = x[30:] + 0.5 * rng.normal(size=(1, 1)), rng.random(1)
        found.append(localized_p_values(scores[:30], scores[30:], x[:30], centre, x[30:], 0.5, u)[0])
    assert stats.kstest(found, "uniform").pvalue > 1e-3


def test_exchangeability_is_tested_on_the_scores_of_held_out_rows(data):
    for method, second in (("localized", ""), ("localized", " | z"), ("conditional", " | z")):
        fit = si.conformal("y ~ x" + second, data, method=method)
        plain = si.conformal("y ~ x", data).exchangeability(rows(60, 14))
        np.testing.assert_array_equal(fit.exchangeability(rows(60, 14)).p_values, plain.p_values)
    with pytest.warns(si.StatinfWarning, match="not exchangeable"):
        fit.coverage(rows(200, 15).assign(y=lambda d: 5.0 * d["y"]), slab=None)

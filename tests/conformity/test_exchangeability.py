"""The exchangeability martingale: exact p-values, factors that integrate to one, Ville's bound, power, bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats

import statinf as si
from statinf.errors import DataError, OptionError, StatinfWarning
from statinf.inference.exchangeability import bets, earlier_counts, growing_p_values, log_martingale


def stream(n, seed, shift=0.0, late=None):
    random = np.random.default_rng(seed)
    x = random.normal(size=n)
    y = 1.0 + x + random.normal(size=n)
    if late is not None:
        y[late:] += shift
    kind = np.where(y > 2.0, "c", np.where(y > 0.5, "b", "a"))
    return pd.DataFrame({"y": y, "x": x, "g": random.choice(["u", "v"], n), "kind": kind})


def test_p_values_are_those_of_the_definition_with_ties():
    random = np.random.default_rng(1)
    old, new, draws = random.integers(0, 6, 7).astype(float), random.integers(0, 6, 37).astype(float), random.random(37)
    found = growing_p_values(old, new, draws)
    for t, (score, u) in enumerate(zip(new, draws, strict=True)):
        bag = np.concatenate([old, new[: t + 1]])
        assert found[t] == pytest.approx(((bag > score).sum() + u * (bag == score).sum()) / len(bag), rel=1e-14)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 64, 65, 100])
def test_earlier_counts_are_those_of_a_loop(n):
    values = np.random.default_rng(n).integers(0, 9, n)
    below, equal = earlier_counts(values)
    assert below.tolist() == [int((values[:t] < values[t]).sum()) for t in range(n)]
    assert equal.tolist() == [int((values[:t] == values[t]).sum()) for t in range(n)]


def test_every_factor_integrates_to_one_given_the_past():
    """Bets are constant on sixteenths, so that the mean over their middles is the integral."""
    past = np.random.default_rng(2).beta(0.5, 1.5, 60)
    middles = (np.arange(16) + 0.5) / 16
    every = np.array([bets(np.append(past, p))[-1] for p in middles])
    np.testing.assert_allclose(every.mean(axis=0), 1.0, rtol=1e-13)
    before = log_martingale(past)[-1]
    factors = np.exp([log_martingale(np.append(past, p))[-1] - before for p in middles])
    assert factors.mean() == pytest.approx(1.0, rel=1e-12)
    assert factors.std() > 0.1


@pytest.mark.parametrize("m", [1, 2, 255, 257, 700])
def test_the_martingale_is_that_of_a_loop_over_rows(m):
    random = np.random.default_rng(m)
    p = np.append(random.random(m // 2), random.beta(0.3, 1.0, m - m // 2))
    histograms = [np.full(k, 0.0) for k in (2, 2, 4, 4, 8, 8, 16, 16)]
    share, value, expected = np.full(9, 1 / 9), 0.0, []
    for x in p:
        density = [1.0]
        for i, seen in enumerate(histograms):
            at = min(int(x * len(seen)), len(seen) - 1)
            density.append(len(seen) * (seen[at] + 0.5) / (seen.sum() + 0.5 * len(seen)))
            seen *= 0.98 if i % 2 else 1.0
            seen[at] += 1.0
        factor = share @ density
        share = 0.999 * share * density / factor + 0.001 / 9
        value += np.log(factor)
        expected.append(value)
    np.testing.assert_allclose(log_martingale(p), expected, rtol=1e-12, atol=1e-12)


def test_villes_bound_holds_with_one_fixed_model_and_few_calibration_rows():
    """At most one percent of exchangeable samples reach 100: the count stays below a binomial quantile at 1e-4."""
    random, trials, reached, small = np.random.default_rng(3), 600, 0, 0
    for _ in range(trials):
        scores = random.standard_t(3, 220)
        path = log_martingale(growing_p_values(scores[:20], scores[20:], random.random(200)))
        reached += path.max() >= np.log(100.0)
        small += path.max() >= np.log(10.0)
    assert reached <= stats.binom.ppf(1 - 1e-4, trials, 0.01)
    assert 0 < small <= stats.binom.ppf(1 - 1e-4, trials, 0.1)


def test_p_values_with_a_growing_bag_are_uniform_and_independent():
    """Over samples the last p-values are uniform and uncorrelated, which those against one small fixed bag are not."""
    random = np.random.default_rng(4)
    found = []
    for _ in range(2000):
        scores = random.normal(size=14)
        found.append(growing_p_values(scores[:4], scores[4:], random.random(10)))
    P = np.array(found)
    assert stats.kstest(P[:, -1], "uniform").pvalue > 1e-4
    correlation = np.corrcoef(P.T)[np.triu_indices(10, 1)]
    assert np.abs(correlation).max() < stats.norm.ppf(1 - 1e-4 / 90) / np.sqrt(2000)


@pytest.mark.parametrize("options", [{}, {"method": "cps"}, {"method": "cqr"}, {"by": "g"}])
def test_a_shift_is_found_and_coverage_warns(options):
    fit = si.conformal("y ~ x", stream(400, 5), **options)
    good, bad = stream(400, 6), stream(400, 7, shift=1.5, late=200)
    assert fit.exchangeability(good).largest < 100
    found = fit.exchangeability(bad)
    assert found.largest > 1e4
    assert found.p_value == pytest.approx(1.0 / found.largest)
    path = found.path
    assert list(path) == ["row", "p_value", "log10", "value"]
    assert path["log10"].argmax() >= 200
    fit.coverage(good)
    with pytest.warns(StatinfWarning, match="conformal_online"):
        fit.coverage(bad)
    assert "Ville" in str(found.summary())


@pytest.mark.parametrize("method", ["lac", "aps", "class-conditional"])
def test_categories(method):
    fit = si.conformal("kind ~ x", stream(400, 8), method=method)
    assert fit.exchangeability(stream(300, 9)).largest < 100
    bad = stream(300, 10, shift=0.0)
    bad["x"] = -bad["x"]
    assert fit.exchangeability(bad).largest > 100
    with pytest.warns(StatinfWarning, match="martingale"):
        fit.coverage(bad)


def test_seed_order_and_saved_results(tmp_path):
    fit, new = si.conformal("y ~ x", stream(200, 11)), stream(150, 12)
    found = fit.exchangeability(new, seed=3)
    assert found.p_values.tolist() == fit.exchangeability(new, seed=3).p_values.tolist()
    by_size = new.assign(size=(new["y"] - new["x"]).abs()).sort_values("size")
    assert fit.exchangeability(by_size).largest > 1e3 * found.largest
    again = si.load(found.save(tmp_path / "martingale.statinf"))
    assert again.log10.tolist() == found.log10.tolist()
    assert found.plot().get_ylabel()


def test_bad_input():
    rows = stream(120, 13)
    fit = si.conformal("y ~ x", rows)
    with pytest.raises(OptionError, match="held-out"):
        si.conformal("y ~ x", rows, method="jackknife+").exchangeability(rows)
    with pytest.raises(OptionError, match="without them"):
        si.conformal("y ~ x", rows, weights=lambda d: np.exp(0.2 * d["x"])).exchangeability(rows)
    with pytest.raises(OptionError, match="held-out"):
        si.conformal("kind ~ x", rows, method="cv+").exchangeability(rows)
    with pytest.raises(DataError, match="no row to test"):
        fit.exchangeability(rows.assign(y=np.nan))
    with pytest.raises(OptionError, match="seed"):
        fit.exchangeability(rows, seed=-1)
    gaps = stream(50, 14)
    gaps.loc[[3, 8], "y"] = np.nan
    found = fit.exchangeability(gaps)
    assert found.nobs == 48
    assert 3 not in found.rows


def test_the_path_is_of_the_kind_of_the_new_rows():
    fit, new = si.conformal("y ~ x", stream(100, 1)), stream(40, 2)
    path = fit.exchangeability(pl.from_pandas(new)).path
    assert isinstance(path, pl.DataFrame) and path.to_pandas().equals(fit.exchangeability(new).path)

"""Simulated coverage against what each theorem says.

Bands are four standard errors wide: a replication's share of T covered rows has variance
``Var(Beta(k, n + 1 - k)) + E[p (1 - p)] / T`` at most where scores are distinct, and is taken from the replications
elsewhere. A correct method fails a check with a probability of about 6e-5.
"""

from __future__ import annotations

import numpy as np
import pytest

from statinf.conformity.cp2_hpd import CP2HPD
from statinf.conformity.cp2_pcp import CP2PCP
from statinf.conformity.cqr import CQR, QuantilePair
from statinf.conformity.leave_out import cv_intervals, guaranteed_level, intervals
from statinf.conformity.pcp import PCP
from statinf.conformity.ranked_sets import full_sets
from statinf.conformity.split import Absolute, Normalised, Signed
from statinf.inference.conformal import Calibration, coverage_band, quantile_rank
from statinf.learners import LeastSquares, Ridge, crossfit, fold_ids, leave_one_out
from statinf.numerics.laws.normal_mixture import NormalMixture
from statinf.numerics.order.intervals import IntervalSets

REPLICATIONS, NEW = 400, 40


class Wrong:
    """A fixed model that is wrong in mean, scale and shape."""

    def mixture(self, X):
        x = X[:, 0]
        means = np.column_stack([x, -x])
        return NormalMixture(np.full_like(means, 0.5), means, np.column_stack([0.5 + 0.1 * np.abs(x), np.ones_like(x)]))

    def predict(self, X):
        return X[:, 0]

    def predict_scale(self, X):
        return 0.5 + 0.2 * np.abs(X[:, 0])

    def predict_quantiles(self, X, taus):
        return self.mixture(X).quantile(taus)

    def sample(self, X, size, *, seed, stream):
        return self.mixture(X).sample(size, seed=seed, stream=stream)


def draw(random, n, discrete=False):
    x = random.normal(size=n)
    y = np.sin(2 * x) + np.exp(0.3 * x) * random.standard_t(5, n)
    return x[:, None], np.round(y) if discrete else y


def split_coverage(score, fitted, n, level, discrete=False):
    random = np.random.default_rng(11)
    data = [draw(random, n + NEW, discrete) for _ in range(REPLICATIONS)]
    X, y = np.concatenate([d[0] for d in data]), np.array([d[1] for d in data])
    if isinstance(score, PCP | CP2PCP):  # fresh draws of the model each time: the guarantee averages over them
        parts = [score.local(fitted, d[0], r) for r, d in enumerate(data)]
        local = tuple(np.concatenate(p) for p in zip(*parts, strict=True))
    else:
        local = score.local(fitted, X, 0)
    old = np.tile(np.arange(n + NEW) < n, REPLICATIONS)
    made = score.score(local, y.ravel()).reshape(REPLICATIONS, n + NEW, -1)
    q = np.concatenate([Calibration(s[:n]).thresholds(level, NEW) for s in made])
    shares = (
        score.sets(tuple(a[~old] for a in local), q).contains(y[:, n:].ravel()).reshape(REPLICATIONS, NEW).mean(axis=1)
    )
    return shares.mean(), shares.std(ddof=1) / np.sqrt(REPLICATIONS)


def scores(level):
    def cqr(variant, side="both"):
        rule = CQR(variant, side)
        return rule, QuantilePair(Wrong(), rule.taus(level), 1e-9)

    plain = [Absolute(), Signed(), Signed("upper"), Signed("lower"), Normalised(), PCP(20), CP2PCP(level, 20, 40)]
    plain += [CP2PCP(level, 20, 40, "difference"), CP2HPD(level), CP2HPD(level, "difference"), CP2HPD(level, "none")]
    variants = [cqr(v) for v in ("symmetric", "asymmetric", "m", "r", "fraction")] + [
        cqr("symmetric", s) for s in ("upper", "lower")
    ]
    return [(s, Wrong()) for s in plain] + variants


@pytest.mark.parametrize("case", range(18))
def test_split_type_methods_cover_exactly(case):
    n, level = 37, 0.8
    score, fitted = scores(level)[case]
    mean, _ = split_coverage(score, fitted, n, level)
    tail = 1 - (1 - level) / score.tails
    expected = 1 - score.tails * (1 - quantile_rank(n, tail) / (n + 1))
    p = quantile_rank(n, level) / (n + 1)
    error = np.sqrt((p * (1 - p) / (n + 2) + p * (1 - p) / NEW) / REPLICATIONS)
    assert level - 1e-12 <= expected < level + score.tails / (n + 1)
    assert abs(mean - expected) < 4 * error


@pytest.mark.parametrize("case", [0, 1, 6, 8, 11])
def test_ties_only_add_coverage(case):
    score, fitted = scores(0.8)[case]
    mean, error = split_coverage(score, fitted, 37, 0.8, discrete=True)
    assert mean > 0.8 - 4 * error


def whole_sample_coverage(sets, n, p, discrete=False):
    random, shares = np.random.default_rng(3), []
    for _ in range(REPLICATIONS):
        X = random.normal(size=(n + NEW, p))
        y = X[:, 0] + random.standard_t(5, n + NEW)
        y = np.round(y) if discrete else y
        shares.append(sets(X[:n], y[:n], X[n:]).contains(y[n:]).mean())
    return np.mean(shares), np.std(shares, ddof=1) / np.sqrt(REPLICATIONS)


def jackknife_sets(variant, level):
    def sets(X, y, new):
        loo = leave_one_out(LeastSquares(), X, y)
        got = intervals(loo.fitted.predict, loo, new, np.abs(loo.residuals), level, variant)
        return IntervalSets.one_each(*got)

    return sets


@pytest.mark.parametrize("discrete", [False, True])
def test_jackknife_plus_and_minmax(discrete):
    n, p, level = 40, 4, 0.8
    mean, error = whole_sample_coverage(jackknife_sets("plus", level), n, p, discrete)
    assert mean > 2 * level - 1 - 4 * error
    if not discrete:
        # Typical value: the level to within one rank, least squares being stable at n = 10 p.
        assert abs(mean - level) < 1 / (n + 1) + 4 * error
    mean, error = whole_sample_coverage(jackknife_sets("minmax", level), n, p, discrete)
    assert mean > level - 4 * error


def test_cv_plus():
    n, level, K = 40, 0.8, 5

    def sets(X, y, new):
        cross = crossfit(Ridge(1.0), X, y, fold_ids(n, K, seed=1))
        return IntervalSets.one_each(
            *cv_intervals(cross.fits[0], cross, np.abs(y - cross.predictions), new, level, "plus")
        )

    mean, error = whole_sample_coverage(sets, n, 4)
    assert mean > guaranteed_level(n, K, level) - 4 * error
    assert mean > level - 4 * error  # typical: fits on fewer rows make residuals a little larger


@pytest.mark.parametrize("score", ["absolute", "studentised", "deleted"])
@pytest.mark.parametrize("discrete", [False, True])
def test_full(score, discrete):
    n, level = 24, 0.8
    mean, error = whole_sample_coverage(
        lambda X, y, new: full_sets(Ridge(0.5).smoother(X, y), new, level, score), n, 4, discrete
    )
    assert mean > level - 4 * error
    if not discrete:
        assert mean < level + 1 / (n + 1) + 4 * error


def test_groups_are_covered_one_by_one():
    random, level, hits = np.random.default_rng(6), 0.8, [[], []]
    for _ in range(REPLICATIONS):
        X, y = draw(random, 60 + NEW)
        y = y * np.where(X[:, 0] > 0.5, 3.0, 1.0)
        g = (X[:, 0] > 0.5).astype(int)
        score = np.abs(y)[:, None]
        q = Calibration(score[:60], groups=g[:60]).thresholds(level, NEW, new_groups=g[60:])
        for k in (0, 1):
            hits[k].append((score[60:] <= q)[g[60:] == k, 0])
    for k in (0, 1):
        shares = np.array([h.mean() for h in hits[k] if len(h)])
        assert shares.mean() > level - 4 * shares.std(ddof=1) / np.sqrt(len(shares))


def test_covariate_shift_needs_its_weights():
    random, level, n = np.random.default_rng(9), 0.9, 150
    plain, weighted = [], []
    for _ in range(REPLICATIONS):
        x = random.normal(size=n + NEW)
        x[n:] += 1.0  # target N(1, 1): the ratio is exp(x) up to a constant
        y = np.exp(0.7 * x) * random.normal(size=n + NEW)
        score, w = np.abs(y)[:, None], np.exp(x)
        plain.append((score[n:] <= Calibration(score[:n]).thresholds(level, NEW)).mean())
        q = Calibration(score[:n], w[:n]).thresholds(level, NEW, new_weights=w[n:])
        weighted.append((score[n:] <= q).mean())
    error = np.std(weighted, ddof=1) / np.sqrt(REPLICATIONS)
    assert np.mean(plain) < level - 0.1
    assert np.mean(weighted) > level - 4 * error
    # Upper bound of the theory: the largest share of the weight that one row can hold.
    x = random.normal(size=(REPLICATIONS, n))
    top = np.mean(np.exp(x.max(axis=1)) / np.exp(x).sum(axis=1))
    assert np.mean(weighted) < level + 3 * top


def test_coverage_of_one_calibration_follows_its_beta_law():
    random, n, level, trials = np.random.default_rng(2), 50, 0.9, 200
    inside = 0
    for _ in range(REPLICATIONS):
        s = random.exponential(size=n + trials)
        share = (s[n:] <= Calibration(s[:n, None]).thresholds(level, 1)[0, 0]).mean()
        low, high = coverage_band(n, level, trials)
        inside += low <= share <= high
    assert inside / REPLICATIONS > 0.95 - 4 * np.sqrt(0.95 * 0.05 / REPLICATIONS)

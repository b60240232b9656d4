"""Coverage of sets of classes, simulated: the laws that theory gives, with a classifier that is wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import statinf as si
from statinf.conformity.leave_out import guaranteed_level
from statinf.conformity.predictions import sets_from_probabilities
from statinf.inference.conformal import quantile_rank
from statinf.learners.multinomial import Multinomial

K, LEVEL = 4, 0.8


def draw(n, rng, shift=0.0):
    """Covariates (n,), classes (n,) and the probabilities (n, K) of a classifier whose slopes are too small."""
    x = rng.normal(size=n) + shift
    eta = np.outer(x, [0.0, 1.0, -1.0, 2.0]) + np.array([0.0, 0.5, 0.0, -2.0])
    truth = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
    classes = np.minimum((truth.cumsum(axis=1) < rng.random(n)[:, None]).sum(axis=1), K - 1)
    model = np.exp(0.5 * eta)
    return x, classes, model / model.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("method", ["lac", "aps", "raps"])
def test_coverage_after_a_calibration_has_the_beta_binomial_law(method):
    """Scores of these methods are distinct, so that coverage of m new rows given the calibration has this law exactly."""
    rng = np.random.default_rng(11)
    n, m = 60, 150
    k = quantile_rank(n, LEVEL)
    law = stats.betabinom(m, k, n + 1 - k)
    found = []
    for seed in range(300):
        _, old, P = draw(n, rng)
        _, new, Q = draw(m, rng)
        sets = sets_from_probabilities(P, old, Q, method=method, level=LEVEL, kreg=1, penalty=0.05, seed=seed)
        hits = int(sets[np.arange(m), new].sum())
        found.append(law.cdf(hits - 1) + rng.random() * law.pmf(hits))
    # Independent calibrations: Kolmogorov's test at one in a thousand.
    assert stats.kstest(found, "uniform").pvalue > 0.001


def test_deterministic_aps_covers_at_least_the_level():
    rng = np.random.default_rng(12)
    shares = []
    for _ in range(200):
        _, old, P = draw(60, rng)
        _, new, Q = draw(150, rng)
        sets = sets_from_probabilities(P, old, Q, method="aps", randomized=False, level=LEVEL)
        shares.append(sets[np.arange(150), new].mean())
    # Three standard errors of the mean over independent calibrations, above and below.
    spread = 3.0 * np.std(shares) / np.sqrt(200)
    assert LEVEL - spread < np.mean(shares) < quantile_rank(60, LEVEL) / 61 + spread


def test_class_conditional_sets_cover_every_class():
    rng = np.random.default_rng(13)
    hits, plain, counts = np.zeros((2, 300, K)), np.zeros(K), np.zeros((300, K))
    for r in range(300):
        _, old, P = draw(120, rng)
        _, new, Q = draw(100, rng)
        for row, method in enumerate(("class-conditional", "lac")):
            sets = sets_from_probabilities(P, old, Q, method=method, level=LEVEL)
            hits[row, r] = np.bincount(new, weights=sets[np.arange(100), new], minlength=K)
        counts[r] = np.bincount(new, minlength=K)
    coverage, plain = hits.sum(axis=1) / counts.sum(axis=0)
    # A ratio of sums over independent calibrations, with its linearised standard error.
    error = np.sqrt(np.square(hits[0] - coverage * counts).sum(axis=0)) / counts.sum(axis=0)
    assert (coverage > LEVEL - 3.0 * error).all() and (coverage < LEVEL + 0.05).all()
    assert plain.min() < LEVEL - 0.1  # one threshold for all neglects some class


def test_density_ratios_carry_coverage_to_the_target():
    rng = np.random.default_rng(14)
    shift = -1.0

    def ratio(x):
        return np.exp(shift * x - 0.5 * shift**2)

    shares = np.empty((200, 2))
    for r in range(200):
        x, old, P = draw(200, rng)
        z, new, Q = draw(60, rng, shift)
        at = np.arange(60), new
        weighted = sets_from_probabilities(P, old, Q, level=LEVEL, weights=ratio(x), new_weights=ratio(z))
        shares[r] = weighted[at].mean(), sets_from_probabilities(P, old, Q, level=LEVEL)[at].mean()
    weighted, plain = shares.mean(axis=0)
    error = 3.0 * shares.std(axis=0) / np.sqrt(200)
    assert weighted > LEVEL - error[0]
    assert abs(plain - LEVEL) > error[1]


@pytest.mark.filterwarnings("ignore:class .* absent:statinf.StatinfWarning")
def test_cv_plus_sets_cover():
    rng = np.random.default_rng(15)
    shares = []
    for seed in range(40):
        x, old, _ = draw(60, rng)
        z, new, _ = draw(100, rng)
        fit = si.conformal(
            "C(y) ~ x",
            pd.DataFrame({"x": x, "y": old}),
            method="cv+",
            model=Multinomial(1.0),
            level=LEVEL,
            seed=seed,
        )
        with_classes = np.isin(new, fit.levels)
        shares.append(fit.contains(pd.DataFrame({"x": z, "y": new})[with_classes]).mean())
    error = 3.0 * np.std(shares) / np.sqrt(40)
    assert np.mean(shares) > guaranteed_level(60, 5, LEVEL) - error
    assert abs(np.mean(shares) - LEVEL) < 0.05 + error

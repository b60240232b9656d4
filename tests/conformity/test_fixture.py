"""Worked numbers on twenty rows, least squares of y on x at level 0.8, new rows x = 1.05 and 3.

Made with MAPIE 1.6.0 (split, jackknife, jackknife+, minmax, CV+) and crepes 0.9.1 (residual thresholds), a
grid of y values with refits (full conformal), and hand arithmetic (CQR variants).
"""

from __future__ import annotations

import numpy as np
import pytest

from statinf.conformity.cp2_hpd import CP2HPD
from statinf.conformity.cp2_pcp import CP2PCP, mass_radius
from statinf.conformity.cqr import CQR, QuantilePair
from statinf.conformity.leave_out import cv_intervals, intervals
from statinf.conformity.pcp import PCP
from statinf.conformity.ranked_sets import full_sets
from statinf.conformity.split import Absolute, Signed
from statinf.inference.conformal import Calibration, threshold, weighted_threshold
from statinf.learners import LeastSquares, Ridge, crossfit, leave_one_out
from statinf.numerics.order.intervals import IntervalSets

INDEX = np.arange(1, 21)
X = (INDEX / 10)[:, None]
Y = 1 + 2 * X[:, 0] + ((7 * INDEX % 11) - 5) / 5
NEW = np.array([[1.05], [3.0]])
LEVEL = 0.8


def run(score, fitted, cal, level=LEVEL):
    local = score.local(fitted, X[cal], 0)
    q = Calibration(score.score(local, Y[cal])).thresholds(level, 2)
    return np.column_stack(score.sets(score.local(fitted, NEW, 0), q).hull())


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (Absolute(), [[2.19, 4.016666666667], [5.44, 7.266666666667]]),
        (Signed(), [[2.216666666667, 4.216666666667], [5.466666666667, 7.466666666667]]),
        (Signed("upper"), [[-np.inf, 4.016666666667], [-np.inf, 7.266666666667]]),
        (Signed("lower"), [[2.416666666667, np.inf], [5.666666666667, np.inf]]),
    ],
)
def test_split(score, expected):
    train = INDEX % 2 == 1
    fitted = LeastSquares().fit(X[train], Y[train])
    np.testing.assert_allclose(run(score, fitted, ~train), expected, atol=1e-11)


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("base", [[2.198605898123, 4.121394101877], [5.981312665041, 7.904100868794]]),
        ("plus", [[2.237175572519, 4.140056497175], [5.968421052632, 7.851318944844]]),
        ("minmax", [[2.146903031051, 4.177047308528], [5.740360284088, 8.191796246649]]),
    ],
)
def test_jackknife(variant, expected):
    loo = leave_one_out(LeastSquares(), X, Y)
    got = intervals(loo.fitted.predict, loo, NEW, np.abs(loo.residuals), LEVEL, variant)
    np.testing.assert_allclose(np.column_stack(got), expected, atol=1e-11)


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("plus", [[2.194768211921, 4.151456953642], [5.984370860927, 7.764768211921]]),
        ("minmax", [[2.073841059603, 4.251986754967], [5.687152317881, 8.547152317881]]),
    ],
)
def test_cross_validation_plus(variant, expected):
    cross = crossfit(LeastSquares(), X, Y, (INDEX - 1) % 4)
    got = cv_intervals(LeastSquares().fit(X, Y), cross, np.abs(Y - cross.predictions), NEW, LEVEL, variant)
    np.testing.assert_allclose(np.column_stack(got), expected, atol=1e-11)


@pytest.mark.parametrize(
    ("penalty", "expected"),
    [
        (0.0, [[2.284962406015, 4.054887218045], [5.489699769053, 8.329522409993]]),
        (1.0, [[2.221568627451, 4.103921568627], [4.928007380074, 7.717671232877]]),
        (10.0, [[1.658558558559, 4.634281650071], [2.745768087215, 6.351776198934]]),
    ],
)
def test_full(penalty, expected):
    sets = full_sets(Ridge(penalty).smoother(X, Y), NEW, LEVEL)
    np.testing.assert_allclose(np.column_stack(sets.hull()), expected, atol=1e-11)


class Lines:
    """Three fixed lines as a quantile model."""

    def predict_quantiles(self, rows, taus):
        x = rows[:, 0]
        lines = {0.1: 0.8 + 2 * x, 0.5: 1.1 + 2.1 * x, 0.9: 1.4 + 2.2 * x}
        return np.column_stack([lines[round(t, 10)] for t in taus])


@pytest.mark.parametrize(
    ("variant", "q", "expected"),
    [
        ("symmetric", [0.54], [2.36, 4.25]),
        ("m", [1.224489795918], [2.404081632653, 4.205918367347]),
        ("r", [0.612244897959], [2.404081632653, 4.205918367347]),
        ("asymmetric", [0.6, 0.32], [2.3, 4.03]),
    ],
)
def test_cqr(variant, q, expected):
    score = CQR(variant)
    fitted = QuantilePair(Lines(), score.taus(LEVEL), 1e-12)
    local = score.local(fitted, X, 0)
    got = Calibration(score.score(local, Y)).thresholds(LEVEL, 1)
    np.testing.assert_allclose(got[0], q, atol=1e-11)
    np.testing.assert_allclose(run(score, fitted, slice(None))[0], expected, atol=1e-11)


def test_residual_thresholds_weights_and_groups():
    score = np.abs(Y - (1.1 + 2.1 * X[:, 0]))
    np.testing.assert_allclose([threshold(score, 1 - a) for a in (0.2, 0.1, 0.05)], [0.87, 1.09, 1.21])
    assert np.isinf(threshold(score, 0.96))
    groups = (X[:, 0] > 1).astype(int)
    got = Calibration(score[:, None], groups=groups).thresholds(LEVEL, 3, new_groups=np.array([0, 1, -1]))
    np.testing.assert_allclose(got[:, 0], [0.87, 1.09, np.inf])
    w = np.exp(X[:, 0])
    for a, q in ((0.2, 0.98), (0.1, 1.09), (0.05, 1.21)):
        np.testing.assert_allclose(weighted_threshold(score, w, np.exp([1.05, 6.0]), 1 - a), [q, np.inf])
    assert w.sum() ** 2 / (w**2).sum() == pytest.approx(15.2446, abs=5e-5)


def test_cp2_pcp():
    k = np.arange(1, 13)[:, None]
    centres = np.sin(k * np.arange(1, 4)) * k / 4
    mass = np.cos(k * np.arange(2, 12)) * k / 4
    y = np.cos(3 * k[:, 0]) * k[:, 0] / 5
    tau = mass_radius(centres, mass, LEVEL)
    np.testing.assert_allclose(tau[:3], [0.245047884284, 0.124490359291, 0.360204310995], atol=1e-12)
    new = np.sin(5 * np.arange(1, 4))[None] * 5 / 4
    new_tau = mass_radius(new, np.cos(5 * np.arange(2, 12))[None] * 5 / 4, LEVEL)
    np.testing.assert_allclose(new_tau, 0.42614371463295, atol=1e-13)
    cases = {
        CP2PCP(LEVEL): (1.5391377876903, [[-1.854549237507, -0.024132494433], [0.156965906018, 1.468753694375]]),
        CP2PCP(LEVEL, adjust="difference"): (0.5844710093728, [[-2.209270067335, 1.823474524202]]),
    }
    for score, (q, pieces) in cases.items():
        got = Calibration(score.score((centres, tau), y)).thresholds(LEVEL, 1)
        np.testing.assert_allclose(got, q, atol=1e-12)
        sets = score.sets((new, new_tau), got)
        np.testing.assert_allclose(np.column_stack([sets.lower, sets.upper]), pieces, atol=1e-11)
    got = Calibration(PCP(3).score((centres,), y)).thresholds(LEVEL, 1)
    np.testing.assert_allclose(got, 1.6685556769986, atol=1e-12)
    sets = PCP(3).sets((new,), got)
    np.testing.assert_allclose([sets.lower, sets.upper], [[-2.867211020328], [2.481415477195]], atol=1e-11)


class Normal:
    """A fixed normal law."""

    def mixture(self, rows):
        from statinf.numerics.laws.normal_mixture import NormalMixture

        x = rows[:, :1]
        return NormalMixture(np.ones_like(x), 1.1 + 2.1 * x, 0.3 + 0.4 * x)


@pytest.mark.parametrize(
    ("adjust", "expected"), [("linear", [2.225, 4.385]), ("difference", [2.146337758808, 4.463662241192])]
)
def test_cp2_hpd(adjust, expected):
    np.testing.assert_allclose(run(CP2HPD(LEVEL, adjust), Normal(), slice(None))[0], expected, atol=1e-11)


def test_intervals():
    sets = IntervalSets.balls(np.array([[0.0, 3.0, 1.0], [1.0, 1.0, 1.0], [0.0, 1.0, 2.0]]), np.array([0.5, 0.0, -0.1]))
    np.testing.assert_array_equal(sets.pieces, [2, 1, 0])
    np.testing.assert_allclose(sets.length(), [3.0, 0.0, 0.0])
    np.testing.assert_array_equal(sets.contains(np.array([2.0, 1.0, 1.0])), [False, True, False])
    np.testing.assert_array_equal(sets.hull()[0], [-0.5, 1.0, np.nan])
    whole = IntervalSets.balls(np.zeros((1, 2)), np.array([np.inf]))
    np.testing.assert_array_equal([whole.lower, whole.upper], [[-np.inf], [np.inf]])


@pytest.mark.filterwarnings("ignore:level=:statinf.StatinfWarning")
@pytest.mark.parametrize("order", ["random", "rising", "falling", "sampled rows low", "ties", "infinite tail"])
@pytest.mark.parametrize("level", [0.001, 0.5, 0.9, 0.9999])
def test_threshold_of_many_scores_is_the_order_statistic_whatever_their_order(order, level):
    # Long enough for the bracket from every n // 4096-th score, in orders for which that sample misleads.
    n = 70_001
    scores = np.random.default_rng(3).exponential(size=n)
    if order in ("rising", "falling"):
        scores = np.sort(scores)[:: 1 if order == "rising" else -1]
    elif order == "sampled rows low":
        scores[:: n // 4096] -= 100.0
    elif order == "ties":
        scores = np.floor(4 * scores)
    elif order == "infinite tail":
        scores[scores > 2.0] = np.inf
    k = int(np.ceil((n + 1) * level - 1e-6))
    assert threshold(scores, level) == np.sort(scores)[k - 1]

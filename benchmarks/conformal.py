"""Conformal prediction of numbers and classes beside MAPIE and crepes, and CP2-PCP beside a loop over rows.

Each piece of work is the whole of it: what a user calls from data to intervals. Models are the same, intervals equal.
"""

from __future__ import annotations

import os
from functools import lru_cache, partial

import numpy as np
from crepes import ConformalPredictiveSystem, ConformalRegressor
from mapie.classification import SplitConformalClassifier
from mapie.regression import ConformalizedQuantileRegressor, CrossConformalRegressor, SplitConformalRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import LeaveOneOut, PredefinedSplit

from benchmarks.harness import compare
from statinf.conformity.class_predictions import sets_from_probabilities
from statinf.conformity.cp2_pcp import CP2PCP
from statinf.conformity.cqr import CQR, QuantilePair
from statinf.conformity.leave_out import cv_intervals, intervals
from statinf.conformity.split import Absolute
from statinf.inference.conformal import Calibration
from statinf.inference.predictive import ErrorLaw
from statinf.learners import LeastSquares, crossfit, fold_ids, leave_one_out
from statinf.numerics.laws.normal_mixture import NormalMixture

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))
LEVEL = 0.9


def regression(n, p=20, m=1000):
    random = np.random.default_rng(0)
    X = random.normal(size=(n + m, p))
    y = X @ random.normal(size=p) + random.standard_t(4, n + m)
    return X[:n], y[:n], X[n:]


def distance(ours, peer):
    ours = np.column_stack(ours) if isinstance(ours, tuple) else ours
    return float(np.abs(np.asarray(ours, float) - np.asarray(peer, float)).max())


def our_jackknife(X, y, new):
    loo = leave_one_out(LeastSquares(), X, y)
    return np.column_stack(intervals(loo.fitted.predict, loo, new, np.abs(loo.residuals), LEVEL))


def our_cv(X, y, new, folds):
    cross = crossfit(LeastSquares(), X, y, folds)
    return np.column_stack(cv_intervals(cross.fits[0], cross, np.abs(y - cross.predictions), new, LEVEL, "plus"))


def mapie_cross(X, y, new, cv):
    peer = CrossConformalRegressor(LinearRegression(), confidence_level=LEVEL, method="plus", cv=cv)
    return peer.fit_conformalize(X, y).predict_interval(new)[1][:, :, 0]


class Given:
    """A model whose prediction is a column of its input: prediction costs nothing on either side."""

    _estimator_type = "regressor"

    def __init__(self, column=0):
        self.column = column
        self.fitted_ = True

    def fit(self, X, y=None):
        return self

    def predict(self, X):
        return X[:, self.column]

    def predict_quantiles(self, X, taus):
        return X[:, :2]

    def __sklearn_is_fitted__(self):
        return True


@lru_cache(1)
def split_data(n):
    random = np.random.default_rng(1)
    X = random.normal(size=(2 * n, 2))
    X[:, 1] = X[:, 0] + 2.0
    return X[:n], X[:n, 0] + random.standard_t(3, n), X[n:]


def _our_split(X, y, new):
    rule, model = Absolute(), Given()
    q = Calibration(rule.score(rule.local(model, X, 0), y)).thresholds(LEVEL, len(new))
    return rule.band(rule.local(model, new, 0), q)


def _mapie_split(X, y, new):
    peer = SplitConformalRegressor(Given(), confidence_level=LEVEL, prefit=True).conformalize(X, y)
    return peer.predict_interval(new)[1][:, :, 0]


def _crepes_split(X, y, new):
    return ConformalRegressor().fit(y - X[:, 0]).predict_int(new[:, 0], confidence=LEVEL)


def _our_cqr(X, y, new):
    rule, model = CQR(), QuantilePair(Given(), (0.05, 0.95))
    q = Calibration(rule.score(rule.local(model, X, 0), y)).thresholds(LEVEL, len(new))
    return rule.band(rule.local(model, new, 0), q)


def _mapie_cqr(X, y, new):
    peer = ConformalizedQuantileRegressor([Given(0), Given(1), Given(0)], confidence_level=LEVEL, prefit=True)
    return peer.conformalize(X, y).predict_interval(new, symmetric_correction=True)[1][:, :, 0]


def on(work, n):
    return work(*split_data(n))


class GivenClasses(Given):
    """A classifier whose probabilities are its input."""

    _estimator_type = "classifier"
    classes_ = np.arange(10)

    def predict(self, X):
        return X.argmax(axis=1)

    def predict_proba(self, X):
        return X

    def __sklearn_tags__(self):
        from sklearn.base import BaseEstimator, ClassifierMixin

        return type("Tags", (ClassifierMixin, BaseEstimator), {})().__sklearn_tags__()


class Draws(np.random.RandomState):
    """The same uniform numbers on both sides, those of calibration first."""

    def __init__(self, *draws):
        super().__init__(0)
        self.draws = list(draws)

    def uniform(self, low=0.0, high=1.0, size=None):
        return self.draws.pop(0).reshape(size)


@lru_cache(1)
def class_data(n):
    random = np.random.default_rng(3)
    P = random.dirichlet(np.ones(10), size=2 * n)
    labels = np.minimum((P[:n].cumsum(axis=1) < random.random(n)[:, None]).sum(axis=1), 9)
    return P[:n], labels, P[n:], random.random(n), random.random(n)


def our_classes(method, n):
    P, labels, new, draws, new_draws = class_data(n)
    return sets_from_probabilities(P, labels, new, method=method, level=LEVEL, draws=draws, new_draws=new_draws)


def mapie_classes(method, n):
    P, labels, new, draws, new_draws = class_data(n)
    peer = SplitConformalClassifier(
        GivenClasses(),
        confidence_level=LEVEL,
        conformity_score=method,
        prefit=True,
        random_state=Draws(draws, new_draws),
    ).conformalize(P, labels)
    options = {"include_last_label": "randomized"} if method == "aps" else {}
    return peer.predict_set(new, conformity_score_params=options)[1][:, :, 0]


def compare_classes():
    size = 20_000 if QUICK else 100_000
    for method in ("lac", "aps"):
        compare(
            f"{method}, probabilities given, 10 classes, {size:,} calibration and {size:,} new rows",
            partial(our_classes, method, size), partial(mapie_classes, method, size), peer_name="mapie", repeat=7,
            check=distance, memory=True, note="error: whether a class is in one set and not in the other; same draws",
        )  # fmt: skip


def our_system(X, y, new):
    law = ErrorLaw.of(y - X[:, 0])
    return new[:, 0] + law.lower_quantile(0.05), new[:, 0] + law.upper_quantile(0.95)


def crepes_system(X, y, new):
    return ConformalPredictiveSystem().fit(y - X[:, 0]).predict_int(new[:, 0], confidence=LEVEL)


def our_crps(X, y, new, outcome):
    return float(ErrorLaw.of(y - X[:, 0]).crps(outcome - new[:, 0]).mean())


def crepes_crps(X, y, new, outcome):
    peer = ConformalPredictiveSystem().fit(y - X[:, 0])
    return peer.evaluate(new[:, 0], outcome, metrics=["CRPS"])["CRPS"]


def compare_systems():
    size = 20_000 if QUICK else 100_000
    compare(
        f"cps, central intervals, models given, {size:,} calibration and {size:,} new rows", partial(on, our_system, size),
        partial(on, crepes_system, size), peer_name="crepes", check=distance, memory=True,
        note="error: largest difference of an interval's end",
    )  # fmt: skip
    size = 500 if QUICK else 2000
    X, y, new = split_data(size)
    outcome = new[:, 0] + np.random.default_rng(4).standard_t(3, size)
    compare(
        f"cps, mean CRPS, models given, {size:,} calibration and {size:,} new rows", partial(our_crps, X, y, new, outcome),
        partial(crepes_crps, X, y, new, outcome), peer_name="crepes", repeat=3, check=distance,
        note="error: difference of the means",
    )  # fmt: skip


class Law:
    """Draws made beforehand, so that both sides spend their time on sets."""

    def __init__(self, draws, mass):
        self.parts = (draws, mass)
        self.at = 0

    def sample(self, X, size, *, seed, stream):
        part = self.parts[stream]
        if stream == 0:
            self.at = 0
            return part
        out = part[self.at : self.at + len(X)]
        self.at += len(X)
        return out


def our_cp2(draws, mass, q):
    rule = CP2PCP(LEVEL, draws.shape[1], mass.shape[1])
    sets = rule.sets(rule.local(Law(draws, mass), np.zeros((len(draws), 1)), 0), np.full((len(draws), 1), q))
    return sets.row, sets.lower, sets.upper


def loop_cp2(draws, mass, q):
    rows, lower, upper = [], [], []
    k = int(np.ceil(LEVEL * mass.shape[1])) - 1
    for i in range(len(draws)):
        nearest = np.abs(mass[i][:, None] - draws[i]).min(axis=1)
        radius = np.sort(nearest)[k] * q
        centres = np.sort(draws[i])
        start = centres[0] - radius
        for a, b in zip(centres[:-1], centres[1:], strict=True):
            if b - a > 2 * radius:
                rows.append(i)
                lower.append(start)
                upper.append(a + radius)
                start = b - radius
        rows.append(i)
        lower.append(start)
        upper.append(centres[-1] + radius)
    return np.array(rows), np.array(lower), np.array(upper)


def same_pieces(ours, peer):
    assert np.array_equal(ours[0], peer[0])
    return max(distance(ours[1], peer[1]), distance(ours[2], peer[2]))


def main():
    n = 600 if QUICK else 5000
    X, y, new = regression(n)
    folds = fold_ids(n, 10, seed=0)
    compare(
        f"cv+, 10 folds, least squares, n = {n}, p = 20, 1000 new rows", partial(our_cv, X, y, new, folds),
        partial(mapie_cross, X, y, new, PredefinedSplit(folds)), peer_name="mapie", repeat=3 if QUICK else 7, check=distance,
        note="error: largest difference of an interval's end",
    )  # fmt: skip
    size = 100_000 if QUICK else 1_000_000
    for name, ours, peer, who in (
        ("split", _our_split, _mapie_split, "mapie"),
        ("split", _our_split, _crepes_split, "crepes"),
        ("cqr", _our_cqr, _mapie_cqr, "mapie"),
    ):
        compare(
            f"{name}, models given, {size:,} calibration and {size:,} new rows ({who})", partial(on, ours, size),
            partial(on, peer, size), peer_name=who, check=distance, memory=True,
            note=f"memory holds the data, {5 * 8 * size / 1e6:.0f} MB; error: largest difference of an interval's end",
        )  # fmt: skip
    compare_systems()
    compare_classes()
    rows = 10_000 if QUICK else 100_000
    random = np.random.default_rng(2)
    components = random.normal(size=(rows, 3)) * 3
    law = NormalMixture(np.full((rows, 3), 1 / 3), components, np.full((rows, 3), 0.5))
    for count in (50, 500):
        draws, mass = law.sample(50, seed=1, stream=0), law.sample(count, seed=1, stream=1)
        compare(
            f"CP2-PCP sets, {rows:,} new rows, 50 centres and {count} mass draws", partial(our_cp2, draws, mass, 1.1),
            partial(loop_cp2, draws, mass, 1.1), peer_name="numpy loop over rows", repeat=1 if count > 50 else 3,
            check=same_pieces, note="draws given; error: largest difference of a piece's end",
        )  # fmt: skip
    # Last, because the peer takes minutes.
    for n in (600,) if QUICK else (1000, 5000):
        X, y, new = regression(n)
        compare(
            f"jackknife+, least squares, n = {n}, p = 20, 1000 new rows", partial(our_jackknife, X, y, new),
            partial(mapie_cross, X, y, new, LeaveOneOut()), peer_name="mapie", repeat=1, warmup=0, check=distance,
            note="error: largest difference of an interval's end",
        )  # fmt: skip


if __name__ == "__main__":
    main()

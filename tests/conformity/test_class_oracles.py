"""Sets of classes on given probabilities: beside MAPIE, beside the papers' definitions, and with bad input."""

from __future__ import annotations

import numpy as np
import pytest

import statinf as si
from statinf.conformity.class_score import Cumulated, OneMinus
from statinf.conformity.predictions import sets_from_probabilities
from statinf.conformity.raps import PENALTIES, choose
from statinf.inference.conformal import threshold
from statinf.numerics.order import class_ranks
from statinf.numerics.order.class_ranks import likelier, likelier_than

K = 7


def given_probabilities(n, seed=0, classes=K):
    rng = np.random.default_rng(seed)
    P = rng.dirichlet(np.full(classes, 0.6), size=n)
    labels = (P.cumsum(axis=1) < rng.random(n)[:, None]).sum(axis=1)
    return P, np.minimum(labels, classes - 1)


@pytest.fixture(scope="module")
def rows():
    P, labels = given_probabilities(500)
    return P, labels, given_probabilities(400, seed=1)[0]


class Given:
    """A fitted classifier whose probabilities are its input."""

    classes_ = np.arange(K)
    _estimator_type = "classifier"

    def predict_proba(self, X):
        return X

    def predict(self, X):
        return X.argmax(axis=1)

    def __sklearn_is_fitted__(self):
        return True

    def __sklearn_tags__(self):
        from sklearn.base import BaseEstimator, ClassifierMixin

        return type("Tags", (ClassifierMixin, BaseEstimator), {})().__sklearn_tags__()


class Draws(np.random.RandomState):
    """Uniform numbers known beforehand: the first call's calibrate, the second's are of new rows."""

    def __init__(self, *draws):
        super().__init__(0)
        self.draws = list(draws)

    def uniform(self, low=0.0, high=1.0, size=None):
        return self.draws.pop(0).reshape(size)


def mapie_sets(score, rows, level, draws, **options):
    from mapie.classification import SplitConformalClassifier

    P, labels, new = rows
    peer = SplitConformalClassifier(
        Given(), confidence_level=level, conformity_score=score, prefit=True, random_state=Draws(*draws)
    )
    return peer.conformalize(P, labels).predict_set(new, conformity_score_params=options)[1][:, :, 0]


@pytest.mark.parametrize("level", [0.6, 0.8, 0.9, 0.95])
def test_lac_sets_of_mapie_to_the_last_row(rows, level):
    pytest.importorskip("mapie")
    ours = sets_from_probabilities(*rows, method="lac", level=level)
    np.testing.assert_array_equal(ours, mapie_sets("lac", rows, level, ()))


@pytest.mark.parametrize("level", [0.6, 0.8, 0.9, 0.95])
def test_randomised_aps_sets_of_mapie_to_the_last_row(rows, level):
    pytest.importorskip("mapie")
    rng = np.random.default_rng(7)
    draws = rng.random(500), rng.random(400)
    ours = sets_from_probabilities(*rows, method="aps", level=level, draws=draws[0], new_draws=draws[1])
    np.testing.assert_array_equal(ours, mapie_sets("aps", rows, level, draws, include_last_label="randomized"))


@pytest.mark.parametrize("level", [0.6, 0.8, 0.9])
def test_deterministic_aps_sets_of_mapie_where_its_calibration_draws_nothing(rows, level):
    """MAPIE draws at calibration whatever `include_last_label`; with draws of zero it calibrates the same score."""
    pytest.importorskip("mapie")
    ours = sets_from_probabilities(*rows, method="aps", level=level, randomized=False, allow_empty=False)
    theirs = mapie_sets("aps", rows, level, (np.zeros(500),), include_last_label=False)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(("penalty", "kreg"), [(0.01, 5), (0.1, 2), (0.5, 0)])
def test_raps_scores_and_thresholds_of_mapie(rows, penalty, kreg):
    raps = pytest.importorskip("mapie.conformity_scores.sets.raps").RAPSConformityScore
    P, labels, _ = rows
    draws = np.random.default_rng(3).random(500)
    cumulated, rank = raps.get_true_label_cumsum_proba(labels, P, np.arange(K))
    cumulated = cumulated - (draws * P[np.arange(500), labels])[:, None]
    theirs = raps._regularize_conformity_score(np.array([kreg]), penalty, cumulated, rank)[:, 0, 0]
    np.testing.assert_allclose(Cumulated(True, penalty, kreg).of(P, labels, draws), theirs, rtol=0, atol=1e-14)


def by_definition(P, draw, q, penalty, kreg):
    """Equation (4) of Angelopoulos et al. for one row, class by class."""
    inside = np.zeros(len(P), bool)
    for y, own in enumerate(P):
        before = (own < P) | ((own == P) & (np.arange(len(P)) < y))
        rank = before.sum() + 1
        inside[y] = P[before].sum() + (1.0 - draw) * own + penalty * max(rank - kreg, 0) <= q + 1e-12
    return inside


@pytest.mark.parametrize(("method", "penalty", "kreg"), [("aps", 0.0, 5), ("raps", 0.05, 2)])
def test_sets_are_those_of_the_papers_equation(rows, method, penalty, kreg):
    P, labels, new = rows
    rng = np.random.default_rng(5)
    u, v = rng.random(500), rng.random(400)
    more = {"penalty": penalty, "kreg": kreg} if method == "raps" else {}
    ours = sets_from_probabilities(P, labels, new, method=method, level=0.9, draws=u, new_draws=v, **more)
    q = threshold(Cumulated(True, penalty, kreg).of(P, labels, u), 0.9)
    np.testing.assert_array_equal(ours, [by_definition(*row, q, penalty, kreg) for row in zip(new, v, strict=True)])


@pytest.mark.parametrize("classes", [2, 10, 60])
def test_a_class_has_the_same_score_alone_and_with_all(classes):
    P, labels = given_probabilities(300, seed=2, classes=classes)
    P = np.round(P, 2) + 1e-3  # ties
    P /= P.sum(axis=1, keepdims=True)
    draws = np.random.default_rng(0).random(300)
    for score in (OneMinus(), Cumulated(), Cumulated(False), Cumulated(True, 0.1, 1)):
        every = score.every(P, draws)
        np.testing.assert_array_equal(every[np.arange(300), labels], score.of(P, labels, draws))
    mass, rank = likelier(P.T)
    order = np.argsort(-P, axis=1, kind="stable")
    np.testing.assert_array_equal(np.argsort(order, axis=1) + 1, rank.T)
    sorted_mass = np.take_along_axis(mass.T, order, axis=1)
    expected = np.cumsum(np.take_along_axis(P, order, axis=1), axis=1)[:, :-1]
    np.testing.assert_allclose(sorted_mass[:, 1:], expected, rtol=0, atol=1e-14)
    assert (sorted_mass[:, 0] == 0).all()
    assert likelier_than(P.T, labels, ranks=classes > class_ranks._PAIRS)[0].shape == (300,)


def test_a_threshold_of_one_holds_every_class():
    """The likeliest class is always wrong: the sum of all probabilities, in any order of summation, is one."""
    P, _ = given_probabilities(200)
    sets = sets_from_probabilities(P, P.argmin(axis=1), P, method="aps", randomized=False)
    assert sets.all()


def test_raps_chooses_the_rank_and_the_penalty_on_rows_held_apart():
    P, labels = given_probabilities(400, seed=4, classes=12)
    draws = np.random.default_rng(0).random(400)
    score = choose(P, labels, draws, 0.9, "auto", "auto")
    rank = np.argsort(np.argsort(-P, axis=1), axis=1)[np.arange(400), labels] + 1
    assert score.kreg == np.sort(rank)[int(np.ceil(401 * 0.9)) - 1]
    sizes = {}
    for penalty in PENALTIES:
        one = Cumulated(True, penalty, score.kreg)
        sizes[penalty] = (one.every(P, draws) <= threshold(one.of(P, labels, draws), 0.9)).sum()
    assert sizes[score.penalty] == min(sizes.values())
    assert choose(P, labels, draws, 0.9, 0.3, "auto").penalty == 0.3


def test_class_conditional_thresholds_are_those_of_each_class_alone(rows):
    P, labels, new = rows
    got = sets_from_probabilities(P, labels, new, method="class-conditional", level=0.8)
    for k in range(K):
        q = threshold(1.0 - P[labels == k, k], 0.8)
        np.testing.assert_array_equal(got[:, k], 1.0 - new[:, k] <= q)
    few = labels != 3
    got = sets_from_probabilities(P[few], labels[few], new, method="class-conditional", level=0.8)
    assert got[:, 3].all()


def test_groups_and_weights_are_thresholds_of_their_rows(rows):
    P, labels, new = rows
    groups, new_groups = np.where(np.arange(500) % 3, "a", "b"), np.array(["a", "b", "c", "a"] * 100)
    got = sets_from_probabilities(P, labels, new, groups=groups, new_groups=new_groups, level=0.8)
    assert got[new_groups == "c"].all()
    for g in "ab":
        alone = sets_from_probabilities(P[groups == g], labels[groups == g], new[new_groups == g], level=0.8)
        np.testing.assert_array_equal(got[new_groups == g], alone)
    same = sets_from_probabilities(P, labels, new, weights=np.full(500, 2.0), new_weights=np.full(400, 2.0))
    np.testing.assert_array_equal(same, sets_from_probabilities(P, labels, new))
    heavy = sets_from_probabilities(P, labels, new, weights=np.ones(500), new_weights=np.full(400, 500.0))
    assert heavy.all()  # each new row holds half of the weight
    both = sets_from_probabilities(
        P, labels, new, method="class-conditional", weights=np.ones(500), new_weights=np.ones(400), level=0.8
    )
    np.testing.assert_array_equal(both, sets_from_probabilities(P, labels, new, method="class-conditional", level=0.8))


def test_labels_by_name(rows):
    P, labels, new = rows
    names = list("abcdefg")
    got = sets_from_probabilities(P, np.array(names)[labels], new, classes=names)
    np.testing.assert_array_equal(got, sets_from_probabilities(P, labels, new))


def spoilt(P, row, values):
    out = P.copy()
    out[row] = values
    return out


BAD = [
    (lambda P, y, new: (spoilt(P, 4, np.r_[0.5, np.zeros(K - 1)]), y, new), {}, "sum to 0.5, not to one in row 4"),
    (lambda P, y, new: (P, y, spoilt(new, 2, np.r_[1.5, -0.5, np.zeros(K - 2)])), {}, "negative value -0.5 in row 2"),
    (lambda P, y, new: (P, y, spoilt(new, 9, np.nan)), {}, "not finite in row 9"),
    (lambda P, y, new: (P, y[:-1], new), {}, "one per row"),
    (lambda P, y, new: (P, y + 1, new), {}, "is not a class"),
    (lambda P, y, new: (P, y.astype(str), new), {}, "classes="),
    (lambda P, y, new: (P, y, new[:, :-1] + new[:, -1:] / (K - 1)), {}, "give the same"),
    (lambda P, y, new: (P[:, :1], y, new), {}, "at least two classes"),
    (lambda P, y, new: (P, y, new), {"method": "apps"}, "Did you mean 'aps'"),
    (lambda P, y, new: (P, y, new), {"weights": np.ones(500)}, "needed together"),
    (lambda P, y, new: (P, y, new), {"weights": np.zeros(500), "new_weights": np.ones(400)}, "zero in every"),
    (lambda P, y, new: (P, y, new), {"method": "raps", "kreg": -1}, "kreg=-1"),
    (lambda P, y, new: (P, y, new), {"method": "raps", "penalty": "auto"}, "penalty='auto'"),
    (lambda P, y, new: (P, y, new), {"method": "aps", "draws": np.full(500, 2.0)}, r"\[0, 1\]"),
    (lambda P, y, new: (P, y, new), {"classes": ["a", "b"]}, "2 different classes for 7 columns"),
    (lambda P, y, new: (P, y, new), {"level": 1.5}, "level=1.5"),
    (lambda P, y, new: (P[:0], y[:0], new), {}, "No calibration rows"),
    (lambda P, y, new: (P, y, new), {"groups": np.ones(499), "new_groups": np.ones(400)}, "groups has shape"),
]


@pytest.mark.parametrize(("arrays", "options", "said"), BAD, ids=[b[2] for b in BAD])
def test_bad_input_is_named(rows, arrays, options, said):
    with pytest.raises(si.StatinfError, match=said):
        sets_from_probabilities(*arrays(*rows), **options)

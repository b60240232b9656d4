"""Selection by scores: the fixture of the method's sheet, direct definitions, exact cases, and bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import statinf as si
from statinf.conformity.predictions import p_values_from_scores, select_from_scores
from statinf.inference import conformal_selection
from statinf.inference.conformal_selection import BestScore, Reweighted, enlarged_sizes, p_values, shifted_sizes
from statinf.inference.discoveries import PRUNINGS, benjamini_hochberg, prune

ROWS, ITEMS = np.arange(1, 31), np.arange(1, 11)
OLD, NEW = np.sin(1.7 * ROWS) + 1000.0 * (ROWS % 3 == 0), np.sin(2.3 * ITEMS) - 0.6
SELECTED = {0.1: [2, 5, 8, 10], 0.2: [2, 5, 7, 8, 10], 0.3: [2, 5, 7, 8, 10], 0.5: list(range(1, 11))}


def numbers(selected):
    return list(np.flatnonzero(selected) + 1)


def test_p_values_of_the_fixture():
    found = 31 * p_values_from_scores(OLD, NEW)
    np.testing.assert_allclose(found, [12, 1, 12, 8, 1, 13, 2, 1, 13, 1], rtol=1e-12)


@pytest.mark.parametrize("fdr", SELECTED)
def test_selection_of_the_fixture(fdr):
    assert numbers(select_from_scores(OLD, NEW, fdr=fdr)) == SELECTED[fdr]


@pytest.mark.parametrize("pruning", ["homogeneous", "deterministic"])
@pytest.mark.parametrize("fdr", [0.2, 0.3, 0.5])
def test_weighted_selection_of_the_fixture(fdr, pruning):
    w, own = np.exp(0.3 * np.sin(ROWS)), np.exp(0.3 * np.cos(ITEMS))
    for seed in range(3):
        assert numbers(select_from_scores(OLD, NEW, w, own, fdr, pruning=pruning, seed=seed)) == SELECTED[fdr]


def step_up_size(p, fdr):
    ranked = np.sort(p)
    passed = np.flatnonzero(ranked <= fdr * (1 + 1e-12) * np.arange(1, len(p) + 1) / len(p))
    return passed[-1] + 1 if len(passed) else 0


def sizes_by_definition(old, new, weights, own, fdr, strict):
    """|R_j| from m step-up procedures on m p-values each."""
    out = []
    for j in range(len(new)):
        below = (lambda a, b: a < b) if strict else (lambda a, b: a <= b)
        mass = np.array([weights[below(old, t)].sum() + own[j] * below(new[j], t) for t in new])
        p = mass / (weights.sum() + own[j])
        p[j] = 0.0
        out.append(step_up_size(p, fdr))
    return np.array(out)


@pytest.mark.parametrize("ties", [False, True])
def test_one_table_gives_what_m_procedures_give(ties):
    rng = np.random.default_rng(int(ties))
    for trial in range(150):
        n, m, fdr = rng.integers(1, 25), rng.integers(1, 15), rng.choice([0.05, 0.1, 0.2, 0.3, 0.5, 0.9, 1.0])
        old, new = rng.normal(size=n), rng.normal(size=m) - 1.0
        if ties:
            old, new = rng.integers(0, 8, n) * 1.0, rng.integers(0, 8, m) - 1.0
        w, own = (
            (np.ones(n), np.ones(m)) if trial % 3 == 0 else (np.exp(rng.normal(size=n)), np.exp(rng.normal(size=m)))
        )
        expected = sizes_by_definition(old, new, w, own, fdr, True)
        np.testing.assert_array_equal(shifted_sizes(old, new, w, own, fdr), expected)
        expected = sizes_by_definition(old, new, np.ones(n), np.ones(m), fdr, False)
        np.testing.assert_array_equal(enlarged_sizes(old, new, fdr)[1], expected)
        np.testing.assert_array_equal(
            select_from_scores(old, new, fdr=fdr), benjamini_hochberg(p_values(old, new), fdr)
        )


@pytest.mark.parametrize("passes", [1, 2, 8])
def test_counting_from_the_top_is_the_step_up_procedure(passes, monkeypatch):
    monkeypatch.setattr(conformal_selection, "_PASSES", passes)
    rng = np.random.default_rng(passes)
    for trial in range(400):
        n, m, fdr = rng.integers(1, 80), rng.integers(1, 80), rng.choice([0.05, 0.1, 0.3, 0.9, 1.0])
        old, new = rng.normal(size=n), rng.normal(size=m) - 2.0 * rng.random()
        if trial % 2:
            old, new = rng.integers(0, 12, n) * 1.0, rng.integers(0, 12, m) - 2.0
        old[rng.random(n) < 0.4], new[rng.random(m) < 0.05] = np.inf, np.inf
        expected = benjamini_hochberg(p_values(old, new), fdr)
        np.testing.assert_array_equal(conformal_selection.select(old, new, fdr), expected)


def test_exact_cases():
    rng = np.random.default_rng(4)
    for _ in range(30):
        old, new = rng.normal(size=40), rng.normal(size=25) - 1.0
        for fdr in (0.1, 0.3):
            plain = select_from_scores(old, new, fdr=fdr)
            one = select_from_scores(old[None], new[None], fdr=fdr, pruning="deterministic")
            equal = select_from_scores(old, new, np.full(40, 2.0), np.full(25, 2.0), fdr, pruning="deterministic")
            np.testing.assert_array_equal(one, plain)
            np.testing.assert_array_equal(equal, plain)
        for pruning in PRUNINGS:
            assert select_from_scores(old[None], new[None], fdr=1.0, pruning=pruning).all()
    assert select_from_scores(old, new, fdr=1.0).all()


def test_pruning_is_the_e_value_procedure():
    rng = np.random.default_rng(5)
    for _ in range(50):
        m, fdr = 20, 0.2
        passed, sizes, u = rng.random(m) < 0.6, rng.integers(1, m + 1, m), rng.random(m)
        e = np.where(passed, m / (fdr * sizes * u), 0.0)
        ranked = np.sort(e)[::-1]
        k = np.flatnonzero(ranked >= m / (fdr * np.arange(1, m + 1)) * (1 - 1e-12))
        expected = (
            passed & (e >= m / (fdr * (k[-1] + 1)) * (1 - 1e-12)) if len(k) and ranked[0] > 0 else np.zeros(m, bool)
        )
        np.testing.assert_array_equal(prune(passed, sizes, u), expected)


def test_random_ties_lie_between_their_bounds_and_are_uniform():
    rng = np.random.default_rng(6)
    old, new = rng.integers(0, 5, 30) * 1.0, rng.integers(0, 5, 4000) * 1.0
    p = p_values_from_scores(old, new, ties="random", seed=1)
    strict = (old[:, None] < new).sum(axis=0) / 31
    assert (p >= strict).all() and (p <= p_values_from_scores(old, new)).all()
    # Given a score its p-values are uniform over the step: their mean is its middle, up to 4 standard errors.
    for value in range(5):
        at = new == value
        low, high = strict[at][0], p_values_from_scores(old, new)[at][0]
        assert abs(p[at].mean() - (low + high) / 2) < 4 * (high - low) / np.sqrt(12 * at.sum())


def test_the_order_of_rows_does_not_matter():
    rng = np.random.default_rng(7)
    C, T = rng.normal(size=(3, 50)), rng.normal(size=(3, 40)) - 1.0
    w, own = np.exp(rng.normal(size=50)), np.exp(rng.normal(size=40))
    a, b = rng.permutation(50), rng.permutation(40)
    for pruning in PRUNINGS:
        rule = BestScore(pruning, 3)
        np.testing.assert_array_equal(rule.select(C[:, a], T[:, b], 0.3).selected, rule.select(C, T, 0.3).selected[b])
        mixed = Reweighted(w[a], own[b], pruning, "random", 3).select(C[:1, a], T[:1, b], 0.3)
        first = Reweighted(w, own, pruning, "random", 3).select(C[:1], T[:1], 0.3)
        np.testing.assert_array_equal(mixed.selected, first.selected[b])
        np.testing.assert_allclose(mixed.p_values, first.p_values[b], rtol=1e-12)


def test_the_false_discovery_rate_is_held_by_every_pruning():
    """Two standard errors above the level at most; the best of ten scores without correction is above it."""
    rng = np.random.default_rng(8)
    fdr, repeats, n, m, K = 0.2, 400, 60, 40, 10
    found = {name: [] for name in (*PRUNINGS, "naive")}
    for seed in range(repeats):
        y, y_new = rng.normal(size=n), rng.normal(size=m)
        margins = [0.35 * v + rng.normal(size=(K, len(v))) for v in (y, y_new)]
        C, T = np.where(y > 0, np.inf, -margins[0]), -margins[1]
        each = [select_from_scores(c, t, fdr=fdr) for c, t in zip(C, T, strict=True)]
        kinds = {"naive": max(each, key=sum)}
        kinds |= {p: select_from_scores(C, T, fdr=fdr, pruning=p, seed=seed) for p in PRUNINGS}
        for name, selected in kinds.items():
            found[name].append((selected & (y_new <= 0)).sum() / max(1, selected.sum()))
    above = {k: (np.mean(v) - fdr) / (np.std(v, ddof=1) / np.sqrt(repeats)) for k, v in found.items()}
    assert all(above[p] < 2.0 for p in PRUNINGS) and above["naive"] > 2.0


@pytest.mark.parametrize(
    ("old", "new", "options", "error", "match"),
    [
        ([1.0, np.nan], [0.0], {}, si.DataError, "calibration_scores.*NaN"),
        ([1.0], [np.nan], {}, si.DataError, "test_scores.*NaN"),
        ([], [1.0], {}, si.DataError, "empty"),
        (["a"], [1.0], {}, si.DataError, "no numbers"),
        ([[1.0], [2.0]], [1.0], {}, si.DataError, "shapes"),
        ([1.0], [0.0], {"weights": [1.0]}, si.OptionError, "together"),
        ([1.0], [0.0], {"weights": [0.0], "test_weights": [1.0]}, si.DataError, "positive"),
        ([1.0], [0.0], {"weights": [1.0], "test_weights": [np.inf]}, si.DataError, "test_weights.*finite"),
        ([1.0], [0.0], {"weights": [1.0, 2.0], "test_weights": [1.0]}, si.DataError, "shape"),
        ([[1.0]], [[0.0]], {"weights": [1.0], "test_weights": [1.0]}, si.OptionError, "one score"),
        ([1.0], [0.0], {"fdr": 0.0}, si.OptionError, "fdr=0.0"),
        ([1.0], [0.0], {"fdr": 1.5}, si.OptionError, "fdr=1.5"),
        ([1.0], [0.0], {"pruning": "homogenous"}, si.OptionError, "homogeneous"),
        ([1.0], [0.0], {"ties": "x"}, si.OptionError, "ties"),
        ([1.0], [0.0], {"seed": -1}, si.OptionError, "seed"),
    ],
)
def test_bad_scores_and_options_are_named(old, new, options, error, match):
    with pytest.raises(error, match=match):
        select_from_scores(old, new, **options)


def test_nothing_to_select_from():
    assert select_from_scores([1.0, 2.0], []).shape == (0,)
    assert select_from_scores([1.0, 2.0], [], [1.0, 1.0], []).shape == (0,)
    assert select_from_scores(np.ones((2, 5)), np.ones((2, 0))).shape == (0,)
    assert not select_from_scores([1.0, 2.0], [0.0, 0.5], fdr=0.3).any()  # the smallest p-value is 1/3


REFERENCE = json.loads((Path(__file__).resolve().parents[1] / "reference" / "selection.json").read_text())


@pytest.mark.parametrize("case", REFERENCE, ids=lambda c: f"{c['seed']}-{c['q']}-{c['rand']}")
def test_weighted_selection_of_the_authors_r_code(case):
    seed, i, j = case["seed"], np.arange(1, 61), np.arange(1, 41)
    old = np.sin((1.3 + seed / 7) * i) + 1000.0 * (i % 3 == 0)
    new = np.sin((2.1 + seed / 5) * j) - 0.2 - 0.1 * seed
    w, own = np.exp(0.5 * np.sin(i * seed)), np.exp(0.5 * np.cos(j * seed))
    sizes = shifted_sizes(old, new, w, own, case["q"])
    passed = p_values(old, new, w, own) <= case["q"] * sizes / 40
    found = prune(passed, sizes, np.array(case["xi"]) if len(case["xi"]) > 1 else case["xi"][0])
    assert numbers(found) == case["selected"]

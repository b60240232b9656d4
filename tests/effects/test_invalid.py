"""Instruments with direct effects: sample moments, invariances, reference numbers, influence, choice, sensitivity."""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.effects.invalid.selection import minimax, mixed_minimax

pytestmark = pytest.mark.filterwarnings("ignore::statinf.StatinfWarning")
FORMULA = "y ~ a | x1 + x2 | z"


def sample(n: int = 4000, seed: int = 0) -> pd.DataFrame:
    """The instrument has a direct effect that varies; the average effect is 1."""
    rng = np.random.default_rng([51, seed])
    x, u = rng.uniform(-1, 1, (n, 2)), rng.choice([-1.0, 1.0], n)
    z = (rng.random(n) < 1 / (1 + np.exp(-0.2 - 0.5 * x[:, 0] + 0.5 * x[:, 1]))) * 1.0
    p = 1 / (1 + np.exp(1.9 - 1.6 * z - 0.2 * x[:, 0] + 0.2 * x[:, 1]))
    a = (rng.random(n) < p + 0.08 * u) * 1.0
    y = 0.5 + (1 + x[:, 0]) * a + 0.7 * z + x[:, 0] - x[:, 1] + 0.5 * z * x[:, 1] + 1.5 * u + rng.normal(size=n)
    s, g = rng.uniform(0.5, 2.0, n), rng.integers(0, 100, n)
    return pd.DataFrame({"y": y, "a": a, "z": z, "x1": x[:, 0], "x2": x[:, 1], "s": s, "g": g})


DATA = sample()


def fit(data=DATA, formula=FORMULA, **options):
    return si.iv(formula, data, method="invalid", **options)


@cache
def savings(estimator):
    formula = "nettfa ~ p401k | inc + age + fsize + marr + male + incsq + agesq | e401k"
    return fit(si.datasets.load("k401ksubs"), formula, estimator=estimator)


@pytest.mark.parametrize("estimator", ["mr", "genius"])
def test_without_covariates_it_is_a_ratio_of_sample_moments(estimator):
    on = DATA["z"] == 1
    one, zero = (np.cov(DATA["a"][m], DATA["y"][m], ddof=0) for m in (on, ~on))
    ratio = (one[0, 1] - zero[0, 1]) / (one[0, 0] - zero[0, 0])
    assert fit(formula="y ~ a | 1 | z", estimator=estimator).theta[0] == pytest.approx(ratio, rel=1e-9)


@pytest.mark.parametrize("estimator", ["mr", "genius"])
def test_a_direct_effect_changes_nothing(estimator):
    first = fit(estimator=estimator)
    moved = DATA.assign(y=DATA["y"] + 50 * DATA["z"] - 20 * DATA["z"] * DATA["x1"])
    second = fit(moved, estimator=estimator)
    np.testing.assert_allclose([*second.theta, *second._se()], [*first.theta, *first._se()], rtol=1e-8)
    assert second.robust_set().pieces[0] == pytest.approx(first.robust_set().pieces[0], rel=1e-8)
    assert abs(si.iv(FORMULA, moved).params["a"] - si.iv(FORMULA, DATA).params["a"]) > 50


@pytest.mark.parametrize("estimator", ["mr", "genius"])
def test_units_and_codes(estimator):
    first = fit(estimator=estimator)
    plus = fit(DATA.assign(y=DATA["y"] + 3 * DATA["a"]), estimator=estimator)
    assert plus.theta[0] == pytest.approx(first.theta[0] + 3, rel=1e-9)
    for changed, times in (({"z": 1 - DATA["z"]}, 1), ({"y": 100 * DATA["y"] - 7}, 100), ({"z": 5 * DATA["z"] + 2}, 1)):
        other = fit(DATA.assign(**changed), estimator=estimator)
        assert (other.theta[0], other._se()[0]) == pytest.approx(
            (times * first.theta[0], times * first._se()[0]), rel=1e-8
        )
    words = fit(DATA.assign(a=np.where(DATA["a"] == 1, "drug", "placebo")), estimator=estimator)
    assert words.theta[0] == pytest.approx(first.theta[0], rel=1e-12)


def test_savings_plans_as_the_reference():
    genius, mr = savings("genius"), savings("mr")
    assert (genius.theta[0], genius._se()[0], genius.f_het) == pytest.approx(
        (14.88321935, 2.452636908, 2953.910425), rel=1e-8
    )
    assert (mr.theta[0], np.std(mr.phi) / np.sqrt(mr.nobs)) == pytest.approx((9.51175063, 5.585091989), rel=1e-8)
    assert mr.kappa == pytest.approx(0.02538761206, rel=1e-6)
    tsls = genius.plausible(0.0)
    assert tsls.lower == pytest.approx(13.65861789, rel=1e-8)
    half = 1.959963984540054 * genius.two_stage.error(np.zeros(1), None)
    assert tsls.conf_high - tsls.upper == pytest.approx(half)


def test_one_sided_treatment_is_least_squares_among_the_others():
    data = si.datasets.load("k401ksubs")
    with pytest.warns(si.StatinfWarning, match="nobody varies in 'p401k'"):
        found = fit(data, "nettfa ~ p401k | inc + age | e401k", estimator="genius")
    on = data["e401k"] == 1
    x = np.column_stack([np.ones(len(data)), data["inc"], data["age"]])
    left = [v[on] - x[on] @ np.linalg.lstsq(x[on], v[on], rcond=None)[0] for v in (data["p401k"], data["nettfa"])]
    chance = si.glm("e401k ~ inc + age", data, family="binomial").predict(data)["estimate"]
    w = 1 - chance[on]
    assert found.theta[0] == pytest.approx((w * left[0] * left[1]).sum() / (w * left[0] ** 2).sum(), rel=1e-8)


@pytest.mark.parametrize("formula", [FORMULA, "y ~ a | x1 | z"])
def test_influence_counts_the_estimation_of_all_models(formula):
    data, step = sample(600, 1), 1e-4
    base = fit(data, formula, weights="s")
    numeric = []
    for row in (0, 7, 50, 400):
        ends = []
        for sign in (1, -1):
            s = data["s"].copy()
            s[row] *= 1 + sign * step
            ends.append(fit(data.assign(s=s), formula, weights="s").theta[0])
        numeric.append((ends[0] - ends[1]) / (2 * step))
    influence = base.influence[[0, 7, 50, 400], 0]
    np.testing.assert_allclose(influence, numeric, atol=3e-6 * np.abs(base.influence).max())


def test_the_robust_set_is_where_the_test_keeps():
    found = fit(estimator="genius")
    kept = found.robust_set(1.0, level=0.9)
    for low, high in kept.pieces:
        for end in (low, high):
            assert found.robust_set(end).p_value == pytest.approx(0.1, abs=1e-8)
    assert 1.0 in kept and found.theta[0] in kept
    weak = fit(si.datasets.load("card"), "lwage ~ educ | exper + black | nearc4", estimator="genius")
    assert weak.f_het < 10 and weak.robust_set().shape in ("line", "complement")
    assert any("Weak" in note for note in weak.summary().notes)
    clustered = fit(estimator="genius", cluster="g")
    assert "clustered" in clustered.robust_set().label
    assert clustered.robust_set().pieces != found.robust_set().pieces


def test_several_instruments_are_tested_against_each_other():
    data = DATA.assign(v=np.random.default_rng(0).normal(size=len(DATA)))
    found = fit(data, "y ~ a | x1 + x2 | z + v", estimator="genius")
    assert found.overid().df == 1 and 0 < found.overid().p_value < 1
    assert found.theta[0] == pytest.approx(fit(estimator="genius").theta[0], abs=0.1)
    with pytest.raises(si.NotIdentifiedError, match="one instrument"):
        found.robust_set()
    dose = DATA.assign(a=DATA["a"] + np.random.default_rng(1).normal(size=len(DATA)) * (1 + DATA["z"]))
    assert np.isfinite(fit(dose, estimator="genius")._se()[0])


def test_direct_effects_within_bounds_by_a_grid():
    found = fit(estimator="genius")
    made = found.plausible(0.7, level=0.9)
    limits = []
    for gamma in np.linspace(-0.7, 0.7, 15):
        one = si.iv(FORMULA, DATA.assign(y=DATA["y"] - gamma * DATA["z"]), vcov="HC0")
        half = 1.6448536269514722 * one.std_errors["a"]
        limits.append((one.params["a"] - half, one.params["a"] + half, one.params["a"]))
    grid = np.array(limits)
    assert (made.conf_low, made.conf_high) == pytest.approx((grid[:, 0].min(), grid[:, 1].max()), rel=1e-8)
    assert (made.lower, made.upper) == pytest.approx((grid[:, 2].min(), grid[:, 2].max()), rel=1e-8)
    edge = found.plausible(0.7 * made.breakdown, level=0.9)
    assert min(abs(edge.conf_low), abs(edge.conf_high)) < 1e-8
    pair = found.plausible({"z": (0.0, 0.7)})
    assert pair.upper == pytest.approx(si.iv(FORMULA, DATA).params["a"], rel=1e-8)
    assert found.plausible(0.0, null=float(pair.upper)).breakdown == 0.0


def test_the_choice_is_the_least_largest_change():
    psi = np.random.default_rng(0).normal(size=(3, 4))
    mixed, plain = mixed_minimax(psi), minimax(psi)
    assert mixed.chosen == (
        int(np.argmin([np.ptp(psi[k]) for k in range(3)])), int(np.argmin([np.ptp(psi[:, k]) for k in range(4)]))
    )  # fmt: skip
    worst = [
        [max(np.abs(psi[:, c] - psi[r, c]).max(), np.abs(psi[r] - psi[r, c]).max()) for c in range(4)] for r in range(3)
    ]
    assert plain.chosen == np.unravel_index(np.argmin(worst), (3, 4))
    four = np.random.default_rng(1).normal(size=(2, 3, 2, 3))
    assert mixed_minimax(four).risks[2][1] == pytest.approx(np.ptp(four[:, :, 1]))
    assert mixed_minimax(four, np.inf).kept(four.shape).all()


def test_selection_among_models_of_a_missing_confounder():
    """Constant, linear and quadratic models of both nuisances; the reference of 200 samples is 1.0143 (sd .082)."""
    found, outcome = [], []
    for r in range(12):
        rng = np.random.default_rng([61, r])
        x = rng.normal(size=(1000, 2))
        a = (rng.random(1000) < 1 / (1 + np.exp(-x[:, 0] - 0.5 * x[:, 1] ** 2 + 0.5))) * 1.0
        y = a + 2 * x[:, 0] + x[:, 1] ** 2 + rng.normal(size=1000)
        psi, fold = np.empty((3, 3)), np.arange(1000) % 5
        designs = [np.ones((1000, 1)), np.column_stack([np.ones(1000), x]), np.column_stack([np.ones(1000), x, x**2])]
        e, mu = np.empty((3, 1000)), np.empty((3, 2, 1000))
        for k in range(5):
            train, here = fold != k, fold == k
            for j, d in enumerate(designs):
                b = np.zeros(d.shape[1])
                for _ in range(15):
                    p = 1 / (1 + np.exp(-d[train] @ b))
                    b = b + np.linalg.solve(
                        (d[train] * (p * (1 - p))[:, None]).T @ d[train], d[train].T @ (a[train] - p)
                    )
                e[j, here] = 1 / (1 + np.exp(-d[here] @ b))
                for arm in (0, 1):
                    m = train & (a == arm)
                    mu[j, arm, here] = d[here] @ np.linalg.lstsq(d[m], y[m], rcond=None)[0]
        for i in range(3):
            for j in range(3):
                score = mu[j, 1] - mu[j, 0] + a * (y - mu[j, 1]) / e[i] - (1 - a) * (y - mu[j, 0]) / (1 - e[i])
                psi[i, j] = score.mean()
        chosen = mixed_minimax(psi).chosen
        found.append(psi[chosen])
        outcome.append(chosen[1])
    assert abs(np.mean(found) - 1.0143) < 4 * 0.082 / np.sqrt(12)
    assert outcome.count(2) >= 11


def test_learners_are_chosen_and_the_union_of_near_ones_is_told():
    found = fit(sample(1500, 2), estimator="learned", candidates=("lm", "constant"), folds=3)
    table, every = found.selection(), found.estimates()
    assert table["chosen"].sum() == 4 and len(every) == 16
    assert (table[table["chosen"]]["near"]).all()
    union = found.selected_set().iloc[0]
    kept = every[every["near"]]
    assert union["conf_low"] == pytest.approx((kept["estimate"] - 1.959963984540054 * kept["std_error"]).min())
    low, high = found.conf_int().iloc[0]
    assert union["conf_low"] <= low + 1e-12 and union["conf_high"] >= high - 1e-12
    one = fit(sample(1500, 2), estimator="learned", candidates={"outcome": ("lm",)}, folds=3)
    assert len(one.estimates()) == 1 and "f lm" in one.facts["Selected"]


@pytest.mark.parametrize("estimator", ["mr", "genius"])
def test_intervals_and_sets_cover(estimator):
    made = [fit(sample(2000, r), estimator=estimator) for r in range(25)]
    inside = np.mean([lo <= 1 <= hi for lo, hi in (f.conf_int().iloc[0] for f in made)])
    kept = np.mean([1.0 in f.robust_set() for f in made])
    # Four standard errors of a share of .95 among 25.
    assert min(inside, kept) > 0.95 - 4 * np.sqrt(0.95 * 0.05 / 25)


def test_files_and_refusals(tmp_path):
    found = fit()
    back = si.load(found.save(tmp_path / "fit.si"))
    assert back.theta[0] == found.theta[0]
    for ask in (back.robust_set, lambda: back.plausible(1.0)):
        with pytest.raises(si.DataError, match="fit again"):
            ask()
    with pytest.raises(si.NotIdentifiedError, match="learned"):
        found.selection()
    with pytest.raises(si.OptionError, match="'q' is no instrument"):
        found.plausible({"q": 1.0})
    for wrong in (-1.0, "wide", (1.0, 0.0), np.nan):
        with pytest.raises(si.OptionError, match="bound="):
            found.plausible(wrong)


REFUSED = {
    "instrument of many values": ("y ~ a | x1 | x2", {}, si.OptionError, "genius"),
    "dose": ("y ~ s | x1 | z", {}, si.OptionError, "genius"),
    "no variation within": ("y ~ z2 | x1 | z", {}, si.NotIdentifiedError, "does not vary within"),
    "same column": ("y ~ a | x1 | a", {}, si.FormulaError, "'a'"),
    "instrument among covariates": ("y ~ a | x1 + z | z", {}, si.DataError, "'z'"),
    "constant treatment": ("y ~ k | x1 | z", {}, si.DataError, "'k'"),
    "constant instrument": ("y ~ a | x1 | k", {}, si.DataError, "'k'"),
    "two treatments": ("y ~ a + s | x1 | z", {}, si.DataError, "one treatment"),
    "separated": ("y ~ a | q | z", {}, si.NotIdentifiedError, "'z'"),
    "no learner": ("y ~ a | x1 | z", {"candidates": ("nonsense",)}, si.OptionError, "nonsense"),
    "no nuisance": ("y ~ a | x1 | z", {"candidates": {"mean": ("lm",)}}, si.OptionError, "'mean'"),
    "no rule": ("y ~ a | x1 | z", {"select": "best"}, si.OptionError, "mixed-minimax"),
    "foreign option": ("y ~ a | x1 | z", {"fuller": 1.0}, si.OptionError, "fuller"),
    "equal variances": ("y ~ half | 1 | z", {}, si.NotIdentifiedError, "varies as much"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_by_name(case):
    formula, options, error, words = REFUSED[case]
    rng = np.random.default_rng(0)
    half = np.where(np.arange(len(DATA)) % 2 == 0, 1.0, 0.0)
    z = np.repeat([0.0, 1.0], len(DATA) // 2)
    data = DATA.assign(k=1.0, z2=DATA["z"], q=DATA["z"] + 0.01 * rng.normal(size=len(DATA)))
    if case == "equal variances":
        data = data.assign(half=half, z=z)
    with pytest.raises(error, match=f"(?s){words}"):
        fit(data, formula, **options)


def test_a_change_of_sign_is_told():
    rng = np.random.default_rng(3)
    x, z = rng.uniform(-1, 1, 3000), rng.integers(0, 2, 3000) * 1.0
    a = (rng.random(3000) < 1 / (1 + np.exp(1.0 - 1.2 * z - 1.5 * x))) * 1.0
    data = pd.DataFrame({"y": a + z + rng.normal(size=3000), "a": a, "z": z, "x": x})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            fit(data, "y ~ a | x | z")
        except si.NotIdentifiedError as error:
            assert "varies as much" in str(error)
        else:
            assert any("changes its sign" in str(w.message) for w in caught)


def test_clusters_stay_whole_in_folds(monkeypatch):
    from statinf.effects.invalid import learned

    seen = []
    first = learned.fold_ids
    monkeypatch.setattr(learned, "fold_ids", lambda *a, **k: seen.append((first(*a, **k), k["groups"])) or seen[-1][0])
    fit(sample(800, 4), estimator="learned", candidates=("lm",), folds=2, cluster="g")
    assert len(seen) == 3
    for folds, groups in seen:
        assert all(len(np.unique(folds[groups == g])) == 1 for g in np.unique(groups))

"""`si.conformal_select`: models, thresholds, directions, density ratios, rows and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

import statinf as si
from statinf.conformity.predictions import p_values_from_scores, select_from_scores
from statinf.conformity.selection.optcs_full import balanced, leave_one_out_predictions
from statinf.learners import resolve

METHODS = ("cs", "optcs-msel", "optcs-full", "optcs-full-msel")


def rows(n, seed, noise=0.5):
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, n))
    frame = pd.DataFrame({"x": x, "z": z, "y": x - 0.5 + noise * rng.normal(size=n)})
    return frame.assign(c=np.round(rng.normal(size=n) / 2, 2), w=np.exp(0.5 * z), half=np.arange(n) % 2 == 0)


DATA, NEW = rows(400, 0), rows(150, 1).set_axis([f"r{i}" for i in range(150)])


def by_hand(data, new, c, c_new, sign=1.0):
    """Scores of least squares fitted to the rows that are not `half`."""
    fit = si.lm("y ~ x + z", data[~data["half"]])
    old = data[data["half"]]
    clip = np.where(sign * old["y"] > sign * c, np.inf, sign * (c - fit.predict(old)["estimate"].to_numpy()))
    score = sign * (c_new - fit.predict(new)["estimate"].to_numpy())
    return clip, score


@pytest.mark.parametrize("direction", ["greater", "less"])
def test_scores_p_values_and_selection_by_hand(direction):
    sign = 1.0 if direction == "greater" else -1.0
    fit = si.conformal_select("y ~ x + z", DATA, NEW, threshold=0.2, fdr=0.2, split="half", direction=direction)
    old, new = by_hand(DATA, NEW, 0.2, 0.2, sign)
    np.testing.assert_allclose(fit.tidy()["score"], new, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(fit.p_values, p_values_from_scores(old, new), rtol=1e-12)
    np.testing.assert_array_equal(fit.selected, select_from_scores(old, new, fdr=0.2))
    assert list(fit.selected.index) == list(NEW.index) and fit.selected.dtype == bool
    passes = sign * NEW["y"] > sign * 0.2
    assert passes[fit.selected].mean() > 0.7


def test_less_is_greater_of_the_negative():
    mirrored = [f.assign(y=-f["y"]) for f in (DATA, NEW)]
    for method in METHODS:
        one = si.conformal_select("y ~ x + z", DATA, NEW, threshold=-0.3, direction="less", method=method, fdr=0.2)
        two = si.conformal_select("y ~ x + z", *mirrored, threshold=0.3, method=method, fdr=0.2)
        pd.testing.assert_series_equal(one.selected, two.selected)
        np.testing.assert_allclose(one.p_values, two.p_values, rtol=1e-9)


def test_thresholds_by_row():
    column = si.conformal_select("y ~ x + z", DATA, NEW, threshold="c", split="half")
    old = DATA[DATA["half"]]
    by = by_hand(DATA, NEW, old["c"].to_numpy(), NEW["c"].to_numpy())
    np.testing.assert_allclose(column.p_values, p_values_from_scores(*by), rtol=1e-12)
    mixed = NEW["c"].sample(frac=1, random_state=0)
    both = np.append(DATA["c"], NEW["c"])
    for same in ((DATA["c"], mixed), both):
        found = si.conformal_select("y ~ x + z", DATA, NEW, threshold=same, split="half")
        pd.testing.assert_series_equal(found.selected, column.selected)
    one = si.conformal_select("y ~ x + z", DATA, NEW, threshold=np.full(150, 0.2), split="half")
    pd.testing.assert_series_equal(
        one.selected, si.conformal_select("y ~ x + z", DATA, NEW, threshold=0.2, split="half").selected
    )
    # Those of new rows alone: the residual score needs no others.
    alone = si.conformal_select("y ~ x + z", DATA, NEW, threshold=mixed, split="half")
    fit = si.lm("y ~ x + z", DATA[~DATA["half"]])
    residual = (old["y"] - fit.predict(old)["estimate"]).to_numpy()
    np.testing.assert_allclose(alone.p_values, p_values_from_scores(residual, by[1]), rtol=1e-12)
    for options in ({"score": "clip"}, {"method": "optcs-full"}, {"method": "optcs-msel"}):
        with pytest.raises(si.OptionError, match="labelled rows"):
            si.conformal_select("y ~ x + z", DATA, NEW, threshold=NEW["c"], **options)


def test_a_missing_threshold_leaves_the_row_out():
    new = NEW.assign(c=np.where(np.arange(150) == 7, np.nan, NEW["c"]))
    with pytest.warns(si.StatinfWarning, match="1 row: its threshold is missing"):
        fit = si.conformal_select("y ~ x + z", DATA, new, threshold="c")
    assert np.isnan(fit.p_values["r7"]) and not fit.selected["r7"]
    with pytest.raises(si.DataError, match=r"threshold is missing at 150 labelled rows \(first: row 0\)"):
        si.conformal_select("y ~ x + z", pd.concat([new.assign(c=np.nan), DATA]), NEW, threshold="c")


def test_scores_rank_by_power_and_rel_keeps_the_nulls_only():
    fits = {s: si.conformal_select("y ~ x + z", DATA, NEW, score=s, split="half") for s in ("clip", "residual", "rel")}
    counts = {s: int(f.selected.sum()) for s, f in fits.items()}
    assert counts["clip"] > counts["residual"] and counts["clip"] >= counts["rel"]
    old, new = by_hand(DATA, NEW, 0.0, 0.0)
    np.testing.assert_allclose(fits["rel"].p_values, p_values_from_scores(old[np.isfinite(old)], new), rtol=1e-12)
    assert (fits["rel"].p_values >= fits["clip"].p_values - 1e-12).all()


def test_weights_of_every_kind_are_the_same_weights():
    options = {"split": "half", "fdr": 0.2}
    column = si.conformal_select("y ~ x + z", DATA, NEW, weights="w", **options)
    old, new = by_hand(DATA, NEW, 0.0, 0.0)
    w, own = DATA["w"][DATA["half"]].to_numpy(), NEW["w"].to_numpy()
    np.testing.assert_allclose(column.p_values, p_values_from_scores(old, new, w, own), rtol=1e-12)
    np.testing.assert_array_equal(column.selected, select_from_scores(old, new, w, own, 0.2))
    for given in ((DATA["w"], NEW["w"].sample(frac=1, random_state=1)), lambda frame: np.exp(0.5 * frame["z"])):
        again = si.conformal_select("y ~ x + z", DATA, NEW, weights=given, **options)
        np.testing.assert_allclose(again.p_values, column.p_values, rtol=1e-12)
    assert "worth" in str(column) and "if the density ratio is right" in str(column)
    ratio = si.density_ratio("~ x + z", DATA, NEW, method="logistic")
    found = si.conformal_select("y ~ x + z", DATA, NEW, weights=ratio, **options)
    expected = p_values_from_scores(old, new, ratio.score(DATA)[DATA["half"]], ratio.score(NEW))
    np.testing.assert_allclose(found.p_values, expected, rtol=1e-10)


def test_a_calibration_row_of_weight_zero_is_absent():
    w = np.where(np.arange(400) % 10 == 0, 0.0, 1.0)
    fit = si.conformal_select("y ~ x + z", DATA, NEW, weights=(w, np.ones(150)), split="half")
    assert fit.scored.calibration.shape == (1, 160)
    own = np.where(np.arange(150) == 3, 0.0, 1.0)
    with pytest.raises(si.DataError, match=r"density ratio of zero \(first: row 3\)"):
        si.conformal_select("y ~ x + z", DATA, NEW, weights=(w, own))
    for bad in (-w, w + np.nan, w + np.inf, w[:5], np.zeros(400)):
        with pytest.raises(si.DataError, match="weights|density ratio"):
            si.conformal_select("y ~ x + z", DATA, NEW, weights=(bad, np.ones(150)))


def test_the_best_of_several_models_is_chosen_from_their_scores():
    models = {"good": "lm", "again": "ridge", "blind": 0.5}
    fit = si.conformal_select("y ~ x + z", DATA, NEW, method="optcs-msel", models=models, split="half", seed=2)
    expected = select_from_scores(fit.scored.calibration, fit.scored.test, seed=2)
    np.testing.assert_array_equal(fit.selected, expected)
    table = fit.tidy()
    assert set(table["model"][table["selected"]]) <= {"good", "again"}
    assert fit.scored.names == ("good", "again", "blind")


@pytest.mark.parametrize("learner", ["lm", "ridge", "spline"])
def test_leave_one_out_predictions_are_those_of_refits(learner):
    rng = np.random.default_rng(3)
    X, label = rng.normal(size=(40, 2)), (rng.random(40) < 0.4).astype(float)
    made = resolve(learner, "probability")
    found = leave_one_out_predictions(made, X, label, 0, False)
    refits = [made.fit(np.delete(X, i, 0), np.delete(label, i)).predict(X[i : i + 1])[0] for i in range(40)]
    np.testing.assert_allclose(found, refits, rtol=1e-8, atol=1e-8)


def test_without_a_split_new_rows_are_labelled_null():
    fit = si.conformal_select("y ~ x + z", DATA.head(60), NEW.head(30), method="optcs-full", fdr=0.3)
    X = pd.concat([DATA.head(60), NEW.head(30)])
    label = np.append(DATA["y"].head(60) > 0, np.zeros(30))
    loo = np.empty(90)
    for i in range(90):
        kept = np.arange(90) != i
        made = si.lm("label ~ x + z", X.assign(label=label)[kept])
        loo[i] = float(made.predict(X.iloc[[i]])["estimate"].iloc[0])
    old = np.where(label[:60] == 1, np.inf, -loo[:60])
    np.testing.assert_allclose(fit.p_values, p_values_from_scores(old, -loo[60:]), rtol=1e-10)


def test_the_false_discovery_rate_over_samples():
    """Mean share of wrong choices at most the level, up to two standard errors, with and without a shift."""
    found = {"cs": [], "optcs-full": [], "shifted": []}
    for seed in range(60):
        data, pool = rows(160, 10 + seed), rows(400, 1000 + seed)
        rng = np.random.default_rng(seed)
        new = pool.head(60)
        moved = pool[rng.random(400) < 1 / (1 + np.exp(2.0 * pool["x"]))].head(60)
        ratio = lambda frame: 1 / (1 + np.exp(2.0 * frame["x"]))  # noqa: E731
        kinds = {
            "cs": (new, {}),
            "optcs-full": (new, {"method": "optcs-full"}),
            "shifted": (moved, {"weights": ratio}),
        }
        for name, (frame, options) in kinds.items():
            picked = si.conformal_select("y ~ x + z", data, frame, fdr=0.2, seed=seed, **options).selected
            found[name].append((frame["y"][picked] <= 0).sum() / max(1, picked.sum()))
    for name, shares in found.items():
        assert np.mean(shares) < 0.2 + 2 * np.std(shares, ddof=1) / np.sqrt(len(shares)), name


def test_models_that_are_fitted_already_and_classifiers():
    from sklearn.linear_model import LinearRegression, LogisticRegression

    columns = ["x", "z"]
    train, rest = DATA[~DATA["half"]], DATA[DATA["half"]]
    linear = LinearRegression().fit(train[columns].to_numpy(), train["y"])
    ours = si.conformal_select("y ~ x + z", DATA, NEW, split="half")
    given = si.conformal_select("y ~ x + z", rest, NEW, split=0, models=linear)
    np.testing.assert_allclose(given.p_values, ours.p_values, rtol=1e-12)
    classifier = LogisticRegression(C=np.inf)
    fitted = LogisticRegression(C=np.inf).fit(train[columns].to_numpy(), train["y"] > 0)
    one = si.conformal_select("y ~ x + z", DATA, NEW, models=classifier, split="half")
    two = si.conformal_select("y ~ x + z", rest, NEW, models=fitted, split=0)
    three = si.conformal_select("y ~ x + z", DATA, NEW, models="logit", split="half")
    for found in (two, three):
        pd.testing.assert_series_equal(found.selected, one.selected)
    assert one.tidy()["prediction"].between(0, 1).all()
    with pytest.raises(si.OptionError, match="split=0.*models= an object"):
        si.conformal_select("y ~ x + z", rest, NEW, split=0)


def test_a_true_false_outcome():
    frames = [f.assign(active=f["y"] > 0) for f in (DATA, NEW)]
    fit = si.conformal_select("active ~ x + z", *frames, models="logit", fdr=0.2)
    assert frames[1]["active"][fit.selected].mean() > 0.7


def test_rows_that_cannot_be_scored_are_not_selected():
    new = NEW.copy()
    new.loc["r3", "x"] = np.nan
    with pytest.warns(si.StatinfWarning, match="1 row: x is missing"):
        fit = si.conformal_select("y ~ x + z", DATA, new)
    kept = si.conformal_select("y ~ x + z", DATA, new.drop(index="r3"))
    assert np.isnan(fit.p_values["r3"]) and not fit.selected["r3"]
    pd.testing.assert_series_equal(fit.selected.drop("r3"), kept.selected)
    assert "1 (x is missing)" in str(fit)
    with pytest.raises(si.DataError, match=r"newdata.*\(first: 3\)"):
        si.conformal_select("y ~ x + z", DATA, new, na_action="raise")
    empty = si.conformal_select("y ~ x + z", DATA, NEW.head(0))
    assert len(empty.selected) == 0 and empty.fdp_curve()["selected"].sum() == 0


def test_the_index_and_the_kind_of_new_rows_come_back(tmp_path):
    fit = si.conformal_select("y ~ x + z", DATA, NEW)
    again = si.load(fit.save(tmp_path / "s.si"))
    pd.testing.assert_series_equal(again.selected, fit.selected)
    pd.testing.assert_frame_equal(again.fdp_curve(newdata=NEW), fit.fdp_curve(newdata=NEW))
    found = si.conformal_select("y ~ x + z", DATA, pl.from_pandas(NEW))
    assert isinstance(found.selected, pl.Series) and isinstance(found.tidy(), pl.DataFrame)
    np.testing.assert_array_equal(found.selected.to_numpy(), fit.selected)


def test_the_curve_over_levels():
    fit = si.conformal_select("y ~ x + z", DATA, NEW)
    curve = fit.fdp_curve([0.05, 0.1, 0.3], newdata=NEW).set_index("fdr")
    assert curve.loc[0.1, "selected"] == fit.selected.sum()
    assert curve["selected"].is_monotonic_increasing and (curve["estimate"] <= curve.index + 1e-12).all()
    wrong = (NEW["y"][fit.selected] <= 0).mean()
    power = (NEW["y"][fit.selected] > 0).sum() / (NEW["y"] > 0).sum()
    np.testing.assert_allclose(curve.loc[0.1, ["fdp", "power"]], [wrong, power], rtol=1e-12)
    assert list(fit.fdp_curve().columns) == ["fdr", "selected", "p_value", "estimate"]
    with pytest.raises(si.OptionError, match="levels"):
        fit.fdp_curve([0.1, 1.0])
    with pytest.raises(si.OptionError, match="3 rows"):
        fit.fdp_curve(newdata=NEW.head(3))
    for kind in ("p_values", "curve"):
        assert fit.plot(kind).get_xlabel()
    with pytest.raises(si.OptionError, match="kind"):
        fit.plot("band")


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"fdr": 0.0}, si.OptionError, "fdr=0.0"),
        ({"fdr": 1.0}, si.OptionError, "fdr=1.0"),
        ({"fdr": "0.1"}, si.OptionError, "fdr"),
        ({"direction": "above"}, si.OptionError, "direction"),
        ({"threshold": None}, si.OptionError, "threshold"),
        ({"threshold": np.inf}, si.OptionError, "finite"),
        ({"threshold": "nope"}, si.DataError, "nope"),
        ({"threshold": [1.0, 2.0]}, si.OptionError, "shape"),
        ({"threshold": -100.0}, si.DataError, "no null calibration examples"),
        ({"threshold": 100.0, "direction": "less"}, si.DataError, "no null calibration examples"),
        ({"threshold": -100.0, "method": "optcs-full"}, si.DataError, "no null calibration examples"),
        ({"models": ["lm", "ridge"]}, si.OptionError, "optcs-msel"),
        ({"models": []}, si.OptionError, "empty"),
        ({"models": "lmm"}, si.OptionError, "models='lmm'"),
        ({"weights": "w", "method": "optcs-full"}, si.OptionError, "weights= goes with method='cs'"),
        ({"weights": np.ones(400)}, si.OptionError, "pair of arrays"),
        ({"score": "clipped"}, si.OptionError, "clip"),
        ({"method": "cx"}, si.OptionError, "optcs-msel"),
        ({"split": 1.5}, si.OptionError, "split"),
    ],
)
def test_what_cannot_be_is_named(options, error, match):
    with pytest.raises(error, match=match):
        si.conformal_select("y ~ x + z", DATA, NEW, **options)


def test_too_few_calibration_rows_are_told():
    with pytest.warns(si.StatinfWarning, match=r"Nothing can be selected: with 5 calibration rows"):
        fit = si.conformal_select("y ~ x", DATA.head(10), NEW)
    assert not fit.selected.any()


def test_thresholds_of_categories_and_columns_that_are_gone():
    with pytest.raises(si.DataError, match="categories"):
        si.conformal_select("y ~ x", DATA.assign(c="a"), NEW.assign(c="a"), threshold="c")
    with pytest.raises(si.DataError, match="newdata.*'c'"):
        si.conformal_select("y ~ x", DATA, NEW.drop(columns="c"), threshold="c")
    with pytest.raises(si.DataError, match="newdata: .*'z'"):
        si.conformal_select("y ~ x + z", DATA, NEW.drop(columns="z"))


def test_a_formula_is_the_logistic_density_ratio():
    new = NEW.assign(g=np.where(NEW["z"] > 0, "a", "b"))
    data = DATA.assign(g=np.where(DATA["x"] > 0, "a", "b"))
    ratio = si.density_ratio("~ z + g", data, new, method="logistic")
    one = si.conformal_select("y ~ x", data, new, fdr=0.2, weights="~ z + g")
    two = si.conformal_select("y ~ x", data, new, fdr=0.2, weights=ratio)
    np.testing.assert_allclose(one.p_values, two.p_values, rtol=1e-9)
    assert "fitted density ratio" in str(one.summary())
    with pytest.warns(si.StatinfWarning, match="its density ratio is missing"):
        holes = si.conformal_select("y ~ x", data, new.assign(g=["c", *new["g"][1:]]), weights="~ z + g")
    assert not holes.selected.iloc[0]
    for formula, error, match in (
        ("~ z + nope", si.FormulaError, "'nope'"),
        ("y ~ z", si.FormulaError, "without an outcome"),
        ("~ x + offset(z)", si.OptionError, "no offset"),
    ):
        with pytest.raises(error, match=match):
            si.conformal_select("y ~ x", data, new, weights=formula)
    with pytest.raises(si.ConvergenceError, match="do not overlap"):
        si.conformal_select("y ~ x", data, new.assign(z=new["z"] + 50), weights="~ z")


def test_oversampling_repeats_the_rarer_label_in_every_fit():
    rng = np.random.default_rng(0)
    X, label = rng.normal(size=(40, 2)), (np.arange(40) < 8).astype(float)
    found = leave_one_out_predictions(resolve("lm", "mean"), X, label, 0, None, oversample=True)
    shuffle = rng.permutation(40)
    moved = leave_one_out_predictions(resolve("lm", "mean"), X[shuffle], label[shuffle], 0, None, oversample=True)
    np.testing.assert_allclose(moved, found[shuffle], rtol=1e-9)
    rows = balanced(np.arange(40), label, 3)
    assert (label[rows] == 1).sum() == (label[rows] == 0).sum() == 32
    assert set(rows[40:]) <= set(range(8))
    np.testing.assert_array_equal(balanced(np.arange(5), np.zeros(5), 3), np.arange(5))
    # Predictions of balanced labels centre at one half, those of the pool at the share of ones.
    plain = leave_one_out_predictions(resolve("lm", "mean"), X, label, 0, None)
    assert abs(found.mean() - 0.5) < 0.15 < 0.25 < 0.5 - plain.mean()
    few, new = DATA[:40], NEW[:12]
    one, two = (si.conformal_select("y ~ x", few, new, method="optcs-full", oversample=o) for o in (False, True))
    assert (np.abs(one.tidy()["score"] - two.tidy()["score"]) > 1e-3).all()

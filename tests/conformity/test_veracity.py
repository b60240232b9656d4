"""`si.veracity`: exact cases, detection of planted errors, the test of new rows, rows and what is refused."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression

import statinf as si
from statinf.conformity.veracity.outlying import outlying

COLUMNS = ["given", "predicted", "residual", "epistemic", "aleatoric", "score", "veracity", "flagged"]


def rows(n, seed, spread=0.0):
    rng = np.random.default_rng(seed)
    x, z = rng.uniform(-1.5, 1.5, (2, n))
    y = 1.0 + x - z + 0.5 * np.exp(spread * x) * rng.standard_normal(n)
    return pd.DataFrame({"x": x, "z": z, "y": y})


def planted(n, seed, size=3.0, share=0.1, spread=0.0):
    frame = rows(n, seed, spread)
    wrong = np.zeros(n, bool)
    wrong[np.random.default_rng([seed, 1]).permutation(n)[: int(share * n)]] = True
    return frame.assign(y=frame["y"] + size * wrong), wrong


DATA, WRONG = planted(200, 0)
PLAIN = {"filter": False, "replicas": 0, "scale": False}


@pytest.fixture(scope="module")
def fit():
    return si.veracity("y ~ x + z", DATA)


def test_without_uncertainties_the_ranking_is_that_of_residuals():
    scores = [si.veracity("y ~ x + z", DATA, score=s, **PLAIN).tidy()["score"] for s in ("arithmetic", "residual")]
    assert scores[0].rank().equals(scores[1].rank())
    np.testing.assert_allclose(scores[1] / scores[0], (scores[1] / scores[0])[0], rtol=1e-12)


def test_a_fold_per_row_gives_deletion_residuals():
    data = DATA.head(60)
    found = si.veracity("y ~ x + z", data, folds=60, **PLAIN).tidy()
    X = np.column_stack([np.ones(60), data[["x", "z"]]])
    hat = X @ np.linalg.solve(X.T @ X, X.T)
    residual = (data["y"] - hat @ data["y"]) / (1.0 - np.diag(hat))
    np.testing.assert_allclose(found["residual"], residual, rtol=1e-8)


def test_subsamples_of_all_rows_have_no_spread(fit):
    found = si.veracity("y ~ x + z", DATA, share=1.0, filter=False).tidy()
    assert found["epistemic"].max() < 1e-8 * DATA["y"].std()
    assert fit.tidy()["epistemic"].min() > 0.0


@pytest.mark.parametrize("score", ["arithmetic", "geometric"])
def test_scores_know_no_unit(score):
    one = si.veracity("y ~ x + z", DATA, score=score).tidy()
    two = si.veracity("y ~ x + z", DATA.assign(y=1e3 * DATA["y"] - 70.0), score=score).tidy()
    np.testing.assert_allclose(two["veracity"], one["veracity"], rtol=1e-8)
    for name in ("residual", "epistemic", "aleatoric"):
        np.testing.assert_allclose(two[name], 1e3 * one[name], rtol=1e-8, atol=1e-8)


def test_scores_are_the_residual_over_both_uncertainties(fit):
    table = fit.tidy()
    assert list(table.columns) == COLUMNS
    size = table["residual"].abs()
    np.testing.assert_allclose(table["residual"], DATA["y"] - table["predicted"], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(table["score"], size / (table["epistemic"] + table["aleatoric"]), rtol=1e-10)
    np.testing.assert_allclose(table["veracity"], np.exp(-table["score"]), rtol=1e-12)
    for score, over in {
        "geometric": np.sqrt(table["epistemic"] * table["aleatoric"]),
        "residual": 1.0,
        "epistemic": table["epistemic"],
        "aleatoric": table["aleatoric"],
    }.items():
        found = si.veracity("y ~ x + z", DATA, score=score, filter=False).tidy()
        first = si.veracity("y ~ x + z", DATA, filter=False).tidy()
        np.testing.assert_allclose(found["predicted"], first["predicted"], rtol=1e-12)
        if score == "residual":
            np.testing.assert_allclose(found["score"], found["residual"].abs() / over, rtol=1e-12)


def test_a_spread_that_varies_is_learnt():
    data = rows(600, 3, spread=0.8)
    table = si.veracity("y ~ x + z", data).tidy()
    truth = 0.5 * np.exp(0.8 * data["x"])
    assert np.corrcoef(np.log(table["aleatoric"]), np.log(truth))[0, 1] > 0.95
    assert abs(np.log(table["aleatoric"] / truth).mean()) < 0.1


def test_planted_errors_are_flagged(fit):
    flagged = fit.flagged
    assert flagged[WRONG].mean() > 0.9 and (flagged & ~WRONG).sum() <= 4
    assert fit.k_hat == flagged.mean() and fit.tidy()["flagged"].equals(flagged)
    clean = si.veracity("y ~ x + z", rows(200, 5))
    assert clean.flagged.sum() <= 2


def test_scores_divided_by_the_spread_find_more_where_it_varies():
    """Area under the precision-recall curve, over eight samples."""
    from sklearn.metrics import average_precision_score

    found = {"arithmetic": [], "residual": []}
    for seed in range(8):
        data, wrong = planted(200, 20 + seed, size=1.5, spread=1.0)
        for score in found:
            table = si.veracity("y ~ x + z", data, score=score, replicas=0, filter=False).tidy()
            found[score].append(average_precision_score(wrong, table["score"]))
    assert np.mean(found["arithmetic"]) > np.mean(found["residual"]) + 0.05


def test_the_share_by_r_squared_is_the_largest_on_its_path():
    found = si.veracity("y ~ x + z", DATA, rule="r2")
    path = found.r2_path
    best = path.loc[path["r2"].idxmax(), "removed"]
    assert found.k_hat == best and found.flagged.sum() == int(np.ceil(best * 200 - 1e-9))
    assert {0.0, 0.05, 0.1, 0.15, 0.2} <= set(path["removed"]) and len(path) > 5
    tried = si.veracity("y ~ x + z", DATA, rule="r2", grid=[0.1, 0.3])
    assert {0.0, 0.1, 0.3} <= set(tried.r2_path["removed"])


def test_refitting_leaves_out_what_is_flagged(fit):
    again = fit.refit()
    expected = si.lm("y ~ x + z", DATA[~fit.flagged])
    np.testing.assert_allclose(again.params, expected.params, rtol=1e-10)
    assert abs(again.params["Intercept"] - 1.0) < abs(si.lm("y ~ x + z", DATA).params["Intercept"] - 1.0)
    other = si.veracity("y ~ x + z", DATA, model="ridge")
    refit = other.refit()
    assert refit.nobs == int((~other.flagged).sum()) and "ridge" in str(refit)
    np.testing.assert_allclose(other.predict()["estimate"], other.tidy()["predicted"], rtol=1e-12)


@pytest.mark.parametrize("options", [{}, {"filter": False}, {"rule": "r2"}])
def test_other_models_are_refitted_to_the_rows_that_are_not_flagged_whatever_was_filtered(options):
    found = si.veracity("y ~ x + z", DATA, model=LinearRegression(), **options)
    new, rest = rows(20, 8), DATA[~found.flagged]
    assert 0 < len(rest) < 200 == found.nobs and found.refit().nobs == len(rest)
    expected = LinearRegression().fit(rest[["x", "z"]], rest["y"]).predict(new[["x", "z"]])
    np.testing.assert_allclose(found.refit().predict(new)["estimate"], expected, rtol=1e-10)


def test_refitting_knows_the_functions_of_the_caller():
    found = si.veracity("y ~ bent(x) + z", DATA, context={"bent": np.sinh})
    expected = si.lm("y ~ sinh(x) + z", DATA[~found.flagged])
    np.testing.assert_allclose(found.refit().theta, expected.theta, rtol=1e-10)


def test_p_values_of_new_rows_are_counts_of_calibration_scores(fit):
    calibration, (new, wrong) = rows(150, 9), planted(80, 10)
    new = new.set_axis([f"n{i}" for i in range(80)])
    table = fit.test(new, fdr=0.1, calibration=calibration)
    reference = fit.test(calibration, calibration=calibration)["score"].to_numpy()
    counts = (reference[:, None] >= table["score"].to_numpy()).sum(axis=0)
    np.testing.assert_allclose(table["p_value"], (1 + counts) / 151, rtol=1e-12)
    assert list(table.index) == list(new.index) and {"p_value", "flagged"} <= set(table.columns)
    order = np.sort(table["p_value"])
    passed = np.flatnonzero(order <= 0.1 * np.arange(1, 81) / 80)
    cut = order[passed[-1]] if len(passed) else 0.0
    np.testing.assert_array_equal(table["flagged"], table["p_value"] <= cut)
    assert table["flagged"][wrong].mean() > 0.7


def test_the_false_discovery_rate_of_the_test():
    """At most the level up to two standard errors; p-values of right rows are at most as small as uniform ones."""
    shares, small, repeats = [], [], 25
    for seed in range(repeats):
        fit = si.veracity("y ~ x + z", rows(100, 200 + seed), replicas=2, filter=False)
        new, wrong = planted(60, 400 + seed, size=2.0)
        table = fit.test(new, fdr=0.2, calibration=rows(100, 600 + seed))
        flagged = table["flagged"].to_numpy()
        shares.append((flagged & ~wrong).sum() / max(1, flagged.sum()))
        small.append((table["p_value"][~wrong] <= 0.1).mean())
    assert np.mean(shares) < 0.2 + 2 * np.std(shares, ddof=1) / np.sqrt(repeats)
    assert np.mean(small) < 0.1 + 2 * np.std(small, ddof=1) / np.sqrt(repeats)


def test_without_calibration_rows_the_test_says_that_it_is_approximate(fit):
    new, wrong = planted(80, 11)
    with pytest.warns(si.StatinfWarning, match="approximate"):
        table = fit.test(new)
    assert table["flagged"][wrong].mean() > 0.7 and table["flagged"][~wrong].mean() < 0.1


def test_rows_that_are_missing_are_reported_and_not_flagged(fit, tmp_path):
    holes = DATA.set_axis([f"r{i}" for i in range(200)])
    holes.loc["r3", "y"] = np.nan
    found = si.veracity("y ~ x + z", holes)
    table = found.tidy()
    assert list(table.index) == list(holes.index) and table.loc["r3"].drop("flagged").isna().all()
    assert not found.flagged["r3"] and found.nobs == 199 and "y is missing" in str(found)
    again = si.load(found.save(tmp_path / "v.si"))
    pd.testing.assert_frame_equal(again.tidy(), table)
    with pytest.raises(si.DataError, match="no data"):
        again.refit()
    with pytest.raises(si.DataError, match="na_action"):
        si.veracity("y ~ x + z", holes, na_action="raise")
    new = rows(5, 12)
    new.loc[1, "y"], new.loc[2, "x"] = np.nan, np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tested = fit.test(new)
    assert list(tested["p_value"].isna()) == [False, True, True, False, False] and not tested["flagged"][1:3].any()
    assert isinstance(si.veracity("y ~ x + z", pl.from_pandas(DATA)).flagged, pl.Series)


@pytest.mark.parametrize(
    ("options", "frame", "error", "match"),
    [
        ({}, DATA.head(9), si.DataError, "folds=5 needs at least 10 rows, and 9"),
        ({}, DATA.assign(y=3.0), si.DataError, "constant"),
        ({"score": "arithmetical"}, DATA, si.OptionError, "arithmetic"),
        ({"replicas": 0, "score": "geometric"}, DATA, si.OptionError, "replicas=0"),
        ({"replicas": -1}, DATA, si.OptionError, "replicas"),
        ({"share": 0.0}, DATA, si.OptionError, "share"),
        ({"folds": 1}, DATA, si.OptionError, "folds"),
        ({"grid": [0.7]}, DATA, si.OptionError, "grid"),
        ({"grid": 0.1}, DATA, si.OptionError, "grid"),
        ({"scale": 2.0}, DATA, si.OptionError, "scale"),
        ({"rule": "r3"}, DATA, si.OptionError, "r2"),
        ({"fdr": 1.0}, DATA, si.OptionError, "fdr"),
        ({"model": "lmm"}, DATA, si.OptionError, "model"),
        ({"model": object()}, DATA, si.OptionError, "fit"),
        ({"n_boot": 5}, DATA, si.OptionError, "n_boot"),
    ],
)
def test_what_cannot_be_is_named(options, frame, error, match):
    with pytest.raises(error, match=match):
        si.veracity("y ~ x + z", frame, **options)


def test_what_a_test_cannot_use_is_named(fit):
    for fdr in (0.0, 1.0, "x", True):
        with pytest.raises(si.OptionError, match="fdr"):
            fit.test(DATA, fdr=fdr)
    with pytest.raises(si.DataError, match="'y'"):
        fit.test(DATA.drop(columns="y"), calibration=DATA)
    with pytest.raises(si.DataError, match="calibration has no row"):
        fit.test(DATA, calibration=DATA.assign(y=np.nan))


def test_few_rows_one_covariate_and_whole_numbers():
    data = rows(40, 13)
    whole = data.assign(y=np.round(3 * data["y"]).astype(int))
    table = si.veracity("y ~ x", whole, replicas=0).tidy()
    assert (table["predicted"] % 1 != 0).any() and (table["epistemic"] == 0).all()
    assert np.isfinite(si.veracity("y ~ 1", data).tidy()["score"]).all()


def test_an_estimator_of_scikit_learn():
    from sklearn.ensemble import RandomForestRegressor

    model, few = RandomForestRegressor(5, min_samples_leaf=3), DATA.head(80)
    options = {"model": model, "replicas": 1, "folds": 2, "seed": 1, "filter": False}
    one, two = (si.veracity("y ~ x + z", few, **options) for _ in range(2))
    pd.testing.assert_frame_equal(one.tidy(), two.tidy())
    mixed = si.veracity("y ~ x + z", few.iloc[np.random.default_rng(0).permutation(80)], **options)
    pd.testing.assert_frame_equal(mixed.tidy().loc[few.index], one.tidy())


def test_what_stands_out():
    rng = np.random.default_rng(3)
    assert not outlying(np.abs(rng.normal(size=300)), 0.05).any()
    assert not outlying(np.zeros(10), 0.1).any()
    assert list(np.flatnonzero(outlying(np.append(np.abs(rng.normal(size=300)), [8.0, 9.0]), 0.05))) == [300, 301]


def test_figures(fit):
    assert fit.plot().get_ylabel() == "y" and fit.plot("path").get_xlabel()
    with pytest.raises(si.OptionError, match="kind"):
        fit.plot("band")
    with pytest.raises(si.OptionError, match="filter=True"):
        si.veracity("y ~ x", DATA, filter=False).plot("path")


def test_folds_of_the_caller_follow_the_rows():
    data, _ = planted(80, 5)
    labels = np.arange(80) % 4
    one = si.veracity("y ~ x + z", data, folds=labels)
    order = np.random.default_rng(1).permutation(80)
    for folds in (labels[order], pd.Series(labels, data.index)):
        moved = si.veracity("y ~ x + z", data.iloc[order], folds=folds).tidy()["score"]
        np.testing.assert_allclose(moved.loc[data.index], one.tidy()["score"], rtol=1e-9)
    alone = si.veracity("y ~ x + z", data, folds=np.arange(80), **PLAIN).tidy()["score"]
    np.testing.assert_allclose(alone, si.veracity("y ~ x + z", data, folds=80, **PLAIN).tidy()["score"], rtol=1e-9)
    for folds, match in (
        (np.zeros(80), "at least two folds"),
        (labels[1:], r"shape \(79,\)"),
        ([np.nan, *labels[1:]], "no label in 1 rows"),
        ("x", "one label per row"),
    ):
        with pytest.raises(si.OptionError, match=match):
            si.veracity("y ~ x + z", data, folds=folds)

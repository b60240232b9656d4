"""Balance tables of weights from elsewhere."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import statinf as si
from balancing.balance_samples import REFERENCE

FORMULA = "treat ~ age + educ + race + married + nodegree + re74 + re75"
NAMES = {"race_black": "race[black]", "race_hispan": "race[T.hispan]", "race_white": "race[T.white]"}


@pytest.fixture(scope="module")
def data():
    return si.datasets.load("lalonde")


@pytest.fixture(scope="module")
def weights(data):
    return {m: si.balance(FORMULA, data, method=m, estimand="ATT") for m in ("ipw", "entropy")}


def test_cobalt_numbers_of_weights_given_as_an_array(data, weights):
    ours = si.balance_table(FORMULA, data, weights=weights["ipw"].full(), estimand="ATT").tidy().set_index("term")
    theirs = pd.read_csv(REFERENCE / "cobalt.csv").query("method == 'glm' and estimand == 'ATT'")
    theirs = theirs.assign(term=theirs.variable.replace(NAMES)).set_index("term").loc[ours.index]
    np.testing.assert_allclose(ours["smd_before"], theirs["Diff.Un"], rtol=1e-8)
    # R's glm stops at 1e-8 of the deviance.
    np.testing.assert_allclose(ours["smd_after"], theirs["Diff.Adj"], atol=1e-6)
    np.testing.assert_allclose(ours["ks_after"], theirs["KS.Adj"], atol=1e-6)


def test_a_weights_object_brings_its_levels_estimand_and_rows(data, weights):
    w = weights["entropy"]
    expected = w.diagnostics()
    for rows in (data, data.sample(frac=1, random_state=1)):
        table = si.balance_table(FORMULA, rows, weights=w)
        assert table.estimand == "ATT" and not table.unbalanced
        found = table.tidy()[expected.columns]
        pd.testing.assert_frame_equal(found, expected, rtol=1e-9, atol=1e-10)
    by_name = si.balance_table(FORMULA, data.assign(w=w.values), weights="w", estimand="ATT").tidy()
    pd.testing.assert_frame_equal(by_name[expected.columns], expected, rtol=1e-9, atol=1e-10)


def test_further_covariates_names_order_and_thresholds(data, weights):
    table = si.balance_table(
        FORMULA, data, weights=weights, covariates="~ I(age**2) + re74:married", names={"re74": "Earnings 1974", "race": "Race"},
        order="before", threshold={"smd": 0.05, "variance_ratio": 2, "ks": 0.2},
    )  # fmt: skip
    frame = table.tidy()
    assert list(dict.fromkeys(frame["weighting"])) == ["ipw", "entropy"]
    one = frame[frame["weighting"] == "entropy"]
    assert list(one["term"])[:2] == ["Race[T.white]", "Race[black]"] and "Earnings 1974" in set(one["term"])
    assert (np.diff(one["smd_before"].abs()) <= 0).all()
    within = (one["smd_after"].abs() <= 0.05) & (one["ks_after"] <= 0.2)
    ratio = one["variance_ratio_after"]
    np.testing.assert_array_equal(one["balanced"], within & (ratio.isna() | ratio.between(0.5, 2)))
    assert set(table.unbalanced) == set(frame.loc[~frame["balanced"], "term"])
    text = table.summary().to_text()
    assert "variance ratios between 0.5 and 2" in text and "Beyond (*)" in text
    assert list(si.balance_table(FORMULA, data, order="name", threshold=None).tidy()["term"])[:2] == ["age", "educ"]


def test_several_arms_and_doses(data):
    w = si.balance("race ~ age + re74", data, method="entropy", estimand="ATT", treated="hispan", reference="white")
    table = si.balance_table("race ~ age + re74", data, weights=w, covariates="educ")
    frame = table.tidy()
    assert set(frame["denominator"]) == {"treated"} and len(frame) == 9
    assert table.unbalanced == ["educ"] and set(frame["reference"]) == {"white", "black"}
    dose = si.balance("re75 ~ age + re74", data, method="entropy")
    table = si.balance_table(
        "re75 ~ age + re74", data, weights={"entropy": dose, "none": np.ones(614)}, covariates="~ educ"
    )
    assert table.measure == "correlation" and "re74" in table.unbalanced
    assert "balanced" in si.balance_table("re75 ~ age", data, threshold={"ks": 0.05}).tidy()


def test_rows_without_weights_and_weights_of_zero(data):
    matched = np.where(np.arange(614) % 3 == 0, 0.0, 1.0)
    table = si.balance_table("treat ~ age", data, weights=matched)
    assert table.nobs == 614 and table.sizes()["zero"].sum() == (matched == 0).sum()
    some = si.balance_table("treat ~ age", data, weights=np.where(np.arange(614) < 5, np.nan, 1.0))
    assert some.nobs == 609 and some.dropped == {"no weight for the row": 5}
    assert "no weight for the row" in some.summary().to_text()
    s = np.arange(614) % 4 + 1.0
    w = si.balance("treat ~ age + educ", data, weights=s, method="entropy")
    found = si.balance_table("treat ~ age + educ", data, weights=w).tidy()
    pd.testing.assert_frame_equal(found[w.diagnostics().columns], w.diagnostics(), rtol=1e-9, atol=1e-10)


def test_other_frames_and_files(data, weights, tmp_path):
    polars = pytest.importorskip("polars")
    table = si.balance_table(FORMULA, polars.from_pandas(data), weights=weights["ipw"].values)
    assert isinstance(table.tidy(), polars.DataFrame)
    again = si.load(table.save(tmp_path / "table.si"))
    assert again.tidy().equals(table.tidy()) and repr(again) == repr(table)


def test_figures_have_the_threshold_s_line(data, weights):
    import matplotlib.pyplot as plt

    table = si.balance_table(FORMULA, data, weights=weights, threshold={"smd": 0.05, "ks": 0.2})
    for statistic, place in (("smd", 0.05), ("ks", 0.2)):
        ax = table.plot(statistic)
        assert place in [line.get_xdata()[0] for line in ax.lines]
        assert [t.get_text() for t in ax.get_legend().get_texts()] == ["unweighted", "ipw", "entropy"]
    assert len(table.plot(threshold=None).lines) == len(table.plot().lines) - 1
    three = si.balance_table("race ~ age + educ", data, weights={"a": np.ones(614), "b": np.arange(614) + 1.0})
    assert len(three.plot()) == 3 and three.plot(pairs="largest").get_ylim() is not None
    assert si.balance_table("treat ~ age", data).plot() is not None
    plt.close("all")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"weights": "nonsense"}, si.DataError, "nonsense"),
        ({"weights": np.ones(5)}, si.DataError, "one weight per row"),
        ({"weights": {}}, si.OptionError, "mapping"),
        ({"weights": np.zeros(614)}, si.DataError, "no row of 0 has a weight"),
        ({"threshold": -1}, si.OptionError, "not positive"),
        ({"threshold": {"nonsense": 1}}, si.OptionError, "nonsense"),
        ({"threshold": {"variance_ratio": 0.5}}, si.OptionError, "above 1"),
        ({"threshold": {"correlation": 0.1}}, si.OptionError, "does not have"),
        ({"names": {"nonsense": "x"}}, si.OptionError, "not in the table"),
        ({"covariates": "y ~ age"}, si.OptionError, "left side"),
        ({"order": "size"}, si.OptionError, "order"),
        ({"treshold": 0.1}, si.OptionError, "threshold"),
        ({"estimand": "LATE"}, si.OptionError, "estimand"),
    ],
    ids=str,
)
def test_bad_input(data, options, error, message):
    with pytest.raises(error, match=message):
        si.balance_table(FORMULA, data, **options)
    with pytest.raises(si.OptionError, match="threshold=None"):
        _ = si.balance_table(FORMULA, data, threshold=None).unbalanced

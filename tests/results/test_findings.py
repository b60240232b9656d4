"""Answers of results: they print as sentences and tidy to the caller's kind of data frame."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

import statinf as si


@pytest.fixture(scope="module")
def card():
    return si.datasets.load("card").iloc[:600]


def test_wald_tests_tidy_in_the_callers_kind_of_frame(card):
    found = si.lm("lwage ~ educ + exper", pl.from_pandas(card)).test("educ = 0").tidy()
    assert isinstance(found, pl.DataFrame)
    assert found.columns == ["hypothesis", "statistic", "df", "df_denominator", "p_value"]


def test_instrument_tests_tidy(card):
    fit = si.iv("lwage ~ educ | exper | nearc4 + nearc2", card)
    kept = fit.anderson_rubin(vcov="iid")
    rows = kept.tidy()
    assert rows[["conf_low", "conf_high"]].to_numpy().tolist() == [list(piece) for piece in kept.pieces]
    assert rows["null"].tolist() == [0.0] * len(rows)
    for test in (fit.overid(), fit.overid("sargan"), fit.wu_hausman(), fit.wu_hausman("HC1")):
        assert test.tidy()["p_value"].tolist() == [test.p_value]


def test_rate_and_bounds_tidy(card):
    data = card.assign(treat=(card["nearc4"] > 0).astype(float))
    found = si.cate("lwage ~ treat | educ + exper", data, method="dr").rate(replicas=20)
    low, high = found.conf_int()
    assert found.tidy().iloc[0][["conf_low", "conf_high"]].tolist() == [low, high]
    bounds = si.effect("lwage ~ treat | educ + exper", data, method="plr", repeats=2).sensitivity()
    row = bounds.tidy().iloc[0]
    assert (row["estimate"], row["conf_low"], row["p_value"]) == (bounds.theta, bounds.conf_low, bounds.p_value)


def test_answers_print_as_sentences_and_escape_names():
    data = pd.DataFrame({"y": np.arange(9.0) ** 2, "a<b": np.arange(9.0)})
    found = si.lm("y ~ `a<b`", data).test("`a<b` = 0")
    assert repr(found) == str(found)
    assert "a<b" not in found._repr_html_() and "a&lt;b" in found._repr_html_()

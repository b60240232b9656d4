"""Adjusted p-values against R's p.adjust, multcomp, statsmodels and a direct step-down."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from scipy import stats

import statinf as si
from reference import FOLDER
from statinf.inference.joint_normal import LargestT
from statinf.inference.multiplicity import STEPWISE, adjusted, step_down

R = json.loads((FOLDER / "anova.json").read_text())


@pytest.fixture(scope="module")
def fit():
    return si.lm("mpg ~ wt + qsec + hp + drat", si.datasets.load("mtcars"), vcov="iid")


@pytest.mark.parametrize("method", list(R["adjust"]))
def test_p_adjust(method):
    np.testing.assert_allclose(adjusted(np.array(R["p"]), method), R["adjust"][method], rtol=1e-12)


@pytest.mark.parametrize(
    ("method", "theirs"),
    [
        ("holm", "holm"),
        ("hochberg", "simes-hochberg"),
        ("hommel", "hommel"),
        ("sidak", "sidak"),
        ("bh", "fdr_bh"),
        ("by", "fdr_by"),
    ],
)
def test_statsmodels(method, theirs):
    from statsmodels.stats.multitest import multipletests

    random = np.random.default_rng(4)
    for m in (1, 2, 7, 30):
        p = random.uniform(size=m) ** 3
        p[: m // 3] = 0.25  # ties
        np.testing.assert_allclose(adjusted(p, method), multipletests(p, method=theirs)[1], rtol=1e-12)
    holes = adjusted(np.array([0.01, np.nan, 0.02]), method)
    assert np.isnan(holes[1]) and not np.isnan(holes[[0, 2]]).any()


def test_single_step_of_multcomp(fit):
    found = fit.adjust("sup-t")
    np.testing.assert_allclose(found["adj_p_value"], R["single_step"]["p"], atol=2e-4)
    half = (found["conf_high"] - found["conf_low"]) / 2 / found["std_error"]
    np.testing.assert_allclose(half, half[0], rtol=1e-12)
    # Where a limit is zero, the adjusted p-value is one less the level.
    covariance = fit.cov.matrix[1:, 1:]
    assert LargestT(covariance, 27.0).tail(half[0]) == pytest.approx(0.05, abs=1e-6)
    exact = fit.conf_int(simultaneous=True)
    assert abs(half[0] * fit.std_errors["wt"] / (exact.loc["wt"].diff().iloc[1] / 2) - 1) < 0.1


@pytest.mark.parametrize("df", [np.inf, 8.0])
def test_the_largest_of_independent_and_of_equal_statistics(df):
    law = stats.norm() if np.isinf(df) else stats.t(df)
    same = LargestT(np.outer([1.0, 2.0, -3.0], [1.0, 2.0, -3.0]), df)
    assert same.tail(2.0) == pytest.approx(2 * law.sf(2.0), abs=1e-4)
    alone = LargestT(np.diag([1.0, 4.0, 9.0]), df)
    if np.isinf(df):
        assert alone.tail(2.0) == pytest.approx(1 - (1 - 2 * law.sf(2.0)) ** 3, rel=1e-9)
    else:
        scale = np.sqrt(stats.chi2(df).ppf((np.arange(20000) + 0.5) / 20000) / df)
        want = np.mean(1 - (1 - 2 * stats.norm.sf(2.0 * scale)) ** 3)
        assert alone.tail(2.0) == pytest.approx(want, abs=1e-4)
    assert LargestT(np.ones((1, 1)), df).critical(0.95) == pytest.approx(law.ppf(0.975))


def test_romano_wolf_against_a_direct_step_down(fit):
    made = fit.adjust("romano-wolf", replicas=499, law="rademacher", seed=5)
    draws = fit.bootstrap(499, law="rademacher", seed=5).draws.draws
    t = np.abs(fit.statistics[1:])
    drawn = (np.abs(draws - fit.theta) / draws.std(axis=0, ddof=1))[:, 1:]
    left, want, last = [0, 1, 2, 3], {}, 0.0
    while left:
        best = max(left, key=lambda j: t[j])
        last = max(last, (1 + sum(max(row[left]) >= t[best] for row in drawn)) / 500)
        want[best] = last
        left.remove(best)
    np.testing.assert_allclose(made["adj_p_value"], np.maximum([want[j] for j in range(4)], made["p_value"]))
    assert (made["adj_p_value"] > made["p_value"]).sum() >= 2
    critical = np.sort(drawn.max(axis=1))[int(np.ceil(0.95 * 498))]
    np.testing.assert_allclose((made["estimate"] - made["conf_low"]) / made["std_error"], critical, rtol=1e-12)
    # Draws that a fit has are used, their own standard errors too.
    studentised = fit.bootstrap(299, kind="pairs", seed=2, studentize=True)
    ratio = np.abs(studentised.draws.draws - fit.theta) / studentised.draws.std_errors
    own = np.abs(fit.theta) / fit.with_vcov("HC1").std_errors.to_numpy()
    again = studentised.adjust("romano-wolf")
    want = np.maximum(step_down(own[1:], ratio[:, 1:]), again["p_value"])
    np.testing.assert_allclose(again["adj_p_value"], want, rtol=1e-12)


def test_families_tables_and_other_results(fit):
    data = si.datasets.load("mtcars")
    assert list(fit.adjust("holm")["term"]) == ["wt", "qsec", "hp", "drat"]
    two = fit.adjust("bonferroni", terms=["hp", "drat"], level=0.9)
    np.testing.assert_allclose(two["adj_p_value"], np.minimum(1, 2 * two["p_value"]))
    np.testing.assert_allclose(two[["conf_low", "conf_high"]], fit.conf_int(0.95).loc[["hp", "drat"]])
    assert "conf_low" not in fit.adjust("bh")
    both = si.joint(fit, si.lm("disp ~ wt", data))
    for method in (*STEPWISE, "sup-t", "romano-wolf"):
        table = both.adjust(method, **({"replicas": 99} if method == "romano-wolf" else {}))
        assert list(table["term"]) == ["1: wt", "1: qsec", "1: hp", "1: drat", "2: wt"]
        assert (table["adj_p_value"] <= 1).all()
    assert isinstance(si.lm("mpg ~ wt", pl.from_pandas(data)).adjust(), pl.DataFrame)
    logit = si.glm("am ~ wt + hp", data, family="binomial")
    assert (logit.adjust("sup-t")["adj_p_value"] >= logit.adjust("sup-t")["p_value"]).all()
    assert len(fit.transform("wt / hp, qsec").adjust("romano-wolf", replicas=99)) == 2


@pytest.mark.filterwarnings("ignore:.*clusters:statinf.StatinfWarning")
def test_clusters_of_fits_on_different_rows_are_drawn_together():
    data = si.datasets.load("mtcars")
    fits = [si.lm("mpg ~ wt", data.assign(mpg=data["mpg"].where(data["mpg"] < 30))), si.lm("disp ~ wt", data)]
    both = si.joint(*fits, vcov={"cluster": "carb"})
    found = both.adjust("romano-wolf", replicas=199)
    drawn = both.bootstrap(199).draws
    assert drawn.clusters == 6 and found["adj_p_value"].between(0.005, 1).all()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"method": "tukey"}, si.OptionError, "method"),
        ({"terms": ["weight"]}, si.OptionError, "no coefficient"),
        ({"terms": []}, si.OptionError, "empty"),
        ({"terms": ["wt", "wt"]}, si.OptionError, "twice"),
        ({"replicas": 99}, si.OptionError, "romano-wolf"),
        ({"method": "romano-wolf", "law": "cauchy"}, si.OptionError, "law"),
    ],
)
def test_bad_input(fit, options, error, message):
    with pytest.raises(error, match=message):
        fit.adjust(**options)


def test_a_fit_without_standard_errors_says_so(fit):
    with pytest.raises(si.NotIdentifiedError, match="offers"):
        si.conformal("mpg ~ wt", si.datasets.load("mtcars")).adjust()


def test_a_factor_stands_for_all_of_its_coefficients():
    fit = si.lm("mpg ~ wt + C(cyl)", si.datasets.load("mtcars"))
    both = fit.adjust("bonferroni", terms="C(cyl)")
    assert list(both["term"]) == ["C(cyl)[T.6]", "C(cyl)[T.8]"]
    assert list(fit.adjust(terms=["C(cyl)", "wt"])["term"]) == [*both["term"], "wt"]
    with pytest.raises(si.OptionError, match="twice"):
        fit.adjust(terms=["C(cyl)", "C(cyl)[T.6]"])

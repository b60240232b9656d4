"""Several outcomes, steps and groups of rows in one call."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest

import statinf as si
from statinf.errors import DroppedRowsWarning
from statinf.results.collection import Fits


@pytest.fixture(scope="module")
def data():
    return si.datasets.load("mtcars")


@pytest.fixture(scope="module")
def fits(data):
    return si.lm("cbind(mpg, log(qsec)) ~ wt + csw0(hp, C(cyl))", data)


def test_each_fit_is_the_one_made_alone(data, fits):
    alone = [
        si.lm(f"{outcome} ~ {right}", data)
        for outcome in ("mpg", "log(qsec)")
        for right in ("wt", "wt + hp", "wt + hp + C(cyl)")
    ]
    assert [f.formula for f in fits] == [f.formula for f in alone]
    for one, other in zip(fits, alone, strict=True):
        pd.testing.assert_frame_equal(one.tidy(), other.tidy(), rtol=1e-10)
        pd.testing.assert_frame_equal(one.glance(), other.glance(), rtol=1e-10)
        new = data.head(3)
        np.testing.assert_allclose(one.predict(new).to_numpy(), other.predict(new).to_numpy(), rtol=1e-10)


def test_a_collection_is_a_sequence_with_names(fits):
    assert isinstance(fits, Fits) and len(fits) == 6 and len(list(fits)) == 6
    assert fits.names[:2] == ("mpg: none", "mpg: hp") and fits["mpg: hp"] is fits[1] and fits[-1] is fits.fits[-1]
    assert fits[:2].names == fits.names[:2] and fits[:2].above == {"Step": ("none", "hp")}
    with pytest.raises(si.OptionError, match=r"no fit 'mpg: hpp'.*Did you mean 'mpg: hp'"):
        fits["mpg: hpp"]
    with pytest.raises(AttributeError, match=r"6 fits together have no 'params'; take one, fits\['mpg: none'\].params"):
        _ = fits.params
    with pytest.raises(AttributeError, match="no attribute 'zzz'"):
        _ = fits.zzz
    again = pickle.loads(pickle.dumps(fits[:1]))
    assert again.names == fits.names[:1] and repr(again) == repr(fits[:1])


def test_tables_of_a_collection(fits):
    tidy, glance = fits.tidy(0.9), fits.glance()
    assert tidy.columns[:4].tolist() == ["model", "outcome", "step", "term"] and len(tidy) == 2 * (2 + 3 + 5)
    assert glance.columns[:3].tolist() == ["model", "outcome", "step"] and glance["model"].tolist() == list(fits.names)
    assert fits.tidy(style="broom").columns[5] == "std.error"
    table = fits.table(names=list("abcdef"))
    assert table.columns == ("term", *"abcdef")
    assert table.spans[0] == ("Outcome", (("mpg", 3), ("log(qsec)", 3)))
    assert table.spans[2][1][:3] == (("none", 1), ("hp", 1), ("hp + C(cyl)", 1))
    assert si.table(fits).rows == si.table(*fits).rows == fits.summary().rows
    assert "mpg" in fits._repr_html_() and "| Outcome" in fits._repr_markdown_()


def test_other_covariances_and_joint_tests(data, fits):
    assert [f.cov.label for f in fits.with_vcov("HC3")] == ["HC3"] * 6
    pair = si.lm("cbind(mpg, qsec) ~ wt", data)
    both = pair.joint()
    assert both.vcov.equals(si.joint(*pair, names=pair.names).vcov)
    assert both.terms == ("mpg: Intercept", "mpg: wt", "qsec: Intercept", "qsec: wt")
    assert both.test("mpg: wt = qsec: wt").p_value < 1e-6
    assert pair.lean()[0].design is None and pair.lean().table().rows == pair.table().rows


def test_joint_tests_across_groups_are_those_of_an_interaction(data):
    data = data.assign(pair=np.arange(len(data)) // 2)
    groups, whole = si.lm("mpg ~ wt", data, by="am"), si.lm("mpg ~ wt*am", data, vcov="HC0")
    both = groups.joint()
    block = both.vcov.to_numpy()
    assert (block[:2, 2:] == 0).all()
    np.testing.assert_allclose(block[2:, 2:], groups[1].with_vcov("HC0").vcov, rtol=1e-10)
    np.testing.assert_allclose(both.test("1: wt = 0: wt").statistic, whole.statistics[3] ** 2, rtol=1e-8)
    clustered = groups.joint({"cluster": "pair"}).test("1: wt = 0: wt").statistic
    whole = si.lm("mpg ~ wt*am", data, vcov={"cluster": "pair", "type": "HC0"})
    np.testing.assert_allclose(clustered, whole.statistics[3] ** 2, rtol=1e-8)
    assert groups[0].augment().shape[0] == groups[0].nobs and pickle.loads(pickle.dumps(groups)).places == ()
    weights = si.balance("am ~ wt", data, method="entropy")
    with pytest.raises(si.DataError, match="estimated weights cannot be taken together"):
        si.lm("mpg ~ am", data, weights=weights, by="vs").joint()


def test_each_fit_leaves_out_its_own_incomplete_rows(data):
    gaps = data.assign(qsec=data["qsec"].where(data.index > 4), hp=data["hp"].where(data.index < 30))
    fits = si.lm("cbind(mpg, qsec) ~ sw(wt, hp)", gaps)
    assert [f.nobs for f in fits] == [32, 30, 27, 25]
    assert [dict(f.dropped) for f in fits] == [dict(si.lm(f.formula, gaps).dropped) for f in fits]


def test_a_fit_for_each_group(data):
    weights = np.linspace(1, 2, len(data))
    pairs = np.array([f"car {i}" for i in range(len(data))])
    fits = si.lm("mpg ~ wt", data, by="am", weights=weights, cluster=pairs)
    assert fits.names == ("0", "1") and fits.above == {"am": ("0", "1")}
    for value, fit in enumerate(fits):
        rows = (data["am"] == value).to_numpy()
        alone = si.lm("mpg ~ wt", data[rows], weights=weights[rows], cluster=pairs[rows])
        pd.testing.assert_frame_equal(fit.tidy(), alone.tidy())
    # a Series goes by its index, as in a fit of all rows
    by_label = pd.Series(weights, index=data.index)[::-1]
    assert si.lm("mpg ~ wt", data, by="am", weights=by_label)[1].params.equals(fits[1].params)
    assert fits.tidy()["by"].tolist() == ["0", "0", "1", "1"]
    assert fits.table().spans[2] == ("am", (("0", 1), ("1", 1)))
    both = si.lm("cbind(mpg, qsec) ~ wt", data, by="am")
    assert both.names == ("0: mpg", "0: qsec", "1: mpg", "1: qsec")


def test_groups_of_other_frames_and_of_estimated_weights(data):
    frame = pl.from_pandas(data)
    fits = si.glm("am ~ wt", frame, family="binomial", by="vs")
    assert isinstance(fits.tidy(), pl.DataFrame)
    same = si.glm("am ~ wt", frame.filter(pl.col("vs") == 1), family="binomial")
    np.testing.assert_allclose(fits[1].params, same.params)
    w = si.balance("am ~ wt", data, method="entropy")
    weighted = si.lm("mpg ~ am", data, weights=w, by="vs")
    for value, fit in enumerate(weighted):
        rows = (data["vs"] == value).to_numpy()
        alone = si.lm("mpg ~ am", data[rows], weights=w.full()[rows])
        np.testing.assert_allclose(fit.params, alone.params)


def test_faults_of_groups(data):
    with pytest.raises(si.DataError, match="'cyll' is not in the data"):
        si.lm("mpg ~ wt", data, by="cyll")
    with pytest.raises(si.DataError, match="weights has 3 values for the 32 rows"):
        si.lm("mpg ~ wt", data, by="am", weights=[1.0, 2.0, 3.0])
    with pytest.raises(si.OptionError, match="name of a column"):
        si.lm("mpg ~ wt", data, by=["cyl", "am"])
    with pytest.warns(DroppedRowsWarning, match="7 rows without a value of 'cyl'"):
        fits = si.lm("mpg ~ wt", data.assign(cyl=data["cyl"].where(data["cyl"] != 6)), by="cyl")
    assert len(fits) == 2
    with pytest.raises(si.DataError, match="has no value"), pytest.warns(DroppedRowsWarning):
        si.lm("mpg ~ wt", data.assign(cyl=np.nan), by="cyl")
    with pytest.raises(si.DataError, match="constant") as caught:
        si.lm("am ~ wt", data.assign(am=data["am"] * (data["vs"] == 0)), by="vs")
    assert caught.value.__notes__ == ["in the fit of 'am ~ wt', vs = 1"]


def test_steps_of_absorbed_effects(data):
    fits = si.lm("mpg ~ wt", data, absorb="csw0(cyl, gear)", vcov="iid")
    assert fits.names == ("none", "cyl", "cyl + gear") and fits[0].params.equals(si.lm("mpg ~ wt", data).params)
    assert fits[2].params["wt"] == pytest.approx(si.lm("mpg ~ wt + C(cyl) + C(gear)", data).params["wt"])
    table = fits.table(rename={"cyl": "Cylinders"})
    head = table.heads[0]
    assert table.rows[head][0] == "Absorbed effects"
    assert table.rows[head + 1 : head + 3] == (("Cylinders", "no", "yes", "yes"), ("gear", "no", "no", "yes"))


def test_other_verbs(data):
    counts = si.glm("cbind(carb, gear) ~ sw(wt, hp)", data, family="poisson")
    assert counts.names == ("carb: wt", "carb: hp", "gear: wt", "gear: hp")
    np.testing.assert_allclose(counts[3].params, si.glm("gear ~ hp", data, family="poisson").params, rtol=1e-10)
    card = si.datasets.load("card")
    steps = si.iv("lwage ~ educ | csw0(exper, black) | nearc4", card, method="2sls")
    alone = si.iv("lwage ~ educ | exper + black | nearc4", card)
    np.testing.assert_allclose(steps[2].std_errors, alone.std_errors)
    censored = si.tobit("qsec ~ csw(wt, hp)", data, lower=14.5)
    assert censored.names == ("wt", "wt + hp") and censored[1].params.equals(
        si.tobit("qsec ~ wt + hp", data, lower=14.5).params
    )
    assert si.ordered("gear ~ sw(wt, hp)", data).table().columns == ("term", "(1)", "(2)")
    with pytest.raises(si.OptionError, match="stepss= is not an option"):
        si.lm("mpg ~ wt", data, stepss=1)


@pytest.mark.filterwarnings("ignore:the cluster column", "ignore:3 clusters for")
@pytest.mark.parametrize("options", [{}, {"by": "am"}])
def test_clusters_of_the_fits_are_those_of_their_joint_distribution(options):
    cars = si.datasets.load("mtcars")
    formula = "mpg ~ wt" if options else "cbind(mpg, qsec) ~ wt"
    fits = si.lm(formula, cars, cluster="cyl", **options)
    both = fits.joint()
    assert both.cov.label == "clustered by cyl (HC0)"
    expected = np.concatenate([f.with_vcov({"cluster": "cyl", "type": "HC0"}).std_errors for f in fits])
    np.testing.assert_allclose(both.std_errors, expected, rtol=1e-10)
    np.testing.assert_array_equal(fits.joint(vcov="HC0").std_errors, si.lm(formula, cars, **options).joint().std_errors)


@pytest.mark.filterwarnings("ignore:the cluster column", "ignore:3 clusters for")
@pytest.mark.parametrize("cluster", ["array", "unlike", "none"])
def test_a_joint_distribution_says_where_it_leaves_clusters_out(cluster):
    cars = si.datasets.load("mtcars")
    first = si.lm("mpg ~ wt", cars, cluster=cars["carb"].to_numpy() if cluster == "array" else "carb")
    given = {"array": cars["carb"].to_numpy(), "unlike": "gear", "none": None}[cluster]
    second = si.lm("qsec ~ wt", cars, cluster=given)
    with pytest.warns(si.StatinfWarning, match="as if rows were independent"):
        assert si.joint(first, second).cov.label == "HC0, joint"

"""Absorbed effects in `si.lm`: dummies, pyfixest's numbers, and what a fit says and does."""

from __future__ import annotations

import json
import pickle
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.errors import AliasedWarning, DataError, DroppedRowsWarning, FormulaError, NotIdentifiedError, OptionError

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "absorb" / "pyfixest.json").read_text())


def panel(n: int = 400, firms: int = 40) -> pd.DataFrame:
    """Firms in regions, years, weights and an outcome with effects of all of them."""
    random = np.random.default_rng(5)
    made = pd.DataFrame({"firm": random.permutation(np.arange(n) % firms), "year": random.integers(2000, 2006, n)})
    made["region"] = made["firm"] // 4
    made["kind"] = np.array(["a", "b", "c"])[made["firm"] % 3]
    effect = random.standard_normal(firms)[made["firm"]]
    made["x"] = random.standard_normal(n) + 0.5 * effect
    made["z"] = random.standard_normal(n)
    made["w"] = random.integers(1, 4, n).astype(float)
    made["y"] = made["x"] - 0.5 * made["z"] + effect + random.standard_normal(n) * (1.0 + 0.5 * np.abs(made["x"]))
    return made


DATA = panel()
TWO = ["x", "z"]


def close(found, expected, tolerance=1e-8):
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("absorb", "dummies", "weights"),
    [
        ("firm", "C(firm)", None),
        ("firm + year", "C(firm) + C(year)", "w"),
        ("kind:year", "C(kind):C(year)", None),
        (["firm", "year", "kind^year"], "C(firm) + C(year) + C(kind):C(year)", "w"),
    ],
)
def test_equals_dummies(absorb, dummies, weights):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AliasedWarning)
        whole = si.lm(f"y ~ x + z + {dummies}", DATA, weights=weights)
    fit = si.lm("y ~ x + z", DATA, absorb=absorb, weights=weights, singletons="keep", absorb_tol=1e-11)
    close(fit.params[TWO], whole.params[TWO])
    for kind in ("iid", "HC0", "HC1"):
        close(fit.with_vcov(kind).vcov, whole.with_vcov(kind).vcov.loc[TWO, TWO])
    assert fit.df_resid == whole.df_resid
    close(fit.fitted, whole.fitted)
    close(fit.residuals, whole.residuals)
    for name in ("r_squared", "adj_r_squared", "sigma", "loglik", "aic", "bic", "deviance"):
        close(fit.glance_items()[name], whole.glance_items()[name])
    close(fit.influence, whole.influence[:, [list(whole.terms).index(t) for t in TWO]])


def test_clusters_count_effects_that_lie_across_them():
    whole = si.lm("y ~ x + z + C(firm) + C(year)", DATA)
    fit = si.lm("y ~ x + z", DATA, absorb="firm + year", singletons="keep")
    n, k, firms, years = len(DATA), 2, DATA["firm"].nunique(), DATA["year"].nunique()
    assert fit.df_resid == n - k - firms - years + 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for cluster, counted in (("firm", years), ("region", years), ("year", firms), ("kind", years)):
            raw = whole.with_vcov({"cluster": cluster, "type": "HC0"}).vcov.loc[TWO, TWO]
            close(fit.with_vcov({"cluster": cluster, "type": "HC0"}).vcov, raw)
            close(fit.with_vcov({"cluster": cluster}).vcov, raw * (n - 1) / (n - k - counted))


def test_clusters_count_what_nested_factors_share_once():
    n, counted = len(DATA), 1
    for factors in ("firm + region", "firm^year + firm + region"):
        fit = si.lm("y ~ x + z", DATA, absorb=factors, cluster="region", singletons="keep")
        raw = fit.with_vcov({"cluster": "region", "type": "HC0"}).vcov
        close(fit.vcov, raw * (n - 1) / (n - len(TWO) - counted))
    alone = si.lm("y ~ x + z", DATA, absorb="firm", cluster="region")
    close(si.lm("y ~ x + z", DATA, absorb="firm + region", cluster="region").vcov, alone.vcov)


def test_a_list_takes_columns_of_any_name():
    odd = DATA.rename(columns={"firm": "the firm", "year": "year-of"})
    fit = si.lm("y ~ x + z", odd, absorb=["the firm", "year-of"])
    plain = si.lm("y ~ x + z", DATA, absorb="firm + year")
    close(fit.vcov, plain.vcov)
    close(fit.predict(odd.head(3))["estimate"], plain.fitted[:3])
    assert set(fit.fixed_effects()["factor"]) == {"the firm", "year-of"}


def test_leverage_corrections_with_one_factor():
    data = DATA[DATA.groupby("firm")["x"].transform("size") > 2]
    whole, fit = si.lm("y ~ x + z + C(firm)", data, weights="w"), si.lm("y ~ x + z", data, absorb="firm", weights="w")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind in (
            "HC2",
            "HC3",
            "HC4",
            "HC5",
            {"cluster": "firm", "type": "HC3"},
            {"cluster": "region", "type": "HC3"},
        ):
            close(fit.with_vcov(kind).vcov, whole.with_vcov(kind).vcov.loc[TWO, TWO])
        kind = {"cluster": "firm", "type": "CR2"}
        plain, dummies = si.lm("y ~ x + z", data, absorb="firm"), si.lm("y ~ x + z + C(firm)", data)
        close(plain.with_vcov(kind).tidy().iloc[:, 1:], dummies.with_vcov(kind).tidy().iloc[1:3, 1:])
        with pytest.raises(NotIdentifiedError, match="needs equal weights"):
            fit.with_vcov(kind)
    close(
        fit.augment()[["leverage", "std_residual", "cooks_distance"]],
        whole.augment()[["leverage", "std_residual", "cooks_distance"]],
    )
    fit.bootstrap(99, kind="wild")
    two = si.lm("y ~ x", data, absorb="firm + year")
    with pytest.raises(NotIdentifiedError, match="HC3 needs leverages, which the effects of firm and year together"):
        two.with_vcov("HC3")
    with pytest.raises(NotIdentifiedError, match="needs all their levels within the clusters"):
        two.with_vcov({"cluster": "firm", "type": "HC2"})
    with pytest.raises(NotIdentifiedError, match="wild bootstrap"):
        two.bootstrap(99, kind="wild")
    with pytest.raises(NotIdentifiedError, match="estimate the absorbed effects again"):
        two.bootstrap(99, kind="pairs")


@pytest.mark.parametrize("model", ["lm", "poisson", "iv"])
def test_equals_pyfixest(model):
    data = si.datasets.load("wage_panel").assign(weight=lambda d: 1.0 + d["educ"] % 3)
    fits = {}
    for case in REFERENCE["cases"]:
        if case["model"] != model:
            continue
        key, formula = (case["effects"], case["weights"]), case["formula"].split(" | ")[0]
        given = {"absorb": case["effects"], "weights": case["weights"], "absorb_tol": 1e-10}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if key not in fits:
                if model == "lm":
                    fits[key] = si.lm(formula, data, **given)
                elif model == "poisson":
                    fits[key] = si.glm(formula, data, family="poisson", **given)
                else:
                    fits[key] = si.iv("lwage ~ union | expersq | married + hours", data, **given)
            clusters = None if isinstance(case["vcov"], str) else case["vcov"]["CRV1"].split(" + ")
            kind = {"iid": "iid", "hetero": "HC1"}[case["vcov"]] if clusters is None else {"cluster": clusters}
            fit = fits[key].with_vcov(kind)
        assert fit.nobs == case["nobs"]
        names = list(case["coef"])
        close(fit.params[names], list(case["coef"].values()))
        # pyfixest scales the inverse information of a Poisson model by (n - 1) / (n - k); here it is as in R's glm
        scale = np.sqrt((fit.nobs - 1) / fit.df_resid) if (model, kind) == ("poisson", "iid") else 1.0
        np.testing.assert_allclose(fit.std_errors[names] * scale, list(case["se"].values()), rtol=1e-6)


def test_columns_stand_anywhere_and_rows_in_any_order():
    fit = si.lm("y ~ x + z", DATA, absorb="firm + year", cluster="firm")
    far = si.lm("y ~ x + z", DATA.assign(x=DATA["x"] + 1e7, y=DATA["y"] - 1e7), absorb="firm + year", cluster="firm")
    close(far.params, fit.params, 1e-7)
    close(far.std_errors, fit.std_errors, 1e-7)
    mixed = DATA.sample(frac=1.0, random_state=1)
    turned = si.lm("y ~ x + z", mixed, absorb="firm + year", cluster="firm")
    close(turned.params, fit.params)
    close(turned.std_errors, fit.std_errors)
    close(turned.fixed_effects()["estimate"], fit.fixed_effects()["estimate"])
    pd.testing.assert_index_equal(turned.augment().index, mixed.index)


def test_weights_are_repeated_rows_and_zero_is_absent():
    repeated = DATA.loc[DATA.index.repeat(DATA["w"].astype(int))]
    fit = si.lm("y ~ x + z", DATA, absorb="firm + year", weights="w")
    close(fit.params, si.lm("y ~ x + z", repeated, absorb="firm + year").params)
    some = DATA["year"] > 2001
    zero = si.lm("y ~ x + z", DATA, absorb="firm + year", weights=np.where(some, DATA["w"], 0.0), cluster="firm")
    less = si.lm("y ~ x + z", DATA[some], absorb="firm + year", weights="w", cluster="firm")
    close(zero.params, less.params)
    close(zero.vcov, less.vcov)
    assert (zero.nobs, zero.df_resid) == (less.nobs, less.df_resid)
    assert len(zero.fixed_effects("year")) == len(less.fixed_effects("year"))


def test_estimated_weights_are_stacked():
    data = DATA.assign(t=(DATA["z"] + np.random.default_rng(1).standard_normal(len(DATA)) > 0).astype(float))
    weights = si.balance("t ~ z + x", data, method="ipw")
    whole = si.lm("y ~ t + C(year)", data, weights=weights)
    fit = si.lm("y ~ t", data, absorb="year", weights=weights)
    assert "weights estimated" in fit.cov.label
    close(fit.params["t"], whole.params["t"])
    close(fit.std_errors["t"], whole.std_errors["t"])


def test_singletons_and_missing_levels_are_counted():
    data = pd.concat([DATA, DATA.head(3).assign(firm=[900, 901, 901], year=[2000, 2000, 2099])], ignore_index=True)
    data["firm"] = data["firm"].astype(float)
    data.loc[[5, 6], "firm"] = np.nan
    fit = si.lm("y ~ x + z", data, absorb="firm + year")
    # Row 402 is the only one of its year, which leaves one row of firm 901.
    assert fit.dropped == {
        "firm is missing": 2,
        "only row of their level of firm": 2,
        "only row of their level of year": 1,
    }
    assert "only row of their level of firm" in fit.summary().to_text()
    kept = si.lm("y ~ x + z", data, absorb="firm + year", singletons="keep")
    assert kept.nobs == fit.nobs + 3
    assert kept.df_resid == fit.df_resid
    close(kept.params, fit.params)
    with pytest.raises(DataError, match="na_action='raise'"):
        si.lm("y ~ x", data, absorb="firm", na_action="raise")
    with pytest.raises(DataError, match=r"no row of 20 is left beside the effects of id: 20 \(only row"):
        si.lm("y ~ x", DATA.head(20).assign(id=range(20)), absorb="id")


def test_columns_that_effects_determine_are_named():
    data = DATA.assign(size=DATA["firm"] * 2.0, both=DATA["x"] + DATA["firm"] - DATA["year"])
    with pytest.warns(AliasedWarning) as caught:
        fit = si.lm("y ~ x + size + z + both", data, absorb="firm + year")
    told = [str(w.message) for w in caught]
    assert "because the absorbed effects of firm, year determine them: 'size'" in told[0]
    assert "other columns determine them: 'both'" in told[1]
    assert fit.params.isna().tolist() == [False, True, False, True]
    close(fit.params[TWO], si.lm("y ~ x + z", DATA, absorb="firm + year").params)
    # A new row in which the columns left out are as the effects make them is predicted; another is not.
    close(fit.predict(data.head(5))["estimate"], fit.fitted[:5], 1e-7)
    with pytest.warns(DroppedRowsWarning, match=r"cannot be predicted and are NaN: 1: .*'size', 'both'"):
        new = fit.predict(data.head(2).assign(size=[data["size"][0], -1.0]))
    assert new["estimate"].isna().tolist() == [False, True]
    with pytest.raises(DataError, match="determine every column"):
        si.lm("y ~ size", data, absorb="firm")
    with pytest.raises(DataError, match="determine the outcome 'size'"):
        si.lm("size ~ x", data, absorb="firm")


def test_effects_by_level_and_predictions():
    whole = si.lm("y ~ x + z + C(firm) + C(year)", DATA)
    fit = si.lm("y ~ x + z", DATA, absorb="firm + year", absorb_tol=1e-11)
    table = fit.fixed_effects()
    assert list(table.columns) == ["factor", "level", "estimate", "rows"]
    years = fit.fixed_effects("year")
    assert years["level"].tolist() == sorted(DATA["year"].unique())
    assert years["rows"].sum() == fit.nobs
    assert abs(np.average(years["estimate"], weights=years["rows"])) < 1e-10
    close(np.diff(years["estimate"]), np.diff([0.0, *(v for k, v in whole.params.items() if "year" in k)]))
    new = DATA.head(4).assign(firm=[0, 1, 2, 999])
    with pytest.warns(DroppedRowsWarning, match="1 row: firm has a level that the fit has no effect of"):
        found = fit.predict(new)
    close(found["estimate"][:3], whole.predict(new.head(3))["estimate"])
    assert np.isnan(found["estimate"].iloc[3])
    assert found["std_error"].isna().all()
    with pytest.raises(NotIdentifiedError, match="no intervals"):
        fit.predict(new, interval="confidence")
    with pytest.raises(OptionError, match="factor='month' is not absorbed; there are 'firm', 'year'"):
        fit.fixed_effects("month")


def test_levels_that_never_meet_are_not_summed():
    apart = pd.concat([DATA, DATA.assign(firm=DATA["firm"] + 100, year=DATA["year"] + 50)], ignore_index=True)
    fit = si.lm("y ~ x + z", apart, absorb="firm + year")
    assert fit.summary_facts()["Absorbed df"].endswith("2 sets of levels not connected")
    assert fit.df_resid == len(apart) - 2 - (80 + 12 - 2)
    with pytest.warns(DroppedRowsWarning, match="levels of firm and year are not connected"):
        found = fit.predict(apart.head(2).assign(year=[2000, 2050]))
    assert found["estimate"].isna().tolist() == [False, True]


def test_combinations_of_columns_find_their_levels_again():
    fit = si.lm("y ~ x", DATA, absorb="kind^year")
    assert fit.fixed_effects()["level"].iloc[0] == "a^2000"
    close(fit.predict(DATA)["estimate"], fit.fitted)
    with pytest.warns(DroppedRowsWarning, match="2 rows: kind.year has a level"):
        assert (
            fit.predict(DATA.head(3).assign(kind=["a", "q", "b"], year=[2001, 2001, 1]))["estimate"].isna().sum() == 2
        )


def test_spellings_of_factors():
    data = DATA.rename(columns={"firm": "the firm"})
    fit = si.lm("y ~ x", DATA, absorb="firm + year")
    for absorb in ("`the firm` + year", "~C(`the firm`)+factor(year)", ["`the firm`", "year", "year"]):
        close(si.lm("y ~ x", data, absorb=absorb).params, fit.params)


def test_saved_lean_and_pickled(tmp_path):
    fit = si.lm("y ~ x + z", DATA, absorb="firm + kind^year", cluster="firm")
    for other in (si.load(fit.save(tmp_path / "fit.si")), pickle.loads(pickle.dumps(fit)), fit.lean()):
        close(other.predict(DATA.head(9))["estimate"], fit.fitted[:9])
        pd.testing.assert_frame_equal(other.fixed_effects(), fit.fixed_effects())
        assert other.with_vcov("HC1").cov.label == "HC1"
        assert other.r2_within == fit.r2_within
        with pytest.raises(DataError, match="needs the rows"):
            other.with_vcov({"cluster": "year"})


def test_other_tables_and_other_results():
    pl = pytest.importorskip("polars")
    fit = si.lm("y ~ x + z", DATA, absorb="firm + year", cluster="firm")
    other = si.lm("y ~ x + z", pl.from_pandas(DATA), absorb=["firm", "year"], cluster="firm")
    close(other.params, fit.params)
    assert isinstance(other.fixed_effects(), pl.DataFrame)
    assert "Absorbed effects: firm (40), year (6)" in fit.summary().to_text()
    assert "Observations" in si.table(fit, other).to_text()
    drawn = fit.bootstrap(99, seed=1)
    assert "40 clusters" in drawn.cov.label
    close(fit.test("x = 1").statistic, ((fit.params["x"] - 1.0) / fit.std_errors["x"]) ** 2)


@pytest.mark.parametrize(
    ("absorb", "error", "message"),
    [
        ("firm[x]", FormulaError, "slopes that vary by level"),
        ("firm*year", FormulaError, "'a.b' absorbs the combinations"),
        ("", FormulaError, "names no factors"),
        ("firm + ", FormulaError, "cannot be read"),
        (3, FormulaError, "names no factors"),
        (DATA["firm"], FormulaError, "names columns of the data, and was given values"),
        (DATA["firm"].to_numpy(), FormulaError, "names columns of the data, and was given values"),
        ("frim", DataError, "absorb= names 'frim'.*Did you mean 'firm'"),
    ],
)
def test_bad_absorb(absorb, error, message):
    with pytest.raises(error, match=message):
        si.lm("y ~ x", DATA, absorb=absorb)


def test_bad_options_and_formulas():
    with pytest.raises(FormulaError, match=r"absorb='firm \+ kind\^year' to si.lm"):
        si.lm("y ~ x | firm + kind:year", DATA)
    with pytest.raises(OptionError, match="singletons='leave'"):
        si.lm("y ~ x", DATA, absorb="firm", singletons="leave")
    with pytest.raises(DataError, match="no term beside the absorbed effects"):
        si.lm("y ~ 1", DATA, absorb="firm")
    few = DATA.head(30)
    with pytest.raises(DataError, match="cannot determine 2 coefficients beside"):
        si.lm("y ~ x + z", few.assign(pair=np.arange(30) // 2, other=np.arange(1, 31) // 2 % 15), absorb="pair + other")


def test_effects_leave_differences_of_linear_means_alone():
    fit, dummies = si.lm("y ~ x * z", DATA, absorb="firm"), si.lm("y ~ x * z + C(firm)", DATA)
    ours, theirs = fit.slopes(["x", "z"]), dummies.slopes(["x", "z"])
    close(ours.theta, theirs.theta)
    close(ours.cov.matrix, theirs.cov.matrix)
    for refused in (
        fit.predictions,
        lambda: fit.comparisons("x", comparison="ratio"),
        lambda: fit.slopes(slope="eyex"),
    ):
        with pytest.raises(NotIdentifiedError, match="absorbed effects"):
            refused()
    with pytest.raises(NotIdentifiedError, match="absorbed effects"):
        si.anova(fit, si.lm("y ~ x", DATA, absorb="firm"))

"""Difference-in-differences: what must hold exactly, influence values by derivatives, messages, and simulated coverage."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

import statinf as si
from reference.did.make_did import holed, panel
from statinf.inference.bands import sup_t_critical

quiet = pytest.mark.filterwarnings("ignore::statinf.StatinfWarning")
MPDTA = {"id": "countyreal", "time": "year", "cohort": "first_treat"}
PANEL = {"id": "unit", "time": "t", "cohort": "cohort"}
METHODS = ("dr", "dr-improved", "ipw", "regression")


@pytest.fixture(scope="module")
def mpdta() -> pd.DataFrame:
    return si.datasets.load("mpdta")


@pytest.fixture(scope="module")
def wide() -> pd.DataFrame:
    return panel()


def two_by_two() -> pd.DataFrame:
    data = panel()
    data = data[data["t"].isin([2, 3]) & data["cohort"].isin([0, 3])]
    return data.assign(after=(data["t"] == 3).astype(int), ever=(data["cohort"] == 3).astype(int))


# --- the ordinary case ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_two_groups_and_two_periods_are_the_interaction_of_least_squares(method: str) -> None:
    data = two_by_two()
    fit = si.did("y ~ d", data, id="unit", time="t", method=method)
    ols = si.lm("y ~ ever * after", data)
    assert fit.terms == ("ATT(3, 3)",)
    assert fit.theta[0] == pytest.approx(ols.params["ever:after"], rel=1e-12)
    changes = (
        data.sort_values(["unit", "t"])
        .groupby("unit")
        .agg(dy=("y", lambda y: y.iloc[1] - y.iloc[0]), ever=("ever", "first"))
    )
    paired = si.lm("dy ~ ever", changes, vcov="HC0")
    assert fit.std_errors.iloc[0] == pytest.approx(paired.std_errors["ever"], rel=1e-12)
    # As repeated cross-sections: every row for itself.
    rows = si.did("y ~ ever", data, time="t", cohort="cohort", method=method)
    assert rows.theta[0] == pytest.approx(fit.theta[0], rel=1e-12)
    assert rows.std_errors.iloc[0] == pytest.approx(ols.with_vcov("HC0").std_errors["ever:after"], rel=1e-12)


def test_covariates_by_regression_are_a_regression_of_changes_with_every_interaction() -> None:
    data = two_by_two().sort_values(["unit", "t"])
    changes = data.groupby("unit").agg(
        dy=("y", lambda y: y.iloc[1] - y.iloc[0]), ever=("ever", "first"), x=("x", "first")
    )
    centred = changes.assign(x=changes["x"] - changes.loc[changes["ever"] == 1, "x"].mean())
    fit = si.did("y ~ d | x", data, id="unit", time="t", method="regression")
    assert fit.theta[0] == pytest.approx(si.lm("dy ~ ever * x", centred).params["ever"], rel=1e-11)


# --- spellings of the same data ---------------------------------------------------------------------------


def test_cohorts_read_off_the_treatment_are_those_of_the_column(wide: pd.DataFrame) -> None:
    wanted = si.did("y ~ 1 | x", wide, **PANEL)
    for formula in ("y ~ d | x", "y ~ I(cohort > 0) | x"):
        np.testing.assert_array_equal(si.did(formula, wide, **PANEL).theta, wanted.theta)
    np.testing.assert_array_equal(si.did("y ~ d | x", wide, id="unit", time="t").theta, wanted.theta)
    for never in (np.inf, np.nan, 99.0):
        spelled = wide.assign(cohort=wide["cohort"].replace(0, never))
        np.testing.assert_array_equal(si.did("y ~ 1 | x", spelled, **PANEL).theta, wanted.theta)
    words = wide.assign(d=np.where(wide["d"] == 1, "active", "placebo"))
    np.testing.assert_array_equal(si.did("y ~ d | x", words, id="unit", time="t").theta, wanted.theta)


def test_names_of_units_and_kinds_of_frames_do_not_matter(wide: pd.DataFrame) -> None:
    fit = si.did("y ~ 1 | now", wide, **PANEL)
    random = np.random.default_rng(0)
    labels = dict(zip(range(1, 241), random.permutation(240), strict=True))
    mixed = wide.assign(unit=wide["unit"].map(labels).map(lambda k: f"u{k}")).sample(frac=1.0, random_state=1)
    again = si.did("y ~ 1 | now", pl.from_pandas(mixed), **PANEL)
    np.testing.assert_allclose(again.theta, fit.theta, rtol=1e-11)
    np.testing.assert_allclose(again.std_errors, fit.std_errors, rtol=1e-11)
    study = again.aggregate("dynamic")
    assert isinstance(study.tidy(), pl.DataFrame) and isinstance(study.path(replicas=99), pl.DataFrame)
    assert isinstance(again.group_time(replicas=99), pl.DataFrame)
    shifted = si.did("y ~ 1 | I(now + 1e6)", wide, **PANEL)
    np.testing.assert_allclose(shifted.theta, fit.theta, rtol=1e-8)
    np.testing.assert_allclose(shifted.std_errors, fit.std_errors, rtol=1e-8)


def test_periods_may_be_any_numbers(wide: pd.DataFrame) -> None:
    fit = si.did("y ~ 1 | x", wide, **PANEL)
    moved = wide.assign(t=wide["t"] - 4.5, cohort=np.where(wide["cohort"] > 0, wide["cohort"] - 4.5, np.inf))
    np.testing.assert_array_equal(si.did("y ~ 1 | x", moved, **PANEL).theta, fit.theta)
    before = moved.assign(cohort=np.where(moved["unit"] == 1, -9.0, moved["cohort"]))
    with pytest.warns(si.StatinfWarning, match=r"6 rows of 1 unit are left out: treated by the first period, -3\.5"):
        si.did("y ~ 1 | x", before, **PANEL)
    # Two years apart, and a cohort that starts between two periods.
    apart = wide.assign(t=2 * wide["t"], cohort=np.where(wide["cohort"] > 0, 2 * wide["cohort"] - 1, 0))
    found = si.did("y ~ 1 | x", apart, **PANEL)
    np.testing.assert_array_equal(found.theta, fit.theta)
    np.testing.assert_array_equal(found.time - found.group, 2 * (fit.time - fit.group) + 1)


# --- influence values -------------------------------------------------------------------------------------


@quiet
# Calibrated nuisances of rows that are not paired leave out terms that vanish in large samples, as the authors' software does.
@pytest.mark.parametrize(
    ("method", "unbalanced"),
    [(m, u) for m in METHODS for u in ("pairs", "rows") if (m, u) != ("dr-improved", "rows")],
)
def test_influence_values_are_derivatives_in_the_units_weights(method: str, unbalanced: str) -> None:
    data, step = holed(), 1e-5
    how = {**PANEL, "method": method, "unbalanced": unbalanced, "control": "not-yet"}
    fit = si.did("y ~ 1 | x", data, weights="w", **how)
    averages = {kind: fit.aggregate(kind) for kind in ("simple", "dynamic", "group", "calendar")}
    assert fit.influence.shape == (len(data), len(fit.theta))
    assert np.abs(fit.influence.sum(axis=0)).max() < 1e-12
    for unit in (3, 50, 121):
        rows = (data["unit"] == unit).to_numpy()
        ends = []
        for sign in (1.0, -1.0):
            w = data["w"].to_numpy() * np.where(rows, 1.0 + sign * step, 1.0)
            moved = si.did("y ~ 1 | x", data, weights=w, **how)
            ends.append([moved.theta, *(moved.aggregate(kind).theta for kind in averages)])
        for found, (up, down) in zip((fit, *averages.values()), zip(*ends, strict=True), strict=True):
            derivative = (up - down) / (2.0 * step)
            np.testing.assert_allclose(found.influence[rows].sum(axis=0), derivative, atol=2e-8, rtol=1e-5)


@quiet
def test_units_seen_in_pairs_are_what_each_two_periods_alone_say() -> None:
    data = holed()
    fit = si.did("y ~ 1 | now", data, **PANEL, base_period="universal")
    for label, g, t, b in list(zip(fit.terms, fit.group, fit.time, fit.base, strict=True))[::4]:
        two = data[data["t"].isin([t, b]) & data["cohort"].isin([0, g])]
        # First treated at the later of the two periods, so that these are the two that are compared.
        two = two.assign(cohort=np.where(two["cohort"] > 0, max(t, b), 0))
        alone = si.did("y ~ 1 | now", two, **PANEL, unbalanced="complete")
        sign = 1.0 if t > b else -1.0
        assert alone.theta[0] * sign == pytest.approx(fit.params[label], rel=1e-10)
        assert alone.std_errors.iloc[0] == pytest.approx(fit.std_errors[label], rel=1e-10)


# --- clusters, bands, tests -------------------------------------------------------------------------------


def test_clusters_of_units_and_the_bands_that_draw_them(wide: pd.DataFrame) -> None:
    plain = si.did("y ~ 1 | x", wide, **PANEL)
    by_unit = plain.with_vcov({"cluster": "unit"})
    np.testing.assert_allclose(by_unit.std_errors, plain.std_errors, rtol=1e-12)
    fit = si.did("y ~ 1 | x", wide, **PANEL, cluster="district")
    np.testing.assert_array_equal(plain.with_vcov({"cluster": "district"}).vcov, fit.vcov)
    study = fit.aggregate("dynamic")
    assert "clustered by district" in study.cov.label
    # Units of one district share a shock that differences take out, so that only the draws tell the two apart.
    assert (study.path(seed=1)["band_low"] != plain.aggregate("dynamic").path(seed=1)["band_low"]).all()
    # Clusters of two kinds are not drawn: the band is that of the joint normal distribution.
    with pytest.warns(si.StatinfWarning, match="negative eigenvalues"):
        two = si.did("y ~ 1 | x", wide.assign(half=wide["unit"] % 40), **PANEL, cluster=["district", "half"])
        path, joint = two.aggregate("dynamic").path(), two.aggregate("dynamic")
    assert joint.cov.kind["cluster"] == ["district", "half"]
    assert (path["band_high"] > path["conf_high"]).all()
    with pytest.raises(si.DataError, match="differs between the rows of one 'unit'"):
        si.did("y ~ 1 | x", wide, **PANEL, cluster="t")


def test_bands_are_wider_than_intervals_and_near_the_joint_normal_ones(mpdta: pd.DataFrame) -> None:
    fit = si.did("lemp ~ 1 | lpop", mpdta, **MPDTA)
    study = fit.aggregate("dynamic")
    path = study.path(replicas=4999)
    np.testing.assert_array_equal(path, study.path(replicas=4999))
    critical = ((path["band_high"] - path["estimate"]) / path["std_error"]).to_numpy()
    joint = (study.conf_int(simultaneous=True)["conf_high"] - study.theta) / study.std_errors
    # 4,999 draws: the quantile's level is off by 0.003, and the statistic's density there is about 0.1; one cell of
    # twenty units is not quite normal.
    assert np.ptp(critical) < 1e-12 and critical[0] > 1.96 and abs(critical[0] - joint.iloc[0]) < 0.15
    table = fit.group_time(replicas=199)
    assert list(table.columns[:4]) == ["group", "time", "event", "base"] and len(table) == 12
    assert (table["band_low"] < table["conf_low"]).all()
    one = si.did("y ~ d", two_by_two(), id="unit", time="t").group_time(replicas=199)
    assert one["band_low"][0] <= one["conf_low"][0]


def test_pretrends_are_the_wald_test_of_effects_before_treatment(mpdta: pd.DataFrame) -> None:
    fit = si.did("lemp ~ 1 | lpop", mpdta, **MPDTA)
    before = [f"{term} = 0" for term, g, t in zip(fit.terms, fit.group, fit.time, strict=True) if t < g]
    assert fit.pretrends().statistic == pytest.approx(fit.test(before).statistic, rel=1e-12)
    # As did's README prints it.
    plain = si.did("lemp ~ 1", mpdta, **MPDTA, method="regression")
    assert plain.pretrends().p_value == pytest.approx(0.16812, abs=5e-6)
    # Without covariates steps between periods and distances to the base span the same contrasts.
    far = si.did("lemp ~ 1", mpdta, **MPDTA, method="regression", base_period="universal")
    assert far.pretrends().statistic == pytest.approx(plain.pretrends().statistic, rel=1e-9)
    with pytest.raises(si.NotIdentifiedError, match="no effects before treatment"):
        si.did("y ~ d", two_by_two(), id="unit", time="t").pretrends()


def test_universal_base_periods_are_zero_by_definition(mpdta: pd.DataFrame) -> None:
    fit = si.did("lemp ~ 1 | lpop", mpdta, **MPDTA, base_period="universal")
    assert len(fit.theta) == 12 and not (fit.time == fit.base).any()
    study = fit.aggregate("dynamic")
    np.testing.assert_array_equal(study.at, [-4, -3, -2, 0, 1, 2, 3])
    np.testing.assert_array_equal(study.reference, [-1])
    post = fit.time >= fit.group
    varying = si.did("lemp ~ 1 | lpop", mpdta, **MPDTA)
    np.testing.assert_allclose(fit.theta[post], varying.theta[varying.time >= varying.group], rtol=1e-12)


def test_windows_of_averages(mpdta: pd.DataFrame) -> None:
    fit = si.did("lemp ~ 1 | lpop", mpdta, **MPDTA)
    study = fit.aggregate("dynamic", min_e=-1, max_e=1)
    np.testing.assert_array_equal(study.at, [-1, 0, 1])
    balanced = fit.aggregate("dynamic", balance_e=1)
    # Cohorts of 2004 and 2006 alone are seen a year after treatment.
    wanted = np.average([fit.params["ATT(2004, 2004)"], fit.params["ATT(2006, 2006)"]], weights=[20, 40])
    assert balanced.params["event[0]"] == pytest.approx(wanted, rel=1e-12)
    np.testing.assert_array_equal(balanced.at, [-2, -1, 0, 1])
    first = fit.aggregate("group", max_e=0)
    assert first.params["cohort[2004]"] == pytest.approx(fit.params["ATT(2004, 2004)"], rel=1e-12)
    with pytest.raises(si.OptionError, match="balance_e= is an option of aggregate"):
        fit.aggregate("group", balance_e=1)
    with pytest.raises(si.OptionError, match="min_e=2 is above"):
        fit.aggregate("dynamic", min_e=2, max_e=1)
    with pytest.raises(si.DataError, match="widen min_e"):
        fit.aggregate("simple", min_e=9)
    with pytest.raises(si.OptionError, match="kind"):
        fit.aggregate("event")


# --- messages ---------------------------------------------------------------------------------------------


def test_who_is_left_out_is_said(mpdta: pd.DataFrame) -> None:
    late = mpdta[mpdta["year"] >= 2004]
    with pytest.warns(si.StatinfWarning, match="80 rows of 20 units are left out: treated by the first period, 2004"):
        fit = si.did("lemp ~ 1 | lpop", late, **MPDTA)
    assert dict(fit.dropped) == {"treated by the first period, 2004": 80} and 2004 not in fit.group
    treated = mpdta[mpdta["first_treat"] > 0]
    with pytest.warns(si.StatinfWarning, match="no unit is never treated: the last cohort, 2007"):
        fit = si.did("lemp ~ 1 | lpop", treated, **MPDTA)
    assert fit.time.max() == 2006 and set(fit.group) == {2004, 2006}
    gone = mpdta.drop(index=[3, 700])
    with pytest.warns(si.StatinfWarning, match="8 rows of 2 units are left out: units not seen at every period"):
        si.did("lemp ~ 1 | lpop", gone, **MPDTA, unbalanced="complete")
    assert "unbalanced" in str(si.did("lemp ~ 1 | lpop", gone, **MPDTA).summary())


def test_cells_that_cannot_be_compared_are_named_and_left_out(wide: pd.DataFrame) -> None:
    data = wide.assign(only=(wide["cohort"] == 4).astype(float))
    with pytest.warns(si.StatinfWarning, match=r"cells are left out: ATT\(4, 2\): .*without error"):
        fit = si.did("y ~ 1 | x + only", data, **PANEL, method="ipw")
    assert 4 not in fit.group and len(fit.left_out) == 5
    full = si.did("y ~ 1 | x", wide, **PANEL, method="ipw")
    np.testing.assert_allclose(fit.theta, full.theta[full.group != 4], rtol=1e-10)
    with pytest.warns(si.StatinfWarning, match="regression among controls is not determined"):
        si.did("y ~ 1 | x + only", data, **PANEL, method="regression")
    never_seen = wide[(wide["cohort"] > 0) | (wide["t"] != 5)]
    with pytest.warns(si.StatinfWarning, match=r"ATT\(3, 5\): no controls seen at both periods"):
        si.did("y ~ 1", never_seen, **PANEL)
    few = wide[(wide["cohort"] != 6) | (wide["unit"] <= 20)]
    with pytest.warns(si.StatinfWarning, match=r"small cohorts: 6 \(\d\); below 6 units"):
        si.did("y ~ 1 | x", few, **PANEL)
    # Rows of one period, not of all, are what repeated cross-sections compare.
    with pytest.warns(si.StatinfWarning, match=r"small cohorts: 6 \(\d\); below 5 rows at a period"):
        si.did("y ~ 1", few, time="t", cohort="cohort")


def change(data: pd.DataFrame, **columns) -> pd.DataFrame:
    return data.assign(**{name: make(data) if callable(make) else make for name, make in columns.items()})


BAD = {
    "two rows of one period": (lambda d: pd.concat([d, d.iloc[:1]]), {}, si.DataError, "rows 0 and 1440 are of one 'unit'"),
    "a cohort that changes": (
        lambda d: d.assign(cohort=np.where(d.index == 3, 1 + d["cohort"], d["cohort"])),
        {}, si.DataError, "differs between the rows",
    ),
    "a negative cohort": (lambda d: change(d, cohort=lambda d: d["cohort"] - 2), {}, si.DataError, "infinity or a missing value"),
    "a treatment that ends": (
        lambda d: change(d, d=lambda d: np.where(d["t"] == 6, 0, d["d"])), {"cohort": None}, si.DataError, "switches off",
    ),
    "a dose": (lambda d: change(d, d=lambda d: 2 * d["d"]), {"cohort": None}, si.DataError, "holds 2"),
    "a treatment of units": (
        lambda d: change(d, d=lambda d: 1 * (d["cohort"] > 0)), {"cohort": None}, si.DataError, "whenever it is seen",
    ),
    "a treatment that contradicts": (lambda d: change(d, d=1), {}, si.DataError, "does not agree with cohort='cohort'"),
    "nobody treated": (lambda d: d[d["cohort"] == 0], {}, si.NotIdentifiedError, "no unit is first treated"),
    "everybody at once": (lambda d: d[d["cohort"] == 3], {}, si.NotIdentifiedError, "nobody to compare with"),
    "one period": (lambda d: d[d["t"] == 2], {}, si.DataError, "rows of one period"),
    "a period 0": (
        lambda d: change(d, t=lambda d: d["t"] - 3, cohort=lambda d: np.where(d["cohort"] > 0, d["cohort"] - 3, 0)),
        {}, si.DataError, "may be the period 0",
    ),
    "times in words": (lambda d: change(d, t=lambda d: d["t"].astype(str)), {}, si.DataError, "time='t' holds labels"),
    "no such column": (lambda d: d, {"time": "year"}, si.DataError, "column 'year' is not in the data"),
    "no periods": (lambda d: d, {"time": None}, si.OptionError, "time= is missing"),
    "no name": (lambda d: d, {"id": 3}, si.OptionError, "id=3 is not the name of a column"),
    "sections without cohort": (lambda d: d, {"id": None, "cohort": None}, si.OptionError, "give cohort="),
    "anticipation": (lambda d: d, {"anticipation": -1}, si.OptionError, "anticipation=-1"),
    "control": (lambda d: d, {"control": "nevertreated"}, si.OptionError, "control='nevertreated'"),
    "trim": (lambda d: d, {"trim": 0}, si.OptionError, "trim=0"),
    "trim without propensities": (lambda d: d, {"trim": 0.9, "method": "regression"}, si.OptionError, "trim= is an option of"),
    "estimated weights": (
        lambda d: d, {"weights": si.balance("vs ~ wt", si.datasets.load("mtcars"))}, si.OptionError, "sampling weights",
    ),
    "R's words": (lambda d: d, {"idname": "unit"}, si.OptionError, "Units are id="),
}  # fmt: skip


@quiet
@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_by_name(name: str, wide: pd.DataFrame) -> None:
    make, options, kind, said = BAD[name]
    with pytest.raises(kind, match=said):
        si.did("y ~ d | x", make(wide), **(PANEL | options))


def test_a_formula_needs_one_treatment(wide: pd.DataFrame) -> None:
    with pytest.raises(si.DataError, match="one treatment column is needed"):
        si.did("y ~ d + x", wide, **PANEL)
    with pytest.raises(si.OptionError, match="without a treatment needs cohort="):
        si.did("y ~ 1 | x", wide, id="unit", time="t")


# --- results ----------------------------------------------------------------------------------------------


def test_saved_and_lean_fits_keep_their_numbers(tmp_path, mpdta: pd.DataFrame) -> None:
    fit = si.did("lemp ~ 1 | lpop", mpdta, **MPDTA)
    fit.save(tmp_path / "fit.si")
    for one in (si.load(tmp_path / "fit.si"), fit.lean()):
        np.testing.assert_array_equal(one.theta, fit.theta)
        assert one.pretrends().p_value == fit.pretrends().p_value
        with pytest.raises(si.DataError, match="averages of effects need the rows"):
            one.aggregate("dynamic")
    study = fit.aggregate("dynamic")
    study.save(tmp_path / "study.si")
    saved = si.load(tmp_path / "study.si")
    np.testing.assert_array_equal(saved.vcov, study.vcov)
    # Without rows the band comes from the covariance.
    joint = study.theta[1:] + sup_t_critical(study.cov.matrix[1:, 1:], 0.95) * study.std_errors[1:]
    np.testing.assert_allclose(saved.path()["band_high"], joint, rtol=1e-12)
    with pytest.raises(si.StatinfError, match="predict"):
        fit.predict(mpdta)
    drawn = study.bootstrap(199)
    np.testing.assert_allclose(drawn.std_errors, study.std_errors, rtol=0.25)  # 199 draws: a twentieth, five times
    gap = np.abs(drawn.draws.draws[:, 1:] - study.theta[1:]) / drawn.std_errors.to_numpy()[1:]
    wide = (drawn.path()["band_high"] - study.theta[1:]) / drawn.std_errors.to_numpy()[1:]
    np.testing.assert_allclose(wide, np.quantile(gap.max(axis=1), 0.95, method="higher"), rtol=1e-12)


def test_figures_show_every_effect(mpdta: pd.DataFrame) -> None:
    import matplotlib.pyplot as plt

    fit = si.did("lemp ~ 1 | lpop", mpdta, **MPDTA, base_period="universal")
    ax = fit.plot(replicas=99)
    assert sum(len(line.get_xdata()) for line in ax.lines if line.get_marker() == "o") == 8
    ax = fit.plot("cohorts")
    assert len(ax.get_legend().get_texts()) == 3
    for kind in ("group", "calendar"):
        assert fit.aggregate(kind).plot(replicas=99).get_ylabel() == "effect on the treated"
    assert fit.aggregate("simple").plot() is not None
    with pytest.raises(si.OptionError, match="kind"):
        fit.plot("violin")
    plt.close("all")


# --- what it is for ---------------------------------------------------------------------------------------


def trending(seed: int, n: int = 400) -> pd.DataFrame:
    """Two cohorts of four periods whose trends, and whose chance of treatment, go with a covariate."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(n)
    cohort = np.where(rng.uniform(size=n) < 1 / (1 + np.exp(-0.5 * x)), rng.choice([3, 4], n), 0)
    unit = rng.standard_normal(n) + x
    parts = []
    for t in range(1, 5):
        effect = np.where((cohort > 0) & (t >= cohort), 1.0 + (t - cohort), 0.0)
        y = unit + t * x + effect + rng.standard_normal(n)
        parts.append(pd.DataFrame({"i": np.arange(n), "t": t, "y": y, "x": x, "cohort": cohort}))
    return pd.concat(parts, ignore_index=True)


TRUE = {"event[-2]": 0.0, "event[-1]": 0.0, "event[0]": 1.0, "event[1]": 2.0}


@pytest.mark.parametrize(
    ("draws", "n"), [(40, 200), pytest.param(1000, 400, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_intervals_and_bands_cover(draws: int, n: int) -> None:
    inside = np.zeros((draws, 2))
    for seed in range(draws):
        study = si.did("y ~ 1 | x", trending(seed, n), id="i", time="t", cohort="cohort").aggregate("dynamic")
        path, truth = study.path(0.9, replicas=199, seed=seed), np.array(list(TRUE.values()))
        pointwise = (path["conf_low"] <= truth) & (truth <= path["conf_high"])
        inside[seed] = pointwise.mean(), ((path["band_low"] <= truth) & (truth <= path["band_high"])).all()
    # Binomial limits of the band's coverage at five standard deviations, and two points for n = 200.
    slack = 5 * np.sqrt(0.09 / draws) + 0.02
    assert (np.abs(inside.mean(axis=0) - 0.9) < slack).all(), inside.mean(axis=0)


def test_calibrated_errors_are_right_where_the_regression_is_wrong() -> None:
    errors, ratios = [], []
    for seed in range(80):
        rng = np.random.default_rng([4, seed])
        x = rng.standard_normal(300)
        g = np.where(rng.uniform(size=300) < 1 / (1 + np.exp(-0.6 * x)), 2, 0)
        change = x + 0.7 * x**2 + (g == 2) + rng.standard_normal(300)
        data = pd.DataFrame({"i": np.tile(np.arange(300), 2), "t": np.repeat([1, 2], 300), "x": np.tile(x, 2)})
        data = data.assign(y=np.concatenate([np.zeros(300), change]), g=np.tile(g, 2))
        fit = si.did("y ~ 1 | x", data, id="i", time="t", cohort="g", method="dr-improved")
        errors.append(fit.theta[0] - 1.0)
        ratios.append(errors[-1] / fit.std_errors.iloc[0])
    # Binomial and normal limits at four standard deviations.
    assert abs(np.mean(errors)) < 4 * np.std(errors) / np.sqrt(80)
    assert abs(np.std(ratios) - 1.0) < 4 / np.sqrt(2 * 80)


def test_covariates_matter_where_trends_go_with_them() -> None:
    data = trending(1, 2000)
    how = {"id": "i", "time": "t", "cohort": "cohort"}
    for method in METHODS:
        study = si.did("y ~ 1 | x", data, **how, method=method).aggregate("dynamic")
        truth = np.array(list(TRUE.values()))
        assert (np.abs(study.theta[1:] - truth) < 4.5 * study.std_errors[1:]).all(), method
    plain = si.did("y ~ 1", data, **how)
    assert plain.pretrends().p_value < 1e-6
    assert plain.aggregate("dynamic").params["event[0]"] > 1.2

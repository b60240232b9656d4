"""`si.balance` on frames: inputs, tables, plots, downstream standard errors, bootstrap, saving."""

from __future__ import annotations

import pickle

import matplotlib
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import statinf as si
from balancing.balance_samples import data as sample_of
from balancing.balance_samples import solve
from statinf.balancing import entropy, ipw
from statinf.balancing.table import BALANCE
from statinf.errors import (
    AliasedWarning,
    DataError,
    InfeasibleError,
    NotIdentifiedError,
    OptionError,
    SeparationWarning,
)

matplotlib.use("Agg")
FORMULA = "treat ~ age + educ + C(race) + married + nodegree + re74 + re75"
NAMES = tuple(BALANCE)


def options_of(method):
    """What a method needs for covariates of two values."""
    return {"map": "marginal"} if method == "uniform" else {}


@pytest.fixture(scope="module")
def lalonde():
    return si.datasets.load("lalonde")


@pytest.mark.parametrize("method", NAMES)
def test_every_method_works_on_every_kind_of_frame(lalonde, method):
    first = si.balance(FORMULA, lalonde, method=method, estimand="ATT", **options_of(method))
    for frame in (pl.from_pandas(lalonde), pa.Table.from_pandas(lalonde)):
        other = si.balance(FORMULA, frame, method=method, estimand="ATT", **options_of(method))
        np.testing.assert_allclose(other.values, first.values, rtol=1e-9, atol=1e-12)
        assert type(other.diagnostics()) is type(frame)
        assert type(other.sizes()) is type(frame)
    fit = si.lm("re78 ~ treat", lalonde, weights=first)
    assert np.isfinite(fit.std_errors["treat"])
    assert ("weights taken as fixed" in fit.cov.label) == (method in ("energy", "uniform"))


@pytest.mark.parametrize("vcov", ["HC0", "HC2", "HC3", "fixed"])
def test_downstream_covariances(lalonde, vcov):
    w = si.balance(FORMULA, lalonde, method="entropy", estimand="ATT")
    fit = si.lm("re78 ~ treat", lalonde, weights=w, vcov=vcov)
    expected = {"HC0": 789.7448001, "fixed": 824.3867276}
    if vcov in expected:
        assert fit.std_errors["treat"] == pytest.approx(expected[vcov], rel=1e-8)
        return
    # Leverage-corrected influence values, by hand.
    sample, y = sample_of("lalonde")
    solution = solve(entropy, sample, "ATT")
    t, v = sample.treated, solution.values
    unit = np.where(t, (y - y[t].mean()) / t.sum(), -(y - np.average(y[~t], weights=v[~t])) / v[~t].sum())
    expansion = solution.linear()
    own = np.where(t, 1 / t.sum(), v / v[~t].sum())
    h = np.maximum(own, expansion.leverage)
    phi = (v * unit + expansion.influence @ (expansion.derivative.T @ unit)) / (1 - h) ** (
        0.5 if vcov == "HC2" else 1.0
    )
    assert fit.std_errors["treat"] == pytest.approx(np.sqrt(phi @ phi), rel=1e-8)


def test_covariates_in_the_outcome_model_change_nothing_under_exact_balance(lalonde):
    """Weighted regression adjustment by balanced columns leaves the ATT contrast as it is, with its standard error."""
    w = si.balance(FORMULA, lalonde, method="entropy", estimand="ATT")
    plain = si.lm("re78 ~ treat", lalonde, weights=w)
    rich = si.lm(FORMULA.replace("treat ~", "re78 ~ treat +"), lalonde, weights=w)
    assert rich.params["treat"] == pytest.approx(plain.params["treat"], rel=1e-9)
    # Row by row the two influence values differ by the columns' share in the residual, not in what is identified.
    assert rich.std_errors["treat"] == pytest.approx(plain.std_errors["treat"], rel=0.05)


def test_logit_outcome_with_estimated_weights(lalonde):
    data = lalonde.assign(employed=(lalonde["re78"] > 0).astype(float))
    w = si.balance(FORMULA, data, method="entropy", estimand="ATT")
    glm = si.glm("employed ~ treat", data, family="binomial", weights=w)
    lm = si.lm("employed ~ treat", data, weights=w)
    # The saturated logit is the difference in means on another scale: delta method from the means.
    t, v, y = w.treated, w.values, data["employed"].to_numpy()
    p1, p0 = np.average(y[t], weights=v[t]), np.average(y[~t], weights=v[~t])
    gradient = np.array([1 / (p1 * (1 - p1)) - 1 / (p0 * (1 - p0)), 1 / (p1 * (1 - p1))])
    assert glm.std_errors["treat"] == pytest.approx(float(np.sqrt(gradient @ lm.vcov.to_numpy() @ gradient)), rel=1e-6)


def test_missing_rows_are_dropped_and_weights_find_their_rows(lalonde):
    holes = lalonde.astype({"age": float}).copy()
    holes.loc[[3, 100], "age"] = np.nan
    holes.loc[200, "re78"] = np.nan
    w = si.balance(FORMULA, holes, method="entropy", estimand="ATT")
    assert w.nobs == 612 and 3 not in w.used
    fit = si.lm("re78 ~ treat", holes, weights=w)
    assert fit.nobs == 611
    clean = holes.drop(index=[3, 100]).reset_index(drop=True)
    same = si.balance(FORMULA, clean, method="entropy", estimand="ATT")
    np.testing.assert_allclose(same.values, w.values, rtol=1e-9)
    with pytest.raises(DataError, match="na_action"):
        si.balance(FORMULA, holes, na_action="raise")


@pytest.mark.parametrize("method", NAMES)
def test_sampling_weights_of_zero_leave_rows_out(lalonde, method):
    s = np.where(np.arange(614) % 7 == 0, 0.0, 1.0)
    w = si.balance(FORMULA, lalonde, method=method, estimand="ATT", weights=s, **options_of(method))
    small = si.balance(
        FORMULA, lalonde[s > 0].reset_index(drop=True), method=method, estimand="ATT", **options_of(method)
    )
    np.testing.assert_allclose(w.values[s > 0], small.values, rtol=1e-6, atol=1e-9)
    assert np.all(w.values[s == 0] == 0)


def test_sampling_weights_reach_target_and_diagnostics(lalonde):
    data = lalonde.assign(s=np.random.default_rng(0).uniform(0.5, 2.0, 614))
    w = si.balance(FORMULA, data, method="entropy", estimand="ATT", weights="s")
    t, s = w.treated, data["s"].to_numpy()
    np.testing.assert_allclose(w.values[t], s[t])
    assert np.average(data["age"][~t], weights=w.values[~t]) == pytest.approx(np.average(data["age"][t], weights=s[t]))
    frame = w.diagnostics()
    assert frame["smd_after"].abs().max() < 1e-8


def test_string_treatment_states_its_levels(lalonde):
    data = lalonde.assign(arm=np.where(lalonde["treat"] == 1, "trained", "control"))
    w = si.balance(FORMULA.replace("treat", "arm"), data, method="cbps", estimand="ATT")
    assert w.treatment_level == "trained" and "arm = trained (treated)" in w.summary().to_text()
    numbers = si.balance(FORMULA, lalonde, method="cbps", estimand="ATT")
    np.testing.assert_allclose(w.values, numbers.values)
    np.testing.assert_allclose(w.score(data), w.values)
    coded = si.balance(FORMULA, lalonde.assign(treat=lalonde["treat"] + 1), method="cbps", estimand="ATT")
    np.testing.assert_allclose(coded.values, numbers.values)


@pytest.mark.parametrize(
    ("method", "options"), [("ipw", {}), ("ipw", {"link": "probit"}), ("cbps", {}), ("cbps", {"over": True})]
)
def test_propensity_weights_score_new_rows(lalonde, method, options):
    w = si.balance(FORMULA, lalonde, method=method, estimand="ATT", **options)
    new = lalonde.head(5).assign(race=["black", "white", "hispan", "martian", "white"])
    with pytest.warns(si_warning()):
        found = w.score(new)
    assert np.isnan(found[3]) and np.isfinite(np.delete(found, 3)).all()
    np.testing.assert_allclose(w.score(lalonde), w.values, rtol=1e-9)


def si_warning():
    from statinf.errors import StatinfWarning

    return StatinfWarning


def test_calibration_weights_cannot_score(lalonde):
    with pytest.raises(NotIdentifiedError, match="own rows"):
        si.balance(FORMULA, lalonde, method="entropy").score(lalonde)


def test_moments_and_interactions_balance_more(lalonde):
    w = si.balance(
        "treat ~ age + educ + married", lalonde, method="entropy", estimand="ATT", moments=2, interactions=True
    )
    t, v = w.treated, w.values
    for column in (lalonde["age"] ** 2, lalonde["educ"] ** 2, lalonde["age"] * lalonde["married"]):
        assert np.average(column[~t], weights=v[~t]) == pytest.approx(np.average(column[t]), rel=1e-9)


def test_second_moments_agree_with_weightit(lalonde):
    """WeightIt 1.5.1, `method = "ebal", moments = 2`: estimate 1068.089026, ESS 34.319706."""
    w = si.balance(FORMULA, lalonde, method="entropy", estimand="ATT", moments=2)
    assert si.lm("re78 ~ treat", lalonde, weights=w).params["treat"] == pytest.approx(1068.089026, rel=1e-6)
    assert w.sizes()["ess_after"][1] == pytest.approx(34.319706, rel=1e-6)


def test_splines_in_the_formula(lalonde):
    w = si.balance("treat ~ bs(age, df=4) + re74", lalonde, method="entropy", estimand="ATT")
    assert w.residual < 1e-9


def test_by_is_the_fit_within_each_group(lalonde):
    w = si.balance("treat ~ age + educ + re74", lalonde, method="entropy", estimand="ATT", by="married")
    for level in (0, 1):
        rows = (lalonde["married"] == level).to_numpy()
        alone = si.balance("treat ~ age + educ + re74", lalonde[rows], method="entropy", estimand="ATT")
        np.testing.assert_allclose(w.values[rows], alone.values, rtol=1e-8)
    frame = w.diagnostics(by_group=True)
    assert set(frame["group"]) == {"married=0", "married=1"} and frame["smd_after"].abs().max() < 1e-7
    # Independent groups: the variance of the saturated contrasts is that of the separate fits.
    both = si.lm("re78 ~ C(married) + C(married):treat - 1", lalonde, weights=w)
    for level in (0, 1):
        rows = (lalonde["married"] == level).to_numpy()
        part = lalonde[rows].reset_index(drop=True)
        alone = si.lm(
            "re78 ~ treat",
            part,
            weights=si.balance("treat ~ age + educ + re74", part, method="entropy", estimand="ATT"),
        )
        term = next(n for n in both.params.index if n.endswith(":treat") and f"{level}]" in n)
        assert both.std_errors[term] == pytest.approx(alone.std_errors["treat"], rel=1e-7)


def test_tolerances_by_name(lalonde):
    w = si.balance(FORMULA, lalonde, method="sbw", estimand="ATT", tols={"age": 0.2, "C(race)": 0.05})
    frame = w.diagnostics().set_index("term")["smd_after"].abs()
    assert frame["age"] <= 0.2 + 1e-8 and frame["C(race)[T.white]"] <= 0.05 * np.sqrt(185 / 184) + 1e-9
    assert frame[["educ", "re74", "re75", "married"]].max() < 1e-8
    assert w.details["tols"][0].tolist().count(0.05) == 3
    with pytest.raises(OptionError, match="'wage'"):
        si.balance(FORMULA, lalonde, method="sbw", tols={"wage": 0.1})


def test_reference_level_does_not_matter(lalonde):
    for method in ("entropy", "energy", "kernel"):
        a = si.balance("treat ~ age + re74 + C(race)", lalonde, method=method, estimand="ATT")
        b = si.balance("treat ~ age + re74 + C(race, contr.treatment('white'))", lalonde, method=method, estimand="ATT")
        np.testing.assert_allclose(a.values, b.values, atol=1e-6)
        assert sum("race" in n for n in a.names) == 3


def test_diagnostics_denominators_and_raw_binaries(lalonde):
    w = si.balance(FORMULA, lalonde, method="ipw", estimand="ATT")
    table = {
        d: w.diagnostics(denominator=d).set_index("term") for d in ("treated", "control", "pooled", "all", "weighted")
    }
    assert w.diagnostics()["denominator"].unique().tolist() == ["treated"]
    x, t = lalonde["age"].to_numpy(float), w.treated
    for d, sd in (("treated", x[t].std(ddof=1)), ("control", x[~t].std(ddof=1)), ("all", x.std(ddof=1))):
        assert table[d].loc["age", "smd_before"] == pytest.approx((x[t].mean() - x[~t].mean()) / sd)
    raw = w.diagnostics(binary="raw").set_index("term")
    assert raw.loc["married", "smd_before"] == pytest.approx(
        lalonde["married"][t].mean() - lalonde["married"][~t].mean()
    )
    with pytest.raises(OptionError, match="'pooled'"):
        w.diagnostics(denominator="sd")


def test_tables_side_by_side_and_plots(lalonde):
    ws = [si.balance(FORMULA, lalonde, method=m, estimand="ATT") for m in ("ipw", "entropy")]
    text = si.table(*ws).to_text()
    assert "denominator: treated" in text and "98.46" in text and "1.8819" in text
    with pytest.raises(OptionError, match="names"):
        si.table(*ws, names=["one"])
    assert len(ws[0].plot().get_yticklabels()) == 9
    assert ws[1].plot("weights").get_xlabel()
    with pytest.raises(OptionError, match="'love'"):
        ws[0].plot("pie")


def test_saved_and_pickled_weights_still_know_their_error(lalonde, tmp_path):
    w = si.balance(FORMULA, lalonde, method="entropy", estimand="ATT")
    for same in (si.load(w.save(tmp_path / "w.si")), pickle.loads(pickle.dumps(w))):
        assert si.lm("re78 ~ treat", lalonde, weights=same).std_errors["treat"] == pytest.approx(789.7448001)
        with pytest.raises(DataError, match="rows"):
            same.diagnostics()


@pytest.mark.parametrize("method", ["entropy", "cbps"])
def test_bootstrap_estimates_the_weights_again(lalonde, method):
    w = si.balance(FORMULA, lalonde, method=method, estimand="ATT")
    fit = si.lm("re78 ~ treat", lalonde, weights=w)
    draws = fit.bootstrap(64, kind="bayesian", seed=4).draws.draws[:, 1]
    from statinf.inference.weights import draw

    multipliers = draw("bayesian", 614, 0, 64, 4)
    sample, y = sample_of("lalonde")
    module = {"entropy": entropy}.get(method)
    for b in (0, 31, 63):
        s = multipliers[b]
        if module is None:
            from statinf.balancing import cbps as module
        v = solve(module, type(sample)(sample.x, sample.treated, s, sample.names), "ATT").values
        t = sample.treated
        expected = np.average(y[t], weights=v[t]) - np.average(y[~t], weights=v[~t])
        assert draws[b] == pytest.approx(expected, rel=1e-6)


def test_batch_agrees_with_single_problems_and_marks_the_impossible():
    sample, _ = sample_of("kang_schafer_X")
    first = solve(entropy, sample, "ATE")
    sampling = np.random.default_rng(0).exponential(size=(5, sample.n))
    sampling[4] = np.where(sample.treated & (sample.x[:, 0] > np.median(sample.x[:, 0])), 1.0, 0.0)
    sampling[4, ~sample.treated & (sample.x[:, 0] < np.quantile(sample.x[:, 0], 0.2))] = 1.0
    many = entropy.solve_many(sample, sampling, first)
    for b in range(4):
        alone = solve(entropy, type(sample)(sample.x, sample.treated, sampling[b], sample.names), "ATE")
        np.testing.assert_allclose(many[b], alone.values, rtol=1e-6)
    assert np.isnan(many[4]).any()


def test_one_column_one_treated_row_and_huge_scales():
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"t": np.r_[1, np.zeros(40)], "x": np.r_[0.1, rng.normal(size=40)] * 1e12})
    w = si.balance("t ~ x", frame, method="entropy", estimand="ATT")
    assert np.average(frame["x"][1:], weights=w.values[1:]) == pytest.approx(0.1e12)
    group = pd.DataFrame({"t": [1, 1, 1, 0, 0, 0, 0, 0], "g": list("aabaabbb")})
    w = si.balance("t ~ C(g)", group, method="entropy", estimand="ATT")
    np.testing.assert_allclose(w.values[3:], np.where(group["g"][3:] == "a", (2 / 3) / (2 / 5), (1 / 3) / (3 / 5)))


def test_product_of_two_weightings_keeps_both_errors(lalonde):
    a = si.balance("treat ~ age + educ", lalonde, method="entropy", estimand="ATT")
    b = si.balance("married ~ age", lalonde, method="ipw")
    fit = si.lm("re78 ~ treat", lalonde, weights=a * b)
    assert fit.cov.label == "HC0, weights estimated"
    assert np.isfinite(fit.with_vcov("HC3").std_errors["treat"])


def test_corrections_by_leverage_warn_where_rows_set_their_own_weights():
    rng = np.random.default_rng(5)
    x = rng.normal(size=60)
    frame = pd.DataFrame({"t": (rng.random(60) < 1 / (1 + np.exp(-x))) * 1, "x": x, "y": rng.normal(size=60)})
    fit = si.lm("y ~ t", frame, weights=si.balance("t ~ x", frame, method="kernel", dimensions=6))
    with pytest.warns(si.StatinfWarning, match="own weight .*Use HC0"):
        fit.with_vcov("HC3")


def test_trimmed_rows_get_no_weight_and_stabilising_changes_no_contrast(lalonde):
    w = si.balance(FORMULA, lalonde, trim=0.1)
    e = si.balance(FORMULA, lalonde).propensity
    assert np.array_equal(w.values == 0, (e < 0.1) | (e > 0.9))
    plain, stable = (
        si.lm("re78 ~ treat", lalonde, weights=si.balance(FORMULA, lalonde, stabilize=s)) for s in (False, True)
    )
    assert stable.params["treat"] == pytest.approx(plain.params["treat"])
    assert stable.std_errors["treat"] == pytest.approx(plain.std_errors["treat"], rel=1e-8)
    capped = si.balance(FORMULA, lalonde, truncate=0.95)
    assert capped.values[capped.treated].max() == pytest.approx(
        np.quantile(solve(ipw, sample_of("lalonde")[0]).values[capped.treated], 0.95)
    )


# --- bad input ---------------------------------------------------------------------------------------------------------


def _frame(n=60, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return pd.DataFrame({"t": (rng.random(n) < 0.5).astype(int), "x": x, "z": rng.normal(size=n), "one": 1.0})


@pytest.mark.parametrize(
    ("change", "call", "error", "message"),
    [
        (lambda d: d.assign(t=1), {}, DataError, r"'t' has 1 value \(1\)"),
        (lambda d: d.assign(t=np.arange(60) % 3), {"method": "ipm"}, DataError, "needs two arms"),
        (lambda d: d.assign(t=["a"] * 60), {}, DataError, "'t' has 1 value"),
        (lambda d: d, {"weights": "t"}, DataError, "control arm is empty"),
        (lambda d: d, {"weights": -np.ones(60)}, DataError, "negative"),
        (lambda d: d, {"method": "matching"}, OptionError, "'entropy'"),
        (lambda d: d, {"estimand": "ATX"}, OptionError, "ATEN"),
        (lambda d: d, {"method": "sbw", "estimand": "ATO"}, OptionError, "ATE, ATT, ATC"),
        (
            lambda d: d,
            {"method": "entropy", "tols": 0.1},
            OptionError,
            "tols= is an option of method='sbw', not of 'entropy'",
        ),
        (lambda d: d, {"moments": 0}, OptionError, "moments"),
        (lambda d: d, {"seed": -1}, OptionError, "seed"),
        (lambda d: d.assign(x=d["t"] * 5.0 + d["x"].clip(-1, 1)), {}, NotIdentifiedError, "no overlap: 'x'"),
        (
            lambda d: d.assign(x=d["t"] * 5.0 + d["x"].clip(-1, 1)),
            {"method": "entropy"},
            InfeasibleError,
            "'x'.*standard deviations",
        ),
        (lambda d: d.assign(x=d["t"] * 5.0 + d["x"].clip(-1, 1)), {"method": "cbps"}, InfeasibleError, "'x'"),
        (
            lambda d: d.assign(x=d["t"] * 5.0 + d["x"].clip(-1, 1)),
            {"method": "sbw"},
            InfeasibleError,
            "raise tols to at least",
        ),
    ],
)
def test_bad_input(change, call, error, message):
    with pytest.raises(error, match=message):
        si.balance("t ~ x + z", change(_frame()), **call)


def test_constant_and_aliased_columns_are_named_and_left_out():
    frame = _frame().assign(twice=lambda d: 2 * d["x"] - 1)
    with pytest.warns(AliasedWarning, match="'one'"):
        w = si.balance("t ~ x + one", frame, method="entropy")
    np.testing.assert_allclose(w.values, si.balance("t ~ x", frame, method="entropy").values)
    with pytest.warns(AliasedWarning, match="'twice'"):
        si.balance("t ~ x + twice", frame, method="cbps")
    with pytest.raises(DataError, match="no column is left"):
        si.balance("t ~ one", frame)
    with pytest.raises(DataError, match="no covariates"):
        si.balance("t ~ 1", frame)


def test_aliased_columns_are_found_among_many_rows_even_where_they_are_rarely_not_zero():
    rng = np.random.default_rng(3)
    n = 50_000
    frame = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n), "rare": 0.0})
    frame["t"] = (rng.random(n) < 0.5).astype(int)
    frame.loc[[1015, 30_015, 49_990, 49_991], "rare"] = 1.0
    frame = frame.assign(again=3.0 * frame["rare"], both=frame["x"] - frame["z"])
    with pytest.warns(AliasedWarning, match="'both', 'again'"):
        w = si.balance("t ~ x + z + both + rare + again", frame, method="ipw")
    np.testing.assert_allclose(w.values, si.balance("t ~ x + z + rare", frame, method="ipw").values, rtol=1e-9)


@pytest.mark.parametrize("n", [300, 50_000])
@pytest.mark.parametrize("method", ["entropy", "cbps"])
def test_columns_far_from_zero_balance_to_their_own_digits(method, n):
    rng = np.random.default_rng(4)
    x = rng.normal(size=n)
    t = rng.random(n) < 1.0 / (1.0 + np.exp(1.0 - 0.5 * x))
    # Multiples of 2**-20: their distances from 2**30 are exact.
    x = np.round(x * 2.0**20) / 2.0**20
    frame = pd.DataFrame({"t": t.astype(int), "far": 2.0**30 + x})
    w = si.balance("t ~ far", frame, method=method, estimand="ATT")
    gap = np.average(x[t], weights=w.values[t]) - np.average(x[~t], weights=w.values[~t])
    assert abs(gap) < 1e-10 and np.max(np.abs(w.balance_frame()["smd_after"])) < 1e-10


def test_tiny_group_is_named():
    frame = _frame().assign(g=lambda d: np.where((np.arange(60) < 3) & (d["t"] == 1), "small", "rest"))
    with pytest.raises(DataError, match="group g=small: The control arm is empty"):
        si.balance("t ~ x", frame, method="entropy", by="g")


def test_more_columns_than_rows_is_infeasible():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(12, 15)), columns=[f"x{j}" for j in range(15)]).assign(t=[0, 1] * 6)
    with pytest.warns(AliasedWarning), pytest.raises(InfeasibleError):
        si.balance("t ~ " + " + ".join(f"x{j}" for j in range(15)), frame, method="entropy")


def test_estimated_sampling_weights_are_refused(lalonde):
    w = si.balance("married ~ age", lalonde)
    with pytest.raises(OptionError, match=r"w\.full\(\)"):
        si.balance(FORMULA, lalonde, weights=w)


def test_near_separation_warns():
    nsw = si.datasets.load("nsw_psid")
    formula = "treat ~ age + educ + black + hispan + married + nodegree + re74 + re75 + I(re74 == 0) + I(re75 == 0)"
    with pytest.warns(SeparationWarning, match="re75"):
        si.balance(formula, nsw, estimand="ATT")


@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC", "ATO", "ATM", "ATEN"])
def test_weights_of_new_rows_whose_arm_is_certain(estimand):
    """The limits of h(e) / P(own arm) as e rounds to one, for a treated row and a control."""
    from statinf.balancing.propensity_weights import new_weights

    found = new_weights(np.array([800.0, 800.0, np.nan]), np.array([True, False, True]), estimand)
    treated = {"ATE": 1.0, "ATT": 1.0}.get(estimand, 0.0)
    control = 1.0 if estimand in ("ATC", "ATO", "ATM") else np.inf
    np.testing.assert_array_equal(found, [treated, control, np.nan])

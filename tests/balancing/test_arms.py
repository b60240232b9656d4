"""Several arms: numbers of R WeightIt, derivatives by differences, and two arms as the case of two."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import statinf as si
from balancing.balance_samples import REFERENCE, data, solve
from statinf.balancing import cbps, ipw
from statinf.balancing.cbps_arms import estimate_arms as cbps_arms
from statinf.balancing.ipw_arms import estimate_arms as ipw_arms

ROWS = pd.read_csv(REFERENCE / "multicategory.csv")
ARMS = ["black", "hispan", "white"]
FORMULA = "race ~ age + educ + married + nodegree + re74 + re75"
CALLS = {"glm": {"method": "ipw"}, "ebal": {"method": "entropy"}, "ipt": {"method": "cbps", "separate": True},
         "cbps": {"method": "cbps"}, "energy": {"method": "energy"}}  # fmt: skip
CASES = list(ROWS.groupby(["method", "estimand"], sort=False).groups)


@pytest.fixture(scope="module")
def lalonde():
    return si.datasets.load("lalonde")


@pytest.fixture(scope="module")
def three():
    """Three arms whose shares depend on two columns, and an outcome."""
    rng = np.random.default_rng(5)
    x, z = rng.normal(size=(2, 300))
    eta = np.column_stack([np.zeros(300), 0.6 * x, 0.5 * z - 0.3 * x]) + rng.gumbel(size=(300, 3))
    arm = np.array(["placebo", "low", "high"])[eta.argmax(axis=1)]
    return pd.DataFrame({"arm": arm, "x": x, "z": z, "y": x + 0.5 * z + (arm == "high") + rng.normal(size=300)})


def balanced(lalonde, method, estimand):
    focal = {"treated": "black"} if estimand.startswith("ATT") else {}
    return si.balance(FORMULA, lalonde, estimand=estimand[:4].strip(), reference="black", **CALLS[method], **focal)


@pytest.mark.parametrize(("method", "estimand"), CASES, ids=[f"{m}-{e[:3]}" for m, e in CASES])
def test_weightit_numbers(lalonde, method, estimand):
    row = ROWS[(ROWS.method == method) & (ROWS.estimand == estimand)].set_index("level").loc[ARMS]
    w = balanced(lalonde, method, estimand)
    means = [np.average(lalonde.re78[lalonde.race == arm], weights=w.values[lalonde.race == arm]) for arm in ARMS]
    # WeightIt's multinomial logit stops at 1e-8 of the deviance, its quadratic program at 1e-8 of flat objectives.
    tolerance = {"rel": 3e-4} if method == "energy" else {"rel": 1e-7}
    assert means == pytest.approx(row.mean_re78.to_numpy(), **tolerance)
    assert w.sizes()["ess_after"].to_numpy() == pytest.approx(
        row.ess.to_numpy(), rel=1e-4 if method == "energy" else 1e-6
    )
    fit = si.lm("re78 ~ race", lalonde, weights=w)
    if method in ("glm", "ipt"):
        assert fit.std_errors.to_numpy()[1:] == pytest.approx(row.se_default.to_numpy()[1:], rel=1e-6)
    if method == "energy":
        assert fit.cov.label == "HC0, weights taken as fixed"


def test_the_target_is_part_of_the_error_of_entropy_weights(lalonde):
    """The tilts of the ATT are those of IPT, whose errors count the target: 625.82, where WeightIt's ebal says 620.16."""
    fits = [si.lm("re78 ~ race", lalonde, weights=balanced(lalonde, m, "ATT focal=black")) for m in ("ebal", "ipt")]
    assert fits[0].std_errors.to_numpy() == pytest.approx(fits[1].std_errors.to_numpy(), rel=1e-7)
    assert fits[0].std_errors["race[T.white]"] == pytest.approx(625.8204177522, rel=1e-7)


@pytest.mark.parametrize(
    ("method", "options"),
    [("ipw", {"estimand": e, "treated": "low"}) for e in ("ATE", "ATT", "ATC", "ATO", "ATEN")]
    + [
        ("ipw", {"stabilize": True}),
        ("ipw", {"trim": 0.08}),
        ("entropy", {}),
        ("entropy", {"estimand": "ATT", "treated": "low"}),
    ]
    + [("cbps", o) for o in ({}, {"estimand": "ATO"}, {"estimand": "ATT", "treated": "high"}, {"separate": True})]
    + [("sbw", {})],
    ids=str,
)
def test_influence_is_the_derivative_by_a_row_s_weight(three, method, options):
    """The oracle solves again with one row a little heavier; every standard error downstream is made of these numbers."""
    w = si.balance("arm ~ x + z", three, method=method, **options)
    fit = si.lm("y ~ arm + x", three, weights=w)
    rows, step = np.arange(0, 300, 60), 1e-5
    multipliers = np.ones((2 * len(rows), 300))
    multipliers[np.arange(len(rows)), rows] += step
    multipliers[len(rows) + np.arange(len(rows)), rows] -= step
    again = np.array([si.lm("y ~ arm + x", three, weights=v).params for v in w.resolve(multipliers)])
    slope = (again[: len(rows)] - again[len(rows) :]) / (2 * step)
    np.testing.assert_allclose(np.asarray(fit.influence)[rows], slope, rtol=2e-4, atol=2e-6)
    assert fit.cov.label == "HC0, weights estimated"


@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC", "ATO", "ATM", "ATEN"])
def test_two_arms_are_the_case_of_two(estimand):
    sample, _ = data("kang_schafer_X")
    pairs = [(solve(ipw, sample, estimand), ipw_arms, ipw.METHOD.options())]
    if estimand in ("ATE", "ATT", "ATC"):
        pairs.append((solve(cbps, sample, estimand), cbps_arms, cbps.METHOD.options()))
    for two, several, options in pairs:
        coded = replace(sample, treatment=sample.treatment.astype(np.int8), estimand=estimand)
        found = several(coded, options)
        np.testing.assert_allclose(found.values, two.values, rtol=1e-7)
        np.testing.assert_allclose(found.propensity[:, 1], two.propensity, rtol=1e-7)
        a, b = found.linear(), two.linear()
        np.testing.assert_allclose(a.influence @ a.derivative.T, b.influence @ b.derivative.T, rtol=1e-5, atol=1e-8)
        if several is ipw_arms:
            np.testing.assert_allclose(a.leverage, b.leverage, rtol=1e-6, atol=1e-12)


def test_balance_of_all_pairs(three):
    w = si.balance("arm ~ x + z", three, method="entropy")
    table = w.diagnostics()
    assert list(table.groupby(["arm", "reference"], sort=False).groups) == [
        ("high", "placebo"), ("low", "placebo"), ("low", "high")
    ]  # fmt: skip
    assert table["smd_after"].abs().max() < 1e-9
    variance = three.groupby("arm")["x"].var()
    means = three.groupby("arm")["x"].mean()
    by_hand = (means["high"] - means["placebo"]) / np.sqrt(variance.mean())
    assert table["smd_before"][0] == pytest.approx(by_hand, rel=1e-12)
    focal = si.balance("arm ~ x + z", three, method="entropy", estimand="ATT", treated="low").diagnostics()
    by_hand = (means["low"] - means["high"]) / np.sqrt(variance["low"])
    assert focal.query("arm == 'low' and reference == 'high' and term == 'x'")["smd_before"].item() == pytest.approx(
        by_hand
    )
    assert (focal["denominator"] == "treated").all()


def test_scores_of_new_rows_are_the_weights_of_old_ones(three):
    for options in ({"estimand": "ATO"}, {"method": "cbps"}, {"method": "cbps", "estimand": "ATT", "treated": "low"}):
        w = si.balance("arm ~ x + z", three, **options)
        np.testing.assert_allclose(w.score(three), w.values, rtol=1e-9)
    assert np.isnan(w.score(three.assign(arm=None)[:3])).all()
    with pytest.raises(si.DataError, match="not in the fit"):
        w.score(three.assign(arm="other"))


@pytest.mark.parametrize("method", ["ipw", "entropy", "cbps", "sbw", "energy", "kernel"])
def test_rows_have_an_identity_and_those_of_weight_zero_are_absent(three, method):
    w = si.balance("arm ~ x + z", three, method=method)
    order = np.random.default_rng(1).permutation(300)
    moved = si.balance("arm ~ x + z", three.iloc[order], method=method)
    tolerance = 1e-6 if method in ("energy", "kernel") else 1e-9
    np.testing.assert_allclose(moved.values, w.values[order], atol=tolerance)
    more = pd.concat([three, three[:20].assign(arm="none of these", x=1e9)], ignore_index=True)
    absent = si.balance("arm ~ x + z", more, method=method, weights=np.r_[np.ones(300), np.zeros(20)])
    np.testing.assert_allclose(absent.values[:300], w.values, atol=tolerance)
    assert not absent.values[300:].any() and absent.nobs == 300
    far = si.balance("arm ~ x + z", three.assign(x=np.round(three.x * 2**16) / 2**16 + 2.0**26), method=method)
    near = si.balance("arm ~ x + z", three.assign(x=np.round(three.x * 2**16) / 2**16), method=method)
    np.testing.assert_allclose(far.values, near.values, atol=1e-6)


def test_numbers_are_arms_or_a_dose(three):
    coded = three.assign(arm=three["arm"].map({"placebo": 0, "low": 1, "high": 2}))
    w = si.balance("arm ~ x + z", coded, method="entropy")
    assert w.levels == (0.0, 1.0, 2.0) and not w.level_note
    labelled = si.balance("C(arm) ~ x + z", coded, method="entropy")
    np.testing.assert_allclose(labelled.values, w.values, rtol=1e-10)
    with pytest.raises(si.OptionError, match=r"dose.*C\(arm\)"):
        si.balance("arm ~ x + z", coded, method="entropy", dose=True, treated=1)
    with pytest.raises(si.DataError, match="needs two arms"):
        si.balance("arm ~ x", coded, method="ipm")
    with pytest.raises(si.OptionError, match="needs treated="):
        si.balance("arm ~ x", coded, estimand="ATT")
    with pytest.raises(si.OptionError, match="not a level"):
        si.balance("arm ~ x", coded, reference=9)
    with pytest.raises(si.OptionError, match="multinomial"):
        si.balance("arm ~ x", coded, link="probit")
    with pytest.raises(si.OptionError, match="over=True is for two arms"):
        si.balance("arm ~ x", coded, method="cbps", over=True)
    with pytest.raises(si.OptionError, match="not defined"):
        si.balance("arm ~ x", coded, method="entropy", estimand="ATO")
    with pytest.raises(si.OptionError, match="labels"):
        si.balance("arm ~ x", three, dose=True)
    with pytest.raises(si.NotIdentifiedError, match="separate the arms"):
        si.balance("arm ~ x + z", coded.assign(z=coded["arm"] + coded["z"] / 100))


def test_groups_and_failures_name_the_arm(three):
    grouped = si.balance("arm ~ x", three.assign(g=np.arange(300) % 2), method="entropy", by="g")
    assert set(grouped.diagnostics(by_group=True)["group"]) == {"g=0", "g=1"}
    assert si.lm("y ~ arm", three, weights=grouped).cov.label == "HC0, weights estimated"
    apart = three.assign(x=three.x + 10.0 * (three["arm"] == "high"))
    for method in ("entropy", "cbps"):
        with pytest.raises((si.InfeasibleError, si.NotIdentifiedError), match="high|low|placebo"):
            si.balance("arm ~ x", apart, method=method)
    with pytest.raises(si.InfeasibleError, match="high"):
        si.balance("arm ~ x", apart, method="entropy", estimand="ATC", reference="placebo")


def test_figures_and_tables_of_several_weightings(three):
    import matplotlib.pyplot as plt

    w, other = (si.balance("arm ~ x + z", three, method=m) for m in ("entropy", "ipw"))
    assert len(w.plot()) == 3
    assert [t.get_text() for t in w.plot(pairs="largest", names={"x": "Ex"}, order="name").get_yticklabels()] == [
        "z",
        "Ex",
    ]
    levels = si.balance(
        "arm ~ C(g, levels=['a', 'b']) + h + bs(x, 4)",
        three.assign(g="a", h="u").assign(
            g=lambda d: np.where(d.x > 0, "a", "b"), h=lambda d: np.where(d.z > 0, "u", "v")
        ),
        method="ipw",
    )
    shown = [t.get_text() for t in levels.plot(pairs="largest").get_yticklabels()]
    assert {"g: b", "h: v", "bs(x, 4)[1]"} <= set(shown)
    with pytest.raises(si.OptionError, match="no line of the figure"):
        w.plot(names={"nonsense": "Ex"})
    assert len(w.plot("weights").get_legend().get_texts()) == 3
    plt.close("all")
    text = si.table(w, other).to_text()
    assert "x: high - placebo" in text and "ESS low" in text
    assert "arm = placebo (reference)" in w.summary().to_text()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["ipw", "entropy", "cbps"])
def test_coverage_of_a_contrast_of_three_arms(method):
    """Nominal 95% at n = 500; the band is four binomial standard errors."""
    hits, replications = 0, 300
    for seed in range(replications):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(500, 2))
        eta = np.column_stack([np.zeros(500), 0.5 * x[:, 0], 0.5 * x[:, 1]]) + rng.gumbel(size=(500, 3))
        arm = eta.argmax(axis=1)
        frame = pd.DataFrame({"arm": arm, "x": x[:, 0], "z": x[:, 1], "y": x.sum(axis=1) + arm + rng.normal(size=500)})
        w = si.balance("arm ~ x + z", frame, method=method)
        low, high = si.lm("y ~ C(arm)", frame, weights=w).conf_int().loc["C(arm)[T.2]"]
        hits += low <= 2.0 <= high
    assert abs(hits / replications - 0.95) < 4 * np.sqrt(0.95 * 0.05 / replications)


def test_batches_of_replicas_solve_the_same_problems(three):
    w = si.balance("arm ~ x + z", three, method="entropy", estimand="ATT", treated="low")
    counts = np.random.default_rng(0).multinomial(300, np.full(300, 1 / 300), size=3).astype(float)
    for found, s in zip(w.resolve(counts), counts, strict=True):
        one = si.balance("arm ~ x + z", three, method="entropy", estimand="ATT", treated="low", weights=s)
        np.testing.assert_allclose(found, one.values, atol=1e-6)

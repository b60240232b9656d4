"""Doses: numbers of R WeightIt, derivatives by differences, and what any treatment must hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import statinf as si
from balancing.balance_samples import REFERENCE

ROWS = pd.read_csv(REFERENCE / "continuous.csv").set_index("method")
FORMULA = "re75 ~ age + educ + race + married + nodegree + re74"
CALLS = {
    "glm": {"method": "ipw"},
    "ebal": {"method": "entropy"},
    "ebal[d.moments=2]": {"method": "entropy", "d_moments": 2},
    "cbps[over=FALSE]": {"method": "cbps"},
    "cbps[over=TRUE]": {"method": "cbps", "over": True},
    "energy": {"method": "energy"},
    "energy[moments=1]": {"method": "energy", "exact": True},
}


@pytest.fixture(scope="module")
def lalonde():
    return si.datasets.load("lalonde")


def sample(n=250, seed=2, strength=0.3):
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, n))
    dose = strength * x + 0.2 * z + rng.normal(size=n)
    count = rng.poisson(np.exp(0.3 + 0.4 * x)).astype(float)
    return pd.DataFrame({"dose": dose, "count": count, "x": x, "z": z, "y": dose + x + z + rng.normal(size=n)})


@pytest.fixture(scope="module")
def frame():
    return sample()


@pytest.mark.parametrize("name", CALLS)
def test_weightit_numbers(lalonde, name):
    row, w = ROWS.loc[name], si.balance(FORMULA, lalonde, **CALLS[name])
    # The two-step criterion ends with R's optim, the quadratic program with OSQP's relative 1e-6 of a flat objective.
    rel = {"cbps[over=TRUE]": 1e-4, "energy": 3e-4, "energy[moments=1]": 3e-4}.get(name, 1e-7)
    relative = w.values / w.values.mean()
    assert (w.ess, relative.max()) == pytest.approx((row.ess, row.wmax), rel=rel)
    assert relative.min() == pytest.approx(row.wmin, rel=1e-2 if "energy" in name else rel)
    assert np.average(lalonde.re75, weights=w.values) == pytest.approx(row.wmean_treat, rel=rel)
    # WeightIt's columns leave one level of race out.
    left = w.diagnostics().set_index("term")["correlation_after"].drop("race[black]").abs().max()
    assert left == pytest.approx(row.max_abs_wcorr, rel=rel, abs=2e-8)
    fit = si.lm("re78 ~ re75", lalonde, weights=w)
    assert fit.params["re75"] == pytest.approx(row.slope, rel=rel)
    if name == "glm":
        assert fit.std_errors["re75"] == pytest.approx(row.se_default, rel=1e-6)
    if "energy" in name:
        assert fit.cov.label == "HC0, weights taken as fixed"
        assert fit.std_errors["re75"] == pytest.approx(row.se_default, rel=3e-4)
    else:
        assert fit.cov.label == "HC0, weights estimated"


def test_weightit_takes_the_sample_s_means_as_known(lalonde):
    """Its number is ours without the error of the means: 0.11947 where 0.12068 counts them."""
    w = si.balance(FORMULA, lalonde, method="entropy")
    fit = si.lm("re78 ~ re75", lalonde, weights=w)
    t, y, v = lalonde.re75.to_numpy(), lalonde.re78.to_numpy(float), w.values
    x = np.column_stack(
        [np.ones(len(t)), pd.get_dummies(lalonde[["age", "educ", "married", "nodegree", "re74", "race"]])]
    )
    x = np.delete(x, -1, axis=1).astype(float)
    z = np.column_stack([x, x * t[:, None]]) / np.r_[np.ones(x.shape[1]), np.full(x.shape[1], t.std())]
    z /= np.abs(z).max(axis=0)
    pair = np.column_stack([np.ones(len(t)), t])
    score = pair * (v * (y - pair @ fit.params.to_numpy()))[:, None]
    # Of known means only the part of the scores that the features do not explain is left.
    slope = np.linalg.lstsq(z * np.sqrt(v)[:, None], score / np.sqrt(v)[:, None], rcond=1e-12)[0]
    left = score - v[:, None] * (z @ slope)
    bread = np.linalg.inv((pair * v[:, None]).T @ pair)
    known = np.sqrt((bread @ left.T @ left @ bread)[1, 1])
    assert known == pytest.approx(ROWS.loc["ebal", "se_default"], rel=1e-6)
    assert fit.std_errors["re75"] == pytest.approx(0.12067915, rel=1e-6)


@pytest.mark.parametrize(
    ("treatment", "options"),
    [("dose", {"method": "ipw"}), ("count", {"method": "ipw", "density": "poisson"}), ("dose", {"method": "entropy"})]
    + [("dose", {"method": "entropy", "d_moments": 2}), ("dose", {"method": "entropy", "moments": 2})]
    + [("dose", {"method": "cbps", **o}) for o in ({}, {"nonparametric": True})],
    ids=str,
)
def test_influence_is_the_derivative_by_a_row_s_weight(frame, treatment, options):
    w = si.balance(f"{treatment} ~ x + z", frame, **options)
    formula = f"y ~ {treatment} + x"
    fit = si.lm(formula, frame, weights=w)
    rows, step = np.arange(0, 250, 60), 1e-5
    multipliers = np.ones((2 * len(rows), 250))
    multipliers[np.arange(len(rows)), rows] += step
    multipliers[len(rows) + np.arange(len(rows)), rows] -= step
    again = np.array([si.lm(formula, frame, weights=v).params for v in w.resolve(multipliers)])
    slope = (again[: len(rows)] - again[len(rows) :]) / (2 * step)
    np.testing.assert_allclose(np.asarray(fit.influence)[rows], slope, rtol=2e-4, atol=3e-6)
    # HC0 fell short in simulations with the weights of an empirical likelihood alone.
    kind = "HC3" if "nonparametric" in options else "HC0"
    assert fit.cov.label == f"{kind}, weights estimated"
    assert fit.with_vcov("HC0").cov.label == "HC0, weights estimated"


def test_kernel_densities_say_that_weights_are_known(frame):
    w = si.balance("dose ~ x + z", frame, density="kernel")
    assert "si.bootstrap" in w.summary().to_text()
    assert si.lm("y ~ dose", frame, weights=w).cov.label == "HC0, weights taken as fixed"
    # Two ways to sum the kernels: all pairs, and a fine grid.
    from statinf.numerics.laws import kernel_density as module

    u, s = np.random.default_rng(0).normal(size=3000), np.ones(3000)
    exact, h = module.kernel_density(u, s)
    binned, again = module.kernel_density(np.r_[u, u], np.r_[s, 0 * s])
    assert h == again
    np.testing.assert_allclose(binned[:3000], exact, rtol=1e-4)
    quartiles = np.quantile(u, (0.25, 0.75), method="hazen")
    assert h == pytest.approx(0.9 * min(u.std(ddof=1), np.ptp(quartiles) / 1.34) * 3000**-0.2, rel=1e-12)


@pytest.mark.parametrize("method", ["ipw", "entropy", "cbps", "energy"])
def test_rows_have_an_identity_and_those_of_weight_zero_are_absent(frame, method):
    w = si.balance("dose ~ x + z", frame, method=method)
    tolerance = 1e-6 if method == "energy" else 1e-8
    order = np.random.default_rng(1).permutation(250)
    np.testing.assert_allclose(
        si.balance("dose ~ x + z", frame.iloc[order], method=method).values, w.values[order], atol=tolerance
    )
    more = pd.concat([frame, frame[:20].assign(dose=1e9, x=-1e9)], ignore_index=True)
    absent = si.balance("dose ~ x + z", more, method=method, weights=np.r_[np.ones(250), np.zeros(20)])
    np.testing.assert_allclose(absent.values[:250], w.values, atol=tolerance)
    assert absent.nobs == 250
    np.testing.assert_allclose(
        absent.diagnostics()["correlation_after"], w.diagnostics()["correlation_after"], atol=tolerance
    )
    on_grid = frame.assign(**{c: np.round(frame[c] * 2**16) / 2**16 for c in ("dose", "x")})
    near = si.balance("dose ~ x + z", on_grid, method=method)
    far = si.balance(
        "dose ~ x + z", on_grid.assign(dose=1e3 * (on_grid.dose + 2.0**24), x=on_grid.x - 2.0**24), method=method
    )
    np.testing.assert_allclose(far.values, near.values, rtol=1e-6, atol=1e-6)
    counts = np.random.default_rng(3).integers(1, 4, 250)
    if method != "energy":  # its ridge is a price per row
        repeated = si.balance(
            "dose ~ x + z", frame.loc[frame.index.repeat(counts)].reset_index(drop=True), method=method
        )
        weighted = si.balance("dose ~ x + z", frame, method=method, weights=counts)
        np.testing.assert_allclose(repeated.values[np.cumsum(counts) - 1], weighted.values / counts, rtol=1e-6)
    gap = frame.astype({"x": float}).copy()
    gap.loc[3, "x"], gap.loc[5, "dose"] = np.nan, np.nan
    assert si.balance("dose ~ x + z", gap, method=method).nobs == 248


def test_tables_and_figures(frame):
    import matplotlib.pyplot as plt

    w, other = si.balance("dose ~ x + z", frame, method="entropy"), si.balance("dose ~ x + z", frame)
    table = w.diagnostics().set_index("term")
    assert table["correlation_before"]["x"] == pytest.approx(np.corrcoef(frame.x, frame.dose)[0, 1], rel=1e-12)
    assert table[["correlation_after", "shift"]].abs().to_numpy().max() < 1e-8
    plain = other.diagnostics(denominator="all").set_index("term")["correlation_after"]["x"]
    p = other.values / other.values.sum()
    covariance = p @ (frame.x * frame.dose) - (p @ frame.x) * (p @ frame.dose)
    assert plain == pytest.approx(covariance / (frame.x.std(ddof=0) * frame.dose.std(ddof=0)), rel=1e-9)
    assert "correlation" in w.plot(order="after").get_xlabel() and w.plot("weights") is not None
    plt.close("all")
    assert "Largest |correlation|" in si.table(w, other).to_text()
    with pytest.raises(si.OptionError, match="two tables"):
        si.table(w, si.balance("I(dose > 0) ~ x", frame))
    assert "Mean dose before, after" in w.summary().to_text()
    grouped = si.balance("dose ~ x", frame.assign(g=np.arange(250) % 2), method="entropy", by="g")
    assert len(grouped.diagnostics(by_group=True)) == 2


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ({"method": "kernel"}, si.DataError, "is a dose"),
        ({"estimand": "ATT"}, si.OptionError, "needs arms"),
        ({"treated": 1}, si.OptionError, "is a dose"),
        ({"link": "probit"}, si.OptionError, "link= is for arms"),
        ({"density": "poisson"}, si.DataError, "counts"),
        ({"method": "cbps", "separate": True}, si.OptionError, "separate"),
        ({"method": "cbps", "nonparametric": True, "over": True}, si.OptionError, "nonparametric"),
        ({"method": "energy", "rank": 3}, si.OptionError, "rank= is for arms"),
    ],
    ids=str,
)
def test_bad_input(frame, call, error, message):
    with pytest.raises(error, match=message):
        si.balance("dose ~ x + z", frame, **call)


def test_options_of_a_dose_make_counts_a_dose_and_no_arms(frame):
    few = frame.assign(count=np.minimum(frame["count"], 2))
    assert si.balance("count ~ x", few, density="poisson").measure == "correlation"
    assert si.balance("count ~ x", few, method="entropy").measure == "SMD"
    assert si.balance("count ~ x", few, method="entropy", dose=True).measure == "correlation"
    for options in (
        {"density": "kernel"},
        {"method": "cbps", "nonparametric": True},
        {"method": "energy", "exact": True},
    ):
        with pytest.raises(si.OptionError, match="for a dose"):
            si.balance("I(x > 0) ~ z", frame, **options)
    with pytest.raises(si.OptionError, match=r"density='poisson'.*3 arms"):
        si.balance("arm ~ x", frame.assign(arm=np.array(["a", "b", "c"])[np.arange(250) % 3]), density="poisson")


def test_what_cannot_be_balanced_is_named(frame):
    with pytest.raises(si.InfeasibleError, match="energy"):
        si.balance("dose ~ x", frame.assign(x=frame.dose + 1e-3 * frame.x), method="energy", exact=True)
    with pytest.raises(si.InfeasibleError, match=r"'(x|the dose)"):
        si.balance("dose ~ x", frame.assign(x=frame.dose + 1e-3 * frame.x), method="entropy")
    predicted = sample(strength=1.0)
    with pytest.raises(si.InfeasibleError, match="no normal law"):
        si.balance("dose ~ x + z", predicted, method="cbps")
    assert si.balance("dose ~ x + z", predicted, method="cbps", over=True).ess > 1
    with pytest.raises(si.StatinfError, match="dose"):
        si.balance("dose ~ x", frame.assign(x=2.0 * frame.dose), method="ipw")


@pytest.mark.slow
@pytest.mark.parametrize("method", ["ipw", "entropy", "cbps"])
def test_coverage_of_a_slope(method):
    """Nominal 95% at n = 500; the band is four binomial standard errors, and HC3 is used where HC0 is too small."""
    hits, replications = 0, 300
    for seed in range(replications):
        d = sample(500, seed)
        w = si.balance("dose ~ x + z", d, method=method)
        low, high = si.lm("y ~ dose", d, weights=w, vcov="HC3").conf_int().loc["dose"]
        hits += low <= 1.0 <= high
    assert abs(hits / replications - 0.95) < 4 * np.sqrt(0.95 * 0.05 / replications)

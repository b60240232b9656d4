"""`si.rd(method="honest")` against the numbers of RDHonest, and its guarantee."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import statinf as si
from statinf.effects.discontinuity.bounds import critical_value

pytestmark = pytest.mark.filterwarnings("ignore::statinf.StatinfWarning")
HERE = Path(__file__).parent
LEE = {"formula": "voteshare ~ margin", "data": "lee", "bound": 0.1}
SENATE = {"formula": "vote ~ margin", "data": "senate"}
CALLS: dict[str, dict[str, Any]] = {
    "lee08_tri_M0.1_MSE": {**LEE},
    "lee08_tri_M0.1_FLCI": {**LEE, "bandwidth": "length"},
    "lee08_tri_M0.1_OCI": {**LEE, "bandwidth": "one-sided"},
    "lee08_tri_M0.1_h8": {**LEE, "bandwidth": 8},
    "lee08_tri_M0.1_h8_EHW": {**LEE, "bandwidth": 8, "vcov": "HC0"},
    "lee08_tri_M0.1_h8_T": {**LEE, "bandwidth": 8, "smoothness": "taylor"},
    "lee08_uniform_M0.1_h10": {**LEE, "bandwidth": 10, "kernel": "uniform"},
    "lee08_tri_ROT": {**LEE, "bound": None},
    "senate_tri_M0.05_h15": {**SENATE, "bound": 0.05, "bandwidth": 15},
    "senate_tri_ROT": {**SENATE},
    "senate_fuzzy_h15": {**SENATE, "fuzzy": "t", "bound": (0.05, 0.002), "bandwidth": 15},
    "senate_fuzzy_h15_T0": {**SENATE, "fuzzy": "t", "bound": (0.05, 0.002), "bandwidth": 15, "initial": 12.0},
}


@cache
def tables() -> dict[str, pd.DataFrame]:
    senate = si.datasets.load("senate")
    row = np.arange(len(senate))
    takes = np.where(senate["margin"] >= 0, row % 5 != 0, row % 7 == 0).astype(float)
    return {"senate": senate.assign(t=takes), "lee": pd.read_csv(HERE / "rd_lee08.csv.gz")}


@cache
def reference() -> pd.DataFrame:
    table = pd.read_csv(HERE / "rd_reference.csv")
    return table[table["source"] == "RDHonest-R"]


def call(**options: Any) -> Any:
    return si.rd(data=tables()[options.pop("data")], method="honest", **options)


def told(fit: Any) -> dict[str, float]:
    """The numbers of a fit under the names of the reference."""
    (row,) = fit.tidy().to_dict("records")
    low, high = fit.one_sided()
    found = {"estimate": row["estimate"], "std.error": row["std_error"], "maximum.bias": fit.bias, "M": fit.bound}
    found |= {"conf.low": row["conf_low"], "conf.high": row["conf_high"], "p.value": row["p_value"], "alpha": 0.05}
    found |= {"conf.low.onesided": low, "conf.high.onesided": high, "cv": fit.critical(), "leverage": fit.leverage}
    found |= {"bandwidth": fit.bandwidth[0], "eff.obs": fit.effective}
    if fit.treatment is not None:
        found |= {"first.stage": float(fit.first_stage.theta[0]), "M.rf": 0.05, "M.fs": fit.first_stage.bound}
    return found


@pytest.mark.parametrize("spec", CALLS)
def test_numbers_of_rdhonest(spec: str) -> None:
    rows = reference()[reference()["spec"] == spec].dropna(subset=["value"])
    expected = dict(zip(rows["quantity"], rows["value"].astype(float), strict=True))
    found = told(call(**CALLS[spec]))
    assert set(expected) <= set(found) and len(expected) >= 13
    # Its search for the bandwidth stops at half of the digits.
    np.testing.assert_allclose([found[k] for k in expected], list(expected.values()), rtol=1e-6)


def test_every_row_of_the_reference_is_walked() -> None:
    assert set(reference()["spec"]) == {*CALLS, "cvb"}
    rows = reference()[reference()["spec"] == "cvb"]
    for name, value in zip(rows["quantity"], rows["value"].astype(float), strict=True):
        bias, alpha = (float(part[1:]) for part in name.split("_")[1:])
        assert critical_value(bias, 1.0 - alpha) == pytest.approx(value, rel=1e-9)


def test_critical_values_join_where_the_tail_takes_over() -> None:
    assert critical_value(10.0, 0.95) == pytest.approx(critical_value(10.0 - 1e-9, 0.95), abs=1e-6)


def test_a_chosen_bandwidth_is_the_best() -> None:
    chosen = call(**LEE, bandwidth="length")
    pilot = chosen.conf_int().to_numpy()
    for factor in (0.5, 2.0):  # beyond what errors at one bandwidth differ by from errors at another
        other = call(**LEE, bandwidth=factor * chosen.bandwidth[0]).conf_int().to_numpy()
        assert np.ptp(other) > np.ptp(pilot)


def test_covariates_adjust_the_estimate_as_in_robust_fits() -> None:
    formula = "vote ~ margin | termshouse + termssenate"
    honest = call(formula=formula, data="senate", bandwidth=15, bound=0.05)
    robust = si.rd(formula, tables()["senate"], bandwidth=15)
    np.testing.assert_allclose(honest.params["honest"], robust.params["conventional"], rtol=1e-10)
    np.testing.assert_allclose(honest.std_errors["honest"], robust.std_errors["conventional"], rtol=1e-10)
    assert np.isfinite(call(formula=formula, data="senate").bandwidth).all()


def test_clusters_and_other_errors() -> None:
    fit = call(**SENATE, bound=0.05, bandwidth=15)
    robust = si.rd("vote ~ margin", tables()["senate"], bandwidth=15)
    for kind in ("HC2", {"cluster": "state", "type": "CR3"}):
        mine, other = fit.with_vcov(kind), robust.with_vcov(kind)
        np.testing.assert_allclose(mine.std_errors["honest"], other.std_errors["conventional"], rtol=1e-10)
        assert mine.bias == fit.bias


def test_what_leaves_the_bias_out_is_refused() -> None:
    fit = call(**SENATE, bound=0.05, bandwidth=15)
    other = si.lm("vote ~ termshouse", tables()["senate"])
    for ask in (
        lambda: fit.test("honest = 0"),
        lambda: fit.transform("honest"),
        fit.bootstrap,
        lambda: si.joint(fit, other),
    ):
        with pytest.raises(si.NotIdentifiedError, match="bias"):
            ask()
    pd.testing.assert_frame_equal(fit.conf_int(simultaneous=True), fit.conf_int())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bound": -1}, "bound=-1"),
        ({"bound": (1, 2)}, "a sharp design needs one number"),
        ({"bound": 1, "fuzzy": "t"}, "a fuzzy design needs a pair"),
        ({"bandwidth": "flci"}, "bandwidth='flci' is not known"),
        ({"deriv": 1}, "deriv= is an option of method='robust'"),
    ],
)
def test_what_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(si.OptionError, match=message):
        call(**SENATE, **options)


@pytest.mark.slow
def test_honest_intervals_cover_the_worst_mean() -> None:
    """Parabolas bent up on the left and down on the right: the largest bias that the bound allows."""
    random = np.random.default_rng(11)
    bound, hits = 4.0, 0
    for _ in range(250):
        x = random.uniform(-1, 1, 400)
        mean = np.where(x >= 0, -1.0, 1.0) * bound / 2.0 * x**2
        fit = si.rd(
            "y ~ x", pd.DataFrame({"x": x, "y": mean + random.normal(0, 0.5, 400)}), method="honest", bound=bound
        )
        low, high = fit.conf_int().to_numpy()[0]
        hits += low <= 0.0 <= high
    # Three binomial standard errors below.
    assert hits / 250 >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 250)


def test_an_outlier_leaves_a_wide_interval() -> None:
    """Its curvature makes the pilot's window narrower than the distance between rows."""
    rng = np.random.default_rng(5)
    x = rng.uniform(-1, 1, 150)
    data = pd.DataFrame({"x": x, "y": x + (x > 0) + 0.3 * rng.standard_normal(150)})
    data.loc[5, "y"] = 1e12
    with np.errstate(all="raise", under="ignore"):
        fit = si.rd("y ~ x", data, method="honest")
    low, high = fit.conf_int().to_numpy()[0]
    assert low < 1.0 < high and high - low > 1e3

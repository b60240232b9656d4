"""`si.rd` against the numbers of rdrobust 2.1.1, least squares, and itself."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import statinf as si

pytestmark = pytest.mark.filterwarnings("ignore::statinf.errors.DroppedRowsWarning")
HERE = Path(__file__).parent
COVARIATES = "vote ~ margin | seat_class + termshouse + termssenate"
SELECTORS = "msetwo msesum msecomb1 msecomb2 cerrd certwo cersum cercomb1 cercomb2".split()
CALLS: dict[str, dict[str, Any]] = {
    "default": {},
    "kernel_uni": {"kernel": "uniform"},
    "kernel_epa": {"kernel": "epanechnikov"},
    **{f"bw_{name}": {"bandwidth": name} for name in SELECTORS},
    **{f"vce_hc{k}": {"vcov": f"HC{k}"} for k in range(4)},
    "p2": {"order": 2},
    "p0": {"order": 0},
    "p1_q3": {"bias_order": 3},
    "deriv1": {"deriv": 1},
    "h15": {"bandwidth": 15},
    "h15_b25": {"bandwidth": 15, "bias_bandwidth": 25},
    "h15_hc1": {"bandwidth": 15, "vcov": "HC1"},
    "h10_20": {"bandwidth": (10, 20), "bias_bandwidth": (20, 30)},
    "rho0.5": {"rho": 0.5},
    "masspoints_off": {"masspoints": "off"},
    "scaleregul0": {"scaleregul": 0},
    "stdvars_false": {},
    "bwcheck60": {"bwcheck": 60},
    "nnmatch5": {"neighbours": 5},
    "cutoff5": {"cutoff": 5},
    "covs": {"formula": COVARIATES},
    "covs_hc1_h15": {"formula": COVARIATES, "vcov": "HC1", "bandwidth": 15},
    "cluster_state_cr1": {"cluster": "state"},
    "cluster_state_cr1_h15": {"cluster": "state", "bandwidth": 15},
    "cluster_state_cr2": {"vcov": {"cluster": "state", "type": "CR2"}},
    "cluster_state_cr3": {"vcov": {"cluster": "state", "type": "CR3"}},
    "weights_1_plus_rowmod3": {"weights": "w"},
    "fuzzy": {"fuzzy": "t"},
    "fuzzy_h15": {"fuzzy": "t", "bandwidth": 15},
    "fuzzy_sharpbw": {"fuzzy": "t", "sharpbw": True},
    "level90": {},
}


@cache
def senate() -> pd.DataFrame:
    data = si.datasets.load("senate")
    row = np.arange(len(data))
    return data.assign(t=np.where(data["margin"] >= 0, row % 5 != 0, row % 7 == 0).astype(float), w=1.0 + row % 3)


@cache
def reference() -> pd.DataFrame:
    table = pd.read_csv(HERE / "rd_reference.csv")
    return table[table["source"].str.startswith("rdrobust")]


def told(fit: Any, level: float) -> dict[str, float]:
    """The numbers of a fit under the names of the reference."""
    found: dict[str, float] = {}
    names = ("coef", "estimate"), ("se", "std_error"), ("z", "statistic"), ("p", "p_value"), ("cil", "conf_low")
    for row, short in zip(fit.tidy(level).to_dict("records"), ("conv", "bc", "robust"), strict=True):
        found |= {f"{theirs}_{short}": row[ours] for theirs, ours in (*names, ("cir", "conf_high"))}
    for side, row in zip("lr", fit.sides().to_dict("records"), strict=True):
        found |= {f"h_{side}": row["bandwidth"], f"b_{side}": row["bias_bandwidth"], f"N_{side}": row["nobs"]}
        found |= {f"Nh_{side}": row["within"], f"Nb_{side}": row["within_bias"], f"M_{side}": row["distinct"]}
    if fit.treatment is not None:
        for row, short in zip(fit.first_stage.tidy().to_dict("records"), ("conv", "bc", "robust"), strict=True):
            found |= {f"first_{short}": row["estimate"], f"firstse_{short}": row["std_error"]}
    return found


@pytest.mark.parametrize("spec", CALLS)
def test_numbers_of_rdrobust(spec: str) -> None:
    options = {"formula": "vote ~ margin"} | CALLS[spec]
    fit = si.rd(data=senate(), **options)
    rows = reference()[reference()["spec"] == spec]
    expected = dict(zip(rows["quantity"], rows["value"].astype(float), strict=True))
    if spec == "masspoints_off":  # the peer does not count distinct values then
        expected = {k: v for k, v in expected.items() if not k.startswith("M_")}
    found = told(fit, 0.9 if spec == "level90" else 0.95)
    assert set(expected) <= set(found) and len(expected) > 25
    # The file holds eight digits.
    np.testing.assert_allclose([found[k] for k in expected], list(expected.values()), rtol=1e-6, atol=5e-9)


def test_every_row_of_the_reference_is_walked() -> None:
    named = {s for s in reference()["spec"] if not s.startswith(("rdplot_", "meta"))}
    assert named == set(CALLS)


def test_every_selector_in_one_table() -> None:
    table = si.rd("vote ~ margin", senate()).selectors().set_index("selector")
    rows = reference()
    for name in table.index:
        spec = "default" if name == "mserd" else f"bw_{name}"
        known = rows[rows["spec"] == spec].set_index("quantity")["value"].astype(float)
        np.testing.assert_allclose(table.loc[name], known[["h_l", "h_r", "b_l", "b_r"]], rtol=1e-6)
    assert len(table) == 10


def test_a_global_uniform_fit_is_least_squares() -> None:
    data = senate().dropna(subset=["vote"])
    fit = si.rd("vote ~ margin", data, kernel="uniform", bandwidth=101.0, vcov="HC0")
    ols = si.lm("vote ~ I(margin >= 0) * margin", data, vcov="HC0")
    at = [k for k, term in enumerate(ols.terms) if ">=" in term and ":" not in term and " * " not in term]
    assert len(at) == 1
    np.testing.assert_allclose(fit.params["conventional"], ols.theta[at[0]], rtol=1e-10)
    np.testing.assert_allclose(fit.std_errors["conventional"], ols._se()[at[0]], rtol=1e-9)


def test_covariates_enter_as_in_weighted_least_squares() -> None:
    data = senate().dropna(subset=["vote", "termshouse", "termssenate"])
    fit = si.rd("vote ~ margin | termshouse + termssenate", data, bandwidth=20.0)
    k = np.clip(1 - np.abs(data["margin"]) / 20.0, 0, None)
    right = (data["margin"] >= 0).astype(float)
    x = np.column_stack(
        [np.ones(len(data)), right, data["margin"], right * data["margin"], data["termshouse"], data["termssenate"]]
    )
    root = np.sqrt(k.to_numpy())[:, None]
    beta = np.linalg.lstsq(root * x, root[:, 0] * data["vote"], rcond=None)[0]
    np.testing.assert_allclose(fit.params["conventional"], beta[1], rtol=1e-10)


def test_one_bandwidth_for_both_is_the_next_order() -> None:
    one = si.rd("vote ~ margin", senate(), bandwidth=20)
    two = si.rd("vote ~ margin", senate(), bandwidth=20, order=2)
    np.testing.assert_allclose(one.params["robust"], two.params["conventional"], rtol=1e-8)
    np.testing.assert_allclose(one.std_errors["robust"], two.std_errors["conventional"], rtol=1e-8)


def _line(n: int = 300) -> pd.DataFrame:
    x = np.random.default_rng(0).uniform(-1, 1, n)
    return pd.DataFrame({"x": x, "y": 1 + 2 * x + 3 * (x >= 0), "z": np.cos(x)})


@pytest.mark.parametrize("bandwidth", [0.3, 0.7])
def test_a_jump_between_lines_is_exact(bandwidth: float) -> None:
    fit = si.rd("y ~ x", _line(), bandwidth=bandwidth)
    np.testing.assert_allclose(fit.params, 3.0, rtol=1e-10)


def test_an_outcome_without_noise_is_fitted() -> None:
    step = _line().assign(y=lambda d: 1.0 * (d["x"] >= 0))
    np.testing.assert_allclose(si.rd("y ~ x", step).params, 1.0, rtol=1e-10)
    np.testing.assert_allclose(si.rd("y ~ x", step, method="honest").params, 1.0, rtol=1e-10)


def test_labels_of_a_fuzzy_treatment() -> None:
    data = senate().assign(took=np.where(senate()["t"] == 1, "yes", "no"))
    np.testing.assert_array_equal(
        si.rd("vote ~ margin", data, fuzzy="took").theta, si.rd("vote ~ margin | 1", data, fuzzy="t").theta
    )


def test_units_carry_over() -> None:
    base = si.rd("vote ~ margin", senate())
    moved = senate().assign(vote=5 + 1e3 * senate()["vote"], margin=2 + 1e-4 * senate()["margin"])
    found = si.rd("vote ~ margin", moved, cutoff=2.0)
    # The moved column keeps 1e-4 of its digits.
    np.testing.assert_allclose(found.params, 1e3 * base.params, rtol=1e-9)
    np.testing.assert_allclose(found.std_errors, 1e3 * base.std_errors, rtol=1e-9)


def test_whole_weights_are_repeated_rows() -> None:
    data = senate()
    once = si.rd("vote ~ margin", data, weights="w", bandwidth=15, vcov="HC0")
    rows = data.loc[data.index.repeat(data["w"].astype(int))]
    again = si.rd("vote ~ margin", rows, bandwidth=15, vcov="HC0", masspoints="off")
    np.testing.assert_allclose(once.params, again.params, rtol=1e-10)


def test_another_covariance_keeps_bandwidths() -> None:
    fit = si.rd("vote ~ margin", senate())
    other = fit.with_vcov({"cluster": "state", "type": "CR2"})
    assert other.bandwidth == fit.bandwidth and (other.theta == fit.theta).all()
    straight = si.rd(
        "vote ~ margin",
        senate(),
        bandwidth=fit.bandwidth,
        bias_bandwidth=tuple(fit.bandwidths[:, 1]),
        vcov={"cluster": "state", "type": "CR2"},
    )
    np.testing.assert_allclose(other.std_errors, straight.std_errors, rtol=1e-12)


def test_influence_makes_the_covariance() -> None:
    fit = si.rd("vote ~ margin", senate(), vcov="HC0")
    np.testing.assert_allclose(fit.influence.T @ fit.influence, fit.cov.matrix, rtol=1e-10)
    assert abs(fit.bootstrap(replicas=400, seed=1).std_errors["robust"] / fit.std_errors["robust"] - 1) < 0.15


def test_a_donut_leaves_rows_out() -> None:
    fit = si.rd("vote ~ margin", senate(), donut=1.0, bandwidth=15)
    cut = si.rd("vote ~ margin", senate()[senate()["margin"].abs() >= 1.0], bandwidth=15)
    np.testing.assert_allclose(fit.params, cut.params, rtol=1e-12)
    np.testing.assert_allclose(fit.std_errors, cut.std_errors, rtol=1e-12)


def test_fuzzy_with_covariates_is_two_stage_least_squares() -> None:
    data = senate().dropna(subset=["vote", "termshouse"])
    fit = si.rd("vote ~ margin | termshouse", data, fuzzy="t", bandwidth=30.0)
    k = np.clip(1 - np.abs(data["margin"]) / 30.0, 0, None).to_numpy()
    right = (data["margin"] >= 0).to_numpy(float)
    x = np.column_stack([right, np.ones(len(data)), data["margin"], right * data["margin"], data["termshouse"]])
    root = np.sqrt(k)[:, None]
    both = np.linalg.lstsq(root * x, root * data[["vote", "t"]].to_numpy(), rcond=None)[0][0]
    np.testing.assert_allclose(fit.params["conventional"], both[0] / both[1], rtol=1e-10)
    np.testing.assert_allclose(fit.first_stage.params["conventional"], both[1], rtol=1e-10)


@pytest.mark.parametrize("method", ["robust", "honest"])
def test_a_covariance_chosen_later_reaches_the_first_stage(method) -> None:
    data = senate()
    fit = si.rd("vote ~ margin", data, fuzzy="t", method=method, bandwidth=20.0)
    later = fit.with_vcov({"cluster": "state"}).first_stage
    known = si.rd("vote ~ margin", data, fuzzy="t", method=method, bandwidth=20.0, cluster="state").first_stage
    assert later.cov.label == known.cov.label
    np.testing.assert_allclose(later.std_errors, known.std_errors, rtol=1e-12)
    assert fit.first_stage.cov.kind == "NN"


def test_a_covariance_chosen_later_reaches_the_fit_at_each_cutoff() -> None:
    fit = si.rd("vote ~ margin", senate(), cutoff=[-5.0, 5.0]).with_vcov({"cluster": "state"})
    assert all("clustered" in one.cov.label for one in fit.fits)
    np.testing.assert_allclose(fit.std_errors.iloc[0], fit.fits[0].std_errors["robust"], rtol=1e-10)


def test_counts_of_numpy_are_counts() -> None:
    fit = si.rd("vote ~ margin", senate())
    assert len(fit.placebo(np.int64(4)).at) == len(fit.placebo(4).at) == 4
    pd.testing.assert_frame_equal(fit.bins(nbins=np.int64(4)).tidy(), fit.bins(nbins=4).tidy())


def test_discrete_running_variable_is_told() -> None:
    data = senate().assign(margin=np.round(senate()["margin"] / 4) * 4)
    with pytest.warns(si.StatinfWarning, match="many rows share values of 'margin'"):
        fit = si.rd("vote ~ margin", data)
    assert np.isfinite(fit.std_errors).all()
    with pytest.raises(si.NotIdentifiedError, match="too few distinct values of 'margin'"):
        si.rd("vote ~ margin", data, bandwidth=5, masspoints="off")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"cutoff": 200}, si.DataError, "no row of 'margin' is at or above cutoff=200"),
        ({"cutoff": None}, si.OptionError, "cutoff=None is not a number"),
        ({"cutoff": "0"}, si.DataError, "column '0' is not in the data"),
        ({"order": 1, "bias_order": 1}, si.OptionError, "bias_order=1 must be above order=1"),
        ({"deriv": 2, "order": 1}, si.OptionError, "order=1 has no derivative deriv=2"),
        ({"bandwidth": -1}, si.OptionError, "bandwidth=-1 is not a positive number"),
        ({"bandwidth": "msedr"}, si.OptionError, "Did you mean 'mserd'"),
        ({"bias_bandwidth": 20}, si.OptionError, "bias_bandwidth= goes with a bandwidth= in numbers"),
        ({"kernel": "gaussian"}, si.OptionError, "kernel='gaussian' is not known"),
        ({"fuzzy": "one"}, si.NotIdentifiedError, "'one' does not jump"),
        ({"fuzzy": "nowhere"}, si.FormulaError, "'nowhere' is not a column"),
        ({"cluster": "right"}, si.NotIdentifiedError, "'right' has one cluster on a side"),
        ({"weights": "minus"}, si.DataError, "negative"),
        ({"donut": -1}, si.OptionError, "donut=-1"),
        ({"method": "honset"}, si.OptionError, "method='honset'"),
    ],
)
def test_what_is_refused(options: dict[str, Any], error: type[Exception], message: str) -> None:
    data = senate().assign(one=1.0, right=(senate()["margin"] >= 0) * 1.0, minus=-1.0)
    with pytest.raises(error, match=message):
        si.rd("vote ~ margin", data, **options)


def test_few_rows() -> None:
    with pytest.raises(si.DataError, match="10 rows are too few"):
        si.rd("y ~ x", _line(10))
    with pytest.warns(si.StatinfWarning, match="60 rows are few"):
        si.rd("y ~ x", _line(60).assign(y=lambda d: d["y"] + np.sin(40 * d["x"])))


@pytest.mark.slow
def test_robust_intervals_cover_best() -> None:
    """The design of Lee's elections: robust above conventional above bias-corrected, near the nominal level."""
    random = np.random.default_rng(5)
    hits = np.zeros(3)
    for _ in range(300):
        x = 2 * random.beta(2, 4, 500) - 1
        left = np.polynomial.polynomial.polyval(x, [0.48, 1.27, 7.18, 20.21, 21.54, 7.33])
        right = np.polynomial.polynomial.polyval(x, [0.52, 0.84, -3.00, 7.99, -9.01, 3.56])
        y = np.where(x < 0, left, right) + random.normal(0, 0.1295, 500)
        limits = si.rd("y ~ x", pd.DataFrame({"x": x, "y": y})).conf_int()
        hits += (limits["conf_low"] <= 0.04) & (limits["conf_high"] >= 0.04)
    conventional, corrected, robust = hits / 300
    assert robust > conventional > corrected
    # Four binomial standard errors about what rdrobust covers.
    assert abs(robust - 0.917) < 4 * np.sqrt(0.917 * 0.083 / 300)

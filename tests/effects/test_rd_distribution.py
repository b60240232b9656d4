"""Discontinuities of distributions: the package's and derived numbers, identities, bands, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import statinf as si
from statinf.effects.distributional.findings import band_quantile, gini, share_beyond
from statinf.effects.distributional.frechet import projected
from statinf.effects.distributional.simple import rearranged
from statinf.numerics.localpoly.curve_bandwidth import curve_bandwidth, curve_constants
from statinf.numerics.localpoly.side import sides
from statinf.numerics.order.unit_quantiles import unit_quantiles

pytestmark = pytest.mark.filterwarnings("ignore:.*units of 'unit' have fewer than 20 rows.*:statinf.StatinfWarning")

FOLDER = Path(__file__).parent.parent / "reference" / "effects"
REFERENCE = pd.read_csv(FOLDER / "r3d.csv")
DATA = pd.read_csv(FOLDER / "r3d_data.csv")
TAU = np.arange(1, 10) / 10
KERNELS = {"tri": "triangular", "epa": "epanechnikov", "uni": "uniform"}
# The table has nine or ten digits.
CLOSE = {"rtol": 0, "atol": 5e-9}


def known(spec: str, quantity: str) -> np.ndarray:
    found = REFERENCE[(REFERENCE["spec"] == spec) & (REFERENCE["quantity"] == quantity)]["value"]
    assert len(found), (spec, quantity)
    return found.to_numpy(float)


def fitted(spec: str, **options):
    kind, kernel, order = spec.removeprefix("fuzzy_").split("_")[:3]
    return si.rd_distribution(
        "y_fuzzy ~ x | unit" if spec.startswith("fuzzy") else "y ~ x | unit",
        DATA,
        tau=TAU,
        method=kind,
        kernel=KERNELS[kernel],
        order=int(order[1]),
        fuzzy="t" if spec.startswith("fuzzy") else None,
        **options,
    )


def multipliers(n: int, replicas: int) -> np.ndarray:
    """Those of the reference, shape (replicas, n)."""
    z = np.sin(12.9898 * np.arange(1, n + 1) + 78.233 * np.arange(1, replicas + 1)[:, None]) * 43758.5453
    return norm.ppf(np.clip(z - np.floor(z), 1e-6, 1 - 1e-6))


@pytest.mark.parametrize("spec", ["simple_tri_p2_h0.5", "frechet_epa_p2_h0.5", "frechet_uni_p1_h0.4"])
def test_the_package(spec):
    fit = fitted(spec, bandwidth=float(spec.split("_h")[1]))
    solved = fit.solved
    np.testing.assert_allclose(solved.below.level, known(spec, "alpha0_minus"), **CLOSE)
    np.testing.assert_allclose(solved.above.level, known(spec, "alpha0_plus"), **CLOSE)
    np.testing.assert_allclose([fit.below, fit.above], [known(spec, "int_minus"), known(spec, "int_plus")], **CLOSE)
    np.testing.assert_allclose(fit.theta, known(spec, "tau"), **CLOSE)
    draws = multipliers(200, 199) @ solved.influence("HC0")
    critical = band_quantile(np.abs(draws).max(axis=1), 0.95)
    assert critical == pytest.approx(known(spec, "crit_val_all_residuals")[0], abs=5e-9)
    share = np.mean(np.abs(draws).max(axis=1) >= np.abs(fit.theta).max())
    assert share == pytest.approx(known(spec, "nullity_p_all_residuals")[0], abs=1e-9)
    assert gini(np.stack([fit.below, fit.above]), TAU) == pytest.approx(
        [known(spec, "gini_below")[0], known(spec, "gini_above")[0]], abs=5e-9
    )
    # The package sets residuals to zero where a unit's weight is not positive: its bands are narrower.
    below, above = solved.below, solved.above
    weight = np.zeros(200)
    for side in (below, above):
        weight[side.fits[0][0].side.index] = side.fits[0][0].equivalent()
    narrow = multipliers(200, 199) @ (solved.influence("HC0") * (weight > 0)[:, None])
    # Residuals of the package's Frechet curves are taken after projecting each unit's fitted curve as well.
    slack = 1e-4 if spec == "frechet_epa_p2_h0.5" else 5e-9
    assert band_quantile(np.abs(narrow).max(axis=1), 0.95) == pytest.approx(known(spec, "crit_val")[0], abs=slack)


@pytest.mark.parametrize("spec", ["frechet_epa_p2_h0.5", "frechet_uni_p1_h0.4"])
def test_studentised_bands(spec):
    fit = fitted(spec, bandwidth=float(spec.split("_h")[1]))
    np.testing.assert_allclose(fit._se(), known(spec, "se_hc3"), **CLOSE)
    draws = multipliers(200, 199) @ fit.solved.influence("HC3") / fit._se()
    critical = band_quantile(np.abs(draws).max(axis=1), 0.95)
    assert critical == pytest.approx(known(spec, "crit_t_hc3")[0], abs=5e-9)
    np.testing.assert_allclose(fit.theta - critical * fit._se(), known(spec, "cb_lower_t_hc3"), **CLOSE)
    share = share_beyond(np.abs(draws).max(axis=1), np.abs(fit.theta / fit._se()).max())
    assert share == pytest.approx(known(spec, "nullity_p_t_hc3")[0], abs=1e-9)


@pytest.mark.parametrize("spec", ["simple_epa_p2_auto", "frechet_epa_p2_auto", "frechet_tri_p2_auto_coverage"])
def test_the_package_at_its_own_windows(spec):
    fit = fitted(spec, bandwidth=known(spec, "h_num"))
    np.testing.assert_allclose(fit.theta, known(spec, "tau"), **CLOSE)


def test_fuzzy():
    spec = "fuzzy_simple_tri_p2_h0.6"
    fit = fitted(spec, bandwidth=0.6, first_stage_bandwidth=0.6)
    assert fit.first_stage == pytest.approx(known(spec, "first_stage_jump")[0], abs=5e-9)
    np.testing.assert_allclose(fit.theta, known(spec, "tau"), **CLOSE)
    draws = multipliers(200, 199) @ fit.solved.influence("HC0")
    critical = band_quantile(np.abs(draws).max(axis=1), 0.95)
    assert critical == pytest.approx(known(spec, "crit_val_all_residuals")[0], abs=5e-9)
    spec = "fuzzy_frechet_epa_p2_auto"
    h = {"bandwidth": known(spec, "h_num"), "first_stage_bandwidth": known(spec, "h_den")[0]}
    np.testing.assert_allclose(fitted(spec, **h).theta, known(spec, "tau"), **CLOSE)
    assert fitted(spec).first_stage == pytest.approx(0.8, abs=0.2)


@pytest.mark.parametrize("kernel", list(KERNELS))
def test_bandwidths_and_constants(kernel):
    unit = np.unique(DATA["unit"], return_inverse=True)[1]
    quantiles = unit_quantiles(DATA["y"].to_numpy(), unit, np.ones(len(DATA)), TAU)
    both = sides(DATA.groupby("unit")["x"].first().to_numpy(), quantiles)
    for order in (1, 2):
        spread, bias = curve_constants(KERNELS[kernel], order)
        spec = f"kernel_const_{kernel}_s{order}"
        want = [known(spec, name)[0] for name in ("var_const_plus", "bias_const_minus", "bias_const_plus")]
        np.testing.assert_allclose([spread, *bias], want, rtol=2e-9)
    for kind in ("simple", "frechet"):
        spec = f"bw_paper_{kernel}_{kind}"
        found = curve_bandwidth(both, 1, KERNELS[kernel], whole=kind == "frechet", fewest=4)
        assert found.density == pytest.approx(known(spec, "f_X_hat")[0], abs=5e-9)
        # The table has the windows before they are cut to the reach of the data.
        reach = np.abs(DATA["x"]).max()
        np.testing.assert_allclose(found.pilot, np.broadcast_to(np.minimum(known(spec, "pilot_h"), reach), 9), **CLOSE)
        np.testing.assert_allclose(found.chosen, np.broadcast_to(np.minimum(known(spec, "h_star"), reach), 9), **CLOSE)


def test_unit_quantiles():
    rng = np.random.default_rng(0)
    unit = np.repeat(np.arange(5), [1, 2, 7, 30, 4])
    y, w, levels = rng.normal(size=44), rng.integers(1, 4, 44).astype(float), np.array([0.01, 0.25, 0.5, 0.9, 0.999])
    turn = rng.permutation(44)
    found = unit_quantiles(y[turn], unit[turn], np.full(44, 0.3), levels)
    np.testing.assert_allclose(found, [np.quantile(y[unit == u], levels) for u in range(5)], rtol=1e-12)
    whole = unit_quantiles(y, unit, w, levels)
    for u in range(5):
        values, share = y[unit == u], w[unit == u]
        order = np.argsort(values)
        sums = np.cumsum(share[order]) * len(values) / share.sum()
        place = 1 + (len(values) - 1) * levels
        low = np.floor(place)
        at = [
            values[order][np.minimum(np.searchsorted(sums, np.minimum(k, len(values)) - 1e-9), len(values) - 1)]
            for k in (low, low + 1)
        ]
        np.testing.assert_allclose(whole[u], at[0] + (place - low) * (at[1] - at[0]), rtol=1e-12)


def test_identities():
    rng = np.random.default_rng(1)
    n, m = 120, 25
    x = np.repeat(rng.uniform(-1, 1, n), m)
    a, z = np.repeat(rng.normal(size=n) + x[::m], m), np.tile(norm.ppf((np.arange(m) + 0.5) / m), n)
    data = pd.DataFrame({"x": x, "unit": np.repeat(np.arange(n), m), "a": a, "y": a + z})
    # Copies of one distribution that are shifted: the effect is that on their centres, by the same polynomial.
    fit = si.rd_distribution("y ~ x | unit", data, bandwidth=0.8, kernel="triangular", order=1)
    centres = si.rd("a ~ x", data[::m], bandwidth=0.8, vcov="HC3")
    np.testing.assert_allclose(fit.theta, centres.params["conventional"], rtol=1e-9)
    np.testing.assert_allclose(fit._se(), centres.std_errors["conventional"], rtol=1e-9)
    # A polynomial of order p is the one of order p - 1 that is corrected for its bias with the same window.
    second = si.rd_distribution("y ~ x | unit", data, bandwidth=0.8, kernel="triangular", order=2)
    np.testing.assert_allclose(second.theta, centres.params["robust"], rtol=1e-8)
    # Order zero and a uniform kernel: differences of means.
    flat = si.rd_distribution("y ~ x | unit", data, bandwidth=0.5, kernel="uniform", order=0, tau=[0.5])
    middle = data.groupby("unit").agg(x=("x", "first"), y=("y", "median"))
    near = middle[middle["x"].abs() <= 0.5]
    jump = near[near["x"] >= 0]["y"].mean() - near[near["x"] < 0]["y"].mean()
    assert fit.tau[9] == 0.5 and flat.theta[0] == pytest.approx(jump, rel=1e-10)
    # Quantiles that are given, and another scale and place.
    wide = unit_quantiles(data["y"].to_numpy(), data["unit"].to_numpy(), np.ones(len(data)), np.array([0.2, 0.5, 0.8]))
    given = pd.DataFrame(wide, columns=["q1", "q2", "q3"]).assign(x=x[::m])
    short = si.rd_distribution("cbind(q1, q2, q3) ~ x", given, tau=[0.2, 0.5, 0.8], bandwidth=0.8)
    long = si.rd_distribution("y ~ x | unit", data, tau=[0.2, 0.5, 0.8], bandwidth=0.8)
    np.testing.assert_allclose([short.theta, short._se()], [long.theta, long._se()], rtol=1e-12)
    moved = si.rd_distribution("I(1e6 - 3 * y) ~ I(100 + 10 * x) | unit", data, cutoff=100, tau=[0.2, 0.5, 0.8])
    plain = si.rd_distribution("y ~ x | unit", data, tau=[0.2, 0.5, 0.8])
    np.testing.assert_allclose(moved.theta[::-1], -3 * plain.theta, rtol=1e-7)
    np.testing.assert_allclose(moved.bandwidth, 10 * plain.bandwidth, rtol=1e-6)


def test_increasing_curves():
    tau = np.array([0.1, 0.2, 0.5, 0.9])
    curve = np.array([[1.0, 3.0, 2.0, 4.0]])
    np.testing.assert_allclose(projected(curve, TAU[:4]), [[1.0, 2.5, 2.5, 4.0]])
    # Cells of the second and third level are .2 and .35 wide.
    np.testing.assert_allclose(projected(curve, tau)[0, 1], (0.2 * 3 + 0.35 * 2) / 0.55)
    np.testing.assert_allclose(rearranged(curve, TAU[:4]), [[1.0, 2.0, 3.0, 4.0]])
    np.testing.assert_allclose(rearranged(curve[:, [0, 2, 1, 3]], tau), [[1.0, 2.0, 3.0, 4.0]])


def test_influence_adds_up_to_units_and_errors_to_clusters():
    data = si.datasets.simulate("unit_distributions", 300, seed=3, members=5)
    data["pair"] = data["unit"] // 2
    fit = si.rd_distribution("y ~ x | unit", data, tau=[0.3, 0.6], bandwidth=0.9)
    by_unit = pd.DataFrame(fit.influence).groupby(data["unit"].to_numpy()).sum().to_numpy()
    np.testing.assert_allclose(by_unit, fit.solved.influence("HC0"), atol=1e-12)
    np.testing.assert_allclose(by_unit.T @ by_unit, fit.with_vcov("HC0").cov.matrix, rtol=1e-10)
    alone = si.rd_distribution("y ~ x | unit", data, tau=[0.3, 0.6], bandwidth=0.9, cluster="unit")
    np.testing.assert_allclose(alone.cov.matrix, fit.cov.matrix, rtol=1e-8)
    pairs = fit.with_vcov({"cluster": "pair", "type": "HC0"})
    summed = pd.DataFrame(by_unit).groupby(np.arange(60) // 2).sum().to_numpy()
    np.testing.assert_allclose(pairs.cov.matrix, summed.T @ summed, rtol=1e-10)
    drawn = fit.bootstrap(1999, seed=2)
    np.testing.assert_allclose(drawn.std_errors, fit.with_vcov("HC0").std_errors, rtol=0.06)
    sized = si.rd_distribution("y ~ x | unit", data, tau=[0.3, 0.6], bandwidth=0.9, unit_weights="size")
    np.testing.assert_allclose(sized.theta, fit.theta, rtol=1e-10)


def test_bands_and_tests():
    fit = fitted("frechet_epa_p2_h0.5", bandwidth=0.5)
    band = fit.band(seed=3)
    assert list(band.tidy().columns) == ["tau", "estimate", "std_error", "band_low", "band_high"]
    # Normal multipliers are joint normal draws: their quantile is the sup-t one up to 999 draws' noise.
    process = fit.process(seed=3)
    wide = ((process["band_high"] - process["estimate"]) / fit._se()).iloc[0]
    assert band.critical == pytest.approx(wide, rel=0.06)
    even = fit.band(studentize=False, seed=3)
    assert np.ptp(even.upper - even.lower) < 1e-12
    assert fit.nullity_test().p_value < 0.05 < fit.homogeneity_test((0.4, 0.6)).p_value
    one = fit.nullity_test((0.5, 0.5))
    assert one.statistic == pytest.approx(abs(fit.statistics[4]))
    assert fit.plot()[1].get_xlabel() == "level"
    with pytest.raises(si.OptionError, match="replicas=30 are too few for a band of level 0.98; 49 will do"):
        fit.band(replicas=30, level=0.98)
    with pytest.raises(si.OptionError, match="holds 0 of the levels"):
        fit.nullity_test((0.51, 0.52))


def test_uniform_coverage():
    """30 samples of 200 units: misses of the uniform band within three binomial errors of five percent."""
    missed = 0
    for seed in range(30):
        data = si.datasets.simulate("unit_distributions", 4000, seed=seed, members=20)
        band = si.rd_distribution("y ~ x | unit", data, tau=TAU).band(replicas=199)
        missed += bool(((band.lower > 1.0) | (band.upper < 1.0)).any())
    assert missed <= 30 * 0.05 + 3 * np.sqrt(30 * 0.05 * 0.95)


@pytest.mark.parametrize(
    ("formula", "change", "error", "says"),
    [
        ("y ~ x", {}, si.FormulaError, "names no units"),
        ("~ x | unit", {}, si.FormulaError, "has no outcome"),
        ("y ~ x + t | unit", {}, si.FormulaError, "2 running columns"),
        ("y ~ x | unit | t", {}, si.FormulaError, "has 3 parts"),
        ("y ~ y_fuzzy | unit", {}, si.DataError, "'y_fuzzy' varies within a unit of 'unit', at row 1"),
        ("y ~ x | unit", {"cutoff": 5}, si.DataError, "no unit of 'unit' is at or above the cutoff 5"),
        ("y ~ x | unit", {"bandwidth": 1e-3}, si.NotIdentifiedError, "use a larger bandwidth"),
        ("y ~ x | unit", {"bandwidth": "mse"}, si.OptionError, "method='frechet' has one bandwidth"),
        ("y ~ x | unit", {"bandwidth": [0.3, 0.4]}, si.OptionError, "method='frechet' has one bandwidth"),
        ("y ~ x | unit", {"tau": [0.5, 1.0]}, si.OptionError, "tau"),
        ("y ~ x | unit", {"fuzzy": "y_fuzzy"}, si.DataError, "'y_fuzzy' varies within a unit"),
        ("y ~ x | unit", {"unit_weights": "y"}, si.DataError, "unit_weights='y' must be finite and not negative"),
        ("y ~ x | unit", {"vcov": "iid"}, si.OptionError, "vcov='iid' is not known"),
        ("y ~ x | unit", {"cluster": "y"}, si.DataError, "'y' varies within a unit"),
        ("y ~ x | place", {}, si.DataError, "place"),
        ("cbind(y, y_fuzzy) ~ x | unit", {"tau": [0.2, 0.4]}, si.DataError, "one row per unit"),
        ("cbind(y, y_fuzzy) ~ x", {"tau": [0.2]}, si.OptionError, "1 levels for 2 columns"),
    ],
)
def test_refused(formula, change, error, says):
    with pytest.raises(error, match=says):
        si.rd_distribution(formula, DATA, **change)

"""Manipulation tests: rddensity's numbers, what may not matter, size and power, and what is refused."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

import statinf as si
from statinf.numerics.laws.edge_bars import Bars, bar_bandwidth, edge_levels
from statinf.numerics.laws.edge_density import Ranked, edge_constants, edge_density
from statinf.numerics.localpoly.kernels import kernel_values

REFERENCE = pd.read_csv(Path(__file__).parent.parent / "reference" / "effects" / "rd_density.csv")
SENATE = si.datasets.load("senate")
CALLS = {
    "default": {},
    "p1": {"order": 1},
    "p3": {"order": 3},
    "uniform": {"kernel": "uniform"},
    "epanechnikov": {"kernel": "epanechnikov"},
    "each": {"bandwidth": "each"},
    "diff": {"bandwidth": "diff"},
    "sum": {"bandwidth": "sum"},
    "given": {"bandwidth": (15.0, 25.0)},
    "q2": {"bias_order": 2, "bandwidth": 15},
    "plugin": {"bandwidth_variance": "plugin", "vcov": "plugin"},
    "restricted": {"restricted": True},
    "restricted_diff_h": {"restricted": True, "bandwidth": 20.0},
    "cutoff5": {"cutoff": 5.0},
    "ties": {},
}


@pytest.mark.parametrize("spec", list(CALLS))
def test_rddensity(spec):
    want = REFERENCE[REFERENCE["spec"] == spec].set_index("quantity")["value"]
    data = SENATE.assign(margin=np.round(2 * SENATE["margin"]) / 2) if spec == "ties" else SENATE
    fit = si.rd_density("~ margin", data, **CALLS[spec])
    found = [*fit.bandwidth, *fit.theta, *fit._se(), fit.p_value]
    np.testing.assert_allclose(found, want.to_numpy(), rtol=1e-7)


def rows(n: int = 400, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame({"x": random.normal(0.3, 1.0, n), "w": random.integers(0, 4, n), "g": np.arange(n) // 4})


def test_influence_is_the_derivative_in_the_rows():
    """A row added with a small weight moves the densities by its influence, beside what its own residual moves."""
    x = np.sort(rows(200).x.to_numpy())
    # Means of many rows: without a row's own residual, influence sums to what the empirical distribution moves.
    made = edge_density(Ranked.of(x, np.ones(200)), 3, (1.0, 1.2), "triangular")
    step = 1e-6
    for j in (20, 90, 150):
        share = (np.arange(1, 201) - 1.0) / 199
        moved = share + step * ((np.arange(200) > j) - 0.0) / 199
        for side, h in enumerate((1.0, 1.2)):
            u = x / h
            k = kernel_values("triangular", u) * ((x >= 0) if side else (x < 0))
            basis = u[:, None] ** np.arange(4)
            slope = [np.linalg.lstsq(basis * np.sqrt(k)[:, None], f * np.sqrt(k))[0][1] / h for f in (share, moved)]
            assert (slope[1] - slope[0]) / step == pytest.approx(made.unit[j, side], abs=1e-6)


def test_constants_by_quadrature():
    """Variance and bias constants of a quadratic by double and single integrals."""
    kernel, order = partial(kernel_values, "epanechnikov"), 2
    gram = [[integrate.quad(lambda u, i=i, j=j: kernel(u) * u ** (i + j), 0, 1)[0] for j in range(3)] for i in range(3)]

    def below(i: int, j: int) -> float:
        """The half of the double integral of min(u, v) k(u) k(v) u^i v^j where v is the smaller."""
        return integrate.dblquad(lambda v, u: v * kernel(u) * kernel(v) * u**i * v**j, 0, 1, 0, lambda u: u)[0]

    mixed = [[below(i, j) + below(j, i) for j in range(3)] for i in range(3)]
    inverse = np.linalg.inv(gram)
    moment = [integrate.quad(lambda u, i=i: kernel(u) * u ** (3 + i), 0, 1)[0] for i in range(3)]
    spread, bias = edge_constants(order, 1, "epanechnikov")
    assert spread[0] == pytest.approx((inverse @ mixed @ inverse)[1, 1], rel=1e-9)
    assert bias[1] == pytest.approx((inverse @ moment)[1], rel=1e-9)


def test_units_order_and_place():
    data = rows()
    first = si.rd_density("~ x", data)
    turned = si.rd_density("~ x", data.sample(frac=1, random_state=1))
    np.testing.assert_allclose(turned.theta, first.theta, rtol=1e-12)
    scaled = si.rd_density("~ u", data.assign(u=1e6 + 1e3 * data.x), cutoff=1e6)
    np.testing.assert_allclose(scaled.theta * 1e3, first.theta, rtol=1e-9)
    np.testing.assert_allclose(scaled._se() * 1e3, first._se(), rtol=1e-9)
    mirrored = si.rd_density("~ I(-x)", data)
    np.testing.assert_allclose(mirrored.theta, [first.theta[1], first.theta[0], -first.theta[2]], rtol=1e-9)


def test_weights_are_shares():
    data = rows()
    fit = si.rd_density("~ x", data, weights="w", bandwidth=1.0)
    kept = data[data.w > 0]
    np.testing.assert_allclose(si.rd_density("~ x", kept, weights="w", bandwidth=1.0).theta, fit.theta, rtol=1e-12)
    doubled = si.rd_density("~ x", data.assign(w=2 * data.w), weights="w", bandwidth=1.0)
    np.testing.assert_allclose([doubled.theta, doubled._se()], [fit.theta, fit._se()], rtol=1e-12)
    # Rows that stand as often as their weight: the distribution function divides by n - 1 rows, not by n.
    long = kept.loc[kept.index.repeat(kept.w)]
    more = si.rd_density("~ x", long, bandwidth=1.0)
    ratio = (len(kept) - 1) / len(kept) * len(long) / (len(long) - 1)
    np.testing.assert_allclose(more.theta, fit.theta * ratio, rtol=1e-9)


def test_estimated_weights_have_no_unit() -> None:
    """What their estimation adds is the derivative of the densities in them, but for residuals in the windows' own weights."""
    random = np.random.default_rng(4)
    x, z = random.normal(0.2, 1.0, 4000), random.standard_normal(4000)
    data = pd.DataFrame({"x": x, "z": z, "t": (random.random(4000) < 1 / (1 + np.exp(-z - x))) * 1.0})
    base = random.uniform(0.5, 2.0, 4000)

    def made(w: np.ndarray) -> Any:
        return si.balance("t ~ z + x", data, weights=w)

    def fit(weights: Any) -> Any:
        return si.rd_density("~ x", data, weights=weights, bandwidth=0.8)

    held = made(base).full()
    one, fixed = fit(made(base)), fit(held)
    np.testing.assert_allclose(fit(made(1000.0 * base)).std_errors, one.std_errors, rtol=1e-8)
    found, rows = [], range(0, 4000, 100)
    for i in rows:
        up, down = (base * (1.0 + (np.arange(4000) == i) * step) for step in (1e-3, -1e-3))
        both, alone = (
            fit(made(up)).theta - fit(made(down)).theta,
            fit(held * up / base).theta - fit(held * down / base).theta,
        )
        found.append((both - alone)[:2] / 2e-3)
    added = (one.influence - fixed.influence)[rows, :2]
    # The residuals are of the order of the distribution function's error in a window, a few hundredths of the whole.
    np.testing.assert_allclose(added, found, atol=0.1 * np.abs(found).max())


def test_clusters_of_copies():
    """Rows copied within clusters leave the densities and the error that their clusters have."""
    data = rows(300)
    copied = data.loc[data.index.repeat(3)].assign(id=lambda d: d.index)
    once = si.rd_density("~ x", data, bandwidth=1.0)
    thrice = si.rd_density("~ x", copied, bandwidth=1.0, vcov={"cluster": "id", "type": "HC0"})
    ratio = (1 - 1 / 300) / (1 - 1 / 900)
    np.testing.assert_allclose(thrice.theta, once.theta * ratio, rtol=1e-9)
    np.testing.assert_allclose(thrice._se(), once._se(), rtol=0.01)


def test_size_and_power():
    """80 normal samples of 500 rows: rejections of the true null within three binomial errors of five percent."""
    random = np.random.default_rng(5)
    rejected, found = 0, 0
    for _ in range(80):
        x = random.normal(0.2, 1.0, 500)
        rejected += si.rd_density("~ x", {"x": x}).p_value < 0.05
        near = (x < 0) & (x > -0.4) & (random.random(500) < 0.7)
        found += si.rd_density("~ x", {"x": np.where(near, -x, x)}).p_value < 0.05
    assert abs(rejected / 80 - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 80)
    assert found > 24


def test_mccrary_by_weighted_regression():
    x = rows(1000).x.to_numpy()
    bars = Bars.of(x, np.ones(1000), 0.1)
    assert bars.height.sum() * 0.1 == pytest.approx(1.0)
    h = 0.8
    for place, side in enumerate(bars.sides()):
        k = np.sqrt(np.maximum(1 - np.abs(bars.middle[side]) / h, 0))
        basis = np.column_stack([np.ones(side.sum()), bars.middle[side]])
        line = np.linalg.lstsq(basis * k[:, None], bars.height[side] * k)[0]
        assert edge_levels(bars, h)[place] == pytest.approx(line[0], rel=1e-10)
    fit = si.rd_density("~ x", {"x": x}, method="mccrary", bin_width=0.1, bandwidth=h)
    f = edge_levels(bars, h)
    assert fit.theta[2] == pytest.approx(np.log(f[1] / f[0]))
    assert fit.std_errors["log jump"] == pytest.approx(np.sqrt(24 / 5 / (1000 * h) * (1 / f).sum()))
    chosen = bar_bandwidth(bars)
    doubled = Bars.of(2 * x, np.ones(1000), 0.2)
    assert bar_bandwidth(doubled) == pytest.approx(2 * chosen)


def test_binomial_and_curve():
    fit = si.rd_density("~ margin", SENATE)
    found = fit.binomial_test(window=[2.0, 5.0])
    x = SENATE["margin"].dropna()
    below, above = ((x < 0) & (x >= -5)).sum(), ((x >= 0) & (x <= 5)).sum()
    assert (found.below[1], found.above[1]) == (below, above)
    assert found.p_value[1] == pytest.approx(stats.binomtest(below, below + above).pvalue)
    curve = fit.density(points=10)
    ends = curve.estimate[~curve.above][-1], curve.estimate[curve.above][0]
    np.testing.assert_allclose(ends, fit.theta[:2], rtol=1e-9)
    np.testing.assert_allclose(curve.std_error[9:11], fit._se()[:2], rtol=1e-9)
    assert list(curve.tidy().columns) == ["margin", "side", "estimate", "std_error", "conf_low", "conf_high"]
    axes = fit.plot()
    assert axes.get_xlabel() == "margin"
    assert fit.conventional_test().p_value < fit.p_value


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"cutoff": 300.0}, si.DataError, "'margin' has 0 rows at or above the cutoff 300"),
        ({"cutoff": "a"}, si.OptionError, "cutoff='a' is not a number"),
        ({"bandwidth": "mse"}, si.OptionError, "bandwidth='mse' is not known"),
        ({"bandwidth": 1e-3}, si.DataError, "lie within 0.001 below the cutoff"),
        ({"order": 3, "bias_order": 2}, si.OptionError, "bias_order=2 is below order=3"),
        ({"restricted": True, "bandwidth": (1.0, 2.0)}, si.OptionError, "restricted=True has one bandwidth"),
        ({"kernel": "gaussian"}, si.OptionError, "kernel='gaussian' is not known"),
        ({"vcov": "HC3"}, si.OptionError, "vcov='HC3' is not known"),
        ({"method": "mccrary", "vcov": {"cluster": "state"}}, si.OptionError, "plug-in standard errors"),
        ({"method": "mccrary", "order": 2}, si.OptionError, "order"),
        ({"weights": -np.ones(1390)}, si.DataError, "negative"),
    ],
)
def test_refused(change, error, says):
    with pytest.raises(error, match=says):
        si.rd_density("~ margin", SENATE, **change)


def test_formula_and_values():
    with pytest.raises(si.FormulaError, match="write '~ running'"):
        si.rd_density("~ margin + year", SENATE)
    with pytest.raises(si.DataError, match="distinct values"):
        si.rd_density("~ x", {"x": np.repeat(np.arange(-10.0, 10.0), 20)})
    with pytest.raises(si.OptionError, match="no rows lie within"):
        si.rd_density("~ margin", SENATE).binomial_test(window=1e-9)

"""Quantile regression with instruments: R's roots and errors, exactness, robust sets, weights, clusters, bad input."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, chi2, norm

import statinf as si
from statinf.effects.ivqr_region import kept_values
from statinf.errors import NumericalWarning
from statinf.numerics.quantreg.solver import fit_quantiles

FOLDER = Path(__file__).parents[1] / "reference" / "quantile"
CASES = {"just": ("z", None), "over": ("z + z2", None), "weighted": ("z", "w")}


def sample(n: int = 300, seed: int = 0, strength: float = 0.8) -> pd.DataFrame:
    """The treatment depends on the outcome's rank, and so does its effect: 1 + u."""
    rng = np.random.default_rng([4, seed])
    x, z, e = rng.normal(size=(3, n))
    d = np.exp(0.5 * (strength * z + 0.6 * e + 0.3 * rng.normal(size=n)))
    y = d * (1 + norm.cdf(e)) + x + e
    return pd.DataFrame({"y": y, "d": d, "x": x, "z": z, "g": np.arange(n) // 4, "w": rng.integers(0, 3, n)})


def reference(case: str, what: str) -> np.ndarray:
    rows = pd.read_csv(FOLDER / "ivqr_numbers.csv")
    return rows.loc[(rows["case"] == case) & (rows["what"] == what), "value"].to_numpy().reshape(3, 3)


@pytest.mark.parametrize("case", CASES)
def test_roots_and_errors_are_those_of_r(case):
    instruments, weights = CASES[case]
    data = pd.read_csv(FOLDER / "ivqr_data.csv")
    made = si.iv(f"y ~ d | x | {instruments}", data, method="ivqr", tau=[0.25, 0.5, 0.8], weights=weights)
    np.testing.assert_allclose(made.coef, reference(case, "coef"), rtol=1e-11)
    for kind in ("iid", "HC0"):
        errors = made.with_vcov(kind).std_errors.to_numpy().reshape(3, 3)
        np.testing.assert_allclose(errors, reference(case, kind), rtol=1e-10)


@pytest.mark.parametrize("n", [301, 901])
def test_the_instrument_has_no_weight_at_the_estimate(n):
    data = sample(n)
    made = si.iv("y ~ d | x | z", data, method="ivqr", tau=[0.3, 0.7])
    Z = np.column_stack([data["z"], np.ones(n), data["x"]])
    for t, b in zip(made.tau, made.coef, strict=True):
        at = [fit_quantiles(Z, (data["y"] - a * data["d"]).to_numpy(), t)[0] for a in b[0] + np.array([-1e-4, 0, 1e-4])]
        assert abs(at[1][0]) < 1e-11 and at[0][0] * at[2][0] < 0
        np.testing.assert_allclose(at[1][1:], b[1:], atol=1e-10)
    assert [len(r) for r in made.roots] == [1, 1]


def test_an_exogenous_treatment_is_its_own_instrument():
    data = sample()
    one = si.iv("y ~ d | x | copy", data.assign(copy=data["d"]), method="ivqr", tau=0.413)
    plain = si.rq("y ~ d + x", data, tau=0.413)
    np.testing.assert_allclose(one.params[["d", "Intercept", "x"]], plain.params[["d", "Intercept", "x"]], rtol=1e-9)
    # The kernel is the same; the one has squared scores where the other has tau (1 - tau).
    np.testing.assert_allclose(one.std_errors["d"], plain.with_vcov("ker").std_errors["d"], rtol=0.15)


def test_intervals_and_sets_cover_the_effect():
    """16 samples here, many in benchmarks/quantile_effects_coverage.py: a coverage of 0.95 fails with probability 1e-3."""
    tau, runs, hits = 0.6, 16, np.zeros(3)
    for seed in range(runs):
        strong, weak = sample(201, seed), sample(201, seed, 0.05)
        made = si.iv("y ~ d | x | z", strong, method="ivqr", tau=tau, grid=11)
        low, high = made.conf_int().loc["d"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            feeble = si.iv("y ~ d | x | z", weak, method="ivqr", tau=tau, grid=11)
        tests = [fit._test(0, None) for fit in (made, feeble)]
        kept = [test.statistics(np.array([(1 + tau) / unit]))[0][0] < chi2.ppf(0.95, 1) for test, unit in tests]
        hits += [low <= 1 + tau <= high, *kept]
    assert hits.min() >= binom.ppf(3e-4, runs, 0.95)


def test_sets_are_inverted_tests():
    data = sample()
    made = si.iv("y ~ d | x | z", data, method="ivqr", tau=[0.5, 0.7])
    found = made.region(2.0, tau=0.5)
    ((low, high),) = found.pieces
    assert low < made.coef[0, 0] < high and (2.0 in found) == (found.p_value > 0.05)
    # The statistic jumps where the basis changes: the kept side of a limit is kept, what lies a little further is not.
    assert made.region(low, tau=0.5).p_value >= 0.05 - 1e-9 > made.region(low - 1e-3, tau=0.5).p_value
    table = made.regions()
    assert (
        list(table["tau"]) == [0.5, 0.7] and table["conf_low"][0] == low and str(found).startswith("Robust test of 2")
    )
    with pytest.raises(si.OptionError, match=r"levels \(0.5, 0.7\)"):
        made.region()
    with pytest.raises(si.OptionError, match="tau=0.6"):
        made.region(tau=0.6)


def test_sets_may_be_a_line_a_complement_or_empty():
    assert kept_values(lambda v, _: (0.0 * v, v[:, None]), 1.0, 0.0, 1.0) == ((-np.inf, np.inf),)
    assert kept_values(lambda v, _: (2.0 + 0.0 * v, v[:, None]), 1.0, 0.0, 1.0) == ()
    (first, second) = kept_values(lambda v, _: (2.0 - np.abs(v), v[:, None]), 1.0, 0.3, 1.0)
    np.testing.assert_allclose([first[1], second[0]], [-1.0, 1.0], atol=1e-6)
    assert first[0] == -np.inf and second[1] == np.inf
    idle = sample(120).assign(v=np.random.default_rng(27).normal(size=120))
    with pytest.warns(NumericalWarning, match=r"3 effects of 'd' take all weight off .* read region\(\)"):
        made = si.iv("y ~ d | x | v", idle, method="ivqr", grid=11)
    assert made.region().shape == "line" and made.theta[0] == made.roots[0][1]


def test_weights_clusters_and_missing_rows():
    data = sample(240)
    weighted = si.iv("y ~ d | x | z", data, method="ivqr", tau=0.43, weights="w")
    doubled = si.iv("y ~ d | x | z", data.loc[data.index.repeat(data["w"])], method="ivqr", tau=0.43)
    np.testing.assert_allclose(weighted.theta, doubled.theta, rtol=1e-9)
    gaps = data.assign(x=data["x"].where(np.arange(240) > 9))
    made = si.iv("y ~ d | x | z", gaps, method="ivqr", tau=[0.4, 0.6], cluster="g")
    assert made.nobs == 230 and made.cov.label == "clustered by g (HC1), kernel density"
    again = si.iv("y ~ d | x | z", data.iloc[10:], method="ivqr", tau=[0.4, 0.6])
    np.testing.assert_allclose(made.theta, again.theta, rtol=1e-12)
    assert made.region(tau=0.4).label == "clustered by g, scores"
    influence = again.influence
    np.testing.assert_allclose(again.vcov, influence.T @ influence, rtol=1e-8)
    assert (made.process()["band_low"] < made.process()["conf_low"]).all()


def test_where_columns_stand_does_not_matter():
    data = sample()
    near = si.iv("y ~ d | x | z", data, method="ivqr")
    far = si.iv("y ~ d | x | z", data.assign(x=data["x"] + 1e6, z=data["z"] * 1e4), method="ivqr")
    np.testing.assert_allclose(far.params[["d", "x"]], near.params[["d", "x"]], rtol=1e-8)
    np.testing.assert_allclose(far.std_errors[["d", "x"]], near.std_errors[["d", "x"]], rtol=1e-7)


@pytest.mark.filterwarnings("ignore::statinf.errors.AliasedWarning")
def test_predictions_are_structural_and_files_keep_them(tmp_path):
    data = sample().assign(arm=lambda d: np.where(d["d"] > 1, "yes", "no"))
    made = si.iv("y ~ arm | x + I(2 * x) | z", data, method="ivqr", tau=[0.3, 0.6])
    assert made.columns[0] == "arm[T.yes]" and np.isnan(made.coef[:, -1]).all()
    table = made.predict(data, interval="confidence")
    b = made.coef[1]
    np.testing.assert_allclose(table["q0.6"], b[0] * (data["arm"] == "yes") + b[1] + b[2] * data["x"], rtol=1e-10)
    np.testing.assert_allclose(made.augment()["fitted_q0.6"], table["q0.6"], rtol=1e-10)
    again = si.load(made.save(tmp_path / "q.si"))
    pd.testing.assert_frame_equal(again.predict(data, interval="confidence"), table)
    with pytest.raises(si.DataError, match="robust tests"):
        again.region(tau=0.3)


def test_bad_input_is_refused_by_name():
    data = sample()
    with pytest.raises(si.DataError, match="one endogenous column; the formula has 2: d, x"):
        si.iv("y ~ d + x | 1 | z + g", data, method="ivqr")
    with pytest.raises(si.NotIdentifiedError, match="instrument"), pytest.warns(si.StatinfWarning, match="one"):
        si.iv("y ~ d | x | one", data.assign(one=1.0), method="ivqr")
    for tau in (1.0, "half", []):
        with pytest.raises(si.OptionError, match="tau"):
            si.iv("y ~ d | x | z", data, method="ivqr", tau=tau)
    with pytest.raises(si.OptionError, match="tau= is an option of method='ivqr'"):
        si.iv("y ~ d | x | z", data, tau=0.5)
    with pytest.raises(si.NotIdentifiedError, match="refitting"):
        si.iv("y ~ d | x | z", data, method="ivqr").bootstrap(20, "pairs", progress=False)

"""What samples that carry no ratio end in: an error of the package that says what to do, or a warning with numbers."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import statinf as si
from shifts.samples import two
from statinf.errors import NumericalWarning
from statinf.shifts.kernels import median_distance
from statinf.shifts.overlap import warn_concentrated
from statinf.shifts.table import DENSITY_RATIO

RATIOS = tuple(DENSITY_RATIO)


def every_verb(source, target):
    """A call of each verb of the family, by name."""
    calls = {f"density_ratio {m}": lambda m=m: si.density_ratio("~ x1 + x2", source, target, method=m) for m in RATIOS}
    calls["shift_test"] = lambda: si.shift_test("~ x1 + x2", source, target, permutations=9)
    calls |= {f"shift {m}": lambda m=m: si.shift("y ~ x1 + x2", source, target, method=m) for m in ("mle", "mwle")}
    calls |= {m: lambda m=m: si.target_mean("y ~ x1 + x2", source, target, method=m) for m in ("aipw", "ipw", "gcomp")}
    calls |= {
        f"outcome {m}": lambda m=m: si.target_shift("y ~ x1", source, target, method=m) for m in ("retasa", "kmm")
    }
    return calls


def test_infinite_values_raise_in_either_frame():
    source, target = two()
    broken = target.assign(x1=np.where(np.arange(200) == 7, np.inf, target["x1"]))
    for call in every_verb(source, broken).values():
        with pytest.raises(si.DataError, match=r"target frame: 1 rows: x1 is infinite \(first at row 7\)"):
            call()
    broken = source.assign(x1=np.where(np.arange(300) == 5, -np.inf, source["x1"]))
    for call in every_verb(broken, target).values():
        with pytest.raises(si.DataError, match="'x1' has 1 infinite values"):
            call()


def test_expressions_that_are_not_finite_are_said():
    source, target = two()
    source, target = source.assign(p=np.exp(source["x1"])), target.assign(p=np.exp(target["x1"]))
    target.loc[3, "p"] = 0.0
    with pytest.warns(si.StatinfWarning, match="1 row: log"):
        w = si.density_ratio("~ log(p)", source, target)
    assert w.n_target == 199


def test_no_rows_and_one_row():
    source, target = two()
    for call in every_verb(source, target.head(0)).values():
        with pytest.raises(si.DataError, match="target frame can be used"):
            call()
    for call in every_verb(source.head(0), target).values():
        with pytest.raises(si.DataError, match="no rows"):
            call()
    for name, call in every_verb(source.head(1), target).items():
        if name != "shift_test":
            with pytest.raises((si.DataError, si.NotIdentifiedError)):
                call()
    one = target.head(1)
    for method, why in (("kliep", "cross-validation"), ("ulsif", "leave-one-out")):
        with pytest.raises(si.DataError, match=f"{why} needs two rows in each sample, there are 300 and 1"):
            si.density_ratio("~ x1 + x2", source, one, method=method)
        ridge = {"ridge": 0.1} if method == "ulsif" else {}
        assert si.density_ratio("~ x1 + x2", source, one, method=method, bandwidth=1.0, **ridge).ess > 1
    with pytest.raises(si.OptionError, match="3 rows of the smaller"):
        si.density_ratio("~ x1 + x2", source, target.head(3), method="kliep")


@pytest.mark.parametrize("method", RATIOS)
def test_samples_that_do_not_overlap(method):
    source, target = two()
    with pytest.raises(si.NotIdentifiedError, match=r"no common support.*'x1' \(200 rows\)"):
        si.density_ratio("~ x1 + x2", source, target.assign(x1=target["x1"] + 100), method=method)
    with pytest.raises(si.NotIdentifiedError, match="no common support"):
        si.density_ratio("~ x1 + x2", source.assign(x1=0.1), target, method=method)


@pytest.mark.parametrize("method", ["kliep", "ulsif"])
def test_a_bandwidth_without_reach(method):
    source, target = two()
    with pytest.raises(si.DataError, match="zero"):
        si.density_ratio(
            "~ x1", source, target, method=method, bandwidth=1e-9, **({"ridge": 1.0} if method == "ulsif" else {})
        )


def test_rare_indicators_have_a_median_distance():
    """Most pairs are identical rows: the bandwidth is the median of the others."""
    x = (np.arange(50) < 4).astype(float)[:, None]
    assert median_distance(x) == 1.0
    source, target = (pd.DataFrame({"x": (np.arange(n) < n // 10) * 1.0}) for n in (200, 100))
    for method in ("kmm", "kliep", "ulsif"):
        assert_allclose(si.density_ratio("~ x", source, target, method=method).ess, 200, rtol=0.02)
    assert si.shift_test("~ x", source, target, permutations=19).p_values["mmd"] == 1.0
    with pytest.raises(si.DataError, match="give bandwidth="):
        median_distance(np.ones((5, 2)))


def test_rows_left_out_of_the_tests_are_counted():
    source, target = two()
    source.loc[[1, 2], "x1"] = np.nan
    target.loc[0, "x2"] = np.nan
    found = si.shift_test("~ x1 + x2", source, target, permutations=9)
    assert (dict(found.dropped), dict(found.dropped_target)) == ({"x1 is missing": 2}, {"x2 is missing": 1})
    assert "Rows of the source left out: 2 (x1 is missing)." in str(found.summary())


def test_few_heavy_rows_are_said_with_numbers():
    source, target = two()
    with pytest.warns(
        NumericalWarning, match="300 weighted source rows have an effective sample size of 108.9.*3.7% of all"
    ):
        si.shift("y ~ x1 + x2", source, target, method="mwle")
    with pytest.warns(NumericalWarning, match="effective sample size of 108.9.*95% .n = 1000.*or restrict the target"):
        si.target_mean("y ~ x1 + x2", source, target)
    warn_concentrated(np.ones(100), 3)
    one_row = np.ones(100)
    one_row[0] = 8.0
    with pytest.warns(NumericalWarning, match="largest weight is 7.5%"):
        warn_concentrated(one_row, 3)


def test_given_ratios_must_be_those_of_the_rows():
    source, target = two()
    source["z"], target["z"] = source["x2"].where(np.arange(300) > 3), target["x2"]
    some = si.density_ratio("~ z", source, target)
    fit = si.shift("y ~ x1", source, target)
    with pytest.raises(si.DataError, match="no weight for 4 of the 300 rows"):
        fit.specification_test(ratio=some)
    with pytest.raises(si.OptionError, match="Weights, or one known ratio per source row"):
        si.shift("y ~ x1", source, target, ratio=3.0)
    with pytest.raises(si.FormulaError, match="ratio_formula='x2'"):
        si.shift("y ~ x1", source, target, ratio_formula="x2")


def test_target_weights_are_numbers():
    source, target = two()
    with pytest.raises(si.DataError, match="no numbers"):
        si.density_ratio("~ x1", source, target, target_weights=["a"] * 200)
    with pytest.raises(si.DataError, match="categories"):
        si.density_ratio("~ x1", source, target.assign(g="a"), target_weights="g")
    with pytest.raises(si.DataError, match="all target weights are zero"):
        si.density_ratio("~ x1", source, target, target_weights=np.zeros(200))


@pytest.mark.parametrize("saved", [False, True])
def test_a_ratio_for_another_target_is_refused(saved, tmp_path):
    source, target = two()
    ratio = si.density_ratio("~ x1", source, target)
    if saved:
        ratio.save(tmp_path / "ratio.statinf")
        ratio = si.load(tmp_path / "ratio.statinf")
    uses = [
        lambda t: si.target_mean("y ~ x1", source, t, method="ipw", ratio=ratio),
        lambda t: si.target_mean("y ~ x1", source, t, ratio=ratio),
        lambda t: si.shift("y ~ x1", source, t, method="mwle", ratio=ratio),
    ]
    for use in uses:
        use(target)
        with pytest.raises(si.DataError, match="made for a target of"):
            use(target.iloc[5:])
        with pytest.raises(si.DataError, match="target rows of the density ratio belong to other rows"):
            use(target.assign(x1=target["x1"] + 0.1))


def test_a_ratio_follows_its_target_rows():
    source, target = two()
    target = target.copy()
    target.loc[3, "x1"] = np.nan
    ratio = si.density_ratio("~ x1", source, target, method="moment")
    shuffled = target.sample(frac=1.0, random_state=2)
    for method in ("ipw", "aipw"):
        first = si.target_mean("y ~ x1 + x2", source, target, method=method, ratio=ratio)
        other = si.target_mean("y ~ x1 + x2", source, shuffled, method=method, ratio=ratio)
        np.testing.assert_allclose(other.theta, first.theta, rtol=1e-12)
        np.testing.assert_allclose(other.std_errors, first.std_errors, rtol=1e-12)

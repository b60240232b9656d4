"""The verb `density_ratio`: frames, influence values, diagnostics, and what it refuses."""

from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose

import statinf as si
from shifts.samples import two
from statinf.errors import NumericalWarning
from statinf.shifts import logistic, moment
from statinf.shifts.reading import read_samples

METHODS = ("logistic", "moment", "kmm", "kliep", "ulsif")


@pytest.mark.parametrize("method", METHODS)
def test_every_kind_of_frame_gives_the_same_weights(method):
    source, target = two()
    expected = si.density_ratio("~ x1 + x2", source, target, method=method)
    for make in (pl.from_pandas, pa.Table.from_pandas):
        w = si.density_ratio("~ x1 + x2", make(source), make(target), method=method)
        assert_allclose(w.values, expected.values, rtol=1e-12)
    frame = si.density_ratio("~ x1 + x2", pl.from_pandas(source), target).diagnostics()
    assert isinstance(frame, pl.DataFrame)


@pytest.mark.parametrize("method", METHODS)
def test_scores_new_rows_as_the_source_rows(method):
    source, target = two()
    w = si.density_ratio("~ x1 + x2", source, target, method=method)
    assert_allclose(w.score(source), w.ratio, rtol=1e-7, atol=1e-9)
    holes = target.head(5).copy()
    holes.loc[2, "x1"] = np.nan
    with pytest.warns(si.StatinfWarning, match="x1 is missing"):
        assert list(np.isnan(w.score(holes))) == [False, False, True, False, False]


@pytest.mark.parametrize("method", METHODS)
def test_missing_rows_are_left_out_and_counted(method):
    source, target = two()
    source.loc[[0, 7], "x1"] = np.nan
    target.loc[3, "x2"] = np.nan
    w = si.density_ratio("~ x1 + x2", source, target, method=method)
    kept = si.density_ratio("~ x1 + x2", source.dropna(), target.dropna(), method=method)
    assert_allclose(w.values, kept.values, rtol=1e-10)
    assert w.dropped == {"x1 is missing": 2}
    assert w.dropped_target == {"x2 is missing": 1}
    assert len(w.used) == 298 and 7 not in w.used
    assert "Rows of the target left out" in str(w.summary())
    with pytest.raises(si.DataError, match="target frame"):
        si.density_ratio("~ x1 + x2", two()[0], target, na_action="raise")


@pytest.mark.parametrize("module", [logistic, moment])
def test_influence_is_the_derivative_by_row_weights(module):
    source, target = two()
    base = read_samples("~ x1 + x2", source, target)
    made = module.estimate(base, module.METHOD.options())
    step = 1e-5
    for row, other in ((4, False), (250, False), (11, True)):
        moved = []
        for sign in (1, -1):
            ws, wt = base.design.weights.copy(), base.target.weights.copy()
            (wt if other else ws)[(base.at_target if other else base.at_source)[row]] += sign * step
            design, rows = replace(base.design, weights=ws), replace(base.target, weights=wt)
            again = module.estimate(replace(base, design=design, target=rows), module.METHOD.options())
            moved.append(np.log(again.ratio))
        numeric = (moved[0] - moved[1]) / (2 * step)
        slope, influence = made.derivative, made.other_influence if other else made.influence
        # Some are made when they are asked for.
        slope, influence = (v() if callable(v) else v for v in (slope, influence))
        assert_allclose(slope / made.ratio[:, None] @ influence[row], numeric, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(
    ("columns", "name"), [("x1 + x2", "linear"), ("x1 + x2 + I(x1**2) + I(x2**2) + x1:x2", "quadratic")]
)
def test_standard_errors_downstream_are_those_of_the_stacked_system(columns, name):
    from shifts.samples import number

    source, target = two()
    w = si.density_ratio(f"~ {columns}", source, target)
    fit = si.lm("y ~ x1 + x2", source, weights=w)
    assert_allclose(fit.params, number(name, "wls_coef"), rtol=1e-7)
    assert_allclose(fit.with_vcov("fixed").std_errors, number(name, "wls_se_HC0_fixed_w"), rtol=1e-7)
    assert_allclose(fit.std_errors, number(name, "wls_se_stacked_sandwich"), rtol=1e-7)


def test_identical_samples_give_weights_of_one():
    source, _ = two()
    for method in ("logistic", "moment"):
        w = si.density_ratio("~ x1 + x2", source, source, method=method)
        assert_allclose(w.values, 1.0, atol=1e-9)
    for method in ("kmm", "kliep", "ulsif"):
        w = si.density_ratio("~ x1 + x2", source, source, method=method)
        assert w.ess > 0.85 * len(source)


def test_power_and_trim_shape_the_ratio_and_its_derivative():
    source, target = two()
    full = si.density_ratio("~ x1 + x2", source, target)
    half = si.density_ratio("~ x1 + x2", source, target, power=0.5, trim=1.5)
    assert_allclose(half.values, np.minimum(np.sqrt(full.values), 1.5))
    inside = half.values < 1.5
    slope = 0.5 / np.sqrt(full.values[inside])
    assert_allclose(half.derivative[inside], full.derivative[inside] * slope[:, None], rtol=1e-12)
    assert (half.derivative[~inside] == 0).all()
    assert_allclose(half.score(source), half.values)


@pytest.mark.parametrize("method", ["logistic", "moment", "kmm"])
def test_row_weights_are_repeated_rows(method):
    source, target = two()
    rng = np.random.default_rng(2)
    times, other = rng.integers(1, 3, len(source)), rng.integers(0, 3, len(target))
    options = {"bandwidth": 1.0, "eps": 0.1, "scale": False} if method == "kmm" else {}
    repeated = si.density_ratio(
        "~ x1 + x2",
        source.loc[source.index.repeat(times)],
        target.loc[target.index.repeat(other)],
        method=method,
        **options,
    )
    weighted = si.density_ratio(
        "~ x1 + x2",
        source,
        target,
        method=method,
        weights=times.astype(float),
        target_weights=other.astype(float),
        **options,
    )
    first = np.concatenate([[0], np.cumsum(times)[:-1]])
    assert_allclose(weighted.ratio, repeated.values[first], rtol=1e-6, atol=1e-8)
    assert_allclose(weighted.values, times * weighted.ratio)


def test_categories_enter_and_unseen_levels_are_named():
    source, target = two()
    rng = np.random.default_rng(0)
    source["g"], target["g"] = rng.choice(["a", "b"], 300), rng.choice(["a", "b"], 200, p=[0.8, 0.2])
    w = si.density_ratio("~ g", source, target)
    shares = source["g"].map(target["g"].value_counts(normalize=True) / source["g"].value_counts(normalize=True))
    assert_allclose(w.values, shares.to_numpy(), rtol=1e-8)
    target.loc[0, "g"] = "c"
    with pytest.raises(si.DataError, match="unseen level 'c'"):
        si.density_ratio("~ g", source, target)


def test_columns_as_they_stand_are_taken_with_a_warning_where_units_differ():
    source, target = two()
    small_s, small_t = (f.assign(x1=f["x1"] * 1000) for f in (source, target))
    with pytest.warns(NumericalWarning, match="scale=False"):
        si.density_ratio("~ x1 + x2", small_s, small_t, method="kmm", scale=False)


def test_diagnostics_say_what_moved():
    source, target = two()
    w = si.density_ratio("~ x1 + x2", source, target, method="moment")
    frame = w.diagnostics()
    assert_allclose(frame["mean_weighted"], frame["mean_target"], atol=1e-12)
    assert_allclose(
        frame["smd_before"], (source.mean() - target.mean())[["x1", "x2"]] / target[["x1", "x2"]].std(ddof=0)
    )
    assert (w.overlap()["target_outside"].to_numpy() >= 0).all()
    assert w.plot() is not None and w.plot(kind="weights") is not None


def test_saved_ratios_score_and_say_what_they_left_out(tmp_path):
    source, target = two()
    for method in METHODS:
        w = si.density_ratio("~ x1 + x2", source, target, method=method)
        again = si.load(w.save(tmp_path / "ratio.si"))
        assert_allclose(again.score(target), w.score(target))
    with pytest.raises(si.DataError, match="leaves out"):
        again.diagnostics()


class TestRefusals:
    def test_no_common_support(self):
        source, target = two()
        target["x1"] += 20
        with pytest.raises(si.NotIdentifiedError, match=r"200 of 200 target rows .* 'x1' \(200 rows\)"):
            si.density_ratio("~ x1 + x2", source, target)

    def test_weak_overlap_is_a_warning_with_counts(self):
        source, target = two()
        target["x1"] += 1.5
        with pytest.warns(NumericalWarning, match="'x1'"):
            si.density_ratio("~ x1 + x2", source, target, method="kmm")

    def test_separation(self):
        rng = np.random.default_rng(0)
        x = rng.uniform(-1, 1, (200, 2))
        data = pd.DataFrame({"a": x[:, 0], "b": x[:, 1]})
        above = data["a"] + data["b"] > 0
        with (
            pytest.warns(NumericalWarning),
            pytest.raises(si.NotIdentifiedError, match=r"no overlap: '[ab]', '[ab]' separate"),
        ):
            si.density_ratio("~ a + b", data[above], data[~above])
        with pytest.warns(NumericalWarning), pytest.raises(si.InfeasibleError, match="convex hull"):
            si.density_ratio("~ a + b", data[above], data[~above], method="moment")

    def test_target_means_out_of_reach_name_the_column(self):
        source, target = two()
        far = target.assign(x1=np.where(np.arange(200) < 10, 0.0, 4.0))
        with pytest.warns(NumericalWarning), pytest.raises(si.InfeasibleError, match="of 'x1'"):
            si.density_ratio("~ x1 + x2", source, far, method="moment")

    def test_constant_columns(self):
        source, target = two()
        with pytest.raises(si.DataError, match="constant in both samples: 'k'"):
            si.density_ratio("~ x1 + k", source.assign(k=1.0), target.assign(k=1.0))

    def test_more_columns_than_rows(self):
        rng = np.random.default_rng(0)
        wide = [pd.DataFrame(rng.standard_normal((20, 30)), columns=[f"v{j}" for j in range(30)]) for _ in range(2)]
        formula = "~ " + " + ".join(wide[0].columns)
        for method in ("logistic", "moment"):
            with pytest.warns(NumericalWarning), pytest.raises(si.DataError, match="30 "):
                si.density_ratio(formula, *wide, method=method)
        with pytest.warns(NumericalWarning, match="weak overlap"):
            assert si.density_ratio(formula, *wide, method="kmm").ess > 1

    def test_different_columns(self):
        source, target = two()
        with pytest.raises(si.DataError, match=r"target frame.*'x2'"):
            si.density_ratio("~ x1 + x2", source, target.drop(columns="x2"))

    def test_options_of_other_methods(self):
        source, target = two()
        with pytest.raises(si.OptionError, match="bandwidth= is an option of method='kmm'"):
            si.density_ratio("~ x1", source, target, bandwidth=1.0)
        with pytest.raises(si.OptionError, match="method='kmmm'"):
            si.density_ratio("~ x1", source, target, method="kmmm")
        for bad in ({"bandwidth": -1.0}, {"ridge": 0.0}, {"n_centers": 0}, {"power": 2.0}, {"trim": -1.0}):
            with pytest.raises(si.OptionError):
                si.density_ratio("~ x1", source, target, method="ulsif", **bad)

    def test_formulas_and_frames(self):
        source, target = two()
        with pytest.raises(si.FormulaError):
            si.density_ratio("y ~ x1", source, target)
        with pytest.raises(si.FormulaError, match="no covariates"):
            si.density_ratio("~ 1", source, target)
        with pytest.raises(si.DataError):
            si.density_ratio("~ x1", source, target.head(0))
        with pytest.raises(si.DataError, match="negative"):
            si.density_ratio("~ x1", source, target, weights=-np.ones(300))

    def test_duplicates_and_one_target_row(self):
        source, target = two()
        twice = pd.concat([source, source], ignore_index=True)
        assert_allclose(
            si.density_ratio("~ x1", twice, target, method="moment").values[:300],
            si.density_ratio("~ x1", source, target, method="moment").values,
            rtol=1e-8,
        )
        one = si.density_ratio("~ x1", source, target.head(1), method="kmm")
        assert one.ess > 1

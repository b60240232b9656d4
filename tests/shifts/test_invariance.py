"""What must not matter to any method of the family: order of rows, units of columns, rows of weight zero."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import statinf as si
from shifts.samples import two
from statinf.shifts.table import DENSITY_RATIO, SHIFT, TARGET_MEAN, TARGET_SHIFT

pytestmark = pytest.mark.filterwarnings("ignore:the .* weighted source rows have:statinf.errors.NumericalWarning")

# Every maker gives numbers of the whole result, one number per source row, and one per target row.


def density_ratio(method, source, target, **options):
    w = si.density_ratio("~ x1 + x2", source, target, method=method, **options)
    return np.array([w.ess, w.n_target, w.nobs]), w.full(), w.score(target)


def shift(method, source, target, **options):
    fit = si.shift("y ~ x1 + x2", source, target, method=method, **options)
    predicted = fit.predict(interval="confidence")
    if method == "dro":
        numbers = np.array([fit.worst_case_risk, fit.source_risk, fit.nobs, fit.target_rows, fit.df_resid])
        return numbers, fit.predict(source)["estimate"].to_numpy(), predicted["conf_low"].to_numpy()
    table = fit.cross_validate(powers=[0.0, 1.0])
    numbers = [fit.specification_test().statistic, fit.inflation, fit.nobs, fit.target_rows, fit.df_resid]
    numbers += [*fit.risk()["excess_risk"], *table["risk"], *table["std_error"]]
    return np.array(numbers), fit.predict(source)["estimate"].to_numpy(), predicted["conf_low"].to_numpy()


def target_mean(method, source, target, **options):
    fit = si.target_mean("y ~ x1 + x2", source, target, method=method, **options)
    return np.array([fit.theta[0], fit.std_errors.iloc[0], fit.nobs, fit.target_rows]), fit.on_source, fit.on_target


def target_shift(method, source, target, **options):
    if TARGET_SHIFT[method].estimate.__module__.startswith("statinf.shifts.labels."):
        # Classes that the other column tells apart.
        w = si.target_shift("I(x2 > 0) ~ x1 + y", source, target, method=method, **options)
        return np.append([w.ess, w.n_target, w.nobs], w.shares._se()), w.full(), np.zeros(len(target))
    w = si.target_shift("x2 ~ x1", source, target, method=method, **options)
    return np.array([w.ess, w.n_target, w.nobs, w.clipped]), w.full(), np.zeros(len(target))


def shift_test(_, source, target, **options):
    found = si.shift_test("~ x1 + x2", source, target, permutations=49, **options)
    laws = np.concatenate([np.append(t.null, [t.statistic, t.p_value]) for t in found.tests])
    return np.append(laws, found.columns.p_value), np.zeros(len(source)), np.zeros(len(target))


CASES = [
    pytest.param(make, method, id=f"{table.verb}-{method}")
    for table, make in (
        (DENSITY_RATIO, density_ratio),
        (SHIFT, shift),
        (TARGET_MEAN, target_mean),
        (TARGET_SHIFT, target_shift),
    )
    for method in table
    if method != "mrp"  # no influence a row; tests/shifts/test_mrp.py
]
TEST = pytest.param(shift_test, "", id="shift_test")


@pytest.mark.parametrize(("make", "method"), [*CASES, TEST])
def test_the_order_of_rows_does_not_matter(make, method):
    source, target = two()
    random = np.random.default_rng(3)
    rows, others = random.permutation(300), random.permutation(200)
    whole, by_source, by_target = make(method, source, target)
    again, in_rows, in_others = make(method, source.iloc[rows].reset_index(drop=True), target.iloc[others])
    assert_allclose(again, whole, rtol=1e-10)
    assert_allclose(in_rows, by_source[rows], rtol=1e-10, atol=1e-12)
    assert_allclose(in_others, by_target[others], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("make", "method"), [*CASES, TEST])
@pytest.mark.parametrize(("far", "tiny"), [("x1", "x2"), ("x2", "x1")])
def test_units_of_columns_do_not_matter(make, method, far, tiny):
    """A column of spread one at 1e8 has eight digits left: they are what the results may lose."""
    if make is target_shift:
        far, tiny = "x1", "x1"  # the ratio is one of the outcome, here x2
    source, target = two()
    moved = [d.assign(**{tiny: 1e-6 * d[tiny]}) for d in (source, target)]
    moved = [d.assign(**{far: d[far] * (1e6 if far == tiny else 1.0) + 1e8}) for d in moved]
    for first, second in zip(make(method, source, target), make(method, *moved), strict=True):
        assert_allclose(second, first, rtol=2e-6, atol=2e-6 * np.nanmax(np.abs(first), initial=0.0))


@pytest.mark.parametrize(("make", "method"), CASES)
def test_rows_of_weight_zero_are_absent(make, method):
    source, target = two()
    source.loc[::7, "x1"] = 1e3 + np.arange(43)
    target.loc[::9, "x2"] = -1e3
    ws, wt = np.ones(300), np.ones(200)
    ws[::7], wt[::9] = 0.0, 0.0
    whole, by_source, by_target = make(method, source, target, weights=ws, target_weights=wt)
    again, kept, kept_target = make(method, source[ws > 0], target[wt > 0])
    assert_allclose(whole, again, rtol=1e-10)
    assert_allclose(by_source[ws > 0], kept, rtol=1e-9, atol=1e-12)
    assert_allclose(by_target[wt > 0], kept_target, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", ["kliep", "ulsif"])
def test_the_seed_still_matters(method):
    source, target = two()
    first, second = (density_ratio(method, source, target, seed=seed)[1] for seed in (0, 1))
    assert np.abs(first - second).max() > 1e-3


def test_seeds_matter_for_permutations_and_folds():
    source, target = two()
    a, b = (si.shift_test("~ x1", source, target, permutations=9, seed=seed).tests for seed in (0, 1))
    assert all((first.null != second.null).any() for first, second in zip(a, b, strict=True))
    fit = si.shift("y ~ x1", source, target)
    assert (fit.cross_validate(seed=0)["risk"] != fit.cross_validate(seed=1)["risk"]).all()


@pytest.mark.parametrize("method", ["kmm", "kliep", "ulsif"])
def test_a_column_in_other_units_is_what_its_own_scaling_makes_of_it(method):
    """scale=True is scale=False on columns divided by their standard deviation over both samples."""
    source, target = two()
    columns = ["x1", "x2"]
    spread = np.concatenate([source[columns], target[columns]]).std(axis=0)
    by_hand = [
        d.assign(**dict(zip(columns, (d[columns] / spread).to_numpy().T, strict=True))) for d in (source, target)
    ]
    expected = density_ratio(method, *by_hand, scale=False)
    for first, second in zip(expected, density_ratio(method, source, target), strict=True):
        assert_allclose(second, first, rtol=1e-7, atol=1e-9)

"""Newton steps over many rows: sums in blocks, starts from some rows, steps that skip the Hessian."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from statinf.numerics.rowwise.fit import minimise_rows
from statinf.numerics.rowwise.newton import damped_newton
from statinf.numerics.rowwise.sums import ScaledRows, some_rows
from statinf.numerics.tilting.calibration import exponential_tilt


def _skewed(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.column_stack(
        [rng.normal(size=n), np.exp(0.7 * rng.normal(size=n)), rng.random(n) < 0.2, rng.gamma(2.0, size=n)]
    )


def _logistic(eta, at):
    e = expit(eta)
    return np.logaddexp(0.0, eta), e, e * (1.0 - e)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("far", [0.0, 1e3])
@pytest.mark.parametrize("which", ["all", "dense", "sparse", "unsorted"])
def test_sums_in_blocks_are_those_of_the_standardised_rows(order, intercept, far, which):
    x = np.array(_skewed(9000, 0) + far, order=order)
    rng = np.random.default_rng(1)
    dense = np.flatnonzero(rng.random(9000) < 0.5)
    index = {"all": None, "dense": dense, "sparse": dense[::40], "unsorted": rng.permutation(dense)}[which]
    rows = ScaledRows(x, x.mean(axis=0), x.std(axis=0), index, intercept)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    z = z if index is None else z[index]
    z = np.column_stack([np.ones(len(z)), z]) if intercept else z
    beta = rng.normal(size=rows.q) * 0.3
    f, d1, d2 = _logistic(z @ beta, None)
    value, gradient, hessian = rows.sums(beta, _logistic)
    assert value == pytest.approx(f.sum(), rel=1e-11)
    np.testing.assert_allclose(gradient, d1 @ z, rtol=1e-9, atol=1e-8)
    np.testing.assert_allclose(hessian, (z * d2[:, None]).T @ z, rtol=1e-9, atol=1e-8)
    for ours, theirs in zip(rows.first_sums(beta, _logistic), (value, gradient), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("far", [0.0, 1e3])
@pytest.mark.parametrize("which", ["all", "sorted", "unsorted"])
def test_one_pass_takes_sums_with_an_offset_and_a_mean_of_all_rows(order, far, which):
    x = np.array(_skewed(50_001, 7) + far, order=order)
    rng = np.random.default_rng(8)
    arm = np.flatnonzero(x[:, 1] > far + 1.0)
    index = {"all": None, "sorted": arm, "unsorted": rng.permutation(arm)}[which]
    w = rng.exponential(size=len(x))
    w /= w.sum()
    rows = ScaledRows(x, x.mean(axis=0), x.std(axis=0), index)
    z = (x - rows.centre) / rows.scale
    z = z if index is None else z[index]
    beta = rng.normal(size=4) * 0.3
    f, d1, d2 = _logistic(z @ beta + 0.7, None)
    found = rows.all_sums(beta, _logistic, offset=0.7, mean_of=w)
    assert found.value == pytest.approx(f.sum(), rel=1e-11)
    np.testing.assert_allclose(found.gradient, d1 @ z, rtol=1e-9, atol=1e-7)
    np.testing.assert_allclose(found.hessian, (z * d2[:, None]).T @ z, rtol=1e-9, atol=1e-7)
    np.testing.assert_allclose(found.gap, w @ (x - rows.centre), rtol=1e-9, atol=1e-13)
    flat = rows.all_sums(beta, _logistic, curved=False, offset=0.7)
    assert flat.hessian is None and flat.gap is None and flat.value == pytest.approx(found.value, rel=1e-14)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_target_mean_taken_on_the_first_pass_is_the_exact_one(weighted):
    x = _skewed(90_000, 9)
    rng = np.random.default_rng(10)
    treated = rng.random(len(x)) < expit(0.5 * x[:, 0] - 0.3 * x[:, 3])
    s = rng.exponential(size=len(x)) if weighted else np.ones(len(x))
    w = s * treated / (s * treated).sum()
    index = np.flatnonzero(~treated)
    rows = ScaledRows.about_mean(x, index, w, x.std(axis=0))
    assert rows.target is not None and np.max(np.abs(rows.centre - w @ x)) > 1e-6
    base = s[index] if weighted else np.broadcast_to(1.0, len(index))
    tilt = exponential_tilt(rows, base)
    exact = exponential_tilt(ScaledRows(x, w @ x, x.std(axis=0), index), s[index])
    assert tilt.converged and tilt.residual <= 1e-10
    np.testing.assert_allclose(tilt.p @ x[index], w @ x, rtol=1e-9)
    np.testing.assert_allclose(tilt.p, exact.p, rtol=1e-7)


def test_a_target_of_few_rows_is_not_guessed():
    x = _skewed(60_000, 11)
    w = np.zeros(len(x))
    w[[5, 70, 41_000]] = 1.0 / 3.0
    rows = ScaledRows.about_mean(x, np.arange(100, 60_000), w, x.std(axis=0))
    np.testing.assert_allclose(rows.centre, w @ x, rtol=1e-12)


def test_some_rows_are_runs_from_everywhere():
    values = np.arange(100_000)
    some = some_rows(values, 4000)
    assert len(some) == 4000 and some[0] == 0 and some[-1] > 99_000
    assert np.array_equal(some.reshape(-1, 8) - some[::8, None], np.tile(np.arange(8), (500, 1)))
    assert len(some_rows(values[:5000], 4000)) == 5000


def test_a_start_from_some_rows_changes_the_path_and_not_the_solution():
    x = _skewed(70_000, 2)
    y = np.random.default_rng(3).random(len(x)) < expit(x @ np.array([0.4, -0.3, 0.5, 0.2]))
    rows = ScaledRows(x, x.mean(axis=0), x.std(axis=0), intercept=True)

    def loss(eta, at):
        e = expit(eta)
        return np.logaddexp(0.0, eta) - y[at] * eta, e - y[at], e * (1.0 - e)

    warm = minimise_rows(rows, loss, mass=len(x))
    cold = minimise_rows(rows, loss, mass=len(x), start=np.zeros(5))
    assert warm.converged and cold.converged and warm.iterations < cold.iterations
    np.testing.assert_allclose(warm.beta, cold.beta, atol=1e-9)


def test_a_large_tilt_is_log_linear_and_balances():
    """The two conditions that define the solution, whatever the path to it."""
    x = _skewed(150_000, 4)
    rng = np.random.default_rng(5)
    target = x.mean(axis=0) + 0.2 * x.std(axis=0)
    base = rng.exponential(size=80_000)
    index = np.sort(rng.permutation(150_000)[:80_000])
    tilt = exponential_tilt(ScaledRows(x, target, x.std(axis=0), index), base)
    assert tilt.converged and tilt.residual <= 1e-10
    np.testing.assert_allclose(tilt.p @ x[index], target, rtol=1e-9)
    z = np.column_stack([np.ones(len(index)), x[index]])
    logs = np.log(tilt.p / base)
    np.testing.assert_allclose(z @ np.linalg.lstsq(z, logs, rcond=None)[0], logs, atol=1e-10)


def test_the_last_newton_steps_evaluate_no_hessian():
    rng = np.random.default_rng(6)
    z, counts = rng.normal(size=(500, 3)), {"full": 0, "first": 0}
    target = z.mean(axis=0) + 0.1

    def evaluate(beta):
        counts["full"] += 1
        e = np.exp(z @ beta)
        return e.mean() - target @ beta, e @ z / 500 - target, (z * e[:, None]).T @ z / 500

    def first(beta):
        counts["first"] += 1
        e = np.exp(z @ beta)
        return e.mean() - target @ beta, e @ z / 500 - target

    plain = damped_newton(evaluate, np.zeros(3))
    full = counts["full"]
    counts["full"] = 0
    lazy = damped_newton(evaluate, np.zeros(3), first_order=first)
    np.testing.assert_allclose(lazy.beta, plain.beta, atol=1e-10)
    assert lazy.converged and counts["first"] >= 1 and counts["full"] < full
    assert counts["full"] + counts["first"] == lazy.iterations <= plain.iterations + 1


def test_a_start_where_the_function_overflows_is_replaced_by_zero():
    rng = np.random.default_rng(12)
    z = rng.normal(size=(400, 2))

    def evaluate(beta):
        with np.errstate(over="ignore", invalid="ignore"):
            e = np.exp(z @ beta)
            return e.mean() - 0.2 * beta.sum(), e @ z / 400 - 0.2, (z * e[:, None]).T @ z / 400

    far = damped_newton(evaluate, np.array([2000.0, 0.0]))
    assert far.converged and np.max(np.abs(far.beta - damped_newton(evaluate, np.zeros(2)).beta)) < 1e-9

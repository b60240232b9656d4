"""Tests of equal conditional laws: reference values, special cases, size and power, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import sqrtm

import statinf as si
from statinf.numerics.discrepancy.conditional import conditional_distance
from statinf.shifts.conditional_discrepancy import kernel_factor, relabelled, strata
from statinf.shifts.kernels import rbf

DATA = pd.read_csv(Path(__file__).parent.parent / "reference" / "shift" / "shift_data.csv")
SOURCE, TARGET = (DATA[DATA["domain"] == name] for name in ("source", "target"))


def direct(K: np.ndarray, L: np.ndarray, first: np.ndarray, ridge: float) -> tuple[float, float]:
    """The definitions, with inverses and roots of the size of the samples."""
    parts, R, half = {}, {}, {}
    for name, rows in (("s", first), ("t", ~first)):
        n = rows.sum()
        k, ell, H = K[np.ix_(rows, rows)], L[np.ix_(rows, rows)], np.eye(n) - 1.0 / n
        A = np.linalg.inv(ell + ridge * n * np.eye(n))
        parts[name] = (A, np.trace(ell @ A @ k @ A))
        inner = np.linalg.inv(ridge * n * np.eye(n) + H @ ell @ H)
        R[name] = ridge * np.trace(H @ k @ H @ inner)
        half[name] = H @ np.real(sqrtm(ridge * n * inner))
    cross = np.trace(L[np.ix_(first, ~first)].T @ parts["s"][0] @ K[np.ix_(first, ~first)] @ parts["t"][0])
    inner = np.linalg.svd(half["t"].T @ K[np.ix_(~first, first)] @ half["s"], compute_uv=False)
    N = inner.sum() / np.sqrt(first.sum() * (~first).sum())
    return parts["s"][1] + parts["t"][1] - 2 * cross, R["s"] + R["t"] - 2 * N


def test_reference_and_definition():
    """Values of the reference: first 60 and 50 rows, Gaussian kernels of width one, ridge .05."""
    z = np.r_[SOURCE[["x1", "x2"]][:60], TARGET[["x1", "x2"]][:50]]
    y = np.r_[SOURCE["y"][:60], TARGET["y"][:50]][:, None]
    first = np.arange(110) < 60
    found = conditional_distance(kernel_factor(z, 1.0, 1e-14), kernel_factor(y, 1.0, 1e-14), first, 0.05)
    assert found.mean == pytest.approx(1.04098336204, abs=1e-10)
    assert found.covariance == pytest.approx(0.298143091372, abs=1e-9)
    assert (found.mean, found.covariance) == pytest.approx(
        direct(rbf(z, z, 1.0), rbf(y, y, 1.0), first, 0.05), abs=1e-6
    )


def test_special_cases():
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(40, 2)), rng.normal(size=(40, 1))
    E, F, first = kernel_factor(z, 1.0), kernel_factor(y, 1.0), np.arange(40) < 20
    swapped = conditional_distance(E, F, ~first, 0.05)
    there = conditional_distance(E, F, first, 0.05)
    assert (there.mean, there.covariance) == pytest.approx((swapped.mean, swapped.covariance), rel=1e-9)
    twice = conditional_distance(np.r_[E[:20], E[:20]], np.r_[F[:20], F[:20]], first, 0.05)
    assert twice.mean < 1e-12 and twice.covariance < 1e-9
    # A condition that does not vary leaves the maximum mean discrepancy over (1 + ridge)^2.
    flat = conditional_distance(E, np.ones((40, 1)), first, 0.05)
    gap = E[:20].mean(axis=0) - E[20:].mean(axis=0)
    assert flat.mean == pytest.approx(gap @ gap / 1.05**2, rel=1e-10)


def test_labels_move_within_groups():
    rng = np.random.default_rng(1)
    y, first = rng.normal(size=(200, 1)), rng.random(200) < 0.4
    groups = strata(y, first, 10)
    assert np.bincount(groups).tolist() == [20] * 10
    moved = relabelled(first, groups, 0, 3)
    assert not (moved == first).all()
    np.testing.assert_array_equal(np.bincount(groups, moved), np.bincount(groups, first))
    assert len(np.unique(strata(np.round(y), first, 10))) == len(np.unique(np.round(y)))
    assert np.bincount(strata(np.c_[y, y**3], first, 5)).tolist() == [40] * 5


def draw(n: int, shift: float, move: float, seed: tuple[int, int]) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    y = rng.normal(move, 1.0, n)
    return pd.DataFrame({"y": y, "x": y + 3 * np.tanh(y) + shift + rng.normal(size=n)})


def test_size_and_power():
    """Target shift alone is rejected within three binomial errors of five percent; a moved conditional mean is found."""
    runs, found = 30, {0.0: 0, 0.8: 0}
    for shift in found:
        for seed in range(runs):
            made = si.conditional_shift_test(
                "x ~ y", draw(100, 0.0, 0.0, (seed, 0)), draw(100, shift, 0.5, (seed, 1)), permutations=19
            )
            found[shift] += made.p_values["conditional total"] <= 0.05
    assert found[0.0] <= runs * 0.05 + 3 * np.sqrt(runs * 0.05 * 0.95)
    assert found[0.8] > 0.7 * runs


def test_result():
    few = {"permutations": 19}
    found = si.conditional_shift_test("x1 + x2 ~ y", SOURCE, TARGET, **few)
    turned = si.conditional_shift_test("x1 + x2 ~ y", SOURCE.sample(frac=1, random_state=1), TARGET[::-1], **few)
    assert found.p_values == turned.p_values
    assert found.tidy()["test"].tolist() == ["conditional mean", "conditional covariance", "conditional total"]
    moved = SOURCE.assign(y=1e6 + 10 * SOURCE["y"]), TARGET.assign(y=1e6 + 10 * TARGET["y"])
    again = si.conditional_shift_test("x1 + x2 ~ y", *moved, **few)
    np.testing.assert_allclose([t.statistic for t in again.tests], [t.statistic for t in found.tests], rtol=1e-6)
    assert "conditional" in str(found)
    assert len(np.atleast_1d(found.plot())) == 3


@pytest.mark.parametrize(
    ("formula", "options", "error", "says"),
    [
        ("~ x1", {}, si.FormulaError, "'x1 . x2 ~ y'"),
        ("x1 ~ 1", {}, si.FormulaError, "conditions on nothing"),
        ("x1 ~ y | x2", {}, si.FormulaError, "write the columns"),
        ("x1 ~ z", {}, si.FormulaError, "'z' is not a column"),
        ("x1 ~ y", {"ridge": 0}, si.OptionError, "ridge=0"),
        ("x1 ~ y", {"bins": 1}, si.OptionError, "bins=1"),
        ("x1 ~ y", {"tests": "mmd"}, si.OptionError, "tests= is not an option"),
    ],
)
def test_refused(formula, options, error, says):
    with pytest.raises(error, match=says):
        si.conditional_shift_test(formula, SOURCE, TARGET, **options)


def test_few_rows():
    with pytest.raises(si.DataError, match="too few to compare conditional laws"):
        si.conditional_shift_test("x1 ~ y", SOURCE[:8], TARGET)


def test_constant_condition():
    with pytest.raises(si.DataError, match="'y', which is conditioned on, is the same on all rows"):
        si.conditional_shift_test("x1 ~ y", SOURCE.assign(y=1.0), TARGET.assign(y=1.0))


def test_a_shifted_condition_alone_is_not_rejected():
    """Groups as wide as a tenth of the rows let the condition differ within them, and reject two in five of such samples."""
    rejected = 0
    for seed in range(20):
        random = np.random.default_rng([7, seed])
        rows = []
        for centre in (0.0, 0.5):
            y = random.normal(centre, 1.0, 500)
            rows.append(pd.DataFrame({"y": y, "x": y + 3.0 * np.tanh(y) + random.standard_normal(500)}))
        found = si.conditional_shift_test("x ~ y", *rows, permutations=99, seed=seed)
        rejected += found.p_values["conditional total"] <= 0.05
    # Five or more of twenty have a chance of .003 at the level.
    assert rejected <= 4

"""Local polynomials on one side of zero against least squares, plain loops and each other."""

import numpy as np
import pytest

from statinf.numerics.localpoly.along import jumps_along
from statinf.numerics.localpoly.kernels import KERNELS, kernel_values, moment_matrices, product
from statinf.numerics.localpoly.neighbours import neighbour_residuals
from statinf.numerics.localpoly.side import Side, inverse_of, local_fit, local_fits, sides
from statinf.numerics.localpoly.variance import (
    clustered_meat,
    corrected_equivalent,
    corrected_weights,
    meat,
    residuals,
)
from statinf.numerics.localpoly.windows import Powers


def _rows(n: int = 200, ties: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    x = rng.uniform(-1, 1, n)
    x = np.round(x, 1) if ties else x
    y = np.column_stack([1 + x + (x >= 0) + rng.normal(size=n), np.cos(3 * x) + rng.normal(size=n)])
    return x, y, rng.integers(0, 3, n).astype(float)


def _slow_neighbours(x: np.ndarray, y: np.ndarray, wanted: int) -> np.ndarray:
    out = np.zeros(len(x))
    for i in range(len(x)):
        distance = np.abs(x - x[i])
        others = np.delete(distance, i)
        near = np.sort(others)[min(wanted, len(others)) - 1]
        held = (distance <= near * (1 + 1e-9)) & (np.arange(len(x)) != i)
        out[i] = np.sqrt(held.sum() / (held.sum() + 1)) * (y[i] - y[held].mean())
    return out


@pytest.mark.parametrize("kernel", list(KERNELS))
def test_fit_is_weighted_least_squares(kernel: str) -> None:
    x, y, w = _rows()
    for side, own in zip(sides(x, y, w), (x < 0, x >= 0), strict=True):
        fit = local_fit(side, 2, 0.6, kernel)
        root = np.sqrt(w * kernel_values(kernel, x / 0.6) * own)
        beta = np.linalg.lstsq(root[:, None] * np.vander(x, 3, increasing=True), root[:, None] * y, rcond=None)[0]
        got = [fit.derivative(0), fit.derivative(1), fit.derivative(2) / 2]
        np.testing.assert_allclose(got, beta, rtol=1e-9)
        np.testing.assert_allclose(fit.equivalent(1) @ fit.side.y, beta[1], rtol=1e-9)
        assert fit.leverage.sum() == pytest.approx(3.0)


def test_own_bandwidths_of_outcomes() -> None:
    x, y, w = _rows()
    left, _ = sides(x, y, w)
    for j, fit in enumerate(local_fits(left, 1, np.array([0.5, 0.3]), "triangular")):
        alone = local_fit(sides(x, y[:, j], w)[0], 1, (0.5, 0.3)[j], "triangular")
        np.testing.assert_allclose(fit.derivative(0), alone.derivative(0), rtol=1e-14)


def test_correction_at_one_bandwidth_is_the_next_order() -> None:
    x, y, w = _rows()
    for side in sides(x, y, w):
        small, large = (local_fit(side, p, 0.7, "triangular") for p in (1, 2))
        made = small.inverse @ corrected_weights(small, large).T @ small.side.y
        np.testing.assert_allclose(made[:2], large.coef[:2], rtol=1e-8)


@pytest.mark.parametrize("ties", [False, True])
def test_neighbours_as_a_loop_finds_them(ties: bool) -> None:
    x, y, _ = _rows(120, ties)
    for side in sides(x, y):
        for j in range(2):
            slow = _slow_neighbours(side.x, side.y[:, j], 3)
            np.testing.assert_allclose(neighbour_residuals(side, 3)[:, j], slow, atol=1e-12)


def test_clusters_of_one_row_are_rows() -> None:
    x, y, w = _rows()
    fit = local_fit(sides(x, y, w)[1], 1, 0.8, "triangular")
    n = len(fit.side.x)
    for kind, plain in (("CR0", "hc0"), ("CR2", "hc2"), ("CR3", "hc3")):
        made = clustered_meat(fit.weighted, residuals(fit, "hc0"), np.arange(n), fit, kind)
        np.testing.assert_allclose(made, meat(fit.weighted, residuals(fit, plain)), rtol=1e-8)
    one = clustered_meat(fit.weighted, residuals(fit, "hc0"), np.zeros(n, int), fit)
    assert np.isnan(one).all()


def test_cr3_leaves_clusters_out() -> None:
    x, y, w = _rows()
    side = sides(x, y, w)[1]
    fit = local_fit(side, 1, 0.8, "triangular")
    clusters = np.arange(len(fit.side.x)) % 7
    cov = fit.inverse @ clustered_meat(fit.weighted, residuals(fit, "hc0"), clusters, fit, "CR3")[0] @ fit.inverse
    spread = np.zeros((2, 2))
    for g in range(7):
        kept, own = clusters != g, fit.side
        rest = Side(own.x[kept], own.y[kept], own.w[kept], own.index[kept], True)
        step = (local_fit(rest, 1, 0.8, "triangular").coef - fit.coef)[:, 0]
        spread += np.outer(step, step)
    np.testing.assert_allclose(cov, spread, rtol=1e-9)


def test_kernel_products_and_moments() -> None:
    u = np.linspace(0, 0.5, 11)
    for one in KERNELS:
        for other in KERNELS:
            direct = kernel_values(one, u) * kernel_values(other, 1.5 * u)
            np.testing.assert_allclose(
                np.polynomial.polynomial.polyval(u, product(one, other, 1.5)), direct, rtol=1e-13
            )
    gamma, top = moment_matrices("triangular", 1)
    psi = moment_matrices("triangular", 1, power=2)[0]
    inverse = np.linalg.inv(gamma)
    np.testing.assert_allclose([(inverse @ top)[0], (inverse @ psi @ inverse)[0, 0]], [-0.1, 4.8], rtol=1e-12)


def test_too_few_points_are_told() -> None:
    side = sides(np.array([0.1, 0.1, 0.2]), np.ones(3))[1]
    assert not local_fit(side, 2, 1.0, "triangular").determined
    assert local_fit(side, 1, 1.0, "triangular").determined
    assert np.isnan(inverse_of(np.zeros((2, 2)))).all()


def test_sums_of_powers_over_windows() -> None:
    random = np.random.default_rng(2)
    x, v = np.sort(random.normal(size=500)) + 1e4, random.normal(size=(500, 2))
    first, last = np.array([0, 17, 40, 40]), np.array([500, 200, 40, 41])
    at = x[first] - 0.05
    found = Powers.of(x, v, 0.3, 4).over(at, first, last)
    for k in range(4):
        rows = slice(first[k], last[k])
        power = ((x[rows] - at[k]) / 0.3)[:, None] ** np.arange(5)
        # A sum of the sizes of its terms keeps all digits but those that x - at loses.
        scale = np.abs(v[rows]).T @ power if first[k] < last[k] else np.ones((2, 5))
        assert (np.abs(found[k] - v[rows].T @ power) <= 1e-10 * scale + 1e-300).all()


@pytest.mark.parametrize("kernel", list(KERNELS))
@pytest.mark.parametrize("ties", [False, True])
def test_many_cutoffs_as_one_by_one(kernel: str, ties: bool) -> None:
    x, y, w = _rows(400, ties)
    x, y, w = x + 5.0, y[:, 0], w + 0.5
    cutoffs = np.array([4.7, 4.9, 5.0, 5.1, 5.35])
    order = np.argsort(x, kind="stable")
    h, b = (0.55, 0.6), (0.8, 0.5)
    found = jumps_along(x[order], y[order], w[order], cutoffs, h=h, b=b, order=1, bias_order=2, kernel=kernel)
    for k, cutoff in enumerate(cutoffs):
        plain, corrected, variance = np.zeros(2), np.zeros(2), np.zeros(2)
        for j, side in enumerate(sides(x - cutoff, y, w)):
            window = side.kernel_window(max(h[j], b[j]), kernel)
            small, large = local_fit(side, 1, h[j], kernel, window), local_fit(side, 2, b[j], kernel, window)
            one, two = small.equivalent(), corrected_equivalent(small, large, 0)
            left = neighbour_residuals(small.side, 3)[:, 0]
            plain[j], corrected[j] = one @ small.side.y[:, 0], two @ small.side.y[:, 0]
            variance += [((one * left) ** 2).sum(), ((two * left) ** 2).sum()]
        np.testing.assert_allclose(found.plain[k], np.diff(plain)[0], rtol=1e-9)
        np.testing.assert_allclose(found.corrected[k], np.diff(corrected)[0], rtol=1e-9)
        np.testing.assert_allclose([found.variance[k], found.robust[k]], variance, rtol=1e-9)


def test_cutoffs_without_rows_are_missing() -> None:
    x, y, _ = _rows()
    order = np.argsort(x)
    found = jumps_along(
        x[order], y[order, 0], np.ones(len(x)), np.array([0.0, 5.0]), h=(0.5, 0.5), b=(0.5, 0.5), order=1, bias_order=2,
        kernel="triangular",
    )  # fmt: skip
    assert np.isfinite(found.corrected[0]) and np.isnan(found.corrected[1]) and np.isnan(found.robust[1])

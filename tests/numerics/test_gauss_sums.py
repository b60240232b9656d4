"""Sums of normal weights in boxes beside the sums over all pairs."""

import numpy as np
import pytest

from statinf.learners.base import predict_along
from statinf.learners.linear import LeastSquares
from statinf.learners.spline import SplineRidge
from statinf.numerics.rowwise.gauss_sums import PAY_FROM, Boxes
from statinf.numerics.rowwise.local_linear import chosen_bandwidth, local_linear


@pytest.mark.parametrize("spread", [1.0, 1e-9, 1e6])
def test_boxes_are_the_sums_over_all_pairs(spread):
    random = np.random.default_rng(0)
    x = spread * np.append(random.standard_t(3, 3000), [-4e3, 4e3])
    w = random.uniform(0.0, 2.0, (len(x), 2))
    at, h = spread * np.linspace(-4, 4, 9), 0.1 * spread
    boxes = Boxes.of(x, w, h)
    for wider in (1.0, 7.5):
        s = (x[:, None] - at) / (wider * h)
        weight = np.exp(-0.5 * s**2)
        made = boxes.sums(at, wider * h, 3)
        for order, derivative in enumerate((weight, -s * weight, (s**2 - 1.0) * weight)):
            # Each weight's series ends below 1e-16, and a row's own rounding of s moves it by some 1e-16 times s.
            room = 1e-14 * (w.T @ ((1.0 + s**2) * weight))
            assert (np.abs(made[order] - w.T @ derivative) <= room + 1e-14).all()


def test_bandwidth_of_many_rows_is_that_of_all_pairs():
    random = np.random.default_rng(1)
    x = random.uniform(-2.0, 2.0, PAY_FROM)
    y, w = np.sin(2 * x) + random.standard_normal(len(x)), random.uniform(0.5, 1.5, len(x))
    candidates = np.geomspace(0.05, 0.8, 5)
    at, errors = np.linspace(x.min(), x.max(), 100), []
    for h in candidates:
        made = local_linear(x, y, w, at, h)
        own = np.interp(x, at, made.s2 / made.determinant / (h * np.sqrt(2 * np.pi)))
        errors.append(w @ ((y - np.interp(x, at, made.level)) / (1 - w * own)) ** 2)
    assert chosen_bandwidth(x, y, w, candidates) == candidates[int(np.argmin(errors))]


@pytest.mark.parametrize("learner", [LeastSquares(), SplineRidge()])
def test_predictions_along_a_column(learner):
    random = np.random.default_rng(2)
    X = random.standard_normal((200, 3))
    fitted = learner.fit(X, X[:, 0] ** 2 + X[:, 1] + random.standard_normal(200))
    values = np.array([-1.5, 0.0, 2.0])
    made = predict_along(fitted, X, 1, values)
    for k, value in enumerate(values):
        moved = X.copy()
        moved[:, 1] = value
        np.testing.assert_allclose(made[:, k], fitted.predict(moved), atol=1e-12)

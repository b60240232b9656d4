"""Second derivatives of a sigmoid's gap along the sphere of directions."""

from __future__ import annotations

import numpy as np

from statinf.numerics.discrepancy.sigmoids import Landscape, _to_tangent


def test_curvature_along_the_sphere_is_that_of_numerical_differences():
    rng = np.random.default_rng(0)
    x, signed = rng.normal(size=(40, 3)), rng.normal(size=40)
    land, e, b = Landscape.of(x, 2.0), np.array([0.6, 0.0, 0.8]), 0.3

    def gap(at: np.ndarray) -> float:
        direction = e + at[:3] - e * (e @ at[:3])
        direction /= np.linalg.norm(direction)
        return float(signed @ (1.0 / (1.0 + np.exp(-2.0 * x @ direction - b - at[3]))))

    s = 1.0 / (1.0 + np.exp(-2.0 * x @ e - b))
    first = signed * s * (1.0 - s)
    scale = np.array([2.0, 2.0, 2.0, 1.0])
    hessian = land._curvature((first * (1.0 - 2.0 * s))[None]) * scale * scale[:, None]
    _to_tangent(hessian, np.r_[e, 0.0][None], np.array([2.0 * (first @ x) @ e]))
    h, axes = 1e-4, np.eye(4)  # differences of second order: errors of 1e-8 by curvature and 1e-7 by rounding
    numerical = [
        [(gap(h * (a + c)) - gap(h * (a - c)) - gap(h * (c - a)) + gap(-h * (a + c))) / (4.0 * h * h) for c in axes]
        for a in axes
    ]
    np.testing.assert_allclose(hessian[0], numerical, atol=1e-6)

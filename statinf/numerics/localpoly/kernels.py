"""Kernels on [-1, 1] that are polynomials in the distance from zero."""

from __future__ import annotations

import numpy as np

KERNELS = {
    "triangular": (1.0, -1.0),
    "epanechnikov": (0.75, 0.0, -0.75),
    "uniform": (0.5,),
}
"""Coefficients of K as a polynomial in |u| on [0, 1], lowest power first."""

ALIASES = {"tri": "triangular", "epa": "epanechnikov", "uni": "uniform", "rectangular": "uniform"}
"""Short spellings of other packages."""


def kernel_values(name: str, u: np.ndarray) -> np.ndarray:
    """K(u), zero beyond one; any shape."""
    distance = np.abs(u)
    value = np.full_like(distance, KERNELS[name][-1])
    for c in KERNELS[name][-2::-1]:
        value *= distance
        value += c
    if distance.size and distance.max() > 1.0:
        value[distance > 1.0] = 0.0
    return value


def product(one: str, other: str, ratio: float = 1.0) -> np.ndarray:
    """Coefficients in |u| of K_one(u) K_other(ratio u), where both are positive."""
    stretched = np.asarray(KERNELS[other]) * ratio ** np.arange(len(KERNELS[other]))
    return np.convolve(KERNELS[one], stretched)


def moment_matrices(name: str, order: int, power: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Exact integrals over [0, 1] of K^power r r' (k, k) and of K^power u^(order + 1) r (k,), r = (1, ..., u^order)."""
    coefficients = np.array([1.0])
    for _ in range(power):
        coefficients = np.convolve(coefficients, KERNELS[name])
    degree = np.arange(order + 1)

    def integral(j: np.ndarray) -> np.ndarray:
        return sum(c / (j + d + 1.0) for d, c in enumerate(coefficients))  # type: ignore[return-value]

    return integral(degree[:, None] + degree), integral(degree + order + 1)

"""Leave-one-out scores of least-squares importance fitting with the rows of both samples split over devices."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.backend import progress_bar, row_sharded_sum


def _bumps(x: Any, centers: Any, width: Any) -> Any:
    import jax.numpy as jnp

    return jnp.exp(-jnp.sum((x[:, None, :] - centers[None, :, :]) ** 2, axis=-1) / (2.0 * width**2))


def _gram(x: Any, real: Any, centers: Any, width: Any) -> Any:
    phi = _bumps(x, centers, width) * real[:, None]
    return phi.T @ phi


def _total(x: Any, real: Any, centers: Any, width: Any) -> Any:
    return real @ _bumps(x, centers, width)


def _left_out(
    xs: Any, xt: Any, real: Any, centers: Any, width: Any, vectors: Any, h: Any, inverse: Any, n: Any, m: Any
):
    """Sums over pairs of rows of the score without them, one a ridge; `real` is zero for padding."""
    import jax
    import jax.numpy as jnp

    phi_s, phi_t = _bumps(xs, centers, width), _bumps(xt, centers, width)
    left_s, left_t = phi_s @ vectors, phi_t @ vectors
    scale = (n - 1.0) / (n * (m - 1.0))

    def score(inverse: Any) -> Any:
        solved = inverse * (vectors.T @ h)
        slope = (m * (left_s @ solved) - (left_s * left_t) @ inverse) / (n - (left_s * left_s) @ inverse)
        theta = (left_s * slope[:, None] - left_t) @ ((vectors * inverse).T * scale) + (m * scale) * (vectors @ solved)
        theta = jnp.maximum(theta, 0.0)
        fit_s = (phi_s * theta).sum(axis=1)
        return (real * (0.5 * fit_s**2 - (phi_t * theta).sum(axis=1))).sum()

    return jax.lax.map(score, inverse.T)


def loocv(xs: np.ndarray, xt: np.ndarray, centers: np.ndarray, widths: np.ndarray, ridges: np.ndarray) -> np.ndarray:
    """Leave-one-out scores of a grid, shape (bandwidths, ridges); see `statinf.shifts.ulsif.loocv`."""
    n, m, pairs = len(xs), len(xt), min(len(xs), len(xt))
    out = np.empty((len(widths), len(ridges)))
    for i, width in enumerate(progress_bar(widths, label="bandwidths")):
        bumps = (centers, np.float64(width))
        gram = row_sharded_sum(_gram, xs, np.ones(n), shared=bumps) / n
        h = row_sharded_sum(_total, xt, np.ones(m), shared=bumps) / m
        values, vectors = np.linalg.eigh(gram)
        inverse = 1.0 / (values[:, None] + ridges * (n - 1) / n)
        given = (*bumps, vectors, h, inverse, np.float64(n), np.float64(m))
        out[i] = row_sharded_sum(_left_out, xs[:pairs], xt[:pairs], np.ones(pairs), shared=given) / pairs
    return out

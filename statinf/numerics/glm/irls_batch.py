"""Maximum likelihood of a generalised linear model under many weight vectors at once."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from statinf.backend import Kernel, bucket, over_models, pad_axis
from statinf.numerics.glm.families import Family
from statinf.numerics.glm.likelihood import deviance_unit

_LEAST = 1e-8


@lru_cache(maxsize=64)
def _kernel(family: Family, p: int) -> Kernel:
    upper, lower = np.triu_indices(p)

    def refit(x: Any, y: Any, offset: Any, w: Any, start: Any, tolerance: Any, most: Any) -> Any:
        """Newton steps for all replicas together: their information matrices are one product with row products."""
        import jax
        import jax.numpy as jnp

        products = x[:, upper] * x[:, lower]

        def step(state: Any) -> Any:
            beta, _, i = state
            eta = beta @ x.T + offset
            slope, information, _ = family.terms(eta, y)
            packed = (w * information) @ products
            gram = jnp.zeros((beta.shape[0], p, p)).at[:, upper, lower].set(packed).at[:, lower, upper].set(packed)
            score = (w * slope) @ x
            move = jnp.linalg.solve(gram, score[..., None])[..., 0]
            size = jnp.sqrt(jnp.maximum(jnp.einsum("ci,cij,cj->c", move, gram, move), 0.0))
            return beta + move, size, i + 1

        def unfinished(state: Any) -> Any:
            _, size, i = state
            return (i < most) & jnp.any(size > tolerance)

        first = (start, jnp.full(start.shape[0], jnp.inf), 0)
        beta, size, _ = jax.lax.while_loop(unfinished, step, first)
        return jnp.where((size <= tolerance)[:, None], beta, jnp.nan)

    return Kernel(refit)


def _length(family: Family, y: np.ndarray, eta: np.ndarray, w: np.ndarray) -> float:
    """The root of a row's mean deviance at the start: what steps are long or short beside, in any unit of weights and outcomes."""
    with np.errstate(all="ignore"):
        mean = float(np.sum(w * family.unit_deviance(y, family.link.inverse(eta)))) / max(np.count_nonzero(w), 1)
    least = _LEAST * deviance_unit(family, y, w)
    return float(np.sqrt(max(mean, least))) if np.isfinite(mean) else float(np.sqrt(least))


def refit_glm(
    columns: np.ndarray,
    y: np.ndarray,
    family: Family,
    weights: np.ndarray,
    *,
    offset: np.ndarray | None = None,
    start: np.ndarray,
    tolerance: float = 1e-8,
    max_iterations: int = 25,
    batch: int = 64,
) -> np.ndarray:
    """Coefficients under each row of a weight matrix, from a common start.

    Parameters
    ----------
    columns : ndarray, shape (n, p)
        Of full rank.
    y : ndarray, shape (n,)
    family : Family
    weights : ndarray, shape (c, n)
    offset : ndarray, shape (n,), optional
    start : ndarray, shape (p,)
        The full-sample estimate.
    tolerance : float
        Largest step allowed at the end, in the information's norm over the root of a row's mean deviance.
    max_iterations : int
    batch : int
        Replicas are padded to a power of two of at least this many, so that the last chunk compiles nothing.

    Returns
    -------
    ndarray, shape (c, p)
        NaN for replicas that did not converge.
    """
    n, p = columns.shape
    length, batch = bucket(n), max(batch, 1 << (len(weights) - 1).bit_length())
    # Padding rows get the first row's values, so that every family's functions stay finite on them.
    padded = np.repeat(columns[:1], length, axis=0)
    padded[:n] = columns
    outcome = np.full(length, y[0])
    outcome[:n] = y
    shift = np.zeros(length)
    if offset is not None:
        shift[:] = offset[0]
        shift[:n] = offset
    w = pad_axis(pad_axis(weights, length, axis=1), batch)
    w[len(weights) :, :n] = 1.0
    starts = np.repeat(start[None], batch, axis=0)
    kernel = _kernel(family, p)
    tolerance = tolerance * _length(family, y, columns @ start + (0.0 if offset is None else offset), weights[0])
    together = (None, None, None, 0, 0, None, None)
    made = over_models(
        kernel, padded, outcome, shift, w, starts, np.float64(tolerance), np.int64(max_iterations), together=together
    )
    return made[: len(weights)]

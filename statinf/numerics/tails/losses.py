"""Losses of a linear predictor, each the maximum of smooth pieces, with first and second derivatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np

LossPieces = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]
"""From predictors and outcomes, shape (m,), to values, slopes and curvatures in the predictor, each (k, m)."""


@dataclass(frozen=True)
class Loss:
    """A loss l(y, eta).

    Attributes
    ----------
    name : str
    pieces : callable
        The loss is their maximum; see `LossPieces`.
    traced : callable
        The loss of one row as a JAX function of (y, eta).
    degree : int
        1 or 2 if it is a function of y - eta, homogeneous of that degree; 0 if it is not.
    linear : bool
        Whether pieces are linear.
    """

    name: str
    pieces: LossPieces
    traced: Callable[[Any, Any], Any]
    degree: int = 0
    linear: bool = False

    def values(self, eta: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Losses of rows, shape (m,)."""
        return self.pieces(eta, y)[0].max(axis=0)

    def slopes(self, eta: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Values, slopes and curvatures of the piece that is largest, each of shape (m,)."""
        parts = self.pieces(eta, y)
        top = parts[0].argmax(axis=0)[None]
        value, slope, curvature = (np.take_along_axis(part, top, axis=0)[0] for part in parts)
        return value, slope, curvature


@lru_cache(maxsize=64)
def pinball(tau: float, name: str = "pinball", scale: float = 1.0) -> Loss:
    """The check loss at level tau, times `scale`."""
    up, down = scale * tau, scale * (tau - 1.0)

    def pieces(eta: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        r = y - eta
        slope = np.empty((2, len(r)))
        slope[0], slope[1] = -up, -down
        return np.stack([up * r, down * r]), slope, np.zeros((2, len(r)))

    def traced(y: Any, eta: Any) -> Any:
        import jax.numpy as jnp

        return jnp.maximum(up * (y - eta), down * (y - eta))

    return Loss(name, pieces, traced, degree=1, linear=True)


@cache
def absolute() -> Loss:
    """|y - eta|."""
    return pinball(0.5, "absolute", 2.0)


@cache
def squared() -> Loss:
    """(y - eta)^2 / 2."""

    def pieces(eta: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        r = (y - eta)[None]
        return 0.5 * r * r, -r, np.ones_like(r)

    return Loss("squared", pieces, lambda y, eta: 0.5 * (y - eta) ** 2, degree=2)


@cache
def logistic() -> Loss:
    """Minus the log-likelihood of an outcome of 0 or 1 with log odds eta."""

    def pieces(eta: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        mean = 0.5 * (1.0 + np.tanh(0.5 * eta))
        signed = np.where(y > 0.5, -eta, eta)
        slope = np.where(y > 0.5, -0.5 * (1.0 - np.tanh(0.5 * eta)), mean)
        return np.logaddexp(0.0, signed)[None], slope[None], (mean * (1.0 - mean))[None]

    def traced(y: Any, eta: Any) -> Any:
        import jax.numpy as jnp

        return jnp.logaddexp(0.0, jnp.where(y > 0.5, -eta, eta))

    return Loss("logistic", pieces, traced)


@lru_cache(maxsize=16)
def of_callable(function: Callable[[Any, Any], Any]) -> Loss:
    """A function `loss(y, prediction)` of one row, written with jax.numpy and traced; derivatives by differentiation."""
    from statinf.backend import Kernel, pad_rows

    def rows(eta: Any, y: Any) -> Any:
        import jax

        slope = jax.grad(function, argnums=1)
        return tuple(jax.vmap(part)(y, eta) for part in (function, slope, jax.grad(slope, argnums=1)))

    compiled = Kernel(rows)

    def pieces(eta: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        padded = pad_rows(np.asarray(eta, np.float64), np.asarray(y, np.float64))
        value, slope, curvature = (part[None, : len(y)] for part in compiled(*padded))
        return value, slope, curvature

    return Loss(getattr(function, "__name__", "callable"), pieces, function)

"""Online Newton steps for a logistic model of few parameters (Hazan, Agarwal and Kale, 2007, Machine Learning 69)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from statinf.backend import kernel
from statinf.numerics.recursions.scanning import through


def newton_start(theta: tuple[float, ...], ridge: float) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Parameters, and the upper triangle of the inverse of ridge times the identity, as 0-d arrays."""
    d = len(theta)
    inverse = [1.0 / ridge if i == j else 0.0 for i in range(d) for j in range(i, d)]
    return tuple(np.asarray(float(t)) for t in theta), tuple(np.asarray(v) for v in inverse)


def _places(d: int) -> list[list[int]]:
    """Where entry (i, j) of a symmetric matrix stands in its upper triangle."""
    upper = {(i, j): k for k, (i, j) in enumerate((i, j) for i in range(d) for j in range(i, d))}
    return [[upper[min(i, j), max(i, j)] for j in range(d)] for i in range(d)]


def projected(theta: np.ndarray, inverse: np.ndarray, radius: float) -> np.ndarray:
    """The point of a ball around zero that is nearest to theta (d,) in the norm of the matrix whose inverse (d, d) is given."""
    values, vectors = np.linalg.eigh(np.linalg.inv(inverse))
    c = vectors.T @ theta

    def at(shift: float) -> np.ndarray:
        return values * c / (values + shift)

    # (A + s I) x = A theta, whose norm falls in s; at the upper end every coordinate is below radius / d.
    low, high = 0.0, float(values.max() * len(c) * np.abs(c).max() / radius)
    for _ in range(200):
        middle = (low + high) / 2.0
        low, high = (middle, high) if (at(middle) ** 2).sum() > radius**2 else (low, middle)
    return vectors @ at(high)


@kernel
def newton_steps(carry: Any, live: Any, rows: Any, constants: Any) -> Any:
    """Probabilities before each outcome, by Newton steps on the log-loss.

    Parameters
    ----------
    carry : tuple of parameters, a tuple of d numbers, and the upper triangle of the inverse of ridge I + sum g g'
    live : array of bool, shape (n,)
    rows : tuple of d - 1 features and the outcome, shape (n,) each; the last parameter is an intercept
    constants : tuple of gamma

    Returns
    -------
    carry
    outputs : tuple of probabilities, and squared norms of the parameters after the row, shape (n,) each
    """
    import jax.numpy as jnp
    from jax import lax

    (gamma,) = constants
    d = len(carry[0])
    place = _places(d)

    def step(state: Any, item: Any) -> Any:
        theta, inverse = state
        there, row = item
        # Padding has no features, not even the constant one: its gradient is zero, and nothing moves.
        v = (*row[:-1], there)
        p = 1.0 / (1.0 + jnp.exp(-sum(t * f for t, f in zip(theta, v, strict=True))))
        g = [(p - row[-1]) * f for f in v]
        moved = [sum(inverse[place[i][j]] * g[j] for j in range(d)) for i in range(d)]
        share = 1.0 / (1.0 + sum(a * b for a, b in zip(g, moved, strict=True)))
        scaled = [m * share for m in moved]
        inverse = tuple(inverse[place[i][j]] - scaled[i] * moved[j] for i in range(d) for j in range(i, d))
        # The new inverse times g is the old one's product over the divisor.
        theta = tuple(t - m / gamma for t, m in zip(theta, scaled, strict=True))
        return (theta, inverse), (p, sum(t * t for t in theta))

    return lax.scan(step, carry, (live.astype(float), rows))


NewtonState = tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]


def newton_path(
    state: NewtonState, rows: Sequence[np.ndarray], gamma: float, radius: float
) -> tuple[NewtonState, np.ndarray]:
    """Probabilities (n,) before each outcome, with parameters brought back where they leave a ball of that radius.

    Leaving it is rare: the compiled recursion runs as if there were no ball, and anew from where it was left.
    """
    done, out = 0, []
    while True:
        after, (p, size) = through(newton_steps, state, [row[done:] for row in rows], gamma)
        left = np.flatnonzero(size > radius**2)
        if not len(left):
            return after, np.concatenate([*out, p])
        stop = int(left[0]) + 1
        (theta, inverse), _ = through(newton_steps, state, [row[done : done + stop] for row in rows], gamma)
        place = _places(len(theta))
        matrix = np.array([[inverse[k] for k in line] for line in place])
        back = projected(np.array(theta), matrix, radius)
        state, done = (tuple(np.asarray(t) for t in back), inverse), done + stop
        out.append(p[:stop])

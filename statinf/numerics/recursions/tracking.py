"""Recursions that follow a level or a radius of prediction sets so that they cover at the level asked for.

Each is a scan over rows with a small carried state. What it says of a row is what stood before the row's outcome was
known. Levels are levels of coverage: a row is covered where its level is above the row's cut, the least level whose set
holds the outcome.
"""

from __future__ import annotations

from typing import Any

from statinf.backend import kernel
from statinf.numerics.recursions.scanning import step_of


@kernel
def follow_levels(carry: Any, live: Any, rows: Any, constants: Any) -> Any:
    """Levels moved by gamma (miss - (1 - level)), each with its own gamma (Gibbs and Candes, 2021).

    Parameters
    ----------
    carry : array, shape (K,)
        Levels of coverage.
    live : array of bool, shape (n,)
    rows : tuple of cut, shape (n,)
    constants : tuple of gamma, shape (K,), and the level aimed at

    Returns
    -------
    carry
    outputs : tuple of levels, shape (n, K)
    """
    import jax.numpy as jnp
    from jax import lax

    gamma, level = constants

    def update(theta: Any, row: Any) -> Any:
        (cut,) = row
        return theta + gamma * (jnp.where(theta > cut, 0.0, 1.0) - (1.0 - level)), (theta,)

    return lax.scan(step_of(update), carry, (live, rows))


@kernel
def follow_average(carry: Any, live: Any, rows: Any, constants: Any) -> Any:
    """A level moved by gamma (misses - (1 - level)), misses averaged with weights momentum^age (Gibbs and Candes, 2021).

    Parameters
    ----------
    carry : tuple of the level, the weighted misses and the sum of their weights, numbers
    live : array of bool, shape (n,)
    rows : tuple of cut, shape (n,)
    constants : tuple of gamma, the level aimed at, and momentum

    Returns
    -------
    carry
    outputs : tuple of levels, shape (n,)
    """
    import jax.numpy as jnp
    from jax import lax

    gamma, level, momentum = constants

    def update(state: Any, row: Any) -> Any:
        theta, misses, total = state
        misses = momentum * misses + jnp.where(theta > row[0], 0.0, 1.0)
        total = momentum * total + 1.0
        return (theta + gamma * (misses / total - (1.0 - level)), misses, total), (theta,)

    return lax.scan(step_of(update), carry, (live, rows))


@kernel
def share_weights(carry: Any, live: Any, rows: Any, constants: Any) -> Any:
    """Exponential weights of experts with a share that is spread anew at each step (fixed share).

    Parameters
    ----------
    carry : array, shape (K,)
        Weights that sum to one.
    rows : tuple of losses, shape (n, K)
    constants : tuple of eta and sigma

    Returns
    -------
    carry
    outputs : tuple of weights, shape (n, K)
    """
    import jax.numpy as jnp
    from jax import lax

    eta, sigma = constants

    def update(weights: Any, row: Any) -> Any:
        (loss,) = row
        kept = weights * jnp.exp(-eta * loss)
        total = kept.sum()
        kept = (1.0 - sigma) * kept + sigma * total / len(kept)
        return kept / kept.sum(), (weights,)

    return lax.scan(step_of(update), carry, (live, rows))


@kernel
def aggregate(carry: Any, live: Any, rows: Any, constants: Any) -> Any:
    """Bernstein online aggregation of experts under a pinball loss (Wintenberger, 2017).

    Second-order weights with a rate per expert, on linearised losses.

    Parameters
    ----------
    carry : tuple of V, R, shape (K,) each
        Sums of squared regrets, times 2.2, and of regularised regrets.
    rows : tuple of experts, shape (n, K), and target, shape (n,)
    constants : tuple of the quantile level

    Returns
    -------
    carry
    outputs : tuple of mixture, shape (n,), and weights, shape (n, K)
    """
    import jax.numpy as jnp
    from jax import lax

    (tau,) = constants

    def update(state: Any, row: Any) -> Any:
        V, R = state
        experts, target = row
        known = V > 0.0
        root = jnp.sqrt(jnp.where(known, V, 1.0))
        score = jnp.where(known, R / root - jnp.log(root), -jnp.inf)
        soft = jnp.exp(score - jnp.max(jnp.where(known, score, -jnp.inf), initial=-1e300))
        soft = soft * known.sum() / jnp.maximum(soft.sum(), 1e-300)
        p = jnp.where(known, soft, 1.0)
        p = p / p.sum()
        mixture = (p * experts).sum()
        regret = (jnp.where(target < mixture, 1.0, 0.0) - tau) * (mixture - experts)
        V = V + 2.2 * regret**2
        R = R + regret - regret**2 / jnp.sqrt(jnp.where(V > 0.0, V, 1.0))
        return (V, R), (mixture, p)

    return lax.scan(step_of(update), carry, (live, rows))


@kernel
def follow_radius(carry: Any, live: Any, rows: Any, constants: Any) -> Any:
    """A radius by scale-free online gradient descent on the pinball loss (Orabona and Pal, 2018).

    Parameters
    ----------
    carry : tuple of the radius and the sum of squared gradients, numbers
    rows : tuple of scores, shape (n,)
    constants : tuple of gamma and the level

    Returns
    -------
    carry
    outputs : tuple of the radius, shape (n,)
    """
    import jax.numpy as jnp
    from jax import lax

    gamma, level = constants

    def update(state: Any, row: Any) -> Any:
        theta, total = state
        gradient = jnp.where(row[0] <= theta, 1.0, 0.0) - level
        total = total + gradient**2
        return (jnp.maximum(theta - gamma * gradient / jnp.sqrt(total), 0.0), total), (theta,)

    return lax.scan(step_of(update), carry, (live, rows))

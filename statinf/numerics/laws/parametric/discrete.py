"""Counts and classes: the Poisson law in the logarithm of its mean, and classes in log odds against the first.

The CRPS of counts is the ranked probability score. That of classes, with distance one between any two, is half the Brier
score; for two classes it is the squared error of the probability. Probabilities of classes take any value that their law
can, so that the natural gradients of the log score, of this and of any quadratic score, ranked ones too, are the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.numerics.laws.parametric.incomplete import lower_gamma
from statinf.numerics.laws.parametric.law import Law, LawUnits, ScoreRule


def poisson_log_score(theta: Any, y: Any, event: Any) -> Any:
    """Minus the log probability."""
    import jax.numpy as jnp
    from jax.scipy.special import gammaln

    return jnp.exp(theta[0]) - y * theta[0] + gammaln(y + 1.0)


def poisson_fisher(theta: Any) -> Any:
    """Information of one count."""
    import jax.numpy as jnp

    return ((jnp.exp(theta[0]),),)


def poisson_crps(theta: Any, y: Any, event: Any) -> Any:
    """The CRPS of the Poisson law (Wei and Held, 2014)."""
    import jax.numpy as jnp
    from jax.scipy.special import i0e, i1e

    mean = jnp.exp(theta[0])
    exceed = lower_gamma(y + 1.0, theta[0] - jnp.log(y + 1.0))
    mass, spread = jnp.exp(-poisson_log_score(theta, y, event)), i0e(2.0 * mean) + i1e(2.0 * mean)
    return (y - mean) * (1.0 - 2.0 * exceed) + mean * (2.0 * mass - spread)


def poisson_crps_metric(theta: Any) -> Any:
    """Twice the sum of squared slopes of the distribution function."""
    import jax.numpy as jnp
    from jax.scipy.special import i0e

    mean = jnp.exp(theta[0])
    return ((2.0 * mean**2 * i0e(2.0 * mean),),)


def _poisson_start(y: np.ndarray, w: np.ndarray, event: np.ndarray) -> np.ndarray:
    mean = float(np.average(y, weights=w))
    return np.array([np.log(mean) if mean > 0 else -30.0])


def _poisson_usual(theta: np.ndarray, units: LawUnits) -> dict[str, np.ndarray]:
    return {"mean": np.exp(np.clip(theta[0], -30.0, 30.0))}


def _frozen_poisson(at: Any) -> Any:
    from scipy import stats

    return stats.poisson(at["mean"])


def _log_probabilities(theta: Any) -> Any:
    import jax
    import jax.numpy as jnp

    return jax.nn.log_softmax(jnp.concatenate([jnp.zeros((1, theta.shape[1])), theta]), axis=0)


def classes_log_score(theta: Any, y: Any, event: Any) -> Any:
    """Minus the log probability of the class."""
    import jax.numpy as jnp

    return -jnp.take_along_axis(_log_probabilities(theta), y.astype(jnp.int32)[None], axis=0)[0]


def half_brier(theta: Any, y: Any, event: Any) -> Any:
    """Half the squared distance of the probabilities from the class."""
    import jax.numpy as jnp

    seen = jnp.arange(len(theta) + 1)[:, None] == y
    return 0.5 * ((jnp.exp(_log_probabilities(theta)) - seen) ** 2).sum(axis=0)


def classes_natural(theta: Any, y: Any, event: Any) -> Any:
    """1{y = 0} / p_0 - 1{y = k} / p_k, along which probabilities move as they differ from the class."""
    import jax.numpy as jnp

    inverse = jnp.exp(-_log_probabilities(theta))
    number = jnp.arange(1, len(theta) + 1)[:, None]
    return jnp.where(y == 0, inverse[0], 0.0) - jnp.where(y == number, inverse[1:], 0.0)


def _classes_start(y: np.ndarray, w: np.ndarray, event: np.ndarray) -> np.ndarray:
    share = np.bincount(y.astype(int), weights=w)
    return np.log(share[1:]) - np.log(share[0])


def _classes_usual(theta: np.ndarray, units: LawUnits) -> dict[str, np.ndarray]:
    from scipy.special import softmax

    theta = np.clip(theta, -30.0, 30.0)
    found = softmax(np.concatenate([np.zeros((1, theta.shape[1])), theta]), axis=0)
    return {str(k): row for k, row in enumerate(found)}


POISSON = Law(
    name="poisson",
    parameters=("mean",),
    kind="count",
    rules={"log": ScoreRule(poisson_log_score, poisson_fisher), "crps": ScoreRule(poisson_crps, poisson_crps_metric)},
    start=_poisson_start,
    usual=_poisson_usual,
    frozen=_frozen_poisson,
    bounded=(True,),
    low=-30.0,
    high=30.0,
)

CATEGORICAL = Law(
    name="categorical",
    parameters=(),
    kind="classes",
    rules={
        "log": ScoreRule(classes_log_score, natural=classes_natural),
        "crps": ScoreRule(half_brier, natural=classes_natural),
    },
    start=_classes_start,
    usual=_classes_usual,
    frozen=None,
    bounded=(True,),
    low=-30.0,
    high=30.0,
)

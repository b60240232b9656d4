"""Positive outcomes: exponential, Weibull and gamma laws, in logarithms of scale or mean and of shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.numerics.laws.parametric.law import Law, LawUnits, ScoreRule

_EULER = 0.5772156649015329
_STEEPEST = 14.0
"""Largest logarithm of a shape: outcomes that hardly vary have none of their own."""


def exponential_log_score(theta: Any, y: Any, event: Any) -> Any:
    """Minus the log density, or minus the log of the probability to exceed a bound."""
    import jax.numpy as jnp

    return event * theta[0] + y * jnp.exp(-theta[0])


def exponential_fisher(theta: Any) -> Any:
    """Information of one outcome of the exponential law."""
    return ((1.0,),)


def exponential_crps(theta: Any, y: Any, event: Any) -> Any:
    """The CRPS of the exponential law."""
    import jax.numpy as jnp

    mean = jnp.exp(theta[0])
    return y + mean * (2.0 * jnp.exp(-y / mean) - 1.5)


def exponential_crps_metric(theta: Any) -> Any:
    """Twice the integral of dF dF' of the exponential law."""
    import jax.numpy as jnp

    return ((0.5 * jnp.exp(theta[0]),),)


def _exponential_start(y: np.ndarray, w: np.ndarray, event: np.ndarray) -> np.ndarray:
    return np.array([np.log((w @ y) / (w @ event))])


def _exponential_usual(theta: np.ndarray, units: LawUnits) -> dict[str, np.ndarray]:
    return {"scale": units.unit * np.exp(np.clip(theta[0], -20.0, 20.0))}


def _frozen_exponential(at: Any) -> Any:
    from scipy import stats

    return stats.expon(scale=at["scale"])


def weibull_log_score(theta: Any, y: Any, event: Any) -> Any:
    """Minus the log density, or minus the log of the probability to exceed a bound."""
    import jax.numpy as jnp

    log_ratio, k = jnp.log(y) - theta[0], jnp.exp(theta[1])
    return event * (jnp.log(y) - theta[1] - k * log_ratio) + jnp.exp(k * log_ratio)


def weibull_fisher(theta: Any) -> Any:
    """Information of one outcome of the Weibull law."""
    import jax.numpy as jnp

    k = jnp.exp(theta[1])
    off = (_EULER - 1.0) * k
    return (k**2, off), (off, (1.0 - _EULER) ** 2 + np.pi**2 / 6.0)


def _weibull_start(y: np.ndarray, w: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Maximum likelihood: the shape is the root of the profile's slope, which rises."""
    from scipy.optimize import brentq

    log_y, seen = np.log(y), float(w @ event)
    mean = float(w @ (event * log_y)) / seen

    def slope(log_shape: float) -> float:
        k = np.exp(log_shape)
        tilted = w * np.exp(k * (log_y - log_y.max()))
        return float(tilted @ log_y / tilted.sum() - mean - 1.0 / k)

    if not slope(_STEEPEST) > 0.0:
        k = np.exp(_STEEPEST)
    else:
        k = np.exp(brentq(slope, -_STEEPEST, _STEEPEST, xtol=1e-14))
    top = log_y.max()
    return np.array([top + np.log((w @ np.exp(k * (log_y - top))) / seen) / k, np.log(k)])


def _weibull_usual(theta: np.ndarray, units: LawUnits) -> dict[str, np.ndarray]:
    scale, shape = np.exp(np.clip(theta, -20.0, 20.0))
    return {"scale": units.unit * scale, "shape": shape}


def _frozen_weibull(at: Any) -> Any:
    from scipy import stats

    return stats.weibull_min(at["shape"], scale=at["scale"])


def gamma_log_score(theta: Any, y: Any, event: Any) -> Any:
    """Minus the log density of the gamma law."""
    import jax.numpy as jnp
    from jax.scipy.special import gammaln

    a, log_ratio = jnp.exp(theta[1]), jnp.log(y) - theta[0]
    return gammaln(a) - a * theta[1] + jnp.log(y) - a * (log_ratio - jnp.exp(log_ratio))


def gamma_fisher(theta: Any) -> Any:
    """Information of one outcome of the gamma law."""
    import jax.numpy as jnp
    from jax.scipy.special import polygamma

    a = jnp.exp(theta[1])
    # psi'(a) - 1/a loses its digits for large a, where its series takes over.
    far = jnp.maximum(a, 50.0)
    near = jnp.minimum(a, 50.0)
    series = 1.0 / 2.0 + 1.0 / (6.0 * far) - 1.0 / (30.0 * far**3) + 1.0 / (42.0 * far**5)
    return (a, 0.0), (0.0, jnp.where(a > 50.0, series, near**2 * polygamma(1, near) - near))


def _gamma_start(y: np.ndarray, w: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Maximum likelihood: the shape solves log a - psi(a) = log of the mean less the mean of logs."""
    from scipy.optimize import brentq
    from scipy.special import digamma

    mean = float(np.average(y, weights=w))
    gap = np.log(mean) - float(np.average(np.log(y), weights=w))

    def slope(log_shape: float) -> float:
        return float(log_shape - digamma(np.exp(log_shape)) - gap)

    log_shape = _STEEPEST if slope(_STEEPEST) > 0.0 else brentq(slope, -_STEEPEST, _STEEPEST, xtol=1e-14)
    return np.array([np.log(mean), log_shape])


def _gamma_usual(theta: np.ndarray, units: LawUnits) -> dict[str, np.ndarray]:
    mean, shape = np.exp(np.clip(theta, -20.0, 20.0))
    return {"mean": units.unit * mean, "shape": shape}


def _frozen_gamma(at: Any) -> Any:
    from scipy import stats

    return stats.gamma(at["shape"], scale=at["mean"] / at["shape"])


EXPONENTIAL = Law(
    name="exponential",
    parameters=("scale",),
    kind="positive",
    rules={
        "log": ScoreRule(exponential_log_score, exponential_fisher),
        "crps": ScoreRule(exponential_crps, exponential_crps_metric),
    },
    start=_exponential_start,
    usual=_exponential_usual,
    frozen=_frozen_exponential,
    bounded=(True,),
    censored=ScoreRule(exponential_log_score, exponential_fisher),
)

WEIBULL = Law(
    name="weibull",
    parameters=("scale", "shape"),
    kind="positive",
    rules={"log": ScoreRule(weibull_log_score, weibull_fisher)},
    start=_weibull_start,
    usual=_weibull_usual,
    frozen=_frozen_weibull,
    bounded=(True, True),
    censored=ScoreRule(weibull_log_score, weibull_fisher),
)

GAMMA = Law(
    name="gamma",
    parameters=("mean", "shape"),
    kind="positive",
    rules={"log": ScoreRule(gamma_log_score, gamma_fisher)},
    start=_gamma_start,
    usual=_gamma_usual,
    frozen=_frozen_gamma,
    bounded=(True, True),
)

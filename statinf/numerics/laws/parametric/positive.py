"""Positive outcomes: the exponential and the Weibull law, in logarithms of the scale and of the shape.

The CRPS of an outcome that is known to exceed y is the integral of the squared distribution function up to y (Avati, Duan,
Zhou, Jung, Shah and Ng, 2019, Countdown regression, arXiv 1806.08324), whose metric is taken to be that of outcomes seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.numerics.laws.parametric.incomplete import lower_gamma
from statinf.numerics.laws.parametric.law import STEEPEST, Law, LawUnits, ScoreRule

_EULER = 0.5772156649015329


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


def censored_exponential_crps(theta: Any, y: Any, event: Any) -> Any:
    """The CRPS, up to `y` where it is a bound."""
    import jax.numpy as jnp

    mean, exceed = jnp.exp(theta[0]), jnp.exp(-y * jnp.exp(-theta[0]))
    return y - 2.0 * mean * (1.0 - exceed) + 0.5 * mean * (1.0 - (1.0 - event) * exceed**2)


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


def _weibull_parts(theta: Any, y: Any) -> tuple[Any, Any, Any, Any]:
    """1 + 1/k, the mean, 2^(-1/k), and log of (y / scale)^k."""
    import jax.numpy as jnp
    from jax.scipy.special import gammaln

    inverse = jnp.exp(-theta[1])
    b = 1.0 + inverse
    return b, jnp.exp(theta[0] + gammaln(b)), jnp.exp2(-inverse), (jnp.log(y) - theta[0]) * jnp.exp(theta[1])


def weibull_crps(theta: Any, y: Any, event: Any) -> Any:
    """The CRPS of the Weibull law."""
    import jax.numpy as jnp

    b, mean, half, log_w = _weibull_parts(theta, y)
    exceed = jnp.exp(-jnp.exp(log_w))
    return y * (1.0 - 2.0 * exceed) + mean * (half - 2.0 * lower_gamma(b, log_w - jnp.log(b)))


def censored_weibull_crps(theta: Any, y: Any, event: Any) -> Any:
    """The CRPS, up to `y` where it is a bound."""
    import jax.numpy as jnp

    b, mean, half, log_w = _weibull_parts(theta, y)
    exceed = jnp.exp(-jnp.exp(log_w))
    # Both values of the incomplete gamma function in one program.
    once, twice = lower_gamma(b, log_w - jnp.log(b) + jnp.array([[0.0], [jnp.log(2.0)]]))
    beyond = mean * half * (1.0 - twice) - y * exceed**2
    return y * (1.0 - 2.0 * exceed) + mean * (half - 2.0 * once) - (1.0 - event) * beyond


def weibull_crps_metric(theta: Any) -> Any:
    """Twice the integral of dF dF' of the Weibull law.

    With w = (y / scale)^k the slopes of F are -k w e^{-w} and w log(w) e^{-w}.
    """
    import jax.numpy as jnp
    from jax.scipy.special import digamma, gammaln, polygamma

    k = jnp.exp(theta[1])
    s = 2.0 + 1.0 / k
    size, tilt = 2.0 * jnp.exp(theta[0] + gammaln(s) - s * jnp.log(2.0)), digamma(s) - jnp.log(2.0)
    return (size * k, -size * tilt), (-size * tilt, size / k * (tilt**2 + polygamma(1, s)))


def _weibull_start(y: np.ndarray, w: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Maximum likelihood: the shape is the root of the profile's slope, which rises."""
    from scipy.optimize import brentq

    log_y, seen = np.log(y), float(w @ event)
    mean = float(w @ (event * log_y)) / seen

    def slope(log_shape: float) -> float:
        k = np.exp(log_shape)
        tilted = w * np.exp(k * (log_y - log_y.max()))
        return float(tilted @ log_y / tilted.sum() - mean - 1.0 / k)

    if not slope(STEEPEST) > 0.0:
        k = np.exp(STEEPEST)
    else:
        k = np.exp(brentq(slope, -STEEPEST, STEEPEST, xtol=1e-14))
    top = log_y.max()
    return np.array([top + np.log((w @ np.exp(k * (log_y - top))) / seen) / k, np.log(k)])


def _weibull_usual(theta: np.ndarray, units: LawUnits) -> dict[str, np.ndarray]:
    scale, shape = np.exp(np.clip(theta, -20.0, 20.0))
    return {"scale": units.unit * scale, "shape": shape}


def _frozen_weibull(at: Any) -> Any:
    from scipy import stats

    return stats.weibull_min(at["shape"], scale=at["scale"])


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
    censored={
        "log": ScoreRule(exponential_log_score, exponential_fisher),
        "crps": ScoreRule(censored_exponential_crps, exponential_crps_metric),
    },
)

WEIBULL = Law(
    name="weibull",
    parameters=("scale", "shape"),
    kind="positive",
    rules={"log": ScoreRule(weibull_log_score, weibull_fisher), "crps": ScoreRule(weibull_crps, weibull_crps_metric)},
    start=_weibull_start,
    usual=_weibull_usual,
    frozen=_frozen_weibull,
    bounded=(True, True),
    censored={
        "log": ScoreRule(weibull_log_score, weibull_fisher),
        "crps": ScoreRule(censored_weibull_crps, weibull_crps_metric),
    },
)

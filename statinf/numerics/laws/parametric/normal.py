"""The normal law, its mean and the logarithm of its standard deviation; and the lognormal, the same for log y.

The CRPS of the lognormal is that of the outcome, not of its logarithm. That of an outcome known to exceed y is the integral
of the squared distribution function up to y (Avati, Duan, Zhou, Jung, Shah and Ng, 2019, Countdown regression, arXiv
1806.08324), whose metric is taken to be that of outcomes seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.numerics.laws.parametric.law import Law, LawUnits, ScoreRule

_HALF_LOG_2PI = 0.5 * np.log(2.0 * np.pi)
_ROOT_PI = np.sqrt(np.pi)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)


def log_score(theta: Any, y: Any, event: Any) -> Any:
    """Minus the log density."""
    import jax.numpy as jnp

    z = (y - theta[0]) * jnp.exp(-theta[1])
    return theta[1] + 0.5 * z**2 + _HALF_LOG_2PI


def fisher(theta: Any) -> Any:
    """Information of one outcome."""
    import jax.numpy as jnp

    return (jnp.exp(-2.0 * theta[1]), 0.0), (0.0, 2.0)


def censored_log_score(theta: Any, y: Any, event: Any) -> Any:
    """Minus the log density, or the log of the probability to exceed `y` where it is a bound."""
    import jax.numpy as jnp
    from jax.scipy.special import log_ndtr

    z = (y - theta[0]) * jnp.exp(-theta[1])
    return jnp.where(event > 0, theta[1] + 0.5 * z**2 + _HALF_LOG_2PI, -log_ndtr(-z))


def crps(theta: Any, y: Any, event: Any) -> Any:
    """The continuous ranked probability score of the normal."""
    import jax.numpy as jnp
    from jax.scipy.special import erf

    scale = jnp.exp(theta[1])
    z = (y - theta[0]) / scale
    density = jnp.exp(-0.5 * z**2 - _HALF_LOG_2PI)
    return scale * (z * erf(z / np.sqrt(2.0)) + 2.0 * density - 1.0 / _ROOT_PI)


def crps_metric(theta: Any) -> Any:
    """Twice the integral of dF dF'."""
    import jax.numpy as jnp

    scale = jnp.exp(theta[1])
    return (1.0 / (scale * _ROOT_PI), 0.0), (0.0, scale / (2.0 * _ROOT_PI))


def scaled_crps_metric(theta: Any) -> Any:
    """The metric times the scale, as ngboost had it up to 0.5.11: natural gradients come out divided by the scale."""
    import jax.numpy as jnp

    return (1.0 / _ROOT_PI, 0.0), (0.0, jnp.exp(2.0 * theta[1]) / (2.0 * _ROOT_PI))


def lognormal_crps(theta: Any, y: Any, event: Any) -> Any:
    """The CRPS of exp(y) under the lognormal."""
    import jax.numpy as jnp
    from jax.scipy.special import erf

    scale = jnp.exp(theta[1])
    z = (y - theta[0]) / scale
    tail = erf((z - scale) / np.sqrt(2.0)) + erf(0.5 * scale)
    return jnp.exp(y) * erf(z / np.sqrt(2.0)) - jnp.exp(theta[0] + 0.5 * scale**2) * tail


def censored_lognormal_crps(theta: Any, y: Any, event: Any) -> Any:
    """The CRPS of exp(y), up to there where it is a bound."""
    import jax.numpy as jnp
    from jax.scipy.special import ndtr

    scale = jnp.exp(theta[1])
    z = (y - theta[0]) / scale
    below, mean = ndtr(z), jnp.exp(theta[0] + 0.5 * scale**2)
    upto = jnp.exp(y) * below**2 - 2.0 * mean * _both_below(z - scale, scale)
    return jnp.where(event > 0, lognormal_crps(theta, y, event), upto)


def _both_below(h: Any, s: Any) -> Any:
    """The integral of Phi(t + s) phi(t) over t below h: that of two normals with correlation -1/sqrt(2), of which Drezner and
    Wesolowsky (1990) made one over the angle. Its slopes are written down.
    """
    import jax
    import jax.numpy as jnp
    from jax.scipy.special import ndtr

    @jax.custom_jvp
    def found(h: Any, s: Any) -> Any:
        k = s / np.sqrt(2.0)
        sine, weights = jnp.sin(-0.125 * np.pi * (1.0 + jnp.asarray(_NODES))), jnp.asarray(_WEIGHTS / 16.0)

        def less(number: Any, total: Any) -> Any:
            at = sine[number]
            return total - weights[number] * jnp.exp(-0.5 * (h**2 + k**2 - 2.0 * h * k * at) / (1.0 - at**2))

        return jax.lax.fori_loop(0, len(_NODES), less, ndtr(h) * ndtr(k))

    @found.defjvp
    def slope(primals: Any, tangents: Any) -> Any:
        h, s = primals
        by_h = ndtr(h + s) * jnp.exp(-0.5 * h**2 - _HALF_LOG_2PI)
        by_s = jnp.exp(-0.25 * s**2) * ndtr(np.sqrt(2.0) * (h + 0.5 * s)) / (2.0 * _ROOT_PI)
        return found(h, s), by_h * tangents[0] + by_s * tangents[1]

    return found(h, s)


def lognormal_crps_metric(theta: Any) -> Any:
    """Twice the integral of dF dF' over the outcome."""
    import jax.numpy as jnp

    scale = jnp.exp(theta[1])
    size = jnp.exp(theta[0] + 0.25 * scale**2) / _ROOT_PI
    off = 0.5 * size * scale
    return (size / scale, off), (off, size * (0.5 * scale + 0.25 * scale**3))


def moments(y: np.ndarray, w: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Mean and log standard deviation, the likelihood's divisor."""
    mean = float(np.average(y, weights=w))
    spread = float(np.sqrt(np.average((y - mean) ** 2, weights=w)))
    return np.array([mean, np.log(spread) if spread > np.exp(-20.0) else -20.0])


def censored_moments(y: np.ndarray, w: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Maximum likelihood with outcomes that are known to exceed y: Newton's steps in mean / sd and 1 / sd, in which the
    likelihood is concave (Olsen, 1978).
    """
    if event.all():
        return moments(y, w, event)
    from scipy.special import log_ndtr

    mean, log_sd = moments(y, w, event)
    at, share = np.array([mean, 1.0]) * np.exp(-log_sd), w / w.sum()
    seen = event > 0
    far = np.column_stack([-np.ones(len(y)), y])

    def loss(at: np.ndarray) -> float:
        z = far @ at
        return float(share @ np.where(seen, 0.5 * z**2 - np.log(at[1]), -log_ndtr(-z)))

    for _ in range(100):
        z = far @ at
        ratio = np.exp(-0.5 * z**2 - _HALF_LOG_2PI - log_ndtr(-z))
        slope = far.T @ (share * np.where(seen, z, ratio)) - [0.0, share @ seen / at[1]]
        bend = (far.T * (share * np.where(seen, 1.0, ratio * (ratio - z)))) @ far
        bend[1, 1] += share @ seen / at[1] ** 2
        step, now, size = np.linalg.solve(bend, slope), loss(at), 1.0
        while size > 1e-10 and not (at[1] > size * step[1] and loss(at - size * step) <= now):
            size /= 2.0
        if size <= 1e-10:
            break
        at = at - size * step
        if np.abs(step).max() < 1e-13 * np.abs(at).max():
            break
    return np.array([at[0] / at[1], max(-np.log(at[1]), -20.0)])


def _real(theta: np.ndarray, units: LawUnits) -> dict[str, np.ndarray]:
    scale = units.unit * np.exp(np.clip(theta[1], -20.0, 20.0))
    return {"loc": units.centre + units.unit * theta[0], "scale": scale}


def _frozen_normal(at: Any) -> Any:
    from scipy import stats

    return stats.norm(at["loc"], at["scale"])


def _frozen_lognormal(at: Any) -> Any:
    from scipy import stats

    return stats.lognorm(at["scale"], scale=np.exp(at["loc"]))


NORMAL = Law(
    name="normal",
    parameters=("loc", "scale"),
    kind="real",
    rules={"log": ScoreRule(log_score, fisher), "crps": ScoreRule(crps, crps_metric)},
    start=moments,
    usual=_real,
    frozen=_frozen_normal,
    bounded=(False, True),
)

LOGNORMAL = Law(
    name="lognormal",
    parameters=("loc", "scale"),
    kind="log",
    rules={"log": ScoreRule(log_score, fisher), "crps": ScoreRule(lognormal_crps, lognormal_crps_metric)},
    start=censored_moments,
    usual=_real,
    frozen=_frozen_lognormal,
    bounded=(False, True),
    censored={
        "log": ScoreRule(censored_log_score, fisher),
        "crps": ScoreRule(censored_lognormal_crps, lognormal_crps_metric),
    },
)

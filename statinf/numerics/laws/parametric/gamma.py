"""Positive outcomes: the gamma law, in the logarithms of its mean and of its shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.numerics.laws.parametric.incomplete import log_gamma_rest, log_shape_density, lower_gamma
from statinf.numerics.laws.parametric.law import STEEPEST, Law, LawUnits, ScoreRule

_CROSS = (
    0.195625055612095,
    -0.143806500934744,
    0.0379283943862142,
    -0.00746211693891255,
    0.00122236860542771,
    -0.000205552091352625,
    3.69573244742413e-05,
    -6.14893409411766e-06,
    1.04007679442957e-06,
    -1.89543701969783e-07,
    3.0191857426442e-08,
    -5.31178876032784e-09,
    9.98430188825178e-10,
    -1.33529642774353e-10,
    3.09544117523853e-11,
    -4.8826659098227e-12,
    4.07660739291951e-13,
    -2.98537998510841e-13,
    -2.24781158002472e-14,
    -2.27605567564119e-14,
)
_SHAPE = (
    0.405809470464858,
    -0.391566698334098,
    0.145203005272668,
    -0.0433491612658719,
    0.0109392176339868,
    -0.00247193485135849,
    0.000525983973935955,
    -0.000107842440760579,
    2.14823850978724e-05,
    -4.20360272322809e-06,
    8.10159500203201e-07,
    -1.53882278788889e-07,
    2.906903540704e-08,
    -5.42950681337678e-09,
    1.00570800798332e-09,
    -1.86936196158892e-10,
    3.40160502753441e-11,
    -6.25695006855519e-12,
    1.15105359628786e-12,
    -1.99583240402121e-13,
)
"""Chebyshev coefficients in (a - 1) / (a + 1), on [-1, 1], of (1 + a) times the metric's entries of mean and shape and of
shape, divided by that of the mean: integrals without a closed form, analytic in a at both ends.
"""


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


def gamma_crps(theta: Any, y: Any, event: Any) -> Any:
    """The CRPS of the gamma law (Scheuerer and Moeller, 2015)."""
    import jax.numpy as jnp

    mean, a = jnp.exp(theta[0]), jnp.exp(theta[1])
    b = 1.0 + a
    log_ratio = jnp.log(y) - theta[0] + theta[1] - jnp.log1p(a)
    below, density = lower_gamma(b, log_ratio), jnp.exp(log_shape_density(b, log_ratio))
    return (y - mean) * (2.0 * below - 1.0) + mean * (2.0 * density / a - _spread(a))


def _spread(a: Any) -> Any:
    """Half the mean distance of two outcomes of mean one."""
    import jax.numpy as jnp

    log_ratio = a * jnp.log1p(-0.5 / (a + 1.0)) + 0.5 + log_gamma_rest(a + 0.5) - log_gamma_rest(a + 1.0)
    return jnp.exp(log_ratio) / jnp.sqrt(np.pi * (a + 1.0))


def gamma_crps_metric(theta: Any) -> Any:
    """Twice the integral of dF dF' of the gamma law."""
    import jax.numpy as jnp

    a = jnp.exp(theta[1])
    size = jnp.exp(theta[0]) * a * _spread(a)
    angle = jnp.arccos(1.0 - 2.0 / (1.0 + a))
    series = jnp.array([_CROSS, _SHAPE]) @ jnp.cos(jnp.arange(len(_CROSS))[:, None] * angle)
    cross, shape = size / (1.0 + a) * series
    return (size, cross), (cross, shape)


def _gamma_start(y: np.ndarray, w: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Maximum likelihood: the shape solves log a - psi(a) = log of the mean less the mean of logs."""
    from scipy.optimize import brentq
    from scipy.special import digamma

    mean = float(np.average(y, weights=w))
    gap = np.log(mean) - float(np.average(np.log(y), weights=w))

    def slope(log_shape: float) -> float:
        return float(log_shape - digamma(np.exp(log_shape)) - gap)

    log_shape = STEEPEST if slope(STEEPEST) > 0.0 else brentq(slope, -STEEPEST, STEEPEST, xtol=1e-14)
    return np.array([np.log(mean), log_shape])


def _gamma_usual(theta: np.ndarray, units: LawUnits) -> dict[str, np.ndarray]:
    mean, shape = np.exp(np.clip(theta, -20.0, 20.0))
    return {"mean": units.unit * mean, "shape": shape}


def _frozen_gamma(at: Any) -> Any:
    from scipy import stats

    return stats.gamma(at["shape"], scale=at["mean"] / at["shape"])


GAMMA = Law(
    name="gamma",
    parameters=("mean", "shape"),
    kind="positive",
    rules={"log": ScoreRule(gamma_log_score, gamma_fisher), "crps": ScoreRule(gamma_crps, gamma_crps_metric)},
    start=_gamma_start,
    usual=_gamma_usual,
    frozen=_frozen_gamma,
    bounded=(True, True),
)

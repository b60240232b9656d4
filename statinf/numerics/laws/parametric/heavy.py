"""Real outcomes with heavier tails: Student's t with fixed degrees of freedom, and the Laplace law.

Parameters are the location and the logarithm of the scale.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np
from scipy.special import betaln, gammaln

from statinf.numerics.laws.parametric.law import Law, ScoreRule
from statinf.numerics.laws.parametric.normal import _real
from statinf.numerics.order.quantiles import weighted_quantile

DEFAULT_DF = 3.0
_MOST = 2000


def log_constant(df: float) -> float:
    """Logarithm of the density at the centre."""
    return float(gammaln(0.5 * (df + 1.0)) - gammaln(0.5 * df) - 0.5 * np.log(np.pi * df))


def t_log_score(theta: Any, y: Any, event: Any, *, df: float) -> Any:
    """Minus the log density of Student's t."""
    import jax.numpy as jnp

    z = (y - theta[0]) * jnp.exp(-theta[1])
    return theta[1] - log_constant(df) + 0.5 * (df + 1.0) * jnp.log1p(z**2 / df)


def t_fisher(theta: Any, *, df: float) -> Any:
    """Information of one outcome of Student's t."""
    import jax.numpy as jnp

    return ((df + 1.0) / (df + 3.0) * jnp.exp(-2.0 * theta[1]), 0.0), (0.0, 2.0 * df / (df + 3.0))


def t_crps(theta: Any, y: Any, event: Any, *, df: float) -> Any:
    """The CRPS of Student's t; degrees of freedom above one."""
    import jax.numpy as jnp

    scale = jnp.exp(theta[1])
    z = (y - theta[0]) / scale
    density = jnp.exp(log_constant(df) - 0.5 * (df + 1.0) * jnp.log1p(z**2 / df))
    spread = 2.0 * np.sqrt(df) * np.exp(betaln(0.5, df - 0.5) - 2.0 * betaln(0.5, 0.5 * df))
    return scale * (z * _central(z, df) + (2.0 * density * (df + z**2) - spread) / (df - 1.0))


def _central(z: Any, df: float) -> Any:
    """2 F(z) - 1 of Student's t; its slope is written down, that of the series being infinite at zero."""
    import jax
    import jax.numpy as jnp

    @jax.custom_jvp
    def central(z: Any) -> Any:
        return jnp.sign(z) * _inside(z**2, df)

    @central.defjvp
    def slope(primals: Any, tangents: Any) -> Any:
        (z,) = primals
        density = jnp.exp(log_constant(df) - 0.5 * (df + 1.0) * jnp.log1p(z**2 / df))
        return central(z), 2.0 * density * tangents[0]

    return central(z)


def _inside(square: Any, df: float) -> Any:
    """Probability that t squared is below `square`: the incomplete beta function by its power series, from the nearer end.

    JAX's own function compiles for seconds.
    """
    import jax
    import jax.numpy as jnp

    below, above = square / (df + square), df / (df + square)
    near = below <= 1.5 / (2.5 + 0.5 * df)
    x, other = jnp.where(near, below, above), jnp.where(near, above, below)
    a, b = jnp.where(near, 0.5, 0.5 * df), jnp.where(near, 0.5 * df, 0.5)

    def add(state: Any) -> Any:
        count, term, total = state
        term = term * x * (a + b + count) / (a + 1.0 + count)
        return count + 1.0, term, total + term

    def more(state: Any) -> Any:
        count, term, total = state
        return (term > 1e-17 * total).any() & (count < _MOST)

    total = jax.lax.while_loop(more, add, (0.0, jnp.ones_like(x), jnp.ones_like(x)))[2]
    found = jnp.exp(a * jnp.log(x) + b * jnp.log(other) - jnp.log(a) - betaln(0.5, 0.5 * df)) * total
    return jnp.where(near, found, 1.0 - found)


def t_crps_metric(theta: Any, *, df: float) -> Any:
    """Twice the integral of dF dF' of Student's t."""
    import jax.numpy as jnp

    scale, constant = jnp.exp(theta[1]), 2.0 * log_constant(df)
    of_location = np.exp(constant + 0.5 * np.log(df) + betaln(0.5, df + 0.5))
    of_scale = np.exp(constant + 1.5 * np.log(df) + betaln(1.5, df - 0.5))
    return (2.0 * of_location / scale, 0.0), (0.0, 2.0 * of_scale * scale)


def _t_start(y: np.ndarray, w: np.ndarray, event: np.ndarray, *, df: float) -> np.ndarray:
    """Maximum likelihood by reweighting, the EM algorithm with its scale step stretched (Kent, Tyler and Vardi, 1994)."""
    share = w / w.sum()
    middle = float(weighted_quantile(y, 0.5, w))
    variance = float(share @ (y - middle) ** 2) / 3.0
    for _ in range(_MOST):
        if not variance > np.exp(-40.0):
            return np.array([middle, -20.0])
        pull = share * (df + 1.0) / (df + (y - middle) ** 2 / variance)
        centre, new = float(pull @ y / pull.sum()), float(pull @ (y - middle) ** 2 / pull.sum())
        moved = abs(centre - middle) + abs(np.log(new / variance)) * np.sqrt(variance) if new > 0 else 0.0
        middle, variance = centre, new
        if moved < 1e-13 * np.sqrt(variance):
            break
    return np.array([middle, max(0.5 * np.log(variance), -20.0) if variance > 0 else -20.0])


def _frozen_t(at: Any, *, df: float) -> Any:
    from scipy import stats

    return stats.t(df, at["loc"], at["scale"])


def laplace_log_score(theta: Any, y: Any, event: Any) -> Any:
    """Minus the log density of the Laplace law."""
    import jax.numpy as jnp

    return jnp.log(2.0) + theta[1] + jnp.abs(y - theta[0]) * jnp.exp(-theta[1])


def laplace_fisher(theta: Any) -> Any:
    """Information of one outcome of the Laplace law."""
    import jax.numpy as jnp

    return (jnp.exp(-2.0 * theta[1]), 0.0), (0.0, 1.0)


def laplace_crps(theta: Any, y: Any, event: Any) -> Any:
    """The CRPS of the Laplace law."""
    import jax.numpy as jnp

    scale, gap = jnp.exp(theta[1]), jnp.abs(y - theta[0])
    return gap + scale * (jnp.exp(-gap / scale) - 0.75)


def laplace_crps_metric(theta: Any) -> Any:
    """Twice the integral of dF dF' of the Laplace law."""
    import jax.numpy as jnp

    scale = jnp.exp(theta[1])
    return (0.5 / scale, 0.0), (0.0, 0.25 * scale)


def _laplace_start(y: np.ndarray, w: np.ndarray, event: np.ndarray) -> np.ndarray:
    middle = float(weighted_quantile(y, 0.5, w))
    size = float(np.average(np.abs(y - middle), weights=w))
    return np.array([middle, np.log(size) if size > np.exp(-20.0) else -20.0])


def _frozen_laplace(at: Any) -> Any:
    from scipy import stats

    return stats.laplace(at["loc"], at["scale"])


@cache
def student(df: float = DEFAULT_DF) -> Law:
    """Student's t with these degrees of freedom; one object for each number, which programs are compiled for."""
    return Law(
        name="student",
        parameters=("loc", "scale"),
        kind="real",
        rules={
            "log": ScoreRule(partial(t_log_score, df=df), partial(t_fisher, df=df)),
            "crps": ScoreRule(partial(t_crps, df=df), partial(t_crps_metric, df=df)),
        },
        start=partial(_t_start, df=df),
        usual=_real,
        frozen=partial(_frozen_t, df=df),
        bounded=(False, True),
    )


LAPLACE = Law(
    name="laplace",
    parameters=("loc", "scale"),
    kind="real",
    rules={"log": ScoreRule(laplace_log_score, laplace_fisher), "crps": ScoreRule(laplace_crps, laplace_crps_metric)},
    start=_laplace_start,
    usual=_real,
    frozen=_frozen_laplace,
    bounded=(False, True),
)

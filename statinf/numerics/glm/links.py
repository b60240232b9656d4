"""Links of generalised linear models: pure functions that run on NumPy and JAX arrays alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

TINY = np.finfo(np.float64).tiny
EPS = np.finfo(np.float64).eps


def namespace(array: Any) -> tuple[Any, Any]:
    """The array functions and special functions for an array: NumPy and SciPy, or JAX."""
    if isinstance(array, np.ndarray | float | int | np.floating):
        import scipy.special

        return np, scipy.special
    import jax.numpy
    import jax.scipy.special

    return jax.numpy, jax.scipy.special


def sigmoid(eta: np.ndarray) -> np.ndarray:
    """``1 / (1 + exp(-eta))`` of a NumPy array; exp is vectorised there, expit is not."""
    out = np.negative(eta)
    with np.errstate(over="ignore"):
        np.exp(out, out=out)
    out += 1.0
    return np.divide(1.0, out, out=out)


@dataclass(frozen=True)
class Link:
    """A link: its inverse and the derivative of the inverse, both functions of the linear predictor."""

    name: str
    link: Callable[[Any], Any]
    inverse: Callable[[Any], Any]
    slope: Callable[[Any], Any]


def _expit(eta: Any) -> Any:
    return namespace(eta)[1].expit(eta)


def _logit_slope(eta: Any) -> Any:
    xp, special = namespace(eta)
    return xp.maximum(special.expit(eta) * special.expit(-eta), TINY)


def _normal_density(eta: Any) -> Any:
    xp, _ = namespace(eta)
    return xp.maximum(xp.exp(-0.5 * eta * eta) * 0.3989422804014327, EPS)


def _cloglog_inverse(eta: Any) -> Any:
    xp, _ = namespace(eta)
    return xp.clip(-xp.expm1(-xp.exp(xp.minimum(eta, 700.0))), EPS, 1.0 - EPS)


def _cloglog_slope(eta: Any) -> Any:
    xp, _ = namespace(eta)
    capped = xp.minimum(eta, 700.0)
    return xp.maximum(xp.exp(capped - xp.exp(capped)), EPS)


def _clip_unit(value: Any) -> Any:
    return namespace(value)[0].clip(value, EPS, 1.0 - EPS)


def _exp(eta: Any) -> Any:
    xp, _ = namespace(eta)
    return xp.maximum(xp.exp(xp.minimum(eta, 700.0)), EPS)


LINKS = {
    "identity": Link("identity", lambda m: m, lambda e: e, lambda e: namespace(e)[0].ones_like(e)),
    "log": Link("log", lambda m: namespace(m)[0].log(m), _exp, _exp),
    "logit": Link("logit", lambda m: namespace(m)[1].logit(m), lambda e: _clip_unit(_expit(e)), _logit_slope),
    "probit": Link(
        "probit", lambda m: namespace(m)[1].ndtri(m), lambda e: _clip_unit(namespace(e)[1].ndtr(e)), _normal_density
    ),
    "cloglog": Link(
        "cloglog", lambda m: namespace(m)[0].log(-namespace(m)[0].log1p(-m)), _cloglog_inverse, _cloglog_slope
    ),
    "inverse": Link("inverse", lambda m: 1.0 / m, lambda e: 1.0 / e, lambda e: -1.0 / (e * e)),
    "inverse_squared": Link("inverse_squared", lambda m: m**-2.0, lambda e: e**-0.5, lambda e: -0.5 * e**-1.5),
    "sqrt": Link("sqrt", lambda m: namespace(m)[0].sqrt(m), lambda e: e * e, lambda e: 2.0 * e),
}

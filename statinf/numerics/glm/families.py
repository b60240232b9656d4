"""Exponential families and links: pure functions that run on NumPy and JAX arrays alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import OptionError

_TINY = np.finfo(np.float64).tiny
_EPS = np.finfo(np.float64).eps


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
    return xp.maximum(special.expit(eta) * special.expit(-eta), _TINY)


def _normal_density(eta: Any) -> Any:
    xp, _ = namespace(eta)
    return xp.maximum(xp.exp(-0.5 * eta * eta) * 0.3989422804014327, _EPS)


def _cloglog_inverse(eta: Any) -> Any:
    xp, _ = namespace(eta)
    return xp.clip(-xp.expm1(-xp.exp(xp.minimum(eta, 700.0))), _EPS, 1.0 - _EPS)


def _cloglog_slope(eta: Any) -> Any:
    xp, _ = namespace(eta)
    capped = xp.minimum(eta, 700.0)
    return xp.maximum(xp.exp(capped - xp.exp(capped)), _EPS)


def _clip_unit(value: Any) -> Any:
    return namespace(value)[0].clip(value, _EPS, 1.0 - _EPS)


def _exp(eta: Any) -> Any:
    xp, _ = namespace(eta)
    return xp.maximum(xp.exp(xp.minimum(eta, 700.0)), _EPS)


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
    "sqrt": Link("sqrt", lambda m: namespace(m)[0].sqrt(m), lambda e: e * e, lambda e: 2.0 * e),
}


@dataclass(frozen=True)
class Family:
    """A family with its link.

    Attributes
    ----------
    name : str
    link : Link
    known_dispersion : bool
        Whether the dispersion is 1 by definition (binomial, poisson).
    """

    name: str
    link: Link

    @property
    def known_dispersion(self) -> bool:
        return self.name in ("binomial", "poisson")

    @property
    def canonical(self) -> bool:
        pairs = {"gaussian": "identity", "binomial": "logit", "poisson": "log", "gamma": "inverse"}
        return pairs[self.name] == self.link.name

    def variance(self, mean: Any) -> Any:
        """Variance function V(mu)."""
        if self.name == "gaussian":
            return namespace(mean)[0].ones_like(mean)
        if self.name == "binomial":
            return mean * (1.0 - mean)
        return mean if self.name == "poisson" else mean * mean

    def unit_deviance(self, y: Any, mean: Any) -> Any:
        """Twice the log-likelihood lost against the saturated model, for one unit of weight."""
        xp, special = namespace(mean)
        if self.name == "gaussian":
            return (y - mean) ** 2
        if self.name == "binomial":
            return 2.0 * (
                special.xlogy(y, y)
                - special.xlogy(y, mean)
                + special.xlogy(1 - y, 1 - y)
                - special.xlogy(1 - y, 1 - mean)
            )
        if self.name == "poisson":
            return 2.0 * (special.xlogy(y, y) - special.xlogy(y, mean) - (y - mean))
        return 2.0 * ((y - mean) / mean - xp.log(xp.maximum(y, _TINY) / mean))

    def start(self, y: Any, weights: Any) -> Any:
        """Means to start from, inside the family's range."""
        if self.name == "binomial":
            return (weights * y + 0.5) / (weights + 1.0)
        if self.name == "poisson":
            return y + 0.1
        return y

    def saturated(self, y: Any) -> Any:
        """The part of the unit deviance that `terms` leaves out because it does not depend on the fit."""
        if self.name == "binomial" and self.canonical and not is_binary(y):
            special = namespace(y)[1]
            return 2.0 * (special.xlogy(y, y) + special.xlogy(1 - y, 1 - y))
        return 0.0 * y

    def terms(self, eta: Any, y: Any) -> tuple[Any, Any, Any]:
        """Per row: score in eta, Fisher weight, and unit deviance less `saturated`, at weight and dispersion 1."""
        if self.name == "binomial" and self.canonical:
            # One exponential and one logarithm per row: this is the inner loop of logistic regression.
            xp, _ = namespace(eta)
            tail = xp.exp(-xp.abs(eta))
            whole = 1.0 + tail
            mean = xp.where(eta >= 0, 1.0, tail) / whole
            fisher = xp.maximum(tail, _TINY) / (whole * whole)
            return y - mean, fisher, 2.0 * (xp.maximum(eta, 0.0) + xp.log(whole) - y * eta)
        mean = self.link.inverse(eta)
        slope = self.link.slope(eta)
        variance = self.variance(mean)
        if self.canonical:
            sign = -1.0 if self.link.name == "inverse" else 1.0
            return (
                sign * (y - mean),
                variance if self.name != "gaussian" else namespace(eta)[0].ones_like(eta),
                self.unit_deviance(y, mean),
            )
        return (y - mean) * slope / variance, slope * slope / variance, self.unit_deviance(y, mean)


_LINKS_OF = {
    "gaussian": ("identity", "log", "inverse"),
    "binomial": ("logit", "probit", "cloglog"),
    "poisson": ("log", "identity", "sqrt"),
    "gamma": ("log", "inverse", "identity"),
}
FAMILIES = tuple(_LINKS_OF)
_DEFAULT_LINK = {"gaussian": "identity", "binomial": "logit", "poisson": "log", "gamma": "log"}


def family_of(name: str, link: str | None = None) -> Family:
    """The family of that name under a link; each family's usual link by default.

    Raises
    ------
    OptionError
        If the family or its link is not known.
    """
    key = str(name).lower()
    if key not in _LINKS_OF:
        raise OptionError(f"family={name!r} is not known; choose one of {', '.join(map(repr, _LINKS_OF))}.")
    chosen = _DEFAULT_LINK[key] if link is None else str(link).lower()
    if chosen not in _LINKS_OF[key]:
        raise OptionError(
            f"link={link!r} is not available for {key}; choose one of {', '.join(map(repr, _LINKS_OF[key]))}."
        )
    return Family(key, LINKS[chosen])


def is_binary(y: Any) -> bool:
    """Whether outcomes are zeros and ones, of which a saturated model is certain; a traced array is not looked at."""
    return isinstance(y, np.ndarray) and bool(((y == 0.0) | (y == 1.0)).all())


def log_likelihood(family: Family, y: np.ndarray, mean: np.ndarray, weights: np.ndarray, dispersion: float) -> float:
    """Log-likelihood as R's `logLik` counts it: gaussian and gamma at the estimated dispersion.

    Parameters
    ----------
    family : Family
    y, mean, weights : ndarray, shape (n,)
        Binomial weights are numbers of trials, y shares of successes.
    dispersion : float
        For gaussian deviance / n, for gamma deviance / sum of weights.

    Returns
    -------
    float
        Infinite where a gaussian family fits every row exactly.
    """
    from scipy.special import gammaln, xlogy

    positive = weights > 0
    y, mean, weights = y[positive], mean[positive], weights[positive]
    if family.name == "gaussian":
        n = len(y)
        deviance = float(np.sum(weights * (y - mean) ** 2))
        if deviance == 0.0:
            return np.inf
        return 0.5 * float(np.sum(np.log(weights))) - 0.5 * n * (np.log(2 * np.pi * deviance / n) + 1.0)
    if family.name == "binomial":
        if is_binary(y):
            with np.errstate(divide="ignore"):
                return float(weights @ np.log(np.where(y == 1.0, mean, 1.0 - mean)))
        successes = weights * y
        choose = gammaln(weights + 1) - gammaln(successes + 1) - gammaln(weights - successes + 1)
        return float(np.sum(choose + xlogy(successes, mean) + xlogy(weights - successes, 1 - mean)))
    if family.name == "poisson":
        return float(np.sum(weights * (xlogy(y, mean) - mean - gammaln(y + 1))))
    shape = 1.0 / dispersion
    scaled = y * shape / mean
    return float(np.sum(weights * (shape * np.log(scaled) - scaled - np.log(y) - gammaln(shape))))

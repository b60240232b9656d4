"""The laws of outcomes that generalised linear models are made of, one record each.

A law knows its variance, deviance and density; nothing outside of its record asks for its name.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from statinf.numerics.glm.links import TINY, namespace
from statinf.numerics.glm.outcome_law import Domain, OutcomeLaw, Whole, is_binary
from statinf.numerics.glm.rising import log_rising

# --- gaussian ---------------------------------------------------------------------------------------------------------


def _gaussian_density(y: np.ndarray, mean: np.ndarray, weights: np.ndarray, dispersion: float) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return 0.5 * (np.log(weights / (2.0 * np.pi * dispersion)) - weights * (y - mean) ** 2 / dispersion)


GAUSSIAN = OutcomeLaw(
    "gaussian",
    ("identity", "log", "inverse"),
    variance=lambda mean: namespace(mean)[0].ones_like(mean),
    unit_deviance=lambda y, mean: (y - mean) ** 2,
    start=lambda y, weights: y,
    domain=Domain("any number"),
    domains={"log": Domain("above 0 for the log link", 0.0, open_low=True)},
    canonical=("identity", 1.0),
    density=_gaussian_density,
)

# --- binomial ---------------------------------------------------------------------------------------------------------


def _binomial_deviance(y: Any, mean: Any) -> Any:
    special = namespace(mean)[1]
    return 2.0 * (
        special.xlogy(y, y) - special.xlogy(y, mean) + special.xlogy(1 - y, 1 - y) - special.xlogy(1 - y, 1 - mean)
    )


def _logistic(eta: Any, y: Any) -> tuple[Any, Any, Any]:
    # This is the inner loop of logistic regression: in place it takes a third of the time.
    if isinstance(eta, np.ndarray) and eta.ndim:
        return _logistic_in_place(eta, y)
    xp, _ = namespace(eta)
    tail = xp.exp(-xp.abs(eta))
    whole = 1.0 + tail
    mean = xp.where(eta >= 0, 1.0, tail) / whole
    fisher = xp.maximum(tail, TINY) / (whole * whole)
    return y - mean, fisher, 2.0 * (xp.maximum(eta, 0.0) + xp.log(whole) - y * eta)


def _logistic_in_place(eta: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    low = np.minimum(eta, 0.0)
    mean = np.exp(low)
    high = np.maximum(eta, 0.0, out=low)
    tail = np.abs(eta)
    np.exp(np.negative(tail, out=tail), out=tail)
    whole = 1.0 + tail
    mean /= whole
    score = np.subtract(y, mean, out=mean)
    np.maximum(tail, TINY, out=tail)
    tail /= whole
    tail /= whole
    np.log(whole, out=whole)
    whole += high
    whole -= y * eta
    whole *= 2.0
    return score, tail, whole


def _binomial_saturated(y: Any) -> Any:
    if is_binary(y):
        return 0.0 * y
    special = namespace(y)[1]
    return 2.0 * (special.xlogy(y, y) + special.xlogy(1 - y, 1 - y))


def _binomial_density(y: np.ndarray, mean: np.ndarray, weights: np.ndarray, dispersion: float) -> np.ndarray:
    from scipy.special import gammaln, xlogy

    if is_binary(y):
        with np.errstate(divide="ignore"):
            return weights * np.log(np.where(y == 1.0, mean, 1.0 - mean))
    successes = weights * y
    choose = gammaln(weights + 1) - gammaln(successes + 1) - gammaln(weights - successes + 1)
    return choose + xlogy(successes, mean) + xlogy(weights - successes, 1 - mean)


BINOMIAL = OutcomeLaw(
    "binomial",
    ("logit", "probit", "cloglog"),
    variance=lambda mean: mean * (1.0 - mean),
    unit_deviance=_binomial_deviance,
    start=lambda y, weights: (weights * y + 0.5) / (weights + 1.0),
    domain=Domain("between 0 and 1 (shares of successes, with trials as weights)", 0.0, 1.0),
    canonical=("logit", 1.0),
    known_dispersion=True,
    density=_binomial_density,
    whole=Whole("numbers of successes", "give the numbers of trials as weights="),
    upper=1.0,
    separable=("logit", "probit", "cloglog"),
    fused={"logit": _logistic},
    saturated=_binomial_saturated,
    certain=is_binary,
    jeffreys={"logit": lambda mean: 0.5 - mean},
)

# --- counts -----------------------------------------------------------------------------------------------------------


def _poisson_deviance(y: Any, mean: Any) -> Any:
    special = namespace(mean)[1]
    return 2.0 * (special.xlogy(y, y) - special.xlogy(y, mean) - (y - mean))


def _poisson_density(y: np.ndarray, mean: np.ndarray, weights: np.ndarray, dispersion: float) -> np.ndarray:
    from scipy.special import gammaln, xlogy

    return weights * (xlogy(y, mean) - mean - gammaln(y + 1))


POISSON = OutcomeLaw(
    "poisson",
    ("log", "identity", "sqrt"),
    variance=lambda mean: mean,
    unit_deviance=_poisson_deviance,
    start=lambda y, weights: y + 0.1,
    domain=Domain("at least 0", 0.0),
    canonical=("log", 1.0),
    known_dispersion=True,
    density=_poisson_density,
    whole=Whole("counts", "for rates give the counts and offset(log(exposure))"),
    separable=("log",),
    positive_mean=True,
    jeffreys={"log": lambda mean: 0.5 + 0.0 * mean},
)


_LAWLESS = "Lawless (1987)"


@lru_cache(maxsize=256)
def negative_binomial(alpha: float) -> OutcomeLaw:
    """Counts of variance mu + alpha mu^2; at alpha = 0 the law is Poisson's."""
    if alpha == 0.0:
        return replace(POISSON, name="negative_binomial", overdispersed=True, paper=_LAWLESS, jeffreys={})

    def deviance(y: Any, mean: Any) -> Any:
        xp, special = namespace(mean)
        ratio = xp.log1p(alpha * (y - mean) / (1.0 + alpha * mean))
        return 2.0 * (special.xlogy(y, y) - special.xlogy(y, mean) - (y + 1.0 / alpha) * ratio)

    def density(y: np.ndarray, mean: np.ndarray, weights: np.ndarray, dispersion: float) -> np.ndarray:
        from scipy.special import gammaln, xlogy

        least = log_rising(y, 1.0 / alpha) - gammaln(y + 1)
        return weights * (least + xlogy(y, mean) - (y + 1.0 / alpha) * np.log1p(alpha * mean))

    return replace(
        POISSON,
        name="negative_binomial",
        overdispersed=True,
        paper=_LAWLESS,
        variance=lambda mean: mean * (1.0 + alpha * mean),
        unit_deviance=deviance,
        canonical=("", 1.0),
        density=density,
        jeffreys={},
    )


# --- quasi-likelihoods ------------------------------------------------------------------------------------------------

_QUASI = {"known_dispersion": False, "density": None, "whole": None, "jeffreys": {}, "paper": "Wedderburn (1974)"}
QUASIBINOMIAL = replace(BINOMIAL, name="quasibinomial", **_QUASI)
QUASIPOISSON = replace(POISSON, name="quasipoisson", **_QUASI)

# --- positive numbers -------------------------------------------------------------------------------------------------


def _gamma_deviance(y: Any, mean: Any) -> Any:
    xp, _ = namespace(mean)
    return 2.0 * ((y - mean) / mean - xp.log(xp.maximum(y, TINY) / mean))


def _gamma_density(y: np.ndarray, mean: np.ndarray, weights: np.ndarray, dispersion: float) -> np.ndarray:
    from scipy.special import gammaln

    shape = 1.0 / dispersion
    scaled = y * shape / mean
    return weights * (shape * np.log(scaled) - scaled - np.log(y) - gammaln(shape))


GAMMA = OutcomeLaw(
    "gamma",
    ("log", "inverse", "identity"),
    variance=lambda mean: mean * mean,
    unit_deviance=_gamma_deviance,
    start=lambda y, weights: y,
    domain=Domain("above 0", 0.0, open_low=True),
    canonical=("inverse", -1.0),
    density=_gamma_density,
    total_weight=True,
    positive_mean=True,
)


def _inverse_gaussian_density(y: np.ndarray, mean: np.ndarray, weights: np.ndarray, dispersion: float) -> np.ndarray:
    unit = (y - mean) ** 2 / (y * mean * mean)
    return -0.5 * weights * (np.log(2.0 * np.pi * dispersion) + 3.0 * np.log(y) + unit / dispersion)


INVERSE_GAUSSIAN = OutcomeLaw(
    "inverse_gaussian",
    ("log", "inverse_squared", "inverse", "identity"),
    variance=lambda mean: mean**3,
    unit_deviance=lambda y, mean: (y - mean) ** 2 / (y * mean * mean),
    start=lambda y, weights: y,
    domain=Domain("above 0", 0.0, open_low=True),
    canonical=("inverse_squared", -0.5),
    density=_inverse_gaussian_density,
    total_weight=True,
    positive_mean=True,
)

"""The laws of outcomes that generalised linear models are made of, one record each.

A law knows its variance, deviance and density; nothing outside of its record asks for its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

from statinf.numerics.glm.links import TINY, namespace
from statinf.numerics.glm.rising import log_rising


@dataclass(frozen=True)
class Domain:
    """The outcomes that a law takes: from `low` (left out if `open_low`) to `high`, and this in words."""

    words: str
    low: float = -np.inf
    high: float = np.inf
    open_low: bool = False

    def outside(self, y: np.ndarray) -> np.ndarray:
        """Which outcomes (n,) lie outside."""
        return ((y <= self.low) if self.open_low else (y < self.low)) | (y > self.high)


@dataclass(frozen=True)
class Whole:
    """What of an outcome is counted in whole numbers, in words, with advice where it is not."""

    words: str
    advice: str


@dataclass(frozen=True, eq=False, repr=False)
class OutcomeLaw:
    """A law of outcomes with a mean.

    Attributes
    ----------
    name : str
    links : tuple of str
        The links it goes with, the usual one first.
    variance : callable
        V(mu).
    unit_deviance : callable
        From outcomes and means to twice the log-likelihood lost against the saturated model, per unit of weight.
    start : callable
        From outcomes and weights to means to start from, inside the law's range.
    domain : Domain
    canonical : tuple of str and float
        The link under which the score in the linear predictor is a multiple of outcome less mean, and the multiple.
    known_dispersion : bool
        Whether the dispersion is 1 by definition.
    density : callable or None
        From outcomes, means, weights and dispersion to log densities, as R's `logLik` counts them; None for quasi-likelihoods.
    total_weight : bool
        Whether the likelihood's dispersion is the deviance over the sum of weights, instead of over the rows.
    whole : Whole or None
    upper : float
        The outcome at the upper end of the range of means; NaN if they have none.
    separable : tuple of str
        Links under which outcomes at an end of the range can push coefficients to infinity.
    positive_mean : bool
        Whether means are above zero.
    overdispersed : bool
        Whether the law has an overdispersion that is estimated beside the mean.
    domains : mapping of str to Domain
        Of links under which the outcomes taken are others.
    fused : mapping of str to callable
        By link: score, Fisher weight and deviance at once, where that saves work; `saturated` is what its deviance leaves out.
    saturated : callable
        From outcomes to the part of the unit deviance that `fused` leaves out.
    paper : str
        Where its regression was proposed; empty for those of generalised linear models themselves.
    jeffreys : mapping of str to callable
        By canonical link: from means to half the logarithmic derivative of the Fisher weight, the score of Jeffreys' prior
        per unit of leverage.
    """

    name: str
    links: tuple[str, ...]
    variance: Callable[[Any], Any]
    unit_deviance: Callable[[Any, Any], Any]
    start: Callable[[Any, Any], Any]
    domain: Domain
    canonical: tuple[str, float] = ("", 1.0)
    known_dispersion: bool = False
    density: Callable[..., Any] | None = None
    total_weight: bool = False
    whole: Whole | None = None
    upper: float = np.nan
    separable: tuple[str, ...] = ()
    positive_mean: bool = False
    overdispersed: bool = False
    domains: Mapping[str, Domain] = field(default_factory=dict)
    fused: Mapping[str, Callable[[Any, Any], tuple[Any, Any, Any]]] = field(default_factory=dict)
    saturated: Callable[[Any], Any] = lambda y: 0.0 * y
    paper: str = ""
    jeffreys: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"OutcomeLaw({self.name!r})"

    @property
    def shares(self) -> bool:
        """Whether outcomes are shares of trials."""
        return self.upper == 1.0

    def bounded(self, y: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """Rows (n,) whose mean has run into the end of its range, on their outcome's side or any if there are two ends."""
        if np.isnan(self.upper):
            return (y == 0) & (mean < 1e-7)
        return np.minimum(mean, self.upper - mean) < 1e-7


def is_binary(y: Any) -> bool:
    """Whether outcomes are zeros and ones, of which a saturated model is certain; a traced array is not looked at."""
    return isinstance(y, np.ndarray) and bool(((y == 0.0) | (y == 1.0)).all())


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
    # One exponential and one logarithm per row: this is the inner loop of logistic regression.
    xp, _ = namespace(eta)
    tail = xp.exp(-xp.abs(eta))
    whole = 1.0 + tail
    mean = xp.where(eta >= 0, 1.0, tail) / whole
    fisher = xp.maximum(tail, TINY) / (whole * whole)
    return y - mean, fisher, 2.0 * (xp.maximum(eta, 0.0) + xp.log(whole) - y * eta)


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

"""What a law of outcomes with a mean is: the record that the families are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


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
    certain : callable or None
        From outcomes to whether a saturated model is certain of them, so that the log-likelihood is minus half the deviance.
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
    certain: Callable[[Any], bool] | None = None
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

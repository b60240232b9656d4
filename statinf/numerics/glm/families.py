"""Families: a law of outcomes under a link, with the quantities that scoring needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend import map_threads, row_blocks
from statinf.errors import OptionError, nearest
from statinf.numerics.glm import laws
from statinf.numerics.glm.links import LINKS, Link, namespace, sigmoid
from statinf.numerics.glm.outcome_law import Domain, OutcomeLaw, is_binary
from statinf.spellings import hint

__all__ = [
    "ALL_FAMILIES",
    "FAMILIES",
    "LINKS",
    "Family",
    "Link",
    "family_of",
    "is_binary",
    "log_likelihood",
    "namespace",
    "sigmoid",
]


@dataclass(frozen=True)
class Family:
    """A law of outcomes with its link.

    Attributes
    ----------
    law : OutcomeLaw
    link : Link
    """

    law: OutcomeLaw
    link: Link

    @property
    def name(self) -> str:
        return self.law.name

    @property
    def known_dispersion(self) -> bool:
        return self.law.known_dispersion

    @property
    def canonical(self) -> bool:
        return self.law.canonical[0] == self.link.name

    @property
    def quadratic(self) -> bool:
        """Whether the likelihood is one of least squares, whose information is the same everywhere."""
        return self.canonical and self.name == "gaussian"

    @property
    def domain(self) -> Domain:
        """The outcomes taken."""
        return self.law.domains.get(self.link.name, self.law.domain)

    @property
    def separable(self) -> bool:
        """Whether outcomes at an end of the range can push coefficients to infinity."""
        return self.link.name in self.law.separable

    @property
    def jeffreys(self) -> Callable[[Any], Any] | None:
        """From means to the score of Jeffreys' prior per unit of leverage; None where the link is not canonical."""
        return self.law.jeffreys.get(self.link.name)

    def variance(self, mean: Any) -> Any:
        """Variance function V(mu)."""
        return self.law.variance(mean)

    def unit_deviance(self, y: Any, mean: Any) -> Any:
        """Twice the log-likelihood lost against the saturated model, for one unit of weight."""
        return self.law.unit_deviance(y, mean)

    def start(self, y: Any, weights: Any) -> Any:
        """Means to start from, inside the family's range."""
        return self.law.start(y, weights)

    def saturated(self, y: Any) -> Any:
        """The part of the unit deviance that `terms` leaves out because it does not depend on the fit."""
        return self.law.saturated(y) if self.link.name in self.law.fused else 0.0 * y

    def terms(self, eta: Any, y: Any) -> tuple[Any, Any, Any]:
        """Per row: score in eta, Fisher weight, and unit deviance less `saturated`, at weight and dispersion 1."""
        fused = self.law.fused.get(self.link.name)
        if fused is not None:
            return fused(eta, y)
        mean = self.link.inverse(eta)
        variance = self.law.variance(mean)
        deviance = self.law.unit_deviance(y, mean)
        if self.canonical:
            multiple = self.law.canonical[1]
            return multiple * (y - mean), multiple**2 * variance, deviance
        slope = self.link.slope(eta)
        return (y - mean) * slope / variance, slope * slope / variance, deviance

    def observed(self, eta: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Observed information of each row in eta at weight and dispersion 1: less than the Fisher weight, or more, or negative."""
        with np.errstate(all="ignore"):
            step = _DIFFERENCE * np.fmin(np.abs(self.link.inverse(eta) / self.link.slope(eta)), 1.0 + np.abs(eta))
            return (self.terms(eta - step, y)[0] - self.terms(eta + step, y)[0]) / (2.0 * step)

    def scores(self, eta: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The first two of `terms` of many rows, made in blocks that stay in the cache."""
        if len(eta) < _MANY:
            return self.terms(eta, y)[:2]
        score, information = np.empty(len(eta)), np.empty(len(eta))

        def block(rows: slice) -> None:
            score[rows], information[rows], _ = self.terms(eta[rows], y[rows])

        map_threads(block, row_blocks(len(eta), _BESIDE))
        return score, information


_MANY = 1 << 18
_DIFFERENCE = 1e-5
"""Share of the mean, or of the linear predictor, by which the latter is moved for a derivative."""
_BESIDE = 16
"""Numbers that stand beside each row while its terms are made."""
_LAWS: dict[str, Callable[[float], OutcomeLaw]] = {
    law.name: (lambda _, law=law: law) for law in (laws.GAUSSIAN, laws.BINOMIAL, laws.POISSON, laws.GAMMA)
}
FAMILIES = tuple(_LAWS)
"""Those of exponential families whose only unknown is the mean, and a dispersion that leaves the mean's estimate alone."""
_LAWS |= {
    "negative_binomial": laws.negative_binomial,
    "quasibinomial": lambda _: laws.QUASIBINOMIAL,
    "quasipoisson": lambda _: laws.QUASIPOISSON,
    "inverse_gaussian": lambda _: laws.INVERSE_GAUSSIAN,
}
ALL_FAMILIES = tuple(_LAWS)
_ALSO = {"normal": "gaussian", "bernoulli": "binomial"}


def spelled(name: Any) -> str:
    """The name of a family as it is spelled here: of `Binomial()` and `bernoulli` it is `binomial`."""
    key = str(name).strip().lower().removesuffix("()").replace(".", "_")
    return _ALSO.get(key, key)


def family_of(name: str, link: str | None = None, *, alpha: float = 0.0, among: Sequence[str] = FAMILIES) -> Family:
    """The family of that name under a link; each family's usual link by default.

    Parameters
    ----------
    name, link : str
    alpha : float
        Overdispersion of the laws that have one.
    among : sequence of str
        The families that the caller takes.

    Raises
    ------
    OptionError
        If the family or its link is not known.
    """
    key = spelled(name)
    if key not in among:
        said = hint("verb", key) if isinstance(name, str) else "A family is given by its name."
        said = said or nearest(key, among).strip()
        raise OptionError(
            f"family={name!r} is not known; choose one of {', '.join(map(repr, among))}.{said and ' ' + said}"
        )
    law = _LAWS[key](alpha)
    chosen = law.links[0] if link is None else str(link).lower()
    if chosen not in law.links:
        raise OptionError(f"link={link!r} is not available for {key}; choose one of {', '.join(map(repr, law.links))}.")
    return Family(law, LINKS[chosen])


def log_likelihood(
    family: Family,
    y: np.ndarray,
    mean: np.ndarray | Callable[[], np.ndarray],
    weights: np.ndarray,
    deviance: float,
    copies: np.ndarray | None = None,
) -> float:
    """Log-likelihood as R's `logLik` counts it: with an unknown dispersion at its estimate from the deviance.

    Parameters
    ----------
    family : Family
    y, weights : ndarray, shape (n,)
        Binomial weights are numbers of trials, y shares of successes.
    mean : ndarray, shape (n,), or a function that makes it
    deviance : float
    copies : ndarray, shape (n,), optional
        How many rows each row stands for; the weights are those of all of them.

    Returns
    -------
    float
        Infinite where a gaussian family fits every row exactly; NaN for quasi-likelihoods.
    """
    if family.law.density is None:
        return np.nan
    if family.law.certain is not None and family.law.certain(y):
        return -0.5 * deviance
    mean = mean() if callable(mean) else mean
    positive = weights > 0
    if not positive.all():
        y, mean, weights = y[positive], mean[positive], weights[positive]
        copies = None if copies is None else copies[positive]
    dispersion = 1.0
    if not family.known_dispersion:
        rows = len(y) if copies is None else copies.sum()
        dispersion = deviance / (weights.sum() if family.law.total_weight else rows)
        if deviance <= 0.0:
            return np.inf
    if copies is None:
        return float(family.law.density(y, mean, weights, dispersion).sum())
    return float(copies @ family.law.density(y, mean, weights / copies, dispersion))

"""Distribution functions behind cumulative link models, in logarithms that keep their digits in both tails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr, ndtri

from statinf.brief import Brief

Function = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, repr=False)
class CumulativeLink(Brief):
    """A distribution function F with density f, for P(Y <= k) = F(cutpoint - x'b).

    Attributes
    ----------
    name : str
    log_below, log_above, log_density : callable
        log F, log (1 - F) and log f.
    bend : callable
        f' / f.
    quantile : callable
        The inverse of F.
    """

    name: str
    log_below: Function
    log_above: Function
    log_density: Function
    bend: Function
    quantile: Function


def _log_logistic(x: np.ndarray) -> np.ndarray:
    return np.minimum(x, 0.0) - np.log1p(np.exp(-np.abs(x)))


def _log_rest(x: np.ndarray) -> np.ndarray:
    """``log(1 - exp(-x))`` of x > 0."""
    with np.errstate(divide="ignore"):
        return np.where(x > 0.7, np.log1p(-np.exp(-x)), np.log(-np.expm1(-x)))


def _exp(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.exp(x)


LOGIT = CumulativeLink(
    "logit",
    _log_logistic,
    lambda x: _log_logistic(-x),
    lambda x: _log_logistic(x) + _log_logistic(-x),
    lambda x: -np.tanh(0.5 * x),
    lambda p: np.log(p) - np.log1p(-p),
)
PROBIT = CumulativeLink(
    "probit",
    log_ndtr,
    lambda x: log_ndtr(-x),
    lambda x: -0.5 * x**2 - 0.5 * np.log(2.0 * np.pi),
    lambda x: -x,
    ndtri,
)
CLOGLOG = CumulativeLink(
    "cloglog",
    lambda x: _log_rest(_exp(x)),
    lambda x: -_exp(x),
    lambda x: x - _exp(x),
    lambda x: 1.0 - _exp(x),
    lambda p: np.log(-np.log1p(-p)),
)
LOGLOG = CumulativeLink(
    "loglog",
    lambda x: -_exp(-x),
    lambda x: _log_rest(_exp(-x)),
    lambda x: -x - _exp(-x),
    lambda x: _exp(-x) - 1.0,
    lambda p: -np.log(-np.log(p)),
)
CAUCHIT = CumulativeLink(
    "cauchit",
    lambda x: np.log(np.arctan2(1.0, -x) / np.pi),
    lambda x: np.log(np.arctan2(1.0, x) / np.pi),
    lambda x: -np.log(np.pi) - np.log1p(x**2),
    lambda x: -2.0 * x / (1.0 + x**2),
    lambda p: np.tan(np.pi * (p - 0.5)),
)
LINKS = {link.name: link for link in (LOGIT, PROBIT, CLOGLOG, LOGLOG, CAUCHIT)}


def log_between(link: CumulativeLink, above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """``log(F(above) - F(below))`` of above > below, from the tail in which both numbers are small."""
    upper, lower = link.log_below(above), link.log_below(below)
    right, left = link.log_above(below), link.log_above(above)
    large, small = np.where(upper < right, upper, right), np.where(upper < right, lower, left)
    with np.errstate(invalid="ignore"):
        return large + _log_rest(large - small)

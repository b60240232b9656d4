"""Maximum likelihood of counts with variance mu + alpha mu^2 (Lawless 1987): the mean and alpha in turn.

The expected information is block diagonal between coefficients and alpha, so that alternating Fisher scoring for the mean with
Newton steps for log alpha converges about as fast as Newton's method for both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.errors import ConvergenceError
from statinf.numerics.glm.families import Family, family_of
from statinf.numerics.glm.irls import GlmSolution, fit_glm
from statinf.numerics.linear.reduction import TOLERANCE

_NAME = "negative_binomial"
_LONGEST = 1 << 20
"""Largest count up to which sums over the integers below each count are made from a table."""
_SMALL = 0.01
"""Size of alpha mu below which functions that cancel there are made of their series."""
_MANY_ROWS = 1 << 17
_SETTLED = 1e-9
_LOOSE = 1e-3
_POWERS = np.arange(2, 14)


@dataclass(frozen=True)
class OverdispersedSolution:
    """Estimates of mean and overdispersion.

    Attributes
    ----------
    glm : GlmSolution
        Of the mean, at `alpha`.
    alpha : float
        0 where counts vary no more than Poisson's around the fit.
    poisson : GlmSolution, optional
        The fit at alpha = 0, where it was made on the way.
    """

    glm: GlmSolution
    alpha: float
    poisson: GlmSolution | None = None


class DispersionSums:
    """Sums over rows of the log-likelihood's derivatives in alpha, with means held.

    Parameters
    ----------
    y, w : ndarray, shape (n,)
        Counts, which need not be whole, and weights.
    """

    def __init__(self, y: np.ndarray, w: np.ndarray):
        self.y, self.w = y, w
        self._above: np.ndarray | None = None
        highest = float(y.max(initial=0.0))
        if highest <= _LONGEST and (y == np.floor(y)).all():
            held = np.bincount(y.astype(np.int64), weights=w, minlength=1)
            # Weight of the rows whose count is above j, for j = 0, 1, ...
            self._above = (held[::-1].cumsum()[::-1] - held)[:-1]

    def derivatives(self, mean: np.ndarray, alpha: float) -> tuple[float, float]:
        """First and second derivative of the log-likelihood in alpha."""
        t = alpha * mean
        first, second = _cancelling(t)
        slope = first * mean**2 - self.y * mean / (1.0 + t)
        curve = second * mean**3 + self.y * (mean / (1.0 + t)) ** 2
        a, b = self._counts(alpha)
        return float(self.w @ slope) + a, float(self.w @ curve) + b

    def _counts(self, alpha: float) -> tuple[float, float]:
        """Derivatives of the sum over counts y of sum_{j < y} log(1 + alpha j)."""
        if self._above is not None:
            j = np.arange(len(self._above))
            share = j / (1.0 + alpha * j)
            return float(self._above @ share), -float(self._above @ share**2)
        first, second = _rising_derivatives(self.y, alpha)
        return float(self.w @ first), float(self.w @ second)

    def scores(self, mean: np.ndarray, alpha: float) -> np.ndarray:
        """Derivative of each row's log-likelihood in alpha, weight included, shape (n,)."""
        t = alpha * mean
        own = _cancelling(t)[0] * mean**2 - self.y * mean / (1.0 + t)
        if self._above is None:
            return self.w * (own + _rising_derivatives(self.y, alpha)[0])
        j = np.arange(len(self._above))
        below = np.concatenate([[0.0], np.cumsum(j / (1.0 + alpha * j))])
        return self.w * (own + below[self.y.astype(np.int64)])

    def best(self, mean: np.ndarray, alpha: float, max_iterations: int = 100) -> float:
        """The alpha that maximises the likelihood with means held, by Newton steps in log alpha; 0 at the border."""
        lowest = 1e-9 / max(float(np.average(mean, weights=self.w)), 1e-300)
        for _ in range(max_iterations):
            first, second = self.derivatives(mean, alpha)
            slope, curve = alpha * first, alpha**2 * second + alpha * first
            step = -slope / curve if curve < 0 else np.sign(slope)
            alpha *= float(np.exp(np.clip(step, -2.0, 2.0)))
            if alpha < lowest:
                return 0.0
            if abs(step) < 1e-11:
                return alpha
        raise ConvergenceError(
            f"the overdispersion did not settle in {max_iterations} steps (alpha {alpha:.3g}, last step {step:.1e} of its "
            "logarithm): nearly all counts may be zero; give alpha=, or take family='quasipoisson'."
        )


def _cancelling(t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``(log(1 + t) - t / (1 + t)) / t^2`` and its derivative, shape (n,)."""
    small = t < _SMALL
    safe = np.where(small, 1.0, t)
    first = (np.log1p(safe) - safe / (1.0 + safe)) / safe**2
    second = (1.0 / (1.0 + safe) ** 2 - 2.0 * first) / safe
    if small.any():
        signs = np.where(_POWERS % 2, -1.0, 1.0) * (_POWERS - 1) / _POWERS
        near = t[small]
        first[small] = np.polynomial.polynomial.polyval(near, signs)
        second[small] = np.polynomial.polynomial.polyval(near, (signs * (_POWERS - 2))[1:])
    return first, second


def _rising_derivatives(y: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives in alpha of ``log(Gamma(y + 1/alpha) / Gamma(1/alpha)) + y log(alpha)``, for any y of at least 0."""
    from scipy.special import digamma, polygamma

    r = 1.0 / alpha
    gap = digamma(y + r) - digamma(r)
    bend = polygamma(1, y + r) - polygamma(1, r)
    return y * r - r**2 * gap, 2.0 * r**3 * gap + r**4 * bend - y * r**2


def fit_negative_binomial(
    columns: np.ndarray,
    y: np.ndarray,
    link: str,
    *,
    weights: np.ndarray,
    offset: np.ndarray | None = None,
    start: np.ndarray | None = None,
    alpha: float | None = None,
    tolerance: float = 1e-10,
    max_iterations: int = 100,
    alias_tolerance: float = TOLERANCE,
) -> OverdispersedSolution:
    """Maximise the likelihood over coefficients and overdispersion.

    Parameters
    ----------
    columns : ndarray, shape (n, p)
    y, weights : ndarray, shape (n,)
    link : str
    offset : ndarray, shape (n,), optional
    start : ndarray, shape (p,), optional
    alpha : float, optional
        To begin with.
    tolerance, max_iterations, alias_tolerance
        As `fit_glm` takes them.

    Returns
    -------
    OverdispersedSolution

    Raises
    ------
    ConvergenceError
        If the two do not settle within `max_iterations` rounds.
    """
    settings = {"max_iterations": max_iterations, "alias_tolerance": alias_tolerance}

    def mean_at(value: float, begin: np.ndarray | None, last_step: float = tolerance) -> tuple[GlmSolution, np.ndarray]:
        family = _family(link, value)
        found = fit_glm(
            columns, y, family, weights=weights, offset=offset, start=begin, tolerance=last_step, **settings
        )
        return found, family.link.inverse(found.eta)

    if start is None and alpha is None and len(y) >= _MANY_ROWS:
        start, alpha = _from_some_rows(columns, y, link, weights, offset, settings)
    sums, poisson = DispersionSums(y, weights), None
    solution, mean = mean_at(alpha or 0.0, start)
    if not alpha:
        poisson = solution
        excess = weights @ ((y - mean) ** 2 - y)
        if excess <= 0:
            return OverdispersedSolution(solution, 0.0, poisson)
        # Not less than makes a mark on the variances, so that Newton's steps begin within reach.
        alpha = max(float(excess / (weights @ mean**2)), 1e-4 / float(np.average(mean, weights=weights)))
    last_step = np.inf
    for _ in range(max_iterations):
        before, alpha = alpha, sums.best(mean, alpha, max_iterations)
        if alpha == 0.0:
            return OverdispersedSolution(mean_at(0.0, _kept(solution))[0], 0.0, poisson)
        change = abs(np.log(alpha / before))
        if change <= _SETTLED and last_step <= tolerance:
            # The means belong to `before`, which differs from `alpha` by less than any digit that is reported.
            return OverdispersedSolution(solution, alpha, poisson)
        # Means at an alpha that will still move need not be exact.
        last_step = max(tolerance, _LOOSE) if change > _LOOSE else tolerance
        solution, mean = mean_at(alpha, _kept(solution), last_step)
    raise ConvergenceError(
        f"coefficients and overdispersion did not settle in {max_iterations} rounds (alpha {alpha:.3g}); raise max_iter, or "
        "give alpha=."
    )


def _family(link: str, alpha: float) -> Family:
    return family_of(_NAME, link, alpha=alpha, among=(_NAME,))


def _kept(solution: GlmSolution) -> np.ndarray:
    return np.nan_to_num(solution.coef)


def _from_some_rows(
    columns: np.ndarray, y: np.ndarray, link: str, weights: np.ndarray, offset: np.ndarray | None, settings: dict
) -> tuple[np.ndarray | None, float | None]:
    """Coefficients and alpha of every sixteenth row, which save passes over all rows; None where they are not up to it."""
    some = slice(None, None, 16)
    part = None if offset is None else offset[some]
    try:
        found = fit_negative_binomial(
            np.asfortranarray(columns[some]), y[some], link, weights=weights[some], offset=part, **settings
        )
    except ConvergenceError:
        return None, None
    if not np.isfinite(found.glm.coef).all() or found.alpha == 0.0:
        return None, None
    return found.glm.coef, found.alpha

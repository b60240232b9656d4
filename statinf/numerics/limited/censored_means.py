"""What a censored normal outcome is expected to be: latent, as recorded, where it is seen, and how likely it is to be seen."""

from __future__ import annotations

import numpy as np

from statinf.numerics.limited.links import PROBIT, log_between

SCALES = ("latent", "censored", "uncensored", "probability")
"""The latent mean x'b; the mean of the outcome as it is recorded; that of outcomes between the limits; the probability of these."""


def censored_mean(
    scale: str, eta: np.ndarray, sigma: float | np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Expected outcomes on a scale, with their derivatives in the latent mean and in log sigma, each of shape (n,).

    Parameters
    ----------
    scale : str
        One of `SCALES`.
    eta : ndarray, shape (n,)
    sigma : float, or ndarray of shape (n,)
    lower, upper : ndarray, shape (n,)
        Infinite where there is no limit.
    """
    if scale == "latent":
        return eta, np.ones(len(eta)), np.zeros(len(eta))
    a, b = (lower - eta) / sigma, (upper - eta) / sigma
    log_p = log_between(PROBIT, b, a)
    p, at_a, at_b = np.exp(log_p), np.exp(PROBIT.log_density(a)), np.exp(PROBIT.log_density(b))
    finite_a, finite_b = np.where(np.isfinite(a), a, 0.0), np.where(np.isfinite(b), b, 0.0)
    if scale == "probability":
        return p, (at_a - at_b) / sigma, finite_a * at_a - finite_b * at_b
    if scale == "censored":
        ends = np.where(np.isfinite(lower), lower, 0.0) * np.exp(PROBIT.log_below(a))
        ends += np.where(np.isfinite(upper), upper, 0.0) * np.exp(PROBIT.log_above(b))
        spread = sigma * (at_a - at_b)
        return ends + eta * p + spread, p, spread
    # Densities over the probability, in logarithms: both vanish far outside of the limits.
    over_a, over_b = np.exp(PROBIT.log_density(a) - log_p), np.exp(PROBIT.log_density(b) - log_p)
    mills, first = over_a - over_b, finite_a * over_a - finite_b * over_b
    second = finite_a**2 * over_a - finite_b**2 * over_b
    return eta + sigma * mills, 1.0 + first - mills**2, sigma * (mills + second - mills * first)

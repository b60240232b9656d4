"""Rising factorials and what the likelihood of a negative binomial's dispersion is made of, with their digits kept."""

from __future__ import annotations

import numpy as np

_LARGE = 1e5
"""Size from which differences of log gamma functions are made of Stirling's series."""


def log_rising(y: np.ndarray, size: float) -> np.ndarray:
    """``log(Gamma(y + r) / Gamma(r)) - y log(r)``, shape (n,), for a size r that may be huge."""
    from scipy.special import gammaln

    if size < _LARGE:
        return gammaln(y + size) - gammaln(size) - y * np.log(size)
    series = (1.0 / (size + y) - 1.0 / size) / 12.0
    return (size + y - 0.5) * np.log1p(y / size) - y + series

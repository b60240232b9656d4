"""The law of errors that a conformal predictive system moves to each new row.

With sorted calibration errors r_1 <= ... <= r_n and a point of its own for the new row, the predictive distribution is
known up to one step: at y it lies between the share of errors below y and that share with the new row and the ties added
(Vovk, Shen, Manokhin and Xie, 2019; with weights, Tibshirani et al., 2019, arXiv 1904.06019).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

_SLACK = 1e-12
"""Relative slack when cumulated weights are compared with their target."""


@dataclass(frozen=True)
class ErrorLaw:
    """Sorted errors and their weights.

    Attributes
    ----------
    errors : ndarray, shape (n,)
        Sorted.
    weights : ndarray, shape (n,)
        Density ratios target/source in the same order; ones without covariate shift.
    """

    errors: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, errors: np.ndarray, weights: np.ndarray | None = None) -> ErrorLaw:
        """The law of errors (n,) in any order."""
        order = np.argsort(errors, kind="stable")
        return cls(errors[order], np.ones(len(errors)) if weights is None else weights[order])

    @cached_property
    def cumulated(self) -> np.ndarray:
        """Weight of the first k errors, shape (n + 1,), from zero."""
        return np.append(0.0, np.cumsum(self.weights))

    def cdf(self, z: np.ndarray, own: np.ndarray | float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper end of the distribution function at z (m,).

        Parameters
        ----------
        z : ndarray, shape (m,)
        own : ndarray, shape (m,), or float
            Weight of the new row itself.
        """
        total = self.cumulated[-1] + own
        below = self.cumulated[np.searchsorted(self.errors, z, side="left")]
        upto = self.cumulated[np.searchsorted(self.errors, z, side="right")]
        return below / total, (upto + own) / total

    def exceeding(self, z: np.ndarray, own: np.ndarray | float = 1.0, ties: np.ndarray | float = 1.0) -> np.ndarray:
        """Share (m,) of errors above z (m,), with that part of the ties and of the new row's own weight."""
        below, upto = self.cdf(z, own)
        return 1.0 - upto + ties * (upto - below)

    def upper_quantile(self, tau: float, own: np.ndarray | float = 1.0) -> np.ndarray:
        """Smallest error whose weight from below reaches tau; infinite where the new row's own weight is needed."""
        target = tau * (self.cumulated[-1] + np.atleast_1d(own))
        at = np.searchsorted(self.cumulated[1:], target * (1.0 - _SLACK), side="left")
        return np.append(self.errors, np.inf)[at]

    def lower_quantile(self, tau: float, own: np.ndarray | float = 1.0) -> np.ndarray:
        """Largest error whose weight from above reaches 1 - tau: the mirror image of `upper_quantile`."""
        mirrored = ErrorLaw(-self.errors[::-1], self.weights[::-1])
        return -mirrored.upper_quantile(1.0 - tau, own)

    def crps(self, z: np.ndarray) -> np.ndarray:
        """Continuous ranked probability score (m,) of the errors' own distribution at z (m,): E|R - z| - E|R - R'| / 2."""
        total = self.cumulated[-1]
        moments = np.append(0.0, np.cumsum(self.weights * self.errors))
        at = np.searchsorted(self.errors, z, side="right")
        distance = z * (2.0 * self.cumulated[at] - total) + moments[-1] - 2.0 * moments[at]
        spread = self.weights @ (self.errors * (self.cumulated[1:] + self.cumulated[:-1] - total))
        return distance / total - spread / total**2

"""Curves at a cutoff: many outcomes of one unit, such as its quantiles, each with a bandwidth of its own or all with one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from statinf.numerics.localpoly.side import LocalFit, Side, local_fit
from statinf.numerics.localpoly.variance import clustered_residuals, residuals


@dataclass(frozen=True)
class CurveSide:
    """Local polynomials of m outcomes on one side of zero.

    Attributes
    ----------
    fits : tuple of (LocalFit, ndarray of int)
        One fit per bandwidth, and the outcomes that it is of.
    m : int
    """

    fits: tuple[tuple[LocalFit, np.ndarray], ...]
    m: int

    @classmethod
    def of(cls, side: Side, order: int, bandwidths: np.ndarray, kernel: str) -> CurveSide:
        """Fit outcomes (n, m) at bandwidths (m,)."""
        fits = []
        for h in np.unique(bandwidths):
            which = np.flatnonzero(bandwidths == h)
            columns = which if len(which) < len(bandwidths) else slice(None)
            some = Side(side.x, side.y[:, columns], side.w, side.index, side.right)
            fits.append((local_fit(some, order, float(h), kernel), which))
        return cls(tuple(fits), len(bandwidths))

    @property
    def determined(self) -> bool:
        return all(fit.determined for fit, _ in self.fits)

    @cached_property
    def level(self) -> np.ndarray:
        """Means at zero, shape (m,)."""
        return self.coef(0)

    def coef(self, power: int) -> np.ndarray:
        """Coefficients of x^power, shape (m,)."""
        out = np.empty(self.m)
        for fit, which in self.fits:
            out[which] = fit.coef[power] / fit.bandwidth**power
        return out

    def spread(self) -> np.ndarray:
        """Kernel-weighted mean squared residuals, shape (m,)."""
        out = np.empty(self.m)
        for fit, which in self.fits:
            out[which] = fit.weight @ (fit.side.y - fit.fitted()) ** 2 / fit.weight.sum()
        return out

    def influence(self, n: int, kind: str, clusters: np.ndarray | None = None) -> np.ndarray:
        """Influence of each of n units on the means at zero, shape (n, m).

        Parameters
        ----------
        n : int
            Units that the side was made of.
        kind : {"HC0", "HC1", "HC2", "HC3"}
            How residuals are scaled by leverage; CR0 to CR3 with clusters.
        clusters : ndarray of int, shape (n,), optional
        """
        out = np.zeros((n, self.m))
        for fit, which in self.fits:
            rows = fit.side.index
            if clusters is None:
                left = residuals(fit, kind.lower())
            else:
                left = clustered_residuals(fit, residuals(fit, "hc0"), clusters[rows], kind.replace("HC", "CR"))
            out[np.ix_(rows, which)] = fit.equivalent()[:, None] * left
        return out

"""Kernels on standardised covariates, with the median distance as their bandwidth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.numerics.kernels.distances import distances, gaussian, squared_distances

KERNELS = ("gaussian", "exponential")
_SOME = 1000


@dataclass(frozen=True)
class RowKernel:
    """``exp(-d^2 / (2 bandwidth^2))``, or ``exp(-d / bandwidth)`` of the exponential kernel, d the distance of two rows."""

    name: str
    bandwidth: float

    @staticmethod
    def of(name: str, bandwidth: float | str, z: np.ndarray, order: np.ndarray) -> RowKernel:
        """The kernel with its bandwidth, by default the median distance between rows z (n, p).

        Parameters
        ----------
        order : ndarray of int, shape (m,)
            Rows among which distances are taken, in an order that does not depend on the caller's.
        """
        if not isinstance(bandwidth, str):
            return RowKernel(name, float(bandwidth))
        some = z[order] if len(order) <= _SOME else z[order[:: len(order) // _SOME + 1]]
        off = squared_distances(some, some)[~np.tri(len(some), dtype=bool)]
        median = float(np.sqrt(np.median(off))) if len(off) else 0.0
        return RowKernel(name, median if median > 0.0 else 1.0)

    def columns(self, x: np.ndarray, anchors: np.ndarray) -> np.ndarray:
        """Kernel functions at anchors (J, p) for rows x (n, p), shape (n, J)."""
        if self.name == "gaussian":
            return gaussian(x, anchors, 2.0 * self.bandwidth**2)
        return np.exp(-distances(x, anchors) / self.bandwidth)

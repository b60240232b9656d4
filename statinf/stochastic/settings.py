"""Everything about a run of averaged stochastic approximation that does not change while rows arrive."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from statinf.numerics.laws.multipliers import GROUP
from statinf.stochastic.rows import StreamRows, by_chunks


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything about a run that does not change while rows arrive.

    Parameters
    ----------
    d : int
        Number of coefficients.
    c0, k0, power : float
        Step ``c0 / (k0 + k) ** power`` at row k = 1, 2, ...
    burn_in : int
        Rows before the average starts.
    replicas : int
        Multiplier replicas B; 0 for none.
    law : str
        Law of the multipliers.
    seed : int
    replica_start : {"origin", "burnin"}
        Whether multipliers act from the first row, or from the end of the burn-in.
    block_len : int
        Consecutive rows that share a multiplier.
    loss : {"squared", "logistic", "quantile", "poisson"}
    tau : float
        Quantile level of loss "quantile".
    scale : float
        Spread of the residuals, for the bandwidth of the quantile loss's density estimate.
    keep : tuple of str
        Which covariance estimates are accumulated besides the plug-in: "hac", "batch-means", "random-scaling".
    lags : int
        Lags of the HAC estimate.
    start : ndarray, shape (d,), optional
        The first iterate, in the coordinates of the recursion; zero if not given.
    left, right : ndarray, shape (d, d), optional
        The recursion runs on `F @ left` and `G @ right`, and its coefficients are `right @ theta`; None: on rows as they
        come.
    tolerance : ndarray, shape (d,), optional
        What is rounding in the coordinates of `right`. Given, the recursion is preconditioned by the inverse mean
        Jacobian so far, with steps that no row can overshoot; None: the plain recursion.
    matrix : ndarray, shape (d, d), optional
        The first preconditioner.
    bound : float
        Largest multiplier times largest curvature of the loss: the step of a row with leverage h is
        alpha / (1 + alpha bound h), so that no replica passes its target.
    curvature : float
        Mean curvature that stands for the one of a quantile loss.
    instruments : bool
        Whether f are not g times weights.
    temporal : bool
        Whether rows are transitions.
    along : bool
        Whether they follow one another.
    look : int
        Averaged rows at which sequential intervals are narrowest.
    """

    d: int
    c0: float
    k0: float = 0.0
    power: float = 2.0 / 3.0
    burn_in: int = 0
    replicas: int = 0
    law: str = "mammen"
    seed: int = 0
    replica_start: str = "origin"
    block_len: int = 1
    loss: str = "squared"
    tau: float = 0.5
    scale: float = 1.0
    keep: tuple[str, ...] = ()
    lags: int = 0
    start: np.ndarray | None = None
    left: np.ndarray | None = None
    right: np.ndarray | None = None
    tolerance: np.ndarray | None = None
    matrix: np.ndarray | None = None
    bound: float = 0.0
    curvature: float = 1.0
    instruments: bool = False
    temporal: bool = False
    along: bool = False
    look: int = 10_000

    @property
    def adaptive(self) -> bool:
        """Whether rows are whitened and preconditioned on the way."""
        return self.tolerance is not None

    def start_values(self) -> np.ndarray:
        """The first iterate, shape (d,)."""
        return np.zeros(self.d) if self.start is None else np.asarray(self.start, np.float64)

    @property
    def padded(self) -> int:
        """Replicas rounded up to whole groups."""
        return -(-self.replicas // GROUP) * GROUP

    def steps(self, first: int, n: int) -> np.ndarray:
        """Steps of rows first, ..., first + n - 1 (counted from 1), shape (n,)."""
        return self.c0 * (self.k0 + np.arange(first, first + n, dtype=np.float64)) ** -self.power

    def whitened(self, rows: StreamRows) -> StreamRows:
        """Rows in the coordinates of the recursion."""
        if self.left is None or self.right is None:
            return rows
        return replace(rows, F=by_chunks(rows.F, self.left), G=by_chunks(rows.G, self.right))

    def carried(self, theta: np.ndarray) -> np.ndarray:
        """Coefficients (..., d) of the columns as they came, from those of the recursion."""
        return theta if self.right is None else theta @ self.right.T

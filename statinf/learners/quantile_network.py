"""Small networks as learners of quantiles: one output per level, or a conditional normal law.

Several networks that share their rows and differ in weights, those of cross-fitting, are trained as one batch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from statinf.errors import OptionError
from statinf.learners.base import check_rows
from statinf.learners.quantile_objective import QuantileObjective, layers, predict
from statinf.learners.quantile_training import train


@dataclass(frozen=True)
class FittedQuantileNetwork:
    """A trained network for outcomes less `centre` over `scale`, of features less `middle` over `spread`.

    taus : (t,) levels that it was trained for.
    """

    objective: QuantileObjective
    params: list[Any]
    centre: float
    scale: float
    taus: np.ndarray
    middle: np.ndarray
    spread: np.ndarray

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Conditional medians (n,), of the levels trained for the one nearest to 0.5."""
        return self.predict_quantiles(X, self.taus[[int(np.argmin(np.abs(self.taus - 0.5)))]])[:, 0]

    def predict_quantiles(self, X: np.ndarray, taus: np.ndarray) -> np.ndarray:
        """Conditional quantiles (n, t); a network with one output per level knows those that it was trained for."""
        scaled = (X - self.middle) / self.spread
        if self.objective.kind == "gaussian":
            return self.centre + self.scale * predict(self.objective, self.params, scaled, None, np.asarray(taus))
        where = [int(np.argmin(np.abs(self.taus - t))) for t in taus]
        if not np.allclose(self.taus[where], taus, rtol=0.0, atol=1e-12):
            raise OptionError(f"Fitted at quantile levels {self.taus.tolist()}; asked for {list(taus)}.")
        return (self.centre + self.scale * predict(self.objective, self.params, scaled, None, self.taus))[:, where]


@dataclass(frozen=True)
class QuantileNetwork:
    """A network with one output per level.

    Parameters
    ----------
    taus : tuple of float
        Quantile levels in (0, 1).
    hidden : tuple of int
        Widths of the hidden layers.
    """

    taus: tuple[float, ...] = (0.05, 0.5, 0.95)
    hidden: tuple[int, ...] = (64, 64)

    kind: ClassVar[str] = "quantiles"

    def at_taus(self, taus: tuple[float, ...]) -> QuantileNetwork:
        """The same learner for other quantile levels."""
        return replace(self, taus=tuple(float(t) for t in taus))

    def fit(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0) -> FittedQuantileNetwork:
        """Fit to X (n, p), y (n,), weights (n,); features are standardised."""
        X, y, w = check_rows(X, y, w)
        middle = np.average(X, axis=0, weights=w)
        spread = np.sqrt(np.average((X - middle) ** 2, axis=0, weights=w))
        spread = np.where(spread > 0, spread, 1.0)
        made = self.fit_many((X - middle) / spread, y, w[None], seed=seed)[0]
        return replace(made, middle=middle, spread=spread)

    def fit_many(self, X: np.ndarray, y: np.ndarray, W: np.ndarray, *, seed: int = 0) -> list[FittedQuantileNetwork]:
        """One network per row of the weights W (K, n), trained as one batch, on standardised features."""
        tau = np.asarray(self.taus)
        objective = QuantileObjective(self.kind)
        start = layers((X.shape[1], *self.hidden, 2 if self.kind == "gaussian" else len(tau)), seed)
        centre = W @ y / W.sum(axis=1)
        scale = np.sqrt((W * (y - centre[:, None]) ** 2).sum(axis=1) / W.sum(axis=1))
        scale = np.where(scale > 0, scale, 1.0)
        found = train(objective, start, X, None, (y - centre[:, None]) / scale[:, None], W, tau, seed=seed)
        nothing, ones = np.zeros(X.shape[1]), np.ones(X.shape[1])
        return [
            FittedQuantileNetwork(objective, params, float(c), float(s), tau, nothing, ones)
            for params, c, s in zip(found, centre, scale, strict=True)
        ]


@dataclass(frozen=True)
class GaussianNetwork(QuantileNetwork):
    """A network with two outputs: the mean and the spread of a conditional normal law."""

    kind: ClassVar[str] = "gaussian"

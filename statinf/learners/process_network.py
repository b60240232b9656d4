"""A network for all conditional quantiles at once, as a learner.

Estimand: Q(tau | x) on (0, 1), nondecreasing in tau. Levels are drawn afresh for every minibatch, the epoch with the
smallest held-out pinball loss is kept, and networks with other penalties or row weights are trained as one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statinf.backend import generator
from statinf.brief import Brief
from statinf.errors import ConvergenceError, DataError, OptionError, one_of
from statinf.learners import training
from statinf.learners.base import check_rows
from statinf.learners.process_objective import GRID, KNOTS, ProcessObjective, curves, quantiles
from statinf.learners.quantile_training import Trained, train_networks
from statinf.numerics.order.quantiles import weighted_quantile

PENALTIES = ("auto", "log_n")
_LEAST_GAIN = 1e-4
_WATCHED = 1000
"""Rows, about, among which crossing ones are counted."""
_FAR = 10.0
"""Times the loss of the median at all levels; a network above it runs off."""
_CELLS = 64
_GRID = np.linspace(0.0, 1.0, _CELLS + 1)
_HALVINGS = 40
_IQR = 1.3489795003921634
"""Interquartile range of the standard normal law."""


@dataclass(frozen=True, repr=False)
class FittedProcess(Brief):
    """A trained quantile process of outcomes less `centre` over `scale`, of features less `middle` over `spread`.

    Attributes
    ----------
    penalty : float
        That of the network, chosen or given.
    tried : ndarray, shape (penalties, 3)
        Penalties, their held-out pinball loss in units of the standardised outcome, and the share of rows, of a thousand or
        so, with quantiles that cross.
    history : ndarray, shape (epochs,)
        Held-out loss by epoch.
    skipped : int
        Steps left out because their loss or gradient was not finite.
    """

    objective: ProcessObjective
    params: list[tuple[np.ndarray, np.ndarray]]
    centre: float
    scale: float
    middle: np.ndarray
    spread: np.ndarray
    penalty: float = 0.0
    tried: np.ndarray = field(default_factory=lambda: np.empty((0, 3)))
    history: np.ndarray = field(default_factory=lambda: np.empty(0))
    skipped: int = 0

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Conditional medians (n,)."""
        return self.predict_quantiles(X, np.array([0.5]))[:, 0]

    def predict_quantiles(self, X: np.ndarray, taus: np.ndarray) -> np.ndarray:
        """Conditional quantiles (n, t) at any levels (t,) or (n, t), as the network has them: they may cross."""
        scaled = (np.asarray(X, np.float64) - self.middle) / self.spread
        return self.centre + self.scale * quantiles(self.objective, self.params, scaled, np.asarray(taus, np.float64))

    def curves(self, X: np.ndarray, taus: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Quantiles (n, t) at levels (t,) or (n, t), and their derivatives in the level."""
        scaled = (np.asarray(X, np.float64) - self.middle) / self.spread
        q, slope = curves(self.objective, self.params, scaled, np.asarray(taus, np.float64))
        return self.centre + self.scale * q, self.scale * slope

    def rearranged(self, X: np.ndarray, taus: np.ndarray) -> np.ndarray:
        """Quantiles (n, t) at levels (t,) of the distribution function `cdf`: those of the network where it does not cross."""
        taus = np.asarray(taus, np.float64)
        out, q = self.predict_quantiles(X, taus), self.predict_quantiles(X, _GRID)
        for i in np.flatnonzero((np.diff(q, axis=1) < 0).any(axis=1)):
            out[i] = np.interp(taus, _GRID, np.sort(q[i]))
        return out

    def cdf(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Share of levels whose quantile is at most y (n,), shape (n,): the distribution function, crossing or not."""
        q = self.predict_quantiles(X, _GRID)
        # Within a cell of levels quantiles are linear: the share of the cell at which they are at most y.
        low, high = np.minimum(q[:, 1:], q[:, :-1]), np.maximum(q[:, 1:], q[:, :-1])
        wide = high > low
        share = np.where(wide, (y[:, None] - low) / np.where(wide, high - low, 1.0), y[:, None] >= high)
        out = np.clip(share, 0.0, 1.0).mean(axis=1)
        inside = (np.diff(q, axis=1) >= 0).all(axis=1) & (y > q[:, 0]) & (y < q[:, -1])
        cell = np.minimum((out[inside] * _CELLS).astype(int), _CELLS - 1)
        out[inside] = self._bisected(np.asarray(X)[inside], y[inside], _GRID[cell])
        return out

    def _bisected(self, X: np.ndarray, y: np.ndarray, low: np.ndarray) -> np.ndarray:
        """Levels in the cells that begin at `low` whose quantile is y."""
        width = 1.0 / _CELLS
        for _ in range(_HALVINGS):
            width /= 2.0
            low = np.where(self.predict_quantiles(X, (low + width)[:, None])[:, 0] <= y, low + width, low)
        return low + width / 2.0

    def sample(self, X: np.ndarray, size: int, *, seed: int = 0, stream: int = 0) -> np.ndarray:
        """Draws (n, size): quantiles at uniform levels."""
        return self.predict_quantiles(X, generator(seed, 83, stream).random((len(X), size)))


@dataclass(frozen=True)
class ProcessNetwork:
    """A network for the whole quantile process.

    Parameters
    ----------
    network : {"requ", "gaps"}
        Squared rectified units over features and level, with a penalty on quantiles that fall in the level; or a median
        and positive increments between levels, which cannot cross.
    hidden : tuple of int
        Units of the hidden layers.
    penalty : float or {"log_n", "auto"}
        Of "requ": a number, the logarithm of the number of rows, or the best of 0, 1, log n and sqrt n by the pinball loss
        on held-out rows and the share of rows with quantiles that cross.
    gap : {"softplus", "elu"}
        Of "gaps": what makes increments positive.
    knots : tuple of float
        Of "gaps": levels between which quantiles are linear in the level.
    tau_sampling : {"fresh", "fixed"}
        Levels drawn for every minibatch, or once for each row.
    epochs, patience : int
        Most passes over the rows, and passes without a gain on held-out rows before training stops.
    rate : float
        First step size; halved after `plateau` passes without a gain.
    plateau : int
    batch : int, optional
        Rows per step; by default more for more rows, from 16 to 128.
    progress : callable, optional
        Goes through the passes, as `backend.progress_bar` does.

    Examples
    --------
    >>> import numpy as np
    >>> from statinf.learners import ProcessNetwork
    >>> x = np.linspace(-1, 1, 200)[:, None]
    >>> y = x[:, 0] + np.tile([-1.0, -0.5, 0.0, 0.5, 1.0], 40)
    >>> fitted = ProcessNetwork(hidden=(16, 16), epochs=40).fit(x, y)
    >>> bool((np.diff(fitted.predict_quantiles(x, np.array([0.1, 0.5, 0.9]))) > 0).all())
    True
    """

    network: str = "requ"
    hidden: tuple[int, ...] = (64, 64, 64)
    penalty: float | str = "log_n"
    gap: str = "softplus"
    knots: tuple[float, ...] = KNOTS
    tau_sampling: str = "fresh"
    epochs: int = 200
    patience: int = 25
    rate: float = 3e-3
    plateau: int = 10
    batch: int | None = None
    progress: Callable[[Iterable[int]], Iterable[int]] = iter

    def __post_init__(self) -> None:
        one_of("network", self.network, ("requ", "gaps"))
        one_of("gap", self.gap, ("softplus", "elu"))
        one_of("tau_sampling", self.tau_sampling, ("fresh", "fixed"))
        units = {f"hidden[{i}]": h for i, h in enumerate(self.hidden)}
        counts = {"epochs": self.epochs, "patience": self.patience, "plateau": self.plateau, **units}
        training.check_settings(counts, 16, self.rate)
        if self.batch is not None:
            training.check_settings({"batch": self.batch}, 16, self.rate)
        check_penalty(self.penalty)
        check_knots(self.knots)

    def penalties(self, n: int) -> tuple[float, ...]:
        """The penalties to train with, for n rows."""
        if self.network == "gaps":
            return (0.0,)
        if self.penalty == "auto":
            return (0.0, 1.0, float(np.log(n)), float(np.sqrt(n)))
        return (float(np.log(n) if self.penalty == "log_n" else self.penalty),)

    def fit(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0) -> FittedProcess:
        """Fit to X (n, p), y (n,), weights (n,); the seed draws the start, the held-out rows, the batches and levels."""
        X, y, w = check_rows(X, y, w)
        keep = w > 0
        return self.fit_many(X[keep], y[keep], w[keep][None], seed=seed)[0]

    def fit_many(self, X: np.ndarray, y: np.ndarray, W: np.ndarray, *, seed: int = 0) -> list[FittedProcess]:
        """One process per row of the weights W (K, n), all of them and all penalties trained as one batch.

        Raises
        ------
        DataError
            If the outcome does not vary, or there are too few rows.
        ConvergenceError
            If nothing was learnt: a smaller `rate` helps.
        """
        if (W > 0).sum(axis=1).min() < 4:
            raise DataError(f"{len(y)} rows are too few for a quantile process; use a simpler model.")
        objective = ProcessObjective(self.network, self.gap, self.knots)
        middle, spread = training.standard_units(X, W.mean(axis=0))
        units = [_outcome_units(y, w) for w in W]
        centre, scale = np.array(units).T
        scaled, outcomes = (X - middle) / spread, (y - centre[:, None]) / scale[:, None]
        tries = np.array([self.penalties(int((w > 0).sum())) for w in W])
        P = tries.shape[1]
        plain = 0.5 * np.average(np.abs(outcomes), axis=1, weights=W)
        fixed = generator(seed, 53).random((len(y), 1, 1)) if self.tau_sampling == "fixed" else None
        unit = W / W.mean(axis=1, keepdims=True)
        found = train_networks(
            objective,
            objective.start(X.shape[1], self.hidden, seed),
            scaled,
            fixed,
            np.repeat(outcomes, P, axis=0),
            np.repeat(unit, P, axis=0),
            GRID,
            penalty=tries.ravel(),
            rate=self.rate,
            most_epochs=self.epochs,
            patience=self.patience,
            plateau=self.plateau,
            gain=_LEAST_GAIN,
            epochs_a_call=1,
            batch=self.batch,
            guard=True,
            seed=seed,
            progress=self.progress,
        )
        return [
            self._chosen(
                objective, found, slice(k * P, (k + 1) * P), tries[k], scaled, units[k], plain[k], (middle, spread)
            )
            for k in range(len(W))
        ]

    def _chosen(
        self,
        objective: ProcessObjective,
        found: Trained,
        own: slice,
        penalties: np.ndarray,
        scaled: np.ndarray,
        units: tuple[float, float],
        plain: float,
        features: tuple[np.ndarray, np.ndarray],
    ) -> FittedProcess:
        """The process under the penalty with the smallest sum of held-out loss and share of crossing rows."""
        loss, params = found.loss[own], found.params[own]
        if not np.nanmin(loss) < _FAR * plain:
            raise ConvergenceError(
                f"The network learnt nothing at rate={self.rate:g}: its held-out loss is {np.nanmin(loss):.3g} in units of the "
                f"outcome's spread, that of the median {plain:.3g}. Try rate={self.rate / 10:g}, or fewer hidden layers."
            )
        crossing = np.zeros(len(loss))
        if objective.kind == "requ":
            some = scaled[:: max(1, len(scaled) // _WATCHED)]
            crossing = np.array([crossing_share(quantiles(objective, one, some, GRID)) for one in params])
        best = int(np.argmin(np.where(np.isfinite(loss), loss + crossing, np.inf)))
        tried = np.column_stack([penalties, loss, crossing])
        history, skipped = found.history[:, own][:, best], int(found.skipped[own][best])
        return FittedProcess(
            objective, params[best], *units, *features, float(penalties[best]), tried, history, skipped
        )


def crossing_share(q: np.ndarray) -> float:
    """Share of rows of quantiles (n, m) at increasing levels in which a level is below the one before it."""
    return float((np.diff(q, axis=1) < 0).any(axis=1).mean()) if q.size else 0.0


def check_penalty(penalty: Any) -> None:
    """Refuse what is neither a number of at least 0 nor one of the words."""
    number = isinstance(penalty, int | float | np.number) and not isinstance(penalty, bool)
    if not (number and 0 <= float(penalty) < np.inf) and not (isinstance(penalty, str) and penalty in PENALTIES):
        raise OptionError(f"penalty={penalty!r} is neither a number of at least 0 nor one of 'auto', 'log_n'.")


def check_knots(knots: tuple[float, ...]) -> None:
    """Refuse levels that do not increase strictly within (0, 1), or of which there are fewer than two."""
    values = np.asarray(knots, np.float64)
    if values.ndim != 1 or len(values) < 2 or not ((values > 0) & (values < 1)).all() or (np.diff(values) <= 0).any():
        raise OptionError(f"knots={knots!r} must be at least two levels in (0, 1), each larger than the one before.")


def _outcome_units(y: np.ndarray, w: np.ndarray) -> tuple[float, float]:
    """Median and interquartile range in normal units; heavy tails leave them alone. The standard deviation for many ties."""
    low, middle, high = weighted_quantile(y, np.array([0.25, 0.5, 0.75]), w)
    scale = (high - low) / _IQR
    if not scale > 0:
        scale = float(training.standard_units(y[:, None], w)[1][0])
    used = y[w > 0]
    if used.min() == used.max():
        raise DataError("The outcome does not vary; there are no quantiles to learn.")
    return float(middle), float(scale)

"""What a method of `si.calibrate_online` is once it runs, and the options that all share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import numpy as np
from scipy.special import logit

from statinf.brief import Brief
from statinf.numerics.glm.families import sigmoid
from statinf.numerics.recursions.newton_steps import NewtonState, newton_path
from statinf.results import Options, choice, count, number


class Scaler(Protocol):
    """A map from forecasts to probabilities that goes on with each row."""

    def advance(self, p: np.ndarray, y: np.ndarray) -> tuple[Self, np.ndarray]:
        """The state after forecasts p (n,) and outcomes y (n,), and the probabilities said before each outcome."""
        ...

    def ahead(self, p: np.ndarray) -> np.ndarray:
        """The probability of each forecast (n,) if it came next."""
        ...


@dataclass(frozen=True, kw_only=True)
class ForecastOptions(Options):
    """Options of every method."""

    burn_in: int = count(0, "rows at the beginning that are learnt from and stay out of the path", low=0)
    clip: float = number(
        1e-5, "forecasts are kept this far from 0 and 1", low=0, high=0.5, open_low=True, open_high=True
    )
    bins: int = count(10, "bins of [0, 1] for calibeating and for the metrics", low=1, high=1000)


@dataclass(frozen=True, kw_only=True)
class NewtonOptions(ForecastOptions):
    """Options of the methods by online Newton steps."""

    gamma: float = number(0.1, "inverse step: large ones move the parameters less", low=0, open_low=True)
    start: str = choice("identity", ("identity", "zero"), "the map before the first row: none, or one half for all")
    radius: float = number(100.0, "the norm of the parameters is kept at most this large", low=2)


@dataclass(frozen=True, repr=False)
class NewtonScaler(Brief):
    """Parameters of a logistic model of the forecast, moved by online Newton steps.

    Attributes
    ----------
    state : tuple
        Parameters and the triangle of the inverse matrix: see `newton_path`.
    beta : bool
        Features log p and log(1 - p), or their difference alone.
    gamma, radius, clip : float
    """

    state: Any
    beta: bool
    gamma: float
    radius: float
    clip: float

    def features(self, p: np.ndarray) -> list[np.ndarray]:
        """Columns (n,) of the model but for the constant."""
        p = np.clip(p, self.clip, 1.0 - self.clip)
        return [np.log(p), np.log1p(-p)] if self.beta else [logit(p)]

    def advance(self, p: np.ndarray, y: np.ndarray) -> tuple[NewtonScaler, np.ndarray]:
        """See `Scaler.advance`."""
        state: NewtonState = self.state
        state, said = newton_path(state, [*self.features(p), y], self.gamma, self.radius)
        return replace(self, state=state), said

    def ahead(self, p: np.ndarray) -> np.ndarray:
        """See `Scaler.ahead`."""
        theta = [float(t) for t in self.state[0]]
        return sigmoid(sum((t * f for t, f in zip(theta, self.features(p), strict=False)), np.full(len(p), theta[-1])))

    @property
    def parameters(self) -> tuple[float, ...]:
        """Slopes, and the intercept last."""
        return tuple(float(t) for t in self.state[0])

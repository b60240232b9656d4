"""Platt scaling that is fitted again and again: to all outcomes so far, or to those of a window.

Platt (1999), Probabilistic Outputs for Support Vector Machines; Gupta and Ramdas (2023), arXiv 2305.00070, compare with it as
"windowed". Maximum likelihood with Platt's targets (n1 + 1) / (n1 + 2) and 1 / (n0 + 2) in place of 1 and 0, so that it
exists for all outcomes equal or separated. Before the first fit forecasts stay as they are. Estimand: calibrated
probabilities where forecasts and outcomes keep their joint law over the rows of a fit; nothing holds along every path.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import logit

from statinf.brief import Brief
from statinf.conformity.forecasts.ops import METHOD as OPS
from statinf.conformity.forecasts.scaler import ForecastOptions
from statinf.errors import OptionError
from statinf.numerics.glm.families import family_of, sigmoid
from statinf.numerics.glm.irls import fit_glm
from statinf.results import Method, count

_LOGISTIC = family_of("binomial")


@dataclass(frozen=True, kw_only=True)
class PlattOptions(ForecastOptions):
    """Options of Platt scaling."""

    every: int | None = count(500, "fit after every so many rows; None: only once, after the burn-in", also=(None,))
    window: int | None = count(
        2000,
        "how many of the latest rows a fit takes; None: all so far, as in the authors' code, in a time that grows with the "
        "square of the rows",
        low=2,
        also=(None,),
    )

    def check(self) -> None:
        """Refuse a map that would never be fitted."""
        if self.every is None and not self.burn_in:
            raise OptionError("every=None fits once, after the burn-in: give burn_in= rows.")


def fit_platt(x: np.ndarray, y: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Slope and intercept (2,) of a logistic model of y (n,) on x (n,) with Platt's targets, by Newton steps from `start`.

    The slope is zero where x does not vary.

    Raises
    ------
    ConvergenceError
        If the steps do not shrink.
    """
    ones = y.sum()
    target = np.where(y > 0.5, (ones + 1.0) / (ones + 2.0), 1.0 / (len(y) - ones + 2.0))
    # The constant comes first, so that an x without spread is the column that is left out.
    found = fit_glm(np.column_stack([np.ones(len(x)), x]), target, _LOGISTIC, start=start[::-1])
    return np.nan_to_num(found.coef[::-1])


@dataclass(frozen=True, repr=False)
class PlattScaler(Brief):
    """The map of the last fit, and the rows that the next one takes.

    Attributes
    ----------
    theta : ndarray, shape (2,)
        Slope and intercept of the logit.
    x, y : ndarray, shape (m,)
        Logits and outcomes kept.
    seen : int
        Rows so far.
    """

    theta: np.ndarray
    x: np.ndarray = field(repr=False)
    y: np.ndarray = field(repr=False)
    seen: int
    every: int | None
    window: int | None
    first: int
    clip: float

    def advance(self, p: np.ndarray, y: np.ndarray) -> tuple[PlattScaler, np.ndarray]:
        """See `Scaler.advance`."""
        scaler, out, done = self, [], 0
        while done < len(y) or not out:
            stop = done + min(len(y) - done, scaler._until_fit())
            out.append(scaler.ahead(p[done:stop]))
            scaler = scaler._after(p[done:stop], y[done:stop])
            done = stop
        return scaler, np.concatenate(out)

    def _until_fit(self) -> int:
        """Rows from here to the next fit, at least one."""
        ends = [self.first - self.seen] if self.seen < self.first else []
        if self.every is not None:
            ends.append(self.every - self.seen % self.every)
        return min(ends, default=np.iinfo(np.int64).max)

    def _after(self, p: np.ndarray, y: np.ndarray) -> PlattScaler:
        seen = self.seen + len(y)
        if self.every is None and self.seen >= self.first:
            return replace(self, seen=seen)
        x = np.concatenate([self.x, logit(np.clip(p, self.clip, 1.0 - self.clip))])
        y = np.concatenate([self.y, y])
        if self.window is not None:
            x, y = x[-self.window :], y[-self.window :]
        fits = seen > self.seen and (seen == self.first or (self.every is not None and seen % self.every == 0))
        return replace(self, seen=seen, x=x, y=y, theta=fit_platt(x, y, self.theta) if fits else self.theta)

    def ahead(self, p: np.ndarray) -> np.ndarray:
        """See `Scaler.ahead`."""
        return sigmoid(self.theta[0] * logit(np.clip(p, self.clip, 1.0 - self.clip)) + self.theta[1])

    @property
    def parameters(self) -> tuple[float, ...]:
        """Slope and intercept."""
        return tuple(float(t) for t in self.theta)


def estimate(options: PlattOptions) -> PlattScaler:
    """The identity, before any row."""
    empty = np.zeros(0)
    return PlattScaler(
        np.array([1.0, 0.0]), empty, empty, 0, options.every, options.window, options.burn_in, options.clip
    )


METHOD = Method(
    verb="calibrate_online",
    name="platt",
    estimate=estimate,
    options=PlattOptions,
    summary="Platt's map fitted again after every 500 rows, to the latest rows or to all so far",
    citation="Platt (1999)",
    guarantee="calibrated where forecasts and outcomes keep their joint law over the rows of a fit",
    vignette="online-platt",
    traits=OPS.traits,
)

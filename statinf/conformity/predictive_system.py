"""The result of `method="cps"`: a predictive distribution for each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend import chunks, generator
from statinf.backend.seeds import check_seed
from statinf.conformity.new_rows import Ready, ready_rows
from statinf.conformity.procedure import Split
from statinf.conformity.result import Conformal
from statinf.errors import DataError, OptionError, one_of
from statinf.formula.given import aligned
from statinf.inference.levels import given_levels
from statinf.inference.predictive import ErrorLaw
from statinf.results import prediction_frame

_CELLS = 1 << 20


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PredictiveSystem(Conformal):
    """Prediction sets that are read from one calibrated distribution per row."""

    beside = (*Conformal.beside, "quantile", "cdf", "interval", "sample", "crps")

    def quantile(self, newdata: Any = None, tau: float | Sequence[float] = 0.5, *, bound: str = "upper") -> Any:
        """Quantiles of the new outcomes.

        Parameters
        ----------
        newdata : data frame, optional
        tau : float or sequence of float
            Levels in (0, 1).
        bound : {"upper", "lower"}
            The distribution is known up to one step. "upper" takes the quantile that the outcome stays below with a
            probability of at least tau, "lower" the one it stays below with at most tau.

        Returns
        -------
        data frame
            One column per level, such as `q0.1`; infinite where calibration rows are too few for it, or absent from the
            row's group; NaN for rows that cannot be predicted.

        Examples
        --------
        >>> import statinf as si
        >>> cars = si.datasets.load("mtcars")
        >>> fit = si.conformal("mpg ~ wt", cars, method="cps", level=0.8)
        >>> fit.quantile(cars.head(2), [0.25, 0.75]).round(1)
           q0.25  q0.75
        0   21.0   23.8
        1   19.6   22.3
        """
        one_of("bound", bound, ("upper", "lower"))
        taus = given_levels(tau)
        data = self._data(newdata)
        ready, centre, scale = self._rows(data)
        values = np.full((len(ready.ok), len(taus)), np.inf if bound == "upper" else -np.inf)
        for at, law, own in self._laws(ready):
            for j, level in enumerate(taus):
                z = law.upper_quantile(level, own) if bound == "upper" else law.lower_quantile(level, own)
                values[at, j] = centre[at] + scale[at] * z
        columns = {f"q{level:g}": ready.spread(values[:, j]) for j, level in enumerate(taus)}
        return prediction_frame(ready.new, columns)

    def cdf(self, newdata: Any = None, values: Any = None, *, seed: int | None = None) -> Any:
        """The distribution function at values, by default at the recorded outcomes.

        Parameters
        ----------
        newdata : data frame, optional
        values : float or array, shape (rows,), optional
            Where to evaluate; one number serves every row.
        seed : int, optional
            Draws the point between `lower` and `upper` that makes the value at a new outcome exactly uniform. Without it
            `estimate` is the middle.

        Returns
        -------
        data frame
            `estimate`, `lower`, `upper`: the function is known up to one step. NaN where a row cannot be predicted or has
            no value; (0, 1) in groups without calibration rows.
        """
        data = self._data(newdata)
        ready, centre, scale = self._rows(data, response=values is None)
        at_values = self._values(ready, values)
        low, high = np.zeros(len(ready.ok)), np.ones(len(ready.ok))
        for at, law, own in self._laws(ready):
            low[at], high[at] = law.cdf((at_values[at] - centre[at]) / scale[at], own)
        missing = np.isnan(at_values)
        low[missing] = high[missing] = np.nan
        share = 0.5 if seed is None else generator(check_seed(seed), 41).random(len(ready.ok))
        columns = {"estimate": low + share * (high - low), "lower": low, "upper": high}
        return prediction_frame(ready.new, {k: ready.spread(v) for k, v in columns.items()})

    def interval(self, newdata: Any = None, *, level: float | None = None) -> Any:
        """Central intervals, with equal miss rates in the tails: `predict` without the centre."""
        new, sets, _ = self._sets(self._data(newdata), level, warn=newdata is not None)
        lower, upper = sets.hull()
        return prediction_frame(new, {"lower": lower, "upper": upper})

    def sample(self, newdata: Any = None, size: int = 100, *, seed: int = 0) -> np.ndarray:
        """Draws from each row's distribution, the errors of the calibration rows around its prediction.

        Parameters
        ----------
        newdata : data frame, optional
        size : int
            Draws per row.
        seed : int

        Returns
        -------
        ndarray, shape (rows, size)
            NaN for rows that cannot be predicted or whose group has no calibration rows.
        """
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
            raise OptionError(f"size={size!r} is the number of draws per row; it must be a whole number from 1.")
        ready, centre, scale = self._rows(self._data(newdata))
        uniform = generator(check_seed(seed), 43).random((len(ready.ok), int(size)))
        out = np.full((ready.new.n, int(size)), np.nan)
        for at, law, _ in self._laws(ready):
            for part in chunks(len(at), max(1, _CELLS // int(size))):
                rows = at[part]
                picked = np.searchsorted(law.cumulated[1:], uniform[rows] * law.cumulated[-1], side="right")
                out[ready.ok[rows]] = centre[rows, None] + scale[rows, None] * law.errors[picked]
        return out

    def crps(self, newdata: Any = None) -> np.ndarray:
        """Continuous ranked probability score at the recorded outcomes, in units of the outcome: small is good.

        Returns
        -------
        ndarray, shape (rows,)
            NaN where a row has no outcome or no distribution. Its mean compares models.
        """
        ready, centre, scale = self._rows(self._data(newdata), response=True)
        outcome = self._values(ready, None)
        found = np.full(len(ready.ok), np.nan)
        for at, law, _ in self._laws(ready):
            found[at] = scale[at] * law.crps((outcome[at] - centre[at]) / scale[at])
        found[np.isnan(outcome)] = np.nan
        return ready.spread(found)

    # --- arrays -------------------------------------------------------------------------------------------

    def _rows(self, data: Any, response: bool = False) -> tuple[Ready, np.ndarray, np.ndarray]:
        """New rows with the centre and the scale of their errors."""
        ready = ready_rows(self, data, response=response)
        procedure = self.procedure
        assert isinstance(procedure, Split)
        local = procedure.score.local(procedure.fitted, ready.X, procedure.seed)
        return ready, local[0], local[1] if len(local) > 1 else np.ones(len(ready.ok))

    def _laws(self, ready: Ready) -> list[tuple[np.ndarray, ErrorLaw, np.ndarray | float]]:
        """New rows, the law of their errors, and their own weight in it."""
        assert isinstance(self.procedure, Split)
        calibration = self.procedure.calibration
        found = []
        for at, part in calibration.parts(ready.groups, len(ready.ok)):
            law = ErrorLaw.of(
                calibration.scores[part, 1], None if calibration.weights is None else calibration.weights[part]
            )
            found.append((at, law, 1.0 if ready.ratio is None else ready.ratio[at]))
        return found

    def _values(self, ready: Ready, values: Any) -> np.ndarray:
        """Where to evaluate, for the rows that can be predicted."""
        if values is None:
            assert ready.new.response is not None
            return np.asarray(ready.new.response, np.float64)[ready.ok]
        given = np.asarray(aligned(values, ready.new.frame, "values"), np.float64)
        if given.shape not in ((), (ready.new.n,)):
            raise DataError(f"values has shape {given.shape}; give one number, or one per row, ({ready.new.n},).")
        return np.broadcast_to(given, (ready.new.n,))[ready.ok]

"""`QuantileProcess`: what a fitted quantile process predicts, and how it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from statinf.backend.seeds import check_seed
from statinf.errors import DataError, OptionError, check_level, one_of
from statinf.formula.given import aligned
from statinf.formula.recipe import NewRows
from statinf.inference.levels import given_levels, levels_of
from statinf.internal import internal
from statinf.learners.process_network import FittedProcess, crossing_share
from statinf.quantile.noncrossing.calibration import LevelMap, PairShifts, score
from statinf.quantile.noncrossing.fan import fan_rows
from statinf.quantile.scores import QuantileScores, score_quantiles
from statinf.results import Predictive, Table, prediction_frame, to_caller
from statinf.results.reach import footer

CROSSING_LEVELS = np.arange(1, 20) / 20
_NUMERIC = (int, float, np.integer, np.floating)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class QuantileProcess(Predictive):
    """All conditional quantiles of an outcome.

    Attributes
    ----------
    tau : ndarray, shape (m,)
        Levels predicted by default.
    network : {"requ", "gaps"}
    calibrate : str or None
    process : FittedProcess
        The trained network on arrays, with the penalties tried and the history of the held-out loss.
    calibration : PairShifts, LevelMap or None
    """

    beside: ClassVar[tuple[str, ...]] = ("derivative", "cdf", "sample", "crossing_rate", "score")

    tau: np.ndarray
    network: str
    calibrate: str | None
    process: FittedProcess
    calibration: PairShifts | LevelMap | None = None

    @property
    def certified_as(self) -> tuple[str, ...]:
        return (self.calibrate or "not calibrated",)

    @property
    def penalty(self) -> float:
        """The penalty of the network: the one chosen, or the one given."""
        return self.process.penalty

    @property
    @internal
    def response_columns(self) -> tuple[str, ...]:
        """Data columns of the outcome."""
        recipe = self.recipe
        return () if recipe is None else tuple(c for label in recipe.response for c in recipe.factors[label].columns)

    def _rows(self, newdata: Any, response: bool = False) -> tuple[NewRows, np.ndarray, np.ndarray]:
        """New rows, covariates of those that can be predicted (k, p), and the offset of these (k, 1)."""
        if newdata is None:
            raise OptionError("give the rows to predict; the fit keeps none of its own.")
        rows = self.new_rows(newdata, response=response)
        X = rows.parts["covariates"].without_intercept().values[rows.ok]
        offset = np.zeros(len(X)) if rows.offset is None else rows.offset[rows.ok]
        return rows, X, offset[:, None]

    def _quantiles(self, X: np.ndarray, taus: np.ndarray, monotone: str | None) -> np.ndarray:
        if self.calibration is not None:
            return self.calibration.quantiles(self.process, X, taus)
        q = self.process.predict_quantiles(X, taus)
        if monotone is None:
            return q
        back = np.argsort(np.argsort(taus, kind="stable"), kind="stable")
        return np.sort(q, axis=1)[:, back]

    def predict(
        self,
        newdata: Any = None,
        *,
        tau: float | Sequence[float] | None = None,
        interval: str | None = None,
        level: float = 0.9,
        monotone: str | None = "sort",
    ) -> Any:
        """Conditional quantiles, one row out per row in.

        Parameters
        ----------
        newdata : data frame
        tau : float or sequence of float, optional
            Any levels in (0, 1); those of the fit by default.
        interval : {None, "prediction"}
            With "prediction" the median and the central interval in place of `tau`.
        level : float
            Of the interval.
        monotone : {"sort", None}
            "sort" puts the quantiles of each row in order; None leaves them as the network has them, which may cross.
            Calibrated quantiles are always in order.

        Returns
        -------
        data frame
            One column per level named "q0.1", or estimate, lower and upper.
        """
        if monotone is not None:
            one_of("monotone", monotone, ("sort",))
        taus = self.tau if tau is None else given_levels(tau)
        if interval is not None:
            one_of("interval", interval, ("prediction",))
            if tau is not None:
                raise OptionError("interval= has levels of its own: give level=, or leave interval= out.")
            low = (1.0 - check_level(level)) / 2.0
            taus = np.array([0.5, low, 1.0 - low])
        rows, X, offset = self._rows(newdata)
        if interval is not None and self.calibrate == "cqr":
            ends = self._quantiles(X, taus[1:], monotone)
            # The median is not calibrated; an interval made shorter must still hold it.
            q = np.column_stack([np.clip(self.process.predict(X), ends[:, 0], ends[:, 1]), ends])
        else:
            q = self._quantiles(X, taus, monotone)
        names = ["estimate", "lower", "upper"] if interval is not None else [f"q{t:g}" for t in taus]
        return prediction_frame(rows, dict(zip(names, _spread(rows, q + offset).T, strict=True)))

    def derivative(self, newdata: Any, tau: float | Sequence[float] | None = None) -> Any:
        """Derivative of the network's quantiles in the level; one over it is the conditional density at the quantile.

        Parameters
        ----------
        newdata : data frame
        tau : float or sequence of float, optional

        Returns
        -------
        data frame
            One column per level, named as in `predict`. Of the network, without calibration.
        """
        taus = self.tau if tau is None else given_levels(tau)
        rows, X, _ = self._rows(newdata)
        slopes = _spread(rows, self.process.curves(X, taus)[1])
        return prediction_frame(rows, {f"q{t:g}": slopes[:, k] for k, t in enumerate(taus)})

    def cdf(self, newdata: Any, y: Any = None) -> Any:
        """Conditional distribution function: the share of levels whose quantile is at most y.

        Parameters
        ----------
        newdata : data frame
        y : float or array, shape (rows,), optional
            Where to evaluate; one number serves every row. The recorded outcomes by default.

        Returns
        -------
        data frame
            Column estimate; NaN where a row cannot be predicted or has no value. With `calibrate="dcp"` the share of rows
            set aside with a smaller value of the network's function; otherwise that of the network.
        """
        rows, X, offset = self._rows(newdata, response=y is None)
        at = _values(rows, y)[rows.ok]
        known = ~np.isnan(at)
        found = np.full(len(X), np.nan)
        value = at[known] - offset[known, 0]
        if isinstance(self.calibration, LevelMap):
            found[known] = self.calibration.shares(score(self.process, X[known], value))
        else:
            found[known] = self.process.cdf(X[known], value)
        return prediction_frame(rows, {"estimate": _spread(rows, found)})

    def sample(self, newdata: Any, size: int = 100, *, seed: int = 0) -> np.ndarray:
        """Draws from each row's distribution: the network's quantiles at uniform levels, without calibration.

        Parameters
        ----------
        newdata : data frame
        size : int
            Draws per row.
        seed : int

        Returns
        -------
        ndarray, shape (rows, size)
            NaN for rows that cannot be predicted.
        """
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
            raise OptionError(f"size={size!r} is the number of draws per row; it must be a whole number from 1.")
        check_seed(seed)
        rows, X, offset = self._rows(newdata)
        return _spread(rows, self.process.sample(X, int(size), seed=seed) + offset)

    def crossing_rate(self, newdata: Any, taus: float | Sequence[float] | None = None, *, of: str = "rows") -> float:
        """Share of rows, or of neighbouring pairs of levels, in which the network's quantiles cross.

        Parameters
        ----------
        newdata : data frame
        taus : sequence of float, optional
            0.05, 0.1, ..., 0.95 by default.
        of : {"rows", "pairs"}
        """
        one_of("of", of, ("rows", "pairs"))
        levels = CROSSING_LEVELS if taus is None else levels_of(taus)
        if len(levels) < 2:
            raise OptionError("quantiles cross between levels; give two or more.")
        _, X, _ = self._rows(newdata)
        if not len(X):
            raise DataError("no row can be predicted.")
        q = self.process.predict_quantiles(X, levels)
        return crossing_share(q) if of == "rows" else float((np.diff(q, axis=1) < 0).mean())

    def score(self, newdata: Any, tau: float | Sequence[float] | None = None) -> QuantileScores:
        """Scores of the predicted quantiles on rows with recorded outcomes."""
        levels = self.tau if tau is None else levels_of(tau)
        rows, X, offset = self._rows(newdata, response=True)
        assert rows.response is not None
        q = _spread(rows, self._quantiles(X, levels, "sort") + offset)
        return score_quantiles(rows.response, q, levels, kind=rows.kind)

    def glance(self) -> Any:
        """One row of statistics of the whole fit, in the caller's kind of data frame."""
        import pandas as pd

        fitted = self.process
        best = fitted.tried[:, 0] == fitted.penalty
        columns = {
            "nobs": self.nobs,
            "method": self.method,
            "network": self.network,
            "penalty": fitted.penalty,
            "pinball": float(fitted.tried[best, 1][0]) * fitted.scale,
            "crossing": float(fitted.tried[best, 2][0]),
            "epochs": len(fitted.history),
            "skipped": fitted.skipped,
        }
        return to_caller(pd.DataFrame({name: [v] for name, v in columns.items()}), self.kind)

    def summary(self) -> Table:
        fitted = self.process
        rows = [
            (f"{p:.4g}{' (kept)' if p == fitted.penalty and len(fitted.tried) > 1 else ''}", loss * fitted.scale, share)
            for p, loss, share in fitted.tried
        ]
        facts = (
            ("Formula", self.formula),
            ("Rows", str(self.nobs)),
            ("Network", self.network),
            ("Epochs", str(len(fitted.history))),
            ("Calibration", self.calibrate or "none"),
        )
        notes = (
            "Pinball loss on the rows held out in training, over levels 0.05 to 0.95; share of rows with quantiles that cross.",
            f"Method: {self.citation}.",
            *footer(self),
        ) + ((self.dropped_note(),) if self.dropped else ())
        columns = ("penalty", "pinball loss", "rows crossing")
        return Table.of(columns, rows, title="Quantile process", facts=facts, notes=notes)

    def plot(
        self, newdata: Any = None, column: str | None = None, *, kind: str = "fan", tau: Any = None, **options: Any
    ) -> Any:
        """A figure.

        Parameters
        ----------
        newdata : data frame
            Rows whose range the fan goes over; with one covariate their outcomes are drawn too.
        column : str, optional
            The covariate along the axis; others are held at their medians or most frequent values. The first numerical
            one by default.
        kind : {"fan", "training", "calibration"}
            Quantiles over a covariate; held-out loss by epoch; or coverage of the levels on rows with recorded outcomes.
        tau : sequence of float, optional
        """
        from statinf.plotting import quantile as figures

        one_of("kind", kind, ("fan", "training", "calibration"))
        if kind == "training":
            return figures.plot_training(self.process.history * self.process.scale, **options)
        if newdata is None:
            raise OptionError(f"plot(newdata, kind={kind!r}) needs rows; the fit keeps none of its own.")
        if kind == "calibration":
            return self.score(newdata, tau).plot(**options)
        levels = self.tau if tau is None else levels_of(tau)
        fan = fan_rows(self, newdata, column)
        _, X, offset = self._rows(fan.frame)
        lines = self._quantiles(X, levels, "sort") + offset
        return figures.plot_fan(fan.x, lines, levels, fan.points, fan.column, self.outcome, **options)


def _spread(rows: NewRows, values: np.ndarray) -> np.ndarray:
    """Values (k, ...) of the rows that can be predicted among all rows; NaN elsewhere."""
    out = np.full((rows.n, *values.shape[1:]), np.nan)
    out[rows.ok] = values
    return out


def _values(rows: NewRows, given: Any) -> np.ndarray:
    """Where to evaluate, per row (n,): the recorded outcomes, one number, or an array."""
    if given is None:
        assert rows.response is not None
        return rows.response
    if isinstance(given, _NUMERIC) and not isinstance(given, bool):
        return np.full(rows.n, float(given))
    try:
        values = np.asarray(aligned(given, rows.frame, "y"), np.float64)
    except (TypeError, ValueError):
        raise OptionError(f"y={given!r} is neither a number nor one number per row.") from None
    if values.shape != (rows.n,):
        raise DataError(f"y has shape {values.shape} for {rows.n} rows; give one number, or one per row.")
    return values

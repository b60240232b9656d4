"""`QuantilePath`: penalised quantile regressions along a path of penalties."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from statinf.errors import DataError, NotIdentifiedError, OptionError, one_of
from statinf.frames import to_caller
from statinf.numerics.order.monotone import KINDS as MONOTONE
from statinf.numerics.order.monotone import monotone
from statinf.quantile.penalised.estimate import PenaltyPath
from statinf.quantile.penalised.tables import path_frame, summary_table, tidy_frame
from statinf.quantile.scores import QuantileScores, frame_weights, score_quantiles
from statinf.results import Predictive, Table, augmented, prediction_frame
from statinf.results.predicting import prediction_rows, predictor

if TYPE_CHECKING:
    import pandas as pd

    from statinf.formula.design import Design


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class QuantilePath(Predictive):
    """Quantile regressions with penalised coefficients at k levels and L penalties.

    Attributes
    ----------
    tau : ndarray, shape (k,)
    columns : tuple of str
        All columns of the formula, the intercept included.
    found : PenaltyPath
        Penalties, coefficients and scores.
    null_loss : ndarray, shape (k,)
        Weighted mean check loss of the intercept alone, or of a prediction of zero where there is none.
    """

    tau: np.ndarray
    columns: tuple[str, ...]
    found: PenaltyPath
    null_loss: np.ndarray
    design: Design | None = field(default=None, metadata={"saved": False})

    beside: ClassVar[tuple[str, ...]] = ("penalty", "path", "coefficients", "selected", "at", "score")

    def lean(self) -> Self:
        return replace(self, design=None)

    # --- coefficients -------------------------------------------------------------------------------------

    @property
    def penalties(self) -> np.ndarray:
        """Penalties of the path, decreasing, shape (L,)."""
        return self.found.penalties

    @property
    def penalty(self) -> Any:
        """The penalty in use: a number, or with several levels a Series by level."""
        import pandas as pd

        used = self.found.penalties[self.found.chosen]
        return (
            float(used[0]) if len(used) == 1 else pd.Series(used, index=pd.Index(self.tau, name="tau"), name="penalty")
        )

    @property
    def coef(self) -> np.ndarray:
        """Coefficients at the penalty in use, shape (k, p)."""
        return self.found.coef[self.found.chosen, np.arange(len(self.tau))]

    @property
    def theta(self) -> np.ndarray:
        """Coefficients in use, level by level, shape (k p,)."""
        return self.coef.ravel()

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of `theta`: columns, with several levels "q0.25: income"."""
        if len(self.tau) == 1:
            return self.columns
        return tuple(f"q{t:g}: {c}" for t in self.tau for c in self.columns)

    @property
    def params(self) -> pd.Series:
        """Coefficients in use by name."""
        import pandas as pd

        return pd.Series(self.theta, index=list(self.terms), name="estimate")

    @property
    def selected(self) -> Any:
        """Columns whose coefficient is not zero, the intercept aside: a tuple of names, or with several levels a mapping."""
        chosen = {
            float(t): tuple(c for c, b in zip(self.columns, row, strict=True) if b != 0 and c != "Intercept")
            for t, row in zip(self.tau, self.coef, strict=True)
        }
        return next(iter(chosen.values())) if len(chosen) == 1 else chosen

    @property
    def path(self) -> Any:
        """One row per level and penalty: tau, penalty, selected (columns), loss, score, std_error, chosen."""
        return to_caller(path_frame(self), self.kind)

    def coefficients(self, tau: float | None = None) -> pd.DataFrame:
        """Coefficients along the path, one row per penalty.

        Parameters
        ----------
        tau : float, optional
            The level; may be left out if there is one.
        """
        import pandas as pd

        at = self._level(tau)
        index = pd.Index(self.found.penalties, name="penalty")
        return pd.DataFrame(self.found.coef[:, at], index=index, columns=list(self.columns))

    def at(self, penalty: float) -> Self:
        """The same path at another of its penalties, at every level: the nearest one in logarithms."""
        if isinstance(penalty, bool) or not isinstance(penalty, int | float | np.number) or not penalty >= 0:
            raise OptionError(f"penalty={penalty!r} is not a number of at least 0; `path` lists the penalties.")
        tiny = np.finfo(float).tiny
        distance = np.abs(np.log(np.maximum(self.found.penalties, tiny)) - np.log(max(penalty, tiny)))
        chosen = np.full(len(self.tau), int(np.argmin(distance)))
        return replace(self, found=replace(self.found, chosen=chosen))

    def _level(self, tau: float | None) -> int:
        if tau is None and len(self.tau) == 1:
            return 0
        near = np.flatnonzero(np.isclose(self.tau, np.nan if tau is None else float(tau)))
        if not len(near):
            raise OptionError(
                f"tau={tau!r} is not a level of the fit; there are {', '.join(f'{t:g}' for t in self.tau)}."
            )
        return int(near[0])

    # --- tables -------------------------------------------------------------------------------------------

    def tidy(self) -> Any:
        """One row per level and column: tau, term, estimate, penalised coefficients that are zero included."""
        return to_caller(tidy_frame(self), self.kind)

    def glance(self) -> Any:
        """One row per level: tau, nobs, penalty, selected, loss, score, pseudo_r_squared, method."""
        import pandas as pd

        at = self.found.chosen, np.arange(len(self.tau))
        scores = [np.nan] * len(self.tau)
        if self.found.validation is not None:
            scores = [v.mean[c] for v, c in zip(self.found.validation, self.found.chosen, strict=True)]
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = np.where(self.null_loss > 0, 1.0 - self.found.loss[at] / self.null_loss, np.nan)
        items = {
            "tau": self.tau,
            "nobs": self.nobs,
            "penalty": self.found.penalties[self.found.chosen],
            "selected": self._counts(),
            "loss": self.found.loss[at],
            "score": scores,
            "pseudo_r_squared": gain,
            "method": self.method,
        }
        return to_caller(pd.DataFrame(items), self.kind)

    def _counts(self) -> np.ndarray:
        free = np.array([c != "Intercept" for c in self.columns])
        return np.count_nonzero(self.coef[:, free], axis=1)

    def summary(self) -> Table:
        """Coefficients that are not zero by level, the penalty and how it was chosen."""
        return summary_table(self)

    # --- predictions --------------------------------------------------------------------------------------

    def predict(self, newdata: Any = None, *, interval: str | None = None, noncrossing: str | None = None) -> Any:
        """Conditional quantiles, one column per level, named "q0.1".

        Parameters
        ----------
        newdata : data frame, optional
            The data of the fit by default.
        interval : None
            There are none.
        noncrossing : {None, "sort", "isotonic", "sweep"}
            Make the predicted quantiles of each row nondecreasing in the level.
        """
        if interval is not None:
            self.refuse(f"interval={interval!r}", "penalised estimates have no standard errors")
        rows = prediction_rows(self, newdata)  # type: ignore[arg-type]
        values = self._fitted(rows.parts["covariates"], rows.offset, noncrossing)
        values[~rows.ok] = np.nan
        return prediction_frame(rows, {f"q{t:g}": column for t, column in zip(self.tau, values.T, strict=True)})

    def _fitted(self, matrix: Any, offset: Any, noncrossing: str | None) -> np.ndarray:
        if noncrossing is not None:
            one_of("noncrossing", noncrossing, MONOTONE)
        values = np.column_stack([predictor(matrix, b, offset) for b in self.coef])
        return values if noncrossing is None else monotone(values, noncrossing)

    def _need_rows(self, what: str) -> Design:
        if self.design is None:
            raise DataError(f"{what} need the rows of the fit, which a saved or lean fit leaves out; fit again.")
        return self.design

    def augment(self) -> Any:
        """The data of the fit with columns fitted and residual, by level where there are several."""
        made = self._need_rows("row-wise diagnostics")
        fitted = self._fitted(made.parts[0], made.offset, None)
        columns = {}
        for k, t in enumerate(self.tau):
            ending = f"_q{t:g}" if len(self.tau) > 1 else ""
            columns |= {f"fitted{ending}": fitted[:, k], f"residual{ending}": made.y - fitted[:, k]}
        return augmented(made, columns)

    def score(self, newdata: Any = None, *, noncrossing: str | None = None) -> QuantileScores:
        """Pinball loss, coverage, weighted interval score and CRPS of the predicted quantiles.

        Parameters
        ----------
        newdata : data frame, optional
            Rows with the outcome recorded; those of the fit with their weights by default.
        noncrossing : {None, "sort", "isotonic", "sweep"}
        """
        own = self._need_rows("scores without newdata") if newdata is None else None
        rows = self.new_rows(newdata if own is None else own.frame, response=True)
        assert rows.response is not None
        fitted = self._fitted(rows.parts["covariates"], rows.offset, noncrossing)
        weights = None if own is None else frame_weights(own)
        return score_quantiles(rows.response, fitted, self.tau, weights=weights, kind=rows.kind)

    def plot(self, kind: str = "path", *, tau: float | None = None, **options: Any) -> Any:
        """A figure.

        Parameters
        ----------
        kind : {"path", "cv"}
            Coefficients of standardised size along the penalties; or scores of the rows left out.
        tau : float, optional
            The level; the first by default.
        """
        from statinf.plotting import penalties as figures

        one_of("kind", kind, ("path", "cv"))
        k = 0 if tau is None else self._level(tau)
        used = float(self.found.penalties[self.found.chosen[k]])
        if kind == "cv":
            if self.found.validation is None:
                raise NotIdentifiedError("kind='cv' is for penalties chosen by cross-validation; one was given here.")
            found = self.found.validation[k]
            return figures.plot_scores(self.found.penalties, found.mean, found.error, used, **options)
        free = [j for j, c in enumerate(self.columns) if c != "Intercept"]
        names = [self.columns[j] for j in free]
        return figures.plot_path(self.found.penalties, self.found.coef[:, k, free], names, used, **options)

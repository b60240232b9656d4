"""What fits with a linear predictor share: rows, predictions, residual diagnostics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statinf.errors import NotIdentifiedError, OptionError, check_level, one_of
from statinf.formula.design import Design
from statinf.inference.covariance import Covariance
from statinf.models.lone import warn_alone
from statinf.models.regression import kept_columns
from statinf.numerics.linear.factors import leverages
from statinf.results import Fit
from statinf.results.margins.mean import MeanModel, linear_mean
from statinf.results.margins.mixin import MarginVerbs
from statinf.results.predicting import (
    augmented,
    prediction_rows,
    predictor,
    predictor_se,
    unsupported,
)

FITTED = 1.0 - 1e-10
"""Leverage from which a row counts as fitted exactly."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RegressionFit(MarginVerbs, Fit):
    """A fit with a linear predictor.

    Attributes
    ----------
    factor : ndarray, shape (k, k)
        Upper triangular R with R'R the information (X'WX of a linear regression) of the columns that are not
        aliased.
    aliases : ndarray, shape (k, p - k)
        How the columns that are not aliased make those that are.
    weights_kind : {"precision", "frequency", "probability"}
        What the weights mean.
    copies : ndarray, shape (rows used,), or None
        How many equal rows each row stands for; not saved.
    """

    factor: np.ndarray
    aliases: np.ndarray
    weights_kind: str = "precision"
    copies: np.ndarray | None = field(default=None, metadata={"saved": False})

    def _examine(self) -> None:
        warn_alone(self)

    def _covariance(self, kind: Any) -> Covariance:
        if kind == "iid" and self.weights_kind == "probability":
            raise NotIdentifiedError(
                "vcov='iid' takes weights for inverse variances; with weights_kind='probability' ask for 'HC0' to 'HC3', or for "
                "clusters."
            )
        return Fit._covariance(self, kind)

    @property
    def rank(self) -> int:
        """Number of columns that are not aliased."""
        return len(self.factor)

    def _columns(self, what: str) -> tuple[Design, np.ndarray]:
        """The design and its columns that are not aliased."""
        made = self._need_rows(what)
        return made, kept_columns(made.parts[0], self.estimable)[1]

    def _predictor(self, what: str) -> np.ndarray:
        """Linear predictor of the rows used, offset included, shape (rows used,)."""
        made = self._need_rows(what)
        return predictor(made.parts[0], self.theta, made.offset)

    @property
    def fitted(self) -> np.ndarray:
        """Fitted means, shape (rows used,)."""
        return self._predictor("fitted values")

    @property
    def residuals(self) -> np.ndarray:
        """Outcome less fitted mean, shape (rows used,); see `scaled_residuals` for others."""
        return self._need_rows("residuals").y - self.fitted

    def scaled_residuals(self, kind: str = "deviance") -> np.ndarray:
        """Residuals of the rows used, shape (rows used,).

        Parameters
        ----------
        kind : {"deviance", "pearson", "working", "response"}
            Signed roots of the rows' shares of the deviance; residuals over the root of their variance at
            dispersion one; on the scale of the linear predictor; as they are. Deviance and Pearson residuals
            of a linear regression are residuals times the root of the weight.
        """
        one_of("kind", kind, ("deviance", "pearson", "working", "response"))
        if kind in ("working", "response"):
            return self.residuals
        return np.sqrt(self._row_weights("residuals")) * self.residuals

    def _row_weights(self, what: str) -> np.ndarray:
        """Weight of one row of those that each row stands for, shape (rows used,)."""
        weights = self._need_rows(what).weights
        return weights if self.copies is None else weights / np.maximum(self.copies, 1.0)

    def _refittable(self) -> None:
        """Refuse refits under random weights where a row stands for several."""
        if self.weights_kind == "frequency":
            raise NotIdentifiedError(
                "a bootstrap draws rows, and with weights_kind='frequency' a row stands for several: repeat the rows instead of "
                "weighting them."
            )

    def _working(self) -> np.ndarray:
        """Weights of the rows in the information, shape (rows used,)."""
        return self._row_weights("leverages")

    def _scale(self) -> float:
        """Standard deviation of a scaled residual of leverage zero."""
        raise NotImplementedError

    def _leverage(self) -> np.ndarray:
        _, x = self._columns("leverages")
        return leverages(x, self.factor, self._working())

    def _diagnostics(self) -> dict[str, np.ndarray]:
        """Fitted mean, residual, leverage and standardised residual of each row used."""
        h, residual = self._leverage(), self.scaled_residuals()
        with np.errstate(divide="ignore", invalid="ignore"):
            standard = np.where(h < FITTED, residual / (self._scale() * np.sqrt(1.0 - h)), np.nan)
        return {"fitted": self.fitted, "residual": residual, "leverage": h, "std_residual": standard}

    def augment(self, *, style: str = "statinf") -> Any:
        """The data of the fit with fitted values, residuals, leverages and what is made of them beside them.

        Parameters
        ----------
        style : {"statinf", "broom"}
            "broom" has the columns of R's broom: .fitted (of a generalised model the linear predictor), .resid, .hat,
            .sigma, .cooksd and .std.resid.
        """
        one_of("style", style, ("statinf", "broom"))
        made = self._need_rows("row-wise diagnostics")
        if style == "broom":
            from statinf.models.broom import broom_columns

            return augmented(made, broom_columns(self))
        return augmented(made, self._diagnostics())

    def _row_df(self, rows: Any) -> float | np.ndarray:
        """Degrees of freedom of the means of new rows: one number, or each row's own where the covariance makes them."""
        if self.cov.degrees is None:
            return self.cov.df
        columns = np.nan_to_num(rows.parts["covariates"].values[:, self.estimable])
        each = self.cov.combined(columns).each
        return self.cov.df if each is None else np.where(np.isnan(each), self.cov.df, each)

    def _predicted(self, newdata: Any) -> tuple[Any, np.ndarray, np.ndarray]:
        """New rows, their linear predictor and its standard error; NaN where it has no estimate."""
        rows = prediction_rows(self, newdata)
        matrix = rows.parts["covariates"]
        broken = unsupported(matrix, self.estimable, self.aliases)
        eta, se = predictor(matrix, self.theta, rows.offset), predictor_se(matrix, self.theta, self.cov)
        return rows, np.where(broken, np.nan, eta), np.where(broken, np.nan, se)

    def mean_model(self, promise: str = "slopes") -> MeanModel:
        if self.recipe is None:
            self.refuse(promise, "it was made from arrays, without a formula")
        return linear_mean(self.recipe, self.theta, link=self._link(), aliased=(self.estimable, self.aliases))

    def _link(self) -> Any:
        """The link between mean and linear predictor; None for the identity."""
        return None

    def plot(self, kind: str = "coefficients", **options: Any) -> Any:
        """A figure.

        Parameters
        ----------
        kind : {"coefficients", "residuals"}
            Intervals of the coefficients, or four residual diagnostics.

        Returns
        -------
        matplotlib axes, or an array of them
        """
        if kind == "coefficients":
            return Fit.plot(self, kind, **options)
        if kind != "residuals":
            raise OptionError(f"plot kind={kind!r} is not known; choose 'coefficients' or 'residuals'.")
        from statinf.plotting.residuals import plot_residuals

        h, residual = self._leverage(), self.scaled_residuals()
        standard = residual / (self._scale() * np.sqrt(np.maximum(1.0 - h, 1e-10)))
        # A row of weight zero has no residual of the fit: it would be a point at zero.
        there = self._need_rows("plots").weights > 0
        drawn = (column[there] for column in (self._predictor("plots"), self._plotted(residual), standard, h))
        return plot_residuals(*drawn, **self._labels(), **options)

    def _plotted(self, residual: np.ndarray) -> np.ndarray:
        return residual

    def _labels(self) -> dict[str, str]:
        return {}


def blocks_read(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What a summary says of passes over data in blocks, among the facts of a fit."""
    return {name: said for name, said in facts.items() if name == "Read in blocks"}


def check_interval(interval: str | None, level: float, allowed: tuple[str, ...]) -> None:
    """Refuse an interval that is not offered, or a level outside (0, 1)."""
    if interval is not None:
        one_of("interval", interval, allowed)
    check_level(level)

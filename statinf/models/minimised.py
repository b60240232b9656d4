"""What regressions that minimise a loss have in common: the coordinates they are solved in, moments and predictions.

Losses in the residual are solved with the outcome centred, less the offset and in units of the residuals of least squares;
others with the outcome as it is and the offset in the predictor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError, NotIdentifiedError
from statinf.formula.design import Design
from statinf.inference.distributions import t_quantile
from statinf.inference.moments import Moments
from statinf.numerics.quantreg.coordinates import Coordinates
from statinf.results import prediction_frame, predictor, predictor_se, stack_scores, unsupported
from statinf.results.predicting import prediction_rows

_EXACT = 1e-13


@dataclass(frozen=True, kw_only=True, repr=False)
class SolvedCoordinates(Brief):
    """Rows of positive weight and columns that are not aliased, near zero and of one size.

    Attributes
    ----------
    design : Design
    used : ndarray of int, shape (n,)
        Positions among the design's rows.
    start : ndarray, shape (p,)
        Least squares for losses in the residual, else zeros.
    at : Coordinates or None
    centre, unit : float
        Of the outcome.
    degree : int
        Of the loss in the outcome's unit.
    kept : ndarray of bool, shape (all columns,)
    aliases : ndarray, shape (p, all columns - p)
    """

    design: Design
    used: np.ndarray
    start: np.ndarray
    at: Coordinates | None
    centre: float
    unit: float
    degree: int
    kept: np.ndarray
    aliases: np.ndarray

    @property
    def back(self) -> np.ndarray:
        """Coefficients of the regressors from those that are solved for, shape (p, p)."""
        return np.eye(len(self.start)) if self.at is None else self.at.back

    @property
    def forward(self) -> np.ndarray:
        """The other way, shape (p, p)."""
        return np.eye(len(self.start)) if self.at is None else self.at.forward

    @property
    def loss_unit(self) -> float:
        """A loss of one here, in the caller's units."""
        return float(self.unit**self.degree)

    def carried(self, theta: np.ndarray) -> np.ndarray:
        """Coefficients of the regressors, shape (..., p), from those that are solved for."""
        out = self.unit * theta @ self.back.T
        return out if self.at is None else out + self.centre * self.at.unit

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Numbers of the rows of positive weight on all rows of the design; zero elsewhere."""
        if len(self.used) == self.design.n:
            return values
        out = np.zeros((self.design.n, *values.shape[1:]))
        out[self.used] = values
        return out

    def moments(self, scores: np.ndarray, hessian: np.ndarray) -> Moments:
        """Moments of the regressors' coefficients.

        Parameters
        ----------
        scores : ndarray, shape (n, p)
            Of the rows used per unit of weight, in the coordinates that are solved in.
        hessian : ndarray, shape (p, p)
            Of the sum of the losses, there.
        """
        factor = np.linalg.qr(np.linalg.cholesky(hessian).T @ self.forward, mode="r") / np.sqrt(self.unit)
        bread = self.unit * self.back @ np.linalg.inv(hessian) @ self.back.T
        return self._moments(scores @ self.forward, bread, len(self.start), factor)

    def loss_moments(self, influence: np.ndarray) -> Moments:
        """Moments of losses, in the caller's units, from the influence (n, m) of the rows used per unit of weight."""
        total = float(self.design.weights.sum())
        return self._moments(influence * self.loss_unit / total, np.eye(influence.shape[1]), len(self.start), None)

    def _moments(self, rows: np.ndarray, bread: np.ndarray, size: int, factor: np.ndarray | None) -> Moments:
        made, unit, nobs = self.design, self.spread(rows), len(self.used)
        stacked = {} if made.weights_object is None else stack_scores(made.weights_object, made.rows, unit)
        return Moments(
            unit * made.weights[:, None], bread, nobs, float(nobs - size), factor=factor, present=made.weights > 0, **stacked
        )  # fmt: skip


def scaled_outcome(
    Z: np.ndarray, y: np.ndarray, w: np.ndarray, at: Coordinates | None
) -> tuple[np.ndarray, np.ndarray, float, float, bool]:
    """The outcome centred and in units of the residuals of least squares.

    Parameters
    ----------
    Z : ndarray, shape (n, p)
    y, w : ndarray, shape (n,)
        Less the offset; weights that sum to one.
    at : Coordinates or None
        Of the columns; the outcome is centred where they span a constant.

    Returns
    -------
    y : ndarray, shape (n,)
    start : ndarray, shape (p,)
        Least squares.
    centre, unit : float
    exact : bool
        Whether least squares leave no residual; the unit is then the outcome's size.
    """
    centre = 0.0
    if at is not None and at.unit.any():
        centre = float(np.partition(y, (len(y) - 1) // 2)[(len(y) - 1) // 2])
        y = y - centre
    start = np.linalg.solve((Z * w[:, None]).T @ Z, Z.T @ (w * y))
    unit, size = float(np.sqrt(w @ (y - Z @ start) ** 2)), float(np.abs(y).max())
    exact = not unit > _EXACT * size
    unit = (size or 1.0) if exact else unit
    return y / unit, start / unit, centre, unit, exact


def check_binary(y: np.ndarray, name: str) -> None:
    """Refuse outcomes of a logistic loss that are not 0 or 1, or all the same."""
    other = (y != 0) & (y != 1)
    if other.any():
        raise DataError(
            f"the outcome '{name}' of the logistic loss must be 0 or 1; {int(other.sum())} rows are not, such as "
            f"{y[np.argmax(other)]:g}."
        )
    if (y == y[0]).all():
        raise NotIdentifiedError(
            f"the outcome '{name}' is {y[0]:g} on all rows used: its logistic loss has no minimum."
        )


def expit(eta: np.ndarray) -> np.ndarray:
    """Probabilities from log odds."""
    return 0.5 * (1.0 + np.tanh(0.5 * eta))


def predicted(fit: Any, newdata: Any, logit: bool, interval: str | None, level: float) -> Any:
    """Predictions with standard errors, and confidence limits where asked for; of a logit the probabilities."""
    rows = prediction_rows(fit, newdata)
    matrix = rows.parts["covariates"]
    broken = unsupported(matrix, fit.estimable, fit.aliases)
    eta = np.where(broken, np.nan, predictor(matrix, fit.theta, rows.offset))
    se = np.where(broken, np.nan, predictor_se(matrix, fit.theta, fit.cov))
    mean = expit if logit else (lambda value: value)
    columns = {"estimate": mean(eta), "std_error": se * mean(eta) * (1.0 - mean(eta)) if logit else se}
    if interval is not None:
        half = t_quantile(0.5 + level / 2.0, fit.cov.df) * se
        columns |= {"conf_low": mean(eta - half), "conf_high": mean(eta + half)}
    return prediction_frame(rows, columns)

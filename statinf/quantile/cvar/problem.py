"""The rows of a CVaR regression in the coordinates it is solved in, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError, NotIdentifiedError
from statinf.formula.design import Design
from statinf.formula.scale import check_columns, check_scale
from statinf.models import regression as common
from statinf.numerics.quantreg.coordinates import Coordinates, coordinates
from statinf.numerics.tails.losses import Loss
from statinf.quantile.solve import kept_columns

_EXACT = 1e-13


@dataclass(frozen=True, repr=False)
class CvarProblem(Brief):
    """Rows of positive weight and columns that are not aliased, near zero and of one size.

    Outcomes of losses in the residual are centred, scaled by the residuals of least squares, and less the offset; those of
    other losses stand as they are, with the offset in the predictor.

    Attributes
    ----------
    design : Design
    loss : Loss
    level : float
    Z : ndarray, shape (n, p)
    y, offset, w : ndarray, shape (n,)
        Weights sum to one.
    used : ndarray of int, shape (n,)
        Positions among the design's rows.
    start : ndarray, shape (p,)
        Least squares for losses in the residual, else zeros.
    at : Coordinates or None
    centre, unit : float
        Of the outcome.
    kept : ndarray of bool, shape (all columns,)
    aliases : ndarray, shape (p, all columns - p)
    seed : int
        Of streams.
    """

    design: Design
    loss: Loss
    level: float
    Z: np.ndarray
    y: np.ndarray
    offset: np.ndarray
    w: np.ndarray
    used: np.ndarray
    start: np.ndarray
    at: Coordinates | None
    centre: float
    unit: float
    kept: np.ndarray
    aliases: np.ndarray
    seed: int = 0

    @property
    def back(self) -> np.ndarray:
        """Coefficients of the regressors from those of Z, shape (p, p)."""
        return np.eye(self.Z.shape[1]) if self.at is None else self.at.back

    @property
    def forward(self) -> np.ndarray:
        """Coefficients of Z from those of the regressors, shape (p, p)."""
        return np.eye(self.Z.shape[1]) if self.at is None else self.at.forward

    @property
    def loss_unit(self) -> float:
        """A loss of one here, in the caller's units."""
        return float(self.unit**self.loss.degree)

    def carried(self, theta: np.ndarray) -> np.ndarray:
        """Coefficients of the regressors, shape (..., p), from those of Z."""
        out = self.unit * theta @ self.back.T
        return out if self.at is None else out + self.centre * self.at.unit


def cvar_problem(design: Design, loss: Loss, level: float, *, allow_small: bool = False, seed: int = 0) -> CvarProblem:
    """The problem of a design.

    Raises
    ------
    DataError
        If the worst share holds less than one row, the outcome does not fit the loss, or the loss is not finite.
    """
    matrix, name = design.parts[0], design.response_names[0]
    kept, aliases = kept_columns(design)
    used = np.flatnonzero(design.weights > 0)
    n, p = len(used), int(kept.sum())
    common.check_size(n, p, matrix.names)
    check_columns(matrix)
    if n * (1.0 - level) < 1.0 - 1e-9 and not allow_small:
        raise DataError(
            f"the worst {100 * (1 - level):g} percent of {n} rows are less than one row; lower level= to at most "
            f"{1 - 1 / n:.4g}, or set allow_small=True."
        )
    y = np.asarray(design.y, np.float64)[used]
    check_scale(float(np.abs(y).max()), f"the outcome '{name}'")
    X = np.ascontiguousarray(matrix.values[used][:, kept])
    at = coordinates(X, even=True) if X.size else None
    Z = X if at is None else at.columns(X)
    w = design.weights[used] / design.weights[used].sum()
    offset = np.zeros(n) if design.offset is None else design.offset[used]
    centre, unit, start = 0.0, 1.0, np.zeros(p)
    if loss.degree:
        y, offset = y - offset, np.zeros(n)
        if at is not None and at.unit.any():
            centre = float(np.partition(y, (n - 1) // 2)[(n - 1) // 2])
            y = y - centre
        start = np.linalg.solve((Z * w[:, None]).T @ Z, Z.T @ (w * y))
        unit = float(np.sqrt(w @ (y - Z @ start) ** 2))
        size = float(np.abs(y).max())
        unit = unit if unit > _EXACT * size else size or 1.0
        y, start = y / unit, start / unit
    elif loss.name == "logistic":
        _check_binary(y, name)
    if not np.isfinite(loss.values(Z @ start + offset, y)).all():
        raise DataError(f"the {loss.name} loss is not finite at the first prediction of every row of '{name}'.")
    return CvarProblem(design, loss, level, Z, y, offset, w, used, start, at, centre, unit, kept, aliases, seed)


def _check_binary(y: np.ndarray, name: str) -> None:
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

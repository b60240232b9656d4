"""The rows of a robust regression in the coordinates it is solved in, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError, NotIdentifiedError, OptionError
from statinf.formula.design import Design
from statinf.formula.scale import check_columns
from statinf.models import regression as common
from statinf.numerics.glm.families import Family
from statinf.numerics.linear.least_squares import solve
from statinf.numerics.quantreg.coordinates import Coordinates, coordinates
from statinf.numerics.tails.losses import Loss, logistic, squared
from statinf.numerics.tails.robust import RobustRows
from statinf.shifts.scaling import weighted_scaling

_EXACT = 1e-13


@dataclass(frozen=True, repr=False)
class RobustProblem(Brief):
    """Rows of positive weight and columns that are not aliased, near zero and of one size.

    Attributes
    ----------
    design : Design
    rows : RobustRows
        The outcome of least squares is centred, less the offset, and in units of its residuals.
    used : ndarray of int, shape (n,)
        Positions among the design's rows.
    start : ndarray, shape (p,)
        Least squares, or zeros for the logistic loss.
    at : Coordinates or None
    centre, unit : float
        Of the outcome.
    kept : ndarray of bool, shape (all columns,)
    aliases : ndarray, shape (p, all columns - p)
    exact : bool
        Whether least squares leave no residual.
    """

    design: Design
    rows: RobustRows
    used: np.ndarray
    start: np.ndarray
    at: Coordinates | None
    centre: float
    unit: float
    kept: np.ndarray
    aliases: np.ndarray
    exact: bool

    @property
    def back(self) -> np.ndarray:
        """Coefficients of the regressors from those of Z, shape (p, p)."""
        return np.eye(len(self.start)) if self.at is None else self.at.back

    @property
    def forward(self) -> np.ndarray:
        """Coefficients of Z from those of the regressors, shape (p, p)."""
        return np.eye(len(self.start)) if self.at is None else self.at.forward

    @property
    def loss_unit(self) -> float:
        """A loss of one here, in the caller's units."""
        return float(self.unit**self.rows.loss.degree)

    def carried(self, theta: np.ndarray) -> np.ndarray:
        """Coefficients of the regressors, shape (p,), from those of Z."""
        out = self.unit * self.back @ theta
        return out if self.at is None else out + self.centre * self.at.unit

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Numbers of the rows of positive weight on all rows of the design; zero elsewhere."""
        out = np.zeros((self.design.n, *values.shape[1:]))
        out[self.used] = values
        return out


def loss_of(family: Family) -> Loss:
    """The loss of a family.

    Raises
    ------
    OptionError
        For a family without one.
    """
    if (family.name, family.link.name) == ("gaussian", "identity"):
        return squared()
    if (family.name, family.link.name) == ("binomial", "logit"):
        return logistic()
    raise OptionError(
        f"method='dro' has the squared loss (family='gaussian') and the logistic loss (family='binomial'), not that of "
        f"family={family.name!r} with link={family.link.name!r}."
    )


def robust_problem(design: Design, family: Family, scale: bool) -> RobustProblem:
    """The problem of a design.

    Raises
    ------
    DataError
        If the outcome does not vary or does not fit the loss, or there are as many coefficients as rows.
    """
    loss = loss_of(family)
    matrix, name = design.parts[0], design.response_names[0]
    if matrix.p == 0:
        raise DataError("the formula leaves no column: it has neither an intercept nor a term.")
    common.check_outcome(design.y, design.weights, name)
    check_columns(matrix)
    used = np.flatnonzero(design.weights > 0)
    X, w = matrix.values[used], design.weights[used] / design.weights[used].sum()
    y = np.asarray(design.y, np.float64)[used]
    offset = np.zeros(len(used)) if design.offset is None else design.offset[used]
    first = solve(X, y - offset, w)
    common.check_size(len(used), len(first.factor), matrix.names)
    common.warn_aliased(matrix, first.kept, first.condition)
    X = np.ascontiguousarray(X[:, first.kept])
    at = coordinates(X, even=True)
    Z = X if at is None else at.columns(X)
    back = np.eye(Z.shape[1]) if at is None else at.back
    scaling = weighted_scaling(X, w)
    spread = scaling.spread if scale else np.ones(X.shape[1])
    names = [n for n, k in zip(matrix.names, first.kept, strict=True) if k]
    slopes = np.array([not (matrix.intercept and n == "Intercept") for n in names])
    norm = (spread[:, None] * back)[slopes]
    variances = scaling.apply(X)[:, slopes] ** 2 - 1.0 if scale else None
    centre, unit, start, exact = 0.0, 1.0, np.zeros(Z.shape[1]), False
    if loss.degree:
        y, offset = y - offset, np.zeros(len(y))
        if at is not None and at.unit.any():
            centre = float(np.partition(y, (len(y) - 1) // 2)[(len(y) - 1) // 2])
            y = y - centre
        start = np.linalg.solve((Z * w[:, None]).T @ Z, Z.T @ (w * y))
        unit = float(np.sqrt(w @ (y - Z @ start) ** 2))
        size = float(np.abs(y).max())
        exact = not unit > _EXACT * size
        unit = size if exact else unit
        y, start = y / unit, start / unit
    else:
        check_binary(y, name)
    rows = RobustRows(Z, y, offset, w, loss, norm, variances)
    return RobustProblem(design, rows, used, start, at, centre, unit, first.kept, first.aliases, exact)


def check_binary(y: np.ndarray, name: str) -> None:
    """Refuse outcomes that are not 0 or 1, or all the same."""
    other = (y != 0) & (y != 1)
    if other.any():
        raise DataError(
            f"the outcome '{name}' must be 0 or 1; {int(other.sum())} rows are not, such as {y[np.argmax(other)]:g}."
        )
    if (y == y[0]).all():
        raise NotIdentifiedError(f"the outcome '{name}' is {y[0]:g} on all rows used: there is nothing to tell apart.")

"""The rows of a robust regression in the coordinates it is solved in, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.errors import OptionError
from statinf.formula.design import Design
from statinf.formula.scale import check_columns
from statinf.models import regression as common
from statinf.models.minimised import SolvedCoordinates, check_binary, scaled_outcome
from statinf.numerics.glm.families import Family
from statinf.numerics.linear.least_squares import solve
from statinf.numerics.quantreg.coordinates import coordinates
from statinf.numerics.tails.losses import Loss, logistic, squared
from statinf.numerics.tails.robust import RobustRows
from statinf.shifts.scaling import weighted_scaling


@dataclass(frozen=True, kw_only=True, repr=False)
class RobustProblem(SolvedCoordinates):
    """The rows of a robust regression.

    Attributes
    ----------
    rows : RobustRows
    exact : bool
        Whether least squares leave no residual.
    """

    rows: RobustRows
    exact: bool


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
    common.check_has_columns(matrix.p)
    common.check_outcome(design.y, design.weights, name)
    check_columns(matrix)
    used = np.flatnonzero(design.weights > 0)
    X, w = matrix.values[used], design.weights[used] / design.weights[used].sum()
    y = np.asarray(design.y, np.float64)[used]
    offset = np.zeros(len(used)) if design.offset is None else design.offset[used]
    first = solve(X, y - offset, w)
    common.check_size(len(used), len(first.factor), matrix.names)
    common.warn_aliased(matrix.names, first.kept, first.condition)
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
        y, start, centre, unit, exact = scaled_outcome(Z, y - offset, w, at)
        offset = np.zeros(len(y))
    else:
        check_binary(y, name)
    rows = RobustRows(Z, y, offset, w, loss, norm, variances)
    return RobustProblem(
        design=design, rows=rows, used=used, start=start, at=at, centre=centre, unit=unit, degree=loss.degree,
        kept=first.kept, aliases=first.aliases, exact=exact,
    )  # fmt: skip

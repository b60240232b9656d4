"""The rows of a CVaR regression in the coordinates it is solved in, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.errors import DataError
from statinf.formula.design import Design
from statinf.formula.scale import check_columns, check_scale
from statinf.models import regression as common
from statinf.models.minimised import SolvedCoordinates, check_binary, scaled_outcome
from statinf.numerics.quantreg.coordinates import coordinates
from statinf.numerics.tails.losses import Loss
from statinf.quantile.solve import kept_columns


@dataclass(frozen=True, kw_only=True, repr=False)
class CvarProblem(SolvedCoordinates):
    """The rows of a regression of least CVaR.

    Attributes
    ----------
    loss : Loss
    level : float
    Z : ndarray, shape (n, p)
    y, offset, w : ndarray, shape (n,)
        Weights sum to one.
    seed : int
        Of streams.
    """

    loss: Loss
    level: float
    Z: np.ndarray
    y: np.ndarray
    offset: np.ndarray
    w: np.ndarray
    seed: int = 0


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
        y, start, centre, unit, _ = scaled_outcome(Z, y - offset, w, at)
        offset = np.zeros(n)
    elif loss.name == "logistic":
        check_binary(y, name)
    if not np.isfinite(loss.values(Z @ start + offset, y)).all():
        raise DataError(f"the {loss.name} loss is not finite at the first prediction of every row of '{name}'.")
    return CvarProblem(
        design=design, loss=loss, level=level, Z=Z, y=y, offset=offset, w=w, used=used, start=start, at=at, centre=centre,
        unit=unit, degree=loss.degree, kept=kept, aliases=aliases, seed=seed,
    )  # fmt: skip

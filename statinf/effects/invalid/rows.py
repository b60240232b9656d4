"""Arrays of a model whose instruments may affect the outcome directly: outcome, treatment, instruments, covariates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from statinf.effects.iv_columns import as_indicator
from statinf.effects.iv_problem import IVProblem
from statinf.errors import DataError, NotIdentifiedError
from statinf.formula.design import Design
from statinf.learners.cells import standardise


@dataclass(frozen=True)
class InvalidRows:
    """Rows in standard units.

    Attributes
    ----------
    y : ndarray, shape (n,)
        Outcome less its mean, over `scale`.
    a : ndarray, shape (n,)
        Treatment: 0 and 1 of two levels, else less its mean over its standard deviation.
    z : ndarray, shape (n, m)
        Instruments: 0 and 1 of two values, others in standard units.
    x : ndarray, shape (n, p + 1)
        Covariates in standard units behind a constant.
    w : ndarray, shape (n,)
    scale : float
        Carries an effect of standard units to those of the columns.
    y_scale, z_scale : float and ndarray, shape (m,)
    binary : bool
        Whether the treatment has two levels.
    names : tuple of str
        Of the instruments.
    treatment : str
    design : Design
    seed : int
    groups : ndarray of int, shape (n,), or None
        Codes of the clusters that must not be split between folds: those of the coarsest column.
    """

    y: np.ndarray
    a: np.ndarray
    z: np.ndarray
    x: np.ndarray
    w: np.ndarray
    scale: float
    y_scale: float
    z_scale: np.ndarray
    binary: bool
    names: tuple[str, ...]
    treatment: str
    design: Design
    seed: int = 0
    groups: np.ndarray | None = None

    @cached_property
    def two_valued(self) -> bool:
        """Whether there is one instrument, of two values."""
        return self.z.shape[1] == 1 and bool(np.isin(self.z[self.w > 0], (0.0, 1.0)).all())

    @cached_property
    def on(self) -> np.ndarray:
        """Rows at the upper value of the one instrument, shape (n,) bool."""
        return self.z[:, 0] == 1.0


def rows_of(problem: IVProblem) -> InvalidRows:
    """Standardise the columns, and refuse those that nothing can be learnt from.

    Raises
    ------
    DataError
        If there is more than one treatment, an instrument stands among the covariates, or a column does not vary.
    NotIdentifiedError
        If the instrument leaves the treatment without variation.
    """
    made = problem.design
    treatment, instruments, covariates = (problem.part(r) for r in ("treatment", "instruments", "covariates"))
    if treatment.p != 1:
        raise DataError(
            f"method='invalid' is for one treatment; the formula has {treatment.p}: {', '.join(treatment.names)}."
        )
    if instruments.p == 0:
        raise DataError("the formula names no instrument behind the second '|'.")
    both = sorted(set(instruments.names) & set(covariates.names))
    if both:
        raise DataError(
            f"the instrument {both[0]!r} stands among the covariates as well; take it out of one of the two."
        )
    if treatment.names[0] in instruments.names:
        raise DataError(f"'{treatment.names[0]}' is both the treatment and an instrument.")
    w, y = made.weights, made.y if made.offset is None else made.y - made.offset
    a = as_indicator(treatment.values, problem.indicator)[:, 0]
    a, a_scale, binary = _two_or_standard(a, w, f"the treatment '{treatment.names[0]}'")
    columns, scales = [], []
    for name, column in zip(instruments.names, instruments.values.T, strict=True):
        values, scale, _ = _two_or_standard(column, w, f"the instrument '{name}'")
        columns.append(values)
        scales.append(scale)
    found = standardise(y[:, None], w)
    if np.ptp(y[w > 0]) == 0.0:
        raise DataError(
            f"the outcome '{made.response_names[0]}' is constant on the rows used; there is nothing to explain."
        )
    y_scale = float(found.scale[0])
    x = standardise(np.ascontiguousarray(covariates.rest.values), w).z
    rows = InvalidRows(
        found.z[:, 1], a, np.column_stack(columns), x, w, y_scale / a_scale, y_scale, np.array(scales), binary,
        instruments.names, problem.names[0], made, problem.seed,
        min(problem.clusters.values(), key=lambda codes: int(codes.max()), default=None),
    )  # fmt: skip
    if rows.two_valued and all(np.ptp(a[(w > 0) & (rows.on == v)]) == 0.0 for v in (True, False)):
        raise NotIdentifiedError(
            f"the treatment '{rows.treatment}' does not vary within either value of '{rows.names[0]}': nothing tells its effect "
            "from a direct effect of the instrument."
        )
    return rows


def _two_or_standard(column: np.ndarray, w: np.ndarray, what: str) -> tuple[np.ndarray, float, bool]:
    """0 and 1 of a column with two values, else standard units; the unit, and whether there are two."""
    used = column[w > 0]
    low, high = float(used.min()), float(used.max())
    if low == high:
        raise DataError(f"{what} does not vary on the rows used.")
    if ((used == low) | (used == high)).all():
        return (column == high) * 1.0, high - low, True
    found = standardise(column[:, None], w)
    return found.z[:, 1], float(found.scale[0]), False

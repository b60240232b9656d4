"""The columns of a model with instruments, centred and scaled, side by side."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend import map_threads, row_blocks
from statinf.errors import FormulaError
from statinf.formula.design import Design
from statinf.formula.scan import check_text, split

ROLES = ("treatment", "covariates", "instruments")
_WANTED = "an instrumental-variable formula has three parts: 'outcome ~ treatment | covariates | instruments'"
_PARALLEL_FROM = 1 << 20
_IN_CACHE = 1 << 14
"""Rows of one column that are gone over several times while they are near."""
_EVERY = 64
"""Of so many rows one tells where a column stands."""


def check_parts(formula: Any) -> None:
    """Refuse formulas without the three parts of a model with instruments, such as other packages write them."""
    if isinstance(formula, str) and (re.search(r"\[[^\]]*~", formula) or len(split(formula, "~")) > 2):
        raise FormulaError(f"{_WANTED}; that is how '[d ~ z]' and '| d ~ z' of other packages are written here.")
    sides = split(check_text(formula), "~")
    parts = split(sides[1], "|") if len(sides) == 2 else ROLES
    if len(parts) < len(ROLES):
        also = ", and R's 'y ~ d + x | z + x' as 'y ~ d | x | z'" if len(parts) == 2 else ""
        raise FormulaError(f"{_WANTED}; write 'outcome ~ treatment | 1 | instruments' for none but a constant{also}.")


@dataclass(frozen=True)
class Units:
    """Where columns stand and how long they are: what carries coefficients of centred and scaled columns back.

    Attributes
    ----------
    centre, scale : ndarray, shape (k,)
        Of endogenous and exogenous columns, in this order; centres are zero in a model without a constant.
    outcome_centre, outcome_scale : float
    constant : int
        Position of the constant among the columns; -1 without one.
    """

    centre: np.ndarray
    scale: np.ndarray
    outcome_centre: float
    outcome_scale: float
    constant: int

    @property
    def carry(self) -> np.ndarray:
        """Matrix (k, k) that takes coefficients, and the errors in them, to the columns as given."""
        out = np.diag(self.outcome_scale / self.scale)
        if self.constant >= 0:
            out[self.constant] = -self.outcome_scale * self.centre / self.scale
            out[self.constant, self.constant] = self.outcome_scale
        return out

    def raw(self, theta: np.ndarray) -> np.ndarray:
        """Coefficients (k,) for the columns as given."""
        out = self.carry @ theta
        if self.constant >= 0:
            out[self.constant] += self.outcome_centre
        return out

    def only(self, kept: np.ndarray) -> Units:
        """The units of some of the columns."""
        constant = int(np.cumsum(kept)[self.constant]) - 1 if self.constant >= 0 else -1
        return Units(self.centre[kept], self.scale[kept], self.outcome_centre, self.outcome_scale, constant)


@dataclass(frozen=True)
class IVColumns:
    """Columns of a model, centred where there is a constant and scaled to unit length.

    Attributes
    ----------
    endogenous, exogenous, instruments : ndarray, shapes (n, c), (n, a), (n, b)
    y, weights : ndarray, shape (n,)
    units : Units
    room : ndarray, shape (n, c + a), optional
        Of which `exogenous` is the last part: projected endogenous columns go before it, so that nothing is copied.
    together : ndarray, shape (n, a + b + c + 1), optional
        Exogenous columns, instruments, endogenous columns and the outcome, of which the others are parts.
    """

    endogenous: np.ndarray
    exogenous: np.ndarray
    instruments: np.ndarray
    y: np.ndarray
    weights: np.ndarray
    units: Units
    room: np.ndarray | None = None
    together: np.ndarray | None = None


def columns_of(made: Design, arms: tuple[float, float] = (0.0, 1.0)) -> IVColumns:
    """Endogenous, exogenous and instrument columns, and the outcome less its offset.

    Parameters
    ----------
    made : Design
    arms : tuple of float
        Values of the treatment's column at the reference and the treated level, which become 0 and 1.
    """
    treatment, covariates, instruments = (made.part(r) for r in ROLES)
    assert treatment is not None and covariates is not None and instruments is not None
    y = made.y if made.offset is None else made.y - made.offset
    w, centred = made.weights, covariates.intercept
    treated, given, outside = as_indicator(treatment.rest.values, arms), covariates.rest.values, instruments.rest.values
    c, a, b = treated.shape[1], int(centred) + given.shape[1], outside.shape[1]
    whole = np.empty((made.n, c + a + b + c + 1), order="F")
    exogenous, excluded, endogenous, outcome = np.split(whole[:, c:], [a, a + b, a + b + c], axis=1)
    if centred:
        exogenous[:, 0] = 1.0
    share = None if (w == w[0]).all() else w / w.sum()
    centre, scale = _standard(treated, share, centred, endogenous)
    own_centre, own_scale = _standard(given, share, centred, exogenous[:, int(centred) :])
    _standard(outside, share, centred, excluded)
    outcome_centre, outcome_scale = _standard(y[:, None], share, centred, outcome)
    if centred:
        own_centre, own_scale = np.append(0.0, own_centre), np.append(1.0, own_scale)
    units = Units(
        np.append(centre, own_centre),
        np.append(scale, own_scale),
        float(outcome_centre[0]),
        float(outcome_scale[0]),
        len(centre) if centred else -1,
    )
    return IVColumns(endogenous, exogenous, excluded, outcome[:, 0], w, units, whole[:, : c + a], whole[:, c:])


def as_indicator(columns: np.ndarray, arms: tuple[float, float]) -> np.ndarray:
    """The treatment's column with 0 at the reference and 1 at the treated level; columns as they are for (0, 1)."""
    return columns if arms == (0.0, 1.0) else (columns - arms[0]) / (arms[1] - arms[0])


def side_by_side(*parts: np.ndarray) -> np.ndarray:
    """Matrices of n rows as one whose columns are contiguous, which is how products read them."""
    out = np.empty((len(parts[0]), sum(part.shape[1] for part in parts)), order="F")
    at = 0
    for part in parts:
        out[:, at : at + part.shape[1]] = part
        at += part.shape[1]
    return out


def _standard(
    columns: np.ndarray, share: np.ndarray | None, centred: bool, out: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Write columns (n, p) less their mean, over their length, to `out`; columns that do not vary become zeros.

    Means are by the rows' shares (n,) of all weight, or even. Returns the means and lengths, shape (p,) each.
    """
    n, p = columns.shape
    centre, length = np.zeros(p), np.ones(p)
    blocks = row_blocks(n, 1, _IN_CACHE)
    some = slice(None, None, _EVERY if share is None and n > _IN_CACHE else 1)

    def sums(given: np.ndarray, near: float) -> tuple[float, float]:
        """Means of a column less `near` and of its square."""
        room, first, second = np.empty(min(n, _IN_CACHE)), 0.0, 0.0
        for rows in blocks:
            part = np.subtract(given[rows], near, out=room[: len(given[rows])])
            if share is None:
                first += float(part.sum()) / n
                second += float(np.dot(part, part)) / n
            else:
                first += float(np.dot(share[rows], part))
                second += float(np.dot(share[rows] * part, part))
        return first, second

    def column(j: int) -> None:
        given, own = columns[:, j], out[:, j]
        near = (float(given[some].mean()) if share is None else float(np.dot(share, given))) if centred else 0.0
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            rest, squares = sums(given, near)
            if (
                centred and rest * rest > 0.5 * squares
            ):  # those rows are unlike the others, or rounding is all that is left
                near += rest
                rest, squares = sums(given, near)
            rest = rest if centred else 0.0
            size = float(np.sqrt(max(squares - rest * rest, 0.0)))
        centre[j] = near + rest
        if not 1e-140 < size < 1e140:
            np.subtract(given, near, out=own)
            own -= rest
            size = _length(own, np.full(n, 1.0 / n) if share is None else share)
        if size <= 16.0 * np.finfo(float).eps * abs(near):
            own[:] = 0.0
            return
        for rows in blocks:
            # In two steps: where a column stands far from zero its mean is a rounded number.
            part = np.subtract(given[rows], near, out=own[rows])
            part -= rest
            part /= size
        length[j] = size

    map_threads(column, range(p), parallel=n * p > _PARALLEL_FROM)
    return centre, length


def _length(column: np.ndarray, share: np.ndarray) -> float:
    """Root of the mean square of a column (n,) under masses (n,)."""
    with np.errstate(over="ignore", under="ignore"):
        length = float(np.sqrt(np.dot(share * column, column)))
    if 1e-140 < length < 1e140:
        return length
    # Squares may overflow or vanish: in units of the largest value they do not.
    largest = float(np.abs(column).max())
    return largest * float(np.sqrt(share @ (column / largest) ** 2)) if largest > 0 else 0.0

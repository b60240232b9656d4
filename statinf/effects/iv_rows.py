"""The rows of an instrumental-variable model: which columns count, and what robust covariances need of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from statinf.backend import map_threads, row_blocks
from statinf.effects.estimate import cluster_codes
from statinf.effects.instruments import System, carried, onto
from statinf.errors import FormulaError
from statinf.formula.design import Design
from statinf.inference.covariance import Covariance
from statinf.inference.moments import Moments
from statinf.inference.sandwich import covariance, uncorrected
from statinf.numerics.linear.products import row_products

_PARALLEL_FROM = 1 << 20
_IN_CACHE = 1 << 14
"""Rows of one column that are gone over several times while they are near."""
ROLES = ("treatment", "covariates", "instruments")


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


@dataclass(frozen=True)
class IVRows:
    """Centred and scaled columns of a model after aliased ones are left out.

    Attributes
    ----------
    endogenous, exogenous, instruments : ndarray, shapes (n, c), (n, a), (n, b)
    y, weights : ndarray, shape (n,)
    system : System
    units : Units
    design : Design
        For its clusters.
    room : ndarray, shape (n, c + a), optional
        As in `IVColumns`; None where some of its columns are left out.
    outside : ndarray, shape (n, a + b), optional
        Exogenous columns and instruments side by side, where none of them is left out.
    """

    endogenous: np.ndarray
    exogenous: np.ndarray
    instruments: np.ndarray
    y: np.ndarray
    weights: np.ndarray
    system: System
    units: Units
    design: Design
    room: np.ndarray | None = None
    outside: np.ndarray | None = None

    @cached_property
    def basis(self) -> np.ndarray:
        """Orthonormal columns of exogenous columns and instruments under the weights, shape (n, a + b)."""
        return self._onto(np.eye(self.system.a + self.system.b))

    @cached_property
    def _projected(self) -> np.ndarray:
        """Orthonormal instruments, and endogenous columns and outcome projected, by one pass: shape (n, b + c + 1)."""
        s = self.system
        return self._onto(np.column_stack([np.eye(s.a + s.b)[:, s.a :], s.factor[: s.a + s.b, s.a + s.b :]]))

    @property
    def excluded(self) -> np.ndarray:
        """Orthonormal instruments with the exogenous columns partialled out, shape (n, b)."""
        return self._projected[:, : self.system.b]

    @property
    def fitted_first(self) -> np.ndarray:
        """Endogenous columns projected on all exogenous ones, shape (n, c)."""
        return self._projected[:, self.system.b : -1]

    @cached_property
    def second_stage(self) -> np.ndarray:
        """Projected endogenous columns, then exogenous ones, shape (n, k)."""
        if self.room is None:
            return side_by_side(self.fitted_first, self.exogenous)
        self.room[:, : self.system.c] = self.fitted_first
        return self.room

    @cached_property
    def unexplained(self) -> np.ndarray:
        """What the first stage and the reduced form leave of [endogenous, outcome], shape (n, c + 1)."""
        return side_by_side(self.endogenous, self.y[:, None]) - self._projected[:, self.system.b :]

    def _onto(self, factor: np.ndarray) -> np.ndarray:
        if self.outside is not None:
            return row_products(self.outside, carried(self.system, factor))
        return onto(self.system, self.exogenous, self.instruments, factor)

    def clusters(self, kind: Any) -> Mapping[str, np.ndarray]:
        """Codes of the clusters that a covariance in normal form names."""
        return cluster_codes(self.design, kind)

    def reduced_form(self, direction: np.ndarray, kind: Any) -> Covariance:
        """Covariance of the coefficients of [endogenous, outcome] @ direction on the orthonormal instruments."""
        left = row_products(self.unexplained, direction)
        s = self.system
        model = np.eye(s.b) * float(self.weights @ left**2) / s.df_first
        scores = self.excluded * (self.weights * left)[:, None]
        moments = Moments(scores, np.eye(s.b), s.nobs, float(s.df_first), model)
        return covariance(moments, uncorrected(kind), self.clusters(kind))

    def at_null(self, kind: Any) -> Callable[[np.ndarray], np.ndarray]:
        """Covariance of the reduced form of y - X t, as a function of t, shape (c,)."""
        return lambda t: self.reduced_form(np.append(-t, 1.0), kind).matrix


def check_parts(made: Design) -> None:
    """Refuse formulas without the three parts of a model with instruments."""
    if any(made.part(role) is None for role in ROLES):
        raise FormulaError(
            "an instrumental-variable formula has three parts: 'outcome ~ treatment | covariates | instruments'; "
            "write 'outcome ~ treatment | 1 | instruments' for none but a constant."
        )


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
    centre, scale = _standard(treated, w, centred, endogenous)
    own_centre, own_scale = _standard(given, w, centred, exogenous[:, int(centred) :])
    _standard(outside, w, centred, excluded)
    outcome_centre, outcome_scale = _standard(y[:, None], w, centred, outcome)
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


def _standard(columns: np.ndarray, w: np.ndarray, centred: bool, out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Write columns (n, p) less their mean, over their length, to `out`; columns that do not vary become zeros.

    Returns the means and lengths, shape (p,) each.
    """
    n, p = columns.shape
    share = w / w.sum()
    even = bool((w == w[0]).all())
    centre, length = np.zeros(p), np.ones(p)
    blocks = row_blocks(n, 1, _IN_CACHE)

    def mean(part: np.ndarray, rows: slice) -> float:
        return float(part.sum()) / n if even else float(np.dot(share[rows], part))

    def square(part: np.ndarray, rows: slice) -> float:
        return float(np.dot(part, part)) / n if even else float(np.dot(share[rows] * part, part))

    def column(j: int) -> None:
        given, own = columns[:, j], out[:, j]
        first = sum(mean(given[rows], rows) for rows in blocks) if centred else 0.0
        rest = squares = 0.0
        with np.errstate(over="ignore", under="ignore"):
            for rows in blocks:
                part = np.subtract(given[rows], first, out=own[rows])
                # What the first mean's rounding has left, of the size of where the column stands.
                rest += mean(part, rows) if centred else 0.0
                squares += square(part, rows)
            size = float(np.sqrt(max(squares - rest * rest, 0.0)))
        if not 1e-140 < size < 1e140:
            own -= rest
            size, left = _length(own, share), 0.0
        else:
            left = rest
        centre[j] = first + rest
        if size <= 16.0 * np.finfo(float).eps * abs(first):
            own[:] = 0.0
            return
        for rows in blocks:
            part = own[rows]
            part -= left
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


def rows_of(made: Design, columns: IVColumns, system: System, kept: np.ndarray) -> IVRows:
    """The rows behind a `System`."""
    a, c = columns.exogenous.shape[1], columns.endogenous.shape[1]
    return IVRows(
        columns.endogenous,
        columns.exogenous if kept[:a].all() else columns.exogenous[:, kept[:a]],
        columns.instruments if kept[a:].all() else columns.instruments[:, kept[a:]],
        columns.y,
        made.weights,
        system,
        columns.units.only(np.append(np.ones(c, bool), kept[:a])),
        made,
        columns.room if kept[:a].all() else None,
        columns.together[:, : len(kept)] if columns.together is not None and kept.all() else None,
    )

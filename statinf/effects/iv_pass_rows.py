"""Columns of a linear model with instruments on blocks of rows: their triangular factor, and the scores of its two stages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np

from statinf.effects.instruments import System, onto
from statinf.effects.iv_columns import ROLES, Units, side_by_side
from statinf.formula.design import Design
from statinf.formula.scale import check_columns, check_scale
from statinf.inference.covariance import Covariance
from statinf.inference.sandwich import uncorrected
from statinf.numerics.linear.triangular import solve_triangular
from statinf.passes import PassDesign
from statinf.passes.covariance import PassScores
from statinf.passes.directions import InDirections
from statinf.passes.reduction import ColumnStack
from statinf.passes.scored import ScoredRows
from statinf.passes.sums import Extent

_FLAT = 16.0 * np.finfo(float).eps


@dataclass(frozen=True)
class ColumnCounts:
    """Numbers of columns: exogenous (a) with the constant, instruments (b), endogenous (c)."""

    a: int
    b: int
    c: int


def stack(block: Design) -> ColumnStack:
    """Exogenous columns, instruments, endogenous columns and the outcome less its offset."""
    treatment, covariates, instruments = (block.part(role) for role in ROLES)
    assert treatment is not None and covariates is not None and instruments is not None
    y = block.y if block.offset is None else block.y - block.offset
    columns = side_by_side(covariates.values, instruments.rest.values, treatment.rest.values, y[:, None])
    return ColumnStack(columns, None, np.sqrt(block.weights) if (block.weights != 1.0).any() else None)


def facts(block: Design) -> Extent:
    """The range of the outcome less its offset; columns whose squares are no numbers are refused."""
    for role in ROLES:
        part = block.part(role)
        assert part is not None
        check_columns(part)
    y = block.y if block.offset is None else block.y - block.offset
    y = y[block.weights > 0]
    check_scale(float(np.abs(y).max(initial=0.0)), f"the outcome '{block.response_names[0]}'")
    return Extent.of(y)


@dataclass(frozen=True)
class ColumnScales:
    """How columns are centred and scaled to unit length, in the order of `stack`.

    Attributes
    ----------
    centre, scale : ndarray, shape (m,)
    flat : ndarray of bool, shape (m,)
        Columns that do not vary, which become zeros.
    """

    centre: np.ndarray
    scale: np.ndarray
    flat: np.ndarray

    def of(self, block: Design) -> np.ndarray:
        """The columns of one block, weights not applied."""
        out = (stack(block).columns - self.centre) / self.scale
        out[:, self.flat] = 0.0
        return np.asfortranarray(out)

    def units(self, widths: ColumnCounts, centred: bool) -> Units:
        """As coefficients are carried back: endogenous columns first."""
        a, b, c = widths.a, widths.b, widths.c
        order = [*range(a + b, a + b + c), *range(a)]
        return Units(
            self.centre[order], self.scale[order], float(self.centre[-1]), float(self.scale[-1]), c if centred else -1
        )


def standardised(joint: np.ndarray, shift: np.ndarray, centred: bool) -> tuple[np.ndarray, ColumnScales]:
    """The triangular factor of centred and scaled columns, from that of columns less `shift`.

    Parameters
    ----------
    joint : ndarray, shape (m, m)
        Upper triangular; the constant is the first column of a model that has one, and is not shifted.
    shift : ndarray, shape (m,)
    centred : bool

    Returns
    -------
    ndarray, shape (m, m)
    ColumnScales
    """
    m = joint.shape[1]
    factor = np.zeros((m, m))
    factor[: len(joint)] = joint
    centre = np.zeros(m)
    if centred:
        # What is behind the constant is orthogonal to it: beside means there are the centred columns.
        total = factor[0, 0] ** 2
        centre[1:] = shift[1:] + factor[0, 1:] / factor[0, 0]
        factor[0, 1:] = 0.0
    else:
        total = 1.0
    scale = np.sqrt(np.einsum("ij,ij->j", factor, factor) / total)
    flat = scale <= _FLAT * np.abs(centre)
    factor[:, flat] = 0.0
    scale[flat] = 1.0
    if centred:
        scale[0], flat[0] = 1.0, False
    return factor / scale, ColumnScales(centre, scale, flat)


@dataclass(frozen=True)
class TwoStages:
    """A solved model as blocks of rows need it.

    Attributes
    ----------
    system : System
    standard : ColumnScales
    widths : ColumnCounts
        Of all columns, aliased ones too.
    kept : ndarray of bool, shape (a + b,)
    coef : ndarray, shape (k,)
        Of centred and scaled columns, endogenous ones first.
    whitened : ndarray, shape (k, k)
        Makes the columns of the second stage orthonormal.
    """

    system: System
    standard: ColumnScales
    widths: ColumnCounts
    kept: np.ndarray
    coef: np.ndarray
    whitened: np.ndarray

    def columns(self, block: Design) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Exogenous columns, instruments, endogenous columns and the outcome of one block."""
        every, a, b = self.standard.of(block), self.widths.a, self.widths.b
        return every[:, :a][:, self.kept[:a]], every[:, a : a + b][:, self.kept[a:]], every[:, a + b : -1], every[:, -1]


def _second(made: TwoStages, block: Design) -> tuple[np.ndarray, np.ndarray]:
    """Whitened columns of the second stage, and residuals with the treatment as it is."""
    exogenous, instruments, endogenous, y = made.columns(block)
    s = made.system
    fitted = onto(s, exogenous, instruments, s.factor[: s.a + s.b, s.a + s.b : -1])
    rows = side_by_side(fitted, exogenous) @ made.whitened
    return rows, y - endogenous @ made.coef[: s.c] - exogenous @ made.coef[s.c :]


def second_stage(made: TwoStages, levered: bool, block: Design) -> ScoredRows:
    """Scores of the structural equation on whitened columns of the second stage."""
    rows, residual = _second(made, block)
    columns = rows * np.sqrt(block.weights)[:, None] if levered else None
    return ScoredRows(rows * (block.weights * residual)[:, None], columns)


def second_stage_unit(made: TwoStages, block: Design) -> np.ndarray:
    """The same scores per unit of weight, shape (n, k)."""
    rows, residual = _second(made, block)
    return rows * residual[:, None]


def reduced_forms(made: TwoStages, block: Design) -> ScoredRows:
    """Scores of [endogenous, outcome] on the orthonormal instruments, those of one left side next to each other."""
    exogenous, instruments, endogenous, y = made.columns(block)
    s = made.system
    size = s.a + s.b
    excluded = onto(s, exogenous, instruments, np.eye(size)[:, s.a :])
    left = side_by_side(endogenous, y[:, None]) - onto(s, exogenous, instruments, s.factor[:size, size:])
    scores = [excluded * (block.weights * one)[:, None] for one in left.T]
    return ScoredRows(side_by_side(*scores))


@dataclass(frozen=True)
class PassForms:
    """First stages and reduced form, whose covariance one pass makes for every direction; in place of `IVRows`.

    Attributes
    ----------
    made : PassDesign
    stages : TwoStages
    """

    made: PassDesign
    stages: TwoStages
    _known: dict[str, InDirections] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def _scores(self) -> PassScores:
        s = self.stages.system
        q = s.b * (s.c + 1)
        return PassScores(self.made, partial(reduced_forms, self.stages), np.eye(q), s.nobs, float(s.df_first))

    def reduced_form(self, direction: np.ndarray, kind: Any) -> Covariance:
        """Covariance of the coefficients of [endogenous, outcome] @ direction on the orthonormal instruments."""
        s, kind = self.stages.system, uncorrected(kind)
        if kind == "iid":
            left = s.rest @ direction
            variance = float(left @ left) / s.df_first
            return Covariance(np.eye(s.b) * variance, "iid", "iid", float(s.df_first))
        key = repr(kind)
        if key not in self._known:
            self._known[key] = self._scores.in_directions(kind)
        return self._known[key](np.kron(direction, np.eye(s.b)))

    def at_null(self, kind: Any) -> Callable[[np.ndarray], np.ndarray]:
        """Covariance of the reduced form of y - X t, as a function of t, shape (c,)."""
        return lambda t: self.reduced_form(np.append(-t, 1.0), kind).matrix


def stages_of(
    system: System, standard: ColumnScales, widths: ColumnCounts, kept: np.ndarray, coef: np.ndarray
) -> TwoStages:
    """The stages of a solved model, with the factor of its second stage's columns."""
    size = system.a + system.b
    # In the coordinates of the instruments: projected endogenous columns, then exogenous ones.
    columns = np.column_stack([system.factor[:size, size:-1], system.factor[:size, : system.a]])
    factor = np.asarray(np.linalg.qr(columns, mode="r"))
    return TwoStages(system, standard, widths, kept, coef, solve_triangular(factor, np.eye(len(factor))))

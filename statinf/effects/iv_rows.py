"""The rows of an instrumental-variable model: which columns count, and what robust covariances need of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from statinf.effects.estimate import cluster_codes
from statinf.effects.instruments import System, carried, onto
from statinf.effects.iv_columns import IVColumns, Units, side_by_side
from statinf.formula.design import Design
from statinf.inference.covariance import Covariance
from statinf.inference.moments import Moments
from statinf.inference.sandwich import covariance, uncorrected
from statinf.numerics.linear.products import row_multiples, row_products


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
    together : ndarray, shape (n, a + b + c + 1), optional
        As in `IVColumns`; None where some of its columns are left out.
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
    together: np.ndarray | None = None

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
        if self.together is not None:
            return row_products(self.together[:, : self.system.a + self.system.b], carried(self.system, factor))
        return onto(self.system, self.exogenous, self.instruments, factor)

    def clusters(self, kind: Any) -> Mapping[str, np.ndarray]:
        """Codes of the clusters that a covariance in normal form names."""
        return cluster_codes(self.design, kind)

    def reduced_form(self, direction: np.ndarray, kind: Any) -> Covariance:
        """Covariance of the coefficients of [endogenous, outcome] @ direction on the orthonormal instruments."""
        left = row_products(self.unexplained, direction)
        s = self.system
        pull = self.weights * left
        model = np.eye(s.b) * float(pull @ left) / s.df_first
        scores = row_multiples(self.excluded, pull)
        moments = Moments(scores, np.eye(s.b), s.nobs, float(s.df_first), model)
        return covariance(moments, uncorrected(kind), self.clusters(kind))

    def at_null(self, kind: Any) -> Callable[[np.ndarray], np.ndarray]:
        """Covariance of the reduced form of y - X t, as a function of t, shape (c,)."""
        return lambda t: self.reduced_form(np.append(-t, 1.0), kind).matrix


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
        columns.together if kept.all() else None,
    )

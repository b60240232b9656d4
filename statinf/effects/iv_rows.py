"""The rows of an instrumental-variable model: which columns count, and what robust covariances need of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from statinf.effects.instruments import System, projections
from statinf.errors import FormulaError
from statinf.formula.design import Design
from statinf.inference.sandwich import Covariance, Moments, covariance

ROLES = ("treatment", "covariates", "instruments")


@dataclass(frozen=True)
class Rows:
    """Columns of a model after aliased ones are left out.

    Attributes
    ----------
    endogenous, exogenous, instruments : ndarray, shapes (n, c), (n, a), (n, b)
    y, weights : ndarray, shape (n,)
    clusters : mapping of str to ndarray of int
    """

    endogenous: np.ndarray
    exogenous: np.ndarray
    instruments: np.ndarray
    y: np.ndarray
    weights: np.ndarray
    system: System
    clusters: Mapping[str, np.ndarray]

    @cached_property
    def basis(self) -> np.ndarray:
        """Orthonormal columns of exogenous columns and instruments under the weights, shape (n, a + b)."""
        return projections(self.system, self.exogenous, self.instruments)

    @property
    def excluded(self) -> np.ndarray:
        """Orthonormal instruments with the exogenous columns partialled out, shape (n, b)."""
        return self.basis[:, self.system.a :]

    @cached_property
    def fitted_first(self) -> np.ndarray:
        """Endogenous columns projected on all exogenous ones, shape (n, c)."""
        s = self.system
        return self.basis @ s.factor[: s.a + s.b, s.a + s.b : -1]

    @cached_property
    def unexplained(self) -> np.ndarray:
        """What the first stage and the reduced form leave of [endogenous, outcome], shape (n, c + 1)."""
        s = self.system
        both = np.column_stack([self.endogenous, self.y])
        return both - self.basis @ s.factor[: s.a + s.b, s.a + s.b :]

    def reduced_form(self, direction: np.ndarray, kind: Any) -> Covariance:
        """Covariance of the coefficients of [endogenous, outcome] @ direction on the orthonormal instruments."""
        left = self.unexplained @ direction
        s = self.system
        model = np.eye(s.b) * float(self.weights @ left**2) / s.df_first
        scores = self.excluded * (self.weights * left)[:, None]
        moments = Moments(scores, np.eye(s.b), s.nobs, float(s.df_first), model)
        return covariance(moments, kind, self.clusters)

    def at_null(self, kind: Any) -> Callable[[np.ndarray], np.ndarray]:
        """Covariance of the reduced form of y - X t, as a function of t, shape (c,)."""
        return lambda t: self.reduced_form(np.append(-t, 1.0), kind).matrix


def columns_of(made: Design) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Endogenous, exogenous and instrument columns, and the outcome less its offset."""
    treatment, covariates, instruments = (made.part(r) for r in ROLES)
    if treatment is None or covariates is None or instruments is None:
        raise FormulaError(
            "an instrumental-variable formula has three parts: 'outcome ~ treatment | covariates | instruments'; "
            "write 'outcome ~ treatment | 1 | instruments' for none but a constant."
        )
    y = made.y if made.offset is None else made.y - made.offset
    return treatment.rest.values, covariates.values, instruments.rest.values, y


def rows_of(made: Design, system: System, kept: np.ndarray, kind: Any = None) -> Rows:
    """The rows behind a `System`, with the clusters that `kind` names."""
    endogenous, exogenous, instruments, y = columns_of(made)
    a = exogenous.shape[1]
    names: list[str] = []
    if isinstance(kind, Mapping):
        names = [kind["cluster"]] if isinstance(kind["cluster"], str) else list(kind["cluster"])
    clusters = {n: made.cluster_codes(n) for n in names}
    return Rows(
        endogenous,
        exogenous if kept[:a].all() else exogenous[:, kept[:a]],
        instruments if kept[a:].all() else instruments[:, kept[a:]],
        y,
        made.weights,
        system,
        clusters,
    )

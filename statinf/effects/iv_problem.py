"""What every method of `iv` gets: the design, its columns, the covariance asked for, and the seed of what is random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from statinf.effects.arms import Arms, arms_of
from statinf.effects.iv_columns import IVColumns, columns_of
from statinf.errors import OptionError
from statinf.formula.design import Design
from statinf.formula.matrix import Matrix
from statinf.inference.vcov import VcovSpec
from statinf.numerics.linear.reduction import TOLERANCE


@dataclass(frozen=True)
class IVProblem:
    """A model with instruments.

    Attributes
    ----------
    design : Design
        With the roles treatment, covariates and instruments.
    spec : VcovSpec
        The covariance of the estimates, which decides what GMM weights its moments by.
    clusters : mapping of str to ndarray of int, shape (n,)
    treated : object
        The level that the caller named; None for none.
    seed : int
    progress : bool or None
    """

    design: Design
    spec: VcovSpec
    clusters: Mapping[str, np.ndarray] = field(default_factory=dict)
    treated: Any = None
    seed: int = 0
    progress: bool | None = None

    @property
    def absorbed(self) -> int:
        """Effects that the columns are projected off."""
        return 0

    @property
    def tolerance(self) -> float:
        """Share of a column that must be left beside others, for it not to be aliased."""
        return TOLERANCE

    def part(self, role: str) -> Matrix:
        """Columns of a role, the constant among the covariates."""
        found = self.design.part(role)
        assert found is not None
        return found if role == "covariates" else found.rest

    @cached_property
    def arms(self) -> Arms | None:
        """Levels of a treatment that is one categorical variable of two levels, or whose treated level was named."""
        matrix, factors = self.part("treatment"), self.design.recipe.factors
        grouped = [t for t in matrix.terms if t in factors and factors[t].kind == "categorical"]
        if self.treated is None and not (matrix.p == 1 and len(grouped) == 1):
            return None
        found = arms_of(self.design, matrix, treated=self.treated) if matrix.p == 1 else None
        if found is None or len(found.levels) != 2:
            raise OptionError("treated= chooses between the two levels of one treatment; the formula has more.")
        return found

    @cached_property
    def indicator(self) -> tuple[float, float]:
        """Values of the treatment's column at the reference and the treated level; (0, 1) without arms."""
        if self.arms is None:
            return 0.0, 1.0
        column = self.part("treatment").values[:, 0]
        off, on = (float(column[self.arms.rows(v)][0]) for v in (self.arms.reference, self.arms.treated))
        return off, on

    @cached_property
    def columns(self) -> IVColumns:
        """Centred and scaled columns of the linear model."""
        return columns_of(self.design, self.indicator)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the endogenous columns; that of two levels is named after the treated one."""
        matrix = self.part("treatment")
        if self.arms is None or self.indicator == (0.0, 1.0) or not matrix.names[0].endswith("]"):
            return matrix.names
        return (f"{next(iter(matrix.terms))}[T.{self.arms.treated}]",)

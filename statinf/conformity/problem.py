"""What every conformal method gets: the rows of the fit as arrays, and what the caller asked of all methods."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from statinf.conformity import mondrian
from statinf.conformity.shift import Ratio
from statinf.formula.design import Design
from statinf.results import Method


@dataclass(frozen=True, kw_only=True)
class ConformalMethod(Method):
    """A method of `si.conformal`.

    Attributes
    ----------
    held_out : bool
        Whether it calibrates on rows that the model has not seen, so that it takes density ratios and groups.
    grouped : bool
        Whether it needs groups.
    second : {"groups", "columns"}
        What the formula's second part is: groups with thresholds of their own, or columns as they are.
    unions : bool
        Whether its sets can be unions of intervals.
    outcome : {"numbers", "classes", "both", "several"}
        What it makes sets of; "several" numbers together, where the formula may have more than one outcome.
    result : type, optional
        What `si.conformal` returns for numbers; `Conformal` by default.
    """

    held_out: bool = True
    grouped: bool = False
    second: str = "groups"
    unions: bool = False
    outcome: str = "numbers"
    result: Any = None


@dataclass(frozen=True)
class ConformalProblem:
    """Rows, model and level.

    Attributes
    ----------
    design : Design
    data : object
        The caller's frame.
    model : str, object or None
        The learner asked for; the method's own default for None.
    level : float
    ratio : Ratio or None
        The density ratio of covariate shift.
    seed : int
    progress : bool or None
    """

    design: Design
    data: Any
    model: Any
    level: float
    ratio: Ratio | None
    seed: int
    progress: bool | None

    @property
    def columns(self) -> np.ndarray:
        """Covariates without the constant as they stand in the design, shape (n, p)."""
        part = self.design.part("covariates")
        assert part is not None
        return part.without_intercept().values

    @cached_property
    def X(self) -> np.ndarray:
        """The same with rows in one piece, shape (n, p)."""
        return np.ascontiguousarray(self.columns)

    @property
    def y(self) -> np.ndarray:
        """Outcomes, shape (n,)."""
        return self.design.y

    @property
    def outcomes(self) -> np.ndarray:
        """Outcomes of methods that take several, shape (n, d)."""
        return self.design.y.reshape(self.design.n, -1)

    @property
    def codes(self) -> np.ndarray:
        """Class numbers of an outcome of categories, shape (n,)."""
        return self.design.y

    @property
    def classes(self) -> bool:
        """Whether the outcome is read as categories."""
        return self.design.levels is not None

    @property
    def levels(self) -> tuple[Any, ...]:
        """The levels of an outcome of categories, in their order."""
        assert self.design.levels is not None
        return self.design.levels

    @cached_property
    def groups(self) -> tuple[mondrian.Groups, np.ndarray] | None:
        """The groups and the number of each row's, shape (n,)."""
        part = self.design.part(mondrian.ROLE)
        return None if part is None else mondrian.find_groups(part)

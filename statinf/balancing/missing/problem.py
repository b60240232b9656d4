"""What every method of `missing_mean` gets, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from statinf.balancing.solution import Linear
from statinf.learners.cells import Standard, standardise


@dataclass(frozen=True)
class MissingProblem:
    """Rows of positive weight, some of them without an outcome.

    Attributes
    ----------
    x : ndarray, shape (n, p)
        Covariates without a constant, none of them determined by the others.
    y : ndarray, shape (n,)
        Outcomes; zero where there is none.
    observed : ndarray of bool, shape (n,)
    s : ndarray, shape (n,)
        Sampling weights.
    rows : ndarray of int, shape (n,)
        Row numbers in the caller's frame.
    names : tuple of str
        Names of the columns of `x`.
    seed : int
    groups : ndarray of int, shape (n,), or None
        Codes of the clusters that must not be split between folds: those of the coarsest column.
    """

    x: np.ndarray
    y: np.ndarray
    observed: np.ndarray
    s: np.ndarray
    rows: np.ndarray
    names: tuple[str, ...]
    seed: int = 0
    groups: np.ndarray | None = None

    @property
    def n(self) -> int:
        return len(self.s)

    @cached_property
    def total(self) -> float:
        """Sum of the sampling weights."""
        return float(self.s.sum())

    @cached_property
    def index(self) -> np.ndarray:
        """Positions of the observed rows, shape (m,)."""
        return np.flatnonzero(self.observed)

    @cached_property
    def standard(self) -> Standard:
        """The covariates of all rows behind a constant, with mean zero and unit variance."""
        return standardise(self.x, self.s)


@dataclass(frozen=True)
class RowWeights:
    """Weights of the observed rows.

    Attributes
    ----------
    values : ndarray, shape (n,)
        Sampling weights multiplied in; zero on rows without an outcome.
    linear : Linear or None
        Their expansion in the parameters behind them; None where they are taken as known.
    facts : mapping of str to object
    constraints : mapping of str to ndarray
        What was balanced: imbalance before and after, multipliers.
    labels : tuple of str
        Names of what was balanced.
    """

    values: np.ndarray
    linear: Linear | None
    facts: Mapping[str, Any] = field(default_factory=dict)
    constraints: Mapping[str, np.ndarray] = field(default_factory=dict)
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Imputed:
    """Predictions of the outcome for every row.

    Attributes
    ----------
    values : ndarray, shape (n,)
    columns : ndarray, shape (n, q), optional
        Columns of a least squares fit, whose estimation the standard error counts; of other learners the errors multiply
        with those of the weights.
    working : ndarray, shape (n,), optional
        Weights of that fit, zero on rows without an outcome.
    moves : bool
        Whether these weights are the estimated ones of `RowWeights`.
    """

    values: np.ndarray
    columns: np.ndarray | None = None
    working: np.ndarray | None = None
    moves: bool = False


@dataclass(frozen=True)
class MeanSolution:
    """The mean, with each row's influence on it in two parts.

    Attributes
    ----------
    mean : float
    own : ndarray, shape (n,)
        Influence with the weights taken as known.
    pushed : ndarray, shape (n,), optional
        What the estimation of the weights adds.
    leverage : ndarray, shape (n,)
    weights : RowWeights
    facts : mapping of str to object
    """

    mean: float
    own: np.ndarray
    pushed: np.ndarray | None
    leverage: np.ndarray
    weights: RowWeights
    facts: Mapping[str, Any] = field(default_factory=dict)


MeanSolver = Callable[[MissingProblem, Any], MeanSolution]

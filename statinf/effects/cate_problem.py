"""What every method of `cate` gets: the rows, the columns of the final model, and the seed of all that is random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.effects.rows import EffectRows
from statinf.formula.recipe import Recipe


@dataclass(frozen=True, eq=False)
class CateProblem:
    """A conditional effect to be estimated.

    Attributes
    ----------
    rows : EffectRows
        Outcome, treatment with two arms, covariates, weights and clusters.
    phi : ndarray, shape (n, k)
        Columns of the final model, its intercept first.
    names : tuple of str
        Of those columns.
    recipe : Recipe or None
        Makes them for new rows, where they are not the covariates' own.
    seed : int
    progress : bool or None
    """

    rows: EffectRows
    phi: np.ndarray
    names: tuple[str, ...]
    recipe: Recipe | None = None
    seed: int = 0
    progress: bool | None = None


@dataclass(frozen=True, eq=False)
class Sample:
    """Arrays that both stages of a conditional effect are learnt on.

    Attributes
    ----------
    y, d, w : ndarray, shape (n,)
        Outcome, treatment (0 or 1) and row weights.
    x : ndarray, shape (n, p)
        Covariates.
    phi : ndarray, shape (n, k)
        Columns of the final model, its intercept first.
    known : ndarray, shape (n,), or None
        Known propensities.
    groups : ndarray of int, shape (n,), or None
        Clusters that folds must not split.
    """

    y: np.ndarray
    d: np.ndarray
    w: np.ndarray
    x: np.ndarray
    phi: np.ndarray
    known: np.ndarray | None = None
    groups: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.y)

    @property
    def treated(self) -> np.ndarray:
        """Treated rows, shape (n,) bool."""
        return self.d > 0.5

    def some(self, rows: np.ndarray) -> Sample:
        """The sample on some of its rows."""
        known, groups = (None if a is None else a[rows] for a in (self.known, self.groups))
        return Sample(self.y[rows], self.d[rows], self.w[rows], self.x[rows], self.phi[rows], known, groups)

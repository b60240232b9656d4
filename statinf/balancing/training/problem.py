"""What training weights are estimated from, and what is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from statinf.balancing.solution import Linear
from statinf.brief import Brief


@dataclass(frozen=True, repr=False)
class TrainingProblem(Brief):
    """Rows of positive weight.

    Attributes
    ----------
    x : ndarray, shape (n, p)
        Features, none determined by others.
    treated : ndarray of bool, shape (n,)
    s : ndarray, shape (n,)
        Sampling weights.
    arms : tuple of str
        Labels, the reference first.
    clusters : ndarray of int, shape (n,), or None
        Units that stay whole in a fold.
    seed : int
    """

    x: np.ndarray
    treated: np.ndarray
    s: np.ndarray
    arms: tuple[str, str]
    clusters: np.ndarray | None
    seed: int

    @property
    def n(self) -> int:
        return len(self.s)


@dataclass(frozen=True, repr=False)
class TrainingSolution(Brief):
    """Chances, shares and weights.

    Attributes
    ----------
    chance : ndarray, shape (n,)
        Of the treated arm, after clipping.
    share : float
    weights : pair of ndarray, shape (n,)
        Of the treated arm's model and of the control arm's.
    expand : callable or None
        From 0 (treated) or 1 to how these weights depend on what was estimated; None where there is no theory.
    clipped : int
    folds : int
    """

    chance: np.ndarray
    share: float
    weights: tuple[np.ndarray, np.ndarray]
    expand: Callable[[int], Linear] | None
    clipped: int
    folds: int

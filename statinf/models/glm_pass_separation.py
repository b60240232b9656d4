"""Separation looked for by passes: a direction that separates some rows is tried on all, and those that object join them."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from statinf.formula.design import Design
from statinf.models.existence import separated
from statinf.models.glm_pass_sums import Model, PassLikelihood, outcome
from statinf.numerics.glm.separation import separating_direction
from statinf.numerics.linear.reduction import Reduced
from statinf.passes import PassDesign
from statinf.passes.sums import Extent

_MOST = 2_000
"""Rows that join at a time."""
_ROUNDS = 30
_STILL = 1e-7


class Some(NamedTuple):
    """Rows with their outcomes, some thousand at most."""

    x: np.ndarray
    y: np.ndarray

    def plus(self, other: Some) -> Some:
        return Some(np.concatenate([self.x, other.x])[:_MOST], np.concatenate([self.y, other.y])[:_MOST])


class Tried(NamedTuple):
    """A direction on all rows: those that object, how many it moves, and the largest entries of the columns."""

    objecting: Some
    moved: int
    rows: int
    size: Extent


def refuse_separation_by_passes(made: PassDesign, model: Model, reduced: Reduced, beta: np.ndarray, some: Some) -> None:
    """Raise a `NotIdentifiedError` that names the columns that separate the outcomes, if there are any.

    Parameters
    ----------
    made : PassDesign
    model : Model
    reduced : Reduced
    beta : ndarray, shape (k,)
        Coefficients of the orthonormal columns at which scoring stopped.
    some : Some
        Rows from all over the table, to begin with.
    """
    family = model.family
    if not family.separable:
        return
    kept = reduced.kept
    held: Some = made.total(partial(_bounded, PassLikelihood(model, reduced), beta), "looking for separation")
    held = Some(np.concatenate([held.x, some.x]), np.concatenate([held.y, some.y]))
    for _ in range(_ROUNDS):
        direction = separating_direction(held.x[:, kept], held.y == 0, held.y == family.law.upper)
        if direction is None:
            return
        tried: Tried = made.total(partial(_tried, model, kept, direction), "looking for separation")
        if not len(tried.objecting.y):
            names = [n for n, k in zip(made.names, kept, strict=True) if k]
            size = np.maximum(-tried.size.low, tried.size.high)
            raise separated(names, np.abs(direction) * size, tried.moved, tried.rows, family)
        held = Some(np.concatenate([held.x, tried.objecting.x]), np.concatenate([held.y, tried.objecting.y]))


def _bounded(problem: PassLikelihood, beta: np.ndarray, block: Design) -> Some:
    """The rows whose mean has run into its bound: those that a direction moves are among them."""
    y, w = outcome(block)
    family = problem.model.family
    eta = np.dot(problem.columns(block), beta) + (0.0 if block.offset is None else block.offset)
    with np.errstate(all="ignore"):
        chosen = np.flatnonzero(family.law.bounded(y, family.link.inverse(eta)) & (w > 0))[:_MOST]
    return Some(block.parts[0].values[chosen], y[chosen])


def _tried(model: Model, kept: np.ndarray, direction: np.ndarray, block: Design) -> Tried:
    y, w = outcome(block)
    values = block.parts[0].values
    x = values[:, kept]
    way = np.where(y == 0, -1.0, np.where(y == model.family.law.upper, 1.0, 0.0))
    movement = x @ direction
    wrong = np.where(way == 0, np.abs(movement), -way * movement)
    wrong[w <= 0] = 0.0
    worst = np.argsort(-wrong)[:_MOST]
    worst = worst[wrong[worst] > 10 * _STILL]
    seen = w > 0
    return Tried(
        Some(values[worst], y[worst]),
        int(np.count_nonzero(np.abs(movement[seen]) > _STILL)),
        int(np.count_nonzero(seen)),
        Extent.of(x[seen]),
    )

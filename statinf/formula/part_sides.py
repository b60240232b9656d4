"""The parts of a formula whose columns, side by side, make linear predictors, and where in them a factor's columns stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from statinf.formula.layout import Layout
from statinf.formula.recipe import PartRecipe, Recipe


@dataclass(frozen=True)
class PartSide:
    """A part of a formula whose columns enter the predictors.

    Attributes
    ----------
    role : str
    constant : bool, optional
        Whether there is a constant in front: True puts one there, False takes it out, None leaves the part as it is.
    low, high : float
        Values of the columns that count as 0 and 1.
    """

    role: str
    constant: bool | None = None
    low: float = 0.0
    high: float = 1.0

    @property
    def plain(self) -> bool:
        """Whether columns stay as they are."""
        return (self.low, self.high) == (0.0, 1.0)


def parts_of(recipe: Recipe, sides: Sequence[PartSide]) -> list[tuple[PartSide, PartRecipe]]:
    """The sides that the formula has, each with its recipe."""
    by_role = {part.role: part for part in recipe.parts}
    return [(side, by_role[side.role]) for side in sides if side.role in by_role]


def depending(
    recipe: Recipe, sides: Sequence[PartSide], labels: set[str]
) -> Iterator[tuple[PartSide, int, np.ndarray, Layout]]:
    """Each part with columns that depend on some factors: where it begins, which columns, and their layout."""
    at = 0
    for side, part in parts_of(recipe, sides):
        shift = 0 if side.constant is None else int(side.constant) - int(part.layout.intercept)
        places, layout = holding(part.layout, labels, recipe)
        if len(places):
            yield side, at + shift, places, layout
        at += len(part.layout.names) + shift


def holding(layout: Layout, labels: set[str], recipe: Recipe) -> tuple[np.ndarray, Layout]:
    """The columns of blocks that hold one of the factors, and the layout of these alone."""
    places, blocks, at = [], [], int(layout.intercept)
    for block in layout.blocks:
        width = prod(recipe.learnt[f].columns(r) for f, r in zip(block.factors, block.reduced, strict=True))
        if labels & set(block.factors):
            places.append(np.arange(at, at + width))
            blocks.append(block)
        at += width
    where = joined(places)
    return where, Layout(False, tuple(blocks), tuple(layout.names[i] for i in where), {})


def joined(places: Sequence[np.ndarray]) -> np.ndarray:
    """Places of several blocks, one after another."""
    return np.concatenate(places) if places else np.empty(0, dtype=np.intp)

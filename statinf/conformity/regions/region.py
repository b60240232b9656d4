"""The region of one row, in the outcomes' own units."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statinf.conformity.regions.shapes import Shape, volume
from statinf.conformity.regions.transforms import OutcomeUnits
from statinf.errors import DataError


@dataclass(frozen=True)
class OutcomeRegion:
    """A set of outcomes that holds those of one row at the level asked for.

    Attributes
    ----------
    names : tuple of str
        Outcomes.
    radius : float
        The threshold of the row: by how far the region was grown, or shrunk where it is negative, in standard deviations of
        the outcomes. Infinite where the region is the whole space.
    """

    names: tuple[str, ...]
    radius: float
    shape: Shape = field(repr=False)
    units: OutcomeUnits = field(repr=False)
    signed: bool = field(repr=False)
    grid: int = field(repr=False)
    seed: int = field(repr=False)

    def contains(self, y: Any) -> Any:
        """Whether outcomes (d,) or (n, d) lie in the region: a truth value or (n,) of them; False where one is missing."""
        values = np.asarray(y, np.float64)
        if values.ndim not in (1, 2) or values.shape[-1] != len(self.names):
            raise DataError(
                f"y has shape {values.shape}; give the {len(self.names)} outcomes {', '.join(self.names)} per row."
            )
        rows = values.reshape(-1, len(self.names))
        known = np.isfinite(rows).all(axis=1)
        inside = np.zeros(len(rows), bool)
        inside[known] = self.shape.scores(self.units.standard(rows[known]), self.signed) <= self.radius
        return inside if values.ndim == 2 else bool(inside[0])

    @property
    def points(self) -> np.ndarray:
        """Points (n, d) of the region: the corners of a polygon, elsewhere points that fill it.

        Raises
        ------
        DataError
            If it is the whole space.
        """
        if np.isposinf(self.radius):
            raise DataError("the region is the whole space; more calibration rows, or a lower level, bound it.")
        return self.units.original(self.shape.points(self.radius, self.signed))

    @property
    def box(self) -> Any:
        """`lower` and `upper` ends of a box that holds the region, one row per outcome, as a pandas frame."""
        import pandas as pd

        ends = self.shape.box(self.radius, self.signed)
        columns = {k: self.units.original(v) for k, v in zip(("lower", "upper"), ends, strict=True)}
        return pd.DataFrame(columns, index=pd.Index(self.names, name="outcome"))

    @property
    def area(self) -> float:
        """Length, area or volume, counted on a grid or, above two outcomes, on random draws."""
        found = volume(self.shape, self.radius, self.signed, self.grid, self.seed)[0]
        return found * float(np.prod(self.units.scale))

    def plot(self, *, ax: Any = None, **options: Any) -> Any:
        """The region of two outcomes; returns the matplotlib axes."""
        from statinf.plotting.regions import plot_regions

        return plot_regions([self], ax=ax, **options)

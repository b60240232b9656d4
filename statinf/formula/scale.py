"""Columns so large or so small that their squares, and with them variances, are no numbers: refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from statinf.errors import DataError
from statinf.formula.matrix import Matrix

if TYPE_CHECKING:
    from statinf.formula.design import Design

SMALLEST, LARGEST = 1e-140, 1e140
"""Sizes whose squares, and inverse squares, are numbers with some room for sums of them."""


def check_columns(matrix: Matrix) -> None:
    """Refuse columns whose squares are no numbers."""
    largest = np.maximum(matrix.values.max(axis=0), -matrix.values.min(axis=0))
    for name, size in zip(matrix.names, largest, strict=True):
        check_scale(float(size), f"the column '{name}'")


def check_scale(size: float, what: str) -> None:
    """Refuse a largest absolute value whose square is not safely a number."""
    if size and not SMALLEST < size < LARGEST:
        raise DataError(
            f"{what} has entries of size {size:.1e} at most, and variances need squares; rescale it so that it lies "
            f"between {SMALLEST:g} and {LARGEST:g}."
        )


def check_sizes(design: Design) -> None:
    """The same for everything that a design holds, on its rows of positive weight.

    Raises
    ------
    DataError
        That names the outcome or the column.
    """
    if design.response is not None and design.response.dtype.kind == "f":
        used = design.response[design.weights > 0]
        check_scale(float(np.abs(used).max()), f"the outcome '{design.response_names[0]}'")
    for matrix in design.parts:
        check_columns(matrix)

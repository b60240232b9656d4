"""Columns so large or so small that their squares, and with them variances, are no numbers: refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from statinf.backend import map_threads
from statinf.errors import DataError
from statinf.formula.matrix import Matrix

if TYPE_CHECKING:
    from statinf.formula.design import Design

SMALLEST, LARGEST = 1e-140, 1e140
"""Sizes whose squares, and inverse squares, are numbers with some room for sums of them."""
_PARALLEL_FROM = 1 << 20
SQUARES = 1e-153, 1e153
"""Sizes whose squares are numbers."""


def check_columns(matrix: Matrix, smallest: float = SMALLEST, largest: float = LARGEST) -> None:
    """Refuse columns whose squares are no numbers."""
    if not len(matrix.values):
        return
    sizes = largest_sizes(matrix.values)
    for name, size in zip(matrix.names, sizes, strict=True):
        check_scale(float(size), f"the column '{name}'", smallest, largest)


def largest_sizes(columns: np.ndarray) -> np.ndarray:
    """Largest absolute value of each column (n, p)."""
    if columns.size <= _PARALLEL_FROM:
        return np.maximum(columns.max(axis=0), -columns.min(axis=0))
    return np.array(map_threads(lambda j: max(columns[:, j].max(), -columns[:, j].min()), range(columns.shape[1])))


def check_scale(size: float, what: str, smallest: float = SMALLEST, largest: float = LARGEST) -> None:
    """Refuse a largest absolute value whose square is not safely a number."""
    if size and not smallest < size < largest:
        raise DataError(
            f"{what} has entries of size {size:.1e} at most, and variances need squares; rescale it so that it lies "
            f"between {smallest:g} and {largest:g}."
        )


def check_sizes(design: Design) -> None:
    """Refuse outcomes and columns of a design whose squares leave the range of numbers, with no room for sums of them.

    Raises
    ------
    DataError
        That names the outcome or the column.
    """
    if design.response is not None and design.response.dtype.kind == "f":
        whole = design.weights.min() > 0
        used = design.response if whole else design.response[design.weights > 0]
        check_scale(
            float(largest_sizes(used.reshape(len(used), -1)).max()),
            f"the outcome '{design.response_names[0]}'",
            *SQUARES,
        )
    for matrix in design.parts:
        check_columns(matrix, *SQUARES)

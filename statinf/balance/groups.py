"""The treatment column as two arms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import DataError


@dataclass(frozen=True)
class Arms:
    """A binary treatment.

    Attributes
    ----------
    treated : ndarray, shape (n,)
        1.0 for treated rows, 0.0 for controls.
    name : str
        Treatment column.
    level : object
        The value that counts as treated: the larger of the two.
    """

    treated: np.ndarray
    name: str
    level: Any


def two_arms(values: np.ndarray, name: str) -> Arms:
    """Read a numeric treatment with two values; the larger one is treated.

    Raises
    ------
    DataError
        If there are not exactly two values.
    """
    found = np.unique(values)
    if len(found) != 2:
        shown = ", ".join(f"{v:g}" for v in found[:6])
        raise DataError(
            f"the treatment '{name}' has {len(found)} {'value' if len(found) == 1 else 'values'} ({shown}) on the rows used; "
            "this method needs two arms."
        )
    return Arms((values == found[1]).astype(np.float64), name, float(found[1]))

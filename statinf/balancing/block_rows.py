"""The rows of a block as balancing sees them: standardised columns, arms and sampling weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.formula.design import Design


@dataclass(frozen=True)
class ArmsOf:
    """How a block's arms are read.

    Attributes
    ----------
    label : str or None
        The column of labels, of which blocks have codes; None for a treatment of numbers.
    treated, control : object
        Their codes, or numbers.
    """

    label: str | None
    treated: Any
    control: Any

    def values(self, block: Design) -> np.ndarray:
        """Codes or numbers of the treatment, shape (n,)."""
        return block.y if self.label is None else block.clusters[self.label]

    def is_treated(self, block: Design) -> np.ndarray:
        """Whether each row is treated, shape (n,)."""
        return self.values(block) == self.treated


@dataclass(frozen=True)
class BlockRows:
    """Reads the rows of blocks.

    Attributes
    ----------
    arms : ArmsOf
    kept : ndarray of int, shape (p,)
        Columns that are balanced, among those without the constant.
    centre, scale : ndarray, shape (p,)
    """

    arms: ArmsOf
    kept: np.ndarray
    centre: np.ndarray
    scale: np.ndarray

    def columns(self, block: Design) -> np.ndarray:
        """Standardised columns behind a constant, shape (n, p + 1)."""
        x = block.parts[0].rest.values
        out = np.empty((len(x), len(self.kept) + 1), order="F")
        out[:, 0] = 1.0
        for j, (at, centre, scale) in enumerate(zip(self.kept, self.centre, self.scale, strict=True)):
            np.subtract(x[:, at], centre, out=out[:, j + 1])
            out[:, j + 1] /= scale
        return out

    def raw_slopes(self, slopes: np.ndarray) -> np.ndarray:
        """Of the columns as the caller gave them, shape (p,)."""
        return slopes / self.scale

    def raw_coefficients(self, beta: np.ndarray) -> np.ndarray:
        """The same with an intercept in front, shape (p + 1,)."""
        slopes = self.raw_slopes(beta[1:])
        return np.r_[beta[0] - self.centre @ slopes, slopes]

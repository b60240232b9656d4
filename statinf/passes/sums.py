"""Sums that least squares and its relatives take over blocks of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Extent:
    """Smallest and largest values, shape () or (q,)."""

    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> Extent:
        """Of the rows of one block; infinite the wrong way round for none."""
        return cls(values.min(axis=0, initial=np.inf), values.max(axis=0, initial=-np.inf))

    def plus(self, other: Extent) -> Extent:
        """Of both."""
        return Extent(np.minimum(self.low, other.low), np.maximum(self.high, other.high))


@dataclass(frozen=True)
class Triangle:
    """The upper triangular factor of rows: R'R are their products, made without forming these."""

    factor: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray) -> Triangle:
        """Of the rows of one block, shape (n, q)."""
        return cls(np.asarray(np.linalg.qr(rows, mode="r")))

    def plus(self, other: Triangle) -> Triangle:
        """Of both."""
        return Triangle.of(np.concatenate([self.factor, other.factor]))


@dataclass(frozen=True)
class Every:
    """Whether something holds in every block."""

    holds: bool

    def plus(self, other: Every) -> Every:
        """Whether it holds in both."""
        return Every(self.holds and other.holds)

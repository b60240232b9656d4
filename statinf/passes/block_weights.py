"""`BlockWeights`: weights of a table that is read in blocks, made anew for each block from a few numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NoReturn, Protocol

import numpy as np

from statinf.errors import DataError
from statinf.formula.design import Design
from statinf.formula.frame import Frame
from statinf.internal import internal
from statinf.passes.design import PassDesign
from statinf.results.protocol import Result
from statinf.results.weights import Weights


class WeightRule(Protocol):
    """What makes the weights of a block, and their expansion in the parameters behind them; picklable."""

    def values(self, block: Design) -> np.ndarray:
        """Weights with the sampling weights multiplied in, shape (n,)."""
        ...

    def expansion(self, block: Design) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Derivatives (n, k), influence values (n, k) and leverages (n,) or None, as `Weights` has them."""
        ...


@dataclass(frozen=True)
class WeightSums:
    """Sums of weights over rows.

    Attributes
    ----------
    rows, zero : int
        Rows of positive sampling weight, and those among them whose weight is zero.
    sampling, sampling2, total, squares : float
        Sums of sampling weights and weights, and of their squares.
    least, most : float
        The smallest and largest weight over its sampling weight.
    largest : float
        The largest weight.
    """

    rows: int
    zero: int
    sampling: float
    sampling2: float
    total: float
    squares: float
    least: float
    most: float
    largest: float

    @classmethod
    def of(cls, values: np.ndarray, sampling: np.ndarray) -> WeightSums:
        """Of the rows of one block, sampling weights positive."""
        relative = values / sampling
        return cls(
            len(values), int(np.count_nonzero(values == 0.0)), float(sampling.sum()), float(sampling @ sampling),
            float(values.sum()), float(values @ values), float(relative.min(initial=np.inf)),
            float(relative.max(initial=-np.inf)), float(values.max(initial=-np.inf)),
        )  # fmt: skip

    def plus(self, other: WeightSums) -> WeightSums:
        """Of both."""
        return WeightSums(
            self.rows + other.rows, self.zero + other.zero, self.sampling + other.sampling, self.sampling2 + other.sampling2,
            self.total + other.total, self.squares + other.squares, min(self.least, other.least),
            max(self.most, other.most), max(self.largest, other.largest),
        )  # fmt: skip

    @property
    def ess_before(self) -> float:
        return self.sampling**2 / max(self.sampling2, 1e-300)

    @property
    def ess_after(self) -> float:
        return self.total**2 / max(self.squares, 1e-300)


@dataclass(frozen=True)
class CarriedWeights:
    """What makes the weights of blocks, wherever they are read.

    Attributes
    ----------
    made : PassDesign
    rule : WeightRule
    method, formula : str
    """

    made: PassDesign
    rule: WeightRule
    method: str
    formula: str

    @property
    def carried(self) -> CarriedWeights:
        """The same."""
        return self

    def on_block(self, frame: Frame) -> Weights:
        """The weights of the rows of one block, with their expansion."""
        made, rule = self.made, self.rule
        for name in made.columns:
            frame.require(name)
        block = made.block(frame.native)
        facts: dict[str, Any] = {"method": self.method, "formula": self.formula, "n_total": frame.n}
        if block is None:
            return Weights(values=np.empty(0), used=np.empty(0, np.intp), **facts)
        return weights_of_block(rule, block, **facts)


def weights_of_block(rule: WeightRule, block: Design, **facts: Any) -> Weights:
    """The weights of one block's rows, whose expansion is made once where it is read."""
    expanded = cache(lambda: rule.expansion(block))
    return Weights(
        values=rule.values(block),
        used=block.rows,
        derivative=lambda: expanded()[0],
        influence=lambda: expanded()[1],
        leverage=lambda: expanded()[2],
        **facts,
    )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class BlockWeights(Result):
    """Estimated weights of a table in blocks, for `weights=` of verbs on the same table.

    They hold no row: the parameters behind them make the weights of each block as it is read, and standard errors
    downstream are those of the stacked system.

    Attributes
    ----------
    estimand : str
    made : PassDesign or None
        What their formula makes of the table; not saved.
    rule : WeightRule or None
        Not saved.
    sizes_by : mapping of str to WeightSums
        By group of rows, such as arms.
    """

    estimand: str = ""
    made: PassDesign | None = field(default=None, metadata={"saved": False})
    rule: WeightRule | None = field(default=None, metadata={"saved": False})
    sizes_by: Mapping[str, WeightSums] = field(default_factory=dict)

    beside = ("ess", "on_block", "diagnostics")

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the table that the weights are made from."""
        return self._passes()[0].columns

    @property
    @internal
    def sums(self) -> WeightSums:
        """Those of all rows."""
        parts = list(self.sizes_by.values())
        found = parts[0]
        for part in parts[1:]:
            found = found.plus(part)
        return found

    @property
    def ess(self) -> float:
        """Effective sample size of all rows, (sum w)^2 / sum w^2."""
        return self.sums.ess_after

    @property
    @internal
    def other_products(self) -> np.ndarray | None:
        """Sum of products of the influence values of a second sample's rows, shape (k, k); None where there is none."""
        return None

    @internal
    def on_block(self, frame: Frame) -> Weights:
        """The weights of the rows of one block, with their expansion."""
        return self.carried.on_block(frame)

    @property
    @internal
    def carried(self) -> CarriedWeights:
        """What makes the weights of a block, without the table: all that travels to those who read blocks."""
        made, rule = self._passes()
        return CarriedWeights(made.carried, rule, self.method, self.formula)

    def _passes(self) -> tuple[PassDesign, WeightRule]:
        if self.made is None or self.rule is None:
            raise DataError(
                "weights that were saved do not hold the table that they were made on; estimate them again."
            )
        return self.made, self.rule

    def _no_rows(self, what: str) -> NoReturn:
        raise DataError(
            f"weights of data that are read in blocks have no {what}: they are made anew for each block of rows. Give them to a "
            "verb as weights=, or estimate them on rows in memory."
        )

    @property
    def values(self) -> np.ndarray:
        """Refused: one weight a row is what such data have no room for."""
        self._no_rows("values")

    def full(self, fill: float = np.nan) -> np.ndarray:
        """Refused, as `values`."""
        self._no_rows("values")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        self._no_rows("values")

    @internal
    def resolve(self, multipliers: np.ndarray) -> np.ndarray:
        """Refused, as `values`."""
        self._no_rows("replicas")

    def __mul__(self, other: Any) -> Any:
        self._no_rows("products")

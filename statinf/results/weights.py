"""`Weights`: row weights that know how they were estimated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import numpy as np

from statinf.errors import DataError, NotIdentifiedError
from statinf.formula.frame import Frame
from statinf.formula.identity import RowIdentity
from statinf.internal import internal
from statinf.lazy import Lazy
from statinf.numerics.linear.products import RowExpansion
from statinf.results.moving import moved
from statinf.results.products import product
from statinf.results.protocol import Result
from statinf.results.table import Table, format_number


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Weights(Result):
    """Estimated row weights that any verb takes as `weights=`.

    They carry the estimating function of their own parameters, so that standard errors downstream are
    those of the stacked system. Where that theory is missing (`derivative` is None) the weights are
    treated as fixed, and the label of the standard errors says so.

    Attributes
    ----------
    values : ndarray, shape (n,)
        One weight a row used.
    used : ndarray of int, shape (n,)
        Row numbers, from 0, in the caller's frame.
    n_total : int
        Rows of the caller's frame.
    estimand : str
    derivative : ndarray, shape (n, k), optional
        Derivatives of the weights by the k parameters behind them.
    influence : ndarray, shape (n, k), optional
        Influence of each row on those parameters: their error is about the sum.
    other_influence : ndarray, shape (m, k), optional
        The same for the rows of a second, independent sample.
    leverage : ndarray, shape (n,), optional
        Share of each row in the equations that set its own weight; HC2 and HC3 downstream use it.
    identity : RowIdentity, optional
        The rows of the caller's frame, by which the weights find them in another frame.
    expansion : callable, optional
        Makes a `RowExpansion` of all rows used, for where derivative and influence would be made only to be multiplied; not saved.
    """

    values: np.ndarray
    used: np.ndarray
    n_total: int
    estimand: str = ""
    derivative: Any = Lazy()
    influence: Any = Lazy()
    other_influence: Any = Lazy()
    leverage: Any = Lazy()
    identity: RowIdentity | None = None
    expansion: Callable[[], RowExpansion] | None = field(default=None, metadata={"saved": False})

    beside = ("values", "ess", "diagnostics")

    @property
    @internal
    def errors(self) -> str:
        """The covariance of a regression with these weights where the caller asks for none."""
        return "HC0"

    @property
    @internal
    def counted(self) -> bool:
        """Whether errors downstream count that the weights were estimated; makes nothing."""
        return self.__dict__["derivative"] is not None

    @property
    def ess(self) -> float:
        """Effective sample size of all rows, (sum w)^2 / sum w^2."""
        return float(self.values.sum() ** 2 / (self.values**2).sum())

    def full(self, fill: float = np.nan) -> np.ndarray:
        """One weight per row of the caller's frame, shape (n_total,); `fill` for rows not used."""
        out = np.full(self.n_total, fill)
        out[self.used] = self.values
        return out

    @internal
    def on(self, frame: Frame) -> Weights:
        """The same weights for the rows of a frame that holds the rows in another order, or some of them.

        Raises
        ------
        DataError
            If the frame's rows are not those that the weights were made for.
        """
        if self.identity is None:
            if self.n_total != frame.n:
                raise DataError(
                    f"the weights were made on a frame of {self.n_total} rows, the data have {frame.n}; "
                    "make them on the same frame, so that rows match."
                )
            return self
        found = self.identity.locate(frame)
        if found is None:
            return self
        kind = MovedSolver if hasattr(self, "resolve") else MovedWeights
        return kind(**moved(self, found, frame))

    def __len__(self) -> int:
        return len(self.values)

    def lean(self) -> Self:
        """The same weights with digests of their rows in place of the frame."""
        held = {f.name: getattr(self, f.name) for f in fields(self)}
        lighter = {k: v.lean() for k, v in held.items() if isinstance(v, RowIdentity) and v.frame is not None}
        return replace(self, **lighter) if lighter else self

    def __getstate__(self) -> dict[str, Any]:
        for name in ("derivative", "influence", "other_influence", "leverage"):
            getattr(self, name)
        return super().__getstate__()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.values, dtype=dtype)

    def diagnostics(self) -> Any:
        """Balance before and after weighting, in the caller's kind of data frame."""
        raise NotIdentifiedError(f"weights of '{self.method}' have no balance diagnostics; they offer {self.offers}.")

    def score(self, newdata: Any) -> np.ndarray:
        """The weight of each new row, shape (rows,)."""
        raise NotIdentifiedError(
            f"weights of '{self.method}' are defined on their own rows only; they cannot score new ones."
        )

    def summary(self) -> Table:
        """Sizes, range and effective sample size."""
        v = self.values
        rows = [
            ("rows used", str(len(v))),
            ("effective sample size", format_number(self.ess)),
            ("smallest", format_number(v.min())),
            ("median", format_number(float(np.median(v)))),
            ("largest", format_number(v.max())),
            ("zero", str(int((v == 0).sum()))),
        ]
        facts = (("Formula", self.formula), ("Estimand", self.estimand))
        notes = tuple(n for n in (f"Method: {self.citation}." if self.citation else "", self.dropped_note()) if n)
        return Table(("weights", "value"), tuple(rows), title=f"Weights: {self.method}", facts=facts, notes=notes)

    def __mul__(self, other: Weights) -> Weights:
        """The product of two weights on the rows that both use; their estimation errors add up."""
        if not isinstance(other, Weights):
            return NotImplemented
        return Weights(**product(self, other))


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MovedWeights(Weights):
    """Weights in the order of another frame's rows.

    Rows that this frame lacks still moved the parameters behind the weights: they are numbered from the end of the
    frame.

    Attributes
    ----------
    origin : Weights
        As they were made.
    order : ndarray of int, shape (n,)
        Rows of `origin.values` in this order.
    """

    origin: Any = field(default=None, metadata={"saved": False})
    order: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MovedSolver(MovedWeights):
    """Moved weights that can be estimated again for other sampling weights."""

    @internal
    def resolve(self, multipliers: np.ndarray) -> np.ndarray:
        """Weights estimated again with every row's sampling weight multiplied, shape (B, n)."""
        given = np.empty_like(multipliers, dtype=np.float64)
        given[:, self.order] = multipliers
        return self.origin.resolve(given)[:, self.order]

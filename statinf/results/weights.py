"""`Weights`: row weights that know how they were estimated."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import numpy as np

from statinf.errors import DataError, NotIdentifiedError
from statinf.formula.frame import Frame
from statinf.formula.identity import Found, RowIdentity
from statinf.results.protocol import Result
from statinf.results.table import Table, format_number


class Lazy:
    """A field given as an array or as a function that makes the array when it is first read.

    The expansion of weights has n times k numbers, which a million rows should pay for only when standard errors
    are asked for.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return None  # what a dataclass reads as the default
        value = instance.__dict__[self.name]
        if callable(value):
            value = instance.__dict__[self.name] = value()
        return value

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self.name] = value


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
    """

    values: np.ndarray
    used: np.ndarray
    n_total: int
    estimand: str = ""
    derivative: Any = Lazy()
    influence: Any = Lazy()
    other_influence: np.ndarray | None = None
    leverage: Any = Lazy()
    identity: RowIdentity | None = None

    beside = ("values", "ess", "diagnostics")

    @property
    def ess(self) -> float:
        """Effective sample size of all rows, (sum w)^2 / sum w^2."""
        return float(self.values.sum() ** 2 / (self.values**2).sum())

    def full(self, fill: float = np.nan) -> np.ndarray:
        """One weight a row of the caller's frame, shape (n_total,); `fill` for rows not used."""
        out = np.full(self.n_total, fill)
        out[self.used] = self.values
        return out

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
        return self if found is None else moved(self, found, frame)

    def __len__(self) -> int:
        return len(self.values)

    def lean(self) -> Self:
        """The same weights with digests of their rows in place of the frame."""
        held = {f.name: getattr(self, f.name) for f in fields(self)}
        lighter = {k: v.lean() for k, v in held.items() if isinstance(v, RowIdentity) and v.frame is not None}
        return replace(self, **lighter) if lighter else self

    def __getstate__(self) -> dict[str, Any]:
        for name in ("derivative", "influence", "leverage"):
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
        notes = (f"Method: {self.citation}.",) if self.citation else ()
        return Table(("weights", "value"), tuple(rows), title=f"Weights: {self.method}", facts=facts, notes=notes)

    def __mul__(self, other: Weights) -> Weights:
        """The product of two weights on the rows that both use; their estimation errors add up."""
        if not isinstance(other, Weights):
            return NotImplemented
        return _product(self, other)


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

    def resolve(self, multipliers: np.ndarray) -> np.ndarray:
        """Weights estimated again with every row's sampling weight multiplied, shape (B, n)."""
        given = np.empty_like(multipliers, dtype=np.float64)
        given[:, self.order] = multipliers
        return self.origin.resolve(given)[:, self.order]


def moved(weights: Weights, found: Found, frame: Frame) -> Weights:
    """Weights for the rows of `frame`, which stand at `found.position` among theirs."""
    back = np.full(weights.n_total, -1)
    back[found.position] = np.arange(frame.n)
    outside = back < 0
    back[outside] = frame.n + np.arange(int(outside.sum()))
    rows = back[weights.used]
    order = np.argsort(rows)
    if found.same is not None:
        _check_alike(weights, found)

    def sorted_rows(name: str) -> Any:
        # Read now if it is there, later if it is yet to be made.
        held = weights.__dict__[name]
        return (lambda: getattr(weights, name)[order]) if held is not None else None

    identity = weights.identity
    kind = MovedSolver if hasattr(weights, "resolve") else MovedWeights
    return kind(
        method=weights.method,
        formula=weights.formula,
        citation=weights.citation,
        nobs=weights.nobs,
        values=weights.values[order],
        used=rows[order],
        n_total=len(back),
        estimand=weights.estimand,
        derivative=sorted_rows("derivative"),
        influence=sorted_rows("influence"),
        leverage=sorted_rows("leverage"),
        other_influence=weights.other_influence,
        kind=weights.kind,
        identity=None
        if identity is None or outside.any()
        else replace(identity, frame=frame, labels=None, contents=None),
        origin=weights,
        order=order,
    )


def _check_alike(weights: Weights, found: Found) -> None:
    """Rows that nothing tells apart must have the same weight."""
    full = weights.full()[found.position]
    same = np.asarray(found.same)
    order = np.argsort(same, kind="stable")
    kind, value = same[order], full[order]
    twins = kind[1:] == kind[:-1]
    a, b = value[1:][twins], value[:-1][twins]
    scale = float(np.nanmax(np.abs(full))) if len(full) else 0.0
    # Twins may differ by the rounding of the sums behind their weights.
    if not ((np.abs(a - b) <= 1e-12 * scale) | (np.isnan(a) & np.isnan(b))).all():
        raise DataError(
            "the rows are in another order than those that the weights were made for, and rows of equal columns have "
            "different weights: keep the index, or make the weights on this frame."
        )


def _product(a: Weights, b: Weights) -> Weights:
    b = _beside(a, b)
    if a.n_total != b.n_total:
        raise DataError(
            f"weights on frames of {a.n_total} and {b.n_total} rows cannot be multiplied; make them on one frame."
        )
    used, ia, ib = np.intersect1d(a.used, b.used, return_indices=True)
    if len(used) == 0:
        raise DataError("the weights share no row.")
    if a.other_influence is not None or b.other_influence is not None:
        raise NotIdentifiedError("weights from a second sample cannot be multiplied with others.")
    va, vb = a.values[ia], b.values[ib]
    # Rows that only one of the two uses still moved its parameters: the union carries the influence.
    pieces = [(a, ia, vb), (b, ib, va)]
    known = [p for p in pieces if p[0].derivative is not None and p[0].influence is not None]
    derivative = influence = None
    if known:
        derivative = np.concatenate([w.derivative[i] * v[:, None] for w, i, v in known], axis=1)  # type: ignore[index]
        if all(len(w.used) == len(used) for w, _, _ in known):
            influence = np.concatenate([w.influence[i] for w, i, _ in known], axis=1)  # type: ignore[index]
        else:
            raise DataError(
                "the weights were estimated on different rows; estimate them on the same rows to multiply them."
            )
    return Weights(
        method=f"{a.method} x {b.method}",
        formula=f"{a.formula}; {b.formula}",
        citation="; ".join(c for c in (a.citation, b.citation) if c),
        nobs=len(used),
        values=va * vb,
        used=used,
        n_total=a.n_total,
        estimand=a.estimand,
        derivative=derivative,
        influence=influence,
        kind=a.kind,
        identity=a.identity,
    )


def _beside(a: Weights, b: Weights) -> Weights:
    """The second weights in the order of the first ones' rows."""
    frame = None if a.identity is None else a.identity.frame
    return b if frame is None or a.n_total != b.n_total else b.on(frame)


def stack_scores(weights: Any, rows: np.ndarray, unit_scores: np.ndarray) -> dict[str, Any]:
    """What estimated weights add to the scores of a weighted estimator.

    With scores w_i s_i(theta), the stacked system has the score w_i s_i + G f_i, where f_i is the row's
    influence on the weights' parameters and G = sum_j s_j (d w_j / d parameters)'.

    Parameters
    ----------
    weights : Weights or None
    rows : ndarray of int, shape (n,)
        The estimator's rows, a subset of the weights' rows.
    unit_scores : ndarray, shape (n, q)
        Scores per unit of weight, s_i.

    Returns
    -------
    dict
        `adjustment` (n, q), `weight_leverage` (n,), `outside` (m, q) and `outside_rows` (m,), as `Moments` takes them;
        `weights_fixed` where estimated weights are treated as known; empty without estimated weights.
    """
    if weights is None:
        return {}
    if weights.derivative is None or weights.influence is None:
        return {"weights_fixed": True}
    position = np.searchsorted(weights.used, rows)
    gradient = unit_scores.T @ weights.derivative[position]
    pushed = weights.influence @ gradient.T
    inside = np.zeros(len(weights.used), dtype=bool)
    inside[position] = True
    outside, outside_rows = pushed[~inside], weights.used[~inside]
    leverage = None if weights.leverage is None else weights.leverage[position]
    found: dict[str, Any] = {"adjustment": pushed[position], "weight_leverage": leverage}
    if weights.other_influence is not None:
        outside = np.concatenate([outside, weights.other_influence @ gradient.T])
        return found | {"outside": outside, "outside_rows": None}
    if len(outside) == 0:
        return found
    return found | {"outside": outside, "outside_rows": outside_rows}

"""Settings and state of renewable estimates; see `renewal.py`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief


@dataclass(frozen=True, kw_only=True)
class RenewalSettings:
    """What does not change while rows arrive.

    Attributes
    ----------
    loss : str
    q, k : int
        Columns, and predictions a row.
    chunk : int
        Rows of a group that are expanded together.
    factor : float
        What a row's loss is multiplied by for each later row of its group; 1 for no forgetting.
    window : int
        Last rows of a group that count; 0 for all.
    transform : ndarray, shape (q, q)
        Rows are `X @ transform`, coefficients `transform @ theta`.
    penalty : ndarray, shape (q k, q k)
        Of the coefficients of the transformed columns.
    look : int
        Rows at which sequential intervals are narrowest.
    intercept : bool
        Whether a constant is among the columns.
    """

    loss: str
    q: int
    k: int
    chunk: int
    factor: float
    window: int
    transform: np.ndarray
    penalty: np.ndarray
    look: int
    intercept: bool = True

    @property
    def forgets(self) -> bool:
        """Whether old rows count less than new ones."""
        return self.factor < 1.0 or self.window > 0


@dataclass(frozen=True, repr=False)
class GroupRows(Brief):
    """Rows in the order in which they came: X (n, q), Y (n, k), w (n,) and the number of their group (n,)."""

    X: np.ndarray
    Y: np.ndarray
    w: np.ndarray
    group: np.ndarray

    def __len__(self) -> int:
        return len(self.w)

    def some(self, which: np.ndarray) -> GroupRows:
        """The rows of a mask or of numbers."""
        return GroupRows(self.X[which], self.Y[which], self.w[which], self.group[which])

    def then(self, other: GroupRows) -> GroupRows:
        """These rows, then the others."""
        pairs = ((self.X, other.X), (self.Y, other.Y), (self.w, other.w), (self.group, other.group))
        return GroupRows(*(np.concatenate(pair) for pair in pairs)) if len(self) else other


@dataclass(frozen=True, repr=False)
class Past(Brief):
    """Expansions of past losses of g groups: `theta'H theta / 2 - b'theta`, squared scores S, last expansion point.

    `count` rows, `total` of their factors and `squares` of these, `mass` and `masses` the same of factors times weights;
    shape (g,) each. `events` (g, k) are outcomes times weights and factors, `first` (g, p) is the first expansion point, NaN
    before there is one.
    """

    H: np.ndarray
    b: np.ndarray
    S: np.ndarray
    theta: np.ndarray
    count: np.ndarray
    total: np.ndarray
    squares: np.ndarray
    mass: np.ndarray
    masses: np.ndarray
    events: np.ndarray
    first: np.ndarray

    @classmethod
    def none(cls, g: int, p: int, k: int) -> Past:
        """Of groups without rows."""
        two, one = np.zeros((g, p, p)), np.zeros((g, p))
        sums = {name: np.zeros(g) for name in ("count", "total", "squares", "mass", "masses")}
        return cls(H=two, b=one, S=two, theta=one, **sums, events=np.zeros((g, k)), first=np.full((g, p), np.nan))

    def some(self, which: np.ndarray) -> Past:
        """Of some groups."""
        return Past(*(getattr(self, name)[which] for name in self.__dataclass_fields__))

    def put(self, which: np.ndarray, new: Past) -> Past:
        """With some groups replaced."""
        made = []
        for name in self.__dataclass_fields__:
            value = getattr(self, name).copy()
            value[which] = getattr(new, name)
            made.append(value)
        return Past(*made)

    def longer(self, g: int) -> Past:
        """With groups that have no rows yet."""
        more = Past.none(g - len(self.count), self.b.shape[1], self.events.shape[1])
        return Past(*(np.concatenate([getattr(self, n), getattr(more, n)]) for n in self.__dataclass_fields__))


@dataclass(frozen=True, kw_only=True, repr=False)
class RenewalState(Brief):
    """Where the groups stand: their past, and the rows that are not expanded yet; the path of a stream without groups."""

    past: Past
    pending: GroupRows
    path_rows: np.ndarray
    path: np.ndarray
    path_se: np.ndarray
    every: int = 1

    @classmethod
    def start(cls, s: RenewalSettings) -> RenewalState:
        p = s.q * s.k
        rows = GroupRows(np.empty((0, s.q)), np.empty((0, s.k)), np.empty(0), np.empty(0, np.int64))
        empty = np.empty((0, p))
        return cls(past=Past.none(0, p, s.k), pending=rows, path_rows=np.empty(0, np.int64), path=empty, path_se=empty)

"""What a run of averaged stochastic approximation is made of: settings, rows, sums, state."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from statinf.numerics.laws.multipliers import GROUP

CHUNK = 256
"""Rows are worked through in chunks of this many, counted from the first row of the stream: sums are added up
chunk by chunk, so results do not depend on the blocks in which rows arrive, to the last bit."""

SLABS = (1024, 8192)
"""Lengths that rows are padded to on their way into a compiled kernel."""


KEPT = 256
"""Rows of the most leverage that are kept."""


def slab_size(n: int) -> int:
    """The padded length for n rows, at most the largest slab."""
    return next(size for size in SLABS if n <= size)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything about a run that does not change while rows arrive.

    Parameters
    ----------
    d : int
        Number of coefficients.
    c0, k0, power : float
        Step ``c0 / (k0 + k) ** power`` at row k = 1, 2, ...
    burn_in : int
        Rows before the average starts.
    replicas : int
        Multiplier replicas B; 0 for none.
    law : str
        Law of the multipliers.
    seed : int
    replica_start : {"origin", "burnin"}
        Whether multipliers act from the first row, or from the end of the burn-in.
    block_len : int
        Consecutive rows that share a multiplier.
    loss : {"squared", "logistic", "quantile"}
    tau : float
        Quantile level of loss "quantile".
    scale : float
        Spread of the residuals, for the bandwidth of the quantile loss's density estimate.
    keep : tuple of str
        Which covariance estimates are accumulated besides the plug-in: "hac", "batch-means", "random-scaling".
    lags : int
        Lags of the HAC estimate.
    start : ndarray, shape (d,), optional
        The first iterate, in the coordinates of the recursion; zero if not given.
    left, right : ndarray, shape (d, d), optional
        The recursion runs on `F @ left` and `G @ right`, and its coefficients are `right @ theta`; None: on rows as they
        come.
    tolerance : ndarray, shape (d,), optional
        What is rounding in the coordinates of `right`. Given, the recursion is preconditioned by the inverse mean
        Jacobian so far, with steps that no row can overshoot; None: the plain recursion.
    matrix : ndarray, shape (d, d), optional
        The first preconditioner.
    bound : float
        Largest multiplier times largest curvature of the loss: the step of a row with leverage h is
        alpha / (1 + alpha bound h), so that no replica passes its target.
    curvature : float
        Mean curvature that stands for the one of a quantile loss.
    instruments : bool
        Whether f are not g times weights.
    temporal : bool
        Whether rows are transitions.
    """

    d: int
    c0: float
    k0: float = 0.0
    power: float = 2.0 / 3.0
    burn_in: int = 0
    replicas: int = 0
    law: str = "mammen"
    seed: int = 0
    replica_start: str = "origin"
    block_len: int = 1
    loss: str = "squared"
    tau: float = 0.5
    scale: float = 1.0
    keep: tuple[str, ...] = ()
    lags: int = 0
    start: np.ndarray | None = None
    left: np.ndarray | None = None
    right: np.ndarray | None = None
    tolerance: np.ndarray | None = None
    matrix: np.ndarray | None = None
    bound: float = 0.0
    curvature: float = 1.0
    instruments: bool = False
    temporal: bool = False

    @property
    def adaptive(self) -> bool:
        """Whether rows are whitened and preconditioned on the way."""
        return self.tolerance is not None

    def start_values(self) -> np.ndarray:
        """The first iterate, shape (d,)."""
        return np.zeros(self.d) if self.start is None else np.asarray(self.start, np.float64)

    @property
    def padded(self) -> int:
        """Replicas rounded up to whole groups."""
        return -(-self.replicas // GROUP) * GROUP

    def steps(self, first: int, n: int) -> np.ndarray:
        """Steps of rows first, ..., first + n - 1 (counted from 1), shape (n,)."""
        return self.c0 * (self.k0 + np.arange(first, first + n, dtype=np.float64)) ** -self.power

    def whitened(self, rows: Rows) -> Rows:
        """Rows in the coordinates of the recursion."""
        if self.left is None or self.right is None:
            return rows
        return replace(rows, F=by_chunks(rows.F, self.left), G=by_chunks(rows.G, self.right))

    def carried(self, theta: np.ndarray) -> np.ndarray:
        """Coefficients (..., d) of the columns as they came, from those of the recursion."""
        return theta if self.right is None else theta @ self.right.T


def by_chunks(x: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """X @ matrix for whole chunks of rows, one after the other, so that bits do not depend on their number."""
    return (x.reshape(-1, CHUNK, x.shape[1]) @ matrix).reshape(-1, matrix.shape[1])


@dataclass(frozen=True)
class Rows:
    """Rows of a stream: increments are multiples of F, predictions are G theta, targets c.

    F, G have shape (n, d), c and episode (n,). Covariance lags never cross from one episode number to another.
    """

    F: np.ndarray
    G: np.ndarray
    c: np.ndarray
    episode: np.ndarray

    @classmethod
    def of(cls, F: np.ndarray, G: np.ndarray, c: np.ndarray, episode: np.ndarray | None = None) -> Rows:
        """Rows from arrays, as float64; one episode unless told."""
        c = np.ascontiguousarray(c, np.float64)
        if episode is None:
            episode = np.zeros(len(c), np.int64)
        return cls(np.ascontiguousarray(F, np.float64), np.ascontiguousarray(G, np.float64), c, episode)

    @classmethod
    def none(cls, d: int) -> Rows:
        return cls.of(np.empty((0, d)), np.empty((0, d)), np.empty(0))

    def __len__(self) -> int:
        return len(self.c)

    def __getitem__(self, part: slice) -> Rows:
        return Rows(self.F[part], self.G[part], self.c[part], self.episode[part])

    def then(self, other: Rows) -> Rows:
        """These rows, then the others."""
        if not len(self):
            return other
        return Rows(*(np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)))


@dataclass(frozen=True, kw_only=True)
class Sums:
    """Sums over the averaged rows behind the one-pass covariance estimates; empty arrays where not asked for.

    `jacobian` (d, d) sum of psi' f g', `target` (d,) sum of f (psi' g'm - psi) and `noise` sum of e e' with e = f psi at
    the running average m; `early` (d, d + 1) the first two over the rows before the average, at the iterate; `gram`
    (d, d + 1) the same two over all rows for a quantile loss, with the mean curvature for psi'; `wrong`
    averaged rows whose outcome of 0 or 1 is on the other side, for a logistic loss; `lagged`
    (lags + 1, d, d) sums of e_{k+l} e_k', `last` and `last_episode` the rows a later lag reaches back to;
    `scaling*` the sums of random scaling; `batch*` those of overlapping batch means. Both of the last count
    iterates from `reference`.
    """

    jacobian: np.ndarray
    target: np.ndarray
    early: np.ndarray
    gram: np.ndarray
    wrong: np.ndarray
    noise: np.ndarray
    reference: np.ndarray
    lagged: np.ndarray
    last: np.ndarray
    last_episode: np.ndarray
    scaling: np.ndarray
    scaling_mean: np.ndarray
    scaling_count: np.ndarray
    batch: np.ndarray
    batch_mean: np.ndarray
    batch_counts: np.ndarray
    batch_partial: np.ndarray

    @classmethod
    def zero(cls, settings: Settings) -> Sums:
        def size(name: str) -> int:
            return settings.d if name in settings.keep else 0

        d, h, s, b = settings.d, size("hac"), size("random-scaling"), size("batch-means")
        lags = settings.lags if h else 0
        g = d if settings.adaptive and settings.loss == "quantile" else 0
        return cls(
            jacobian=np.zeros((d, d)), target=np.zeros(d), early=np.zeros((d, d + 1)), gram=np.zeros((g, g + 1 if g else 0)),
            wrong=np.zeros((), np.int64), noise=np.zeros((d, d)), reference=np.zeros(d),
            lagged=np.zeros((lags + 1 if h else 0, h, h)), last=np.zeros((lags, h)),
            last_episode=np.full(lags, -1, np.int64),
            scaling=np.zeros((s, s)), scaling_mean=np.zeros(s), scaling_count=np.zeros(()),
            batch=np.zeros((b, b)), batch_mean=np.zeros(b), batch_counts=np.zeros(2), batch_partial=np.zeros(b),
        )  # fmt: skip


@dataclass(frozen=True)
class Extremes:
    """Rows in the coordinates of the recursion, as they were met.

    F, G have shape (k, d); the rest (k,): psi in `slope`, its derivative in `curve`, and `target` such that
    psi = curve g'm - target at the average m of that time; `h` the leverage under the preconditioner in force.
    """

    F: np.ndarray
    G: np.ndarray
    c: np.ndarray
    slope: np.ndarray
    curve: np.ndarray
    target: np.ndarray
    number: np.ndarray
    h: np.ndarray

    @classmethod
    def none(cls, d: int) -> Extremes:
        """No rows yet."""
        empty, two = np.empty(0), np.empty((0, d))
        return cls(two, two, empty, empty, empty, empty, np.empty(0, np.int64), empty)

    def merged(self, other: Extremes) -> Extremes:
        """The rows of both with the largest leverage; earlier ones where they tie."""
        both = {f.name: np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)}
        order = np.lexsort((both["number"], -both["h"]))[:KEPT]
        return Extremes(**{name: value[order] for name, value in both.items()})


@dataclass(frozen=True, kw_only=True)
class State:
    """Where a run stands: enough to go on, bit for bit.

    `done` rows are worked in; `pending` are the rows after them, fewer than a chunk. `replicas` and
    `replica_sums` have shape (d, padded). `origin` (d,) counts the rows before each coordinate's average, `seen` (d,)
    tells which directions any row has, `matrix` (d, d) is the preconditioner in force. The trace holds the number of
    rows, the average and its standard errors, of the columns as they came, at points that lie evenly on a
    logarithmic scale.
    """

    done: int
    theta: np.ndarray
    mean: np.ndarray
    replicas: np.ndarray
    replica_sums: np.ndarray
    sums: Sums
    pending: Rows
    origin: np.ndarray
    seen: np.ndarray
    matrix: np.ndarray
    extremes: Extremes
    trace_rows: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    trace_mean: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    trace_se: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))

    @classmethod
    def start(cls, settings: Settings) -> State:
        """Before the first row, all replicas at the same starting value."""
        theta = settings.start_values()
        empty = np.empty((0, settings.d))
        matrix = np.eye(settings.d) if settings.matrix is None else settings.matrix
        return cls(
            done=0, theta=theta, mean=theta, replicas=np.repeat(theta[:, None], settings.padded, axis=1),
            replica_sums=np.zeros((settings.d, settings.padded)), sums=Sums.zero(settings),
            pending=Rows.none(settings.d), trace_mean=empty, trace_se=empty,
            origin=np.full(settings.d, settings.burn_in, np.int64), seen=_seen(matrix), matrix=matrix,
            extremes=Extremes.none(settings.d),
        )  # fmt: skip

    @property
    def rows(self) -> int:
        """Rows seen."""
        return self.done + len(self.pending)

    @property
    def averaged(self) -> int:
        """Iterates in the longest average."""
        return max(self.done - int(self.origin.min()), 0)

    def arrays(self) -> dict[str, np.ndarray]:
        """The state as named arrays, for a file."""
        out: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, Rows | Sums | Extremes):
                out |= {f"{f.name}.{g.name}": getattr(value, g.name) for g in fields(value)}
            else:
                out[f.name] = np.asarray(value)
        return out

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> State:
        """The inverse of `arrays`."""
        parts = {name: np.asarray(value) for name, value in arrays.items()}
        sums = Sums(**{f.name: parts.pop(f"sums.{f.name}") for f in fields(Sums)})
        pending = Rows(**{f.name: parts.pop(f"pending.{f.name}") for f in fields(Rows)})
        done = int(parts.pop("done"))
        extremes = Extremes(**{f.name: parts.pop(f"extremes.{f.name}") for f in fields(Extremes)})
        return cls(done=done, sums=sums, pending=pending, extremes=extremes, **parts)

    def with_trace(self, mean: np.ndarray, se: np.ndarray) -> State:
        """The state with one more point of the path."""
        return replace(
            self,
            trace_rows=np.append(self.trace_rows, self.done),
            trace_mean=np.vstack([self.trace_mean, mean]),
            trace_se=np.vstack([self.trace_se, se]),
        )


def _seen(matrix: np.ndarray) -> np.ndarray:
    """Directions that a preconditioner moves."""
    return np.abs(matrix).sum(axis=0) > 0.0

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
    matrix : ndarray, shape (d, d), optional
        Multiplies every f: a preconditioner, which leaves the root where it is.
    start : ndarray, shape (d,), optional
        The first iterate; zero if not given.
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
    matrix: np.ndarray | None = None
    start: np.ndarray | None = None

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

    def preconditioned(self, F: np.ndarray) -> np.ndarray:
        """The vectors f (whole chunks of them) times the matrix, chunk by chunk so that bits do not depend on n."""
        if self.matrix is None:
            return F
        return (F.reshape(-1, CHUNK, self.d) @ self.matrix.T).reshape(-1, self.d)


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

    `jacobian` sum of psi' f g' and `noise` sum of e e' with e = f psi at the running average; `lagged`
    (lags + 1, d, d) sums of e_{k+l} e_k', `last` and `last_episode` the rows a later lag reaches back to;
    `scaling*` the sums of random scaling; `batch*` those of overlapping batch means. Both of the last count
    iterates from `reference`.
    """

    jacobian: np.ndarray
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
        return cls(
            jacobian=np.zeros((d, d)), noise=np.zeros((d, d)), reference=np.zeros(d),
            lagged=np.zeros((lags + 1 if h else 0, h, h)), last=np.zeros((lags, h)),
            last_episode=np.full(lags, -1, np.int64),
            scaling=np.zeros((s, s)), scaling_mean=np.zeros(s), scaling_count=np.zeros(()),
            batch=np.zeros((b, b)), batch_mean=np.zeros(b), batch_counts=np.zeros(2), batch_partial=np.zeros(b),
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class State:
    """Where a run stands: enough to go on, bit for bit.

    `done` rows are worked in; `pending` are the rows after them, fewer than a chunk. `replicas` and
    `replica_sums` have shape (d, padded). The trace holds the number of rows, the average and its
    standard errors at points that lie evenly on a logarithmic scale.
    """

    done: int
    theta: np.ndarray
    mean: np.ndarray
    replicas: np.ndarray
    replica_sums: np.ndarray
    sums: Sums
    pending: Rows
    trace_rows: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    trace_mean: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    trace_se: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))

    @classmethod
    def start(cls, settings: Settings) -> State:
        """Before the first row, all replicas at the same starting value."""
        theta = settings.start_values()
        empty = np.empty((0, settings.d))
        return cls(
            done=0, theta=theta, mean=theta, replicas=np.repeat(theta[:, None], settings.padded, axis=1),
            replica_sums=np.zeros((settings.d, settings.padded)), sums=Sums.zero(settings),
            pending=Rows.none(settings.d), trace_mean=empty, trace_se=empty,
        )  # fmt: skip

    @property
    def rows(self) -> int:
        """Rows seen."""
        return self.done + len(self.pending)

    def averaged(self, settings: Settings) -> int:
        """Iterates in the average, once every row is worked in."""
        return max(self.rows - settings.burn_in, 0)

    def arrays(self) -> dict[str, np.ndarray]:
        """The state as named arrays, for a file."""
        out: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, Rows | Sums):
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
        return cls(done=done, sums=sums, pending=pending, **parts)

    def with_trace(self, mean: np.ndarray, se: np.ndarray) -> State:
        """The state with one more point of the path."""
        return replace(
            self,
            trace_rows=np.append(self.trace_rows, self.done),
            trace_mean=np.vstack([self.trace_mean, mean]),
            trace_se=np.vstack([self.trace_se, se]),
        )

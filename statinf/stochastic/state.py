"""Where a run of averaged stochastic approximation stands: sums, rows of the most leverage, iterates."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.stochastic.rows import StreamRows
from statinf.stochastic.settings import Settings

KEPT = 256
"""Rows of the most leverage that are kept."""


@dataclass(frozen=True, kw_only=True, repr=False)
class CovarianceSums(Brief):
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
    def zero(cls, settings: Settings) -> CovarianceSums:
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


@dataclass(frozen=True, repr=False)
class Extremes(Brief):
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
        if not len(self.h):
            return other
        both = {f.name: np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)}
        order = np.lexsort((both["number"], -both["h"]))[:KEPT]
        return Extremes(**{name: value[order] for name, value in both.items()})


@dataclass(frozen=True, kw_only=True, repr=False)
class State(Brief):
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
    sums: CovarianceSums
    pending: StreamRows
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
            replica_sums=np.zeros((settings.d, settings.padded)), sums=CovarianceSums.zero(settings),
            pending=StreamRows.none(settings.d), trace_mean=empty, trace_se=empty,
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
            if isinstance(value, StreamRows | CovarianceSums | Extremes):
                out |= {f"{f.name}.{g.name}": getattr(value, g.name) for g in fields(value)}
            else:
                out[f.name] = np.asarray(value)
        return out

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> State:
        """The inverse of `arrays`."""
        parts = {name: np.asarray(value) for name, value in arrays.items()}
        sums = CovarianceSums(**{f.name: parts.pop(f"sums.{f.name}") for f in fields(CovarianceSums)})
        pending = StreamRows(**{f.name: parts.pop(f"pending.{f.name}") for f in fields(StreamRows)})
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

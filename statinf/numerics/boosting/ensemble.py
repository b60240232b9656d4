"""The run as the host drives it: blocks of iterations, early stopping, and the base learners that are kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.backend import progress_bar
from statinf.brief import Brief
from statinf.errors import ConvergenceError
from statinf.numerics.boosting.plan import BoostingRows, Numbers, Plan
from statinf.numerics.boosting.run import advance, row_scores

_ROOM = 50
"""Iterations of a block."""


@dataclass(frozen=True, repr=False)
class BaseLearners(Brief):
    """Base learners of all iterations that are kept.

    Attributes
    ----------
    start : ndarray, shape (K,)
        Parameters of the marginal law.
    pieces : tuple of ndarray, each (M, ...)
        Feature, cut, gain and leaf of trees, or the coefficients of linear bases.
    steps : ndarray, shape (M,)
        Rate times the line search's factor.
    path : ndarray, shape (iterations + 1, 2)
        Mean score in training and in validation, from the marginal law on; iterations beyond the best one too.
    """

    start: np.ndarray
    pieces: tuple[np.ndarray, ...]
    steps: np.ndarray
    path: np.ndarray

    @property
    def size(self) -> int:
        """Iterations kept."""
        return len(self.steps)

    def padded(self, limit: int | None = None) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """Base learners and steps of the first `limit` iterations, lengthened to whole blocks by steps of zero."""
        room = -(-max(self.size, 1) // _ROOM) * _ROOM
        steps = np.zeros(room)
        used = self.size if limit is None else min(limit, self.size)
        steps[:used] = self.steps[:used]
        return tuple(np.concatenate([p, np.zeros((room - len(p), *p.shape[1:]), p.dtype)]) for p in self.pieces), steps


def boost(
    start: np.ndarray,
    rows: BoostingRows,
    numbers: Numbers,
    plan: Plan,
    *,
    iterations: int,
    patience: int | None,
    seed: int,
    show: bool | None = None,
) -> BaseLearners:
    """Boost from the marginal law.

    Parameters
    ----------
    start : ndarray, shape (K,)
    rows, numbers, plan
    iterations : int
        At most.
    patience : int or None
        Stops when the validation score has not improved for so many iterations, and keeps the best.
    seed : int
    show : bool or None
        Progress bar.

    Raises
    ------
    ConvergenceError
        If the score is not finite.
    """
    theta = np.repeat(np.asarray(start, np.float64)[:, None], len(rows.y), axis=1)
    blocks: list[tuple[tuple[np.ndarray, ...], np.ndarray]] = []
    path = [_first(theta, rows, plan)]
    if not iterations:
        return BaseLearners(start, (), np.empty(0), np.array(path))
    done = 0
    for begin in progress_bar(range(0, iterations, _ROOM), label="boosting", show=show):
        count = min(_ROOM, iterations - begin)
        theta, pieces, steps, lengths, scores = advance(
            theta, rows, numbers, np.int64(seed % 2**63), np.int64(begin), np.int64(count), plan=plan, room=_ROOM
        )
        if not np.isfinite(scores[:count, 0]).all():
            raise ConvergenceError(
                f"the {plan.law.name} score is not finite after {begin + count} iterations; lower learning_rate."
            )
        # Nothing is left to learn once what is fitted to the gradients is shorter than the tolerance.
        short = np.flatnonzero(lengths[:count] < numbers.tol)
        ends = len(short) > 0
        count = int(short[0]) + 1 if ends else count
        blocks.append((tuple(p[:count] for p in pieces), steps[:count]))
        path.extend(scores[:count])
        done += count
        if ends or (patience is not None and _patience_ends(np.array(path)[:, 1], patience) is not None):
            break
    pieces = tuple(np.concatenate([b[0][i] for b in blocks]) for i in range(len(blocks[0][0])))
    steps, scores = np.concatenate([b[1] for b in blocks]), np.array(path)
    kept = done
    if patience is not None:
        last = _patience_ends(scores[:, 1], patience)
        scores = scores if last is None else scores[: last + 1]
        kept = int(np.argmin(scores[:, 1]))
    return BaseLearners(start, tuple(p[:kept] for p in pieces), float(numbers.rate) * steps[:kept], scores)


def _first(theta: np.ndarray, rows: BoostingRows, plan: Plan) -> np.ndarray:
    """Mean score of the marginal law in training and in validation."""
    found = row_scores(theta, rows.y, rows.event, plan=plan)
    return np.array([np.average(found[w > 0], weights=w[w > 0]) if w.any() else 0.0 for w in (rows.w, rows.held)])


def _patience_ends(found: np.ndarray, patience: int) -> int | None:
    """The iteration at which validation scores have not improved for so many; None where they still may."""
    best = np.minimum.accumulate(found)
    improved = np.concatenate([[True], found[1:] < best[:-1]])
    since = np.arange(len(found)) - np.maximum.accumulate(np.where(improved, np.arange(len(found)), 0))
    stops = np.flatnonzero(since >= patience)
    return int(stops[0]) if len(stops) else None

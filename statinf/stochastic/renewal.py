"""Renewable estimates: the past of a stream as a quadratic, the rows since then as they are.

Luo & Song (2020), Renewable estimation and incremental inference in generalized linear models with streaming data sets,
JRSS B 82. When a group of rows has a chunk of them, their loss is replaced by its second-order expansion at the estimate of
that time, gradient included; the sum of these expansions is all that is kept. With a factor below one on the past, each row's
loss counts by the factor to the power of its age.

Groups are streams of their own: a chunk is counted in the rows of its group, so that a group's estimate depends on nothing but
its own rows in their order, not on how they arrived or on other groups.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from statinf.numerics.recursions.renewing import minimise
from statinf.stochastic.renewal_state import GroupRows, Past, RenewalSettings, RenewalState
from statinf.stochastic.settling import NUMBERS, added, ages, by_group, judged

_STABLE = 0.1  # pull of a chunk's expansion point towards the one before, in rows
_POINTS = 512


def renew(s: RenewalSettings, state: RenewalState, rows: GroupRows, groups: int) -> RenewalState:
    """The state after more rows, `groups` being the number of groups so far; rows come as they are, not transformed."""
    rows = replace(rows, X=rows.X @ s.transform)
    past = state.past.longer(groups) if groups > len(state.past.count) else state.past
    pending = state.pending.then(rows)
    if s.window:
        return replace(state, past=replace(past, count=past.count + np.bincount(rows.group, minlength=groups)),
                       pending=_last(pending, s.window))  # fmt: skip
    state = replace(state, past=past)
    order, begin, length = by_group(pending, groups)
    done = np.zeros(groups, np.int64)
    alone = groups == 1
    while True:
        full = np.flatnonzero(length - done >= s.chunk)
        if not len(full):
            break
        width = max(NUMBERS // (s.chunk * s.q * s.k), 1)
        for part in np.array_split(full, -(-len(full) // width)):
            chosen = order[(begin + done)[part][:, None] + np.arange(s.chunk)]
            state = replace(state, past=state.past.put(part, _expanded(s, state.past.some(part), pending, chosen)))
        done[full] += s.chunk
        if alone:
            state = _traced(s, state)
    left = np.ones(len(pending), bool)
    for g in np.flatnonzero(done):
        left[order[begin[g] : begin[g] + done[g]]] = False
    return replace(state, pending=pending.some(left) if done.any() else pending)


def _last(rows: GroupRows, window: int) -> GroupRows:
    order, begin, length = by_group(rows, int(rows.group.max(initial=0)) + 1)
    rank = np.empty(len(rows), np.int64)
    rank[order] = np.arange(len(rows)) - begin[rows.group[order]]
    return rows.some(rank >= (length - window)[rows.group])


def _expanded(s: RenewalSettings, past: Past, rows: GroupRows, chosen: np.ndarray) -> Past:
    m = np.full(len(chosen), s.chunk)
    v = np.broadcast_to(ages(s, s.chunk, s.chunk), chosen.shape)
    X, Y, w = rows.X[chosen], rows.Y[chosen], rows.w[chosen] * v
    fade = s.factor**s.chunk
    # The point of expansion only needs to be near, for the gradient there is kept. The pull has the rows' own metric.
    gram = X.transpose(0, 2, 1) @ (X * w[..., None]) / v.sum(axis=1)[:, None, None]
    pull = _STABLE * np.einsum("ab,gij->gaibj", np.eye(s.k), gram).reshape(past.H.shape)
    linear = fade * past.b + np.einsum("gij,gj->gi", pull, past.theta)
    theta, _ = minimise(fade * past.H + s.penalty + pull, linear, X, Y, w, past.theta, s.loss, tol=1e-9)
    made = added(s, past, m, X, Y, w, theta, v)
    return replace(made, first=np.where(past.count[:, None] == 0, theta, past.first))


def _traced(s: RenewalSettings, state: RenewalState) -> RenewalState:
    """The state with one more point of its path: all chunks while they are few, then every second, fourth, ..."""
    rows = int(state.past.count[0])
    if (rows // s.chunk) % state.every:
        return state
    last = state.past
    theta = np.linalg.lstsq(last.H[0] + s.penalty, last.b[0], rcond=None)[0]
    now = judged(s, replace(last, theta=theta[None]), last.count, np.zeros(1))
    state = replace(
        state, path_rows=np.append(state.path_rows, rows), path=np.vstack([state.path, now.theta]),
        path_se=np.vstack([state.path_se, np.sqrt((now.root**2).sum(axis=2))]),
    )  # fmt: skip
    if len(state.path_rows) <= _POINTS:
        return state
    keep = (state.path_rows // s.chunk) % (2 * state.every) == 0
    return replace(
        state,
        every=2 * state.every,
        path_rows=state.path_rows[keep],
        path=state.path[keep],
        path_se=state.path_se[keep],
    )

"""Estimates of the groups of a stream as they stand: the past, the rows since then, and what is wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.numerics.recursions.renewing import minimise, rows_at
from statinf.stochastic.renewal_state import GroupRows, Past, RenewalSettings, RenewalState

NUMBERS = 4_000_000
"""Numbers in a batch of problems."""
_SEPARATED = 0.1
_NO_COUNTS = 1e-10  # mean count per unit of weight; Newton's method stops near 1e-12 where the minimum is at infinity


@dataclass(frozen=True, repr=False)
class Settled(Brief):
    """Estimates of g groups: theta (g, p) and covariance roots (g, p, p) of the columns as they came.

    `effective` (g,) are effective rows, `count` rows; `why` says what is wrong with a group, "" for nothing.
    """

    theta: np.ndarray
    root: np.ndarray
    effective: np.ndarray
    count: np.ndarray
    null: np.ndarray
    why: np.ndarray


def by_group(rows: GroupRows, groups: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows by group, in their order; where each group begins, and how many rows it has."""
    length = np.bincount(rows.group, minlength=groups)
    return np.argsort(rows.group, kind="stable"), np.concatenate([[0], np.cumsum(length)[:-1]]), length


def ages(s: RenewalSettings, m: np.ndarray | int, width: int) -> np.ndarray:
    """Factors of rows 0, ..., width - 1 when m of them are there, zero beyond."""
    age = np.reshape(m, (-1, 1)) - 1 - np.arange(width)
    return np.where(age >= 0, s.factor ** np.maximum(age, 0), 0.0)


def added(s: RenewalSettings, past: Past, m: np.ndarray, X: np.ndarray, Y: np.ndarray, w: np.ndarray, theta: np.ndarray,
           v: np.ndarray) -> Past:  # fmt: skip
    """The past after rows that are expanded at theta; w their weights times factors v, m how many each group has."""
    made, fade = rows_at(theta, X, Y, w, s.loss, scores=True), s.factor**m
    b = fade[:, None] * past.b + np.einsum("gij,gj->gi", made.hessian, theta) - made.gradient
    return Past(
        fade[:, None, None] * past.H + made.hessian, b, (fade**2)[:, None, None] * past.S + made.scores, theta,
        past.count + m, fade * past.total + v.sum(axis=1), fade**2 * past.squares + (v * v).sum(axis=1),
        fade * past.mass + w.sum(axis=1), fade**2 * past.masses + (w * w).sum(axis=1),
        fade[:, None] * past.events + (w[..., None] * Y).sum(axis=1), past.first,
    )  # fmt: skip


def settled(s: RenewalSettings, state: RenewalState, which: np.ndarray | None = None) -> Settled:
    """Estimates of the groups as they stand, all by default."""
    groups = len(state.past.count)
    which = np.arange(groups) if which is None else which
    order, begin, length = by_group(state.pending, groups)
    found: list[Settled] = []
    by_size = which[np.argsort(length[which], kind="stable")]
    at = 0
    while at < len(by_size):
        width = int(length[by_size[-1]]) or 1
        size = max(NUMBERS // (width * s.q * s.k), 1)
        part = by_size[at : at + size]
        found.append(_settled(s, state, part, order, begin, length[part]))
        at += size
    back = np.argsort(np.argsort(length[which], kind="stable"), kind="stable")
    return Settled(*(np.concatenate([getattr(f, n) for f in found])[back] for n in Settled.__dataclass_fields__))


def _settled(
    s: RenewalSettings, state: RenewalState, part: np.ndarray, order: np.ndarray, begin: np.ndarray, m: np.ndarray
) -> Settled:
    past, width = state.past.some(part), max(int(m.max(initial=0)), 1)
    place = begin[part][:, None] + np.minimum(np.arange(width), np.maximum(m - 1, 0)[:, None])
    rows = state.pending
    if not len(rows):
        X, Y, w = (np.zeros((len(part), 1, n)) for n in (s.q, s.k, 1))
        w = w[..., 0]
    else:
        chosen = order[np.minimum(place, len(rows) - 1)]
        X, Y, w = rows.X[chosen], rows.Y[chosen], rows.w[chosen]
    v = ages(s, m, width)
    w = w * v
    fade = s.factor**m
    theta, left = minimise(
        fade[:, None, None] * past.H + s.penalty, fade[:, None] * past.b, X, Y, w, past.theta, s.loss
    )
    count = past.count if s.window else past.count + m
    return judged(s, added(s, past, m, X, Y, w, theta, v), count, left)


def judged(s: RenewalSettings, made: Past, count: np.ndarray, left: np.ndarray) -> Settled:
    g, p = made.b.shape
    bread = made.H + s.penalty
    values, vectors = np.linalg.eigh(bread)
    with np.errstate(divide="ignore", invalid="ignore"):
        effective = np.where(made.squares > 0.0, made.total**2 / made.squares, 0.0)
    why = np.full(g, "", dtype=object)
    why[left > 1e-8] = "has no finite minimum"
    why[values[:, 0] <= 1e-9 * np.maximum(values[:, -1], 0.0)] = "does not tell its columns apart"
    why[_separated(s, made, values, vectors)] = "separates its outcomes"
    why[effective <= s.q] = "has too few rows"
    good = why == ""
    carry = np.kron(np.eye(s.k), s.transform)
    root = np.full((g, p, p), np.nan)
    theta = np.where(good[:, None], made.theta, np.nan) @ carry.T
    if good.any():
        size, turn = np.linalg.eigh(made.S[good])
        half = turn * np.sqrt(np.maximum(size, 0.0))[:, None, :]
        inner = (vectors[good] / values[good][:, None, :]) @ vectors[good].transpose(0, 2, 1)
        share = np.sqrt(effective[good] / (effective[good] - s.q))
        root[good] = share[:, None, None] * (carry @ (inner @ half))
    return Settled(theta, root, effective, count, vectors[:, :, 0] @ carry.T, why)


def _separated(s: RenewalSettings, made: Past, values: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Groups whose likelihood has its maximum at infinity.

    A class that never occurs, or counts that are all zero, where there is a constant. Classes: the squared residuals are far
    below p (1 - p) along a coordinate, which they equal on average. Counts: there is no curvature left along any.
    """
    if s.penalty.any() or s.loss == "squared":
        return np.zeros(len(values), bool)
    lost = s.intercept & (made.events <= 0.0).any(axis=1) & (made.mass > 0.0)
    if s.loss == "poisson":
        return lost | (values[:, -1] <= _NO_COUNTS * made.mass)
    lost |= s.intercept & (made.events.sum(axis=1) >= (1.0 - 1e-12) * made.mass)
    with np.errstate(divide="ignore", invalid="ignore"):
        inner = (vectors / values[:, None, :]) @ vectors.transpose(0, 2, 1)
        found = np.einsum("gij,gjk,gik->gi", inner, made.S, inner) / np.einsum("gii->gi", inner)
        return lost | (found * (made.mass / made.masses)[:, None] < _SEPARATED).any(axis=1)


def moved(s: RenewalSettings, state: RenewalState, found: Settled, which: np.ndarray) -> np.ndarray:
    """How far estimates are from the first expansion points, in standard errors of as many rows, shape (g, p); 0 if unknown.

    Rows that were expanded far from where the estimate is now count by a quadratic that does not hold there.
    """
    if s.loss == "squared" or s.forgets:
        return np.zeros_like(found.theta)
    first = state.past.first[which] @ np.kron(np.eye(s.k), s.transform).T
    early = np.sqrt((found.root**2).sum(axis=2) * (found.count / s.chunk)[:, None])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(np.abs(found.theta - first) / early, posinf=0.0)

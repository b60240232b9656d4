"""Matching estimates with the errors of Abadie and Imbens (2006, 2011), from matched sets.

The estimate is sum_i (2 D_i - 1)(own_i + used_i) Y_i / sum own, where own_i is a row's weight where it is averaged over
and used_i the weight with which it stands for others. Its variance adds the spread of the matched differences and, for
each row, the outcome's variance given its covariates times what that spread does not hold already.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from statinf.brief import Brief
from statinf.effects.matched_sets import Space, matched
from statinf.numerics.geometry.nearest import Neighbours
from statinf.numerics.linear.least_squares import solve


@dataclass(frozen=True, repr=False)
class Compared(Brief):
    """Outcome, treatment, covariates and weights of the rows that are compared; rows of weight zero are not among them.

    Attributes
    ----------
    y, w : ndarray, shape (n,)
    treated : ndarray of bool, shape (n,)
    x : ndarray, shape (n, p)
    """

    y: np.ndarray
    w: np.ndarray
    treated: np.ndarray
    x: np.ndarray


@dataclass(frozen=True, repr=False)
class Matched(Brief):
    """A matching estimate.

    Attributes
    ----------
    theta, variance : float
    influence : ndarray, shape (n,)
        Of each row, by the outcome's regression in its arm.
    rows : ndarray of int, shape (m,)
        Rows whose effect is averaged.
    sets : Neighbours
        Their matches.
    used : ndarray, shape (n,)
        Weight with which each row stands for others.
    """

    theta: float
    variance: float
    influence: np.ndarray
    rows: np.ndarray
    sets: Neighbours
    used: np.ndarray


def estimate_matched(
    sample: Compared, space: Space, rows: np.ndarray, sets: Neighbours, *, correct: bool, neighbours: int
) -> Matched:
    """The average difference between rows and their matches, and its variance.

    Parameters
    ----------
    sample : Compared
    space : Space
    rows : ndarray of int
        Rows to be averaged over; those without a match are left out.
    sets : Neighbours
    correct : bool
        Take the bias of inexact matches out by regressions of the outcome among the matches.
    neighbours : int
        Rows of the same arm from which the outcome's variance at a row is estimated; 0 for one variance for all.
    """
    y, w, n = sample.y, sample.w, len(sample.y)
    has = sets.counts > 0
    who, whom = sets.rows, sets.points
    share = w[whom] / np.bincount(who, weights=w[whom], minlength=len(rows))[who]
    mass = np.where(has, w[rows], 0.0)
    used = np.bincount(whom, weights=mass[who] * share, minlength=n)
    squares = np.bincount(whom, weights=(mass[who] * share) ** 2, minlength=n)
    other = np.bincount(who, weights=share * y[whom], minlength=len(rows))
    between = np.zeros(len(who))
    if correct:
        # How far the regression of the match's arm differs between a row and its match.
        mu, arm = _among_matches(sample, used), sample.treated[whom].astype(int)
        between = mu[arm, rows[who]] - mu[arm, whom]
        other = other + np.bincount(who, weights=share * between, minlength=len(rows))
    sign = np.where(sample.treated[rows], 1.0, -1.0)
    each = sign * (y[rows] - other)
    total = mass.sum()
    theta = float(mass @ np.where(has, each, 0.0) / total)
    own = np.zeros(n)
    own[rows] = mass
    left = (own + used) ** 2 - own**2 - squares
    if neighbours:
        # Rows that count with their own difference alone need none.
        sigma = _variances(sample, space, neighbours, np.abs(left) > 1e-12 * left.max(initial=0.0))
    else:
        # One variance: half of what the differences of single pairs vary by.
        single = sign[who] * (y[rows][who] - y[whom] - between) - theta
        sigma = np.full(n, 0.5 * float((mass[who] * share) @ single**2) / total)
    spread = float((mass**2) @ np.where(has, each - theta, 0.0) ** 2)
    variance = (spread + float(sigma @ left)) / total**2
    return Matched(theta, variance, _influence(sample, own, used, total), rows, sets, used)


def _among_matches(sample: Compared, used: np.ndarray) -> np.ndarray:
    """Least squares of the outcome in each arm, weighted by how often rows are matches, shape (2, n).

    An arm that is never matched needs none, and gets zeros.
    """
    out = np.zeros((2, len(sample.y)))
    for arm in (0, 1):
        here = (sample.treated == bool(arm)) & (used > 0)
        if here.any():
            out[arm] = _fitted(sample, here, used)
    return out


def _fitted(sample: Compared, here: np.ndarray, w: np.ndarray) -> np.ndarray:
    centre = np.average(sample.x[here], axis=0, weights=w[here])
    z = np.column_stack([np.ones(len(sample.y)), sample.x - centre])
    solution = solve(z[here], sample.y[here], w[here])
    return z @ np.where(solution.kept, solution.coef, 0.0)


def _variances(sample: Compared, space: Space, neighbours: int, wanted: np.ndarray) -> np.ndarray:
    """Variance of the outcome at each row, that of its own and of the nearest rows of the same arm, shape (n,).

    Zero for rows that are not `wanted`, (n,) of booleans.
    """
    out = np.zeros(len(sample.y))
    # A caliper is for matches; here the nearest are wanted, and outside its cell those of a row that is alone there.
    anywhere = replace(space, caliper=np.inf)
    for arm in (sample.treated, ~sample.treated):
        pool, rows = np.flatnonzero(arm), np.flatnonzero(arm & wanted)
        near = matched(anywhere, rows, pool, neighbours, itself=True)
        out[rows] = _spread(sample.y, rows, near)
        alone = rows[near.counts == 0]
        if len(alone):
            far = replace(anywhere, cells=np.zeros_like(space.cells))
            out[alone] = _spread(sample.y, alone, matched(far, alone, pool, neighbours, itself=True))
    return out


def _spread(y: np.ndarray, rows: np.ndarray, near: Neighbours) -> np.ndarray:
    """Variance of each row's outcome and those near it, shape (rows,); zero where there are none."""
    count, who = near.counts + 1, near.rows
    gap = y[near.points] - y[rows][who]
    mean = np.bincount(who, weights=gap, minlength=len(rows)) / count
    square = np.bincount(who, weights=(gap - mean[who]) ** 2, minlength=len(rows)) + mean**2
    return square / np.maximum(count - 1, 1)


def _influence(sample: Compared, own: np.ndarray, used: np.ndarray, total: float) -> np.ndarray:
    """Influence of each row (n,) by the martingale of Abadie and Imbens (2012), with the outcome's regression by arm."""
    mu = np.stack([_fitted(sample, sample.treated == bool(arm), sample.w) for arm in (0, 1)])
    effect = mu[1] - mu[0]
    mean = float(own @ effect) / total
    sign = np.where(sample.treated, 1.0, -1.0)
    residual = sample.y - np.where(sample.treated, mu[1], mu[0])
    found = (own * (effect - mean) + sign * (own + used) * residual) / total
    return found - own * found.sum() / total

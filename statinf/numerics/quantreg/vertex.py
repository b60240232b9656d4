"""Exact vertices of many weighted quantile regressions at once: a long-step simplex in lockstep.

A vertex interpolates p rows, its basis. A step frees one basic row along its edge and runs through all
breakpoints at which the piecewise linear objective still falls (Barrodale and Roberts 1973), so that from a
start within sampling error of the optimum few steps are needed. All problems of a batch step together: one
batched p x p inverse and three batched products a step. With many columns the inverse follows the exchange of
one row instead, and is made anew every few steps and before a vertex is called optimal.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

_STEPS_PER_COLUMN = 200
_LEAST_STEPS = 1000
_STALL = 1e-13
_PATIENCE = 3
_DUAL_TOLERANCE = 1e-9
_ROUNDING = 1e-14
_ZERO = 1e-13
_FLAT = 1e-9
_TIE_BREAK = 1e-11
_TIE_BREAKS = 5
_FEW_COLUMNS = 24
_EXCHANGES = 32


class Vertices(NamedTuple):
    """Vertices of a batch of Q problems.

    coef : (Q, p); basis : (Q, p) positions of the interpolated rows; dual : (Q, p) subgradients of the basic
    rows, in [tau - 1, tau] at an optimum; optimal : (Q,) whether that certificate holds; steps : (Q,) counts;
    edge : (Q, p) a direction without end along which the objective of an unbounded problem falls; fall : (Q,) its
    slope there, zero elsewhere.
    """

    coef: np.ndarray
    basis: np.ndarray
    dual: np.ndarray
    optimal: np.ndarray
    steps: np.ndarray
    edge: np.ndarray
    fall: np.ndarray


@dataclass
class _Live:
    """The problems still moving."""

    number: np.ndarray
    X: np.ndarray
    y: np.ndarray
    w: np.ndarray
    pull: np.ndarray
    tau: np.ndarray
    basis: np.ndarray
    mass: np.ndarray
    worth: np.ndarray
    stalled: np.ndarray
    inverse: np.ndarray

    def keep(self, mask: np.ndarray) -> _Live:
        return _Live(*(getattr(self, f.name)[mask] for f in fields(self)))

    def invert(self) -> None:
        """The inverses of the bases, made anew."""
        self.inverse = np.linalg.inv(np.take_along_axis(self.X, self.basis[:, :, None], axis=1))

    def exchange(self, leave: np.ndarray, enter: np.ndarray) -> None:
        """Replace one row of each basis, and follow with its inverse (a change of rank one)."""
        batch = np.arange(len(enter))
        self.basis[batch, leave] = enter
        column = self.inverse[batch, :, leave]
        change = (self.X[batch, enter][:, None, :] @ self.inverse)[:, 0]
        pivot = change[batch, leave].copy()
        change[batch, leave] -= 1.0
        self.inverse = self.inverse - column[:, :, None] * (change / pivot[:, None])[:, None, :]


class _Price(NamedTuple):
    """What a vertex knows: the residuals, and the slope along its best edge."""

    residual: np.ndarray
    dual: np.ndarray
    leave: np.ndarray
    slope: np.ndarray
    direction: np.ndarray
    optimal: np.ndarray

    def keep(self, mask: np.ndarray) -> _Price:
        return _Price(*(part[mask] for part in self))


def descend(
    X: np.ndarray, y: np.ndarray, w: np.ndarray, pull: np.ndarray, tau: np.ndarray, basis: np.ndarray
) -> Vertices:
    """Minimise sum_i w_i rho_tau(y_i - x_i'b) - pull'b for each problem, starting at a basis.

    Parameters
    ----------
    X : (Q, M, p)
    y, w : (Q, M)
        A zero weight marks a row that does not count.
    pull : (Q, p)
        What rows of known residual sign contribute: the sum of w_i (tau - 1{r_i < 0}) x_i.
    tau : (Q,)
    basis : (Q, p)
        Row positions with an invertible X[basis].

    Returns
    -------
    Vertices
        Not optimal where the objective is unbounded (too few rows beside the pull) or steps ran out.
    """
    Q, p = len(X), X.shape[2]
    final, dual = basis.copy(), np.full((Q, p), np.nan)
    optimal, steps = np.zeros(Q, bool), np.zeros(Q, np.intp)
    edge, fall = np.zeros((Q, p)), np.zeros(Q)
    mass = np.matmul(w[:, None, :], np.abs(X))[:, 0] + np.abs(pull)
    worth = _STALL * np.einsum("qm,qm->q", w, np.abs(y))
    live = _Live(np.arange(Q), X, y, w, pull, tau, basis.copy(), mass, worth, np.zeros(Q, np.intp), np.empty((Q, p, p)))
    few, fresh = p <= _FEW_COLUMNS, False
    for step in range(_STEPS_PER_COLUMN * p + _LEAST_STEPS):
        if few or step % _EXCHANGES == 0:
            live.invert()
            fresh = True
        price = _price(live)
        if not fresh and price.optimal.any():
            live.invert()
            price = _price(live)
        if price.optimal.any():
            at = live.number[price.optimal]
            final[at], dual[at] = live.basis[price.optimal], price.dual[price.optimal]
            optimal[at], steps[at] = True, step
            live, price = live.keep(~price.optimal), price.keep(~price.optimal)
            if not len(live.number):
                break
        enter, length, left = _line_search(live, price)
        live.stalled = np.where(-price.slope * length > live.worth, 0, live.stalled + 1)
        steps[live.number] = step + 1
        if (enter < 0).any():  # unbounded: the caller must hand over more rows
            endless = live.number[enter < 0]
            edge[endless], fall[endless] = price.direction[enter < 0], left[enter < 0]
            final[endless] = live.basis[enter < 0]
            live, price, enter = live.keep(enter >= 0), price.keep(enter >= 0), enter[enter >= 0]
            if not len(live.number):
                break
        if few:
            live.basis[np.arange(len(enter)), price.leave] = enter
        else:
            live.exchange(price.leave, enter)
        final[live.number], fresh = live.basis, False
        again, rest = np.divmod(live.stalled - _PATIENCE, p + 20)
        tied = (rest == 0) & (again >= 0) & (again < _TIE_BREAKS)
        if tied.any():
            live.y = live.y.copy()
            live.y[tied] = without_ties(live.y[tied], again[tied])
    rows = final[:, :, None]
    coef = np.linalg.solve(np.take_along_axis(X, rows, axis=1), np.take_along_axis(y, final, axis=1)[:, :, None])[
        :, :, 0
    ]
    return Vertices(coef, final, dual, optimal, steps, edge, fall)


def _price(live: _Live) -> _Price:
    X, y, w, basis, tau, inverse = live.X, live.y, live.w, live.basis, live.tau[:, None], live.inverse
    coef = inverse @ np.take_along_axis(y, basis, axis=1)[:, :, None]
    residual = y - (X @ coef)[:, :, 0]
    np.put_along_axis(residual, basis, 0.0, axis=1)
    psi = w * (tau - (residual < 0))
    np.put_along_axis(psi, basis, 0.0, axis=1)
    gradient = (psi[:, None, :] @ X)[:, 0] + live.pull
    edge = (gradient[:, None, :] @ inverse)[:, 0]
    weight = np.take_along_axis(w, basis, axis=1)
    up, down = edge + weight * tau, weight * (1.0 - tau) - edge
    slope = np.minimum(up, down)
    tolerance = _DUAL_TOLERANCE * weight + _ROUNDING * (live.mass[:, None, :] @ np.abs(inverse))[:, 0]
    steepness = slope / np.sqrt(np.einsum("qkj,qkj->qj", inverse, inverse))
    leave = np.argmin(np.where(slope < -tolerance, steepness, np.inf), axis=1)
    batch = np.arange(len(leave))
    sign = np.where(up[batch, leave] <= down[batch, leave], -1.0, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        dual = np.where(weight > 0, -edge / weight, np.nan)
    return _Price(
        residual,
        dual,
        leave,
        slope[batch, leave],
        sign[:, None] * inverse[batch, :, leave],
        np.asarray((slope >= -tolerance).all(axis=1)),
    )


def _line_search(live: _Live, price: _Price) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The row at which the objective stops falling along each edge (-1 if none), the step there, the last slope."""
    along = (live.X @ price.direction[:, :, None])[:, :, 0]
    # What rounding leaves of a zero is no pivot: the basis it enters would be singular.
    least = _ZERO * np.abs(along).max(axis=1, keepdims=True)
    residual = price.residual
    crosses = np.where(residual >= 0, along > least, along < -least) & (live.w > 0)
    np.put_along_axis(crosses, live.basis, False, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = np.where(crosses, residual / along, np.inf)
    order = np.argsort(at, axis=1)
    gain = np.where(crosses, live.w * np.abs(along), 0.0)
    climbed = np.cumsum(np.take_along_axis(gain, order, axis=1), axis=1)
    # A slope of zero but for rounding is an end: beyond it the objective is flat, and steps could go in circles.
    enough = -price.slope * (1.0 - _FLAT)
    stop = (climbed >= enough[:, None]).argmax(axis=1)
    batch = np.arange(len(stop))
    bounded = climbed[batch, stop] >= enough
    enter = order[batch, stop]
    enter = np.where(bounded & np.isfinite(at[batch, enter]), enter, -1)
    return enter, np.where(enter >= 0, at[batch, enter], 0.0), price.slope + climbed[:, -1]


def without_ties(y: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Responses moved by less than matters, so that no vertex has more zero residuals than columns.

    The basis that is optimal for the moved responses is optimal for the given ones. Where that was not enough
    against the rounding of an ill-conditioned basis, they are moved ten times as far, a few times.
    """
    share = _TIE_BREAK * 10.0 ** times[:, None]
    size = np.abs(y)
    typical = np.median(size, axis=1, keepdims=True) + 1e-3 * size.max(axis=1, keepdims=True)
    return y + share * (size + np.where(typical > 0, typical, 1.0)) * np.random.default_rng(0).random(y.shape[1])

"""Cox's partial likelihood of spells (start, stop], with ties by Efron (1977) or Breslow (1974) and row weights.

Tied events of one time leave the risk set one after another (Efron): the l-th of d finds the sums over the risk set less l / d of
those over the tied rows. Every event is a slot with its own denominators; sums over risk sets are differences of cumulative sums.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.errors import ConvergenceError

_HALVINGS = 30


@dataclass(frozen=True)
class CoxSolution:
    """A maximum of the partial likelihood.

    Attributes
    ----------
    coef : ndarray, shape (p,)
    information : ndarray, shape (p, p)
    scores : ndarray, shape (m, p)
        Of each spell (score residuals), weights included; they sum to zero.
    loglik : float
    iterations : int
    """

    coef: np.ndarray
    information: np.ndarray
    scores: np.ndarray
    loglik: float
    iterations: int


@dataclass(frozen=True)
class _Slots:
    """Events in order of time, one slot each.

    row : (e,), the spell; after, before : (e,), places of the event's time in the orders of stop and start; share : (e,), part of
    the tied rows that has left; first, last : (e,), ends of its tie in the slots; weight : (e,), mean weight of the tie's events.
    """

    row: np.ndarray
    after: np.ndarray
    before: np.ndarray
    share: np.ndarray
    first: np.ndarray
    last: np.ndarray
    weight: np.ndarray
    by_stop: np.ndarray
    by_start: np.ndarray
    enters: np.ndarray
    leaves: np.ndarray

    @classmethod
    def of(cls, start: np.ndarray, stop: np.ndarray, event: np.ndarray, w: np.ndarray, ties: str) -> _Slots:
        row = np.flatnonzero((event > 0) & (w > 0))
        row = row[np.argsort(stop[row], kind="stable")]
        times = stop[row]
        by_stop, by_start = np.argsort(stop, kind="stable"), np.argsort(start, kind="stable")
        first = np.searchsorted(times, times, side="left")
        last = np.searchsorted(times, times, side="right")
        number = last - first
        share = (np.arange(len(row)) - first) / number if ties == "efron" else np.zeros(len(row))
        total = np.concatenate([[0.0], np.cumsum(w[row])])
        return cls(
            row,
            np.searchsorted(stop[by_stop], times, side="left"),
            np.searchsorted(start[by_start], times, side="left"),
            share,
            first,
            last,
            (total[last] - total[first]) / number,
            by_stop,
            by_start,
            # A spell is at risk in the slots of times above its start and up to its stop.
            np.searchsorted(times, start, side="right"),
            np.searchsorted(times, stop, side="right"),
        )

    def at_risk(self, values: np.ndarray) -> np.ndarray:
        """Sums over the risk set of each slot, shape (e, ...), of values of the spells (m, ...)."""
        zero = np.zeros((1, *values.shape[1:]))
        below_stop = np.concatenate([zero, np.cumsum(values[self.by_stop], axis=0)])
        below_start = np.concatenate([zero, np.cumsum(values[self.by_start], axis=0)])
        tied = np.concatenate([zero, np.cumsum(values[self.row], axis=0)])
        # Those that stop at the event's time or later, less those that start then or later.
        whole = below_start[self.before] - below_stop[self.after]
        share = self.share.reshape(-1, *[1] * (values.ndim - 1))
        return whole - share * (tied[self.last] - tied[self.first])


def fit_cox(
    Z: np.ndarray,
    start: np.ndarray,
    stop: np.ndarray,
    event: np.ndarray,
    w: np.ndarray,
    *,
    ties: str = "efron",
    tol: float = 1e-16,
    max_iter: int = 50,
) -> CoxSolution:
    """Maximise the partial likelihood.

    Parameters
    ----------
    Z : ndarray, shape (m, p)
        Columns near zero and of one size, linearly independent, without a constant.
    start, stop : ndarray, shape (m,)
        A spell is at risk of events at times t with start < t <= stop.
    event : ndarray, shape (m,)
        1 where the spell ends in an event.
    w : ndarray, shape (m,)
    ties : {"efron", "breslow"}
    tol : float
        Largest Newton decrement left.
    max_iter : int

    Raises
    ------
    ConvergenceError
        If there is no maximum: a column orders the events perfectly.
    """
    slots = _Slots.of(start, stop, event, w, ties)
    coef = np.zeros(Z.shape[1])
    value, gradient, information, sums = _state(Z, w, slots, coef)
    for iteration in range(max_iter):
        try:
            step = np.linalg.solve(information, gradient)
        except np.linalg.LinAlgError:
            break
        decrement = float(gradient @ step)
        if decrement < tol:
            return CoxSolution(coef, information, _scores(Z, w, slots, coef, sums), value, iteration)
        for halving in range(_HALVINGS):
            trial = _state(Z, w, slots, coef + step / 2.0**halving)
            if trial[0] > value or (halving == 0 and abs(trial[0] - value) <= 1e-12 * abs(value)):
                coef = coef + step / 2.0**halving
                value, gradient, information, sums = trial
                break
        else:
            break
    raise ConvergenceError(
        "the partial likelihood of visits has no maximum that Newton's method finds: a column tells who is visited without "
        "error, or columns are nearly collinear. Leave columns out."
    )


def _state(Z: np.ndarray, w: np.ndarray, slots: _Slots, coef: np.ndarray):
    """Log likelihood, gradient, information, and the sums that scores need."""
    eta = Z @ coef
    shift = float(eta.max())
    risk = w * np.exp(eta - shift)
    s0 = slots.at_risk(risk)
    mean = slots.at_risk(risk[:, None] * Z) / s0[:, None]
    square = slots.at_risk(risk[:, None, None] * Z[:, :, None] * Z[:, None, :]) / s0[:, None, None]
    own = w[slots.row]
    value = float(own @ eta[slots.row] - slots.weight @ (np.log(s0) + shift))
    gradient = own @ Z[slots.row] - slots.weight @ mean
    spread = square - mean[:, :, None] * mean[:, None, :]
    return value, gradient, np.einsum("e,ejk->jk", slots.weight, spread), (s0, mean, shift)


def _scores(Z: np.ndarray, w: np.ndarray, slots: _Slots, coef: np.ndarray, sums) -> np.ndarray:
    """Score residuals: each spell's event less its mean, less what its exposure would have had."""
    s0, mean, shift = sums
    hazard = slots.weight / s0
    risk = w * np.exp(Z @ coef - shift)
    rise = np.concatenate([[0.0], np.cumsum(hazard)])
    drift = np.concatenate([np.zeros((1, Z.shape[1])), np.cumsum(hazard[:, None] * mean, axis=0)])
    exposed = rise[slots.leaves] - rise[slots.enters]
    moved = drift[slots.leaves] - drift[slots.enters]
    out = -risk[:, None] * (Z * exposed[:, None] - moved)
    # A tied event's own exposure falls as the others leave.
    part_rise = np.concatenate([[0.0], np.cumsum(hazard * slots.share)])
    part_drift = np.concatenate([np.zeros((1, Z.shape[1])), np.cumsum((hazard * slots.share)[:, None] * mean, axis=0)])
    gone = part_rise[slots.last] - part_rise[slots.first]
    back = part_drift[slots.last] - part_drift[slots.first]
    total = np.concatenate([np.zeros((1, Z.shape[1])), np.cumsum(mean, axis=0)])
    average = (total[slots.last] - total[slots.first]) / (slots.last - slots.first)[:, None]
    out[slots.row] += risk[slots.row][:, None] * (Z[slots.row] * gone[:, None] - back)
    out[slots.row] += w[slots.row][:, None] * (Z[slots.row] - average)
    return out

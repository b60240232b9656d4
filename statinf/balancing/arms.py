"""What the balancing methods share: arms, targets, solutions and their linearisation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from statinf.backend.threads import row_blocks
from statinf.errors import DataError, OptionError
from statinf.numerics.rowwise.sums import some_rows

ESTIMANDS = ("ATE", "ATT", "ATC")


@dataclass(frozen=True)
class Sample:
    """The arrays behind a balancing problem.

    Attributes
    ----------
    x : ndarray, shape (n, p)
        Columns to balance, without a constant.
    treated : ndarray of bool, shape (n,)
    s : ndarray, shape (n,)
        Sampling weights.
    names : tuple of str
        Names of the columns of `x`.
    """

    x: np.ndarray
    treated: np.ndarray
    s: np.ndarray
    names: tuple[str, ...]

    @property
    def n(self) -> int:
        return len(self.s)


@dataclass(frozen=True)
class Task:
    """One arm that is reweighted to one target distribution.

    Attributes
    ----------
    arm : int
        1 treated, 0 controls.
    index : ndarray of int, shape (m,)
        Rows of the arm.
    target : ndarray, shape (n,)
        The target's probabilities over all rows of the sample, sum 1.
    """

    arm: int
    index: np.ndarray
    target: np.ndarray


@dataclass(frozen=True)
class Linear:
    """First-order expansion of the weights in the parameters behind them.

    Attributes
    ----------
    derivative : ndarray, shape (n, k)
        d weight_i / d alpha.
    influence : ndarray, shape (n, k)
        ``alpha_hat - alpha = sum_i influence_i + o(n^-1/2)``.
    leverage : ndarray, shape (n,)
        Share of each weight's own row in the equations that set it, for HC2- and HC3-type corrections.
    """

    derivative: np.ndarray
    influence: np.ndarray
    leverage: np.ndarray


@dataclass(frozen=True)
class Solution:
    """Weights of one balancing problem.

    Attributes
    ----------
    values : ndarray, shape (n,)
        Weights with the sampling weights multiplied in.
    linear : callable or None
        Makes the `Linear` expansion when it is asked for; None where the theory gives none.
    iterations : int
    residual : float
        What the solver left: largest imbalance in standard deviations, or KKT residual.
    propensity : ndarray, shape (n,), optional
    details : dict
        Numbers of the method: multipliers, objective, bandwidth.
    """

    values: np.ndarray
    linear: Callable[[], Linear] | None
    iterations: int
    residual: float
    propensity: np.ndarray | None = None
    details: dict = field(default_factory=dict)


def tasks(sample: Sample, estimand: str) -> tuple[Task, ...]:
    """The arms to reweight for ATE (both, to everybody), ATT (controls) and ATC (treated)."""
    t, s = sample.treated, sample.s
    if estimand == "ATE":
        everyone = s / s.sum()
        return Task(1, np.flatnonzero(t), everyone), Task(0, np.flatnonzero(~t), everyone)
    if estimand == "ATT":
        return (Task(0, np.flatnonzero(~t), _shares(s * t)),)
    if estimand == "ATC":
        return (Task(1, np.flatnonzero(t), _shares(s * ~t)),)
    raise OptionError(f"estimand={estimand!r} is not defined for this method; choose one of {', '.join(ESTIMANDS)}.")


def weights_at(s: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """``s[rows]``; where all rows weigh the same, one number in all places and no memory."""
    return np.broadcast_to(s[0], rows.shape) if s.min() == s.max() else s[rows]


def other_part(task: Task) -> tuple[Task, np.ndarray]:
    """The task of standing for the target's other rows, and the arm's own rows' mass in the target, shape (m,).

    Where the target is everybody, a row of the arm stands for itself; with exponential tilts only this form is right
    when the propensity's logit is linear. The arm's weights are ``own + (1 - own.sum()) q``, q those of the task.
    """
    own = task.target[task.index]
    if not own.any():
        return task, own
    rest = task.target.copy()
    rest[task.index] = 0.0
    return Task(task.arm, task.index, _shares(rest)), own


def _shares(mass: np.ndarray) -> np.ndarray:
    return np.divide(mass, mass.sum(), out=mass)


def check_sample(sample: Sample) -> None:
    """Refuse samples that no method can weight."""
    s, t = sample.s, sample.treated
    if np.any(~np.isfinite(s)) or np.any(s < 0):
        raise DataError("Sampling weights must be finite and not negative.")
    for label, arm in (("treated", t), ("control", ~t)):
        if not np.any(arm & (s > 0)):
            raise DataError(
                f"The {label} arm is empty: no row with a positive weight. Check the treatment column's coding."
            )


def rough_scales(x: np.ndarray) -> np.ndarray:
    """Standard deviations of some rows, shape (p,): enough to condition a solver, whose answer does not depend on them."""
    some = some_rows(x, 5000)
    return _or_one(some.std(axis=0), some.mean(axis=0))


def scales(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted standard deviations of columns, shape (p,), with one in place of zero."""
    total = weights.sum()
    centre = weights @ x / total
    sd = np.sqrt(np.maximum(weights @ (x - centre) ** 2 / total, 0.0))
    return _or_one(sd, centre)


def _or_one(sd: np.ndarray, centre: np.ndarray) -> np.ndarray:
    return np.where(sd > 1e-12 * np.maximum(np.abs(centre), 1e-300), sd, 1.0)


def merge(sample: Sample, pieces: dict[int, np.ndarray], index: dict[int, np.ndarray]) -> np.ndarray:
    """Weights of all rows: sampling weights, replaced in the reweighted arms by mean-one weights times them.

    `pieces[arm]` sum to one over the rows `index[arm]`.
    """
    values = sample.s.astype(np.float64, copy=True)
    for arm, p in pieces.items():
        rows = index[arm]
        total = weights_at(sample.s, rows).sum()
        for part in row_blocks(len(p), 1):
            values[rows[part]] = p[part] * total
    return values


def expand_calibration(
    sample: Sample, task: Task, z: np.ndarray, values: np.ndarray, slope_weights: np.ndarray
) -> Linear:
    """Linear expansion of weights ``w_i = s_i g(a + z_i' l)`` that meet mean constraints.

    The constraints are ``sum_arm (w_i - s_i) = 0`` and ``sum_arm w_i (z_i - target mean - gap) = 0``; the target
    mean is estimated from the target's rows and its error is part of the influence values.

    Parameters
    ----------
    z : ndarray, shape (n, k)
        The balanced features of all rows.
    values : ndarray, shape (m,)
        Weights of the arm's rows.
    slope_weights : ndarray, shape (m,)
        ``s_i g'(.)`` of the arm's rows.
    """
    rows, total = task.index, values.sum()
    mean_target = task.target @ z
    around_target = z - mean_target
    gap = values @ around_target[rows] / total
    arm = np.column_stack([np.ones(len(rows)), around_target[rows] - gap])
    bread = (arm * slope_weights[:, None]).T @ arm
    psi = np.zeros((sample.n, z.shape[1] + 1))
    psi[:, 1:] = -total * task.target[:, None] * around_target
    psi[rows, 0] += values - sample.s[rows]
    psi[rows, 1:] += values[:, None] * arm[:, 1:]
    inverse = symmetric_inverse(bread)
    derivative = np.zeros_like(psi)
    derivative[rows] = arm * slope_weights[:, None]
    leverage = np.zeros(sample.n)
    leverage[rows] = quadratic_forms(arm, inverse) * slope_weights
    return Linear(derivative, -psi @ inverse, leverage)


def quadratic_forms(z: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """``z_i' matrix z_i`` for every row, shape (n,)."""
    return np.einsum("ij,ij->i", z @ matrix, z)


def symmetric_inverse(matrix: np.ndarray) -> np.ndarray:
    """Inverse of a positive semidefinite matrix, scaled to a unit diagonal first; pseudo-inverse if singular."""
    d = np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    return np.linalg.pinv(matrix / np.outer(d, d), rcond=1e-12, hermitian=True) / np.outer(d, d)


def side_by_side(parts: list[Linear]) -> Linear:
    """Expansion of weights that depend on several independent sets of parameters."""
    if len(parts) == 1:
        return parts[0]
    return Linear(
        np.hstack([q.derivative for q in parts]),
        np.hstack([q.influence for q in parts]),
        np.sum([q.leverage for q in parts], axis=0),
    )

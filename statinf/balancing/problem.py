"""The arrays that every balancing method gets, and the reweighting tasks that an estimand makes of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from statinf.errors import DataError, one_of

ESTIMANDS = ("ATE", "ATT", "ATC", "ATO", "ATM", "ATEN")
MEANS = ("ATE", "ATT", "ATC")
"""Estimands whose target is a group of rows; the others need a propensity."""


def read_estimand(given: Any) -> str:
    """The estimand in capitals, however it was written."""
    plain = given.upper() if isinstance(given, str) else given
    return one_of("estimand", plain if plain in ESTIMANDS else given, ESTIMANDS)


@dataclass(frozen=True)
class BalanceProblem:
    """What a balancing method works on.

    Attributes
    ----------
    x : ndarray, shape (n, p)
        Columns to balance, without a constant.
    treatment : ndarray, shape (n,)
        Arm of each row: 0 is the reference, of two arms 1 the treated one. Zero for a dose.
    s : ndarray, shape (n,)
        Sampling weights, positive.
    names : tuple of str
        Names of the columns of `x`.
    estimand : str
    seed : int
        Of what is random.
    terms : tuple of str
        The term of the formula that each column belongs to.
    arms : tuple of str
        What messages call each arm.
    focal : int
        The arm that counts as treated.
    dose : ndarray, shape (n,), optional
        The treatment where it is a number.
    """

    x: np.ndarray
    treatment: np.ndarray
    s: np.ndarray
    names: tuple[str, ...]
    estimand: str = "ATE"
    seed: int = 0
    terms: tuple[str, ...] = ()
    arms: tuple[str, ...] = ("control", "treated")
    focal: int = 1
    dose: np.ndarray | None = None

    @property
    def n(self) -> int:
        return len(self.s)

    @cached_property
    def treated(self) -> np.ndarray:
        """Rows of the treated arm, booleans of shape (n,)."""
        return self.treatment == self.focal

    @cached_property
    def indicators(self) -> np.ndarray:
        """One column of zeros and ones per arm, shape (n, arms)."""
        return (self.treatment[:, None] == np.arange(len(self.arms))).astype(np.float64)

    def take(self, rows: np.ndarray) -> BalanceProblem:
        """The problem of some rows, by position or mask."""
        dose = None if self.dose is None else self.dose[rows]
        return replace(self, x=self.x[rows], treatment=self.treatment[rows], s=self.s[rows], dose=dose)

    def aimed_at(self, estimand: str) -> BalanceProblem:
        """The same rows for another estimand."""
        return replace(self, estimand=estimand)

    def check(self) -> None:
        """Refuse sampling weights and arms that no method can use."""
        if np.any(~np.isfinite(self.s)) or np.any(self.s < 0):
            raise DataError("Sampling weights must be finite and not negative.")
        for code in reversed(range(len(self.arms))):
            if not np.any((self.treatment == code) & (self.s > 0)):
                raise DataError(
                    f"The {self.arms[code]} arm is empty: no row with a positive weight. Check the treatment column's coding."
                )


@dataclass(frozen=True)
class Task:
    """One arm that is reweighted to one target distribution.

    Attributes
    ----------
    arm : int
        Its code.
    index : ndarray of int, shape (m,)
        Rows of the arm.
    target : ndarray, shape (n,)
        The target's probabilities over all rows of the sample, sum 1.
    """

    arm: int
    index: np.ndarray
    target: np.ndarray


def tasks(problem: BalanceProblem) -> tuple[Task, ...]:
    """The arms to reweight: all to everybody (ATE), all others to the treated arm (ATT) or to the reference (ATC)."""
    s, arms = problem.s, range(len(problem.arms))
    if problem.estimand == "ATE":
        everyone = s / s.sum()
        return tuple(Task(arm, np.flatnonzero(problem.treatment == arm), everyone) for arm in reversed(arms))
    target = {"ATT": problem.focal, "ATC": 0}[problem.estimand]
    shares = _shares(s * (problem.treatment == target))
    others = (arm for arm in reversed(arms) if arm != target)
    return tuple(Task(arm, np.flatnonzero(problem.treatment == arm), shares) for arm in others)


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

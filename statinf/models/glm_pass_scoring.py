"""Fisher scoring by passes: each step asks for sums at coefficients, and one pass answers all that are being maximised."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import ConvergenceError
from statinf.models.glm_pass_sums import LikelihoodAt
from statinf.numerics.glm.endings import NO_START, ON_THE_BORDER, not_converged
from statinf.numerics.glm.families import Family
from statinf.numerics.glm.irls import last_step
from statinf.numerics.glm.likelihood import solve_information

ScoringSteps = Generator[Sequence[np.ndarray], Sequence[LikelihoodAt], Any]
"""Yields candidates, is sent the sums at each, and returns what was found."""

_SHORTER = 5
"""Halvings that one pass tries."""


@dataclass(frozen=True)
class Maximum:
    """Where a likelihood is highest.

    Attributes
    ----------
    beta : ndarray, shape (k,)
    sums : LikelihoodAt
    iterations : int
    decrement : float
        Squared length of the last step in the information's norm.
    """

    beta: np.ndarray
    sums: LikelihoodAt
    iterations: int
    decrement: float


class OutOfRangeError(ConvergenceError):
    """The means at all of the coefficients to begin with lie out of range."""


class StoppedError(ConvergenceError):
    """Scoring stopped; separation may be why."""


def together(
    problems: Mapping[str, ScoringSteps], sums: Callable[[Mapping[str, Sequence[np.ndarray]]], Mapping[str, Any]]
) -> dict:
    """Run several maximisations side by side, one pass for a step of each.

    Parameters
    ----------
    problems : mapping of str to generator
    sums : callable
        From the candidates of each to the sums at them.

    Returns
    -------
    dict
        What each has returned.
    """
    asked = {name: next(steps) for name, steps in problems.items()}
    done = {}
    while asked:
        found = sums(asked)
        for name in list(asked):
            try:
                asked[name] = problems[name].send(found[name])
            except StopIteration as end:
                done[name] = end.value
                del asked[name]
    return done


def at(beta: np.ndarray) -> ScoringSteps:
    """The sums at given coefficients alone."""
    found = yield [beta]
    return found[0]


def null_steps(start: np.ndarray, family: Family, nobs: int, floor: float) -> ScoringSteps:
    """The maximum of a constant beside an offset; None where there is none."""
    try:
        return (yield from scoring_steps([start], family, 1e-10, 100, nobs, floor)).sums
    except ConvergenceError:
        return None


def scoring_steps(
    starts: Sequence[np.ndarray], family: Family, tolerance: float, max_iterations: int, nobs: int, floor: float
) -> ScoringSteps:
    """Fisher scoring with step halving, as `statinf.numerics.glm.irls` does it on rows in memory; `floor` is its least deviance."""
    found = yield starts
    usable = [(s.deviance, i) for i, s in enumerate(found) if s.usable]
    if not usable:
        raise OutOfRangeError(NO_START)
    best = min(usable)[1]
    beta, sums = starts[best], found[best]
    enough, decrement = last_step(family, tolerance), np.inf
    for iteration in range(1, max_iterations + 1):
        step = solve_information(sums.information, sums.score)
        decrement = float(step @ sums.information @ step)
        done = np.sqrt(decrement) <= enough * np.sqrt(abs(sums.deviance) + floor)
        advanced = yield from _advance(beta, step, sums, floor)
        if done:
            beta, sums = advanced or (beta, sums)
            if _on_the_border(sums, family, nobs, 1e-10):
                raise StoppedError(ON_THE_BORDER)
            return Maximum(beta, sums, iteration, decrement)
        if advanced is None:
            raise StoppedError(ON_THE_BORDER)
        beta, sums = advanced
    if _on_the_border(sums, family, nobs, 1e-6):
        raise StoppedError(ON_THE_BORDER)
    raise StoppedError(not_converged(max_iterations, decrement))


def _advance(
    beta: np.ndarray, step: np.ndarray, sums: LikelihoodAt, floor: float
) -> Generator[Any, Any, tuple[np.ndarray, LikelihoodAt] | None]:
    """The first of ever shorter steps that does not raise the deviance; None if there is none."""
    slack = 1e-9 * (abs(sums.deviance) + floor)  # rounding of the deviance must not undo the last digits
    halvings = 0
    while halvings < 30:
        tried = [beta + step / 2.0**h for h in range(halvings, halvings + (1 if halvings == 0 else _SHORTER))]
        found = yield tried
        for candidate, new in zip(tried, found, strict=True):
            if (
                np.isfinite(new.deviance)
                and np.isfinite(new.information).all()
                and new.deviance <= sums.deviance + slack
            ):
                return candidate, new
        halvings += len(tried)
    return None


def _on_the_border(sums: LikelihoodAt, family: Family, nobs: int, share: float) -> bool:
    """Whether means that must be positive have run to zero, below a share of their mean, under a link that lets them."""
    if not family.law.positive_mean or family.link.name == "log":
        return False
    return bool(float(sums.means.low) < share * sums.total / nobs)

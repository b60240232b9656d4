"""Likelihoods with one linear combination of coefficients held, plain or with Jeffreys' prior, for estimates and profiles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from statinf.errors import ConvergenceError
from statinf.numerics.glm.families import Family
from statinf.numerics.glm.irls import orthonormal
from statinf.numerics.glm.likelihood import LikelihoodSums, solve_information
from statinf.numerics.linear.factors import leverages
from statinf.numerics.linear.reduction import TOLERANCE, Reduced, reduce_columns
from statinf.numerics.linear.triangular import solve_triangular

_HALVINGS = 30
Found = tuple[np.ndarray, np.ndarray, float]
"""Information (k, k), score (k,) and value of what is maximised."""


class ScoredLikelihood(Protocol):
    """A likelihood in the coefficients of orthonormal columns."""

    def __call__(self, beta: np.ndarray) -> Found: ...


@dataclass(frozen=True)
class WhitenedColumns:
    """Columns that are orthonormal over the rows, and the way back from their coefficients.

    Attributes
    ----------
    x : ndarray, shape (n, k)
    reduced : Reduced
    """

    x: np.ndarray
    reduced: Reduced

    @classmethod
    def of(cls, columns: np.ndarray, weights: np.ndarray, tolerance: float = TOLERANCE) -> WhitenedColumns:
        reduced = reduce_columns(columns, (weights > 0).astype(float), tolerance=tolerance)
        return cls(orthonormal(columns, reduced), reduced)

    @cached_property
    def back(self) -> np.ndarray:
        """From coefficients of these columns to those of the kept columns as they stand, shape (k, k)."""
        inner = solve_triangular(self.reduced.centred_factor, np.eye(self.reduced.rank))
        centring = self.reduced.centring
        return inner if centring is None else centring.raw_coefficients(inner, self.reduced.kept)


@dataclass(frozen=True)
class PlainLikelihood:
    """The log-likelihood, up to a constant."""

    sums: LikelihoodSums

    def __call__(self, beta: np.ndarray) -> Found:
        gram, score, deviance = self.sums.evaluate(beta)
        return gram, score, -0.5 * deviance


@dataclass(frozen=True)
class JeffreysLikelihood:
    """The log-likelihood and half the log determinant of the information: Jeffreys' prior (Firth 1993)."""

    sums: LikelihoodSums

    def __call__(self, beta: np.ndarray) -> Found:
        gram, score, deviance = self.sums.evaluate(beta)
        sign, size = np.linalg.slogdet(gram)
        if sign <= 0 or not np.isfinite(size):
            return gram, score, -np.inf
        return gram, score + self.sums.x.T @ (self.sums.w * self.shift(beta, gram)), -0.5 * deviance + 0.5 * size

    def shift(self, beta: np.ndarray, gram: np.ndarray) -> np.ndarray:
        """What the prior adds to each row's score in its linear predictor, per unit of weight, shape (n,)."""
        family = self.sums.family
        assert family.jeffreys is not None
        eta = self.sums.predictor(beta)
        fisher = family.terms(eta, self.sums.y)[1]
        half = leverages(self.sums.x, np.linalg.cholesky(gram).T, fisher)
        return half * family.jeffreys(family.link.inverse(eta))


@dataclass(frozen=True)
class HeldMaximum:
    """Where an objective is largest.

    Attributes
    ----------
    beta : ndarray, shape (k,)
    gram : ndarray, shape (k, k)
    value : float
    iterations : int
    decrement : float
    """

    beta: np.ndarray
    gram: np.ndarray
    value: float
    iterations: int
    decrement: float


def maximise(
    objective: ScoredLikelihood,
    beta: np.ndarray,
    *,
    hold: np.ndarray | None = None,
    tolerance: float = 1e-10,
    max_iterations: int = 100,
) -> HeldMaximum:
    """Maximise by scoring steps with halving.

    Parameters
    ----------
    objective : callable
    beta : ndarray, shape (k,)
        To begin with.
    hold : ndarray, shape (k,), optional
        A combination of the coefficients that keeps its value.
    tolerance : float
        Largest last step in the information's norm, relative to the root of the objective's size.
    max_iterations : int

    Raises
    ------
    ConvergenceError
        If steps do not shrink within `max_iterations`.
    """
    gram, score, value = objective(beta)
    decrement = np.inf
    past: list[tuple[np.ndarray, np.ndarray]] = []
    for iteration in range(1, max_iterations + 1):
        if hold is None:
            step = solve_information(gram, score)
        else:
            step, along = solve_information(gram, np.column_stack((score, hold))).T
            step = step - along * (hold @ step) / (hold @ along)
        decrement = float(step @ gram @ step)
        done = np.sqrt(max(decrement, 0.0)) <= tolerance * np.sqrt(2.0 * abs(value) + 0.1)
        past = [*past[-len(beta) :], (beta, step)]
        slack = 1e-10 * (abs(value) + 0.1)
        for move in _moves(step, past):
            with np.errstate(all="ignore"):
                made = objective(beta + move)
            if np.isfinite(made[2]) and np.isfinite(made[0]).all() and made[2] >= value - slack:
                beta, (gram, score, value) = beta + move, made
                break
        else:
            done = done or np.sqrt(max(decrement, 0.0)) <= 1e3 * tolerance * np.sqrt(2.0 * abs(value) + 0.1)
            if not done:
                break
        if done:
            return HeldMaximum(beta, gram, value, iteration, decrement)
    raise ConvergenceError(
        f"no maximum within {max_iterations} steps (last step {np.sqrt(max(decrement, 0.0)):.2e} in the information's norm); "
        "rescale the covariates, drop nearly aliased ones, or raise max_iter."
    )


def _moves(step: np.ndarray, past: list[tuple[np.ndarray, np.ndarray]]) -> Iterator[np.ndarray]:
    """Moves to try in turn: one accelerated by what steps before have taught (Anderson 1965), the step, and its halves.

    Scoring steps are Newton's for a likelihood, and not for a prior beside it: near its maximum they shrink by a constant factor.
    """
    if len(past) > 1:
        visited, found = np.array([point for point, _ in past]), np.array([made for _, made in past])
        points, steps = (visited[1:] - visited[:-1]).T, (found[1:] - found[:-1]).T
        weights = np.linalg.lstsq(steps, step, rcond=1e-10)[0]
        yield step - (points + steps) @ weights
    for halving in range(_HALVINGS):
        yield step / 2.0**halving


def sums_of(
    coordinates: WhitenedColumns, y: np.ndarray, weights: np.ndarray, offset: np.ndarray | None, family: Family
) -> LikelihoodSums:
    """The likelihood of rows in these coordinates."""
    return LikelihoodSums(coordinates.x, y, weights, offset, family)


def under(sums: LikelihoodSums, family: Family) -> LikelihoodSums:
    """The same rows under another family."""
    return replace(sums, family=family)

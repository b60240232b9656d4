"""Maximum likelihood for generalised linear models by Fisher scoring over blocks of rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from statinf.backend import accelerated
from statinf.errors import ConvergenceError
from statinf.numerics.glm.endings import (
    NO_START,
    ON_THE_BORDER,
    OUTSIDE_AT_START,
    not_converged,
    on_the_border,
    one_row_alone,
)
from statinf.numerics.glm.families import Family
from statinf.numerics.glm.likelihood import (
    PARALLEL_FROM,
    WELL_CONDITIONED,
    LikelihoodSums,
    smallest_eigenvalue,
    solve_information,
)
from statinf.numerics.glm.many_rows import from_some_rows, next_is_last
from statinf.numerics.glm.orthonormal import as_they_stand, inside, orthonormal
from statinf.numerics.linear.factors import scaled_condition
from statinf.numerics.linear.reduction import TOLERANCE, Reduced, reduce_columns

_MOST_ON_DEVICE = 64
_SLOW, _PATIENCE = 0.5, 12
"""Share of the step before from which a step of scoring is long: at half of it, thirty more of them end. And how many may be."""


@dataclass(frozen=True)
class GlmSolution:
    """A maximum likelihood estimate.

    Attributes
    ----------
    coef : ndarray, shape (p,)
        NaN for aliased columns.
    kept : ndarray of bool, shape (p,)
    factor : ndarray, shape (k, k)
        Upper triangular R with R'R the Fisher information at dispersion 1.
    deviance : float
    eta : ndarray, shape (n,)
        Linear predictor, offset included.
    iterations : int
    decrement : float
        Squared length of the last step in the information's norm.
    condition : float
        Of the information's factor with its columns centred, where a constant is spanned, and scaled.
    aliases : ndarray, shape (k, p - k)
        How the kept columns make each column that was left out.
    """

    coef: np.ndarray
    kept: np.ndarray
    factor: np.ndarray
    deviance: float
    eta: np.ndarray
    iterations: int
    decrement: float
    condition: float
    aliases: np.ndarray


def fit_glm(
    columns: np.ndarray,
    y: np.ndarray,
    family: Family,
    *,
    weights: np.ndarray | None = None,
    offset: np.ndarray | None = None,
    start: np.ndarray | None = None,
    tolerance: float = 1e-10,
    max_iterations: int = 100,
    alias_tolerance: float = TOLERANCE,
) -> GlmSolution:
    """Maximise the likelihood by Fisher scoring with step halving on the deviance.

    Where many of its steps hardly shrink, as links other than the canonical one make them with outcomes far from their means,
    these are Newton's.

    Parameters
    ----------
    columns : ndarray, shape (n, p)
    y : ndarray, shape (n,)
    family : Family
    weights, offset : ndarray, shape (n,), optional
    start : ndarray, shape (p,), optional
    tolerance : float
        Stop when the step's length in the information's norm, or for canonical links the error that its
        square bounds, falls below this share of the root of the deviance.
    max_iterations : int
    alias_tolerance : float

    Returns
    -------
    GlmSolution

    Raises
    ------
    ConvergenceError
        If the steps do not shrink within `max_iterations`, with the last step's length.
    """
    w = np.ones(len(y)) if weights is None else weights
    reduced: Reduced | None = None
    problem = LikelihoodSums(columns, y, w, offset, family)
    warm = from_some_rows(problem, fit_glm) if start is None else _from_start(problem, start)
    beta, current = warm if warm is not None else (None, None)
    if beta is None or current is None:
        problem, reduced, (beta, current) = _cold(problem, start, alias_tolerance)
    gram, score, deviance = current
    enough = last_step(family, tolerance)
    # Least squares from near its end, in columns that are told apart: one step is exact to the last digits.
    exact = family.quadratic and start is None and warm is not None
    decrement, length, chord, slow = np.inf, np.inf, False, 0
    iteration = 0
    while iteration < max_iterations:
        iteration += 1
        step = solve_information(gram, score)
        decrement = float(step @ gram @ step)
        long = not family.canonical and np.sqrt(decrement) > _SLOW * length
        slow += long
        # Not at once: from far away Newton's steps end in whichever maximum is near, such as that of means on both sides of a root.
        if long and slow > _PATIENCE and not chord:
            newton = problem.newton_step(beta, score)
            step = step if newton is None else newton
            # As long as either says: a short step along a steep side is no end.
            decrement = max(decrement, float(step @ gram @ step))
        length, short = float(np.sqrt(decrement)), enough * float(np.sqrt(abs(deviance) + problem.floor))
        done = length <= short or (exact and decrement <= abs(deviance))
        if done and family.quadratic:
            beta, deviance = beta + step, deviance - decrement
            break
        before = beta
        # An information from before the step serves the next one, where that is the last; that of least squares serves all.
        last = not done and next_is_last(length, len(y), short)
        kept = gram if last or family.quadratic else None
        chord = chord or kept is not None
        beta, gram, score, deviance = _advance(problem, beta, step, deviance, (gram, score), kept)
        if done:
            # The sums at the end give one more step for nothing: the last one may have been by the information before it.
            beta = beta + solve_information(gram, score) if chord else beta
            if on_the_border(problem, beta, 1e-10) or one_row_alone(problem, gram):
                raise ConvergenceError(ON_THE_BORDER)
            break
        if beta is before:
            raise ConvergenceError(ON_THE_BORDER)
    else:
        if on_the_border(problem, beta):
            raise ConvergenceError(ON_THE_BORDER)
        raise ConvergenceError(not_converged(max_iterations, decrement))
    return solution_of(problem, reduced, beta, gram, deviance, (iteration, decrement))


def refit_alone(
    columns: np.ndarray,
    y: np.ndarray,
    family: Family,
    weights: np.ndarray,
    offset: np.ndarray | None,
    start: np.ndarray,
) -> np.ndarray:
    """Coefficients (p,) under other weights, from those of before; NaN without a maximum."""
    try:
        return fit_glm(columns, y, family, weights=weights, offset=offset, start=start).coef
    except ConvergenceError:
        return np.full(columns.shape[1], np.nan)


def solution_of(
    problem: LikelihoodSums,
    reduced: Reduced | None,
    beta: np.ndarray,
    gram: np.ndarray,
    deviance: float,
    counts: tuple[int, float],
) -> GlmSolution:
    """The solution in the columns as they stand; `reduced` made those of the problem orthonormal."""
    eta = problem.predictor(beta)
    total = deviance + float(problem.w @ problem.family.saturated(problem.y))
    factor = problem.factor(gram, eta)
    if reduced is None:
        kept, aliases = np.ones(len(beta), dtype=bool), np.empty((len(beta), 0))
        return GlmSolution(beta, kept, factor, total, eta, *counts, scaled_condition(factor), aliases)
    coef, inner, condition = as_they_stand(reduced, beta, factor)
    return GlmSolution(coef, reduced.kept, inner, total, eta, *counts, condition, reduced.aliases)


def last_step(family: Family, tolerance: float) -> float:
    """Length of the last step relative to the root of the deviance.

    With a canonical link the steps are Newton's, and what is left after one is of the order of its square.
    """
    return max(tolerance, 1e-2 * np.sqrt(tolerance)) if family.canonical else tolerance


def _cold(
    problem: LikelihoodSums, start: np.ndarray | None, alias_tolerance: float
) -> tuple[LikelihoodSums, Reduced | None, tuple[np.ndarray, tuple[np.ndarray, np.ndarray, float]]]:
    """The problem, in orthonormal columns where its own are not told apart, and where it begins."""
    reduced = None
    guess, first = problem.first_guess()
    if smallest_eigenvalue(first) < WELL_CONDITIONED:
        # Orthonormal columns: what is computed from sums of products keeps the digits of the columns.
        columns = np.asarray(problem.x)
        reduced = reduce_columns(columns, (problem.w > 0).astype(float), tolerance=alias_tolerance)
        problem = replace(problem, x=orthonormal(columns, reduced))
        guess, first = problem.first_guess()
        start = None if start is None else inside(start, reduced)
    return problem, reduced, _begin(problem, guess, first, start)


def _begin(
    problem: LikelihoodSums, guess: np.ndarray, first: np.ndarray, start: np.ndarray | None
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray, float]]:
    """Coefficients whose means lie in the family's range, with the sums there."""
    if start is not None:
        current = problem.evaluate(np.asarray(start, dtype=np.float64))
        if not _usable(current):
            raise ConvergenceError(OUTSIDE_AT_START)
        return np.asarray(start, dtype=np.float64), current
    if np.isfinite(guess).all():
        if problem.x.size > PARALLEL_FROM and problem.x.shape[1] <= _MOST_ON_DEVICE and accelerated():
            guess = _on_device(problem, guess)
        quadratic = problem.family.quadratic
        current = (first, *problem.evaluate_score(guess)) if quadratic else problem.evaluate(guess)
        if _usable(current):
            return guess, current
    # Least squares of a linear predictor that is the same on every row: exact where a constant is spanned.
    level = float(problem.family.link.link(np.average(problem.family.start(problem.y, problem.w), weights=problem.w)))
    target = level - (0.0 if problem.offset is None else problem.offset)
    flat = np.linalg.lstsq(problem.x, np.broadcast_to(target, len(problem.y)), rcond=None)[0]
    current = problem.evaluate(flat)
    if not _usable(current):
        raise ConvergenceError(NO_START)
    return flat, current


def _usable(current: tuple[np.ndarray, np.ndarray, float]) -> bool:
    return bool(np.isfinite(current[0]).all() and np.isfinite(current[1]).all() and np.isfinite(current[2]))


def _from_start(
    problem: LikelihoodSums, start: np.ndarray
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray, float]] | None:
    """The caller's coefficients and the sums there; None where the design needs other columns, or the means are out of range."""
    current = problem.evaluate(np.asarray(start, dtype=np.float64))
    if not _usable(current) or smallest_eigenvalue(current[0]) < WELL_CONDITIONED:
        return None
    return np.asarray(start, dtype=np.float64), current


def _on_device(problem: LikelihoodSums, start: np.ndarray) -> np.ndarray:
    """Newton steps on the accelerator; the loop on the CPU then only confirms them. The start if they diverge."""
    from statinf.numerics.glm.irls_batch import refit_glm

    options = {"offset": problem.offset, "start": start}
    found = refit_glm(problem.x, problem.y, problem.family, problem.w[None], batch=1, **options)[0]
    return found if np.isfinite(found).all() else start


def _advance(
    problem: LikelihoodSums,
    beta: np.ndarray,
    step: np.ndarray,
    deviance: float,
    current: tuple[np.ndarray, np.ndarray],
    kept: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    slack = 1e-9 * (abs(deviance) + problem.floor)  # rounding of the deviance must not undo the last digits
    for _ in range(30):
        candidate = beta + step
        gram, score, new = problem.evaluate(candidate) if kept is None else (kept, *problem.evaluate_score(candidate))
        if np.isfinite(new) and np.isfinite(gram).all() and new <= deviance + slack:
            return candidate, gram, score, new
        step = step / 2.0
    return beta, *current, deviance

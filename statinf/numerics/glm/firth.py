"""Maximum likelihood under Jeffreys' prior (Firth 1993; Heinze and Schemper 2002): finite where outcomes are separated.

For the canonical links of binomial and Poisson outcomes the prior takes away the first-order bias of maximum likelihood. With
leverages h of the weighted regression, the score of a logistic regression is ``x (y - p + h (1/2 - p))``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.numerics.glm.constrained import JeffreysLikelihood, WhitenedColumns, maximise, sums_of
from statinf.numerics.glm.families import Family
from statinf.numerics.glm.irls import GlmSolution, inside, solution_of
from statinf.numerics.linear.reduction import TOLERANCE


@dataclass(frozen=True)
class FirthSolution:
    """An estimate under Jeffreys' prior.

    Attributes
    ----------
    glm : GlmSolution
    shift : ndarray, shape (n,)
        What the prior adds to each row's score in its linear predictor, per unit of weight.
    penalty : float
        Half the log determinant of the information of the columns as they stand.
    """

    glm: GlmSolution
    shift: np.ndarray
    penalty: float


def fit_firth(
    columns: np.ndarray,
    y: np.ndarray,
    family: Family,
    *,
    weights: np.ndarray,
    offset: np.ndarray | None = None,
    start: np.ndarray | None = None,
    tolerance: float = 1e-10,
    max_iterations: int = 100,
    alias_tolerance: float = TOLERANCE,
) -> FirthSolution:
    """Maximise the likelihood times the root of the information's determinant; arguments as those of `fit_glm`."""
    coordinates = WhitenedColumns.of(columns, weights, alias_tolerance)
    sums = sums_of(coordinates, y, weights, offset, family)
    objective = JeffreysLikelihood(sums)
    if start is None:
        beta = _first(coordinates, sums.first_guess()[0])
    else:
        beta = inside(start, coordinates.reduced)
    found = maximise(objective, beta, tolerance=tolerance, max_iterations=max_iterations)
    deviance = float(weights @ family.terms(sums.predictor(found.beta), y)[2])
    counts = (found.iterations, found.decrement)
    solution = solution_of(sums, coordinates.reduced, found.beta, found.gram, deviance, counts)
    penalty = float(np.log(np.abs(np.diag(solution.factor))).sum())
    return FirthSolution(solution, objective.shift(found.beta, found.gram), penalty)


def _first(coordinates: WhitenedColumns, guess: np.ndarray) -> np.ndarray:
    return guess if np.isfinite(guess).all() else np.zeros(coordinates.reduced.rank)

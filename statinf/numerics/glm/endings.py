"""How scoring ends otherwise than at a maximum: at the border of the means' range, beyond all outcomes, or not at all."""

from __future__ import annotations

import numpy as np

from statinf.numerics.glm.likelihood import LikelihoodSums, smallest_eigenvalue

_BEYOND = 1e8
"""Times the largest outcome, which no mean near a maximum has."""
_SINGULAR = 1e-13
"""Smallest eigenvalue of the information in units of its diagonal, from which a step leaves a direction out."""

ON_THE_BORDER = (
    "no step keeps the means in the family's range and lowers the deviance any further: the maximum lies on the border of "
    "that range, where it has no standard errors. Use another link, or give start= (coefficients to begin with)."
)


OUTSIDE_AT_START = "the means at start= lie outside the family's range; give other coefficients."
NO_START = (
    "no coefficients were found whose means lie in the family's range; give start= (coefficients to begin with), or use another "
    "link."
)


def not_converged(max_iterations: int, decrement: float) -> str:
    """What is said of scoring that was stopped."""
    return (
        f"Fisher scoring did not converge in {max_iterations} iterations (last step {np.sqrt(decrement):.2e} in the "
        "information's norm); rescale the covariates, drop nearly aliased ones, or raise max_iter."
    )


def on_the_border(problem: LikelihoodSums, beta: np.ndarray, share: float = 1e-6) -> bool:
    """Whether means that must be positive have left all outcomes behind, or run to zero under a link that lets them.

    That is below a share of their mean, or beyond `_BEYOND` times the largest outcome.
    """
    if not problem.family.law.positive_mean:
        return False
    there = problem.w > 0
    mean = problem.family.link.inverse(problem.predictor(beta))[there]
    if not mean.max() <= _BEYOND * problem.y[there].max():
        return bool(problem.y[there].max() > 0)
    return problem.family.link.name != "log" and bool(mean.min() < share * mean.mean())


def one_row_alone(problem: LikelihoodSums, gram: np.ndarray) -> bool:
    """Whether a mean that runs beyond all bounds carries the information alone, as between the two sides of an inverse."""
    return not problem.family.canonical and smallest_eigenvalue(gram) < _SINGULAR

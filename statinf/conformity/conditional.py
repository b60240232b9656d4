"""Conformal prediction with coverage over a class of functions: the span of the columns of the formula's second part.

Gibbs, Cherian and Candes (2023, arXiv 2305.12616). With exchangeable rows and any f >= 0 in the class, the outcome is
covered with a probability of at least the level where rows are reweighted by f: in each of several groups, overlapping or
not, and under every covariate shift whose density ratio is in the class. `randomize=True` makes this exact, for f of any
sign. Disjoint groups give the Mondrian sets.

The authors' code finds the same thresholds by a search over imputed scores; here each is one linear programme. It lets the
threshold of a group whose rows are too few be infinite, as here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.conformity.held_out import scored
from statinf.conformity.mondrian import ROLE
from statinf.conformity.problem import ConformalMethod, ConformalProblem
from statinf.conformity.procedure import PerRow
from statinf.conformity.row_draws import row_draws
from statinf.conformity.split import SplitOptions, rule_of
from statinf.errors import OptionError
from statinf.inference.function_class import FunctionClass, conditional_thresholds
from statinf.numerics.order.intervals import IntervalSets
from statinf.results import flag

_STREAM = 53


@dataclass(frozen=True, repr=False)
class Conditional(PerRow):
    """Scores of held-out rows and a class of functions at those rows.

    Attributes
    ----------
    functions : FunctionClass
    basis : ndarray, shape (n, d)
        Independent functions at the calibration rows.
    randomize : bool
    """

    functions: FunctionClass
    basis: np.ndarray
    randomize: bool

    takes_columns = True

    @property
    def depends_on(self) -> str:
        """What the thresholds depend on, in words."""
        return f"{self.functions.dimension} functions"

    def sets(
        self, X: np.ndarray, level: float, ratio: np.ndarray | None = None, groups: np.ndarray | None = None
    ) -> IntervalSets:
        """Sets at rows X (m, p); `groups` (m, k) are the columns of the formula's second part."""
        assert groups is not None
        split = self.split
        return split.score.sets(split.score.local(split.fitted, X, split.seed), self.thresholds(groups, level))

    def thresholds(self, columns: np.ndarray, level: float) -> np.ndarray:
        """Thresholds (m, tails) at rows of the second part's columns (m, k)."""
        calibration = self.split.calibration
        tail = calibration.tail_level(level)
        new, inside = self.functions.rows(columns)
        out = np.full((len(new), calibration.scores.shape[1]), np.inf)
        cutoffs = None
        if self.randomize:
            draws = row_draws(0.5 + 0.5 * np.tanh(new[:, 1:]), self.split.seed, _STREAM)
            cutoffs = (tail - 1.0 + draws)[inside]
        for one, scores in zip(out.T, calibration.scores.T, strict=True):
            one[inside] = conditional_thresholds(self.basis, scores, new[inside], tail, cutoffs)
        return out

    def guarantee(self, level: float) -> str:
        """What theory says of coverage."""
        size = f"over the {self.functions.dimension}-dimensional class of the formula's second part"
        if self.randomize:
            return f"exactly {level:g} {size}, for exchangeable rows"
        return f"at least {level:g} {size} (weighted by any f >= 0 in it), for exchangeable rows"


@dataclass(frozen=True, kw_only=True)
class ConditionalOptions(SplitOptions):
    """Options of conformal prediction with coverage over a class of functions."""

    randomize: bool = flag(False, "draw each row's cutoff, for coverage that is exact and not only at least the level")


def estimate(problem: ConformalProblem, options: ConditionalOptions) -> Conditional:
    """Fit to the training rows, score the others, and take the second part's columns there.

    Raises
    ------
    OptionError
        If there are density ratios.
    """
    if problem.ratio is not None:
        raise OptionError(
            "method='conditional' takes no weights=: its sets cover under every shift in the span of the formula's second part; "
            "put the density ratio there as a column, 'outcome ~ covariates | groups + ratio'."
        )
    part = problem.design.part(ROLE)
    assert part is not None
    split, rest = scored(problem, options, rule_of(options))
    columns = part.without_intercept().values[rest]
    functions = FunctionClass.of(columns)
    return Conditional(split, functions, functions.rows(columns)[0], options.randomize)


METHOD = ConformalMethod(
    verb="conformal",
    name="conditional",
    estimate=estimate,
    options=ConditionalOptions,
    summary="a threshold for each row, with coverage over the span of the formula's second part",
    citation="Gibbs, Cherian, Candes (2023)",
    arxiv="2305.12616",
    guarantee="E f(x) (covered - level) >= 0 for every f >= 0 in the class, finite sample",
    vignette="conformal-conditional",
    grouped=True,
    second="columns",
    traits={"row order": "the split draws row numbers"},
)

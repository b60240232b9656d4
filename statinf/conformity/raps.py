"""Regularised adaptive sets of classes: a penalty on every rank beyond `kreg` keeps unlikely classes out.

Angelopoulos, Bates, Malik and Jordan (2021, arXiv 2009.14193). To the score of "aps" comes ``penalty * (rank - kreg)_+``.
Where penalty or `kreg` is "auto", it is chosen on a share of the calibration rows that then do not calibrate: `kreg` as
the rank that holds the true class at the level (the paper's algorithm 3), the penalty among its five values as the one
with the smallest sets (algorithm 4). With exchangeable rows coverage is at least the level.

The penalty is deterministic, as in the paper's equation (4); its authors' code multiplies it by the row's draw too. On
given probabilities, draws, penalty and `kreg` the scores are those of MAPIE's "raps"; MAPIE's randomised sets divide by
another number beyond rank `kreg` + 1 and differ there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.conformity.aps import APSOptions
from statinf.conformity.class_held_out import class_held_out
from statinf.conformity.class_procedure import ClassSplit
from statinf.conformity.class_score import Cumulated
from statinf.conformity.problem import ConformalMethod, ConformalProblem
from statinf.errors import StatinfWarning, issue_warning
from statinf.inference.conformal import quantile_rank, threshold
from statinf.numerics.order.class_ranks import likelier_than
from statinf.results import count, number

PENALTIES = (0.001, 0.01, 0.1, 0.2, 0.5)
"""What the paper chooses among."""


@dataclass(frozen=True, kw_only=True)
class RAPSOptions(APSOptions):
    """Options of regularised adaptive prediction sets."""

    penalty: float | str = number(0.01, "added to the score per rank beyond kreg", low=0, also=("auto",))
    kreg: int | str = count(5, "ranks without a penalty", low=0, also=("auto",))
    tune: float = number(
        0.2, "share of the calibration rows that choose what is 'auto'", low=0, high=1, open_low=True, open_high=True
    )


def estimate(problem: ConformalProblem, options: RAPSOptions) -> ClassSplit:
    """Fit class probabilities to the training rows, choose what is "auto", and calibrate on the others."""
    classes = len(problem.levels)
    if isinstance(options.kreg, int) and options.kreg >= classes:
        issue_warning(
            f"kreg={options.kreg} with {classes} classes: no class has a rank beyond it, so that the sets are those of 'aps'; "
            "give a smaller kreg, or kreg='auto'.",
            StatinfWarning,
        )
    penalty, kreg = options.penalty, options.kreg
    if not isinstance(penalty, str) and not isinstance(kreg, str):
        return class_held_out(problem, options, Cumulated(options.randomized, penalty, kreg))

    def chosen(P: np.ndarray, codes: np.ndarray, draws: np.ndarray) -> Cumulated:
        return choose(P, codes, draws, problem.level, penalty, kreg, options.randomized)

    return class_held_out(problem, options, chosen, tune=options.tune)


def choose(
    P: np.ndarray,
    codes: np.ndarray,
    draws: np.ndarray,
    level: float,
    penalty: float | str,
    kreg: int | str,
    randomized: bool = True,
) -> Cumulated:
    """The score with what is "auto" chosen.

    Parameters
    ----------
    P : ndarray, shape (n, K)
        Probabilities of rows that neither train nor calibrate.
    codes : ndarray of int, shape (n,)
        Their classes.
    draws : ndarray, shape (n,)
    level : float
    penalty : float or "auto"
    kreg : int or "auto"
    randomized : bool
    """
    if isinstance(kreg, str):
        rank = likelier_than(np.ascontiguousarray(P.T), codes)[1]
        assert rank is not None
        kreg = int(np.sort(rank)[min(quantile_rank(len(rank), level), len(rank)) - 1])
    if not isinstance(penalty, str):
        return Cumulated(randomized, penalty, kreg)
    sizes = []
    for value in PENALTIES:
        score = Cumulated(randomized, value, kreg)
        q = threshold(score.of(P, codes, draws), level)
        sizes.append(np.count_nonzero(score.every(P, draws) <= q))
    return Cumulated(randomized, PENALTIES[int(np.argmin(sizes))], kreg)


METHOD = ConformalMethod(
    verb="conformal",
    name="raps",
    estimate=estimate,
    options=RAPSOptions,
    outcome="classes",
    summary="adaptive sets of classes with a penalty on many: smaller and steadier where classes are many",
    citation="Angelopoulos, Bates, Malik, Jordan (2021)",
    arxiv="2009.14193",
    guarantee="P(covered) >= level, finite sample",
    vignette="conformal-categories",
    traits={"row order": "the split draws row numbers"},
)

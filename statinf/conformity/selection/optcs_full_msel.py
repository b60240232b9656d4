"""Optimised conformal selection without a split, the best of several models: leave-one-out scores, then a choice per new row.

Bai and Jin (2024, arXiv 2411.17983): the scores of `optcs_full` for each model, and the choice of `optcs_msel` among them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from statinf.conformity.selection.optcs_full import PooledOptions, pooled
from statinf.conformity.selection.problem import SelectMethod, SelectProblem
from statinf.conformity.selection.scoring import Scored
from statinf.inference.conformal_selection import BestScore
from statinf.inference.discoveries import PRUNINGS
from statinf.results import choice


@dataclass(frozen=True, kw_only=True)
class FullMselOptions(PooledOptions):
    """Options of the choice among models without a split."""

    pruning: str = choice("homogeneous", PRUNINGS, "one random number for all rows, one for each, or none")


def estimate(problem: SelectProblem, options: FullMselOptions) -> Scored:
    """Score all rows by leave-one-out fits of every model to the pool."""
    return replace(pooled(problem, problem.seed, options.oversample), rule=BestScore(options.pruning, problem.seed))


METHOD = SelectMethod(
    verb="conformal_select",
    name="optcs-full-msel",
    estimate=estimate,
    options=FullMselOptions,
    several=True,
    models=("lm", "kernel_ridge"),
    summary="the best of several models at each new row, all fitted to all rows",
    citation="Bai, Jin (2024)",
    arxiv="2411.17983",
    guarantee="FDR <= fdr, finite sample",
    vignette="conformal-selection",
)

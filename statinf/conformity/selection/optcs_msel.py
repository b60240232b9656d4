"""Optimised conformal selection, the best of several models: the choice is made anew for each new row, as if it calibrated.

Bai and Jin (2024, arXiv 2411.17983). For each new row j and each model the step-up procedure is run with row j beside the
calibration rows; the model that selects most is used for row j. That choice is symmetric in row j and the calibration
rows, so row j's p-value and the number selected make an e-value, and e-values are combined whatever their dependence.
"""

from __future__ import annotations

from dataclasses import dataclass

from statinf.conformity.selection.problem import SelectMethod, SelectProblem
from statinf.conformity.selection.scoring import FittedOptions, Scored, check_nulls, judged, scores
from statinf.inference.conformal_selection import BestScore
from statinf.inference.discoveries import PRUNINGS
from statinf.results import choice


@dataclass(frozen=True, kw_only=True)
class MselOptions(FittedOptions):
    """Options of the choice among models."""

    pruning: str = choice("homogeneous", PRUNINGS, "one random number for all rows, one for each, or none")


def estimate(problem: SelectProblem, options: MselOptions) -> Scored:
    """Fit every model to the training rows and score the others and the new ones."""
    judges, rows, trained = judged(problem, options)
    check_nulls(problem.passes(rows))
    old, new, predictions = scores(problem, judges, rows, "clip")
    rule = BestScore(options.pruning, problem.seed)
    return Scored(old, new, predictions, tuple(judges), rule, trained, "for exchangeable rows, in finite samples")


METHOD = SelectMethod(
    verb="conformal_select",
    name="optcs-msel",
    estimate=estimate,
    options=MselOptions,
    several=True,
    models=("lm", "spline", "kernel_ridge"),
    summary="the best of several models at each new row, on held-out rows",
    citation="Bai, Jin (2024)",
    arxiv="2411.17983",
    guarantee="FDR <= fdr, finite sample",
    vignette="conformal-selection",
    traits={"row order": "the split draws row numbers"},
)

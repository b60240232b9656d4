"""Conformal selection: conformal p-values of "the outcome does not pass" and the procedure of Benjamini and Hochberg.

Jin and Candes (2023, JMLR 24, arXiv 2210.01408). With labelled and new rows exchangeable and a score that does not fall in
the outcome, the false discovery rate is at most the level in finite samples. With density ratios: Jin and Candes (2025,
Biometrika, arXiv 2307.09291), each new row with a bound of its own, pruned.

Given scores, weights and random numbers, selections are those of the authors' R code (package ConfSelect, `weighted_CS`), with
ties in full. With rand = "dtm" that code selects nothing, because its pruning asks for strictly less than k; here, as in the
paper, for at most k.
"""

from __future__ import annotations

from dataclasses import dataclass

from statinf.conformity.selection.problem import SelectMethod, SelectProblem
from statinf.conformity.selection.scores import TIES
from statinf.conformity.selection.scoring import (
    FittedOptions,
    Scored,
    check_nulls,
    judged,
    refuse_unknown_thresholds,
    scores,
)
from statinf.inference.conformal_selection import Reweighted, Stepped
from statinf.inference.discoveries import PRUNINGS
from statinf.results import choice


@dataclass(frozen=True, kw_only=True)
class CSOptions(FittedOptions):
    """Options of conformal selection."""

    score: str | None = choice(
        None,
        ("clip", "residual", "rel"),
        "how an outcome is scored; by default 'clip', and 'residual' where thresholds of new rows alone are given",
    )
    ties: str = choice("conservative", TIES, "whether ties and the row's own point count in full or by a random share")
    pruning: str = choice("homogeneous", PRUNINGS, "with weights: one random number for all rows, one each, or none")


def estimate(problem: SelectProblem, options: CSOptions) -> Scored:
    """Fit to the training rows and score the others and the new ones."""
    kind = refuse_unknown_thresholds(problem, options.score)
    judges, rows, trained = judged(problem, options)
    weights = None
    if problem.ratios is not None:
        weights = problem.ratios.of_labelled(problem.data, problem.design, rows)
        rows, weights = rows[weights > 0], weights[weights > 0]
    if kind != "residual":
        passed = problem.passes(rows)
        check_nulls(passed)
        if kind == "rel":
            rows, weights = rows[~passed], None if weights is None else weights[~passed]
    old, new, predictions = scores(problem, judges, rows, "residual" if kind == "residual" else "clip")
    guarantee = "for exchangeable rows, in finite samples"
    rule: Stepped | Reweighted = Stepped(options.ties, problem.seed)
    if weights is not None:
        assert problem.own is not None
        # In units of the calibration rows' mean: ratios are known up to a constant.
        unit = float(weights.mean())
        rule = Reweighted(weights / unit, problem.own / unit, options.pruning, options.ties, problem.seed)
        assert problem.ratios is not None
        guarantee += f", {problem.ratios.condition}"
    return Scored(old, new, predictions, tuple(judges), rule, trained, guarantee)


METHOD = SelectMethod(
    verb="conformal_select",
    name="cs",
    estimate=estimate,
    options=CSOptions,
    weighted=True,
    summary="conformal p-values on held-out rows and Benjamini-Hochberg; with weights for covariate shift",
    citation="Jin, Candes (2023)",
    arxiv="2210.01408",
    guarantee="FDR <= fdr, finite sample",
    vignette="conformal-selection",
    traits={"row order": "the split draws row numbers"},
)

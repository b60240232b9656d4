"""Optimised conformal selection without a split: every row trains, every row is scored by the fit that leaves it out.

Bai and Jin (2024, arXiv 2411.17983). Labelled and new rows are one pool, in which a labelled row has label 1 where its
outcome passes its threshold and every new row has label 0, which is the label it has if its null hypothesis holds.
Leave-one-out predictions of a fit that does not depend on the order of rows keep that row exchangeable with the labelled
ones, so the step-up procedure on its p-values holds the false discovery rate. Least squares, ridge and kernel ridge
regressions have these predictions in closed form, the last with the bandwidth of the pool; others are fitted once per row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.backend import generator, progress_bar
from statinf.conformity.procedure import check_finite
from statinf.conformity.selection.problem import SelectMethod, SelectProblem
from statinf.conformity.selection.scores import TIES
from statinf.conformity.selection.scoring import Scored, check_nulls, learner_of
from statinf.inference.conformal_selection import Stepped
from statinf.results import Options, choice, flag

_STREAM = 61


@dataclass(frozen=True, kw_only=True)
class PooledOptions(Options):
    """Options of the methods that fit models to the pool of all rows."""

    oversample: bool = flag(
        False,
        "repeat rows of the rarer label, drawn at random in every fit, until both are as many: new rows, whose label in the "
        "pool is 0, make label 1 rare; one fit per row",
    )


@dataclass(frozen=True, kw_only=True)
class OptcsFullOptions(PooledOptions):
    """Options of selection without a split."""

    ties: str = choice("conservative", TIES, "whether ties and the row's own point count in full or by a random share")


def leave_one_out_predictions(
    learner: Any, X: np.ndarray, label: np.ndarray, seed: int, progress: bool | None, oversample: bool = False
) -> np.ndarray:
    """Predictions (N,) of each row's label by the fit to all other rows.

    Rows are put in the order of their contents first, so that a fit with random parts, and the draws of `oversample`, know
    nothing of where they stood.
    """
    order = np.lexsort((label, *X.T[::-1]))
    X, label = X[order], label[order]
    if hasattr(learner, "smoother") and not oversample:
        found = label - learner.smoother(X, label).deletion
    else:
        found = np.empty(len(label))
        keep = np.ones(len(label), bool)
        for i in progress_bar(range(len(label)), label="Leaving rows out", show=progress):
            keep[i] = False
            rows = np.flatnonzero(keep)
            rows = balanced(rows, label[rows], seed) if oversample else rows
            found[i] = float(learner.fit(X[rows], label[rows], seed=seed).predict(X[i : i + 1])[0])
            keep[i] = True
    check_finite(found, "leave-one-out predictions")
    out = np.empty(len(found))
    out[order] = found
    return out


def balanced(rows: np.ndarray, label: np.ndarray, seed: int) -> np.ndarray:
    """Rows (n,) and draws from those of the rarer label (n,), as many as make both labels alike; the same for every call."""
    ones, zeros = rows[label == 1.0], rows[label == 0.0]
    few, many = sorted((ones, zeros), key=len)
    if not len(few):
        return rows
    return np.append(rows, few[generator(seed, _STREAM).integers(len(few), size=len(many) - len(few))])


def pooled(problem: SelectProblem, seed: int, oversample: bool = False) -> Scored:
    """Scores of every model by leave-one-out fits to the pool."""
    n = problem.design.n
    passed = problem.passes(np.arange(n))
    check_nulls(passed)
    X = np.concatenate([problem.X, problem.X_new])
    label = np.append(passed.astype(np.float64), np.zeros(len(problem.usable)))
    found = np.array(
        [
            leave_one_out_predictions(learner_of(model, True), X, label, seed, problem.progress, oversample)
            for model in problem.models.values()
        ]
    )
    old = np.where(passed, np.inf, -found[:, :n])
    guarantee = "for exchangeable rows and fits that do not depend on their order, in finite samples"
    new = found[:, n:]
    return Scored(old, -new, new, tuple(problem.models), Stepped("conservative", seed), len(label) - 1, guarantee)


def estimate(problem: SelectProblem, options: OptcsFullOptions) -> Scored:
    """Score all rows by leave-one-out fits to the pool."""
    return replace(pooled(problem, problem.seed, options.oversample), rule=Stepped(options.ties, problem.seed))


METHOD = SelectMethod(
    verb="conformal_select",
    name="optcs-full",
    estimate=estimate,
    options=OptcsFullOptions,
    summary="one model fitted to all rows, each scored by the fit that leaves it out",
    citation="Bai, Jin (2024)",
    arxiv="2411.17983",
    guarantee="FDR <= fdr, finite sample",
    vignette="conformal-selection",
)

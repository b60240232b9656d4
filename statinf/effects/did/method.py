"""The record of a method of `did`, and the estimate that all of them make."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Later
from statinf.effects.did.estimation import group_times
from statinf.effects.did.influence import UnitInfluence
from statinf.effects.did.problem import DidProblem
from statinf.effects.did.scores import DidNuisances
from statinf.errors import NumericalWarning, issue_warning
from statinf.results import Estimate, Options, number

_FEW = 5
"""Cohorts of fewer units than this beside the covariates are named in a warning."""


@dataclass(frozen=True, kw_only=True)
class DidPropensityOptions(Options):
    """Options of methods that weight controls by their odds of being in the cohort."""

    trim: float = number(
        0.995, "controls whose propensity is this or more do not count", low=0.0, high=1.0, open_low=True
    )


def group_time_estimate(problem: DidProblem, how: DidNuisances) -> Estimate:
    """Group-time effects with influence values of units."""
    found = group_times(problem, how)
    _warn_small(problem)
    cells = [cell for cell in found.cells if not cell.reference]
    free = np.array([not cell.reference for cell in found.cells])
    units = UnitInfluence.of(problem, found.influence if free.all() else found.influence[:, free])
    lost = {"Cells left out": len(found.left_out)} if found.left_out else {}
    return Estimate(
        terms=tuple(cell.label for cell in cells),
        theta=found.theta[free],
        moments=Later(UnitInfluence.by_row, units),
        nobs=len(problem.y),
        df_resid=float(problem.units - 1),
        facts={**problem.notes, **lost},
        extra={
            "treatment": problem.treatment,
            "anticipation": problem.anticipation,
            "group": np.array([cell.cohort for cell in cells]),
            "time": np.array([cell.time for cell in cells]),
            "base": np.array([cell.base for cell in cells]),
            "left_out": found.left_out,
            "found": found,
            "problem": problem,
            "units": units,
        },
        covary=Later(UnitInfluence.covariance, units, problem.design),
    )


def _warn_small(problem: DidProblem) -> None:
    """Name cohorts of few units; where rows are not paired, of few rows at some period."""
    if problem.paired:
        cohorts, counts = np.unique(problem.cohort, return_counts=True)
    else:
        cohorts, place = np.unique(problem.cohort, return_inverse=True)
        at = place[problem.unit] * len(problem.times) + problem.period
        counts = np.bincount(at, minlength=len(cohorts) * len(problem.times)).reshape(len(cohorts), -1).min(axis=1)
    least = _FEW + problem.x.shape[1]
    small = [
        f"{'never' if np.isinf(g) else f'{g:.10g}'} ({count})"
        for g, count in zip(cohorts, counts, strict=True)
        if count < least
    ]
    if small:
        what = "units" if problem.paired else "rows at a period"
        issue_warning(
            f"small cohorts: {', '.join(small[:5])}; below {least} {what} effects and errors are not to be trusted.",
            NumericalWarning,
        )

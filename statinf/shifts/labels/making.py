"""From a formula and two frames to weights by class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from statinf.errors import DataError
from statinf.inference.clusters import RowClusters
from statinf.inference.moments import Moments
from statinf.inference.vcov import VcovSpec, cluster_columns
from statinf.results import Estimate
from statinf.shifts.labels.predictions import label_problem
from statinf.shifts.labels.problem import LabelMethod, LabelProblem, LabelSolution
from statinf.shifts.labels.result import ClassShares, LabelShift
from statinf.shifts.means import stacked
from statinf.shifts.samples import Samples, check_sampling, read_samples


def label_shift(
    formula: str, source: Any, target: Any, method: LabelMethod, options: Any, cluster: Any, **read: Any
) -> LabelShift:
    """Class shares of the target and the weights that they make; `read` is what `read_samples` takes.

    Raises
    ------
    DataError
        If one class only has rows of positive weight.
    """
    check_sampling(read.get("weights"))
    spec = VcovSpec.read(None, cluster, ClassShares.vcov_kinds)
    samples = read_samples(
        formula, source, target, response="categories", cluster=cluster_columns(spec, cluster), **read
    )
    levels = samples.design.levels
    assert levels is not None and samples.y is not None
    present = np.bincount(samples.y.astype(np.intp), minlength=len(levels)) > 0
    if present.sum() < 2:
        raise DataError(f"the outcome '{samples.design.response_names[0]}' has one class only at positive weights.")
    codes = (np.cumsum(present) - 1)[samples.y.astype(np.intp)]
    names = tuple(str(level) for level, there in zip(levels, present, strict=True) if there)
    groups = _groups(samples, spec)
    problem = label_problem(samples, names, codes, options, groups)
    solution: LabelSolution = method.estimate(problem, options)
    return _weights(samples, problem, solution, method, spec, present)


def _groups(samples: Samples, spec: VcovSpec) -> np.ndarray | None:
    """Codes of the coarsest clusters of the rows of `samples.xs`."""
    made: Mapping[str, np.ndarray] | RowClusters = samples.design.clusters
    found = min(made.values(), key=lambda codes: int(codes.max()), default=None)
    return None if found is None else found[samples.at_source]


def _weights(
    samples: Samples,
    problem: LabelProblem,
    solution: LabelSolution,
    method: LabelMethod,
    spec: VcovSpec,
    present: np.ndarray,
) -> LabelShift:
    made = samples.design
    on_source, on_target = solution.influence()
    kept = solution.shares > 0.0
    if not np.isfinite(solution.shares).all() or not kept.any():
        raise DataError("no class has a positive share in the target; check the predicted probabilities.")
    size = float(solution.shares[kept].sum())
    q = np.where(kept, solution.shares, 0.0) / size
    p = problem.shares
    shares = _shares_fit(samples, problem, q, solution, (on_source, on_target), method, spec)
    # The weights as they are used: shares cut at zero, over those of the source.
    cut = (np.diag(kept.astype(np.float64)) - np.multiply.outer(q, kept)) / size
    moved_s = (on_source @ cut.T - problem.shares_influence * (q / p)) / p
    moved_t = (on_target @ cut.T) / p
    errors = np.sqrt((moved_s**2).sum(axis=0) + (moved_t**2).sum(axis=0))
    ratio = np.full(len(present), np.nan)
    ratio[present] = q / p
    at = made.y.astype(np.intp)
    by_row = samples.on_source((q / p)[problem.codes])

    def derivative() -> np.ndarray:
        out = np.zeros((made.n, len(q)))
        used = present[at]
        out[np.flatnonzero(used), (np.cumsum(present) - 1)[at[used]]] = made.weights[used]
        return out

    return LabelShift(
        method=method.name,
        formula=made.recipe.formula,
        citation=method.reference,
        nobs=len(problem.codes),
        values=made.weights * by_row,
        used=made.rows,
        n_total=made.n_total,
        identity=made.identity,
        estimand="the target population",
        derivative=derivative,
        influence=samples.on_source(moved_s),
        other_influence=samples.on_target(moved_t),
        kind=made.kind,
        shares=shares,
        classes=problem.names,
        levels=made.levels or (),
        ratio=ratio,
        ratio_errors=errors,
        recipe=made.recipe,
        facts=solution.facts,
        note=solution.note,
        n_target=len(problem.wt),
        dropped=made.dropped,
        dropped_target=samples.target.dropped,
        target=samples.target.identity,
        samples=samples,
        problem=problem,
        solution=solution,
    )


def _shares_fit(
    samples: Samples,
    problem: LabelProblem,
    q: np.ndarray,
    solution: LabelSolution,
    influence: tuple[np.ndarray, np.ndarray],
    method: LabelMethod,
    spec: VcovSpec,
) -> ClassShares:
    made, nobs = samples.design, len(problem.codes)
    # Rows of either sample enter as scores with a bread of one; the target is a sample of its own.
    moments = Moments(
        samples.on_source(influence[0]),
        np.eye(problem.k),
        nobs,
        float(nobs - problem.k),
        outside=samples.on_target(influence[1]),
        present=made.weights > 0,
    )
    estimate = Estimate(
        terms=problem.names,
        theta=q,
        moments=moments,
        df_resid=np.inf,
        covary=partial(stacked, made, moments),
        facts=dict(solution.facts),
        extra={
            "source_shares": problem.shares,
            "target_rows": len(problem.wt),
            "cut": int((solution.shares < 0.0).sum()),
        },
    )
    return ClassShares.of(replace(made, weights_object=None), estimate, spec, method=method)

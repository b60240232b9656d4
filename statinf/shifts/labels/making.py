"""From a formula and two frames to weights by class."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from typing import Any

import numpy as np

from statinf.errors import DataError
from statinf.formula.design import Design
from statinf.inference.clusters import RowClusters
from statinf.inference.covariance import Covariance
from statinf.inference.moments import Moments
from statinf.inference.vcov import VcovSpec, cluster_columns
from statinf.results import Estimate
from statinf.shifts.labels.moves import LabelMoves, row_moments, spread_of
from statinf.shifts.labels.predictions import label_problem
from statinf.shifts.labels.problem import GIVEN, LabelMethod, LabelProblem, LabelSolution
from statinf.shifts.labels.result import ClassShares, LabelShift
from statinf.shifts.means import MODELS, stacked
from statinf.shifts.reading import check_sampling, read_samples
from statinf.shifts.samples import Samples, UnsortedSamples


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
    if isinstance(options.learner, str) and options.learner == GIVEN:
        samples = UnsortedSamples(samples.design, samples.target, samples.source, samples.role, samples.seed)
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
    kept = solution.shares > 0.0
    if not np.isfinite(solution.shares).all() or not kept.any():
        raise DataError("no class has a positive share in the target; check the predicted probabilities.")
    size = float(solution.shares[kept].sum())
    q = np.where(kept, solution.shares, 0.0) / size
    moves = LabelMoves(problem, solution, q)
    ratio = np.full(len(present), np.nan)
    ratio[present] = q / problem.shares
    by_row = samples.on_source((q / problem.shares)[problem.codes])
    shares = _shares_fit(samples, moves, method, spec)
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
        derivative=partial(_derivative, made, present),
        influence=lambda: samples.on_source(moves.weights_on_source()),
        other_influence=lambda: samples.on_target(moves.weights_on_target()),
        kind=made.kind,
        shares=shares,
        classes=problem.names,
        levels=made.levels or (),
        ratio=ratio,
        ratio_errors=_weights_errors(samples, moves, shares.cov.kind),
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


def _weights_errors(samples: Samples, moves: LabelMoves, kind: Any) -> np.ndarray:
    """Standard errors of the weights of the classes under the covariance of the shares, shape (k,)."""
    if kind == "HC0":
        return moves.weights_errors
    found = spread_of(samples, moves.weights_on_source(), moves.weights_on_target(), kind, moves.problem.k)
    return np.sqrt(np.diag(found))


def _derivative(made: Design, present: np.ndarray) -> np.ndarray:
    """Derivative of the rows' weights in those of the classes, shape (rows, k)."""
    at = made.y.astype(np.intp)
    out = np.zeros((made.n, int(present.sum())))
    used = present[at]
    out[np.flatnonzero(used), (np.cumsum(present) - 1)[at[used]]] = made.weights[used]
    return out


def _shares_fit(samples: Samples, moves: LabelMoves, method: LabelMethod, spec: VcovSpec) -> ClassShares:
    made, problem, solution = samples.design, moves.problem, moves.solution
    nobs, k = len(problem.codes), problem.k

    @cache
    def moments() -> Moments:
        return row_moments(samples, *moves.both, k)

    def covary(kind: Any) -> Covariance:
        if kind == "HC0":
            return Covariance(moves.covariance, kind, f"HC0{MODELS}", np.inf)
        return stacked(made, moments(), kind)

    estimate = Estimate(
        terms=problem.names,
        theta=moves.shares,
        moments=moments,
        nobs=nobs,
        df_resid=np.inf,
        covary=covary,
        facts=dict(solution.facts),
        extra={
            "source_shares": problem.shares,
            "target_rows": len(problem.wt),
            "cut": int((solution.shares < 0.0).sum()),
        },
    )
    return ClassShares.of(made, estimate, spec, method=method)

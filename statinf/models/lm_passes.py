"""Linear regression on data that are read in blocks: one pass for the coefficients, one for robust standard errors.

Columns are reduced to a triangular factor, from sums of products where these keep the digits and by orthogonal factors of
blocks where they do not, as for rows in memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.errors import DataError
from statinf.formula.design import Design
from statinf.formula.scale import check_columns, check_scale
from statinf.inference.vcov import VcovSpec
from statinf.models import regression as common
from statinf.models.linear_fit import LinearFit
from statinf.models.regression_passes import regression_passes
from statinf.numerics.linear.factors import inverse_gram, scaled_condition
from statinf.numerics.linear.reduction import Reduced
from statinf.numerics.linear.triangular import solve_triangular
from statinf.passes import BlockTable, PassDesign
from statinf.passes.covariance import PassScores
from statinf.passes.drawing import block_draws
from statinf.passes.reduction import ColumnStack, reduce_rows
from statinf.passes.scored import ScoredRows
from statinf.passes.sums import Extent
from statinf.results import Estimate


def lm_passes(
    formula: str,
    table: BlockTable,
    chosen: Any,
    settings: Any,
    spec: VcovSpec,
    vcov: Any,
    *,
    weights: Any,
    cluster: Any,
    na_action: str,
    context: Mapping[str, Any] | None,
) -> LinearFit:
    """The fit of `si.lm` on a table in blocks."""
    reading = {"weights": weights, "cluster": cluster, "na_action": na_action, "context": context}
    made, vcov = regression_passes(formula, table, LinearFit.vcov_kinds, settings, spec, vcov, **reading)
    return LinearFit.of(made.passage, estimate(made, settings.tol), vcov, method=chosen, cluster=cluster)


def estimate(made: PassDesign, tolerance: float) -> Estimate:
    """Least squares of the outcome on the columns of the first part."""
    nobs = made.nobs
    reduced, facts = reduce_passes(made, tolerance)
    k = reduced.rank
    centred = reduced.centred_factor
    inner = solve_triangular(centred, reduced.joint[:k, k]) if k else np.empty(0)
    coef = np.full(len(made.names), np.nan)
    raw = inner[:, None]
    coef[reduced.kept] = (raw if reduced.centring is None else reduced.centring.raw_coefficients(raw, reduced.kept))[
        :, 0
    ]
    rss = float(np.sum(reduced.joint[k:, k] ** 2))
    common.check_size(nobs, k, made.names)
    common.warn_aliased(made.names, reduced.kept, scaled_condition(centred))
    factor = reduced.factor
    df = float(nobs - k)
    bread = inverse_gram(factor)
    whitening = Whitening(reduced, inner)
    model = bread * (rss / df) if df > 0 else None
    weighted = made.weights is not None
    scores = PassScores.on(
        made, partial(scored, whitening), whitening.unit, whitening.outside, nobs, df, model=model, weighted=weighted
    )
    return Estimate(
        terms=made.names,
        theta=coef,
        moments=None,
        covary=scores.covariance,
        redraw=partial(block_draws, scores, residuals=True),
        nobs=nobs,
        df_resid=df,
        facts=made.record,
        extra={
            "factor": factor,
            "aliases": reduced.aliases,
            "rss": rss,
            "mss": _explained(made, reduced, inner),
            "intercept": made.intercept,
            "log_weights": facts.log_weights,
            "weights_kind": "precision",
            "copies": None,
        },
    )


@dataclass(frozen=True)
class OutcomeFacts:
    """What one pass tells beside the sums.

    Attributes
    ----------
    outcome : Extent
    log_weights : float
        Sum of the logs of positive weights.
    """

    outcome: Extent
    log_weights: float

    def plus(self, other: OutcomeFacts) -> OutcomeFacts:
        """Of both."""
        return OutcomeFacts(self.outcome.plus(other.outcome), self.log_weights + other.log_weights)


def reduce_passes(made: PassDesign, tolerance: float) -> tuple[Reduced, OutcomeFacts]:
    """The columns reduced to their triangular factor beside outcome and offset, shape (m, k + 1 or k + 2), in a pass or two."""
    return reduce_rows(made, _stack, _facts, tolerance=tolerance, check=partial(_check_outcome, made))


def _stack(block: Design, *, weighted: bool = True) -> ColumnStack:
    """Columns, outcome less offset, and the offset, with the root of the weights."""
    offset = block.offset
    beside = block.y[:, None] if offset is None else np.column_stack([block.y - offset, offset])
    weighted = weighted and bool((block.weights != 1.0).any())
    return ColumnStack(block.parts[0].values, beside, np.sqrt(block.weights) if weighted else None)


def _facts(block: Design) -> OutcomeFacts:
    check_columns(block.parts[0])
    seen = block.weights > 0
    y, w = (block.y, block.weights) if seen.all() else (block.y[seen], block.weights[seen])
    return OutcomeFacts(Extent.of(y), 0.0 if (w == 1.0).all() else float(np.sum(np.log(w))))


def _check_outcome(made: PassDesign, facts: OutcomeFacts) -> None:
    name = made.reading.outcome[0].label
    low, high = float(facts.outcome.low), float(facts.outcome.high)
    if made.nobs > 1 and low == high:
        raise DataError(f"the outcome '{name}' is constant ({low:g}) on the rows used; there is nothing to explain.")
    check_scale(max(high, -low), f"the outcome '{name}'")


def _explained(made: PassDesign, reduced: Reduced, inner: np.ndarray) -> float:
    """Weighted sum of squares of the fitted values about their mean, read from the triangular factor."""
    k, joint = reduced.rank, reduced.joint
    fitted = joint[:, :k] @ inner
    if joint.shape[1] > k + 1:
        fitted = fitted + joint[:, k + 1]
    if not made.intercept:
        return float(fitted @ fitted)
    # The constant is the first column, which is never centred nor left out.
    one = joint[:, 0]
    away = fitted - one * (one @ fitted) / (one @ one)
    return float(away @ away)


@dataclass(frozen=True)
class Whitening:
    """The solution in centred columns, from which a block's residuals and whitened rows are made."""

    reduced: Reduced
    inner: np.ndarray

    @property
    def outside(self) -> np.ndarray:
        """Takes sums of whitened scores to errors of the coefficients as they stand, shape (k, k)."""
        inverse = solve_triangular(self.reduced.centred_factor, np.eye(self.reduced.rank))
        moved = self.reduced.centring
        return inverse if moved is None else moved.raw_coefficients(inverse, self.reduced.kept)

    def unit(self, block: Design) -> np.ndarray:
        """Whitened scores per unit of weight, shape (n, k)."""
        rows, residual = self.rows(block, weighted=False)
        return rows * residual[:, None]

    def rows(self, block: Design, *, weighted: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Orthonormal rows and residuals, both times the root of the weights."""
        rows = _stack(block, weighted=weighted).rows(
            None if self.reduced.centring is None else self.reduced.centring.centre
        )
        p = block.parts[0].values.shape[1]
        x, y = rows[:, :p][:, self.reduced.kept], rows[:, p]
        inverse = solve_triangular(self.reduced.centred_factor, np.eye(self.reduced.rank))
        return np.dot(x, inverse), y - np.dot(x, self.inner)


def scored(whitening: Whitening, block: Design) -> ScoredRows:
    """The rows of a block as covariances see them."""
    rows, residual = whitening.rows(block)
    return ScoredRows(rows * residual[:, None], rows)

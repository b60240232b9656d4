"""Linear quantile regression on data that are read in blocks: exact vertices, and the covariance from neighbouring levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.errors import NotIdentifiedError, OptionError
from statinf.formula.design import Design
from statinf.inference.covariance import Covariance
from statinf.inference.roots import matrix_root
from statinf.inference.vcov import VcovSpec, cluster_columns
from statinf.models import regression as common
from statinf.numerics.quantreg.bandwidth import bandwidth, inside
from statinf.passes import BlockTable, PassDesign, read_passes
from statinf.passes.columns import ColumnMoments, StandardColumns, column_moments
from statinf.passes.design import is_estimated
from statinf.passes.order import order_statistics
from statinf.passes.quantiles import LossRows, RowsHeld, solve_passes
from statinf.quantile.covariance import joint_covariance, warn_not_positive
from statinf.quantile.fit import QuantileFit
from statinf.quantile.solve import warn_extreme, warn_several_solutions
from statinf.results import Estimate, Method

_FLOOR = np.finfo(float).eps ** 0.5
_SMALL_SHARE = 1e-5
_ON_THE_FIT = 1e-9


@dataclass(frozen=True)
class QuantileRows:
    """Regressors, outcomes about a level and weights of a block's rows of positive weight."""

    columns: StandardColumns
    level: float

    def __call__(self, block: Design) -> LossRows:
        x, y = self.columns(block), block.y if block.offset is None else block.y - block.offset
        seen = block.weights > 0
        if not seen.all():
            return np.ascontiguousarray(x[seen]), y[seen] - self.level, block.weights[seen]
        return np.ascontiguousarray(x), y - self.level, block.weights


def rq_passes(
    formula: str,
    table: BlockTable,
    method: Method,
    settings: Any,
    levels: np.ndarray,
    spec: VcovSpec,
    *,
    weights: Any,
    cluster: Any,
    **reading: Any,
) -> QuantileFit:
    """The fit of `si.rq` on a table in blocks."""
    if settings.noncrossing:
        raise OptionError("noncrossing=True needs rows in memory; leave it out on data that are read in blocks.")
    if is_estimated(weights):
        raise OptionError(
            "quantile regressions on data that are read in blocks take weights as the name of a column; for estimated weights fit "
            "rows in memory."
        )
    if spec.kind not in ("nid", "none"):
        raise NotIdentifiedError(_only_nid(spec.kind))
    made = read_passes(formula, table, weights=weights, cluster=cluster_columns(spec, cluster), **reading)
    return QuantileFit.of(made.passage, _estimate(made, levels, settings.bandwidth), spec, method=method)


def _only_nid(kind: Any) -> str:
    return (
        f"vcov={kind!r} orders all residuals or refits all rows; on data that are read in blocks quantile regressions have "
        "vcov='nid'. Fit rows in memory for the others."
    )


def _estimate(made: PassDesign, levels: np.ndarray, rule: str) -> Estimate:
    sums = column_moments(made, constant=made.intercept)
    columns = sums.standardised(constant=made.intercept)
    names, first = made.names, int(made.intercept)
    kept = np.zeros(len(names), dtype=bool)
    kept[:first] = True
    kept[first + columns.kept] = True
    n, p = made.nobs, int(kept.sum())
    common.check_size(n, p, names)
    aliases = np.empty((p, 0))
    if not kept.all():
        common.warn_aliased(names, kept, 1.0)
        aliases = _aliases(sums, kept, made.intercept)
    warn_extreme(levels, n)
    level = float(sums.near[-1] + sums.gram[0, -1] / sums.mass) if made.intercept else 0.0
    rows = QuantileRows(columns, level)
    h = np.array([inside(t, bandwidth(n, t, rule)) for t in levels])
    # The fits that densities are taken from share the passes of the fits themselves.
    solved = solve_passes(made, rows, np.concatenate([levels, levels - h, levels + h]), n)
    k = len(levels)
    inner, low, high = solved[:k], solved[k : 2 * k], solved[2 * k :]
    null = _null(made, rows, levels, n) if made.intercept else np.zeros(k)
    losses, pull, *active = made.total(partial(_losses, rows, levels, inner, null), "check losses")
    _warn_flat(levels, pull, [held.rows() for held in active])
    back = columns.back(len(names))[kept]
    coef = np.full((k, len(names)), np.nan)
    coef[:, kept] = inner @ back.T
    coef[:, :first] += level
    pieces = QuantilePieces(made, rows, levels, h, high - low, back)
    return Estimate(
        terms=names if k == 1 else tuple(f"q{t:g}: {c}" for t in levels for c in names),
        theta=coef.ravel(),
        moments=None,
        covary=pieces.covariance,
        nobs=n,
        df_resid=float(n - p),
        extra={
            "tau": levels,
            "columns": names,
            "objective": losses[0],
            "null_objective": losses[1],
            "basis": None,
            "dual": None,
            "rule": rule,
            "noncrossing": False,
            "aliases": aliases,
        },
    )


def _aliases(sums: ColumnMoments, kept: np.ndarray, constant: bool) -> np.ndarray:
    """How the columns that are kept make the others, shape (kept, others)."""
    p = len(sums.near) - 1
    gram, near = sums.gram[: p + 1, : p + 1], np.r_[0.0, sums.near[:p]]
    if not constant:
        gram, near = gram[1:, 1:], near[1:]
    scale = np.sqrt(np.maximum(np.diag(gram), 1e-300))
    scaled = gram / np.outer(scale, scale)
    out = np.linalg.solve(scaled[np.ix_(kept, kept)], scaled[np.ix_(kept, ~kept)])
    out *= scale[~kept] / scale[kept][:, None]
    if constant:
        out[0] += near[~kept] - near[kept] @ out
    return out


def _null(made: PassDesign, rows: QuantileRows, levels: np.ndarray, n: int) -> np.ndarray:
    """Quantiles of the outcome alone, shape (levels,)."""
    if made.weights is None:
        return order_statistics(made, partial(_outcomes, rows, len(levels)), partial(_ranks, tuple(levels)))[0]
    return solve_passes(made, partial(_constant, rows), levels, n)[:, 0]


def _outcomes(rows: QuantileRows, count: int, block: Design) -> np.ndarray:
    return np.repeat(rows(block)[1][:, None], count, axis=1)


def _ranks(levels: Sequence[float], n: int) -> list[int]:
    return [max(1, int(np.ceil(n * t))) for t in levels]


def _constant(rows: QuantileRows, block: Design) -> LossRows:
    _, y, w = rows(block)
    return np.ones((len(y), 1)), y, w


def _losses(
    rows: QuantileRows, levels: np.ndarray, coef: np.ndarray, null: np.ndarray, block: Design
) -> tuple[Any, ...]:
    """Weighted check losses of the fits, and of `null`, shape (2, levels), and what a level's dual is made of.

    That are the subgradients of the rows off each fit, shape (levels, k), and the rows on it, no more than tell that there are
    too many.
    """
    x, y, w = rows(block)
    out = np.zeros((2, len(levels)))
    pull, active = np.empty_like(coef), []
    for q, (tau, beta) in enumerate(zip(levels, coef, strict=True)):
        residual = y - x @ beta
        on = np.abs(residual) <= _ON_THE_FIT * (np.abs(y) + np.abs(x) @ np.abs(beta))
        pull[q] = (np.where(on, 0.0, tau - (residual < 0)) * w) @ x
        kept = np.flatnonzero(on)[: x.shape[1] + 1]
        active.append(RowsHeld(((x[kept], y[kept], w[kept]),)))
    for j, fitted in enumerate((coef @ x.T, null[:, None])):
        residual = y - fitted
        out[j] = np.maximum(levels[:, None] * residual, (levels[:, None] - 1.0) * residual) @ w
    return (out, pull, *active)


def _warn_flat(levels: np.ndarray, pull: np.ndarray, active: Sequence[LossRows]) -> None:
    """Say at which levels a row on the fit could as well lie off it: there are other minimisers then.

    Levels with more rows on the fit than coefficients are passed by: their duals are not unique.
    """
    duals, told = [], []
    for tau, subgradient, (x, _, w) in zip(levels, pull, active, strict=True):
        if len(x) == x.shape[1] and np.linalg.matrix_rank(x) == len(x):
            duals.append(np.linalg.solve((x * w[:, None]).T, -subgradient))
            told.append(tau)
    if told:
        warn_several_solutions(np.array(duals), np.array(told))


@dataclass(frozen=True)
class QuantilePieces:
    """What the covariance of quantile regressions needs.

    Attributes
    ----------
    made : PassDesign
    rows : QuantileRows
    levels, h : ndarray, shape (k,)
        Levels, and the windows that densities are taken over.
    distance : ndarray, shape (k, p)
        Coefficients at the window's upper end less those at its lower end.
    back : ndarray, shape (p, p)
        From coefficients of the standardised columns to those of the columns as given.
    """

    made: PassDesign
    rows: QuantileRows
    levels: np.ndarray
    h: np.ndarray
    distance: np.ndarray
    back: np.ndarray

    def covariance(self, kind: Any) -> Covariance:
        """By densities from neighbouring levels (Hendricks and Koenker 1991)."""
        k, p = self.distance.shape
        df = float(self.made.nobs - p)
        if kind == "none":
            return Covariance(np.full((k * p, k * p), np.nan), kind, "none", df)
        if kind != "nid":
            raise NotIdentifiedError(_only_nid(kind))
        found: Mapping[str, Any] = self.made.total(
            partial(_hessians, self.rows, self.distance, self.h, self._offsets()), "densities"
        )
        warn_not_positive(found["crossing"], found["meeting"], p, self.made.nobs, self.levels)
        if any(np.linalg.matrix_rank(one) < p for one in found["hessian"]):
            raise NotIdentifiedError(
                "the nid density estimate vanishes in some direction of the regressors; use a level further inside."
            )
        inner = joint_covariance(self.levels, np.linalg.inv(found["hessian"]), found["meat"])
        whole = np.kron(np.eye(k), self.back)
        return Covariance(whole @ inner @ whole.T, "nid", "nid", df, whole @ matrix_root(inner))

    def _offsets(self) -> np.ndarray:
        """What is taken off every distance, shape (k,): R's constant, and less for outcomes of small numbers."""
        block = self.made.head()
        some = np.zeros((0, len(self.h))) if block is None else _distances(self.rows, self.distance, block)
        if len(some) and (np.median(some, axis=0) > 3.0 * _FLOOR / _SMALL_SHARE).all():
            return np.full(len(self.h), _FLOOR)
        both = order_statistics(self.made, partial(_twice, self.rows, self.distance), partial(_middle, len(self.h)))[0]
        typical = both.reshape(2, -1).mean(axis=0)
        return np.minimum(_FLOOR, _SMALL_SHARE * typical)


def _distances(rows: QuantileRows, distance: np.ndarray, block: Design) -> np.ndarray:
    """Sizes of the distances between the neighbouring fits, shape (n, k), as weighted rows have them."""
    x, _, w = rows(block)
    return np.abs((x * w[:, None]) @ distance.T)


def _twice(rows: QuantileRows, distance: np.ndarray, block: Design) -> np.ndarray:
    found = _distances(rows, distance, block)
    return np.concatenate([found, found], axis=1)


def _middle(k: int, n: int) -> list[int]:
    return [(n + 1) // 2] * k + [n // 2 + 1] * k


def _hessians(
    rows: QuantileRows, distance: np.ndarray, h: np.ndarray, offsets: np.ndarray, block: Design
) -> dict[str, np.ndarray]:
    x, _, w = rows(block)
    weighted = x * w[:, None]
    far = weighted @ distance.T
    gap = far - offsets
    density = np.where(gap > 0, 2.0 * h / np.where(gap > 0, gap, 1.0), 0.0)
    return {
        "crossing": (far < -offsets).sum(axis=0),
        "meeting": (np.abs(far) <= offsets).sum(axis=0),
        "hessian": np.stack([(weighted * f[:, None]).T @ weighted for f in density.T]),
        "meat": weighted.T @ weighted,
    }

"""Rows of a cumulative link model: maximum likelihood on orthonormal columns, separation by name, moments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.errors import ConvergenceError, NotIdentifiedError
from statinf.formula.design import Design
from statinf.inference.moments import Moments
from statinf.models.orthonormal import OrthonormalRows, orthonormal_rows
from statinf.models.row_counts import ONE_EACH, RowCounts
from statinf.models.separated import separating
from statinf.numerics.glm.separation import separating_direction
from statinf.numerics.limited.links import LINKS
from statinf.numerics.limited.ordered import OrderedRows
from statinf.numerics.rowwise.newton import NewtonResult

_SURE = 1e-6
"""A fit is looked at for separation if a row's category has all but this probability."""


@dataclass(frozen=True, kw_only=True, repr=False)
class OrderedProblem(Brief):
    """Rows of positive weight with the code of their category.

    Parameters are slopes (k,), then cutpoints (m,), of the orthonormal columns or of the columns as they stand.

    Attributes
    ----------
    rows : OrthonormalRows
        Behind a constant.
    codes : ndarray of int, shape (n,)
    categories : int
    model : OrderedRows
    """

    rows: OrthonormalRows
    codes: np.ndarray
    categories: int
    model: OrderedRows

    @property
    def slopes(self) -> int:
        return self.rows.Z.shape[1] - 1

    @property
    def to_outer(self) -> np.ndarray:
        """From parameters of the orthonormal columns to those of the columns as they stand, shape (q, q)."""
        return _with_cutpoints(self.rows.at.back, self.categories - 1)

    @property
    def to_inner(self) -> np.ndarray:
        """The other way."""
        return _with_cutpoints(self.rows.at.forward, self.categories - 1)

    def solve(self, *, tol: float, max_iter: int) -> NewtonResult:
        """Maximum likelihood; separated categories are refused by name.

        Raises
        ------
        NotIdentifiedError, ConvergenceError
        """
        found = self.model.maximise(self.rows.weights, tol=tol, max_iter=max_iter)
        own = self.model.log_probabilities(found.beta)
        if not found.converged or own.max(initial=-np.inf) > -_SURE:
            self._refuse_separation(own)
        if not found.converged:
            raise ConvergenceError(
                f"the likelihood's mean score is {np.abs(found.gradient).max():.1e} after {found.iterations} evaluations; raise "
                f"max_iter={max_iter} or tol=, or drop columns that all but separate the categories."
            )
        return found

    def refit(self, multipliers: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """Parameters (q,) of the columns as they stand under multipliers of the design's rows; NaN without a maximum."""
        w = self.rows.weights * multipliers[self.rows.used]
        if not np.bincount(self.codes, weights=w, minlength=self.categories).all():
            return np.full(theta.shape, np.nan)
        found = self.model.maximise(w, start=self.to_inner @ theta, tol=1e-9, max_iter=50)
        return self.to_outer @ found.beta if found.converged else np.full(theta.shape, np.nan)

    def moments(self, theta: np.ndarray, hessian: np.ndarray) -> Moments:
        """Scores and information of the columns as they stand, from what was solved for and its mean Hessian."""
        total = hessian * self.rows.weights.sum()
        return self.rows.moments(self.model.scores(theta), total, self.to_inner, self.to_outer)

    def _refuse_separation(self, own: np.ndarray) -> None:
        Z, codes, m = self.rows.Z[:, 1:], self.codes, self.categories - 1

        def movements(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            """What cutpoint less predictor moves by above each row's category, and below it: columns (rows, k + m)."""
            each = np.eye(m)
            above, below = rows[codes[rows] < m], rows[codes[rows] > 0]
            return (
                np.hstack([-Z[above], each[codes[above]]]),
                np.hstack([-Z[below], each[codes[below] - 1]]),
            )

        def programme(some: np.ndarray) -> np.ndarray | None:
            up, down = movements(np.flatnonzero(some))
            upper = np.repeat([True, False], [len(up), len(down)])
            return separating_direction(np.vstack([up, down]), ~upper, upper)

        def gaps(direction: np.ndarray) -> np.ndarray:
            cuts, moved = np.concatenate([[0.0], direction[len(direction) - m :], [0.0]]), Z @ direction[:-m]
            above, below = cuts[codes + 1] - moved, cuts[codes] - moved
            wrong = np.maximum(np.where(codes < m, -above, 0.0), np.where(codes > 0, below, 0.0))
            return wrong / max(np.abs(above).max(), np.abs(below).max())

        direction = separating(programme, gaps, (own, self.rows.size), 2 * len(codes) * (Z.shape[1] + m))
        if direction is None:
            return
        made, kept = self.rows.design, self.rows.kept
        matrix = made.parts[0].with_intercept()
        X = matrix.values[self.rows.used][:, kept]
        reach = np.abs(self.rows.at.back[:, 1:] @ direction[:-m]) * (X.max(axis=0) - X.min(axis=0))
        names = [name for name, one in zip(matrix.names, kept, strict=True) if one]
        guilty = ", ".join(repr(names[j]) for j in np.argsort(-reach)[:5] if reach[j] > 1e-6)
        raise NotIdentifiedError(
            f"separation: {guilty or 'the design'} predict categories perfectly for some rows, so the likelihood has no finite "
            "maximum. Remove or merge what separates, or give si.presto a penalty."
        )


def _with_cutpoints(change: np.ndarray, m: int) -> np.ndarray:
    """A change of coefficients (k + 1, k + 1), constant first, as one of slopes and cutpoints, where the constant is in these."""
    k = len(change) - 1
    out = np.eye(k + m)
    out[:k, :k] = change[1:, 1:]
    out[k:, :k] = -change[0, 1:]
    return out


def ordered_problem(
    made: Design,
    codes: np.ndarray,
    categories: int,
    link: str,
    rows: OrthonormalRows | None = None,
    *,
    counts: RowCounts = ONE_EACH,
    warn: bool = True,
) -> OrderedProblem:
    """The problem of a design, from the codes (n,) of its rows of positive weight."""
    if rows is None:
        rows = orthonormal_rows(made, made.parts[0].with_intercept(), counts, warn=warn)
    model = OrderedRows.of(rows.Z[:, 1:], codes, categories, rows.offset, LINKS[link])
    return OrderedProblem(rows=rows, codes=codes, categories=categories, model=model)

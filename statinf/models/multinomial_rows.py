"""Rows of a multinomial logit: maximum likelihood on orthonormal columns, separation by name, moments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import ConvergenceError, NotIdentifiedError
from statinf.formula.design import Design
from statinf.inference.moments import Moments
from statinf.models.orthonormal import OrthonormalRows, orthonormal_rows
from statinf.models.row_counts import ONE_EACH, RowCounts
from statinf.models.separated import separating
from statinf.numerics.glm.multinomial import maximise, scores, separation
from statinf.numerics.rowwise.newton import NewtonResult

_SUSPECT = 13.8
"""Log odds from which a fit is looked at for separation."""


@dataclass(frozen=True, kw_only=True, repr=False)
class MultinomialRows(Brief):
    """Rows of positive weight with the code of their class.

    Attributes
    ----------
    rows : OrthonormalRows
    codes : ndarray of int, shape (n,)
        The reference is 0, the others follow in their order.
    classes : tuple
        All but the reference.
    """

    rows: OrthonormalRows
    codes: np.ndarray
    classes: tuple[Any, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Classes with coefficients, and coefficients of each."""
        return len(self.classes), self.rows.Z.shape[1]

    def solve(self, weights: np.ndarray, start: np.ndarray, *, tol: float, max_iter: int) -> NewtonResult:
        """Maximum likelihood under weights (n,), from coefficients (K - 1, k) of the orthonormal columns."""
        Z = self.rows.Z
        return maximise(lambda part: Z[part], self.codes, weights, start, tol=tol, max_iter=max_iter)

    def carried(self, beta: np.ndarray) -> np.ndarray:
        """Coefficients (K - 1, k) of the columns as they stand."""
        return beta @ self.rows.at.back.T

    def refit(self, multipliers: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """Coefficients (q,) under multipliers of the design's rows, from those of the fit; NaN without a maximum."""
        w = self.rows.weights * multipliers[self.rows.used]
        start = theta.reshape(self.shape) @ self.rows.at.forward.T
        found = self.solve(w, start, tol=1e-9, max_iter=50)
        if not found.converged:
            return np.full(theta.shape, np.nan)
        return self.carried(found.beta.reshape(self.shape)).ravel()

    def check(self, found: NewtonResult, max_iter: int) -> None:
        """Refuse separated classes by name, and searches that did not end.

        Raises
        ------
        NotIdentifiedError, ConvergenceError
        """
        beta = found.beta.reshape(self.shape)
        eta = self.rows.Z @ beta.T
        if not found.converged or np.abs(eta).max(initial=0.0) > _SUSPECT:
            self._refuse_separation(np.abs(eta).max(axis=1, initial=0.0))
        if not found.converged:
            raise ConvergenceError(
                f"the likelihood's mean score is {np.abs(found.gradient).max():.1e} after {found.iterations} evaluations; raise "
                f"max_iter={max_iter} or tol=, or drop columns that all but separate the classes."
            )

    def _refuse_separation(self, size: np.ndarray) -> None:
        direction = self._direction(size)
        if direction is None:
            return
        made, kept = self.rows.design, self.rows.kept
        X = made.parts[0].values[self.rows.used][:, kept]
        names = [name for name, one in zip(made.parts[0].names, kept, strict=True) if one]
        reach = np.abs(self.carried(direction)) * (X.max(axis=0) - X.min(axis=0))
        columns = [names[j] for j in np.argsort(-reach.max(axis=0)) if reach[:, j].max() > 1e-6]
        guilty = ", ".join(map(repr, columns[:5])) or "the design"
        concerned = [str(k) for k, own in zip(self.classes, reach.max(axis=1, initial=0.0), strict=True) if own > 1e-6]
        raise NotIdentifiedError(
            f"separation: {guilty} predict classes perfectly for some rows (of {', '.join(concerned[:5]) or 'all'}), so the "
            "likelihood has no finite maximum. Remove or merge what separates, or merge classes."
        )

    def _direction(self, size: np.ndarray) -> np.ndarray | None:
        """A direction of separation (K - 1, k), or None."""
        Z, (m, k), n = self.rows.Z, self.shape, len(self.codes)

        def gaps(direction: np.ndarray) -> np.ndarray:
            eta = np.column_stack([np.zeros(n), Z @ direction.T])
            return (eta.max(axis=1) - eta[np.arange(n), self.codes]) / np.abs(eta).max()

        return separating(
            lambda some: separation(Z[some], self.codes[some], m + 1), gaps, (size, self.rows.size), n * m * m * k
        )

    def moments(self, beta: np.ndarray, hessian: np.ndarray) -> Moments:
        """Scores and information of the columns as they stand, from coefficients and mean Hessian of the orthonormal ones."""
        rows, each = self.rows, np.eye(len(self.classes))
        return rows.moments(
            scores(rows.Z, self.codes, beta),
            hessian * rows.weights.sum(),
            np.kron(each, rows.at.forward),
            np.kron(each, rows.at.back),
        )


def class_codes(made: Design, levels: tuple[Any, ...], reference: Any) -> np.ndarray:
    """Codes of the rows of positive weight: 0 for the reference, then the others in their order."""
    assert made.levels is not None
    order = [reference, *(level for level in levels if level != reference)]
    place = np.array([order.index(level) if level in order else -1 for level in made.levels])
    return place[np.asarray(made.response, np.intp)[made.weights > 0]]


def multinomial_rows(
    made: Design, levels: tuple[Any, ...], reference: Any, counts: RowCounts = ONE_EACH, *, warn: bool = True
) -> MultinomialRows:
    """The rows of a design read with `response="categories"`."""
    rows = orthonormal_rows(made, made.parts[0], counts, warn=warn)
    others = tuple(level for level in levels if level != reference)
    return MultinomialRows(rows=rows, codes=class_codes(made, levels, reference), classes=others)

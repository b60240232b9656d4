"""Rows of a censored regression: maximum likelihood in Olsen's parameters about least squares, existence, moments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.errors import ConvergenceError, NotIdentifiedError
from statinf.formula.design import Design
from statinf.inference.moments import Moments
from statinf.models.orthonormal import OrthonormalRows, orthonormal_rows
from statinf.models.row_counts import ONE_EACH, RowCounts
from statinf.numerics.glm.separation import separating_direction
from statinf.numerics.limited.tobit import ABOVE, BELOW, SEEN, TobitRows
from statinf.numerics.rowwise.newton import NewtonResult

_EXACT = 1e-13
_STEEP = 1e6
"""Spread of least squares residuals, in units of sigma, from which sigma is on its way to zero."""
_NULL = 1e-12


@dataclass(frozen=True, kw_only=True, repr=False)
class TobitProblem(Brief):
    """Rows of positive weight, their outcome as what least squares on the recorded outcomes leave.

    Attributes
    ----------
    rows : OrthonormalRows
    about : ndarray, shape (k,)
        Least squares, of the orthonormal columns.
    unit : float
        Root mean square of what they leave.
    model : TobitRows
    """

    rows: OrthonormalRows
    about: np.ndarray
    unit: float
    model: TobitRows

    def solve(self, *, tol: float, max_iter: int) -> NewtonResult:
        """Maximum likelihood.

        Raises
        ------
        NotIdentifiedError
            If it has no finite maximum.
        ConvergenceError
        """
        self._check_columns()
        found = self.model.maximise(self.rows.weights, self._start(), tol=tol, max_iter=max_iter)
        if found.beta[-1] > _STEEP or (not found.converged and self._exact()):
            raise NotIdentifiedError(
                "the outcomes between the limits are fitted exactly, so sigma would be zero and the likelihood has no maximum; "
                "use fewer terms."
            )
        if not found.converged:
            raise ConvergenceError(
                f"the likelihood's mean score is {np.abs(found.gradient).max():.1e} after {found.iterations} evaluations; raise "
                f"max_iter={max_iter} or tol=."
            )
        return found

    def _start(self) -> np.ndarray:
        return np.append(np.zeros(len(self.about)), 1.0)

    def _exact(self) -> bool:
        seen = self.model.side == SEEN
        Z, y = self.rows.Z[seen], self.model.y[seen]
        left = y - Z @ np.linalg.lstsq(Z, y, rcond=None)[0]
        return bool(np.abs(left).max() < 1e-9 * max(1.0, np.abs(y).max()))

    def _check_columns(self) -> None:
        """Refuse columns along which the likelihood never falls: they do not vary where the outcome is seen."""
        Z, side = self.rows.Z, self.model.side
        seen = Z[side == SEEN] * np.sqrt(self.rows.weights[side == SEEN])[:, None]
        values, vectors = np.linalg.eigh(seen.T @ seen)
        still = vectors[:, values <= _NULL * self.rows.weights.sum()]
        if not still.shape[1]:
            return
        some, at = Z[side != SEEN] @ still, side[side != SEEN]
        direction = separating_direction(some, at == BELOW, at == ABOVE)
        if direction is None:
            return
        made, kept = self.rows.design, self.rows.kept
        X = made.parts[0].values[self.rows.used][:, kept]
        reach = np.abs(self.rows.at.back @ (still @ direction)) * (X.max(axis=0) - X.min(axis=0))
        names = [name for name, one in zip(made.parts[0].names, kept, strict=True) if one]
        guilty = ", ".join(repr(names[j]) for j in np.argsort(-reach)[:5] if reach[j] > 1e-6)
        raise NotIdentifiedError(
            f"separation: where {guilty or 'the design'} differ from their values in the rows whose outcome is seen, all outcomes "
            "are at a limit, so the likelihood has no finite maximum. Remove or merge these columns."
        )

    # --- from what is solved for to what is reported ------------------------------------------------------

    def carried(self, inner: np.ndarray) -> np.ndarray:
        """Coefficients of the columns as they stand, then log sigma, shape (k + 1,)."""
        sigma = self.unit / inner[-1]
        return np.append(self.rows.at.back @ (self.about + sigma * inner[:-1]), np.log(sigma))

    def inner(self, outer: np.ndarray) -> np.ndarray:
        """The other way."""
        sigma = float(np.exp(outer[-1]))
        return np.append((self.rows.at.forward @ outer[:-1] - self.about) / sigma, self.unit / sigma)

    def loglik(self, found: NewtonResult) -> float:
        w = self.rows.weights
        return -found.value * float(w.sum()) - float(np.log(self.unit) * w[self.model.side == SEEN].sum())

    def refit(self, multipliers: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """Coefficients and log sigma under multipliers of the design's rows; NaN without a maximum."""
        w = self.rows.weights * multipliers[self.rows.used]
        if not w[self.model.side == SEEN].any():
            return np.full(theta.shape, np.nan)
        found = self.model.maximise(w, self.inner(theta), tol=1e-9, max_iter=50)
        fine = found.converged and found.beta[-1] <= _STEEP
        return self.carried(found.beta) if fine else np.full(theta.shape, np.nan)

    def moments(self, inner: np.ndarray, hessian: np.ndarray) -> Moments:
        """Scores and information of coefficients and log sigma, from what was solved for and its mean Hessian."""
        delta, gamma, k = inner[:-1], inner[-1], len(inner) - 1
        sigma = self.unit / gamma
        to_inner, to_outer = np.zeros((k + 1, k + 1)), np.zeros((k + 1, k + 1))
        to_inner[:k, :k], to_inner[:k, k], to_inner[k, k] = self.rows.at.forward / sigma, -delta, -gamma
        to_outer[:k, :k] = self.rows.at.back * sigma
        to_outer[:k, k], to_outer[k, k] = -to_outer[:k, :k] @ delta / gamma, -1.0 / gamma
        total = hessian * self.rows.weights.sum()
        return self.rows.moments(self.model.scores(inner), total, to_inner, to_outer)


def tobit_problem(made: Design, side: np.ndarray, counts: RowCounts = ONE_EACH, *, warn: bool = True) -> TobitProblem:
    """The problem of a design, from the sides (n,) of its rows of positive weight.

    Raises
    ------
    NotIdentifiedError
        If the columns fit the recorded outcomes exactly.
    """
    rows = orthonormal_rows(made, made.parts[0], counts, warn=warn)
    y = made.y[rows.used]
    y = y if rows.offset is None else y - rows.offset
    share = rows.weights / rows.weights.sum()
    about, left = np.zeros(rows.Z.shape[1]), y
    for _ in range(2):  # once more: the first sweep leaves rounding of the size of the outcome
        more = rows.Z.T @ (share * left)
        left, about = left - rows.Z @ more, about + more
    unit = float(np.sqrt(share @ left**2))
    if not unit > _EXACT * np.abs(y).max():
        raise NotIdentifiedError("the columns fit the recorded outcomes exactly, so there is no spread to estimate.")
    return TobitProblem(rows=rows, about=about, unit=unit, model=TobitRows(rows.Z, left / unit, side))

"""A covariance matrix with its name and its degrees of freedom."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from statinf.errors import DataError
from statinf.inference.roots import matrix_root
from statinf.inference.satterthwaite import ClusterDegrees, hotelling


@dataclass(frozen=True)
class Covariance:
    """A covariance matrix with its name.

    Attributes
    ----------
    matrix : ndarray, shape (q, q)
    kind : str or mapping
        As asked for.
    label : str
        As tables print it.
    df : float
        Degrees of freedom of the reference t distribution; infinite for the normal.
    square_root : ndarray, shape (q, r), optional
        Its product with its own transpose is the matrix, with more digits of small differences than the
        matrix has.
    each : ndarray, shape (q,), optional
        Degrees of freedom of each estimate, where these differ; `df` is the least of them then.
    degrees : ClusterDegrees, optional
        Makes the degrees of freedom of any combination; not saved.
    clusters : int
        The least number of clusters behind it; 0 for none.
    """

    matrix: np.ndarray
    kind: Any
    label: str
    df: float
    square_root: np.ndarray | None = field(default=None, repr=False)
    each: np.ndarray | None = field(default=None, repr=False)
    degrees: ClusterDegrees | None = field(default=None, repr=False, metadata={"saved": False})
    clusters: int = field(default=0, repr=False)

    @classmethod
    def with_degrees(
        cls, matrix: np.ndarray, kind: Any, label: str, square_root: np.ndarray, degrees: ClusterDegrees
    ) -> Covariance:
        """One whose degrees of freedom are Satterthwaite's, of each estimate and of any combination."""
        each = degrees.each()
        return cls(matrix, kind, label, _least(each), square_root, each, degrees)

    @property
    def df_each(self) -> float | np.ndarray:
        """Degrees of freedom of each estimate: one number where all have the same."""
        return self.df if self.each is None else self.each

    def combined(self, matrix: np.ndarray) -> Covariance:
        """Covariance of linear combinations (m, q).

        Where estimates have degrees of freedom of their own, those of a combination are Satterthwaite's if the covariance
        makes them (for so many combinations that they would take minutes, the least of all estimates'), or if the estimates are
        uncorrelated; of correlated estimates they are the least of all that enter.
        """
        made = replace(self, matrix=matrix @ self.matrix @ matrix.T, square_root=matrix @ self.root)
        if self.each is None:
            return made
        if self.degrees is not None:
            degrees = self.degrees.carried(matrix)
            each = degrees.each() if degrees.affordable else np.full(len(matrix), self.df)
            return replace(made, each=each, df=_least(each), degrees=degrees)
        parts = matrix**2 * np.diag(self.matrix)
        with np.errstate(divide="ignore", invalid="ignore"):
            each = parts.sum(axis=1) ** 2 / (parts**2 / self.each).sum(axis=1)
        joined = (matrix != 0.0).astype(np.float64)
        correlated = np.abs(self.matrix - np.diag(np.diag(self.matrix))) > 1e-12 * np.abs(self.matrix).max(initial=0.0)
        least = np.where(joined > 0, self.each, np.inf).min(axis=1)
        usable = np.isfinite(each) & ~(((joined @ correlated) * joined) > 0).any(axis=1)
        each = np.where(usable, each, least)
        return replace(made, each=each, df=float(each.min()))

    def denominator(self, restrictions: np.ndarray, df: float) -> tuple[float, float]:
        """Denominator degrees of freedom of the F test of restrictions (m, q), and its share of the Wald statistic over m.

        Where estimates have degrees of freedom of their own: those of the combination for one restriction, and Hotelling's
        T-squared with approximate degrees of freedom for several. Else `df` and one.

        Raises
        ------
        NotIdentifiedError
            If there are too few degrees of freedom for so many restrictions.
        DataError
            If they need the rows of a fit that was saved or made lean without them.
        """
        if self.each is None:
            return df, 1.0
        if len(restrictions) == 1:
            return self.combined(restrictions).df, 1.0
        if self.degrees is not None:
            return hotelling(self.degrees.carried(restrictions).joint(), len(restrictions))
        if isinstance(self.kind, dict) and "cluster" in self.kind:
            raise DataError(
                "the degrees of freedom of several restrictions with a covariance of type CR2 need the rows of the fit, which a "
                "saved or lean fit leaves out; test before saving, or fit again."
            )
        return df, 1.0

    @property
    def root(self) -> np.ndarray:
        """L, shape (q, r), with L L' the matrix: x'L is the root of the variance of x'b."""
        return matrix_root(self.matrix) if self.square_root is None else self.square_root


def delta_label(label: str) -> str:
    """The label for functions of estimates, which says the method once for functions of functions too."""
    said = ", delta method"
    return label if label.endswith(said) else label + said


def _least(each: np.ndarray) -> float:
    """The least degrees of freedom there are; NaN for none."""
    return float(each[~np.isnan(each)].min(initial=np.inf)) if not np.isnan(each).all() else np.nan

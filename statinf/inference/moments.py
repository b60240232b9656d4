"""What inference needs of an estimator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import NotIdentifiedError
from statinf.lazy import Lazy
from statinf.numerics.linear.factors import leverages, triangular_factor
from statinf.numerics.linear.products import row_products
from statinf.numerics.linear.triangular import solve_triangular


@dataclass(frozen=True, repr=False)
class Moments(Brief):
    """What inference needs of an estimator.

    Attributes
    ----------
    scores : ndarray, shape (n, q)
        Estimating function of each row at the estimate, row weight included; columns sum to zero.
    bread : ndarray, shape (q, q)
        Inverse of minus the Jacobian of the summed scores: the estimate's error is about
        `sum(scores) @ bread.T`.
    nobs : int
        Rows of positive weight.
    df_resid : float
        Degrees of freedom left; `nobs - q` for regressions.
    model : ndarray, shape (q, q), optional
        Covariance under the model's own assumptions ("iid").
    columns, working : ndarray, shape (n, q) and (n,), optional
        Regressors and (working) weights where scores are `columns * working * residual`; needed for
        the small-sample corrections HC2 and HC3.
    residual : ndarray, shape (n,), optional
        Score of each row in its linear predictor, before the row's weight.
    factor : ndarray, shape (q, q), optional
        Upper triangular, with inverse(factor' factor) = bread; keeps covariances and leverages accurate.
    adjustment : ndarray, shape (n, q), optional
        What estimated weights add to each row's score.
    outside : ndarray, shape (m, q), optional
        Scores of rows that are not in the fit but helped to estimate its weights.
    outside_rows : ndarray of int, shape (m,), optional
        Their row numbers in the same frame; absent for a second, independent sample.
    weight_leverage : ndarray, shape (n,), optional
        Share of each row in the equations that set its own estimated weight.
    weights_fixed : bool
        Whether weights were estimated but are treated as known, for want of theory; labels say so.
    present : ndarray of bool, shape (n,), optional
        Rows of positive weight; by default those with a score, if `nobs` says that some are absent.
    variance : ndarray, shape (n,), optional
        Of each row's residual under the model behind the weights, at any scale: what the correction CR2 takes it for. Equal
        ones by default.
    as_given : ndarray, shape (q, q), optional
        Takes scores to those of the columns as given, where they are those of others; automatic bandwidths read these.
    hats : callable, optional
        Makes the leverages of each row in each coefficient's equation, shape (n, q), where scores are those of several
        regressions.
    copies : ndarray, shape (n,), optional
        How many equal rows each row stands for, among its weights and in `nobs`; one by default.
    multiplier : ndarray, shape (n,), optional
        Where the scores are the columns times one number a row: that number, row weight included. Sums of scores are made from it
        block by block then.

    Notes
    -----
    `scores`, `working`, `residual`, `variance` and `multiplier` may be given as functions without arguments that make them; they
    are called when the field is first read.
    """

    if TYPE_CHECKING:
        scores: Any
    else:
        scores: Any = Lazy(required=True)
    bread: np.ndarray
    nobs: int
    df_resid: float
    model: np.ndarray | None = None
    columns: np.ndarray | None = None
    working: Any = Lazy()
    residual: Any = Lazy()
    factor: np.ndarray | None = None
    adjustment: np.ndarray | None = None
    outside: np.ndarray | None = None
    outside_rows: np.ndarray | None = None
    weight_leverage: np.ndarray | None = None
    weights_fixed: bool = False
    present: np.ndarray | None = None
    hats: Callable[[], np.ndarray] | None = None
    copies: np.ndarray | None = None
    variance: Any = Lazy()
    as_given: np.ndarray | None = None
    multiplier: Any = Lazy()

    def by_copy(self) -> Moments:
        """The same with one of its copies in each row's place, times the root of their number: for sums of squares of scores."""
        if self.copies is None:
            return self
        each = np.maximum(self.copies, np.finfo(float).tiny)
        return replace(
            self,
            scores=self.scores / np.sqrt(each)[:, None],
            multiplier=None if self.multiplier is None else self.multiplier / np.sqrt(each),
            working=None if self.working is None else self.working / each,
            factor=self.factor if self.columns is None else self.hat_factor,
            copies=None,
        )

    @property
    def q(self) -> int:
        return len(self.bread)

    @property
    def by_column(self) -> bool:
        """Whether all scores are the columns times `multiplier`."""
        return self.multiplier is not None and self.columns is not None and self.adjustment is None

    @property
    def total(self) -> np.ndarray:
        """Scores with the adjustment for estimated weights, shape (n, q)."""
        return self.scores if self.adjustment is None else self.scores + self.adjustment

    @cached_property
    def observed(self) -> np.ndarray | None:
        """Rows of positive weight, shape (n,) bool; None for all of them."""
        if self.present is not None:
            return None if self.present.all() else self.present
        if self.nobs >= len(self.scores):
            return None
        return np.asarray(self.total.any(axis=1) if self.working is None else self.working > 0)

    @property
    def correctable(self) -> bool:
        """Whether clustered HC2 and HC3 exist: a regression whose weights were not estimated."""
        return self.columns is not None and self.working is not None and self.adjustment is None

    @cached_property
    def split(self) -> tuple[np.ndarray, np.ndarray]:
        """The bread in two factors, (inside, outside) with bread.T = inside @ outside.T: R^-1 twice, or bread.T and 1."""
        if self.factor is None:
            return self.bread.T, np.eye(len(self.bread))
        inverse = solve_triangular(self.factor, np.eye(len(self.factor)))
        return inverse, inverse

    @cached_property
    def hat_factor(self) -> np.ndarray:
        """Triangular factor of the weighted regressors, shape (q, q)."""
        if self.columns is None or self.working is None:
            raise NotIdentifiedError("this estimator has no leverages, which HC2 and HC3 need; use HC0 or HC1.")
        return triangular_factor(self.columns, self.working) if self.factor is None else self.factor

    @cached_property
    def leverage(self) -> np.ndarray:
        """Diagonal of the weighted hat matrix, shape (n,); one column per coefficient of several regressions, (n, q)."""
        if self.hats is not None:
            return self.hats()
        factor = self.hat_factor
        assert self.columns is not None
        return leverages(self.columns, factor, self.working)

    @property
    def influence(self) -> np.ndarray:
        """Influence of each row on the estimate, shape (n, q): the estimate's error is about their sum."""
        if self.copies is not None:
            raise NotIdentifiedError(
                "a row that stands for several equal ones (weights_kind='frequency') has no influence of its own, which bootstraps "
                "and joint covariances need: repeat the rows instead of weighting them."
            )
        inside, outside = self.split
        after = None if self.factor is None else outside.T
        if self.by_column and self.columns is not None:
            return row_products(self.columns, inside, self.multiplier, after)
        return row_products(self.total, inside, after=after)

    def influence_along(self, direction: np.ndarray) -> np.ndarray:
        """Influence of each row on one combination (q,) of the estimates, shape (n,)."""
        if self.copies is not None or not self.by_column or self.columns is None:
            return row_products(self.influence, direction)
        inside, outside = self.split
        along = outside.T @ direction if self.factor is not None else direction
        return row_products(self.columns, inside @ along, self.multiplier)

    @property
    def outside_influence(self) -> np.ndarray | None:
        """Influence of the rows that only helped to estimate the weights, shape (m, q)."""
        if self.outside is None:
            return None
        inside, outside = self.split
        return row_products(self.outside, inside, after=outside.T)

    def combined(self, matrix: np.ndarray) -> Moments:
        """Moments of linear combinations (m, q) of the estimates: influence values as scores, with the identity as bread."""
        outside = self.outside_influence
        return Moments(
            self.influence @ matrix.T,
            np.eye(len(matrix)),
            self.nobs,
            self.df_resid,
            outside=None if outside is None else outside @ matrix.T,
            outside_rows=self.outside_rows,
            present=self.present,
        )


def averaged(several: Sequence[Moments]) -> Moments:
    """Moments of the mean of estimates from the same rows, such as those of several splits."""
    first = several[0]
    if len(several) == 1:
        return first
    beside = [m.outside_influence for m in several if m.outside_influence is not None]
    outside = np.mean(beside, axis=0) if beside else None
    influence = np.mean([m.influence for m in several], axis=0)
    return Moments(
        influence, np.eye(influence.shape[1]), first.nobs, first.df_resid,
        outside=outside, outside_rows=first.outside_rows, present=first.present,
    )  # fmt: skip


def small_sample(nobs: float, df: float) -> float:
    """The factor of HC1, n / (n - k)."""
    need_degrees(df, "HC1")
    return nobs / df


def need_degrees(df: float, kind: str) -> None:
    """Refuse a covariance where rows are as many as coefficients: residuals are all zero there, and so would be its errors."""
    if df <= 0:
        raise NotIdentifiedError(f"there are no degrees of freedom left for {kind}; use fewer coefficients.")

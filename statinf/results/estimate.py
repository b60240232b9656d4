"""`Estimate`: what a method hands to its fit, with shapes checked at birth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.formula.recipe import Recipe
from statinf.inference.covariance import Covariance
from statinf.inference.moments import Moments


@dataclass(frozen=True, kw_only=True, repr=False)
class Estimate(Brief):
    """Coefficients and what inference needs of them.

    Attributes
    ----------
    terms : tuple of str
        Coefficient names.
    theta : ndarray, shape (q,)
        Estimates; NaN for aliased coefficients.
    moments : Moments, callable or None
        Scores and bread of the coefficients that are not aliased, or a function of no argument that makes them; made
        when they are needed, so that a fit does not hold n times q numbers that nobody asks for. None where no rows are
        kept; then `covary` makes the covariances.
    nobs : int
        Rows of positive weight; those of `moments` by default.
    df_resid : float
        Residual degrees of freedom; those of `moments` by default.
    facts : mapping of str to object
        What the summary prints above the coefficients.
    extra : mapping of str to object
        The further fields of the family's kind of fit.
    covary : callable, optional
        From a covariance in normal form (`VcovSpec.asked`) to a `Covariance`, for estimators whose covariance is not the
        sandwich of `moments`.
    redraw : callable, optional
        Makes bootstrap draws where no rows are kept: from the coefficients that are not aliased, and by name `replicas`,
        `kind`, `law`, `seed`, `cluster`, `combine` (a matrix that the errors are multiplied by) and `show`, to a `Bootstrap`.

    Raises
    ------
    ValueError
        If shapes do not belong together: a fault of the method, not of its caller.
    """

    terms: tuple[str, ...]
    theta: np.ndarray
    moments: Moments | Callable[[], Moments] | None
    nobs: int = -1
    df_resid: float = np.nan
    facts: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    covary: Callable[[Any], Covariance] | None = None
    redraw: Callable[..., Any] | None = None

    def __post_init__(self) -> None:
        if self.theta.shape != (len(self.terms),):
            raise ValueError(f"theta has shape {self.theta.shape} for {len(self.terms)} terms")
        if len(set(self.terms)) != len(self.terms):
            raise ValueError(f"terms are not distinct: {self.terms}")
        if isinstance(self.moments, Moments):
            kept = int(np.count_nonzero(~np.isnan(self.theta)))
            if self.moments.bread.shape[0] != kept:
                raise ValueError(f"moments of {self.moments.bread.shape[0]} coefficients for {kept} estimates")
            if self.nobs < 0:
                object.__setattr__(self, "nobs", self.moments.nobs)
            if np.isnan(self.df_resid):
                object.__setattr__(self, "df_resid", float(self.moments.df_resid))
        elif self.nobs < 0 or np.isnan(self.df_resid):
            raise ValueError("moments that are made later need nobs and df_resid now")
        if self.moments is None and self.covary is None:
            raise ValueError("an estimate without moments needs covary")

    @property
    def source(self) -> Any:
        """A function of no argument that gives the moments; None where there are none."""
        made = self.moments
        return (lambda: made) if isinstance(made, Moments) else made


@dataclass(frozen=True, kw_only=True)
class Passage:
    """What is known of rows that a fit does not keep, such as those of a stream; takes the place of their `Design`.

    Attributes
    ----------
    recipe : Recipe
    kind : str
        The caller's kind of data frame.
    dropped : mapping of str to int
        Rows left out, by cause.
    weighted : tuple of str
        What weights the rows have: the method of estimated ones and what it was asked for, "given", or nothing.
    """

    recipe: Recipe
    kind: str
    dropped: Mapping[str, int]
    weighted: tuple[str, ...] = ()

"""Linear models with instruments: from columns to an estimate, for every member of the k-class and for GMM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.effects.estimate import cluster_codes
from statinf.effects.instruments import System, check_identified, k_class, structural_rss, system
from statinf.effects.iv_columns import IVColumns, Units, columns_of
from statinf.effects.iv_problem import IVProblem
from statinf.effects.iv_rows import IVRows, rows_of
from statinf.errors import AliasedWarning, DataError, issue_warning
from statinf.formula.design import Design
from statinf.inference.covariance import Covariance
from statinf.inference.lone import warn_lone
from statinf.inference.moments import Moments
from statinf.inference.sandwich import covariance
from statinf.numerics.linear.products import row_products
from statinf.numerics.linear.triangular import solve_triangular
from statinf.results import Estimate, stack_scores


@dataclass(frozen=True, repr=False)
class LinearIV(Brief):
    """A solved linear model, in centred and scaled columns.

    Attributes
    ----------
    system : System
        Small blocks that hold all classical statistics.
    kept : ndarray of bool, shape (a + b,)
        Covariates and instruments that are not aliased.
    units : Units
        What carries coefficients to the columns as given.
    indicator : tuple of float
        Values of the treatment's column that became 0 and 1.
    coef : ndarray, shape (k,)
        Endogenous columns first.
    bread : ndarray, shape (k, k)
    kappa : float
        Member of the k-class; NaN for GMM.
    combine : ndarray, shape (l, k) or (0, 0)
        Of GMM: which combination of moments identifies each coefficient.
    """

    system: System
    kept: np.ndarray
    units: Units
    indicator: tuple[float, float]
    coef: np.ndarray
    bread: np.ndarray
    kappa: float
    combine: np.ndarray

    @property
    def beta(self) -> np.ndarray:
        """Coefficients of the endogenous columns, shape (c,)."""
        return self.coef[: self.system.c]

    @property
    def sigma(self) -> float:
        """Residual standard deviation of the scaled outcome, with n - k degrees of freedom."""
        return float(np.sqrt(structural_rss(self.system, self.beta) / self.system.df_resid))

    def rows(self, made: Design, columns: IVColumns | None = None) -> IVRows:
        """The columns behind the solution, which are made where they are not given."""
        columns = columns_of(made, self.indicator) if columns is None else columns
        return rows_of(made, columns, self.system, self.kept)

    def residual(self, rows: IVRows) -> np.ndarray:
        """Scaled outcome less x'b, with the treatment as recorded, shape (n,)."""
        c = self.system.c
        if rows.together is not None:
            b = rows.instruments.shape[1]
            return row_products(rows.together, np.concatenate([-self.coef[c:], np.zeros(b), -self.coef[:c], [1.0]]))
        out = rows.y - row_products(rows.exogenous, self.coef[c:])
        out -= row_products(rows.endogenous, self.coef[:c])
        return out

    def scaled_moments(self, made: Design, rows: IVRows | None = None, residual: np.ndarray | None = None) -> Moments:
        """Scores of the centred and scaled columns, which are made where they are not given, and so are residuals."""
        rows = self.rows(made) if rows is None else rows
        e = self.residual(rows) if residual is None else residual
        gmm = bool(self.combine.size)
        columns = row_products(rows.basis, self.combine) if gmm else rows.second_stage
        stacked = {}
        if made.weights_object is not None:
            stacked = stack_scores(made.weights_object, made.rows, columns * e[:, None])
        model = None if gmm else self.bread * self.sigma**2
        # Hat values exist where the second stage is a least-squares fit.
        shape = {"columns": columns, "working": made.weights} if self.kappa == 1.0 else {}
        shape["as_given"] = np.linalg.inv(self.units.carry)
        multiplier = made.weights * e
        shape |= {"multiplier": multiplier} if "columns" in shape else {}
        df = float(self.system.df_resid)
        return Moments(
            lambda: columns * multiplier[:, None], self.bread, self.system.nobs, df, model, **shape, **stacked
        )

    def moments(self, made: Design) -> Moments:
        """Influence values of the coefficients of the columns as given."""
        own = self.scaled_moments(made)
        bread = self.units.carry @ own.bread
        return Moments(
            row_products(own.total, bread.T),
            np.eye(own.q),
            own.nobs,
            own.df_resid,
            outside=None if own.outside is None else row_products(own.outside, bread.T),
            outside_rows=own.outside_rows,
            weights_fixed=own.weights_fixed,
        )

    def warn_alone(
        self, made: Design, rows: IVRows, kind: Any, names: Sequence[str], residual: np.ndarray | None = None
    ) -> None:
        """Warn of coefficients, named in order, that one row, or one cluster, determines alone."""
        columns = rows.second_stage
        warn_lone(
            kind,
            columns,
            made.weights,
            self.residual(rows) if residual is None else residual,
            lambda: solve_triangular(self.system.second_stage_factor, np.eye(columns.shape[1])),
            names,
            numbers=made.rows,
            codes=made.cluster_codes,
        )

    def covariance(
        self, made: Design, kind: Any, rows: IVRows | None = None, residual: np.ndarray | None = None
    ) -> Covariance:
        """Covariance of the coefficients of the columns as given."""
        found = covariance(self.scaled_moments(made, rows, residual), kind, cluster_codes(made, kind))
        return found.combined(self.units.carry)


def reduced(problem: IVProblem) -> tuple[System, np.ndarray]:
    """The small blocks of a model and which columns they keep.

    Raises
    ------
    DataError, NotIdentifiedError
        If the columns cannot identify the coefficients.
    """
    made, columns, names = problem.design, problem.columns, problem.names
    covariates, instruments = problem.part("covariates"), problem.part("instruments")
    if not names:
        raise DataError("the formula has no treatment before the first '|'.")
    both = sorted(set(problem.part("treatment").names) & set(instruments.names))
    if both:
        raise DataError(
            f"{', '.join(map(repr, both))} is both a treatment and an instrument; an endogenous column cannot be its "
            "own instrument."
        )
    # Centred, an outcome that does not vary is zero.
    centred = columns.units.constant >= 0
    if not columns.y.any() if centred else np.ptp(columns.y[made.weights > 0]) == 0.0:
        raise DataError(
            f"the outcome '{made.response_names[0]}' is constant on the rows used; there is nothing to explain."
        )
    plain = bool((made.weights == 1.0).all())
    small, kept = system(
        columns.exogenous,
        columns.instruments,
        columns.endogenous,
        columns.y,
        None if plain else made.weights,
        together=columns.together,
        absorbed=problem.absorbed,
        tolerance=problem.tolerance,
    )
    warn_determined(
        (*covariates.names, *instruments.names), kept, ", or the absorbed effects," if problem.absorbed else ""
    )
    check_small(small, names)
    return small, kept


def warn_determined(names: Sequence[str], kept: np.ndarray, effects: str = "") -> None:
    """Warn of covariates and instruments (a + b) that others, or `effects`, determine."""
    if not kept.all():
        gone = ", ".join(f"'{n}'" for n, k in zip(names, kept, strict=True) if not k)
        issue_warning(
            f"dropped because other covariates or instruments{effects} determine them: {gone}.", AliasedWarning
        )


def check_small(small: System, names: tuple[str, ...]) -> None:
    """Refuse models whose endogenous columns, named in order, are not identified, or that have too few rows."""
    check_identified(small, names)
    if small.df_resid <= 0 or small.df_first <= 0:
        raise DataError(
            f"{small.nobs} rows cannot determine {small.a + max(small.b, small.c)} coefficients; use fewer terms."
        )


def k_class_estimate(problem: IVProblem, kappa: float, blocks: tuple[System, np.ndarray], heading: str) -> Estimate:
    """The estimate of one member of the k-class."""
    beta, gamma, bread = k_class(blocks[0], kappa)
    return linear_estimate(problem, blocks, np.concatenate([beta, gamma]), bread, kappa=kappa, heading=heading)


def linear_estimate(
    problem: IVProblem,
    blocks: tuple[System, np.ndarray],
    coef: np.ndarray,
    bread: np.ndarray,
    *,
    heading: str,
    kappa: float = np.nan,
    combine: np.ndarray | None = None,
    j: float = np.nan,
    facts: Mapping[str, Any] | None = None,
) -> Estimate:
    """What a linear method hands to its fit.

    Parameters
    ----------
    problem : IVProblem
    blocks : tuple of (System, ndarray of bool)
        From `reduced`.
    coef : ndarray, shape (k,)
        Of centred and scaled columns, endogenous ones first.
    bread : ndarray, shape (k, k)
    heading : str
        Title of the summary.
    kappa, combine
        See `LinearIV`.
    j : float
        Hansen's criterion at the estimate; NaN where it is not what the method minimises.
    facts : mapping of str to object, optional
    """
    small, kept = blocks
    covariates, instruments = problem.part("covariates"), problem.part("instruments")
    a = len(covariates.names)
    estimable = np.append(np.ones(small.c, bool), kept[:a])
    units = problem.columns.units.only(estimable)
    theta = np.full(len(estimable), np.nan)
    theta[estimable] = units.raw(coef)
    empty = np.empty((0, 0))
    solution = LinearIV(
        small, kept, units, problem.indicator, coef, bread, float(kappa), empty if combine is None else combine
    )
    used = tuple(n for n, k in zip(instruments.names, kept[a:], strict=True) if k)
    told = {} if problem.arms is None else problem.arms.facts
    return Estimate(
        terms=(*problem.names, *covariates.names),
        theta=theta,
        moments=partial(solution.moments, problem.design),
        nobs=small.nobs,
        df_resid=float(small.df_resid),
        facts={**told, "Instruments": ", ".join(used), **(facts or {})},
        extra={
            "heading": heading,
            "solution": solution,
            "columns": problem.columns,
            "endogenous": problem.names,
            "instruments": used,
            "j": float(j),
        },
        covary=partial(solution.covariance, problem.design),
    )

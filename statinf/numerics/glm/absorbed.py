"""Maximum likelihood of generalised linear models with absorbed effects, by Fisher scoring.

Every step regresses the working residual on the columns, both projected off the effects under the working weights (Guimaraes
and Portugal 2010; Correia, Guimaraes and Zylkin 2020; Berge 2018). Columns keep their last projection, so that the next one
starts where the weights have moved, and projections are as accurate as the step deserves.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from statinf.errors import ConvergenceError
from statinf.numerics.absorb.demean import Demeaner, effect_sums
from statinf.numerics.absorb.factors import Factors
from statinf.numerics.glm.families import Family
from statinf.numerics.glm.likelihood import least_deviance
from statinf.numerics.linear.least_squares import LeastSquaresSolution, solve

_LOOSE = 1e-4
"""Accuracy of projections while steps are long."""
_HALVINGS = 30


@dataclass(frozen=True, eq=False)
class AbsorbedGlm:
    """A maximum likelihood estimate beside absorbed effects.

    Attributes
    ----------
    coef : ndarray, shape (p,)
        NaN for columns that effects or other columns determine.
    solution : LeastSquaresSolution
        Of the last regression: kept columns, the information's factor, aliases.
    effects : tuple of ndarray, shape (levels,)
        By factor.
    shifts : tuple of ndarray, shape (levels, p)
        Effects in the columns under the last working weights.
    spanned : ndarray of bool, shape (p,)
        Columns that the effects determine.
    eta : ndarray, shape (n,)
        Linear predictor, offset included.
    deviance : float
    iterations : int
    """

    coef: np.ndarray
    solution: LeastSquaresSolution
    effects: tuple[np.ndarray, ...]
    shifts: tuple[np.ndarray, ...]
    spanned: np.ndarray
    eta: np.ndarray
    deviance: float
    iterations: int


@dataclass
class _ScoringState:
    """Where the iteration stands: projected columns, the effects taken out of them, predictor and its parts."""

    x: np.ndarray
    shifts: list[np.ndarray]
    effects: list[np.ndarray]
    beta: np.ndarray
    eta: np.ndarray
    deviance: float
    spanned: np.ndarray | None = None


def fit_absorbed(
    columns: np.ndarray,
    y: np.ndarray,
    family: Family,
    factors: Factors,
    *,
    weights: np.ndarray,
    offset: np.ndarray | None = None,
    tolerance: float = 1e-10,
    max_iterations: int = 100,
    absorb_tol: float = 1e-8,
    absorb_max_iter: int = 10_000,
    alias_tolerance: float = 1e-7,
) -> AbsorbedGlm:
    """Maximise the likelihood of columns (n, p) and the effects of factors.

    Parameters
    ----------
    columns : ndarray, shape (n, p)
    y, weights : ndarray, shape (n,)
    family : Family
    factors : Factors
    offset : ndarray, shape (n,), optional
    tolerance : float
        As `fit_glm` takes it: length of the last step in the information's norm, over the root of the deviance.
    max_iterations : int
    absorb_tol, absorb_max_iter, alias_tolerance
        Of the projections, and of least squares on what they leave.

    Raises
    ------
    ConvergenceError
        If scoring or a projection does not converge.
    """
    problem = _AbsorbedLikelihood(columns, y, weights, offset, family, factors, absorb_max_iter, alias_tolerance)
    state, accuracy = problem.begin(), _LOOSE
    enough = max(tolerance, 1e-2 * np.sqrt(tolerance)) if family.canonical else tolerance
    size, iteration = np.inf, 0
    while iteration < max_iterations:
        iteration += 1
        accuracy = max(accuracy, absorb_tol)
        decrement = problem.step(state, accuracy, first=iteration == 1)
        size = np.sqrt(decrement / (abs(state.deviance) + problem.floor))
        if size <= enough and accuracy <= absorb_tol * 1.01:
            break
        # A step of Newton's squares what is left; projections follow it down.
        accuracy = max(absorb_tol, min(accuracy, 1e-2 * size**2))
    else:
        raise ConvergenceError(
            f"Fisher scoring did not converge in {max_iterations} iterations (last step {size:.2e} of the root of the deviance); "
            "rescale the covariates, drop nearly aliased ones, or raise max_iter."
        )
    solution = problem.regress(state, absorb_tol).solution
    coef = np.where(solution.kept, state.beta, np.nan)
    assert state.spanned is not None
    return AbsorbedGlm(
        coef,
        solution,
        tuple(state.effects),
        tuple(state.shifts),
        state.spanned,
        state.eta,
        problem.deviance(state.eta),
        iteration,
    )


@dataclass(frozen=True, eq=False)
class _WorkingRegression:
    """Least squares of a working residual (n,): its projection off the effects, the working weights, the effects taken out."""

    solution: LeastSquaresSolution
    residual: np.ndarray
    projected: np.ndarray
    working: np.ndarray
    taken: list[np.ndarray]


@dataclass(frozen=True, eq=False)
class _AbsorbedLikelihood:
    columns: np.ndarray
    y: np.ndarray
    w: np.ndarray
    offset: np.ndarray | None
    family: Family
    factors: Factors
    max_iter: int
    alias: float

    def begin(self) -> _ScoringState:
        """Means inside the family's range, and columns as they stand."""
        eta = self.family.link.link(self.family.start(self.y, self.w))
        p = self.columns.shape[1]
        shifts = [np.zeros((size, p)) for size in self.factors.sizes]
        effects = [np.zeros(size) for size in self.factors.sizes]
        return _ScoringState(
            np.array(self.columns, order="F"), shifts, effects, np.zeros(p), np.asarray(eta, float), self.deviance(eta)
        )

    @cached_property
    def floor(self) -> float:
        return least_deviance(self.family, self.y, self.w)

    def deviance(self, eta: np.ndarray) -> float:
        with np.errstate(all="ignore"):
            return float(self.w @ self.family.unit_deviance(self.y, self.family.link.inverse(eta)))

    def regress(self, state: _ScoringState, accuracy: float, base: np.ndarray | None = None) -> _WorkingRegression:
        """Least squares of the working residual, which `base` is added to, on columns whose projection it brings up to date."""
        with np.errstate(all="ignore"):
            slope, information, _ = self.family.terms(state.eta, self.y)
        working = self.w * information
        residual = np.divide(slope, information, out=np.zeros_like(slope), where=information > 0)
        if base is not None:
            residual = residual + base
        demeaner = Demeaner(self.factors, working, tol=accuracy, max_iter=self.max_iter)
        moved = demeaner(state.x, overwrite=True)
        state.x = moved.columns
        for shift, change in zip(state.shifts, moved.effects, strict=True):
            shift += change
        if state.spanned is None:
            state.spanned = moved.spanned
        state.x[:, state.spanned] = 0.0
        out = demeaner(residual[:, None].copy(order="F"), overwrite=True)
        # Means of one factor's levels are taken off exactly, at any accuracy asked for.
        alias = self.alias if len(self.factors.sizes) == 1 else max(self.alias, 10.0 * accuracy)
        solution = solve(state.x, out.columns[:, 0], working, tolerance=alias)
        return _WorkingRegression(solution, residual, out.columns[:, 0], working, [e[:, 0] for e in out.effects])

    def step(self, state: _ScoringState, accuracy: float, *, first: bool) -> float:
        """One step of scoring, halved until the deviance does not rise; its squared length in the information's norm."""
        base = None
        if first:
            base = state.eta if self.offset is None else state.eta - self.offset
        found = self.regress(state, accuracy, base)
        delta = np.where(found.solution.kept, found.solution.coef, 0.0)
        # Projection of the working residual on columns and effects.
        move = found.residual - found.projected + state.x @ delta
        origin = state.eta
        if first:
            origin = np.zeros_like(move) if self.offset is None else self.offset
        share, slack = 1.0, 1e-9 * (abs(state.deviance) + self.floor)
        for _ in range(_HALVINGS):
            eta = origin + share * move
            deviance = self.deviance(eta)
            if np.isfinite(deviance) and (first or deviance <= state.deviance + slack):
                break
            share /= 2.0
        else:
            raise ConvergenceError(
                "Fisher scoring finds no step that lowers the deviance; rescale the covariates or leave some out."
            )
        state.beta += share * delta
        for q, effect in enumerate(state.effects):
            effect += share * (found.taken[q] - state.shifts[q] @ delta)
        state.eta, state.deviance = eta, deviance
        return float(found.working @ move**2) if not first else np.inf


def separated_rows(
    columns: np.ndarray,
    y: np.ndarray,
    factors: Factors,
    weights: np.ndarray,
    upper: float = np.inf,
    *,
    tolerance: float = 1e-3,
    max_iterations: int = 200,
) -> tuple[np.ndarray, np.ndarray] | None:
    """Rows of counts or shares that a direction of columns and effects separates, by iterated rectification.

    A direction z of the linear predictor that is zero where y > 0 and never negative elsewhere lowers the means where it is
    positive to zero at no cost (Correia, Guimaraes and Zylkin 2019, arXiv 1903.01633): zeros are regressed on themselves,
    with a large weight on the rows that must not move, and negative fits are set to zero. At the `upper` end of the outcomes, one
    of shares, z is never positive, likewise.

    Returns
    -------
    rows : ndarray of bool, shape (n,)
        Where z is not zero.
    direction : ndarray, shape (p,)
        Its coefficients of the columns.

    None if there is no such direction.
    """
    side = np.where(y == 0, 1.0, np.where(y == upper, -1.0, 0.0))
    ends = side != 0
    if not ends.any() or (side == side[0]).all():
        return None
    # What heavy rows let light ones move is of the order of one over their weight, far below the tolerance.
    heavy = np.where(ends, 1.0, tolerance**-2) * (weights > 0)
    demeaner = Demeaner(factors, heavy, tol=1e-10)
    made = demeaner(columns)
    target = side
    for _ in range(max_iterations):
        out = demeaner(target[:, None].copy(order="F"))
        solution = solve(made.columns, out.columns[:, 0], heavy, tolerance=1e-7)
        delta = np.where(solution.kept, solution.coef, 0.0)
        fitted = effect_sums(factors, [e[:, 0] - s @ delta for e, s in zip(out.effects, made.effects, strict=True)])
        fitted += columns @ delta
        fitted[np.abs(fitted) < tolerance] = 0.0
        moved = side * fitted
        if not moved[ends].any():
            return None
        if (moved[ends] >= 0.0).all():
            return moved > tolerance, delta
        target = side * np.maximum(moved, 0.0)
    return None

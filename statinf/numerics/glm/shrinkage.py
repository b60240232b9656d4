"""Generalised linear models with a penalty on the size of coefficients: ridge, lasso, and between (Zou and Hastie 2005).

Minimised is ``sum(w * deviance) / (2 sum(w)) + strength * (share * |b|_1 + (1 - share) / 2 * |b|_2^2)`` over coefficients b of
columns scaled to unit standard deviation; columns that are free are not penalised. This is the scale of glmnet (Friedman, Hastie
and Tibshirani 2010).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.errors import ConvergenceError
from statinf.numerics.glm.families import Family
from statinf.numerics.glm.likelihood import LikelihoodSums

_SWEEPS = 10_000
_STEPS = 200


@dataclass(frozen=True)
class ShrinkageProblem:
    """Scaled columns and what is known of them.

    Attributes
    ----------
    sums : LikelihoodSums
        Of the scaled columns, with weights that sum to one.
    free : ndarray of bool, shape (k,)
        Columns without a penalty.
    centre, scale : ndarray, shape (k,)
        What the columns were centred by and divided by.
    """

    sums: LikelihoodSums
    free: np.ndarray
    centre: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(
        cls,
        columns: np.ndarray,
        y: np.ndarray,
        weights: np.ndarray,
        offset: np.ndarray | None,
        family: Family,
        free: np.ndarray,
    ) -> ShrinkageProblem:
        """Columns (n, k), those of `free` (k,) as they stand; centred where one of these is constant."""
        w = weights / weights.sum()
        mean = w @ columns
        spread = np.sqrt(w @ (columns - mean) ** 2)
        scale = np.where(free, 1.0, np.where(spread > 0, spread, 1.0))
        centre = np.where(free | (not free.any()), 0.0, mean)
        scaled = np.asfortranarray((columns - centre) / scale)
        return cls(LikelihoodSums(scaled, y, w, offset, family), free, centre, scale)

    def raw(self, coef: np.ndarray) -> np.ndarray:
        """Coefficients (k,) of the columns as they stand."""
        made = coef / self.scale
        if self.free.any():
            made[int(np.argmax(self.free))] -= self.centre @ made
        return made

    def null(self) -> np.ndarray:
        """Scaled coefficients of the fit in which all penalised ones are zero, shape (k,)."""
        start = self.sums.family.start(self.sums.y, np.ones(len(self.sums.y)))
        coef = np.zeros(len(self.free))
        if not self.free.any():
            return coef
        coef[np.argmax(self.free)] = float(self.sums.family.link.link(np.average(start, weights=self.sums.w)))
        only = LikelihoodSums(self.sums.x[:, self.free], self.sums.y, self.sums.w, self.sums.offset, self.sums.family)
        inner = ShrinkageProblem(
            only, np.ones(int(self.free.sum()), bool), self.centre[self.free], self.scale[self.free]
        )
        coef[self.free] = shrink(inner, 0.0, 1.0, coef[self.free])
        return coef

    def largest(self, share: float) -> float:
        """The least strength at which all penalised coefficients are zero; with little or no lasso that of a share of 0.001."""
        score = self.sums.evaluate(self.null())[1][~self.free]
        return float(np.abs(score).max(initial=0.0)) / max(share, 1e-3)


def shrink(
    problem: ShrinkageProblem,
    strength: float,
    share: float,
    coef: np.ndarray,
    *,
    tolerance: float = 1e-10,
    max_iterations: int = _STEPS,
) -> np.ndarray:
    """Scaled coefficients (k,) that minimise the penalised deviance, from `coef`.

    Raises
    ------
    ConvergenceError
        If scoring steps do not shrink within `max_iterations`.
    """
    one = np.where(problem.free, 0.0, strength * share)
    two = np.where(problem.free, 0.0, strength * (1.0 - share))

    def size(b: np.ndarray, deviance: float) -> float:
        return 0.5 * deviance + float(one @ np.abs(b)) + 0.5 * float(two @ b**2)

    gram, score, deviance = problem.sums.evaluate(coef)
    value = size(coef, deviance)
    for _ in range(max_iterations):
        target = quadratic_lasso(gram + np.diag(two), score + gram @ coef, one, coef)
        step = target - coef
        small = float(np.sqrt(max(step @ gram @ step, 0.0))) <= tolerance * np.sqrt(abs(deviance) + 0.1)
        for _ in range(30):
            with np.errstate(all="ignore"):
                made = problem.sums.evaluate(coef + step)
                new = size(coef + step, made[2])
            if np.isfinite(new) and np.isfinite(made[0]).all() and new <= value + 1e-12 * (abs(value) + 0.1):
                break
            step = step / 2.0
        else:
            if small:
                return coef
            break
        # A full step keeps the zeros of the quadratic problem exact.
        coef = coef + step
        (gram, score, deviance), value = made, new
        if small:
            return np.where(target == 0.0, 0.0, coef)
    raise ConvergenceError(
        f"the penalised deviance did not settle in {max_iterations} scoring steps; raise strength= or max_iter."
    )


def quadratic_lasso(gram: np.ndarray, linear: np.ndarray, one: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The minimiser of ``b'Gb / 2 - linear'b + one'|b|``, shape (k,).

    Sweeps over coordinates find which coefficients are zero and the signs of the others; the rest is a linear system, which is
    solved as soon as its solution has these signs.
    """
    b = start.copy()
    diagonal = np.maximum(np.diag(gram), 1e-300)
    slack = 1e-12 * (np.abs(linear).max(initial=0.0) + one.max(initial=0.0) + 1e-300)
    for _ in range(_SWEEPS):
        exact = _with_signs(gram, linear, one, b, slack)
        if exact is not None:
            return exact
        gradient = linear - gram @ b
        # Columns that others determine leave no one solution to jump to; the sweeps end at one.
        off = np.where(b != 0.0, np.abs(gradient - np.sign(b) * one), np.maximum(np.abs(gradient) - one, 0.0))
        if off.max(initial=0.0) <= slack:
            return b
        for j in range(len(b)):
            pull = gradient[j] + diagonal[j] * b[j]
            excess = abs(pull) - one[j]
            # At a tie with a column that is already in, rounding must not bring in its copy.
            new = np.sign(pull) * excess / diagonal[j] if excess > (slack if b[j] == 0.0 else 0.0) else 0.0
            if new != b[j]:
                gradient -= gram[:, j] * (new - b[j])
                b[j] = new
    raise ConvergenceError("the lasso's quadratic problem did not settle; drop columns that others determine.")


def _with_signs(
    gram: np.ndarray, linear: np.ndarray, one: np.ndarray, b: np.ndarray, slack: float
) -> np.ndarray | None:
    """The minimiser if its zeros and signs are those of b, else None."""
    active = (b != 0.0) | (one == 0.0)
    signs = np.sign(b[active])
    inner = gram[np.ix_(active, active)]
    try:
        found = np.linalg.solve(inner, linear[active] - one[active] * signs)
    except np.linalg.LinAlgError:
        return None
    if ((found * signs < 0) & (one[active] > 0)).any():
        return None
    left = linear[~active] - gram[np.ix_(~active, active)] @ found
    if (np.abs(left) > one[~active] + slack).any():
        return None
    out = np.zeros(len(b))
    out[active] = found
    return out


def shrinkage_path(problem: ShrinkageProblem, strengths: np.ndarray, share: float) -> np.ndarray:
    """Scaled coefficients at each strength, from the largest down, shape (m, k)."""
    coef = problem.null()
    out = np.empty((len(strengths), len(coef)))
    for place in np.argsort(strengths)[::-1]:
        coef = shrink(problem, float(strengths[place]), share, coef, tolerance=1e-8)
        out[place] = coef
    return out

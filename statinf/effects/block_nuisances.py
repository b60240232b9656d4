"""Nuisances of effects on a table in blocks: least squares and ridge from sums by fold and arm, logits by Newton's method.

PassSums over all rows less those of a fold are sums over its complement, so that every fold's fit comes from one pass; the logits
of all folds share their passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.effects.block_rows import BlockFolds, EffectPasses, EffectReader
from statinf.effects.block_trees import BlockTrees, fit_trees
from statinf.errors import ConvergenceError, DataError, OptionError
from statinf.formula.design import Design
from statinf.learners.binned_trees import BinnedTrees
from statinf.learners.cells import solve_grams
from statinf.learners.linear import LeastSquares, Ridge
from statinf.learners.logit import Logit
from statinf.numerics.glm.families import sigmoid
from statinf.passes.newton import PassSums, minimise_passes

_TOLERANCE, _MOST, _LIMIT = 1e-11, 60, 1e3


@dataclass(frozen=True)
class BlockNuisance:
    """A nuisance.

    Attributes
    ----------
    name : str
    target : str
        "y" or "d".
    learner : LeastSquares, Ridge, Logit or BinnedTrees
    arm : int or None
        The arm that it is learnt on; None for all rows.
    """

    name: str
    target: str
    learner: Any
    arm: int | None = None

    def check(self) -> None:
        """Refuse learners that need the rows together."""
        if not isinstance(self.learner, LeastSquares | Ridge | Logit | BinnedTrees):
            raise OptionError(
                f"the learner of {self.name} ({type(self.learner).__name__}) needs its rows in memory; on data that are read in "
                "blocks nuisances are learnt by 'lm', 'ridge', 'logit' or 'binned_trees'."
            )


@dataclass(frozen=True)
class FoldArmSums:
    """PassSums by fold and arm.

    Attributes
    ----------
    gram : ndarray, shape (folds, 2, p + 3, p + 3)
        Weighted products of a constant, the covariates, the outcome and the treatment, all but the first about `near`.
    near : ndarray, shape (p + 2,)
    rows : ndarray of int, shape (folds, 2)
        Rows of positive weight.
    centre, scale : ndarray, shape (p,)
        Means and standard deviations of the covariates.
    """

    gram: np.ndarray
    near: np.ndarray
    rows: np.ndarray
    centre: np.ndarray
    scale: np.ndarray

    @property
    def mass(self) -> np.ndarray:
        """Weights by fold and arm."""
        return self.gram[:, :, 0, 0]

    @property
    def unit(self) -> float:
        """The mean weight of the rows that have some: a learner's penalty counts rows, and weights may have any unit."""
        return float(self.mass.sum() / self.rows.sum())

    def standardised(self) -> np.ndarray:
        """The sums with the covariates standardised and outcome and treatment as they are, in the same shape."""
        q = self.gram.shape[-1]
        p = q - 3
        turn = np.eye(q)
        turn[1 : p + 1, 0] = (self.near[:p] - self.centre) / self.scale
        turn[1 : p + 1, 1 : p + 1] = np.diag(1.0 / self.scale)
        turn[p + 1 :, 0] = self.near[p:]
        return turn @ self.gram @ turn.T


def cell_sums(problem: EffectPasses, folds: BlockFolds) -> FoldArmSums:
    """The sums, in one pass."""
    made = problem.made
    block = made.head()
    assert block is not None
    rows = problem.read(block)
    near = np.r_[rows.x.mean(axis=0), rows.y.mean() if len(rows.y) else 0.0, 0.0]
    gram, count = made.total(partial(_cells, problem.read, folds, near, problem.binary), "sums by fold")
    total = gram.sum(axis=(0, 1))
    p, mass = len(near) - 2, total[0, 0]
    shift = total[0, 1 : p + 1] / mass
    spread = np.sqrt(np.maximum(np.diag(total)[1 : p + 1] / mass - shift**2, 0.0))
    centre = near[:p] + shift
    scale = np.where(spread > 1e-14 * np.maximum(np.abs(centre), 1e-290), spread, 1.0)
    return FoldArmSums(gram, near, count, centre, scale)


def _cells(
    read: EffectReader, folds: BlockFolds, near: np.ndarray, binary: bool, block: Design
) -> tuple[np.ndarray, np.ndarray]:
    rows, fold = read(block), folds(block)
    q = len(near) + 1
    arm = (rows.d > 0.5).astype(np.intp) if binary else np.zeros(len(rows.d), np.intp)
    cell = 2 * fold + arm
    every = np.empty((len(cell), q), order="F")
    every[:, 0] = 1.0
    every[:, 1:-2] = rows.x - near[:-2]
    every[:, -2] = rows.y - near[-2]
    every[:, -1] = rows.d - near[-1]
    gram = np.zeros((2 * folds.count, q, q))
    for c in np.unique(cell):
        inside = cell == c
        part = every[inside]
        gram[c] = np.dot(part.T * rows.w[inside], part)
    count = np.bincount(cell[rows.w > 0], minlength=2 * folds.count)
    return gram.reshape(folds.count, 2, q, q), count.reshape(folds.count, 2)


@dataclass(frozen=True)
class Predictors:
    """Fitted nuisances: coefficients of the standardised covariates behind a constant.

    Attributes
    ----------
    names : tuple of str
    coef : ndarray, shape (names, folds, p + 1)
    log_odds : ndarray of bool, shape (names,)
    folds : BlockFolds
    centre, scale : ndarray, shape (p,)
    trees : tuple of BlockTrees
        Nuisances that trees have learnt.
    """

    names: tuple[str, ...]
    coef: np.ndarray
    log_odds: np.ndarray
    folds: BlockFolds
    centre: np.ndarray
    scale: np.ndarray
    trees: tuple[BlockTrees, ...] = ()

    def columns(self, x: np.ndarray) -> np.ndarray:
        """Standardised covariates behind a constant, shape (n, p + 1)."""
        return standard_columns(x, self.centre, self.scale)

    def __call__(self, block: Design, x: np.ndarray) -> dict[str, np.ndarray]:
        """Predictions (n,) by name, each by the fit without the row's fold."""
        out: dict[str, np.ndarray] = {}
        for grown in self.trees:
            out |= grown(block, x)
        if not self.names:
            return out
        z = self.columns(x)
        fold = self.folds(block)
        for name, coef, odds in zip(self.names, self.coef, self.log_odds, strict=True):
            every = z @ coef.T
            own = every[:, 0] if self.folds.count == 1 else every[np.arange(len(z)), fold]
            out[name] = sigmoid(own) if odds else own
        return out


def standard_columns(x: np.ndarray, centre: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Standardised covariates behind a constant, shape (n, p + 1)."""
    z = np.empty((len(x), x.shape[1] + 1), order="F")
    z[:, 0] = 1.0
    np.subtract(x, centre, out=z[:, 1:])
    z[:, 1:] /= scale
    return z


def fit_nuisances(
    problem: EffectPasses, wanted: Sequence[BlockNuisance], folds: BlockFolds
) -> tuple[Predictors, FoldArmSums, Any]:
    """Every nuisance without each fold, or on all rows where there is one fold.

    Returns
    -------
    Predictors
    FoldArmSums
    information : ndarray, shape (p + 1, p + 1), or None
        Of the last logit on all rows.
    """
    cells = cell_sums(problem, folds)
    _check(cells, wanted, problem)
    gram = cells.standardised()
    p = gram.shape[-1] - 3
    for q in wanted:
        q.check()
    trees = fit_trees(problem, [q for q in wanted if isinstance(q.learner, BinnedTrees)], folds, cells.unit)
    coef, information = [], None
    wanted = [q for q in wanted if not isinstance(q.learner, BinnedTrees)]
    for q in wanted:
        ridge = np.append(0.0, cells.unit * getattr(q.learner, "penalty", 0.0) / cells.scale**2)
        arms = [0, 1] if q.arm is None else [q.arm]
        own = gram[:, arms].sum(axis=1)
        left = own if folds.count == 1 else own.sum(axis=0) - own
        if isinstance(q.learner, Logit):
            made, information = _logits(problem, q, folds, cells, left[:, 0, 0], ridge)
            coef.append(made)
        else:
            column = p + 1 if q.target == "y" else p + 2
            coef.append(solve_grams(left[:, : p + 1, : p + 1], left[:, : p + 1, column], ridge))
    odds = np.array([isinstance(q.learner, Logit) for q in wanted])
    names = tuple(q.name for q in wanted)
    return Predictors(names, np.array(coef), odds, folds, cells.centre, cells.scale, trees), cells, information


def _check(cells: FoldArmSums, wanted: Sequence[BlockNuisance], problem: EffectPasses) -> None:
    """Refuse folds that leave nothing to learn on."""
    if problem.binary and (cells.rows.sum(axis=0) == 0).any():
        raise DataError(
            f"the treatment '{problem.treatment}' does not vary on the rows used; there is nothing to compare."
        )
    for q in wanted:
        rows = cells.rows[:, [0, 1] if q.arm is None else [q.arm]].sum(axis=1)
        if len(rows) > 1 and (rows == rows.sum()).any():
            raise DataError(
                f"fold {int(np.argmax(rows))} leaves no row to learn {q.name} on. Use fewer folds, or name a column of labels in "
                "folds=."
            )
        if problem.binary and q.target == "d" and isinstance(q.learner, Logit) and len(cells.rows) > 1:
            alone = (cells.rows == cells.rows.sum(axis=0)).any(axis=1)
            if alone.any():
                raise ConvergenceError(
                    f"the logit of {q.name} has no maximum: an arm lies wholly inside fold {int(np.argmax(alone))}. Use fewer "
                    "folds, or name a column of labels in folds=."
                )


def _logits(
    problem: EffectPasses, q: BlockNuisance, folds: BlockFolds, cells: FoldArmSums, mass: np.ndarray, ridge: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (folds, p + 1), and the information of the first fit."""
    read = _LogitRows(problem.read, folds, q.target, q.arm, cells.centre, cells.scale)
    found = minimise_passes(
        problem.made,
        partial(_logit_sums, read),
        np.zeros((folds.count, len(ridge))),
        mass=mass,
        tol=_TOLERANCE,
        max_iter=_MOST,
        limit=_LIMIT,
        label=f"learning {q.name}",
        finish=partial(_penalised, ridge) if ridge.any() else None,
    )
    if not found.converged.all():
        raise ConvergenceError(
            f"the logit of {q.name} did not converge in {found.passes} passes (mean score left {found.residual.max():.2g}): "
            "covariates may separate its outcomes. Use a ridge penalty, or fewer covariates."
        )
    return found.beta, found.hessian[0] * mass[0]


@dataclass(frozen=True)
class _LogitRows:
    read: EffectReader
    folds: BlockFolds
    target: str
    arm: int | None
    centre: np.ndarray
    scale: np.ndarray


def _logit_sums(rows: _LogitRows, points: np.ndarray, block: Design) -> PassSums:
    made, fold = rows.read(block), rows.folds(block)
    z, w = standard_columns(made.x, rows.centre, rows.scale), made.w
    t = made.y if rows.target == "y" else made.d
    if ((t < 0.0) | (t > 1.0)).any():
        raise DataError("a logit needs outcomes between 0 and 1; use 'lm' or 'ridge' for others.")
    if rows.arm is not None:
        w = w * ((made.d > 0.5) == bool(rows.arm))
    count = len(points)
    eta = z @ points.T
    inside = w[:, None] * (fold[:, None] != np.arange(count)) if count > 1 else w[:, None]
    mean = sigmoid(eta)
    value = (inside * (np.logaddexp(0.0, eta) - t[:, None] * eta)).sum(axis=0)
    gradient = (z.T @ (inside * (mean - t[:, None]))).T
    curvature = inside * mean * (1.0 - mean)
    hessian = np.stack([np.dot(z.T * c, z) for c in curvature.T])
    return value, gradient, hessian


def _penalised(ridge: np.ndarray, points: np.ndarray, sums: PassSums) -> PassSums:
    value, gradient, hessian = sums
    return (
        value + 0.5 * (points**2 @ ridge),
        gradient + points * ridge,
        hessian + np.diag(ridge),
    )

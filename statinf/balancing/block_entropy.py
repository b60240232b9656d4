"""Entropy balancing on blocks of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from statinf.balancing.block_rows import BlockRows
from statinf.formula.design import Design
from statinf.numerics.linear.symmetric import quadratic_forms, symmetric_inverse
from statinf.passes import PassDesign
from statinf.passes.newton import PassNewton, PassSums, minimise_passes

LIMIT = 1e3


@dataclass(frozen=True)
class Aim:
    """One arm that is reweighted to the target.

    Attributes
    ----------
    treated : bool
        Which arm.
    mass : float
        Its sampling weights.
    target : str
        Whose rows the target is: "all", "treated" or "control".
    target_mass : float
    """

    treated: bool
    mass: float
    target: str
    target_mass: float


def aims(estimand: str, treated: float, control: float) -> tuple[Aim, ...]:
    """Both arms to everybody (ATE), or one to the other; from the arms' sampling weights."""
    if estimand == "ATE":
        both = treated + control
        return Aim(True, treated, "all", both), Aim(False, control, "all", both)
    if estimand == "ATT":
        return (Aim(False, control, "treated", treated),)
    return (Aim(True, treated, "control", control),)


@dataclass(frozen=True)
class EntropyRule:
    """Weights of blocks by entropy balancing; columns are centred at the target's means.

    Attributes
    ----------
    rows : BlockRows
    aims : tuple of Aim
    slopes : tuple of ndarray, shape (p,)
        Multipliers of each aim.
    logs : tuple of float
        Logs of the sums of the tilted sampling weights.
    inverses : tuple of ndarray, shape (p + 1, p + 1)
    """

    rows: BlockRows
    aims: tuple[Aim, ...]
    slopes: tuple[np.ndarray, ...]
    logs: tuple[float, ...]
    inverses: tuple[np.ndarray, ...]

    def values(self, block: Design) -> np.ndarray:
        z, t = self.rows.columns(block), self.rows.arms.is_treated(block)
        out = block.weights.astype(np.float64)
        for k, aim in enumerate(self.aims):
            arm = t == aim.treated
            out[arm] = self._tilted(k, z[arm], block.weights[arm])
        return out

    def _tilted(self, k: int, z: np.ndarray, s: np.ndarray) -> np.ndarray:
        return self.aims[k].mass * s * np.exp(z[:, 1:] @ self.slopes[k] - self.logs[k])

    def expansion(self, block: Design) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        z, t, s = self.rows.columns(block), self.rows.arms.is_treated(block), block.weights
        n, q = z.shape
        derivative, influence = np.zeros((n, q * len(self.aims))), np.zeros((n, q * len(self.aims)))
        leverage = np.zeros(n)
        for k, aim in enumerate(self.aims):
            arm = t == aim.treated
            inside = {"all": np.ones(n, bool), "treated": t, "control": ~t}[aim.target]
            values = self._tilted(k, z[arm], s[arm])
            psi = np.zeros((n, q))
            psi[:, 1:] = (-aim.mass / aim.target_mass * s * inside)[:, None] * z[:, 1:]
            psi[arm, 0] += values - s[arm]
            psi[arm, 1:] += values[:, None] * z[arm, 1:]
            at = slice(k * q, (k + 1) * q)
            derivative[arm, at] = z[arm] * values[:, None]
            influence[:, at] = -psi @ self.inverses[k]
            leverage[arm] += quadratic_forms(z[arm], self.inverses[k]) * values
        return derivative, influence, leverage


def fit_entropy(
    made: PassDesign, rows: BlockRows, todo: Sequence[Aim], *, tol: float, max_iter: int
) -> tuple[PassNewton, EntropyRule]:
    """Tilts that bring the columns' means to zero, where the target has them, all in the same passes."""
    start = np.zeros((len(todo), len(rows.kept)))
    sums = partial(_sums, rows, tuple(a.treated for a in todo))
    found = minimise_passes(
        made, sums, start, tol=tol, max_iter=max_iter, limit=LIMIT, label="entropy balancing", finish=_logs
    )
    inverses = []
    for aim, gradient, hessian in zip(todo, found.gradient, found.hessian, strict=True):
        second = hessian + np.outer(gradient, gradient)
        bread = aim.mass * np.block([[np.ones((1, 1)), gradient[None]], [gradient[:, None], second]])
        inverses.append(symmetric_inverse(bread))
    rule = EntropyRule(rows, tuple(todo), tuple(found.beta), tuple(map(float, found.value)), tuple(inverses))
    return found, rule


def _sums(rows: BlockRows, arms: Sequence[bool], points: np.ndarray, block: Design) -> PassSums:
    z, t = rows.columns(block), rows.arms.is_treated(block)
    p = points.shape[1]
    mass, first, second = np.zeros(len(arms)), np.zeros((len(arms), p)), np.zeros((len(arms), p, p))
    for k, treated in enumerate(arms):
        arm = t == treated
        x = z[arm, 1:]
        tilted = block.weights[arm] * np.exp(x @ points[k])
        moved = x.T * tilted
        mass[k], first[k], second[k] = tilted.sum(), moved.sum(axis=1), np.dot(moved, x)
    return mass, first, second


def _logs(points: np.ndarray, sums: PassSums) -> PassSums:
    """Log of the summed tilts, its gradient and Hessian."""
    mass, first, second = sums
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        mean = first / mass[:, None]
        return np.log(mass), mean, second / mass[:, None, None] - mean[:, :, None] * mean[:, None, :]

"""Weights that set a dose's correlations to zero: features, their targets, and the expansion of calibrated weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.balancing.feasibility import Reach, on_border, reach, stopped
from statinf.balancing.problem import BalanceProblem
from statinf.balancing.solution import Linear
from statinf.errors import InfeasibleError
from statinf.numerics.discrepancy.imbalance import is_binary
from statinf.numerics.linear.symmetric import quadratic_forms, symmetric_inverse


@dataclass(frozen=True)
class DoseFeatures:
    """Features whose weighted mean must be zero.

    Attributes
    ----------
    values : ndarray, shape (n, k)
        Columns, the dose and their powers less their means in the sample, then the products of columns and dose, all of
        standardised variables.
    kept : int
        How many stand for the sample's own means, the others for correlations.
    names : tuple of str
    """

    values: np.ndarray
    kept: int
    names: tuple[str, ...]

    @staticmethod
    def of(problem: BalanceProblem, moments: int = 1) -> DoseFeatures:
        """Means and products, and powers up to `moments` of the columns with more than two values and of the dose."""
        assert problem.dose is not None
        p = problem.s / problem.s.sum()
        x, t = standardised(problem.x, p), standardised(problem.dose[:, None], p)[:, 0]
        own, names = [x, t[:, None]], [*problem.names, "the dose"]
        for power in range(2, moments + 1):
            many = np.flatnonzero(~is_binary(problem.x))
            more = np.column_stack([x[:, many] ** power, t**power])
            own.append(more - p @ more)
            names += [f"{problem.names[j]}^{power}" for j in many] + [f"the dose^{power}"]
        kept = sum(part.shape[1] for part in own)
        values = np.column_stack([*own, x * t[:, None]])
        return DoseFeatures(values, kept, (*names, *(f"{name} times the dose" for name in problem.names)))

    def explain(self, method: str, s: np.ndarray, *, residual: float, iterations: int, max_iter: int) -> None:
        """Say why no weights were found: always raises.

        Raises
        ------
        InfeasibleError
            If no positive weights meet the conditions.
        ConvergenceError
            If the search stopped short.
        """
        z = self.values[s > 0]
        found: Reach = reach(z, np.zeros(z.shape[1]))
        if found.gap > 1e-9 or on_border(z):
            raise InfeasibleError(
                f"method={method!r}: no positive weights on the {len(z)} rows free the dose of the columns; "
                f"{self.names[found.column]!r} stands in the way (a gap of {found.gap:.3g} standard deviations stays). Leave that "
                "column out, restrict the doses, or use method='energy' without such conditions."
            )
        raise stopped(
            method, f"an imbalance of {residual:.2g} standard deviations", iterations, max_iter, "drop columns"
        )

    def expand(self, s: np.ndarray, values: np.ndarray, slope: np.ndarray) -> Linear:
        """Expansion of weights ``s_i g(a + l'f_i)`` with mean one that meet the conditions.

        The sample's means are estimated too. That of a product is a product of deviations from means, each of which is
        zero: its error is of second order.

        Parameters
        ----------
        values, slope : ndarray, shape (n,)
            Weights and their derivatives in the predictor.
        """
        z = np.column_stack([np.ones(len(s)), self.values])
        psi = z * values[:, None]
        psi[:, : 1 + self.kept] -= z[:, : 1 + self.kept] * s[:, None]
        inverse = symmetric_inverse((z * slope[:, None]).T @ z)
        return Linear(z * slope[:, None], -psi @ inverse, quadratic_forms(z, inverse) * slope)


def standardised(x: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Columns with mean zero and variance one under weights of sum one."""
    out = x - x[0]
    out -= p @ out
    sd = np.sqrt(p @ out**2)
    return out / np.where(sd > 0, sd, 1.0)

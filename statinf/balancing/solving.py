"""A method applied to the rows of a design: within groups, past rows of weight zero, again for other sampling weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.balancing.method import BalanceMethod, Solver
from statinf.balancing.order import in_content_order
from statinf.balancing.problem import BalanceProblem
from statinf.balancing.solution import BalanceSolution, Linear
from statinf.errors import OptionError, StatinfError


@dataclass(frozen=True)
class Balancing:
    """A method with its data.

    Attributes
    ----------
    method : BalanceMethod
    estimate : callable
        What solves problems of this kind of treatment.
    options : Options
        Those of the method.
    problem : BalanceProblem
        The rows of positive sampling weight, of all groups.
    used : ndarray of bool, shape (n,)
        Which of the design's rows these are.
    codes : ndarray of int, shape (n,), or None
        Group of each row of the design.
    groups : tuple of str
        Names of the groups.
    """

    method: BalanceMethod
    estimate: Solver
    options: Any
    problem: BalanceProblem
    used: np.ndarray
    codes: np.ndarray | None
    groups: tuple[str, ...]

    def solve(self) -> BalanceSolution:
        """The method within each group, put back in the order of the design's rows."""
        return self._solve(self.problem.s)

    def _solve(self, s: np.ndarray) -> BalanceSolution:
        """The same for sampling weights of the problem's rows."""
        whole, place = replace(self.problem, s=s), np.flatnonzero(self.used)
        groups = np.zeros(whole.n, dtype=int) if self.codes is None else self.codes[self.used]
        parts: list[tuple[np.ndarray, BalanceSolution]] = []
        for g in range(int(groups.max()) + 1):
            rows = np.flatnonzero((groups == g) & (s > 0))
            all_rows = len(rows) == whole.n
            small = whole if all_rows else whole.take(rows)
            try:
                small.check()
                parts.append((place[rows], self._solve_one(small)))
            except StatinfError as error:
                if self.codes is None:
                    raise
                raise type(error)(f"group {self.groups[g]}: {error}") from error
            if len(rows) == len(self.used):
                return parts[0][1]
        return _combine(len(self.used), parts, self.groups)

    def _solve_one(self, problem: BalanceProblem) -> BalanceSolution:
        if not self.method.by_place:
            return self.estimate(problem, self.options)
        # What is drawn by a row's place is drawn by its contents instead.
        return in_content_order(problem, lambda rows: self.estimate(rows, self.options))

    def solve_many(self, multipliers: np.ndarray, first: BalanceSolution) -> np.ndarray:
        """Weights for every row of multipliers (B, n): in one batch where the method has one, else one after the other.

        `first` is the solution of the design's own rows.
        """
        n = len(self.used)
        if multipliers.shape[1] != n or np.any(~(multipliers >= 0)):
            raise OptionError(
                f"multipliers has shape {multipliers.shape}; give nonnegative numbers of shape (replicas, {n})."
            )
        own = multipliers if self.used.all() else multipliers[:, self.used]
        sampling = own * self.problem.s
        batch = self.method.solve_many
        plain = self.codes is None and self.problem.dose is None
        if batch is not None and plain and self.options == self.method.options():
            found = batch(self.problem, sampling, first)
            if self.used.all():
                return found
            out = np.zeros(multipliers.shape)
            out[:, self.used] = found
            return out
        out = np.full(multipliers.shape, np.nan)
        for b, s in enumerate(sampling):
            try:
                out[b] = self._solve(s).values
            except StatinfError:
                continue
        return out


def _combine(n: int, parts: list[tuple[np.ndarray, BalanceSolution]], names: tuple[str, ...]) -> BalanceSolution:
    values = np.zeros(n)
    shapes = [s.propensity.shape[1:] for _, s in parts if s.propensity is not None]
    propensity = np.full((n, *shapes[0]), np.nan) if len(shapes) == len(parts) else None
    for rows, solution in parts:
        values[rows] = solution.values
        if propensity is not None:
            propensity[rows] = solution.propensity

    def linear() -> Linear:
        made = [(rows, solution.linear()) for rows, solution in parts if solution.linear is not None]
        width = sum(one.derivative.shape[1] for _, one in made)
        derivative, influence, leverage = np.zeros((n, width)), np.zeros((n, width)), np.zeros(n)
        start = 0
        for rows, one in made:
            stop = start + one.derivative.shape[1]
            derivative[rows, start:stop], influence[rows, start:stop], leverage[rows] = (
                one.derivative,
                one.influence,
                one.leverage,
            )
            start = stop
        return Linear(derivative, influence, leverage)

    known = all(s.linear is not None for _, s in parts)
    details = parts[0][1].details if not names else {name: s.details for name, (_, s) in zip(names, parts, strict=True)}
    residuals = [s.residual for _, s in parts]
    fixed = next((s.fixed for _, s in parts if s.fixed), "")
    return BalanceSolution(
        values,
        linear if known else None,
        sum(s.iterations for _, s in parts),
        max(residuals),
        propensity,
        details,
        fixed,
    )

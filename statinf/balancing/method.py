"""The record of a balancing method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.balancing.problem import MEANS, BalanceProblem
from statinf.balancing.solution import BalanceSolution
from statinf.errors import OptionError
from statinf.results.methods import Method

BatchSolver = Callable[[BalanceProblem, np.ndarray, BalanceSolution], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class BalanceMethod(Method):
    """A method of `si.balance`: `estimate` maps a `BalanceProblem` and its options to a `BalanceSolution`.

    Attributes
    ----------
    estimands : callable
        From the options to the estimands that the method has with them.
    all_levels : callable
        From the options to whether every level of a factor is balanced, its reference level among them.
    fixed : str
        Why standard errors downstream take the weights as known, where a solution has no expansion.
    by_place : bool
        Whether something is drawn by the place of a row; rows come sorted by their contents then.
    solve_many : callable, optional
        Solves for many vectors of sampling weights at once, under default options: from the problem, sampling weights
        (B, n) and the solution of the problem itself to weights (B, n), NaN where there are none.
    """

    estimands: Callable[[Any], tuple[str, ...]] = lambda options: MEANS
    all_levels: Callable[[Any], bool] = lambda options: False
    fixed: str = ""
    by_place: bool = False
    solve_many: BatchSolver | None = None

    def check_estimand(self, estimand: str, options: Any) -> None:
        """Refuse an estimand that the method does not have."""
        known = self.estimands(options)
        if estimand not in known:
            given = ", ".join(f"{k}={v!r}" for k, v in vars(options).items() if v is True)
            raise OptionError(
                f"estimand={estimand!r} is not defined for method={self.name!r}{f' with {given}' if given else ''}; choose "
                f"one of {', '.join(known)}."
            )

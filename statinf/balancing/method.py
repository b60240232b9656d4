"""The record of a balancing method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statinf.balancing.problem import MEANS, BalanceProblem
from statinf.balancing.solution import BalanceSolution
from statinf.balancing.treatment import Treatment
from statinf.errors import DataError, OptionError
from statinf.results.methods import Method

Solver = Callable[[BalanceProblem, Any], BalanceSolution]
BatchSolver = Callable[[BalanceProblem, np.ndarray, BalanceSolution], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class BalanceMethod(Method):
    """A method of `si.balance`: `estimate` maps a `BalanceProblem` of two arms and its options to a `BalanceSolution`.

    Attributes
    ----------
    several : callable, optional
        The same for any number of arms.
    doses : callable, optional
        The same for a treatment that is a number.
    several_estimands : callable, optional
        Like `estimands`, with several arms.
    cited : mapping of str to str
        Papers of the versions for "several" arms and for a "dose", where they are others.
    wants_dose : callable
        From the options to whether they make sense for a dose only.
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

    several: Solver | None = None
    doses: Solver | None = None
    several_estimands: Callable[[Any], tuple[str, ...]] | None = None
    cited: Mapping[str, str] = field(default_factory=dict)
    wants_dose: Callable[[Any], bool] = lambda options: False
    estimands: Callable[[Any], tuple[str, ...]] = lambda options: MEANS
    all_levels: Callable[[Any], bool] = lambda options: False
    fixed: str = ""
    by_place: bool = False
    solve_many: BatchSolver | None = None

    def solver(self, treatment: Treatment, options: Any) -> Solver:
        """What solves problems of this kind of treatment.

        Raises
        ------
        DataError
            If the method has nothing for it.
        OptionError
            If options are for a dose and the treatment has arms.
        """
        if treatment.dose is None and self.wants_dose(options):
            given = [f"{k}={v!r}" for k, v in vars(options).items() if v != getattr(self.options(), k)]
            raise OptionError(
                f"{', '.join(given)}: for a dose, a number of many values, but '{treatment.name}' has "
                f"{len(treatment.levels)} arms; leave it out, or give dose=True."
            )
        found = {"two": self.estimate, "several": self.several, "dose": self.doses}[treatment.kind]
        if found is not None:
            return found
        if treatment.dose is not None:
            raise DataError(
                f"the treatment '{treatment.name}' is a dose, a number of many values; method={self.name!r} needs arms. Doses "
                "are balanced by method='entropy', 'ipw', 'cbps' or 'energy'."
            )
        shown = ", ".join(treatment.labels[:6]) + (", ..." if len(treatment.labels) > 6 else "")
        raise DataError(
            f"the treatment '{treatment.name}' has {len(treatment.levels)} values ({shown}) on the rows used; "
            f"method={self.name!r} needs two arms. Several are balanced by method='entropy', 'ipw', 'cbps', 'sbw', 'energy' or "
            "'kernel'."
        )

    def check_estimand(self, estimand: str, options: Any, kind: str = "two") -> None:
        """Refuse an estimand that the method does not have."""
        known = self.estimands(options)
        if kind == "several" and self.several_estimands is not None:
            known = self.several_estimands(options)
        if estimand not in known:
            given = ", ".join(f"{k}={v!r}" for k, v in vars(options).items() if v is True)
            raise OptionError(
                f"estimand={estimand!r} is not defined for method={self.name!r}{f' with {given}' if given else ''}; choose "
                f"one of {', '.join(known)}."
            )

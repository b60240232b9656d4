"""The record of a method of `effect` or `iv`: which treatments and estimands it takes, and which fit it makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.brief import Later
from statinf.effects.arm_means import differences
from statinf.effects.arms import shown_level
from statinf.effects.effect_fit import EffectFit
from statinf.effects.problem import EffectProblem
from statinf.errors import DataError, OptionError
from statinf.results import Estimate, Fit
from statinf.results.methods import Method


@dataclass(frozen=True, kw_only=True)
class EffectMethod(Method):
    """One method of `effect` or `iv`.

    Attributes
    ----------
    fit : type
        The kind of fit that its estimate becomes.
    estimands : tuple of str
    two_arms : bool
        Whether the treatment must have two values.
    covariates : {"needed", "optional", "none"}
    means : callable or None
        From the problem and this method's options to the means of the outcome in all arms, jointly; a method that has it
        takes any number of arms.
    doses : bool
        Whether it is for a numeric treatment of many values.
    contrast : callable
        From the problem, the options and the means to the effects, of several arms.
    """

    fit: type[Fit] = EffectFit
    estimands: tuple[str, ...] = ("ATE", "ATT", "ATC")
    two_arms: bool = True
    covariates: str = "needed"
    means: Callable[..., Estimate] | None = None
    doses: bool = False
    contrast: Callable[..., Estimate] = differences

    def solve(self, problem: EffectProblem, settings: Any) -> Estimate:
        """The effects: of two arms by the method itself, of several as contrasts of their means.

        The fit is handed a function that makes the means when they are asked for.
        """
        rows = problem.rows
        means = None if self.means is None else Later(self.means, problem, settings)
        if rows.several and means is not None:
            made = self.contrast(problem, settings, means())
        else:
            made = self.estimate(problem, settings)
        without = None
        if made.extra.get("pieces") is not None:
            without = Later(_without, self.estimate, problem, settings)
        levels = () if rows.arms is None or means is None else tuple(map(shown_level, rows.arms.ordered))
        return replace(made, extra={**made.extra, "outcomes": means, "levels": levels, "without": without})

    def check_estimand(self, estimand: object) -> str:
        """The estimand in capitals, or an `OptionError` that names those of this method."""
        plain = estimand.upper() if isinstance(estimand, str) else ""
        if plain not in self.estimands:
            listed = ", ".join(map(repr, self.estimands))
            raise OptionError(f"estimand={estimand!r} is not one of method={self.name!r}, which takes {listed}.")
        return plain

    def check_covariates(self, width: int | None) -> None:
        """Refuse covariates that the method does not take, or want of those that it needs.

        Parameters
        ----------
        width : int or None
            Number of covariate columns; None where the formula has no part for them.
        """
        if self.covariates == "none" and width:
            raise OptionError(
                f"method={self.name!r} compares means and takes no covariates; use method='regression' to adjust for them."
            )
        if self.covariates == "needed" and width is None:
            raise OptionError(
                f"method={self.name!r} adjusts for covariates: write 'outcome ~ treatment | x1 + x2', or use method='dim'."
            )


def _without(estimate: Callable[..., Estimate], problem: EffectProblem, settings: Any, keep: np.ndarray) -> Estimate:
    """The same estimate, on the same folds, with some covariates (p,) of booleans only."""
    return estimate(replace(problem, rows=replace(problem.rows, x=problem.rows.x[:, keep])), settings)


def check_outcome(finite: bool) -> None:
    """Refuse outcomes that are infinite on the rows used."""
    if not finite:
        raise DataError("the outcome holds infinite values on the rows used.")

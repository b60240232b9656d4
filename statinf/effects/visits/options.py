"""Options of `si.visits`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from statinf.errors import OptionError
from statinf.models.glm_options import GlmOptions
from statinf.results import choice, flag, number, value


def check_formula(name: str, given: Any) -> str:
    """A formula without an outcome."""
    if isinstance(given, str) and given.strip().startswith("~"):
        return given.strip()
    raise OptionError(f"{name}={given!r} is not a formula such as '~ group'.")


@dataclass(frozen=True, kw_only=True)
class VisitOptions(GlmOptions):
    """Options of inverse intensity weights."""

    stabilize: Any = value(
        None,
        "terms that the outcome's formula holds too: their part of the intensity is taken out of the weights",
        "a formula such as '~ group'",
        check_formula,
    )
    first: bool = flag(
        True,
        "each unit's first row is by design: no visit that happened, with the mean weight of visits; False has units at "
        "risk from time 0",
    )
    ties: str = choice("efron", ("efron", "breslow"), "visits of one time in the partial likelihood of 'cox'")
    visit_model: str = choice(
        "cox",
        ("cox", "cloglog", "logit"),
        "of the intensity: a partial likelihood, or for times in whole days a binomial regression of being seen on each day, with "
        "a spline of time; 'logit' divides by the probability of a visit itself, its course over time included",
    )
    clip: float | None = number(
        None,
        "intensities below this share of that of the mean weight are raised to it, so that no visit counts for more than "
        "one over it",
        low=0.0,
        high=1.0,
        open_low=True,
        open_high=True,
        also=(None,),
    )

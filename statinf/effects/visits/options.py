"""Options of `si.visits`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from statinf.errors import OptionError
from statinf.models.glm import GlmOptions
from statinf.results import choice, flag, value


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
    ties: str = choice("efron", ("efron", "breslow"), "visits of one time in the partial likelihood")

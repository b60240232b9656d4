"""Options of `si.crq`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import OptionError
from statinf.numerics.quantreg.bandwidth import BANDWIDTHS
from statinf.results import Options, choice, count, number, value

LIMIT = "a column of the data, a number, or one number per row"


def check_limit(name: str, given: Any) -> Any:
    """A column's name, a number, or one number per row."""
    if isinstance(given, str):
        return given
    try:
        made = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        made = np.empty((0, 0))
    if isinstance(given, bool) or made.ndim > 1 or not made.size or np.isnan(made).any():
        raise OptionError(f"{name}={given!r} is not {LIMIT}.")
    return given if made.ndim else float(made)


@dataclass(frozen=True, kw_only=True)
class _Densities(Options):
    bandwidth: str = choice("hall-sheather", BANDWIDTHS, "rule for the window of the density estimates")


@dataclass(frozen=True, kw_only=True)
class SequenceOptions(_Densities):
    """Options of the methods that go from level to level."""

    step: float | None = number(
        None,
        "distance of the levels at which the censored rows are looked at, below the highest level of `tau`; None is the "
        "smaller of 0.01 and n^-0.7 / 2, no less than 0.001",
        low=0,
        high=0.5,
        open_low=True,
        also=(None,),
    )


@dataclass(frozen=True, kw_only=True)
class PowellOptions(_Densities):
    """Options of `method="powell"`."""

    limit: Any = value(
        None,
        "point at which each row's outcome is censored, whether it was or not; None takes the one value that all censored rows "
        "of cbind(time, event) share",
        LIMIT,
        check_limit,
    )
    starts: int = count(
        10,
        "descents from perturbed samples, beside those from the fit without censoring and from the rows whose fit is inside the "
        "limit; the loss has several local minima",
        low=0,
    )

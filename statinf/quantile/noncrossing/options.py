"""Options of `si.quantile_process`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import OptionError
from statinf.learners.process_network import PENALTIES, check_knots, check_penalty
from statinf.learners.process_objective import KNOTS
from statinf.results import Options, choice, count, number, value

CALIBRATIONS = ("cqr", "dcp")
_MOST_UNITS = 10_000


def _penalty(name: str, given: Any) -> Any:
    check_penalty(given)
    return given if isinstance(given, str) else float(given)


def _hidden(name: str, given: Any) -> tuple[int, ...]:
    units = tuple(given) if isinstance(given, Sequence) and not isinstance(given, str) else (given,)
    if not all(isinstance(u, int | np.integer) and not isinstance(u, bool) and 1 <= u <= _MOST_UNITS for u in units):
        raise OptionError(
            f"{name}={given!r}: give the units of the hidden layers, such as (64, 64), at most {_MOST_UNITS:,} each; () for none."
        )
    return tuple(int(u) for u in units)


def _knots(name: str, given: Any) -> tuple[float, ...]:
    try:
        knots = tuple(float(k) for k in given)
    except (TypeError, ValueError):
        raise OptionError(f"{name}={given!r} is not a list of levels in (0, 1).") from None
    check_knots(knots)
    return knots


@dataclass(frozen=True, kw_only=True)
class ProcessOptions(Options):
    """Options of `si.quantile_process`."""

    network: str = choice(
        "requ",
        ("requ", "gaps"),
        "squared rectified units over covariates and level, with a penalty on quantiles that fall in the level; or a median and "
        "positive increments between levels, which cannot cross",
    )
    penalty: Any = value(
        "auto",
        "weight of the penalty of 'requ'; 'auto' trains with 0, 1, log n and sqrt n at once and keeps the best by the pinball "
        "loss of held-out rows and the share of rows whose quantiles cross",
        f"{', '.join(map(repr, PENALTIES))}, or a number of at least 0",
        _penalty,
    )
    hidden: Any = value((64, 64, 64), "units of the hidden layers", "a sequence of whole numbers", _hidden)
    gap: str = choice("softplus", ("softplus", "elu"), "what makes the increments of 'gaps' positive; 'elu' is ELU + 1")
    knots: Any = value(
        None, f"levels between which 'gaps' is linear; {len(KNOTS)} from 0.01 to 0.99", "levels in (0, 1)", _knots
    )
    calibrate: str | None = choice(
        None,
        CALIBRATIONS,
        "conformal calibration on a quarter of the rows set aside: 'cqr' moves the quantiles of each pair of levels t and 1 - t of "
        "`tau`, 'dcp' the levels themselves, any of them",
        none=True,
    )
    tau_sampling: str = choice("fresh", ("fresh", "fixed"), "levels drawn for each minibatch, or once for each row")
    epochs: int = count(200, "most passes over the rows")
    patience: int = count(25, "passes without a gain on held-out rows before training stops")
    rate: float = number(3e-3, "first step size of Adam", low=0, open_low=True)
    plateau: int = count(10, "passes without a gain before the step size is halved")
    batch: int | None = count(None, "rows per step; by default more for more rows, from 16 to 128", also=(None,))

    def check(self) -> None:
        gaps = self.network == "gaps"
        if gaps and self.penalty != "auto":
            raise OptionError("penalty= is for network='requ': the quantiles of 'gaps' cannot cross; leave it out.")
        if not gaps and (self.knots is not None or self.gap != "softplus"):
            raise OptionError("knots= and gap= are for network='gaps'.")

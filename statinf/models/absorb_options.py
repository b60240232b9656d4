"""Options of every method that can absorb effects."""

from __future__ import annotations

from dataclasses import dataclass

from statinf.numerics.absorb.demean import TOLERANCE
from statinf.results.options import Options, choice, count, number


@dataclass(frozen=True, kw_only=True)
class AbsorbOptions(Options):
    """How the effects that `absorb=` names are taken out."""

    singletons: str = choice(
        "drop",
        ("drop", "keep"),
        "with absorb=, what becomes of the only row of a level, which tells nothing of the coefficients; it counts "
        "among the rows, and so in small-sample factors, if it is kept",
    )
    absorb_tol: float = number(
        TOLERANCE,
        "with absorb=, share of a column's length by which one more projection on the effects may move it",
        low=0,
        high=1e-2,
        open_low=True,
    )
    absorb_max_iter: int = count(10_000, "with absorb=, most steps of a projection")

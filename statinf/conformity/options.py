"""What `method=`, `score=` and `side=` mean together."""

from __future__ import annotations

from typing import Any

from statinf.conformity.cp2_hpd import CP2HPD
from statinf.conformity.cp2_pcp import CP2PCP
from statinf.conformity.cqr import CQR
from statinf.conformity.cqr import VARIANTS as CQR_SCORES
from statinf.conformity.full import SCORES as FULL_SCORES
from statinf.conformity.pcp import PCP
from statinf.conformity.split import Absolute, Normalised, Signed
from statinf.errors import OptionError, one_of

SPLIT_SCORES = ("absolute", "normalised", "asymmetric")
LEAVE_OUT = {
    "jackknife": "base",
    "jackknife+": "plus",
    "jackknife-minmax": "minmax",
    "cv+": "plus",
    "cv-minmax": "minmax",
}


def score_of(
    method: str, score: str | None, side: str, level: float, *, draws: int, mass_draws: int, adjust: str | None
) -> Any:
    """The score of a split-type method.

    Raises
    ------
    OptionError
        If an option does not go with the method.
    """
    one_of("side", side, ("both", "upper", "lower"))
    if adjust is not None and not method.startswith("cp2"):
        raise OptionError(f"adjust={adjust!r} belongs to method='cp2-pcp' and 'cp2-hpd', not to {method!r}.")
    if method in ("split", "mondrian"):
        kind = one_of("score", score or "absolute", SPLIT_SCORES)
        if kind == "normalised":
            _two_sided(side, "score='normalised'")
            return Normalised()
        return Signed(side) if kind == "asymmetric" or side != "both" else Absolute()
    if method == "cqr":
        return CQR(one_of("score", score or "symmetric", CQR_SCORES), side)
    _two_sided(side, f"method={method!r}")
    if score is not None:
        raise OptionError(f"method={method!r} has one score; leave score={score!r} out.")
    if method == "pcp":
        return PCP(draws)
    if method == "cp2-pcp":
        return CP2PCP(level, draws, mass_draws, adjust or "linear")
    return CP2HPD(level, adjust or "linear")


def check_whole_sample(method: str, score: str | None, side: str, unused: dict[str, Any]) -> str:
    """Check the options of a method that uses all rows for fitting; returns the score of full conformal."""
    _two_sided(side, f"method={method!r}")
    given = [name for name, value in unused.items() if value is not None]
    if given:
        raise OptionError(
            f"{given[0]}= needs calibration rows that the model has not seen; use method='split' or 'cqr', not {method!r}."
        )
    if method == "full":
        return one_of("score", score or "absolute", FULL_SCORES)
    if score is not None:
        raise OptionError(f"method={method!r} has one score; leave score={score!r} out.")
    return "absolute"


def _two_sided(side: str, what: str) -> None:
    if side != "both":
        raise OptionError(f"side={side!r} goes with method='split' and 'cqr'; {what} is two-sided.")

"""Options of `si.presto`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from statinf.errors import OptionError
from statinf.quantile.penalties import PENALTY, check_folds, check_penalty, is_penalty
from statinf.results import Options, choice, count, flag, number, value

CRITERIA = ("brier", "loglik")


def read_penalty(name: str, given: Any) -> float | tuple[float, ...]:
    """One penalty as a number; several as a tuple from large to small."""
    return float(given) if is_penalty(given) else check_penalty(name, given)


@dataclass(frozen=True, kw_only=True)
class PrestoOptions(Options):
    """Options of `si.presto`."""

    penalty: Any = value(
        None,
        "multiplies the penalty, against the mean log-likelihood and on columns of standard deviation one; several are "
        "chosen among, None makes a path of them; 0 is maximum likelihood, with standard errors",
        PENALTY,
        read_penalty,
    )
    parallel: bool = flag(False, "one slope per column for all boundaries (proportional odds)")
    alpha: float = number(1.0, "share of the absolute penalty; the rest is squared", low=0, high=1)
    nlambda: int = count(20, "penalties of the path", low=2)
    lambda_min_ratio: float = number(
        0.01, "smallest penalty of the path over the largest", low=0, high=1, open_low=True, open_high=True
    )
    folds: Any = value(
        5,
        "folds that choose the penalty, alike in the categories; with cluster= whole clusters share a fold",
        "a whole number of at least 2, or one label per row",
        check_folds,
    )
    criterion: str = choice(
        "brier", CRITERIA, "score of the rows left out: multiclass Brier score, or negative log-likelihood"
    )
    penalize_first: bool = flag(
        True, "penalise the slopes of the first boundary too; False penalises differences between boundaries alone"
    )
    reverse: bool = flag(False, "turn the order of the categories round, so that the first is the rare one")
    tol: float = number(1e-10, "largest violation of the optimality conditions", low=0, high=1, open_low=True)
    max_iter: int = count(100, "most Newton steps for a penalty")

    def check(self) -> None:
        if self.parallel and not self.penalize_first and self.penalty != 0:
            raise OptionError(
                "penalize_first=False leaves nothing to penalise with parallel=True; use penalty=0 for proportional odds."
            )

    @property
    def likelihood(self) -> bool:
        """Whether the fit is maximum likelihood."""
        return isinstance(self.penalty, float) and self.penalty == 0.0

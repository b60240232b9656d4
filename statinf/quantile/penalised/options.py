"""Options of `si.rq_path`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from statinf.errors import OptionError
from statinf.quantile.penalties import PENALTY, check_folds, check_penalty
from statinf.results import Options, choice, count, flag, number, value


def check_names(name: str, given: Any) -> tuple[str, ...]:
    """Names of columns or terms."""
    listed = [given] if isinstance(given, str) else given
    if isinstance(listed, Sequence) and all(isinstance(one, str) for one in listed):
        return tuple(listed)
    raise OptionError(f"{name}={given!r} is not a name or a list of names of columns or terms.")


def check_groups(name: str, given: Any) -> dict[str, str] | None:
    """A label for each column, or None."""
    if given is None:
        return None
    if isinstance(given, Mapping) and len(given) and all(isinstance(k, str) for k in given):
        return {k: str(v) for k, v in given.items()}
    raise OptionError(f"{name}={given!r} is not a mapping from columns or terms to labels of groups.")


@dataclass(frozen=True, kw_only=True)
class PathOptions(Options):
    """Options that the penalties of `si.rq_path` share."""

    penalty: Any = value(
        None,
        "multiplies the penalty, against the weighted mean of the check losses; several are chosen among, None makes a path "
        "of them from the smallest that leaves no column",
        PENALTY,
        check_penalty,
    )
    nlambda: int = count(50, "penalties of the path", low=2)
    lambda_min_ratio: float = number(
        0.01, "smallest penalty of the path over the largest", low=0, high=1, open_low=True, open_high=True
    )
    folds: Any = value(
        5,
        "folds that choose the penalty at each level",
        "a whole number of at least 2, or one label per row",
        check_folds,
    )
    rule: str = choice(
        "min",
        ("min", "1se", "pivotal"),
        "the penalty of least held-out check loss; the largest within one standard error of it; or, without folds, what noise "
        "alone would need in 9 of 10 samples, times 1.1 (Belloni and Chernozhukov 2011)",
    )
    standardize: bool = flag(
        True, "penalise columns as if of standard deviation one; False penalises them as they are (R's rq.fit.lasso)"
    )
    unpenalized: tuple[str, ...] = value(
        (), "columns or terms that are not penalised; the intercept never is", "a name or a list of names", check_names
    )

    def check(self) -> None:
        if self.rule == "pivotal" and self.penalty is not None:
            raise OptionError("rule='pivotal' makes its own penalty; leave penalty= out.")


@dataclass(frozen=True, kw_only=True)
class GroupOptions(PathOptions):
    """Options of `method="group-lasso"`."""

    standardize: bool = flag(
        True,
        "make the columns of a group orthonormal before they are penalised, so that a factor's coding does not matter; False "
        "penalises them as they are",
    )
    groups: Any = value(
        None,
        "a label for each column or term; None makes each term of the formula a group, so that a factor enters as a whole",
        "a mapping from columns or terms to labels",
        check_groups,
    )

"""Options of `si.ngboost`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from statinf.errors import OptionError
from statinf.learners.natural_boosting import NaturalBoosting
from statinf.numerics.laws.parametric.catalog import LAWS, law_named
from statinf.results import Options, choice, count, flag, number, value


def check_dist(name: str, given: Any) -> str:
    """The name of a family."""
    if not isinstance(given, str):
        raise OptionError(f"{name}={given!r} is not a name; choose one of {', '.join(map(repr, LAWS))}.")
    return law_named(given).name


@dataclass(frozen=True, kw_only=True)
class NgboostOptions(Options):
    """What is boosted, and how."""

    dist: str = value("normal", "family of the outcome's law", ", ".join(map(repr, LAWS)), check_dist)
    score: str = choice(
        "log",
        ("log", "crps"),
        "what is minimised: minus the log density, or the CRPS (of classes half the Brier score)",
    )
    n_estimators: int = count(500, "most iterations; 0 for the marginal law", low=0)
    learning_rate: float = number(0.01, "share of each step that is taken", low=0, open_low=True)
    natural: bool = flag(
        True, "multiply gradients by the inverse of the score's metric; without it they depend on the outcome's unit"
    )
    base: str = choice("tree", ("tree", "linear"), "what is fitted to the gradients of each parameter")
    depth: int = count(3, "depth of trees", high=8)
    min_leaf: float = number(1.0, "least weight of a leaf, in rows of mean weight", low=0)
    bins: int = count(255, "most bins of a feature that trees look at", low=2, high=255)
    ridge: float = number(0.0, "penalty on slopes of standardised columns, for base='linear'", low=0)
    minibatch_frac: float = number(1.0, "share of the rows that an iteration draws", low=0, high=1, open_low=True)
    col_sample: float = number(1.0, "share of the columns that an iteration draws", low=0, high=1, open_low=True)
    early_stopping_rounds: int | None = count(
        None, "iterations without a better validation score after which to stop; the best one is kept", also=(None,)
    )
    validation: float = number(
        0.1, "share of rows held out for early stopping", low=0, high=1, open_low=True, open_high=True
    )
    refit: bool = flag(False, "run the best number of iterations again on all rows")
    metric: str = choice(
        "riemann",
        ("riemann", "ngboost"),
        "metric of the natural gradient; 'ngboost' divides gradients of the normal CRPS by the scale, as version 0.5.11 of "
        "that package did",
    )
    df: float | None = number(
        None, "degrees of freedom of dist='student' (3)", low=1, high=300, open_low=True, also=(None,)
    )
    tol: float = number(
        1e-4, "mean step below which the line search and the boosting end", low=0, high=1, open_low=True
    )

    def check(self) -> None:
        self.learner().rule()
        if self.df is not None and self.dist != "student":
            raise OptionError(f"df={self.df:g} is for dist='student'; dist={self.dist!r} has no degrees of freedom.")
        if self.refit and self.early_stopping_rounds is None:
            raise OptionError("refit=True repeats the best number of iterations; it needs early_stopping_rounds=.")

    def learner(self) -> NaturalBoosting:
        """The learner with these options."""
        return NaturalBoosting(**{one.name: getattr(self, one.name) for one in fields(self)})

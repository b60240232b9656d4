"""The results of `target_shift` for classes: weights by class, and the class shares behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from statinf.errors import DataError, check_level
from statinf.formula.identity import RowIdentity
from statinf.formula.recipe import Recipe
from statinf.inference.hypotheses import WaldTest
from statinf.inference.vcov import VcovKinds
from statinf.results import Fit, Table, Weights, format_number, to_caller
from statinf.shifts.labels.assumption import assumption_test, functions
from statinf.shifts.labels.moves import spread_of
from statinf.shifts.labels.problem import LabelProblem, LabelSolution
from statinf.shifts.samples import Samples, left_out


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ClassShares(Fit):
    """Class shares of the target, one coefficient per class; tables use the normal distribution.

    Shares that the equations make negative are set to zero and the others scaled to sum to one; standard errors are those
    before that.

    Attributes
    ----------
    source_shares : ndarray, shape (k,)
    target_rows : int
    cut : int
        How many shares were negative.
    """

    source_shares: np.ndarray = field(default_factory=lambda: np.empty(0))
    target_rows: int = 0
    cut: int = 0

    normal_reference = True
    vcov_kinds = VcovKinds(default="HC0", names=("HC0",), robust="HC0", clustered=("HC0", "HC1"))

    @property
    def title(self) -> str:
        return f"Class shares of the target population: {self.method}"

    def summary_facts(self) -> dict[str, Any]:
        cut = {"Negative shares set to zero": self.cut} if self.cut else {}
        own = {name.capitalize(): value for name, value in self.facts.items()}
        return {"Source rows": self.nobs, "Target rows": self.target_rows} | cut | own

    def glance_items(self) -> dict[str, Any]:
        return {"nobs": self.nobs, "target_rows": self.target_rows, "cut": self.cut}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LabelShift(Weights):
    """Source rows weighted by the ratio of their class's share in the target to that in the source.

    Attributes
    ----------
    shares : ClassShares
        Class shares of the target with standard errors.
    classes : tuple of str
        The classes, as the rows of tables name them.
    levels : tuple
        The levels of the outcome, those of no row of positive weight included.
    ratio : ndarray, shape (levels,)
        The weight of each level; NaN where no row of positive weight has it.
    ratio_errors : ndarray, shape (classes,)
        Standard errors of the classes' weights.
    recipe : Recipe
    facts : mapping
    note : str
    target : RowIdentity
    n_target : int
    dropped_target : mapping of str to int
    samples, problem, solution
        What the test of the assumption needs; not saved.
    """

    shares: ClassShares
    classes: tuple[str, ...]
    levels: tuple[Any, ...]
    ratio: np.ndarray
    ratio_errors: np.ndarray
    recipe: Recipe
    facts: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    n_target: int = 0
    dropped_target: Mapping[str, int] = field(default_factory=dict)
    target: RowIdentity | None = None
    samples: Samples | None = field(default=None, metadata={"saved": False})
    problem: LabelProblem | None = field(default=None, metadata={"saved": False})
    solution: LabelSolution | None = field(default=None, metadata={"saved": False})

    beside = ("values", "ess", "shares", "tidy", "at", "score", "specification_test")

    def at(self, y: Any) -> np.ndarray:
        """Weights of classes, shape (k,); NaN for one that the source does not have."""
        number = {level: k for k, level in enumerate(self.levels)} | {str(v): k for k, v in enumerate(self.levels)}
        given = np.atleast_1d(np.asarray(y, dtype=object))
        places = [number.get(one, number.get(str(one), -1)) for one in given.tolist()]
        return np.append(self.ratio, np.nan)[places]

    def score(self, newdata: Any) -> np.ndarray:
        """Weights of the recorded classes of new rows, shape (rows,); NaN where the class is missing or new."""
        rows = self.recipe.new_rows(newdata, roles=(), response=True)
        assert rows.response is not None
        codes = rows.response.astype(np.intp)
        return np.append(self.ratio, np.nan)[np.where(codes < 0, len(self.ratio), codes)]

    def tidy(self, level: float = 0.95) -> Any:
        """Shares and weights of the classes, in the caller's kind of data frame.

        Returns
        -------
        data frame
            Columns class, source_share, estimate (the target's share), std_error, conf_low, conf_high, weight,
            weight_std_error.
        """
        import pandas as pd

        check_level(level)
        low, high = self.shares._limits(level, None)
        made = pd.DataFrame(
            {
                "class": list(self.classes),
                "source_share": self.shares.source_shares,
                "estimate": self.shares.theta,
                "std_error": self.shares._se(),
                "conf_low": np.maximum(low, 0.0),
                "conf_high": np.minimum(high, 1.0),
                "weight": self.ratio[~np.isnan(self.ratio)],
                "weight_std_error": self.ratio_errors,
            }
        )
        return to_caller(made, self.kind)

    def specification_test(self, *, squares: bool = True) -> WaldTest:
        """Test that covariates have the same law given the class in both samples, by their means and squares.

        Parameters
        ----------
        squares : bool
            Whether squares of the columns are compared beside the columns.

        Returns
        -------
        statinf.inference.WaldTest
            Chi-square with as many degrees of freedom as the shares leave open, by clusters where there are some. A small
            p-value says that a shift of the classes alone did not make the target.
        """
        if self.samples is None or self.problem is None or self.solution is None:
            raise DataError("the test needs both samples, which saved weights leave out; estimate them again.")
        s, p = self.samples, self.problem
        both = functions(s.scaling.apply(np.concatenate([s.xs, s.xt])), squares)
        g = both[: len(s.xs)], both[len(s.xs) :]
        spread = partial(spread_of, s, kind=self.shares.cov.kind, lost=p.k)
        found = assumption_test(g, p.codes, (p.ws, p.wt), self.solution.shares, self.solution.influence(), spread)
        return found.handed(self.kind)

    def summary(self) -> Table:
        """Shares of both samples and weights by class."""
        s = self.shares
        low, high = s._limits(0.95, None)
        rows = [
            (
                name,
                *(format_number(float(v)) for v in numbers),
            )
            for name, *numbers in zip(
                self.classes, s.source_shares, s.theta, s._se(), np.maximum(low, 0.0), np.minimum(high, 1.0),
                self.ratio[~np.isnan(self.ratio)], self.ratio_errors, strict=True,
            )
        ]  # fmt: skip
        facts: tuple[tuple[str, str], ...] = (
            ("Formula", self.formula),
            ("Source rows", str(self.nobs)),
            ("Target rows", str(self.n_target)),
            ("Effective sample size", format_number(self.ess)),
            *((name.capitalize(), format_number(value)) for name, value in self.facts.items()),
        )
        cut = f"{s.cut} negative shares were set to zero; errors are those before that." if s.cut else ""
        notes = [f"Method: {self.citation}.", f"Standard errors: {s.cov.label}.", cut, self.note]
        notes += left_out(self.dropped, self.dropped_target)
        head = ("class", "source share", "target share", "std. error", "2.5%", "97.5%", "weight", "std. error ")
        return Table(
            head, tuple(rows), title=f"Label shift: {self.method}", facts=facts, notes=tuple(n for n in notes if n)
        )

    def plot(self, *, level: float = 0.95, **options: Any) -> Any:
        """Class shares of both samples, those of the target with intervals; returns the matplotlib axes."""
        from statinf.plotting.shift import plot_shares

        low, high = self.shares._limits(level, None)
        s = self.shares
        return plot_shares(
            self.classes, s.source_shares, s.theta, np.maximum(low, 0.0), np.minimum(high, 1.0), **options
        )

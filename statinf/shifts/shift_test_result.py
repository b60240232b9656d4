"""The result of `shift_test`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from statinf.brief import Brief
from statinf.errors import OptionError, one_of
from statinf.results import Result, Table, format_number, format_p, to_caller
from statinf.shifts.columns import ColumnTests
from statinf.shifts.samples import left_out

LABELS = {
    "mmd": "maximum mean discrepancy",
    "energy": "energy distance",
    "classifier": "classifier, held-out AUC",
    "conditional mean": "conditional means",
    "conditional covariance": "conditional covariances",
    "conditional total": "both together",
}


@dataclass(frozen=True, repr=False)
class Global(Brief):
    """A test of equal laws.

    Attributes
    ----------
    name : str
    statistic, p_value : float
    null : ndarray, shape (permutations,)
        The statistic under permuted labels.
    facts : mapping of str to float
    """

    name: str
    statistic: float
    p_value: float
    null: np.ndarray
    facts: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ShiftTest(Result):
    """Tests of equal covariate laws in source and target.

    Attributes
    ----------
    tests : tuple of Global
    columns : ColumnTests or None
    permutations, n_target, seed : int
    dropped_target : mapping of str to int
        Rows of the target left out, by cause.
    signs : bool
        Whether weights differ within a sample, so that p-values are by random signs.
    """

    tests: tuple[Global, ...]
    columns: ColumnTests | None
    permutations: int
    n_target: int
    seed: int
    dropped_target: Mapping[str, int] = field(default_factory=dict)
    signs: bool = False

    beside = ("p_values",)
    heading: ClassVar[str] = "Tests of covariate shift"

    @property
    def p_values(self) -> dict[str, float]:
        """p-values of the tests of equal laws, by name."""
        return {t.name: t.p_value for t in self.tests}

    def tidy(self) -> Any:
        """One row per test, in the caller's kind of data frame.

        Returns
        -------
        data frame
            Columns test, column, statistic, p_value, p_adjusted, effect. Tests of the whole law have no column; the
            adjustment is over columns. The effect is the standardised mean difference (or the largest difference of a
            share) of a column, and the area under the curve of the classifier.
        """
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for t in self.tests:
            effect = t.statistic if t.name == "classifier" else np.nan
            rows.append(
                {
                    "test": t.name,
                    "column": "",
                    "statistic": t.statistic,
                    "p_value": t.p_value,
                    "p_adjusted": np.nan,
                    "effect": effect,
                }
            )
        if (c := self.columns) is not None:
            for j, name in enumerate(c.names):
                rows.append(
                    {
                        "test": c.tests[j],
                        "column": name,
                        "statistic": c.statistic[j],
                        "p_value": c.p_value[j],
                        "p_adjusted": c.adjusted[j],
                        "effect": c.effect[j],
                    }
                )
        return to_caller(pd.DataFrame(rows), self.kind)

    def summary(self) -> Table:
        """All tests, the whole law first."""
        rows = [(LABELS[t.name], format_number(t.statistic), format_p(t.p_value), "", "") for t in self.tests]
        cut = len(rows)
        if (c := self.columns) is not None:
            for j in np.argsort(c.p_value, kind="stable"):
                numbers = (format_number(c.statistic[j]), format_p(float(c.p_value[j])), format_p(float(c.adjusted[j])))
                rows.append((f"{c.names[j]} ({c.tests[j]})", *numbers, format_number(c.effect[j])))
        facts = (
            ("Formula", self.formula),
            ("Source rows", str(self.nobs)),
            ("Target rows", str(self.n_target)),
            ("Permutations", str(self.permutations)),
        )
        notes = [f"Method: {self.citation}."]
        if self.columns is not None:
            notes.append("Columns: Kolmogorov-Smirnov or chi-square, adjusted by Benjamini and Hochberg (1995).")
        if self.signs:
            notes.append("Weights differ: laws are weighted, and p-values come from random signs, right for many rows.")
        notes += left_out(self.dropped, self.dropped_target)
        return Table(
            ("test", "statistic", "p", "adjusted p", "effect"),
            tuple(rows),
            title=self.heading,
            facts=facts,
            notes=tuple(notes),
            rules=(cut,) if 0 < cut < len(rows) else (),
        )

    def plot(self, kind: str = "columns", *, level: float = 0.05, **options: Any) -> Any:
        """A figure.

        Parameters
        ----------
        kind : {"columns", "null"}
            Effect size of every column, those significant after adjustment filled; or the permutation law of each test
            of the whole law, with what was observed.
        level : float
            False discovery rate.

        Returns
        -------
        matplotlib axes, or an array of them
        """
        one_of("kind", kind, ("columns", "null"))
        from statinf.plotting import shift as figures

        if kind == "null":
            if not self.tests:
                raise OptionError("no test of the whole law was made; ask for tests=('mmd', ...).")
            return figures.plot_nulls([(LABELS[t.name], t.statistic, t.null, t.p_value) for t in self.tests], **options)
        if self.columns is None:
            raise OptionError("columns were not tested; ask for tests=(..., 'columns').")
        c = self.columns
        return figures.plot_columns(c.names, c.effect, c.adjusted < level, level=level, **options)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ConditionalShiftTest(ShiftTest):
    """Tests of equal conditional laws in source and target; see `ShiftTest`."""

    heading = "Tests of conditional laws"

    def plot(self, kind: str = "null", *, level: float = 0.05, **options: Any) -> Any:
        """The permutation law of each test with what was observed; returns matplotlib axes."""
        one_of("kind", kind, ("null",))
        return super().plot(kind, level=level, **options)

"""The result of `anova`: a table of tests of models or of terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.results import Result, Table, to_caller
from statinf.results.table import format_number, format_p

_HEADS = {
    "model": "model",
    "term": "term",
    "df_resid": "residual df",
    "rss": "RSS",
    "deviance": "deviance",
    "loglik": "log-likelihood",
    "df": "df",
    "sum_sq": "sum of squares",
    "mean_sq": "mean square",
    "df_denominator": "df2",
    "p_value": "p",
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Anova(Result):
    """Tests of nested models against each other, or of the terms of one model.

    Attributes
    ----------
    test : {"F", "wald", "lr", "deviance", "rao"}
    compared : {"models", "terms"}
    columns : mapping of str to ndarray
        What `tidy` holds.
    statistic_name : str
    heading : str
    notes : tuple of str
    """

    test: str
    compared: str
    columns: Mapping[str, np.ndarray]
    statistic_name: str
    heading: str
    notes: tuple[str, ...] = ()

    @property
    def p_value(self) -> float:
        """The p-value of the only test; of several the last one."""
        p = self.columns["p_value"]
        there = p[np.isfinite(p)]
        return float(there[-1]) if len(there) else np.nan

    def tidy(self) -> Any:
        """One row per model or term, in the caller's kind of data frame.

        Returns
        -------
        data frame
            Columns model or term, then those of the test: df_resid, rss, deviance or loglik, df, sum_sq, mean_sq, statistic,
            df_denominator (infinite for chi-square), p_value.
        """
        import pandas as pd

        return to_caller(pd.DataFrame(dict(self.columns)), self.kind)

    def summary(self) -> Table:
        """The tests as a table."""
        heads = [self.statistic_name if name == "statistic" else _HEADS[name] for name in self.columns]
        rows = []
        for i in range(len(self.columns["p_value"])):
            cells = []
            for name, column in self.columns.items():
                value = column[i]
                if name == "p_value":
                    cells.append(format_p(value))
                elif name in ("df", "df_resid", "df_denominator") and np.isfinite(value) and value == int(value):
                    cells.append(str(int(value)))
                else:
                    cells.append(format_number(value))
            rows.append(tuple(cells))
        facts = (("Observations", str(self.nobs)), ("Test", self._said()))
        notes = tuple(n for n in (*self.notes, self.dropped_note()) if n)
        return Table(tuple(heads), tuple(rows), title=self.heading, facts=facts, notes=notes, kind=self.kind)

    def _said(self) -> str:
        return {
            "F": "F, ratio of mean squares",
            "wald": "Wald",
            "lr": "likelihood ratio",
            "deviance": "scaled deviance",
            "rao": "Rao's score",
        }[self.test]

"""The result of `balance_table`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statinf.balancing.assess import METHOD, Assessed
from statinf.balancing.balanced import Balanced
from statinf.balancing.pairs import SD
from statinf.errors import OptionError, one_of
from statinf.internal import internal
from statinf.numerics.discrepancy.imbalance import DENOMINATORS
from statinf.results import Result, Table, to_caller
from statinf.results.table import format_number

_SAID = {
    "smd_after": "standardised differences within {0:g}",
    "variance_ratio_after": "variance ratios between {1:.3g} and {0:g}",
    "ks_after": "Kolmogorov-Smirnov distances within {0:g}",
    "ks": "Kolmogorov-Smirnov distances within {0:g}",
    "correlation_after": "correlations within {0:g}",
}
_CALLED = {
    "smd": "standardised mean difference",
    "ks": "Kolmogorov-Smirnov distance",
    "correlation": "correlation with the dose",
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class BalanceTable(Result):
    """Balance of covariates under one or several weightings.

    Attributes
    ----------
    table, size_table : mapping of str to ndarray
        Columns of `tidy()` and `sizes()`.
    weightings : tuple of str
    weighted : bool
        Whether there are weights at all.
    measure : {"SMD", "correlation"}
    estimand : str
    denominator : str
        Standard deviation behind the differences.
    limits : mapping of str to float
        Threshold of every column that has one.
    """

    table: Mapping[str, np.ndarray]
    size_table: Mapping[str, np.ndarray]
    weightings: tuple[str, ...]
    weighted: bool
    measure: str
    estimand: str
    denominator: str
    limits: Mapping[str, float] = field(default_factory=dict)

    beside = ("sizes", "unbalanced")

    @classmethod
    @internal
    def of(
        cls,
        found: Assessed,
        weightings: Mapping[str, Balanced],
        *,
        formula: str,
        kind: str,
        dropped: Mapping[str, int],
        weighted: bool,
        denominator: str | None,
    ) -> BalanceTable:
        """From what was assessed."""
        first = next(iter(weightings.values()))
        usual = DENOMINATORS.get(first.estimand, "weighted") if first.measure == "SMD" else "weighted"
        return cls(
            method="balance_table", formula=formula, citation=METHOD.reference, nobs=first.nobs, kind=kind, dropped=dict(dropped),
            table=_columns(found.table), size_table=_columns(found.sizes), weightings=tuple(weightings), weighted=weighted,
            measure=first.measure, estimand=first.estimand, denominator=denominator or usual, limits=dict(found.limits),
        )  # fmt: skip

    def tidy(self) -> Any:
        """One row per column of the covariates, pair of arms and weighting, in the caller's kind of data frame.

        Returns
        -------
        data frame
            As `diagnostics()` of weights, behind a column `weighting` if there are several, with `balanced` at the end where there
            is a threshold: whether the row is within it.
        """
        return to_caller(self._frame(), self.kind)

    def sizes(self) -> Any:
        """Rows and effective sample sizes before and after weighting, in the caller's kind of data frame."""
        return to_caller(self._without_weighting(self.size_table), self.kind)

    @property
    def unbalanced(self) -> list[str]:
        """The columns beyond a threshold under any weighting, between any two arms."""
        if "balanced" not in self.table:
            raise OptionError("threshold=None leaves open what counts as balanced; give threshold=0.1, say.")
        beyond = ~self.table["balanced"].astype(bool)
        return list(dict.fromkeys(self.table["term"][beyond].tolist()))

    def _frame(self) -> Any:
        return self._without_weighting(self.table)

    def _without_weighting(self, columns: Mapping[str, np.ndarray]) -> Any:
        import pandas as pd

        frame = pd.DataFrame(dict(columns))
        return frame.drop(columns="weighting") if len(self.weightings) == 1 else frame

    def summary(self) -> Table:
        """Balance before and after, the sizes that are left, and what is beyond the thresholds."""
        stem = "smd" if self.measure == "SMD" else "correlation"
        lines = self._lines()
        first = next(iter(lines.values()))
        shown = lines if self.weighted else {}
        beyond = set() if "balanced" not in self.table else set(self.unbalanced)
        rows = []
        for label, _ in first[f"{stem}_before"].items():
            after = [_mark(one[f"{stem}_after"][label], one, label) for one in shown.values()]
            rows.append((label, _number(first[f"{stem}_before"][label]), *after))
        cut = len(rows)
        largest = [_number(one[f"{stem}_after"].abs().max()) for one in shown.values()]
        rows.append((f"Largest |{self.measure}|", _number(first[f"{stem}_before"].abs().max()), *largest))
        rows += self._size_rows()
        facts = [("Formula", self.formula), ("Rows", str(self.nobs)), ("Estimand", self.estimand)]
        notes = [f"Method: {self.citation}."]
        what = "Standardised mean differences" if self.measure == "SMD" else "Correlations with the dose"
        many = "arm" in self.table and self.denominator == "pooled"
        notes.append(
            f"{what}; denominator: {'all arms pooled, the root of their mean variance' if many else SD[self.denominator]}."
        )
        if self.limits:
            said = ", ".join(_SAID[c].format(limit, 1.0 / limit) for c, limit in self.limits.items())
            notes.append(
                f"Balanced: {said}. " + (f"Beyond (*): {', '.join(sorted(beyond))}." if beyond else "All columns are.")
            )
        notes.append(self.dropped_note())
        return Table(
            ("term", "unweighted", *shown), tuple(rows), title="Balance table", facts=tuple(facts),
            notes=tuple(n for n in notes if n), rules=(cut,), kind=self.kind,
        )  # fmt: skip

    def _lines(self) -> dict[str, Any]:
        """The table of each weighting, by the labels of the summary's lines."""
        import pandas as pd

        frame = pd.DataFrame(dict(self.table))
        label = frame["term"]
        if "arm" in frame:
            label = label + ": " + frame["arm"] + " - " + frame["reference"]
        return {name: block.set_index(label[block.index]) for name, block in frame.groupby("weighting", sort=False)}

    def _size_rows(self) -> list[tuple[str, ...]]:
        import pandas as pd

        frame = pd.DataFrame(dict(self.size_table))
        name = "arm" if "arm" in frame else "dose"
        rows = []
        for label, block in frame.groupby(name, sort=False):
            after = [format_number(v) for v in block["ess_after"]] if self.weighted else []
            rows.append((f"ESS {_plain(label)}", format_number(block["ess_before"].iloc[0]), *after))
        return rows

    def plot(
        self,
        statistic: str | None = None,
        *,
        threshold: Any = ...,
        absolute: bool = True,
        order: str = "given",
        pairs: str = "all",
        ax: Any = None,
    ) -> Any:
        """The love plot: balance before and after every weighting, one panel for every two arms.

        Parameters
        ----------
        statistic : {"smd", "ks"}, optional
            What is shown, for arms; correlations for a dose.
        threshold : float or None, optional
            Where to draw the line of good balance; by default the table's own.
        absolute : bool
        order : {"given", "before", "after", "name"}
            Order of the lines; "given" is that of the table.
        pairs : {"all", "largest"}
            Of several arms: one panel a pair, or the largest of any pair.
        ax : matplotlib axes, optional

        Returns
        -------
        matplotlib axes, or an array of them
        """
        from statinf.plotting.balance import love_panels, love_plot

        known = ("smd", "ks") if self.measure == "SMD" else ("correlation",)
        stem = known[0] if statistic is None else one_of("statistic", statistic, known)
        line = self.limits.get(f"{stem}_after") if threshold is ... else threshold
        lines = self._lines()
        first = next(iter(lines.values()))
        said = {
            "smd": "standardised mean difference",
            "ks": "Kolmogorov-Smirnov distance",
            "correlation": "correlation with the dose",
        }
        how: dict[str, Any] = {"threshold": line, "absolute": absolute, "order": order, "measure": said[stem]}
        if "arm" not in first:
            after = {name: one[f"{stem}_after"].to_numpy() for name, one in lines.items()} if self.weighted else {}
            return love_plot(list(first["term"]), first[f"{stem}_before"].to_numpy(), after, **how, ax=ax)
        panels: dict[str, tuple[np.ndarray, dict[str, np.ndarray]]] = {}
        for name, one in lines.items():
            for (arm, reference), block in one.groupby(["arm", "reference"], sort=False):
                title = f"{arm} against {reference}"
                after = panels.setdefault(title, (block[f"{stem}_before"].to_numpy(), {}))[1]
                if self.weighted:
                    after[name] = block[f"{stem}_after"].to_numpy()
        terms: Sequence[str] = list(dict.fromkeys(first["term"]))
        return love_panels(terms, panels, **how, pairs=pairs, ax=ax)


def _columns(frame: Any) -> dict[str, np.ndarray]:
    kinds = {name: object if frame[name].dtype.kind not in "fiub" else None for name in frame}
    return {name: frame[name].to_numpy(dtype=kind) if kind else frame[name].to_numpy() for name, kind in kinds.items()}


def _plain(label: str) -> str:
    return label.removesuffix(".0")


def _number(value: Any) -> str:
    return f"{round(float(value), 4) + 0.0:.4f}" if np.isfinite(value) else format_number(float(value))


def _mark(value: Any, block: Any, label: Any) -> str:
    return _number(value) + ("" if "balanced" not in block or block["balanced"][label] else "*")

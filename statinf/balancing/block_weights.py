"""`BalanceBlockWeights`: weights for two arms of a table in blocks, with their balance table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statinf.balancing.pairs import SIZE_HEADS, check_shown, denominator_notes, extremes
from statinf.balancing.treatment import plain_level
from statinf.balancing.weights import BalanceWeights
from statinf.formula.recipe import Recipe
from statinf.internal import internal
from statinf.passes.block_weights import BlockWeights
from statinf.passes.column_sums import ColumnSums
from statinf.results import Table, to_caller
from statinf.results.table import format_number


@dataclass(frozen=True)
class TableColumns:
    """The columns of a balance table.

    Attributes
    ----------
    names : tuple of str
    point : ndarray, shape (m,)
        Where zero of the sums lies.
    treated, control, both : ColumnSums
        Under sampling weights.
    treated_after, control_after, both_after : ColumnSums
        Under the weights.
    """

    names: tuple[str, ...]
    point: np.ndarray
    treated: ColumnSums
    control: ColumnSums
    both: ColumnSums
    treated_after: ColumnSums
    control_after: ColumnSums
    both_after: ColumnSums

    def _groups(self, kind: str) -> tuple[ColumnSums, ...]:
        return {
            "treated": (self.treated,),
            "control": (self.control,),
            "pooled": (self.treated, self.control),
            "all": (self.both,),
            "weighted": (self.both_after,),
        }[kind]

    def denominators(self, kind: str) -> tuple[np.ndarray, np.ndarray]:
        """Standard deviations and the kind of each; wider ones where a column does not vary, as for rows in memory."""
        m = len(self.names)
        sd, kinds, left = np.zeros(m), np.full(m, kind, dtype=object), np.arange(m)
        for now in dict.fromkeys((kind, "pooled", "all")):
            groups = self._groups(now)
            sd[left] = np.sqrt(np.mean([g.variance(self.point) for g in groups], axis=0))[left]
            kinds[left] = now
            flat = np.all([g.flat for g in groups], axis=0)
            left = left[flat[left] | ~(sd[left] > 0.0)]
            if not len(left):
                break
        return sd, kinds


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class BalanceBlockWeights(BlockWeights):
    """Weights that balance two treatment arms of a table in blocks.

    On the scale of `BalanceWeights`; they hold coefficients or multipliers and no row, so `values` are refused and the table
    has no distances between distributions (`ks`) of columns other than 0 and 1.

    Attributes
    ----------
    treatment : str
    treatment_level, control_level : object
    level_note : str
    names : tuple of str
    coef : ndarray, shape (p + 1,), optional
        Coefficients of the propensity on the formula's columns, intercept first; NaN where aliased.
    aliases : ndarray, optional
        How the columns that have a coefficient make the others.
    recipe : Recipe
    details : mapping
    iterations : int
        Passes of the search.
    residual : float
    shown : TableColumns
    """

    treatment: str = ""
    treatment_level: Any = 1
    control_level: Any = 0
    level_note: str = ""
    names: tuple[str, ...] = ()
    coef: np.ndarray | None = None
    aliases: np.ndarray | None = None
    recipe: Recipe | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    iterations: int = 0
    residual: float = 0.0
    shown: TableColumns | None = None

    beside = ("ess", "sizes", "diagnostics", "score", "on_block")

    def sizes(self) -> Any:
        """Rows and effective sample sizes before and after weighting."""
        import pandas as pd

        rows = [
            (str(label), sums.rows, sums.ess_before, sums.ess_after, sums.zero)
            for label, sums in zip((self.treatment_level, self.control_level), self.sizes_by.values(), strict=True)
        ]
        return to_caller(pd.DataFrame(rows, columns=["arm", "rows", "ess_before", "ess_after", "zero"]), self.kind)

    def diagnostics(self, *, denominator: str | None = None, binary: str = "std") -> Any:
        """Balance of every column before and after weighting.

        Parameters
        ----------
        denominator, binary
            As `BalanceWeights.diagnostics` takes them.

        Returns
        -------
        data frame
            The columns that rows in memory have; `ks_before` and `ks_after` are NaN but for columns of 0 and 1.
        """
        return to_caller(self.balance_frame(denominator=denominator, binary=binary), self.kind)

    @internal
    def balance_frame(self, *, denominator: str | None = None, binary: str = "std") -> Any:
        """`diagnostics` as a pandas frame."""
        import pandas as pd

        kind, shown = check_shown(self.estimand, denominator, binary), self.shown
        assert shown is not None
        sd, kinds = shown.denominators(kind)
        flags = shown.both.binary
        if binary == "raw":
            sd, kinds = np.where(flags, 1.0, sd), np.where(flags, "none", kinds)
        columns: dict[str, Any] = {
            "term": shown.names,
            "type": np.where(flags, "binary", "continuous"),
            "denominator": kinds,
        }
        pairs = {"before": (shown.treated, shown.control), "after": (shown.treated_after, shown.control_after)}
        differences = {when: one.mean - two.mean for when, (one, two) in pairs.items()}
        with np.errstate(divide="ignore", invalid="ignore"):
            for when, gap in differences.items():
                columns[f"smd_{when}"] = np.where(gap == 0.0, 0.0, gap / sd)
            for when, (one, two) in pairs.items():
                ratio = one.variance(shown.point) / two.variance(shown.point)
                columns[f"variance_ratio_{when}"] = np.where(flags, np.nan, ratio)
        for when, gap in differences.items():
            columns[f"ks_{when}"] = np.where(flags, np.abs(gap), np.nan)
        columns["mean_treated"] = shown.point + shown.treated_after.mean
        columns["mean_control"] = shown.point + shown.control_after.mean
        return pd.DataFrame(columns)

    def score(self, newdata: Any) -> np.ndarray:
        """The weight that each new row would get from the fitted propensity and its own arm, shape (rows,)."""
        return BalanceWeights.score(self, newdata)  # type: ignore[arg-type]

    def summary(self) -> Table:
        """Sizes before and after, the largest weights, and the balance that was reached."""
        rows = []
        levels = (("treated", self.treatment_level), ("control", self.control_level))
        for (role, label), sums in zip(levels, self.sizes_by.values(), strict=True):
            relative = sums.sampling / max(sums.total, 1e-300)
            least, most = sums.least * relative, sums.most * relative
            cells = (sums.rows, sums.ess_before, sums.ess_after, least, most, sums.zero)
            name = f"{self.treatment} = {plain_level(label)} ({role})"
            rows.append((name, *(format_number(c) for c in cells)))
        frame = self.balance_frame()
        facts = [("Formula", self.formula), ("Estimand", self.estimand), ("Solver residual", f"{self.residual:.1e}")]
        facts += [("Passes of the search", str(self.iterations)), *extremes(frame)]
        notes = [f"Method: {self.citation}." if self.citation else "", "Weights relative to their arm's mean."]
        notes += [*denominator_notes(frame, self.estimand), self.level_note, self.dropped_note()]
        return Table(
            SIZE_HEADS,
            tuple(rows),
            title=f"Balancing weights: {self.method}, of data read in blocks",
            facts=tuple(facts),
            notes=tuple(n for n in notes if n),
        )

"""What `si.conformal_select` returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statinf.conformity.labelled import labels_of
from statinf.conformity.selection.scoring import Scored
from statinf.conformity.shift import effective_size
from statinf.errors import OptionError, check_fdr
from statinf.inference.conformal_selection import Reweighted, Stepped
from statinf.inference.discoveries import Discoveries, pruning_draws
from statinf.plotting import selection as figures
from statinf.results import Predictive, Table, to_caller

LEVELS = tuple(round(0.05 * k, 2) for k in range(1, 11))


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Selection(Predictive):
    """New rows selected with a bound on the false discovery rate.

    Attributes
    ----------
    fdr : float
    direction : {"greater", "less"}
    scored : Scored
        Scores of both samples, and the rule that selects by them.
    found : Discoveries
        Of the usable new rows.
    usable : ndarray of int, shape (m,)
        Numbers of the new rows that could be scored.
    thresholds : ndarray, shape (rows of newdata,)
    dropped_new : mapping of str to int
        New rows that could not be scored, by cause.
    index : object
        Labels of the new rows: the index of a pandas frame.
    seed : int
    """

    fdr: float
    direction: str
    scored: Scored
    found: Discoveries
    usable: np.ndarray
    thresholds: np.ndarray
    dropped_new: Mapping[str, int] = field(default_factory=dict)
    index: Any = field(default=None, metadata={"saved": False})
    labels: np.ndarray | None = None
    seed: int = 0

    beside = ("selected", "p_values", "fdp_curve")
    lacks = ("predict",)

    @property
    def n_new(self) -> int:
        """Rows of newdata."""
        return len(self.thresholds)

    @property
    def selected(self) -> Any:
        """Whether each new row is selected, shape (rows,) bool, with the index of newdata; False where it cannot be scored."""
        return self._column("selected", self.found.selected, False)

    @property
    def p_values(self) -> Any:
        """Conformal p-values of "the outcome does not pass", shape (rows,), with the index of newdata; NaN where there is none."""
        return self._column("p_value", self.found.p_values, np.nan)

    def tidy(self) -> Any:
        """One row per new row, in the caller's kind of data frame and with its index.

        Returns
        -------
        data frame
            `prediction` (of the outcome, or of the probability that it passes), `threshold`, `score` (small for rows that
            should pass), `p_value`, `e_value` (before pruning), `selected` and `model`, the one that scored the row.
        """
        import pandas as pd

        found, rows = self.found, np.arange(len(self.usable))
        names = np.asarray(self.scored.names, dtype=object)
        columns = {
            "prediction": self._spread(self.scored.predictions[found.chosen, rows], np.nan),
            "threshold": self.thresholds,
            "score": self._spread(self.scored.test[found.chosen, rows], np.nan),
            "p_value": self._spread(found.p_values, np.nan),
            "e_value": self._spread(found.e_values, np.nan),
            "selected": self._spread(found.selected, False),
            "model": self._spread(names[found.chosen], None),
        }
        return to_caller(pd.DataFrame(columns), self.kind, labels_of(self.index, self.labels))

    def fdp_curve(self, levels: Sequence[float] | None = None, *, newdata: Any = None) -> Any:
        """How many rows other levels would select; a level that is chosen after a look at this has no guarantee.

        Parameters
        ----------
        levels : sequence of float, optional
            False discovery rates in (0, 1); 0.05, 0.1, ..., 0.5 by default.
        newdata : data frame, optional
            The new rows, with their outcomes in the meantime.

        Returns
        -------
        data frame
            `fdr`, `selected`, `p_value` (the largest one selected), `estimate` (of the share that does not pass: the
            number of new rows times that p-value, over the number selected). With outcomes also `fdp`, that share among the
            rows whose outcome is recorded, and `power`, the share of the rows that pass which is selected.
        """
        import pandas as pd

        truth = None if newdata is None else self._truth(newdata)
        rows = []
        for level in LEVELS if levels is None else np.atleast_1d(levels).tolist():
            found = self.scored.select(check_fdr(level, name="levels"))
            count = int(found.selected.sum())
            largest = float(found.p_values[found.selected].max()) if count else np.nan
            row = {"fdr": level, "selected": count, "p_value": largest}
            row["estimate"] = min(1.0, len(self.usable) * largest / count) if count else 0.0
            if truth is not None:
                known = found.selected & ~np.isnan(truth)
                passing = float(np.nansum(truth))
                row["fdp"] = float((truth[known] == 0.0).mean()) if known.any() else 0.0
                row["power"] = float(truth[known].sum()) / passing if passing else np.nan
            rows.append(row)
        return to_caller(pd.DataFrame(rows), self.kind)

    def _truth(self, newdata: Any) -> np.ndarray:
        """Whether each usable row's outcome passes (m,), NaN where it is missing."""
        new = self.new_rows(newdata, ("covariates",), response=True, warn=False)
        if new.n != self.n_new:
            raise OptionError(f"newdata has {new.n} rows; the selection was made from {self.n_new}.")
        outcome = np.asarray(new.response, np.float64)[self.usable]
        sign = 1.0 if self.direction == "greater" else -1.0
        passes = (sign * outcome > sign * self.thresholds[self.usable]).astype(np.float64)
        return np.where(np.isnan(outcome), np.nan, passes)

    def _spread(self, values: np.ndarray, missing: Any) -> np.ndarray:
        out = np.full(self.n_new, missing, dtype=values.dtype)
        out[self.usable] = values
        return out

    def _column(self, name: str, values: np.ndarray, missing: Any) -> Any:
        import pandas as pd

        return to_caller(
            pd.DataFrame({name: self._spread(values, missing)}), self.kind, labels_of(self.index, self.labels)
        )[name]

    # --- showing ------------------------------------------------------------------------------------------

    def summary(self) -> Table:
        """How many rows are selected, by model, and what that promises."""
        found, scored = self.found, self.scored
        m = len(self.usable)
        facts = [("Formula", self.formula), ("Method", self.method), ("Rows", str(self.nobs))]
        facts += [("Trained on", str(scored.trained)), ("Calibrated on", str(scored.calibration.shape[1]))]
        facts += [("New rows", str(m)), ("Looked for", self._looked_for()), ("FDR", f"{self.fdr:g}")]
        facts.append(("Selected", str(int(found.selected.sum()))))
        rows = []
        for k, name in enumerate(scored.names):
            at = found.chosen == k
            kept = at & found.selected
            largest = f"{found.p_values[kept].max():.4g}" if kept.any() else ""
            rows.append((name, str(int(at.sum())), str(int(kept.sum())), largest))
        notes = [f"False discovery rate: at most {self.fdr:g} {scored.guarantee}.", *self._notes()]
        return Table(
            ("model", "rows scored", "selected", "largest p-value"),
            tuple(rows),
            title="Conformal selection",
            facts=tuple(facts),
            notes=tuple(notes),
        )

    def _looked_for(self) -> str:
        known = self.thresholds[~np.isnan(self.thresholds)]
        side = "above" if self.direction == "greater" else "below"
        return f"{side} {known[0]:g}" if len(known) and (known == known[0]).all() else f"{side} thresholds by row"

    def _notes(self) -> list[str]:
        rule, notes = self.scored.rule, []
        if isinstance(rule, Reweighted):
            size = effective_size(rule.weights)
            notes.append(f"The weights are worth {size:.0f} of {len(rule.weights)} calibration rows.")
        if not isinstance(rule, Stepped):
            drawn = pruning_draws(rule.pruning, np.zeros(0, np.intp), rule.seed)
            what = f", random number {drawn:.4f}" if rule.pruning == "homogeneous" else ""
            notes.append(f"Pruning: {rule.pruning}{what}.")
        if self.dropped:
            notes.append(self.dropped_note())
        if self.dropped_new:
            listed = "; ".join(f"{n} ({cause})" for cause, n in self.dropped_new.items())
            notes.append(f"New rows that cannot be selected: {listed}.")
        return [*notes, f"Method: {self.citation}."]

    def plot(self, kind: str = "p_values", *, ax: Any = None) -> Any:
        """A figure; returns the matplotlib axes.

        Parameters
        ----------
        kind : {"p_values", "curve"}
            Sorted p-values beside the line of Benjamini and Hochberg; the number selected and the estimated share of wrong
            choices over levels.
        ax : matplotlib axes, optional
        """
        if kind == "p_values":
            return figures.plot_p_values(self.found.p_values, self.found.selected, self.fdr, ax=ax)
        if kind == "curve":
            levels = np.linspace(0.02, 0.6, 59)
            counts = np.array([self.scored.select(float(q)).selected.sum() for q in levels])
            return figures.plot_curve(levels, counts, self.fdr, ax=ax)
        raise OptionError(f"plot kind={kind!r} is not known for a selection; choose 'p_values' or 'curve'.")

"""The result of `density_ratio`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statinf.errors import DataError, NotIdentifiedError, one_of
from statinf.formula.identity import RowIdentity
from statinf.formula.recipe import Recipe, warn_rows
from statinf.results import Table, Weights, format_number, to_caller
from statinf.shifts.overlap import balance_table, margin_table, pareto_k, uncovered
from statinf.shifts.samples import Samples, left_out


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DensityRatio(Weights):
    """Source rows weighted by an estimate of p_target(x) / p_source(x).

    Attributes
    ----------
    ratio : ndarray, shape (n,)
        The estimated ratio at the rows used; `values` is the ratio times the row's own weight.
    rule : object
        The ratio as a function of the formula's columns.
    recipe : Recipe
    columns : tuple of str
        The columns, without the constant.
    power, trim : float
        Powers below one flatten the ratio; ratios are cut at `trim`.
    settings, facts : mapping
        Tuning constants, and numbers of the fit.
    target : RowIdentity
        The rows of the target's frame.
    n_target : int
        Target rows of positive weight.
    uncovered_rows : int
        Target rows outside the source's range in at least one column.
    samples : Samples or None
        Both samples, for `diagnostics`; not saved.
    """

    ratio: np.ndarray
    rule: Any
    recipe: Recipe
    columns: tuple[str, ...]
    power: float = 1.0
    trim: float = np.inf
    settings: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    n_target: int = 0
    uncovered_rows: int = 0
    dropped_target: Mapping[str, int] = field(default_factory=dict)
    target: RowIdentity | None = None
    samples: Samples | None = field(default=None, metadata={"saved": False})

    beside = ("values", "ess", "diagnostics", "score")

    def score(self, newdata: Any) -> np.ndarray:
        """The density ratio at new rows.

        Parameters
        ----------
        newdata : data frame
            With the columns of the formula.

        Returns
        -------
        ndarray, shape (rows,)
            NaN, with one warning, for rows that cannot be scored.
        """
        return scored(self.recipe, self.rule, self.power, self.trim, newdata)

    @property
    def pareto_k(self) -> float:
        """Shape of the weights' upper tail; above 0.7 weighted averages are unreliable."""
        return pareto_k(self.values)

    def _both(self) -> Samples:
        if self.samples is None:
            raise DataError("diagnostics need both samples, which a saved density ratio leaves out; estimate it again.")
        return self.samples

    def diagnostics(self) -> Any:
        """Balance of every column before and after weighting, in the caller's kind of data frame.

        Returns
        -------
        data frame
            Columns column, mean_source, mean_weighted, mean_target, smd_before, smd_after (source minus target, in
            standard deviations of the target), var_ratio_before, var_ratio_after, ks_before, ks_after.
        """
        return to_caller(self._balance(), self.kind)

    def _balance(self) -> Any:
        s = self._both()
        if s.target.known is not None:
            return margin_table(s.xs, s.xt[0], s.ws, self.values[s.at_source], s.names)
        return balance_table(s.xs, s.xt, s.ws, s.wt, self.values[s.at_source], s.names)

    def overlap(self) -> Any:
        """Target rows outside the source's range, by column: column, source_low, source_high, target_outside, share."""
        import pandas as pd

        s = self._both()
        if s.target.known is not None:
            raise NotIdentifiedError("overlap needs rows of the target, and only margins are known; see diagnostics().")
        counts, _ = uncovered(s.xs, s.xt)
        low, high = s.xs.min(axis=0), s.xs.max(axis=0)
        frame = pd.DataFrame(
            {
                "column": list(s.names),
                "source_low": low,
                "source_high": high,
                "target_outside": counts,
                "share": counts / len(s.xt),
            }
        )
        return to_caller(frame, self.kind)

    def summary(self) -> Table:
        """Sizes, tail and effective sample size, with the tuning constants that were used or chosen."""
        v = self.values
        largest = float(v.max())
        notes = []
        if not self.counted:
            notes.append("Standard errors downstream take these weights as fixed: the method has no influence values.")
        zero = self.nobs - int(np.count_nonzero(v))
        return ratio_table(self, self.nobs, largest, largest / float(v.sum()), zero, notes)

    def plot(self, kind: str = "balance", **options: Any) -> Any:
        """A figure.

        Parameters
        ----------
        kind : {"balance", "weights"}
            Standardised differences before and after, or the ratio's distribution over the source rows.

        Returns
        -------
        matplotlib axes
        """
        one_of("kind", kind, ("balance", "weights"))
        from statinf.plotting import shift as figures

        if kind == "weights":
            return figures.plot_weights(self.ratio, self.ess, **options)
        table = self._balance()
        before, after = table["smd_before"].to_numpy(), table["smd_after"].to_numpy()
        return figures.plot_balance(self.columns, before, after, **options)


def shaped(ratio: np.ndarray, power: float, trim: float) -> np.ndarray:
    """A ratio flattened by a power, then cut."""
    return np.minimum(ratio if power == 1.0 else ratio**power, trim)


def slope_of(ratio: np.ndarray, power: float, trim: float) -> np.ndarray:
    """Derivative of `shaped` by the ratio, shape (n,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(ratio > 0, power * ratio ** (power - 1.0), 0.0)
    return slope * (shaped(ratio, power, np.inf) < trim)


def scored(recipe: Recipe, rule: Any, power: float, trim: float, newdata: Any) -> np.ndarray:
    """The ratio at new rows, shape (rows,); NaN, with one warning, for those that cannot be scored."""
    rows = recipe.new_rows(newdata)
    x = rows.parts["covariates"].without_intercept().values
    out = np.full(rows.n, np.nan)
    if rows.ok.any():
        out[rows.ok] = shaped(rule.at(x[rows.ok]), power, trim)
        unknown = int(np.isnan(out[rows.ok]).sum())
        if unknown:
            warn_rows({"columns that others determined do not follow from them": unknown}, rows.n, "have no ratio")
    return out


def ratio_table(found: Any, nobs: int, largest: float, share: float, zero: int, notes: Sequence[str]) -> Table:
    """The summary of a density ratio.

    Parameters
    ----------
    found : DensityRatio or BlockDensityRatio
    nobs : int
        Source rows.
    largest, share : float
        The largest weight, and its share of all.
    zero : int
        Weights that are zero.
    notes : sequence of str
    """
    rows = [
        ("source rows", str(nobs)),
        ("target rows", str(found.n_target) if found.n_target else "known margins"),
        ("target rows not covered", str(found.uncovered_rows)),
        ("effective sample size", format_number(found.ess)),
        ("largest weight", format_number(largest)),
        ("largest share", format_number(share)),
        ("Pareto k", format_number(found.pareto_k)),
        ("zero weights", str(zero)),
    ]
    rows += [(name, format_number(value)) for name, value in {**found.settings, **found.facts}.items()]
    said = (f"Method: {found.citation}.", *notes, *left_out(found.dropped, found.dropped_target))
    facts = (("Formula", found.formula), ("Estimand", found.estimand))
    return Table(("weights", "value"), tuple(rows), title=f"Density ratio: {found.method}", facts=facts, notes=said)

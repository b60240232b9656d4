"""`BalanceWeights`: weights for two arms with their balance table and plots."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.balancing.balanced import Balanced
from statinf.balancing.pairs import (
    SIZE_HEADS,
    Contrasted,
    arm_sizes,
    check_shown,
    denominator_notes,
    extremes,
    pair_frame,
    size_cells,
)
from statinf.balancing.treatment import plain_level
from statinf.errors import DataError, one_of
from statinf.formula.frame import as_frame
from statinf.results import Table, Weights, to_caller, unsupported


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class BalanceWeights(Balanced):
    """Weights that balance two treatment arms.

    Propensity methods keep the scale h(e) / P(own arm); the others have mean one in each arm (over the sampling weights),
    within each group of `by=`.

    Attributes
    ----------
    treated : ndarray of bool, shape (n,)
    treatment_level, control_level : object
        The two values of the treatment.
    propensity : ndarray, shape (n,), optional
    """

    treated: np.ndarray
    treatment_level: Any = 1
    control_level: Any = 0
    propensity: np.ndarray | None = None

    def sizes_frame(self) -> Any:
        """`sizes` as a pandas frame."""
        arms = ((self.treatment_level, self.treated), (self.control_level, ~self.treated))
        return arm_sizes(arms, self.sampling, self.values)

    def size_labels(self) -> list[str]:
        """What a table of several weightings calls the effective sizes of `sizes`."""
        return ["ESS treated", "ESS control"]

    def diagnostics(self, *, denominator: str | None = None, binary: str = "std", by_group: bool = False) -> Any:
        """Balance of every column before and after weighting.

        Parameters
        ----------
        denominator : {"treated", "control", "pooled", "all", "weighted"}, optional
            Standard deviation behind the standardised mean difference, the same before and after. By default that of the
            target: the treated for ATT, the controls for ATC, both pooled for ATE, the weighted sample otherwise (as R
            cobalt). All but "weighted" use the sampling weights only. A column that does not vary there takes the standard
            deviation of both arms pooled, and the column `denominator` says so.
        binary : {"std", "raw"}
            Whether 0/1 columns are standardised too, or shown as differences in proportion.
        by_group : bool
            One block a group of `by=`.

        Returns
        -------
        data frame
            Columns term, type, denominator, smd_before, smd_after, variance_ratio_before, variance_ratio_after, ks_before,
            ks_after, mean_treated, mean_control (after), and group with `by_group`.
        """
        return to_caller(self.balance_frame(denominator=denominator, binary=binary, by_group=by_group), self.kind)

    def balance_frame(self, *, denominator: str | None = None, binary: str = "std", by_group: bool = False) -> Any:
        """`diagnostics` as a pandas frame."""
        kind = check_shown(self.estimand, denominator, binary)
        return self._blocks(by_group, lambda rows: self._block(rows, kind, binary))

    def _block(self, rows: np.ndarray, kind: str, binary: str) -> Any:
        assert self.columns is not None
        positive = self.sampling > 0
        used = rows & positive
        columns = replace(self.columns, values=self.columns.values[rows[positive]])
        arm = Contrasted(self.treated[used], self.sampling[used], self.values[used])
        return pair_frame(columns, arm, kind, binary)

    def score(self, newdata: Any) -> np.ndarray:
        """The weight that each new row would get from the fitted propensity and its own arm, shape (rows,)."""
        if self.coef is None or self.recipe is None:
            return Weights.score(self, newdata)
        from statinf.balancing.propensity_weights import new_weights

        numeric = bool(self.recipe.response)
        rows = self.recipe.new_rows(newdata, roles=("covariates",), response=numeric)
        matrix = rows.part("covariates").with_intercept()
        kept = ~np.isnan(self.coef)
        broken = np.zeros(rows.n, bool) if self.aliases is None else unsupported(matrix, kept, self.aliases)
        eta = matrix.values[:, kept] @ self.coef[kept]
        if numeric:
            assert rows.response is not None
            arm = _coded_arm(rows.response, self.treatment, self.treatment_level, self.control_level)
        else:
            arm = _labelled_arm(newdata, self.treatment, self.treatment_level, self.control_level)
        out = new_weights(eta, np.nan_to_num(arm) > 0.5, self.estimand, str(self.details.get("link", "logit")))
        return np.where(np.isnan(arm) | broken, np.nan, out)

    def summary(self) -> Table:
        """Sizes before and after, the largest weights, and the balance that was reached."""
        rows = []
        for role, label, arm in (
            ("treated", self.treatment_level, self.treated),
            ("control", self.control_level, ~self.treated),
        ):
            name = f"{self.treatment} = {plain_level(label)} ({role})"
            rows.append((name, *size_cells(self.sampling[arm], self.values[arm])))
        facts = [("Formula", self.formula), ("Estimand", self.estimand), ("Solver residual", f"{self.residual:.1e}")]
        notes = [f"Method: {self.citation}." if self.citation else "", "Weights relative to their arm's mean."]
        if self.columns is not None:
            frame = self.balance_frame()
            facts += extremes(frame)
            notes += denominator_notes(frame, self.estimand)
        notes += self._closing_notes()
        return Table(
            SIZE_HEADS,
            tuple(rows),
            title=f"Balancing weights: {self.method}",
            facts=tuple(facts),
            notes=tuple(n for n in notes if n),
        )

    def plot(self, kind: str = "love", **options: Any) -> Any:
        """A figure.

        Parameters
        ----------
        kind : {"love", "weights"}
            Absolute standardised differences before and after, or histograms of the weights by arm.

        Returns
        -------
        matplotlib axes
        """
        from statinf.plotting.balance import love_plot, weight_histogram

        one_of("kind", kind, ("love", "weights"))
        if kind == "weights":
            arms = {plain_level(self.treatment_level): self.treated, plain_level(self.control_level): ~self.treated}
            return weight_histogram(self.values, arms, **options)
        picked = {k: options.pop(k) for k in ("denominator", "binary") if k in options}
        frame = self.balance_frame(**picked)
        return love_plot(
            list(frame["term"]), frame["smd_before"].to_numpy(), {self.method: frame["smd_after"].to_numpy()}, **options
        )


def _coded_arm(values: np.ndarray, name: str, level: Any, other: Any) -> np.ndarray:
    """1 treated, 0 control, NaN missing, shape (rows,)."""
    arm = np.where(values == level, 1.0, np.where(values == other, 0.0, np.nan))
    _refuse_unknown(sorted(set(values[np.isnan(arm) & ~np.isnan(values)].tolist())), name)
    return arm


def _labelled_arm(newdata: Any, name: str, level: Any, other: Any) -> np.ndarray:
    column = as_frame(newdata).categories(name)
    labels = np.array([*column.levels, None], dtype=object)[column.codes]
    _refuse_unknown([v for v in column.levels if v not in (level, other)], name)
    return np.where(labels == level, 1.0, np.where(labels == other, 0.0, np.nan))


def _refuse_unknown(values: list[Any], name: str) -> None:
    if values:
        raise DataError(f"the treatment '{name}' has values in the new rows that were not in the fit: {values[:5]}.")

"""`BalanceWeights`: weights for two arms with their balance table and plots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statinf.balancing.columns import BalanceColumns
from statinf.errors import DataError, OptionError, one_of
from statinf.formula.frame import as_frame
from statinf.formula.recipe import Recipe
from statinf.numerics.discrepancy.imbalance import DENOMINATORS, denominators, effective_size, imbalance, is_binary
from statinf.results import Table, Weights, to_caller, unsupported
from statinf.results.table import format_number

_SD = {
    "treated": "the treated",
    "control": "the controls",
    "pooled": "both arms pooled, sqrt((s1^2 + s0^2) / 2)",
    "all": "the whole sample",
    "weighted": "the weighted sample",
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class BalanceWeights(Weights):
    """Weights that balance two treatment arms.

    `values` hold the sampling weights multiplied in. Propensity methods keep the scale h(e) / P(own arm); the others
    have mean one in each arm (over the sampling weights), within each group of `by=`.

    Attributes
    ----------
    treated : ndarray of bool, shape (n,)
    sampling : ndarray, shape (n,)
        Sampling weights.
    columns : BalanceColumns
        Those of the balance table on rows of positive sampling weight, every level of a factor among them; not saved.
    names : tuple of str
    treatment : str
        Treatment column.
    treatment_level, control_level : object
        Its two values.
    level_note : str
        What the summary says where the order of the two values alone decided which is treated.
    propensity : ndarray, shape (n,), optional
    aliases : ndarray, shape (k, p + 1 - k), optional
        How the k columns that have a coefficient make the others.
    coef : ndarray, shape (p + 1,), optional
        Propensity coefficients of the formula's columns, intercept first; NaN where aliased.
    details : mapping
        Numbers of the method: multipliers, tolerances, bandwidth, objective, J statistic. With `by`, one a group.
    iterations : int
    residual : float
        What the solver left: the largest imbalance in standard deviations, or its optimality residual.
    groups : ndarray of int, shape (n,), optional
        Codes of the groups of `by=`.
    group_names : tuple of str
    treated_as_fixed : str
        Why standard errors downstream treat the weights as known; empty where they do not.
    solver : callable, optional
        Solves again for other sampling weights, shape (B, n); not saved.
    """

    treated: np.ndarray
    sampling: np.ndarray
    columns: BalanceColumns | None = field(default=None, metadata={"saved": False})
    names: tuple[str, ...] = ()
    treatment: str = ""
    treatment_level: Any = 1
    control_level: Any = 0
    level_note: str = ""
    propensity: np.ndarray | None = None
    coef: np.ndarray | None = None
    aliases: np.ndarray | None = None
    recipe: Recipe | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    iterations: int = 0
    residual: float = 0.0
    groups: np.ndarray | None = None
    group_names: tuple[str, ...] = ()
    treated_as_fixed: str = ""
    solver: Any = field(default=None, metadata={"saved": False})

    beside = ("values", "ess", "sizes", "diagnostics")

    def sizes(self) -> Any:
        """Rows and effective sample sizes of each arm before and after weighting, in the caller's kind of frame."""
        import pandas as pd

        rows = []
        for label, arm in ((self.treatment_level, self.treated), (self.control_level, ~self.treated)):
            s, w = self.sampling[arm], self.values[arm]
            zero = int(((w == 0) & (s > 0)).sum())
            rows.append((str(label), int((s > 0).sum()), effective_size(s), effective_size(w), zero))
        frame = pd.DataFrame(rows, columns=["arm", "rows", "ess_before", "ess_after", "zero"])
        return to_caller(frame, self.kind)

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
        import pandas as pd

        one_of("binary", binary, ("std", "raw"))
        kind = (
            DENOMINATORS.get(self.estimand, "weighted")
            if denominator is None
            else one_of("denominator", denominator, tuple(_SD))
        )
        if self.columns is None:
            raise DataError("the balance table needs the rows, which saved weights leave out; balance again.")
        if not by_group:
            return self._block(np.ones(len(self.values), dtype=bool), kind, binary)
        if self.groups is None:
            raise OptionError("by_group=True needs weights made with by=.")
        blocks = []
        for code, name in enumerate(self.group_names):
            block = self._block(self.groups == code, kind, binary)
            block.insert(0, "group", name)
            blocks.append(block)
        return pd.concat(blocks, ignore_index=True)

    def _block(self, rows: np.ndarray, kind: str, binary: str) -> Any:
        import pandas as pd

        assert self.columns is not None
        positive = self.sampling > 0
        used = rows & positive
        x = self.columns.values[rows[positive]]
        t, s, w = self.treated[used], self.sampling[used], self.values[used]
        sd, kinds = denominators(x, t, s, w, kind)
        flags = is_binary(x) & (self.columns.unit == 1.0) & (self.columns.shift == 0.0)
        if binary == "raw":
            sd, kinds = np.where(flags, 1.0, sd), np.where(flags, "none", kinds)
        before, after = imbalance(x, t, s, sd), imbalance(x, t, w, sd)
        return pd.DataFrame(
            {
                "term": self.names,
                "type": np.where(flags, "binary", "continuous"),
                "denominator": kinds,
                "smd_before": before.smd,
                "smd_after": after.smd,
                "variance_ratio_before": before.variance_ratio,
                "variance_ratio_after": after.variance_ratio,
                "ks_before": before.ks,
                "ks_after": after.ks,
                "mean_treated": self.columns.shift + self.columns.unit * after.mean1,
                "mean_control": self.columns.shift + self.columns.unit * after.mean0,
            }
        )

    def resolve(self, multipliers: np.ndarray) -> np.ndarray:
        """Weights estimated again with every row's sampling weight multiplied, as bootstraps do.

        Parameters
        ----------
        multipliers : ndarray, shape (B, n)
            Nonnegative; one row per replica.

        Returns
        -------
        ndarray, shape (B, n)
            The multipliers are part of the weights; a replica without a solution is NaN.
        """
        if self.solver is None:
            raise DataError("weights that were saved do not hold the rows to estimate them again; balance again.")
        return self.solver(np.atleast_2d(np.asarray(multipliers, dtype=np.float64)))

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
            used = arm & (self.sampling > 0)
            s, w = self.sampling[used], self.values[used]
            relative = w / s
            relative = relative / max(np.average(relative, weights=s), 1e-300)
            sizes = (len(s), effective_size(s), effective_size(w), relative.min(), relative.max(), int((w == 0).sum()))
            cells = (format_number(c) for c in sizes)
            rows.append((f"{self.treatment} = {_plain(label)} ({role})", *cells))
        heads = ("arm", "rows", "ESS before", "ESS after", "least weight", "largest weight", "zero")
        facts = [("Formula", self.formula), ("Estimand", self.estimand), ("Solver residual", f"{self.residual:.1e}")]
        notes = [f"Method: {self.citation}." if self.citation else "", "Weights relative to their arm's mean."]
        if self.columns is not None:
            frame = self.balance_frame()
            kind = DENOMINATORS.get(self.estimand, "weighted")
            worst = frame.loc[frame["smd_after"].abs().idxmax()]
            facts.append(("Largest |SMD| before", f"{float(frame['smd_before'].abs().max()):.4f}"))
            facts.append(("Largest |SMD| after", f"{abs(float(worst['smd_after'])):.4f} ({worst['term']})"))
            notes.append(f"Standardised mean differences divide by the standard deviation of {_SD[kind]}.")
            for other in ("pooled", "all"):
                terms = [str(term) for term in frame.loc[(frame["denominator"] == other) & (kind != other), "term"]]
                if terms:
                    notes.append(f"{', '.join(terms)}: does not vary there, so that of {_SD[other]}.")
        notes += [self.level_note, self.dropped_note()]
        if self.treated_as_fixed:
            notes.append(f"Standard errors downstream treat these weights as known: {self.treated_as_fixed}")
        return Table(
            heads,
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
            return weight_histogram(
                self.values, self.treated, names=(_plain(self.treatment_level), _plain(self.control_level)), **options
            )
        picked = {k: options.pop(k) for k in ("denominator", "binary") if k in options}
        frame = self.balance_frame(**picked)
        return love_plot(
            list(frame["term"]), frame["smd_before"].to_numpy(), {self.method: frame["smd_after"].to_numpy()}, **options
        )


def _plain(level: Any) -> str:
    return f"{level:g}" if isinstance(level, float) else str(level)


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

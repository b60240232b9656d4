"""`DoseWeights`: weights under which covariates no longer predict a dose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.balancing.balanced import Balanced
from statinf.balancing.pairs import binary_columns
from statinf.errors import one_of
from statinf.internal import internal
from statinf.numerics.discrepancy.dependence import dependence
from statinf.numerics.discrepancy.imbalance import effective_size
from statinf.results import Table, to_caller
from statinf.results.table import format_number


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DoseWeights(Balanced):
    """Weights that free a dose of its dependence on covariates.

    Those of a density keep the scale f(dose) / f(dose | covariates); the others have mean one (over the sampling weights),
    within each group of `by=`.

    Attributes
    ----------
    dose : ndarray, shape (n,)
    """

    dose: np.ndarray

    measure = "correlation"

    @property
    @internal
    def certified_as(self) -> tuple[str, ...]:
        own = self._parts("density")
        return ("dose", *own[:1], *(("nonparametric",) if self._parts("log_likelihood") else ()))

    def _parts(self, name: str) -> list[Any]:
        """What the groups of `by=`, or the weights as a whole, say under a name of `details`."""
        parts = [self.details, *(part for part in self.details.values() if isinstance(part, Mapping))]
        return [part[name] for part in parts if name in part]

    @property
    def errors(self) -> str:
        """HC3 for weights of an empirical likelihood: HC0 covered .89 at 200 and 500 rows, HC3 .95 (benchmarks/COVERAGE.md)."""
        return "HC3" if self.method == "cbps" and self._parts("log_likelihood") else "HC0"

    def sizes_frame(self) -> Any:
        """`sizes` as a pandas frame."""
        import pandas as pd

        s, w = self.sampling, self.values
        zero = int(((w == 0) & (s > 0)).sum())
        row = (self.treatment, int((s > 0).sum()), effective_size(s), effective_size(w), zero)
        return pd.DataFrame([row], columns=["dose", "rows", "ess_before", "ess_after", "zero"])

    def diagnostics(self, *, denominator: str = "weighted", by_group: bool = False) -> Any:
        """Correlation of every column with the dose, before and after weighting, and how far weighting moved the column.

        Parameters
        ----------
        denominator : {"weighted", "all"}
            Standard deviations behind the correlation after weighting: those of the weighted sample, or of the sample (the
            default of R cobalt), so that a change comes from the covariance alone.
        by_group : bool
            One block a group of `by=`.

        Returns
        -------
        data frame
            Columns term, type, correlation_before, correlation_after, shift (weighted less unweighted mean, in standard
            deviations), ks (between the weighted and the unweighted column), mean (weighted), and group with `by_group`.
        """
        return to_caller(self.balance_frame(denominator=denominator, by_group=by_group), self.kind)

    def balance_frame(self, *, denominator: str = "weighted", by_group: bool = False) -> Any:
        """`diagnostics` as a pandas frame."""
        own = one_of("denominator", denominator, ("weighted", "all")) == "weighted"
        return self._blocks(by_group, lambda rows: self._block(rows, own))

    def _block(self, rows: np.ndarray, own: bool) -> Any:
        import pandas as pd

        assert self.columns is not None
        positive = self.sampling > 0
        used = rows & positive
        x, s = self.columns.values[rows[positive]], self.sampling[used]
        before = dependence(x, self.dose[used], s, s)
        after = dependence(x, self.dose[used], s, self.values[used], own_sd=own)
        return pd.DataFrame(
            {
                "term": self.columns.names,
                "type": np.where(binary_columns(self.columns), "binary", "continuous"),
                "correlation_before": before.correlation,
                "correlation_after": after.correlation,
                "shift": after.shift,
                "ks": after.ks,
                "mean": self.columns.shift + self.columns.unit * after.mean,
            }
        )

    def compared(self) -> Any:
        """Balance before and after, one line per column."""
        frame = self.balance_frame()
        return frame.assign(
            before=frame["correlation_before"], after=frame["correlation_after"], denominator="weighted"
        )

    def summary(self) -> Table:
        """Sizes before and after, range of the weights, what they do to the dose, and the largest correlation left."""
        used = self.sampling > 0
        s, w, t = self.sampling[used], self.values[used], self.dose[used]
        relative = w / s
        relative = relative / np.average(relative, weights=s)
        sizes = (len(s), effective_size(s), effective_size(w), relative.min(), relative.max(), int((w == 0).sum()))
        row = (self.treatment, *(format_number(c) for c in sizes))
        heads = ("dose", "rows", "ESS before", "ESS after", "least weight", "largest weight", "zero")
        means = [float(np.average(t, weights=v)) for v in (s, w)]
        facts = [
            ("Formula", self.formula),
            ("Estimand", self.estimand),
            ("Solver residual", f"{self.residual:.1e}"),
            ("Mean dose before, after", ", ".join(format_number(v) for v in means)),
        ]
        notes = [f"Method: {self.citation}." if self.citation else "", "Weights relative to their mean."]
        if self.columns is not None:
            frame = self.balance_frame()
            worst = frame.loc[frame["correlation_after"].abs().idxmax()]
            facts.append(("Largest |r| before", f"{float(frame['correlation_before'].abs().max()):.4f}"))
            facts.append(("Largest |r| after", f"{abs(float(worst['correlation_after'])):.4f} ({worst['term']})"))
            facts.append(("Largest shift of a mean", f"{float(frame['shift'].abs().max()):.4f} standard deviations"))
            notes.append("r: weighted correlation of a column with the dose.")
        notes += self._closing_notes()
        title = f"Balancing weights: {self.method}, a dose"
        return Table(heads, (row,), title=title, facts=tuple(facts), notes=tuple(n for n in notes if n))

    def plot(self, kind: str = "love", **options: Any) -> Any:
        """A figure.

        Parameters
        ----------
        kind : {"love", "weights"}
            Absolute correlations with the dose before and after, or a histogram of the weights.

        Returns
        -------
        matplotlib axes
        """
        from statinf.plotting.balance import love_plot, weight_histogram

        one_of("kind", kind, ("love", "weights"))
        if kind == "weights":
            return weight_histogram(self.values, {self.treatment: self.sampling > 0}, **options)
        picked = {k: options.pop(k) for k in ("denominator",) if k in options}
        options.setdefault("measure", "correlation with the dose")
        frame = self.balance_frame(**picked)
        return love_plot(
            list(frame["term"]),
            frame["correlation_before"].to_numpy(),
            {self.method: frame["correlation_after"].to_numpy()},
            **options,
        )

"""`RowEffects`: slopes, contrasts or predictions of single rows, with their standard errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from statinf.errors import DroppedRowsWarning, check_level, issue_warning
from statinf.frames import to_caller
from statinf.inference.distributions import t_quantile, two_sided_p
from statinf.results.margins.items import Items
from statinf.results.margins.mean import MeanModel
from statinf.results.margins.result import CITATION
from statinf.results.margins.rows import MarginRows
from statinf.results.protocol import Result
from statinf.results.table import Table, format_number

if TYPE_CHECKING:
    from statinf.results.fit import Fit


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RowEffects(Result):
    """Estimates for single rows: every row of every variable, contrast and mean, one after another.

    Their joint covariance is not made, as there may be millions; `newdata={...}` and `by=` give estimates that have one.

    Attributes
    ----------
    verb : {"slopes", "comparisons", "predictions"}
    labels : mapping of str to tuple
        What every block of rows is of: variable, contrast, values.
    estimates, errors : ndarray, shape (blocks, rows)
        NaN for rows that have none.
    df : float
        Degrees of freedom of the reference t distribution; infinite for the normal.
    covariance : str
        Which covariance of the coefficients is behind the standard errors.
    estimand : str
    index : pandas.Index or None
        Labels of the rows; not saved.
    """

    verb: str
    labels: Mapping[str, tuple[Any, ...]]
    estimates: np.ndarray
    errors: np.ndarray
    df: float
    covariance: str
    estimand: str = "mean"
    index: Any = field(default=None, metadata={"saved": False})

    beside: ClassVar[tuple[str, ...]] = ("estimates", "errors")

    @property
    def params(self) -> Any:
        """Estimates, one block of rows after another."""
        return self._series(self.estimates, "estimate")

    @property
    def std_errors(self) -> Any:
        """Standard errors, in the order of `params`."""
        return self._series(self.errors, "std_error")

    def _series(self, values: np.ndarray, name: str) -> Any:
        import pandas as pd

        return pd.Series(values.ravel(), index=self._labels(), name=name)

    def _labels(self) -> Any:
        import pandas as pd

        blocks, n = self.estimates.shape
        index = pd.RangeIndex(n) if self.index is None else self.index
        return index if blocks == 1 else index.append([index] * (blocks - 1))

    def conf_int(self, level: float = 0.95) -> Any:
        """Confidence limits of every estimate: columns conf_low and conf_high."""
        import pandas as pd

        half = t_quantile(0.5 + check_level(level) / 2.0, self.df) * self.errors
        columns = {"conf_low": (self.estimates - half).ravel(), "conf_high": (self.estimates + half).ravel()}
        return pd.DataFrame(columns, index=self._labels())

    def tidy(self, level: float = 0.95) -> Any:
        """One row per estimate, with the labels of the rows; see `Fit.tidy` for the columns."""
        import pandas as pd

        blocks, n = self.estimates.shape
        estimate, se = self.estimates.ravel(), self.errors.ravel()
        with np.errstate(divide="ignore", invalid="ignore"):
            statistic = np.where(se > 0, estimate / se, np.nan)
        limits = self.conf_int(level)
        labels = {name: np.repeat(np.array(values, dtype=object), n) for name, values in self.labels.items()}
        columns = {
            "row": np.tile(np.arange(n), blocks),
            "estimate": estimate,
            "std_error": se,
            "statistic": statistic,
            "p_value": two_sided_p(statistic, self.df),
            "conf_low": limits["conf_low"].to_numpy(),
            "conf_high": limits["conf_high"].to_numpy(),
        }
        columns = {f"{name}_" if name in columns else name: values for name, values in labels.items()} | columns
        return to_caller(pd.DataFrame(columns).infer_objects(), self.kind, self._labels())

    def summary(self, level: float = 0.95) -> Table:
        """Their distribution over the rows, one line for each block."""
        del level
        rows = []
        for k, values in enumerate(self.estimates):
            name = ", ".join(str(v[k]) for v in self.labels.values()) or self.verb
            cells = [np.nan] * 5 if np.isnan(values).all() else np.nanquantile(values, [0.0, 0.25, 0.5, 0.75, 1.0])
            rows.append(
                (
                    name,
                    *(format_number(v) for v in (np.nanmean(values) if np.isfinite(values).any() else np.nan, *cells)),
                )
            )
        columns = (self.verb, "mean", "smallest", "1st quartile", "median", "3rd quartile", "largest")
        facts = (("Formula", self.formula), ("Rows", str(self.estimates.shape[1])))
        notes = (
            f"Standard errors of single rows, in tidy(): {self.covariance}, delta method.",
            f"Method: {self.citation}.",
        )
        return Table(
            columns,
            tuple(rows),
            title=f"{self.verb.capitalize()} of the {self.estimand}, row by row",
            facts=facts,
            notes=notes,
            kind=self.kind,
        )

    def plot(self, **options: Any) -> Any:
        """Distributions of the estimates over the rows; returns the matplotlib axes.

        Parameters
        ----------
        **options
            `ax`, `bins` (40).
        """
        from statinf.plotting.margins import plot_distributions

        names = [", ".join(str(v[k]) for v in self.labels.values()) or self.verb for k in range(len(self.estimates))]
        return plot_distributions(dict(zip(names, self.estimates, strict=True)), label=self.verb, **options)


def row_effects(fit: Fit, verb: str, model: MeanModel, source: MarginRows, made: Items, link: bool) -> RowEffects:
    """Estimates and standard errors of the rows, by blocks that bound the memory."""
    from statinf.results.margins.finish import beside
    from statinf.results.margins.single import single_rows

    value, se = single_rows(source, model, made, fit.theta, fit.estimable, fit.cov, link)
    out = np.full((2, len(value), source.total), np.nan)
    out[0][:, source.places], out[1][:, source.places] = value, se
    lost = np.isnan(value).any(axis=0)
    if lost.any():
        issue_warning(
            f"{int(lost.sum())} of {source.n} rows have no estimate and are NaN: they would lie outside of a spline's range, "
            "depend on aliased coefficients, or have odds or ratios of means that have none.",
            DroppedRowsWarning,
        )
    rows = [
        beside(target.labels, {model.label: mean.name} if model.label else {})
        for target in made.targets
        for mean in model.means
    ]
    return RowEffects(
        method=f"{fit.method}, {verb}",
        formula=fit.formula,
        citation=CITATION,
        nobs=fit.nobs,
        kind=fit.kind,
        dropped=fit.dropped,
        verb=verb,
        labels={name: tuple(row[name] for row in rows) for name in rows[0]},
        estimates=out[0],
        errors=out[1],
        df=float(np.inf if fit.normal_reference else fit.cov.df),
        covariance=fit.cov.label,
        estimand=model.what,
        index=source.index,
    )

"""`MarginalEffects`: slopes, contrasts or predictions with their joint covariance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any, ClassVar, Self

from statinf.errors import DataError, OptionError, one_of
from statinf.frames import to_caller
from statinf.inference.covariance import Covariance
from statinf.inference.vcov import VcovKinds
from statinf.internal import internal
from statinf.results import coefficients
from statinf.results.fit import Fit
from statinf.results.margins.delta import delta

CITATION = "Arel-Bundock, Greifer and Heiss (2024), Interpreting statistical models with marginaleffects"
MOST_ESTIMATES = 2_000
"""Estimates that come with their joint covariance."""
DIFFERENCES = ("pairwise", "reference", "sequential")
_TITLES = {
    "slopes": "Marginal effects",
    "comparisons": "Comparisons of predictions",
    "predictions": "Adjusted predictions",
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MarginalEffects(Fit):
    """Slopes, contrasts or predictions that a fit implies, with their joint covariance.

    They are estimates like any other: `test`, `transform`, `conf_int(simultaneous=True)`, `with_vcov`, `bootstrap` and
    `si.table` work on them, and `differences` compares groups.

    Attributes
    ----------
    verb : {"slopes", "comparisons", "predictions"}
    labels : mapping of str to tuple
        What tables say of every estimate beside its numbers: variable, contrast, groups, values.
    estimand : str
        What the slopes and contrasts are of.
    population : bool
        Whether the rows count as a sample, so that averages over them vary too.
    kinds : VcovKinds
        The covariances that they have: by the delta method those of the fit that they were made from, and with
        `population` the sandwiches of influence values.
    parent : Fit or None
        The fit that they were made from; not saved.
    """

    verb: str
    labels: Mapping[str, tuple[Any, ...]]
    estimand: str = "mean"
    population: bool = False
    normal: bool = False
    kinds: VcovKinds = field(default_factory=VcovKinds)
    parent: Fit | None = field(default=None, metadata={"saved": False})

    beside: ClassVar[tuple[str, ...]] = ("differences",)
    lacks: ClassVar[tuple[str, ...]] = ("predict", "augment")

    @property
    @internal
    def normal_reference(self) -> bool:  # type: ignore[override]
        return self.normal

    @property
    def vcov_kinds(self) -> VcovKinds:  # type: ignore[override]
        """The covariances that they have."""
        return self.kinds

    @property
    def title(self) -> str:
        return f"{_TITLES[self.verb]} of the {self.estimand}"

    # --- covariance ---------------------------------------------------------------------------------------

    def with_vcov(self, vcov: Any) -> Self:
        """The same estimates with another covariance of the fit that they were made from."""
        if self.parent is None or self.covary is None:
            return super().with_vcov(vcov)
        kind = self.parent.with_vcov(vcov)
        if not self.estimable.all():
            return replace(self, cov=self.covary(kind.cov.kind), draws=None)
        jacobian = self.covary.args[1]  # type: ignore[attr-defined]
        return replace(self, cov=delta(kind.cov, jacobian), parent=kind, draws=None)

    def _covariance(self, kind: Any) -> Covariance:
        made = super()._covariance(kind)
        if not self.population:
            return made
        if self.parent is not None:
            made = self.parent._counted(made, kind, self.moments)
        return replace(made, label=f"{made.label}, rows sampled")

    def lean(self) -> Self:
        """The same estimates without their rows."""
        return replace(super().lean(), parent=None)

    # --- further estimates --------------------------------------------------------------------------------

    def differences(self, kind: str = "pairwise", across: str | None = None, *, comparison: str = "difference") -> Fit:
        """Differences between estimates, such as between the slopes of groups.

        Parameters
        ----------
        kind : {"pairwise", "reference", "sequential"}
            All pairs, each with the first, or each with the one before it.
        across : str, optional
            The column of `labels` whose values are compared, all others being equal; the only one that varies by default.
        comparison : {"difference", "ratio"}

        Returns
        -------
        Fit

        Raises
        ------
        OptionError
            If the column is not there, or several vary and none is named.

        Examples
        --------
        >>> import statinf as si
        >>> fit = si.lm("mpg ~ wt * am", si.datasets.load("mtcars"), vcov="iid")
        >>> fit.slopes("wt", by="am").differences().params.round(4).to_dict()
        {'wt, am=1 - wt, am=0': -5.2984}
        """
        one_of("kind", kind, DIFFERENCES)
        one_of("comparison", comparison, ("difference", "ratio"))
        pairs = self._pairs(kind, self._across(across))
        sign = "-" if comparison == "difference" else "/"
        names = [f"{self.terms[hi]} {sign} {self.terms[lo]}" for hi, lo in pairs]

        def compare(given: Mapping[str, Any]) -> list[Any]:
            values = list(given.values())
            if comparison == "ratio":
                return [values[hi] / values[lo] for hi, lo in pairs]
            return [values[hi] - values[lo] for hi, lo in pairs]

        made = self.transform(compare, names)
        return replace(made, cov=replace(made.cov, label=self.cov.label), method=f"{self.method}, differences")

    def _across(self, across: str | None) -> str:
        varying = [name for name, values in self.labels.items() if len(set(values)) > 1]
        if across is None and len(varying) == 1:
            return varying[0]
        if across is None or across not in self.labels:
            raise OptionError(
                f"across={across!r}: name the column whose values are compared; those that vary are {', '.join(varying) or 'none'}."
            )
        return across

    def _pairs(self, kind: str, across: str) -> list[tuple[int, int]]:
        cells: dict[tuple[Any, ...], list[int]] = {}
        for k in range(len(self.terms)):
            cells.setdefault(tuple(v[k] for name, v in self.labels.items() if name != across), []).append(k)
        out: list[tuple[int, int]] = []
        for cell in cells.values():
            if kind == "pairwise":
                out += [(hi, lo) for lo, hi in combinations(cell, 2)]
            else:
                others = cell[:-1] if kind == "sequential" else [cell[0]] * (len(cell) - 1)
                out += list(zip(cell[1:], others, strict=True))
        if not out:
            raise DataError(f"there is nothing to compare: '{across}' has one value.")
        if len(out) > MOST_ESTIMATES:
            raise OptionError(
                f"{len(out):,} differences are asked for; at most {MOST_ESTIMATES:,} are made: choose kind='reference'."
            )
        return out

    # --- tables -------------------------------------------------------------------------------------------

    def tidy(
        self, level: float = 0.95, *, style: str = "statinf", interval: str | None = None, exponentiate: bool = False
    ) -> Any:
        """One row per estimate, with variable, contrast, groups and values in columns beside its name; see `Fit.tidy`."""
        import pandas as pd

        made = coefficients.tidy(self, level, style, interval, exponentiate)
        labels = {f"{name}_" if name in made else name: list(values) for name, values in self.labels.items()}
        front = pd.concat([made[["term"]], pd.DataFrame(labels)], axis=1)
        return to_caller(pd.concat([front, made.drop(columns="term")], axis=1), self.kind)

    def _notes(self) -> tuple[str, ...]:
        said = (
            "Rows count as a sample of the population: averages over them vary too."
            if self.population
            else "Covariates are taken as given; population=True adds the sampling error of averages over them."
        )
        return (*super()._notes(), said)

    # --- figures ------------------------------------------------------------------------------------------

    def plot(self, kind: str | None = None, **options: Any) -> Any:
        """A figure.

        Parameters
        ----------
        kind : {"line", "coefficients"}, optional
            Estimates along the first numeric column of a grid with a band, one line for each value of the other columns (the
            default where there are three values or more); or intervals of all estimates.
        **options
            Of "line": `level` (0.95), `ax`, `label`. Of "coefficients": as `Fit.plot` takes them.
        """
        from statinf.results.margins.figures import line_column, line_figure

        column = line_column(self.labels)
        kind = kind or ("line" if column else "coefficients")
        one_of("kind", kind, ("line", "coefficients"))
        if kind == "coefficients":
            return super().plot("coefficients", **options)
        if column is None:
            raise OptionError("a line needs a numeric column of three values or more: give condition= a variable.")
        return line_figure(self, column, **options)

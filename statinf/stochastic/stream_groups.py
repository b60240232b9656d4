"""The result of renewable estimation of one stream a group."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from statinf.errors import DataError, NotIdentifiedError, NumericalWarning, check_level, issue_warning, one_of
from statinf.formula.blocks import warn_dropped
from statinf.results import Predictive, Table, format_number, to_caller
from statinf.results.estimate import Passage
from statinf.results.methods import Method
from statinf.stochastic.renewable_fit import RenewableFit, critical, estimate_of_group, refusal, warn_moved
from statinf.stochastic.renewable_predict import predict
from statinf.stochastic.renewable_run import Renewal
from statinf.stochastic.sequential import mixture_rho, sequential_p_values
from statinf.stochastic.settling import Settled, settled


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class StreamGroups(Predictive):
    """Estimates of many streams, one for each group of rows.

    Attributes
    ----------
    run : Renewal
        Settings, state and the reader of further rows.
    found : Settled
        Estimates of the groups, in the order of `groups`.
    groups : tuple
        Labels, sorted.
    interval : str
        Which interval the tables print.
    """

    run: Renewal
    found: Settled
    groups: tuple[Any, ...]
    interval: str = "normal"

    beside: ClassVar[tuple[str, ...]] = ("groups", "fit", "update")

    @property
    def by(self) -> str:
        """The column of groups."""
        return str(self.run.reader.by)

    @property
    def terms(self) -> tuple[str, ...]:
        """Coefficient names of each group."""
        return self.run.terms

    def _index(self) -> Any:
        import pandas as pd

        return pd.MultiIndex.from_product([list(self.groups), list(self.terms)], names=[self.by, "term"])

    @property
    def params(self) -> Any:
        """Estimates by group and coefficient; NaN for groups whose rows do not identify them."""
        import pandas as pd

        return pd.Series(self.found.theta.ravel(), index=self._index(), name="estimate")

    @property
    def std_errors(self) -> Any:
        """Standard errors by group and coefficient."""
        import pandas as pd

        return pd.Series(np.sqrt((self.found.root**2).sum(axis=2)).ravel(), index=self._index(), name="std_error")

    def _half(self, level: float, interval: str | None) -> np.ndarray:
        """Standard errors between estimates and limits, one a group."""
        kind = interval or self.interval
        one_of("ci", kind, ("normal", "sequential"))
        check_level(level)
        return np.array([critical(self.run.settings, kind, level, max(t, 1.0)) for t in self.found.count])

    def conf_int(self, level: float = 0.95, *, ci: str | None = None, interval: str | None = None) -> Any:
        """Confidence limits by group and coefficient; see `RenewableFit.conf_int`. `ci` and `interval` are one."""
        import pandas as pd

        half = np.repeat(self._half(level, ci or interval), len(self.terms)) * self.std_errors.to_numpy()
        theta = self.params.to_numpy()
        return pd.DataFrame({"conf_low": theta - half, "conf_high": theta + half}, index=self._index())

    def tidy(self, level: float = 0.95) -> Any:
        """One row a group and coefficient, the group's column first, in the caller's kind of data frame."""
        import pandas as pd

        from statinf.inference.distributions import two_sided_p

        q = len(self.terms)
        estimate, se = self.params.to_numpy(), self.std_errors.to_numpy()
        with np.errstate(divide="ignore", invalid="ignore"):
            z = estimate / se
        if self.interval == "sequential":
            p = sequential_p_values(z, np.repeat(self.found.count, q), mixture_rho(self.run.settings.look, 0.95))
        else:
            p = two_sided_p(z, np.inf)
        limits = self.conf_int(level)
        columns = {
            self.by: np.repeat(np.array([*self.groups, None], dtype=object)[:-1], q), "term": list(self.terms) * len(self.groups),
            "estimate": estimate, "std_error": se, "statistic": z, "p_value": p,
            "conf_low": limits["conf_low"].to_numpy(), "conf_high": limits["conf_high"].to_numpy(),
        }  # fmt: skip
        return to_caller(pd.DataFrame(columns).infer_objects(), self.kind)

    def glance(self) -> Any:
        """One row a group: rows, effective rows, and what is wrong with it (empty where nothing is)."""
        import pandas as pd

        columns = {
            self.by: np.array([*self.groups, None], dtype=object)[:-1], "nobs": self.found.count.astype(int),
            "effective": self.found.effective, "note": self.found.why.astype(str),
        }  # fmt: skip
        return to_caller(pd.DataFrame(columns).infer_objects(), self.kind)

    def fit(self, group: Any) -> RenewableFit:
        """The fit of one group, with all that a fit of a stream offers but `update`.

        Raises
        ------
        DataError
            If there is no such group.
        NotIdentifiedError
            If its rows do not identify its coefficients.
        """
        if group not in self.groups:
            raise DataError(
                f"there is no group {group!r} in '{self.by}'; there are {len(self.groups)}, such as {self.groups[0]!r}."
            )
        g = self.groups.index(group)
        if self.found.why[g]:
            raise NotIdentifiedError(refusal(self.found, g, self.run, f" of {group!r}"))
        alone = _alone(self.run, group)
        made = estimate_of_group(alone, self.found, g, self.interval)
        reader = self.run.reader
        passage = Passage(recipe=reader.recipe, kind=self.kind, dropped={}, weighted=reader.weighted)
        return RenewableFit.of(passage, made, "plugin", method=_Named(self.method, self.citation))

    def update(self, data: Any, *, weights: Any = None, na_action: str = "drop") -> Self:
        """The result after more rows, among which may be groups that were not there before; see `RenewableFit.update`."""
        one_of("na_action", na_action, ("drop", "raise"))
        run = self.run.further(data, weights, na_action == "raise")
        warn_dropped(run.dropped, run.rows, self.run.dropped)
        found, groups = _read(run)
        return replace(self, run=run, found=found, groups=groups, nobs=run.rows, dropped=dict(run.dropped))

    def predict(self, newdata: Any, *, interval: str | None = None, level: float = 0.95, type: str = "response") -> Any:
        """Predictions, each row by its group's coefficients; NaN for groups without them, with one warning."""
        new = self.new_rows(newdata, roles=["covariates"])
        new.frame.require(self.by)
        column = new.frame.categories(self.by)
        known = {label: i for i, label in enumerate(self.groups)}
        number = np.array([*(known.get(label, -1) for label in column.levels), -1])[column.codes]
        theta = np.concatenate([self.found.theta, np.full((1, len(self.terms)), np.nan)])
        root = np.concatenate([self.found.root, np.full((1, *self.found.root.shape[1:]), np.nan)])
        lost = np.isnan(theta[number]).any(axis=1)
        if lost.any():
            issue_warning(
                f"{int(lost.sum())} rows of {new.n} belong to groups of '{self.by}' without estimates.",
                NumericalWarning,
            )
        half = np.append(self._half(level, None), np.nan)[number]
        return predict(self.run, new, new.part("covariates").values, theta[number], root[number], half, interval, type)

    def summary(self) -> Table:
        """The first groups as a table."""
        shown = min(len(self.groups), max(1, 12 // len(self.terms)))
        errors = self.std_errors.to_numpy().reshape(self.found.theta.shape)
        rows = [
            [str(self.groups[g]), term, format_number(self.found.theta[g, j]), format_number(errors[g, j])]
            for g in range(shown) for j, term in enumerate(self.terms)
        ]  # fmt: skip
        more = len(self.groups) - shown
        notes = [f"{more} more groups: see tidy()."] if more else []
        return Table(
            (self.by, "term", "estimate", "std. error"), tuple(map(tuple, rows)),
            title=f"Renewable estimates by {self.by}, {self.run.settings.loss} loss",
            facts=(("Formula", self.formula), ("Rows", f"{self.nobs:,}"), ("Groups", f"{len(self.groups):,}")),
            notes=(*notes, *([self.dropped_note()] if self.dropped else []), f"Method: {self.citation}."),
        )  # fmt: skip


@dataclass(frozen=True)
class _Named:
    """Name and reference of a method, for a fit that is made from a result."""

    name: str
    reference: str
    verb: str = "lsa"


def _alone(run: Renewal, group: Any) -> Renewal:
    """One group's stream on its own."""
    g = run.reader.groups.index(group)
    rows = run.state.pending.some(run.state.pending.group == g)
    state = replace(
        run.state, past=run.state.past.some(np.array([g])), pending=replace(rows, group=np.zeros(len(rows), np.int64))
    )
    return replace(run, state=state, reader=replace(run.reader, by=None, groups=(0,)), dropped={})


def _read(run: Renewal) -> tuple[Settled, tuple[Any, ...]]:
    """Estimates by sorted labels, with a warning about groups that have none."""
    labels = run.reader.groups
    order = sorted(range(len(labels)), key=lambda g: (isinstance(labels[g], str), labels[g]))
    found = settled(run.settings, run.state, np.array(order))
    groups = tuple(labels[g] for g in order)
    bad = np.flatnonzero(found.why != "")
    if len(bad) == len(groups):
        raise NotIdentifiedError("no group is identified: " + refusal(found, 0, run, f" of {groups[0]!r}"))
    if len(bad):
        issue_warning(
            f"{len(bad)} of {len(groups)} groups of '{run.reader.by}' have no estimates, among them {groups[bad[0]]!r}, which "
            f"{found.why[bad[0]]}; glance() tells for each.",
            NumericalWarning,
        )  # fmt: skip
    warn_moved(run, found, np.array(order), groups)
    return found, groups


def grouped_fit(run: Renewal, method: Method, kind: str, interval: str) -> StreamGroups:
    """The result of a stream with groups."""
    found, groups = _read(run)
    return StreamGroups(
        method=method.name, formula=run.reader.recipe.formula, citation=method.reference, nobs=run.rows, kind=kind,
        dropped=dict(run.dropped), recipe=run.reader.recipe, run=run, found=found, groups=groups, interval=interval,
    )  # fmt: skip

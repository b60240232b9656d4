"""The result of averaged stochastic approximation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from statinf.errors import NotIdentifiedError, OptionError, check_level, one_of
from statinf.inference import Covariance, sup_t_critical
from statinf.inference.vcov import VcovKinds, VcovSpec
from statinf.results import Fit, to_caller
from statinf.stochastic.covariance import INFERENCE, scaling_critical, scaling_tail
from statinf.stochastic.estimates import choose, warn_reach
from statinf.stochastic.fields import label, read_fields
from statinf.stochastic.regions import INTERVALS, REGIONS, Region, draw_intervals, draw_region, normal_region
from statinf.stochastic.run import Meter, Run
from statinf.stochastic.stream import mentioned, open_source

if TYPE_CHECKING:
    import pandas as pd

CITATION = "Samsonov, Moulines, Shao, Zhang & Naumov (2024), arXiv 2405.16644"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class StochasticFit(Fit):
    """Averaged iterates of a stream with intervals; more rows can follow.

    Attributes
    ----------
    run : Run
        Settings, state and the reader of further rows: all that is needed to go on.
    inference : str
        Which covariance the tables use.
    interval : str
        Which interval they print.
    covariances : mapping of str to ndarray
        Every covariance of the run, by name.
    averaged : int
        Iterates in the average.
    diagnosed : mapping of str to float
        Diagnostics of the run.
    """

    run: Run
    inference: str = "multiplier"
    interval: str = "symmetric"
    covariances: Mapping[str, np.ndarray] = field(default_factory=dict)
    averaged: int = 0
    diagnosed: Mapping[str, float] = field(default_factory=dict)

    normal_reference: ClassVar[bool] = True
    vcov_kinds: ClassVar[VcovKinds] = VcovKinds(default="plugin", names=INFERENCE, robust="plugin", clustered=())
    beside: ClassVar[tuple[str, ...]] = ("region", "path", "diagnostics", "update")

    # --- intervals ----------------------------------------------------------------------------------------

    @property
    def replicates(self) -> pd.DataFrame:
        """Replicas of the average, one row a replica, one column a coefficient."""
        import pandas as pd

        return pd.DataFrame(self._draws(), columns=[t for t, ok in zip(self.terms, self.estimable, strict=True) if ok])

    def _draws(self) -> np.ndarray:
        if self.draws is None:
            choose({}, "multiplier", self.run.settings)
        assert self.draws is not None
        return self.draws.draws

    def _limits(self, level: float, interval: str | None) -> tuple[np.ndarray, np.ndarray]:
        check_level(level)
        kind = interval or self.interval
        one_of("ci", kind, INTERVALS)
        low, high = np.full(len(self.theta), np.nan), np.full(len(self.theta), np.nan)
        ok = self.estimable
        if not ok.any():
            return low, high
        if self.inference == "multiplier":
            low[ok], high[ok] = draw_intervals(self.theta[ok], self._draws(), level, kind).T
            return low, high
        if interval in ("basic", "percentile"):
            raise OptionError(
                f"ci={interval!r} needs replicas; inference={self.inference!r} gives 'normal' and 'simultaneous'."
            )
        half = self._critical(level, kind) * self._se()
        return self.theta - half, self.theta + half

    def _critical(self, level: float, kind: str) -> float:
        if self.inference == "random-scaling":
            if kind == "simultaneous":
                raise OptionError("ci='simultaneous' is not known for random scaling; use another inference.")
            return scaling_critical(level)
        if kind == "simultaneous":
            return sup_t_critical(self.cov.matrix, level)
        from scipy.special import ndtri

        return float(ndtri(0.5 + level / 2.0))

    def conf_int(self, level: float = 0.95, *, ci: str | None = None, interval: str | None = None) -> pd.DataFrame:
        """Confidence limits.

        Parameters
        ----------
        level : float
        ci : {"symmetric", "basic", "percentile", "normal", "simultaneous"}, optional
            The kind of the fit by default. Without replicas all but "simultaneous" are the normal interval.
        interval : str, optional
            The same as `ci`, the name other fits use.

        Returns
        -------
        pandas.DataFrame
            Columns conf_low and conf_high, indexed by coefficient name.
        """
        return super().conf_int(level, interval=ci or interval)

    @property
    def pvalues(self) -> pd.Series:
        """Two-sided p-values of zero coefficients, by the law that belongs to the inference."""
        if self.inference != "random-scaling":
            return super().pvalues
        import pandas as pd

        p = [scaling_tail(abs(t)) if np.isfinite(t) else np.nan for t in self.statistics]
        return pd.Series(p, index=list(self.terms), name="p_value")

    def region(self, kind: str = "ellipsoid", *, level: float = 0.95, terms: Sequence[str] | None = None) -> Region:
        """A joint confidence region.

        Parameters
        ----------
        kind : {"ellipsoid", "ball"}
        level : float
        terms : sequence of str, optional
            The coefficients, all by default.

        Returns
        -------
        Region
            With `contains(theta)`, `radius` and `form`.
        """
        one_of("region", kind, REGIONS)
        index = self._index(terms)
        if self.inference == "random-scaling":
            raise NotIdentifiedError("random scaling has no region here; use fit.with_vcov('plugin') or replicas.")
        among = np.cumsum(self.estimable)[index] - 1
        if self.inference == "multiplier":
            return draw_region(self.theta[index], self._draws()[:, among], level, kind)
        return normal_region(self.theta[index], self.cov.matrix[np.ix_(among, among)], level, kind)

    def _index(self, terms: Sequence[str] | None) -> np.ndarray:
        if terms is None:
            return np.flatnonzero(self.estimable)
        for term in terms:
            one_of("terms", term, self.terms)
        index = np.array([self.terms.index(t) for t in terms])
        if not self.estimable[index].all():
            raise NotIdentifiedError("the region involves a coefficient that no row moved.")
        return index

    def with_vcov(self, vcov: Any) -> Self:
        """The same fit with another of its covariances, by the name `inference=` takes.

        Raises
        ------
        OptionError
            If the run did not accumulate it.
        """
        kind = VcovSpec.read(vcov, kinds=self.vcov_kinds).kind
        matrix = choose(dict(self.covariances), kind, self.run.settings)
        warn_reach(kind, self.run.settings, self.averaged)
        return replace(self, inference=kind, cov=Covariance(matrix, kind, label(kind, self.run), np.inf))

    # --- rows to come -------------------------------------------------------------------------------------

    def update(self, data: Any, *, weights: Any = None, na_action: str = "drop", progress: bool | None = None) -> Self:
        """The fit after more rows; equal to one pass over everything with the same steps and burn-in.

        Parameters
        ----------
        data : table or stream
            Like the data of the fit.
        weights : array, optional
            The new rows' weights, where the fit got an array.
        na_action : {"drop", "raise"}
        progress : bool, optional

        Returns
        -------
        StochasticFit
            A new one; this one stays as it is.
        """
        one_of("na_action", na_action, ("drop", "raise"))
        reader = self.run.reader
        source = open_source(data, mentioned("", reader.columns))
        with Meter(self.run.settings, source.rows, progress, self.run.state.done) as meter:
            run = self.run.consume(source.frames, weights, strict=na_action == "raise", meter=meter)
        return self.after(run)

    def after(self, run: Run) -> Self:
        """The fit with the state of another run of the same stream."""
        return replace(self, **read_fields(run, self.terms, self.inference))

    # --- reports ------------------------------------------------------------------------------------------

    def diagnostics(self) -> Any:
        """Steps, burn-in, relaxation times and exploded replicas, in the caller's kind of data frame.

        `relaxations` is the last step times the smallest real part of an eigenvalue of the mean matrix times the
        averaged rows: below one the average is shorter than the memory of its slowest direction.
        """
        import pandas as pd

        return to_caller(
            pd.DataFrame({"diagnostic": list(self.diagnosed), "value": list(self.diagnosed.values())}), self.kind
        )

    def path(self, level: float = 0.95) -> Any:
        """Estimate and pointwise normal interval as rows arrived, in the caller's kind of data frame.

        Returns
        -------
        data frame
            Columns rows, term, estimate, conf_low, conf_high.
        """
        import pandas as pd

        rows, mean, low, high = self._path(level)
        columns = {"rows": np.repeat(rows, len(self.terms)), "term": list(self.terms) * len(rows)}
        columns |= {"estimate": mean.ravel(), "conf_low": low.ravel(), "conf_high": high.ravel()}
        return to_caller(pd.DataFrame(columns), self.kind)

    def _path(self, level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Rows (m,), estimates and limits (m, q)."""
        from scipy.special import ndtri

        z = float(ndtri(0.5 + check_level(level) / 2.0))
        state = self.run.state
        before = state.trace_rows < state.rows
        rows = np.append(state.trace_rows[before], state.rows)
        mean = np.vstack([state.trace_mean[before], self.theta])
        se = np.vstack([state.trace_se[before], self._se()])
        return rows, mean, mean - z * se, mean + z * se

    def glance_items(self) -> dict[str, Any]:
        """Statistics of the whole fit, by name."""
        settings = self.run.settings
        return {
            "nobs": self.nobs, "averaged": self.averaged, "burn_in": settings.burn_in, "replicas": settings.replicas,
            "c0": settings.c0, "k0": settings.k0, "power": settings.power, "relaxations": self.diagnosed["relaxations"],
        }  # fmt: skip

    @property
    def title(self) -> str:
        """Heading of the summary."""
        if self.method.startswith("td"):
            return f"Averaged temporal differences, {self.method.upper()}"
        kind = {"squared": "least squares", "logistic": "logistic loss", "quantile": "quantile loss"}[
            self.run.settings.loss
        ]
        if kind == "quantile loss":
            kind += f" at {self.run.settings.tau:g}"
        if any(p.role == "instruments" for p in self.run.reader.recipe.parts):
            kind = "instruments"
        return f"Averaged stochastic approximation, {kind}"

    def summary_facts(self) -> dict[str, Any]:
        """What stands above the coefficients."""
        s = self.run.settings
        return {
            "Rows": self.nobs,
            "Averaged": f"{self.averaged} (after burn-in of {s.burn_in})",
            "Steps": f"{s.c0:.4g} / ({s.k0:g} + k)^{s.power:.3g}",
            "Relaxation times": self.diagnosed["relaxations"],
        }

    def predict(
        self, newdata: Any = None, *, interval: str | None = None, level: float = 0.95, type: str = "response"
    ) -> Any:
        """Predictions, one row out per row in.

        Parameters
        ----------
        newdata : table
        interval : {None, "confidence"}
        level : float
        type : {"response", "link"}
            For a logistic loss: probabilities, or their logits.

        Returns
        -------
        data frame
            Column estimate, and std_error, conf_low, conf_high where asked for, in the kind and with the index of `newdata`.
        """
        from statinf.stochastic.predict import predict

        return predict(self, newdata, interval=interval, level=level, type=type)

    def plot(self, kind: str = "coefficients", **options: Any) -> Any:
        """A figure; returns the matplotlib axes.

        Parameters
        ----------
        kind : {"coefficients", "path", "region"}
            Coefficients with intervals; estimate and interval against rows; the region of two coefficients.
        **options
            `terms` for "path" and "region"; `region` ("ellipsoid" or "ball"), `level` and `ax`.
        """
        one_of("plot kind", kind, ("coefficients", "path", "region"))
        if kind == "coefficients":
            return super().plot(**options)
        return self._plot_path(**options) if kind == "path" else self._plot_region(**options)

    def _plot_path(self, terms: Sequence[str] | None = None, level: float = 0.95, ax: Any = None) -> Any:
        from statinf.plotting.stochastic import plot_path

        chosen = self._index(terms if terms is not None else [t for t in self.terms if t != "Intercept"] or None)
        rows, mean, low, high = self._path(level)
        return plot_path(
            rows, mean[:, chosen], low[:, chosen], high[:, chosen], [self.terms[i] for i in chosen], level=level, ax=ax
        )

    def _plot_region(
        self, terms: Sequence[str] | None = None, region: str = "ellipsoid", level: float = 0.95, ax: Any = None
    ) -> Any:
        from statinf.plotting.stochastic import plot_region

        pair = list(terms) if terms is not None else [self.terms[i] for i in self._index(None)[-2:]]
        if len(pair) != 2:
            raise OptionError("a region is drawn for two coefficients: terms=['x1', 'x2'].")
        made = self.region(region, level=level, terms=pair)
        among = np.cumsum(self.estimable)[self._index(pair)] - 1
        draws = self._draws()[:, among] if self.inference == "multiplier" else None
        return plot_region(made.centre, made.form, made.bound, pair, draws=draws, ax=ax)

    def bootstrap(self, replicas: int = 999, kind: str = "multiplier", **options: Any) -> Self:
        """Replicas run along with the rows: ask for them at the fit."""
        raise NotIdentifiedError("replicas run along with the stream: fit with replicas=, and see fit.replicates.")

    def test(self, hypothesis: Any, values: Any = None) -> Any:
        """Wald test of linear restrictions; see `Fit.test`."""
        self._need_variance("Wald tests")
        return super().test(hypothesis, values)

    def transform(self, function: Any, names: Any = None) -> Fit:
        """Smooth functions of the coefficients by the delta method; see `Fit.transform`."""
        self._need_variance("the delta method")
        return super().transform(function, names)

    def _need_variance(self, what: str) -> None:
        if self.inference == "random-scaling":
            raise NotIdentifiedError(
                f"random scaling studentises, its matrix is no variance: for {what} use fit.with_vcov('plugin')."
            )

    def moments(self) -> Any:
        raise NotIdentifiedError(
            f"'{self.method}' keeps no rows, so it has no influence values; it offers {self.offers}."
        )

    def _need_rows(self, what: str) -> Any:
        raise NotIdentifiedError(f"'{self.method}' keeps no rows, so it has no {what}; it offers {self.offers}.")


def fit_of(
    method: str, formula: str, run: Run, terms: tuple[str, ...], names: tuple[str, ...], ci: str, kind: str
) -> StochasticFit:
    """The fit of a finished run; `names` are its kinds of inference, the first of them for tables."""
    return StochasticFit(
        method=method, formula=formula, citation=CITATION, terms=terms, recipe=run.reader.recipe, kind=kind,
        inference=names[0], interval=ci, **read_fields(run, terms, names[0]),
    )  # fmt: skip

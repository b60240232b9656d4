"""The result of averaged stochastic approximation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from statinf.errors import NotIdentifiedError, one_of
from statinf.formula.sources import mentioned, open_source
from statinf.inference import Covariance
from statinf.inference.vcov import VcovKinds
from statinf.internal import internal
from statinf.results import Fit, to_caller
from statinf.results.estimate import Passage
from statinf.results.methods import Method
from statinf.stochastic import figures, reports
from statinf.stochastic.covariance import INFERENCE
from statinf.stochastic.limits import joint_region, limits, p_values
from statinf.stochastic.named_covariance import named_covariance
from statinf.stochastic.regions import Region
from statinf.stochastic.run import Meter, Run
from statinf.stochastic.run_estimate import estimate_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class StochasticFit(Fit):
    """Averaged iterates of a stream with intervals; more rows can follow.

    Attributes
    ----------
    run : Run
        Settings, state and the reader of further rows: all that is needed to go on.
    interval : str
        Which interval the tables print.
    averaged : int
        Iterates in the average.
    diagnosed : mapping of str to float
        Diagnostics of the run.
    """

    run: Run
    interval: str = "symmetric"
    averaged: int = 0
    diagnosed: Mapping[str, float] = field(default_factory=dict)

    normal_reference: ClassVar[bool] = True
    vcov_kinds: ClassVar[VcovKinds] = VcovKinds(default="plugin", names=INFERENCE, robust="plugin", clustered=())
    beside: ClassVar[tuple[str, ...]] = ("region", "path", "diagnostics", "update")
    lacks: ClassVar[tuple[str, ...]] = ("influence", "bootstrap")

    # --- intervals ----------------------------------------------------------------------------------------

    @property
    def replicates(self) -> pd.DataFrame:
        """Replicas of the average, one row a replica, one column a coefficient."""
        import pandas as pd

        columns = [t for t, ok in zip(self.terms, self.estimable, strict=True) if ok]
        return pd.DataFrame(self.replica_draws(), columns=columns)

    @internal
    def replica_draws(self) -> np.ndarray:
        """Replicas of the coefficients that some row moved, shape (B, m)."""
        if self.draws is None:
            named_covariance({}, self.run.settings, self.diagnosed, "multiplier")
        assert self.draws is not None
        return self.draws.draws

    @property
    def inference(self) -> str:
        """Which covariance the tables use."""
        return str(self.cov.kind)

    @property
    def covariances(self) -> Mapping[str, np.ndarray]:
        """Every covariance of the run, by name, on the coefficients that some row moved."""
        return {name: found.matrix for name, found in self.kept_covariances.items()}

    def _limits(self, level: float, interval: str | None) -> tuple[np.ndarray, np.ndarray]:
        return limits(self, level, interval)

    def conf_int(self, level: float = 0.95, *, ci: str | None = None, interval: str | None = None) -> pd.DataFrame:
        """Confidence limits.

        Parameters
        ----------
        level : float
        ci : {"symmetric", "basic", "percentile", "normal", "simultaneous", "sequential"}, optional
            The kind of the fit by default. Without replicas the first four are the normal interval. "sequential" holds at
            every look from some row on, for each coefficient, around the standard errors that the tables show.
        interval : str, optional
            The same as `ci`, the name other fits use.

        Returns
        -------
        pandas.DataFrame
            Columns conf_low and conf_high, indexed by coefficient name.
        """
        return super().conf_int(level, interval=ci or interval)

    def _p_values(self) -> np.ndarray:
        """By the law that belongs to the inference or to a sequence."""
        p = p_values(self)
        return super()._p_values() if p is None else p

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
        return joint_region(self, kind, level, terms).handed(self.kind)

    def with_vcov(self, vcov: Any) -> Self:
        """The same fit with another of its covariances, by the name `inference=` takes.

        Raises
        ------
        OptionError
            If the run did not accumulate it.
        """
        return replace(super().with_vcov(vcov), draws=self.draws)

    def _kept(self, kind: Any) -> Covariance:
        return named_covariance(self.kept_covariances, self.run.settings, self.diagnosed, kind)

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

    @internal
    def after(self, run: Run) -> Self:
        """The fit with the state of another run of the same stream."""
        made = estimate_of(run, self.terms)
        assert made.covary is not None
        return replace(
            self, theta=made.theta, nobs=made.nobs, cov=made.covary(self.inference), dropped=dict(run.dropped), **made.extra
        )  # fmt: skip

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

    def path(self, level: float = 0.95, *, interval: str | None = None) -> Any:
        """Estimate and interval as rows arrived, in the caller's kind of data frame.

        Parameters
        ----------
        level : float
        interval : {"normal", "sequential"}, optional
            Pointwise, or such that all looks hold together; by default that of the fit where it is "sequential", else "normal".

        Returns
        -------
        data frame
            Columns rows, term, estimate, conf_low, conf_high.
        """
        import pandas as pd

        rows, mean, low, high = figures.path(self, level, interval)
        columns = {"rows": np.repeat(rows, len(self.terms)), "term": list(self.terms) * len(rows)}
        columns |= {"estimate": mean.ravel(), "conf_low": low.ravel(), "conf_high": high.ravel()}
        return to_caller(pd.DataFrame(columns), self.kind)

    def glance_items(self) -> dict[str, Any]:
        """Statistics of the whole fit, by name."""
        return reports.glance_items(self)

    @property
    def title(self) -> str:
        """Heading of the summary."""
        return reports.title(self)

    def summary_facts(self) -> dict[str, Any]:
        """What stands above the coefficients."""
        return reports.summary_facts(self)

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
            For a logistic or Poisson loss: means, or their logits or logarithms.

        Returns
        -------
        data frame
            Column estimate, and std_error, conf_low, conf_high where asked for, in the kind and with the index of `newdata`.
        """
        from statinf.stochastic.predict import predict

        if newdata is None:
            self._need_rows("predictions without newdata")
        return predict(self, newdata, interval=interval, level=level, type=type)

    def plot(self, kind: str = "coefficients", **options: Any) -> Any:
        """A figure; returns the matplotlib axes.

        Parameters
        ----------
        kind : {"coefficients", "path", "region"}
            Coefficients with intervals; estimate and interval against rows; the region of two coefficients.
        **options
            `terms`, `level` and `ax` for "path" and "region"; `region` ("ellipsoid" or "ball") for the latter.
        """
        one_of("plot kind", kind, ("coefficients", "path", "region"))
        if kind == "coefficients":
            return super().plot(**options)
        return figures.plot_path(self, **options) if kind == "path" else figures.plot_region(self, **options)

    def bootstrap(self, replicas: int = 999, kind: str = "multiplier", **options: Any) -> Self:
        """Replicas run along with the rows: ask for them at the fit."""
        self.refuse("bootstrap", "replicas run along with the stream: fit with replicas=, and see fit.replicates")

    def to_arviz(self) -> Any:
        """The replicas as arviz's own container; see `Fit.to_arviz`."""
        if self.draws is None:
            self.refuse("to_arviz", "it has no replicas: fit with replicas=")
        return super().to_arviz()

    def test(self, hypothesis: Any, values: Any = None, **options: Any) -> Any:
        """Tests of linear restrictions; see `Fit.test`."""
        self._need_variance("Wald tests")
        return super().test(hypothesis, values, **options)

    def transform(self, function: Any, names: Any = None) -> Fit:
        """Smooth functions of the coefficients by the delta method; see `Fit.transform`."""
        self._need_variance("the delta method")
        return super().transform(function, names)

    def _need_variance(self, what: str) -> None:
        if self.inference == "random-scaling":
            raise NotIdentifiedError(
                f"random scaling studentises, its matrix is no variance: for {what} use fit.with_vcov('plugin')."
            )

    def _need_rows(self, what: str) -> Any:
        self.refuse(what, "it keeps no rows")


def fit_of(
    run: Run, terms: tuple[str, ...], method: Method, kinds: tuple[str, ...], ci: str, kind: str
) -> StochasticFit:
    """The fit of a finished run.

    Parameters
    ----------
    run : Run
    terms : tuple of str
    method : Method
    kinds : tuple of str
        Kinds of inference, the first of them for tables.
    ci : str
        Interval that tables print.
    kind : str
        The caller's kind of data frame.
    """
    made = estimate_of(run, terms)
    made = replace(made, extra=dict(made.extra) | {"interval": ci})
    weighted = getattr(run.reader, "weighted", ())
    passage = Passage(recipe=run.reader.recipe, kind=kind, dropped=dict(run.dropped), weighted=weighted)
    return StochasticFit.of(passage, made, kinds[0], method=method)

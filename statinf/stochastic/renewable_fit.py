"""The result of renewable estimation of one stream."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np

from statinf.errors import NotIdentifiedError, NumericalWarning, OptionError, check_level, issue_warning, one_of
from statinf.formula.blocks import warn_dropped
from statinf.inference import Covariance, sup_t_critical
from statinf.inference.vcov import VcovKinds
from statinf.results import Fit, to_caller
from statinf.results.estimate import Estimate, Passage
from statinf.results.methods import Method
from statinf.stochastic.renewable_predict import predict
from statinf.stochastic.renewable_run import Renewal
from statinf.stochastic.renewal_state import RenewalSettings
from statinf.stochastic.sequential import mixture_rho, sequential_critical, sequential_p_values
from statinf.stochastic.settling import Settled, moved, settled

_MOVED = 6.0
"""Standard errors of the first chunk that coefficients may move without a warning."""


def refusal(found: Settled, g: int, run: Renewal, label: str = "") -> str:
    """What is wrong with a group, in words."""
    names, null = run.terms, np.abs(found.null[g])
    part = [n for n, share in zip(names, null / max(float(null.max()), 1e-300), strict=True) if share > 1e-3]
    said = f"the stream{label} {found.why[g]} ({found.count[g]:g} rows, {found.effective[g]:.4g} effective)"
    if "columns" in found.why[g]:
        said += f": look at {', '.join(part[:6])}"
        if run.settings.loss == "poisson":
            said += ", and whether all counts are zero where these are not"
    return f"{said}. Give more rows, leave columns out, or add ridge=."


def critical(s: RenewalSettings, kind: str, level: float, rows: float) -> float:
    """Standard errors between an estimate and its limits: pointwise, or at every look."""
    from scipy.special import ndtri

    if kind != "sequential":
        return float(ndtri(0.5 + level / 2.0))
    if s.forgets:
        raise OptionError("sequential intervals are for a target that stays; with forget= or window= take 'normal'.")
    return float(sequential_critical(rows, mixture_rho(s.look, level), level))


def _covary(held: Covariance, kind: Any) -> Covariance:
    if kind not in ("plugin", "HC1"):
        raise OptionError(f"vcov={kind!r} is not there for renewable estimates; there is 'plugin'.")
    return held


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RenewableFit(Fit):
    """Estimates of a stream that are renewed as rows arrive.

    Attributes
    ----------
    run : Renewal
        Settings, state and the reader of further rows.
    interval : str
        Which interval the tables print.
    effective : float
        Effective rows: the squared sum of the rows' factors over the sum of their squares.
    """

    run: Renewal
    interval: str = "normal"
    effective: float = 0.0

    normal_reference: ClassVar[bool] = True
    vcov_kinds: ClassVar[VcovKinds] = VcovKinds(default="plugin", names=("plugin",), robust="plugin", clustered=())
    beside: ClassVar[tuple[str, ...]] = ("path", "update")
    lacks: ClassVar[tuple[str, ...]] = ("influence", "bootstrap", "to_arviz")

    def _limits(self, level: float, interval: str | None) -> tuple[np.ndarray, np.ndarray]:
        check_level(level)
        kind = interval or self.interval
        one_of("ci", kind, ("normal", "simultaneous", "sequential"))
        if kind == "simultaneous":
            half: Any = sup_t_critical(self.cov.matrix, level)
        else:
            half = critical(self.run.settings, kind, level, self.nobs)
        half = half * self._se()
        return self.theta - half, self.theta + half

    def _p_values(self) -> np.ndarray:
        """Of a sequence, such that they hold at every look."""
        if self.interval != "sequential":
            return super()._p_values()
        return sequential_p_values(self.statistics, self.nobs, mixture_rho(self.run.settings.look, 0.95))

    def _kept(self, kind: Any) -> Covariance:
        return _covary(self.cov, kind)

    def update(self, data: Any, *, weights: Any = None, na_action: str = "drop") -> Self:
        """The fit after more rows; equal, up to rounding, to one pass over everything.

        Parameters
        ----------
        data : table or stream
        weights : array, optional
            The new rows' weights, where the fit got an array.
        na_action : {"drop", "raise"}
        """
        one_of("na_action", na_action, ("drop", "raise"))
        run = self.run.further(data, weights, na_action == "raise")
        warn_dropped(run.dropped, run.rows, self.run.dropped)
        made = _estimate(run, self.interval)
        assert made.covary is not None
        return replace(
            self, theta=made.theta, nobs=made.nobs, cov=made.covary("plugin"), dropped=dict(run.dropped), **made.extra
        )

    def path(self, level: float = 0.95, *, interval: str | None = None) -> Any:
        """Estimate and interval as rows arrived, in the caller's kind of data frame.

        Parameters
        ----------
        level : float
        interval : {"normal", "sequential"}, optional

        Returns
        -------
        data frame
            Columns rows, term, estimate, conf_low, conf_high.
        """
        import pandas as pd

        kind = interval or ("sequential" if self.interval == "sequential" else "normal")
        one_of("interval", kind, ("normal", "sequential"))
        state = self.run.state
        old = state.path_rows < self.nobs
        rows = np.append(state.path_rows[old], self.nobs)
        mean = np.vstack([state.path[old], self.theta])
        se = np.vstack([state.path_se[old], self.std_errors.to_numpy()])
        half = np.array([critical(self.run.settings, kind, check_level(level), t) for t in rows])[:, None] * se
        columns = {"rows": np.repeat(rows, len(self.terms)), "term": list(self.terms) * len(rows)}
        columns |= {"estimate": mean.ravel(), "conf_low": (mean - half).ravel(), "conf_high": (mean + half).ravel()}
        return to_caller(pd.DataFrame(columns), self.kind)

    def glance_items(self) -> dict[str, Any]:
        """Statistics of the whole fit, by name."""
        s = self.run.settings
        return {"nobs": self.nobs, "effective": self.effective, "loss": s.loss, "forget": s.factor, "window": s.window}

    @property
    def title(self) -> str:
        """Heading of the summary."""
        return f"Renewable estimate, {self.run.settings.loss} loss"

    def summary_facts(self) -> dict[str, Any]:
        """What stands above the coefficients."""
        s = self.run.settings
        facts: dict[str, Any] = {"Rows": self.nobs}
        if s.forgets:
            facts["Effective rows"] = f"{self.effective:.6g}"
            facts["Forgetting"] = f"last {s.window} rows" if s.window else f"factor {s.factor:.6g} a row"
        if self.interval == "sequential":
            facts["Intervals"] = f"at every look, narrowest at {s.look} rows"
        return facts

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
            Of an outcome of categories always the probabilities, one column a class.
        """
        if newdata is None:
            self._need_rows("predictions without newdata")
        new = self.new_rows(newdata, roles=["covariates"])
        x = new.part("covariates").values
        root = np.broadcast_to(self.cov.root, (new.n, *np.shape(self.cov.root)))
        half = critical(self.run.settings, self.interval, check_level(level), self.nobs)
        return predict(
            self.run, new, x, np.broadcast_to(self.theta, (new.n, len(self.theta))), root, half, interval, type
        )

    def _need_rows(self, what: str) -> Any:
        self.refuse(what, "it keeps no rows")

    def bootstrap(self, replicas: int = 999, kind: str = "multiplier", **options: Any) -> Self:
        """There is none: rows are not kept."""
        self.refuse("bootstrap", "it keeps no rows; si.lsa without method= runs replicas along")

    def to_arviz(self) -> Any:
        """There are no draws."""
        self.refuse("to_arviz", "it has no replicas")


def _estimate(run: Renewal, interval: str) -> Estimate:
    found = settled(run.settings, run.state)
    if found.why[0]:
        raise NotIdentifiedError(refusal(found, 0, run))
    warn_moved(run, found, np.zeros(1, np.intp))
    return estimate_of_group(run, found, 0, interval)


def warn_moved(run: Renewal, found: Settled, which: np.ndarray, labels: tuple[Any, ...] = ()) -> None:
    """Tell when coefficients moved too far for the expansions of early rows to hold; `which` are the groups' numbers."""
    far = moved(run.settings, run.state, found, which)
    # The largest of many comparisons is larger by chance.
    limit = _MOVED + np.sqrt(2.0 * np.log(len(far))) if len(far) > 1 else _MOVED
    if far.max(initial=0.0) <= limit:
        return
    g, j = np.unravel_index(int(far.argmax()), far.shape)
    group = f" of {labels[g]!r} in '{run.reader.by}'" if labels else ""
    issue_warning(
        f"{run.terms[j]}{group} moved by {far[g, j]:.3g} standard errors of {run.settings.chunk} rows after as many: the law of "
        "the rows changes along the stream, and the estimate may be far from that of all rows at once. Use forget=, window= or "
        "a batch fit, or shuffle the rows.",
        NumericalWarning,
    )


def estimate_of_group(run: Renewal, found: Settled, g: int, interval: str) -> Estimate:
    """The estimate of one group."""
    root = found.root[g]
    held = Covariance(root @ root.T, "plugin", "sandwich of the rows as they came, HC1 by effective rows", np.inf, root)
    return Estimate(
        terms=run.terms, theta=found.theta[g], moments=None, nobs=int(found.count[g]), df_resid=np.inf,
        covary=partial(_covary, held),
        extra={"run": run, "interval": interval, "effective": float(found.effective[g]), "kept_covariances": {"plugin": held}},
    )  # fmt: skip


def single_fit(run: Renewal, method: Method, kind: str, interval: str) -> RenewableFit:
    """The fit of a stream without groups."""
    reader = run.reader
    passage = Passage(recipe=reader.recipe, kind=kind, dropped=dict(run.dropped), weighted=reader.weighted)
    return RenewableFit.of(passage, _estimate(run, interval), "plugin", method=method)

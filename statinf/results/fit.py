"""`Fit`: the one kind of result of every root-n estimator."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from statinf.errors import DataError, NotIdentifiedError, OptionError, StatinfWarning, check_level
from statinf.formula.design import Design
from statinf.inference.bands import sup_t_critical
from statinf.inference.bootstrap import Bootstrap
from statinf.inference.distributions import t_quantile, two_sided_p
from statinf.inference.hypotheses import WaldTest, linear_restrictions, restriction_matrix, wald
from statinf.inference.sandwich import Covariance, Moments, covariance
from statinf.inference.vcov import VcovKinds, VcovSpec
from statinf.results import coefficients
from statinf.results.estimate import Estimate, Passage
from statinf.results.frames import to_caller
from statinf.results.hooks import TableHooks
from statinf.results.protocol import Predictive
from statinf.results.table import Table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Fit(TableHooks, Predictive):
    """Estimated coefficients with a covariance that can be changed after the fit.

    It is born by `Fit.of`. Every method returns a new object; none changes this one.

    Attributes
    ----------
    terms : tuple of str
        Coefficient names.
    theta : ndarray, shape (q,)
        Estimates; NaN for aliased coefficients.
    cov : Covariance
        Of the coefficients that are not aliased.
    df_resid : float
    design : Design or None
        The rows of the fit, with the caller's frame by reference; not saved.
    draws : Bootstrap or None
    kept_covariances : mapping of str to ndarray
        Covariances that stay available without the rows.
    facts : mapping of str to object
        What the summary prints above the coefficients.
    source : callable or None
        Makes the `Moments` of the estimate from the rows; not saved.
    covary : callable or None
        Makes a covariance from its normal form where it is not the sandwich of the moments; not saved.
    """

    terms: tuple[str, ...]
    theta: np.ndarray
    cov: Covariance
    df_resid: float = np.inf
    design: Design | None = field(default=None, metadata={"saved": False})
    draws: Bootstrap | None = None
    kept_covariances: Mapping[str, np.ndarray] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    source: Callable[[], Moments] | None = field(default=None, metadata={"saved": False})
    covary: Callable[[Any], Covariance] | None = field(default=None, metadata={"saved": False})

    normal_reference: ClassVar[bool] = False
    """Whether tables use the normal distribution instead of Student's t."""
    vcov_kinds: ClassVar[VcovKinds] = VcovKinds()
    """The covariances that this kind of fit has, and its default."""

    # --- birth --------------------------------------------------------------------------------------------

    @classmethod
    def of(
        cls, design: Design | Passage, estimate: Estimate, vcov: Any = None, *, method: Any, cluster: Any = None
    ) -> Self:
        """The fit of an estimate, with its covariance.

        Parameters
        ----------
        design : Design or Passage
        estimate : Estimate
        vcov : str, mapping or VcovSpec, optional
            As the caller asked for it. A default that does not exist for this estimate leaves the standard errors out,
            with a warning; one that was asked for raises.
        method : Method
        cluster : str, sequence of str, or array, optional

        Raises
        ------
        OptionError
            If the covariance is not known.
        NotIdentifiedError
            If it was asked for and does not exist.
        """
        rows = design if isinstance(design, Design) else None
        stacked = rows is not None and rows.weights_object is not None
        spec = VcovSpec.read(vcov, cluster, cls.vcov_kinds, stacked=stacked)
        draft = cls(
            method=method.name or method.verb,
            formula=design.recipe.formula,
            citation=method.reference,
            nobs=estimate.nobs,
            terms=estimate.terms,
            theta=estimate.theta,
            cov=_without(estimate.theta, "none"),
            df_resid=estimate.df_resid,
            recipe=design.recipe,
            kind=design.kind,
            dropped=design.dropped,
            design=rows,
            facts=estimate.facts,
            source=estimate.source,
            covary=estimate.covary,
            **estimate.extra,
        )
        return replace(draft, cov=draft._first_covariance(spec))

    def _first_covariance(self, spec: VcovSpec) -> Covariance:
        """The covariance that the fit is born with; a default gives way where it does not exist."""
        if spec.explicit:
            return self._spelled(spec)
        try:
            return self._spelled(spec)
        except NotIdentifiedError as error:
            names = [kind for kind in self.vcov_kinds.names if self._exists(kind)]
            there = ", ".join(map(repr, (*names, *self.vcov_kinds.shorthand))) or "none"
            warnings.warn(
                f"standard errors are left out: {str(error).rstrip('.')}. Covariances that exist here: {there}.",
                StatinfWarning,
                stacklevel=4,
            )
            return _without(self.theta, f"left out, as {spec.kind} does not exist here; there are {there}")

    def _exists(self, kind: str) -> bool:
        try:
            return bool(np.isfinite(self._covariance(kind).matrix).all())
        except (NotIdentifiedError, DataError):
            return False

    def _spelled(self, spec: VcovSpec) -> Covariance:
        found = self._covariance(spec.asked)
        return replace(found, label=f"{found.label} ('{spec.spelled}')") if spec.spelled else found

    # --- what a family supplies ---------------------------------------------------------------------------

    def moments(self) -> Moments:
        """Scores and bread of the estimating function; needs the rows of the fit."""
        if self.source is None:
            self._need_rows("scores")
            self.refuse("influence")
        return self.source()

    def glance_items(self) -> dict[str, Any]:
        """Statistics of the whole fit, by name."""
        return {"nobs": self.nobs}

    def refit_solver(self, studentize: bool) -> Callable[[np.ndarray], np.ndarray]:
        """Coefficients from replica weights; for methods that can be refitted in batches."""
        raise NotIdentifiedError(f"'{self.method}' has no refitting bootstrap; use kind='multiplier'.")

    def wild_influence(self) -> np.ndarray:
        """Influence of residuals with flipped signs; for linear regressions."""
        raise NotIdentifiedError(
            f"the wild bootstrap is for linear regressions; use kind='multiplier' for '{self.method}'."
        )

    # --- estimates and covariance -------------------------------------------------------------------------

    @property
    def estimable(self) -> np.ndarray:
        """Which coefficients are not aliased, shape (q,) bool."""
        return ~np.isnan(self.theta)

    @property
    def params(self) -> pd.Series:
        """Estimates by coefficient name."""
        import pandas as pd

        return pd.Series(self.theta, index=list(self.terms), name="estimate")

    @property
    def vcov(self) -> pd.DataFrame:
        """Covariance matrix by coefficient name; NaN for aliased coefficients."""
        import pandas as pd

        return pd.DataFrame(self._full_vcov(), index=list(self.terms), columns=list(self.terms))

    def _full_vcov(self) -> np.ndarray:
        out = np.full((len(self.theta), len(self.theta)), np.nan)
        out[np.ix_(self.estimable, self.estimable)] = self.cov.matrix
        return out

    @property
    def std_errors(self) -> pd.Series:
        """Standard errors by coefficient name."""
        import pandas as pd

        return pd.Series(self._se(), index=list(self.terms), name="std_error")

    def _se(self) -> np.ndarray:
        out = np.full(len(self.theta), np.nan)
        diagonal = np.diag(self.cov.matrix)
        out[self.estimable] = np.sqrt(np.where(diagonal >= 0, diagonal, np.nan))
        return out

    @property
    def statistics(self) -> np.ndarray:
        """Estimates over standard errors, shape (q,)."""
        se = self._se()
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(se > 0, self.theta / se, np.nan)

    @property
    def pvalues(self) -> pd.Series:
        """Two-sided p-values of zero coefficients."""
        import pandas as pd

        return pd.Series(two_sided_p(self.statistics, self.cov.df), index=list(self.terms), name="p_value")

    def conf_int(
        self, level: float = 0.95, *, interval: str | None = None, simultaneous: bool = False, seed: int = 0
    ) -> pd.DataFrame:
        """Confidence limits.

        Parameters
        ----------
        level : float
            Confidence in (0, 1).
        interval : {"percentile", "basic", "studentized", "bca", "normal"}, optional
            Which bootstrap interval, after `bootstrap`; "percentile" by default. Without a bootstrap the
            limits are the estimate plus and minus a quantile times the standard error.
        simultaneous : bool
            Limits that hold for all coefficients at once (sup-t, from the joint normal distribution).
        seed : int
            Of the Monte Carlo draws behind simultaneous limits.

        Returns
        -------
        pandas.DataFrame
            Columns conf_low and conf_high, indexed by coefficient name.
        """
        import pandas as pd

        if simultaneous:
            if interval is not None:
                raise OptionError("simultaneous=True makes limits from the covariance; leave interval= out.")
            half = sup_t_critical(self.cov.matrix, level, seed=seed) * self._se()
            low, high = self.theta - half, self.theta + half
        else:
            low, high = self._limits(level, interval)
        return pd.DataFrame({"conf_low": low, "conf_high": high}, index=list(self.terms))

    def _limits(self, level: float, interval: str | None) -> tuple[np.ndarray, np.ndarray]:
        check_level(level)
        low, high = np.full(len(self.theta), np.nan), np.full(len(self.theta), np.nan)
        ok = self.estimable
        if self.draws is not None:
            base = self.kept_covariances.get("before bootstrap")
            se = None if base is None else np.sqrt(np.diag(base))
            low[ok], high[ok] = self.draws.interval(self.theta[ok], level, interval or "percentile", se)
            return low, high
        if interval is not None:
            raise OptionError(f"interval={interval!r} is a bootstrap interval; call fit.bootstrap() first.")
        half = t_quantile(0.5 + level / 2.0, self.cov.df) * self._se()
        return self.theta - half, self.theta + half

    def with_vcov(self, vcov: Any) -> Self:
        """The same fit with another covariance.

        Parameters
        ----------
        vcov : str or mapping
            "iid", "HC0", "HC1", "HC2", "HC3", "fixed" (estimated weights taken as known), or
            `{"cluster": "column"}`, `{"cluster": ["a", "b"], "type": "HC1"}`. Cluster columns are looked
            up in the data of the fit.

        Raises
        ------
        OptionError
            If it is not known.
        NotIdentifiedError
            If this estimator does not have it.
        DataError
            If it needs the rows and the fit was saved or made lean without them.
        """
        spec = VcovSpec.read(vcov, kinds=self.vcov_kinds)
        if self.design is None:
            return replace(self, cov=self._kept(spec.asked), draws=None)
        return replace(self, cov=self._spelled(spec), draws=None)

    def _covariance(self, kind: Any) -> Covariance:
        if self.covary is not None:
            return self.covary(kind)
        clusters: dict[str, np.ndarray] = {}
        if isinstance(kind, dict):
            names = [kind["cluster"]] if isinstance(kind["cluster"], str) else list(kind["cluster"])
            assert self.design is not None
            clusters = {name: self.design.cluster_codes(name) for name in names}
        return covariance(self.moments(), kind, clusters, normal=self.normal_reference)

    def _kept(self, kind: Any) -> Covariance:
        if isinstance(kind, str) and kind in self.kept_covariances:
            return Covariance(
                self.kept_covariances[kind], kind, kind, np.inf if self.normal_reference else self.df_resid
            )
        held = [k for k in self.kept_covariances if k in self.vcov_kinds.names]
        raise DataError(
            f"vcov={kind!r} needs the rows of the fit, which a saved or lean fit leaves out; it holds {', '.join(held) or 'none'}."
        )

    @property
    def influence(self) -> np.ndarray:
        """Influence of each row used, shape (n, q): the estimate's error is about their sum.

        The covariance HC0 is their cross-product, and n times a row is the influence function at that row.
        """
        if self.source is None:
            self._need_rows("influence values")
        return self.moments().influence

    def _need_rows(self, what: str) -> Design:
        if self.design is None:
            raise DataError(f"{what} need the rows of the fit, which a saved or lean fit leaves out; fit again.")
        return self.design

    # --- tables -------------------------------------------------------------------------------------------

    def tidy(
        self, level: float = 0.95, *, style: str = "statinf", interval: str | None = None, exponentiate: bool = False
    ) -> Any:
        """One row per coefficient, in the caller's kind of data frame.

        Parameters
        ----------
        level : float
        style : {"statinf", "broom"}
            "broom" uses the names of R's broom: std.error, p.value, conf.low, conf.high.
        interval : str, optional
            See `conf_int`.
        exponentiate : bool
            Estimates and limits as exp of themselves (odds or rate ratios), standard errors by the delta method; the
            statistic and the p-value stay those of the coefficient.

        Returns
        -------
        data frame
            Columns term, estimate, std_error, statistic, p_value, conf_low, conf_high.
        """
        return to_caller(coefficients.tidy(self, level, style, interval, exponentiate), self.kind)

    def glance(self) -> Any:
        """One row of statistics of the whole fit, in the caller's kind of data frame."""
        import pandas as pd

        items = self.glance_items() | {"vcov": self.cov.label, "method": self.method}
        return to_caller(pd.DataFrame({k: [v] for k, v in items.items()}), self.kind)

    def summary(self, level: float = 0.95) -> Table:
        """Coefficients with the covariance's name, the rows left out and the paper."""
        return coefficients.summary(self, level)

    @property
    def title(self) -> str:
        """Heading of the summary."""
        return self.method

    def summary_facts(self) -> dict[str, Any]:
        """What stands above the coefficients."""
        return {"Observations": self.nobs} | dict(self.facts)

    def _notes(self) -> tuple[str, ...]:
        notes = [f"Standard errors: {self.cov.label}."]
        if self.dropped:
            notes.append(self.dropped_note())
        if self.citation:
            notes.append(f"Method: {self.citation}.")
        return tuple(notes)

    # --- hypotheses and functions of coefficients ---------------------------------------------------------

    def test(self, hypothesis: Any, values: Any = None) -> WaldTest:
        """Wald test of linear restrictions.

        Parameters
        ----------
        hypothesis : str, sequence of str, or ndarray of shape (m, q)
            Equations such as "x1 = x2, x3 = 0" or ["x1 = x2", "x3 = 0"], a term such as "C(g)" for all of its
            coefficients, or a matrix.
        values : array, shape (m,), optional
            Right-hand sides for a matrix; zeros by default.

        Returns
        -------
        WaldTest
            F with (m, residual) degrees of freedom, or chi-square where tables use the normal.

        Examples
        --------
        >>> import statinf as si
        >>> fit = si.lm("mpg ~ wt + qsec", si.datasets.load("mtcars"), vcov="iid")
        >>> print(fit.test("wt = 0, qsec = 0"))
        wt = 0, qsec = 0: F(2, 29) = 69.0331, p = 9.395e-12
        """
        listed = isinstance(hypothesis, list | tuple) and all(isinstance(h, str) for h in hypothesis)
        if isinstance(hypothesis, str) or listed:
            if values is not None:
                raise OptionError("values= goes with a matrix; write the right-hand sides into the equations.")
            matrix, right = linear_restrictions(hypothesis, self.terms)
            text = hypothesis if isinstance(hypothesis, str) else ", ".join(hypothesis)
        else:
            matrix, right = restriction_matrix(hypothesis, values)
            text = f"{len(matrix)} linear restrictions"
        if matrix.shape[1] != len(self.terms):
            raise OptionError(f"the hypothesis has {matrix.shape[1]} columns, the fit {len(self.terms)} coefficients.")
        if (matrix[:, ~self.estimable] != 0).any():
            raise NotIdentifiedError(f"'{text}' involves an aliased coefficient, which has no estimate.")
        ok = self.estimable
        return wald(self.theta[ok], self.cov, matrix[:, ok], right, self.cov.df, text)

    def transform(self, function: Callable[[Mapping[str, Any]], Any] | str, names: Any = None) -> Fit:
        """Smooth functions of the coefficients by the delta method.

        Parameters
        ----------
        function : callable or str
            From a mapping of coefficient names to numbers, to a number, a sequence, or a mapping of names to numbers;
            or an expression such as "wt / hp".
        names : sequence of str, optional
            Names of the results; keys of the mapping, or f1, f2, ...

        Returns
        -------
        Fit
            Covariances, tests, bootstrap and further functions work on it.

        Examples
        --------
        >>> import statinf as si
        >>> fit = si.lm("mpg ~ wt + I(wt**2)", si.datasets.load("mtcars"))
        >>> lowest = fit.transform(lambda b: {"turning point": -b["wt"] / (2 * b["I(wt ** 2)"])})
        >>> lowest.terms
        ('turning point',)
        """
        from statinf.results.transforming import transformed

        return _Plain(**transformed(self, function, names), normal=self.normal_reference)

    def bootstrap(self, replicas: int = 999, kind: str = "multiplier", **options: Any) -> Self:
        """The same fit with bootstrap draws; see `statinf.results.resample.bootstrap`."""
        from statinf.results.resample import bootstrap

        return bootstrap(self, replicas, kind, **options)

    def to_arviz(self) -> Any:
        """Bootstrap draws as arviz's own container: InferenceData before 1.0, a DataTree since."""
        from statinf.results.to_arviz import to_arviz

        return to_arviz(self)

    def plot(self, kind: str = "coefficients", **options: Any) -> Any:
        """Coefficients with their intervals; returns the matplotlib axes."""
        from statinf.plotting.coefficients import plot_coefficients

        if kind != "coefficients":
            raise OptionError(f"plot kind={kind!r} is not known for '{self.method}'; there is 'coefficients'.")
        low, high = self._limits(options.pop("level", 0.95), None)
        return plot_coefficients(self.terms, self.theta, low, high, **options)

    # --- size ---------------------------------------------------------------------------------------------

    def lean(self) -> Self:
        """The same fit without its rows; the covariances iid and HC0 to HC3 stay available."""
        if self.design is None:
            return self
        kept = dict(self.kept_covariances)
        for kind in self.vcov_kinds.names:
            if self._exists(kind):
                kept[kind] = self._covariance(kind).matrix
        return replace(self, design=None, source=None, covary=None, kept_covariances=kept)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class _Plain(Fit):
    """A fit that refers to the distribution of the fit that it was made from."""

    normal: bool = False

    @property
    def normal_reference(self) -> bool:  # type: ignore[override]
        return self.normal


def _without(theta: np.ndarray, label: str) -> Covariance:
    """No covariance: NaN for every coefficient that is not aliased."""
    q = int(np.count_nonzero(~np.isnan(theta)))
    return Covariance(np.full((q, q), np.nan), "none", label, np.nan)

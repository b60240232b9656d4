"""`Fit`: the one kind of result of every root-n estimator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from statinf.errors import DataError, NotIdentifiedError, OptionError, check_level
from statinf.formula.design import Design
from statinf.formula.recipe import Recipe
from statinf.inference.bands import sup_t_critical
from statinf.inference.bootstrap import Bootstrap
from statinf.inference.distributions import t_quantile, two_sided_p
from statinf.inference.hypotheses import WaldTest, linear_restrictions, wald
from statinf.inference.sandwich import Covariance, Moments, check_kind, covariance
from statinf.results.base import Result
from statinf.results.frames import to_caller
from statinf.results.table import Table, format_number, format_p

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Fit(Result):
    """Estimated coefficients with a covariance that can be changed after the fit.

    Every method returns a new object; none changes this one.

    Attributes
    ----------
    terms : tuple of str
        Coefficient names.
    theta : ndarray, shape (q,)
        Estimates; NaN for aliased coefficients.
    cov : Covariance
        Of the coefficients that are not aliased.
    df_resid : float
    recipe : Recipe or None
        Makes the formula's columns for new rows.
    kind : str
        Kind of data frame that tables come back in.
    dropped : mapping of str to int
        Rows left out, by cause.
    design : Design or None
        The rows of the fit, with the caller's frame by reference; not saved.
    draws : Bootstrap or None
    kept_covariances : mapping of str to ndarray
        Covariances that stay available without the rows.
    """

    terms: tuple[str, ...]
    theta: np.ndarray
    cov: Covariance
    df_resid: float = np.inf
    recipe: Recipe | None = None
    kind: str = "pandas"
    dropped: Mapping[str, int] = field(default_factory=dict)
    design: Design | None = field(default=None, metadata={"saved": False})
    draws: Bootstrap | None = None
    kept_covariances: Mapping[str, np.ndarray] = field(default_factory=dict)

    normal_reference: ClassVar[bool] = False
    """Whether tables use the normal distribution instead of Student's t."""

    # --- what a family supplies ---------------------------------------------------------------------------

    def moments(self) -> Moments:
        """Scores and bread of the estimating function; needs the rows of the fit."""
        raise NotImplementedError

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
        # Inclusion and exclusion of several clusterings can give a negative variance: it has no root.
        out[self.estimable] = np.sqrt(np.where(diagonal >= 0, diagonal, np.nan))
        return out

    bse = std_errors

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
        kind = check_kind(vcov)
        if self.design is None:
            return replace(self, cov=self._kept(kind), draws=None)
        return replace(self, cov=self._covariance(kind), draws=None)

    def _covariance(self, kind: Any) -> Covariance:
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
        held = [k for k in self.kept_covariances if k in ("iid", "HC0", "HC1", "HC2", "HC3", "fixed")]
        raise DataError(
            f"vcov={kind!r} needs the rows of the fit, which a saved or lean fit leaves out; it holds {', '.join(held) or 'none'}."
        )

    @property
    def influence(self) -> np.ndarray:
        """Influence of each row used, shape (n, q): the estimate's error is about their sum.

        The covariance HC0 is their cross-product, and n times a row is the influence function at that row.
        """
        self._need_rows("influence values")
        return self.moments().influence

    def _need_rows(self, what: str) -> Design:
        if self.design is None:
            raise DataError(f"{what} need the rows of the fit, which a saved or lean fit leaves out; fit again.")
        return self.design

    # --- tables -------------------------------------------------------------------------------------------

    def tidy(self, level: float = 0.95, *, style: str = "statinf", interval: str | None = None) -> Any:
        """One row a coefficient, in the caller's kind of data frame.

        Parameters
        ----------
        level : float
        style : {"statinf", "broom"}
            "broom" uses the names of R's broom: std.error, p.value, conf.low, conf.high.
        interval : str, optional
            See `conf_int`.

        Returns
        -------
        data frame
            Columns term, estimate, std_error, statistic, p_value, conf_low, conf_high.
        """
        import pandas as pd

        if style not in ("statinf", "broom"):
            raise OptionError(f"style={style!r} is not known; choose 'statinf' or 'broom'.")
        low, high = self._limits(level, interval)
        frame = pd.DataFrame(
            {
                "term": list(self.terms),
                "estimate": self.theta,
                "std_error": self._se(),
                "statistic": self.statistics,
                "p_value": self.pvalues.to_numpy(),
                "conf_low": low,
                "conf_high": high,
            }
        )
        if style == "broom":
            frame.columns = [c.replace("_", ".") for c in frame.columns]
        return to_caller(frame, self.kind)

    def glance(self) -> Any:
        """One row of statistics of the whole fit, in the caller's kind of data frame."""
        import pandas as pd

        items = self.glance_items() | {"vcov": self.cov.label, "method": self.method}
        return to_caller(pd.DataFrame({k: [v] for k, v in items.items()}), self.kind)

    def augment(self) -> Any:
        """The caller's data with fitted values and diagnostics beside them, one row a row of the data."""
        raise NotIdentifiedError(f"'{self.method}' has no row-wise diagnostics.")

    def predict(self, newdata: Any = None, *, interval: str | None = None, level: float = 0.95) -> Any:
        """Predictions, one row out per row in; rows that cannot be predicted are NaN, with one warning."""
        raise NotIdentifiedError(f"'{self.method}' makes no predictions.")

    def summary(self, level: float = 0.95) -> Table:
        """Coefficients with the covariance's name, the rows left out and the paper."""
        low, high = self._limits(level, None)
        rows = []
        statistics, p = self.statistics, self.pvalues.to_numpy()
        for i, name in enumerate(self.terms):
            numbers = [format_number(v) for v in (self.theta[i], self._se()[i], statistics[i])]
            limits = f"[{format_number(low[i])}, {format_number(high[i])}]" if self.estimable[i] else ""
            rows.append((name, *(numbers if self.estimable[i] else ["aliased", "", ""]), format_p(p[i]), limits))
        letter = "z" if np.isinf(self.cov.df) else "t"
        columns = ("term", "estimate", "std. error", letter, "p", f"{100 * level:g}% interval")
        facts = (("Formula", self.formula), *((k, format_number(v)) for k, v in self.summary_facts().items()))
        return Table(columns, tuple(rows), title=self.title, facts=facts, notes=self._notes())

    @property
    def title(self) -> str:
        """Heading of the summary."""
        return self.method

    def summary_facts(self) -> dict[str, Any]:
        """What stands above the coefficients."""
        return {"Observations": self.nobs}

    def _notes(self) -> tuple[str, ...]:
        notes = [f"Standard errors: {self.cov.label}."]
        if self.dropped:
            notes.append("Rows left out: " + "; ".join(f"{n} ({cause})" for cause, n in self.dropped.items()) + ".")
        if self.citation:
            notes.append(f"Method: {self.citation}.")
        return tuple(notes)

    # --- hypotheses and functions of coefficients ---------------------------------------------------------

    def test(self, hypothesis: str | np.ndarray, values: Any = None) -> WaldTest:
        """Wald test of linear restrictions.

        Parameters
        ----------
        hypothesis : str or ndarray, shape (m, q)
            Equations such as "x1 = x2, x3 = 0", or a matrix.
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
        if isinstance(hypothesis, str):
            matrix, right = linear_restrictions(hypothesis, self.terms)
            text = hypothesis
        else:
            matrix = np.atleast_2d(np.asarray(hypothesis, dtype=np.float64))
            right = np.zeros(len(matrix)) if values is None else np.asarray(values, dtype=np.float64)
            text = f"{len(matrix)} linear restrictions"
        if matrix.shape[1] != len(self.terms):
            raise OptionError(f"the hypothesis has {matrix.shape[1]} columns, the fit {len(self.terms)} coefficients.")
        if (matrix[:, ~self.estimable] != 0).any():
            raise NotIdentifiedError(f"'{text}' involves an aliased coefficient, which has no estimate.")
        ok = self.estimable
        return wald(self.theta[ok], self.cov.matrix, matrix[:, ok], right, self.cov.df, text)

    def transform(self, function: Callable[[Mapping[str, Any]], Any], names: Any = None) -> Fit:
        """Smooth functions of the coefficients by the delta method; see `statinf.results.derived`."""
        from statinf.results.derived import transform

        return transform(self, function, names)

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
        moments = self.moments()
        for kind in ("iid", "HC0", "HC1", "HC2", "HC3"):
            try:
                kept[kind] = covariance(moments, kind, normal=self.normal_reference).matrix
            except NotIdentifiedError:
                continue
        return replace(self, design=None, kept_covariances=kept)

    def save(self, path: Any) -> Any:
        """Write the fit without its rows; see `Result.save` and `lean`."""
        return Result.save(self.lean(), path)

    def __getstate__(self) -> dict[str, Any]:
        return Result.__getstate__(self.lean())

    # --- hooks of table packages --------------------------------------------------------------------------

    @property
    def __maketables_coef_table__(self) -> pd.DataFrame:
        import pandas as pd

        low, high = self._limits(0.95, None)
        columns = {"b": self.theta, "se": self._se(), "t": self.statistics, "p": self.pvalues.to_numpy()}
        return pd.DataFrame(
            columns | {"ci95l": low, "ci95u": high}, index=pd.Index(list(self.terms), name="Coefficient")
        )

    def __maketables_stat__(self, key: str) -> Any:
        return (self.glance_items() | {"N": self.nobs, "r2": self.glance_items().get("r_squared")}).get(key)

    @property
    def __maketables_depvar__(self) -> str:
        return self.formula.split("~")[0].strip()

    @property
    def __maketables_vcov_info__(self) -> dict[str, Any]:
        return {"vcov_type": self.cov.label}

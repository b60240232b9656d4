"""`Estimated`: coefficients with a covariance, read as tables, intervals, tests and figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from statinf.errors import DataError, OptionError, check_level, one_of
from statinf.frames import to_caller
from statinf.inference.bands import sup_t_critical
from statinf.inference.bootstrap import Bootstrap, warn_bca
from statinf.inference.covariance import Covariance
from statinf.inference.distributions import t_quantile, two_sided_p
from statinf.internal import internal
from statinf.results import coefficients
from statinf.results.hooks import TableHooks
from statinf.results.table import Table
from statinf.results.testing import HypothesisTests

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Estimated(TableHooks, HypothesisTests):
    """Estimated coefficients with their covariance; nothing here needs the rows that they come from.

    Attributes
    ----------
    terms : tuple of str
        Coefficient names.
    theta : ndarray, shape (q,)
        Estimates; NaN for aliased coefficients.
    cov : Covariance
        Of the coefficients that are not aliased.
    df_resid : float
    draws : Bootstrap or None
    kept_covariances : mapping of str to Covariance
        Those that stay available without the rows.
    facts : mapping of str to object
        What the summary prints above the coefficients.
    """

    terms: tuple[str, ...]
    theta: np.ndarray
    cov: Covariance
    df_resid: float = np.inf
    draws: Bootstrap | None = None
    kept_covariances: Mapping[str, Covariance] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    normal_reference: ClassVar[bool] = False
    """Whether tables use the normal distribution instead of Student's t."""

    def __post_init__(self) -> None:
        q, kept = len(self.terms), np.count_nonzero(~np.isnan(self.theta)) if self.theta.dtype.kind == "f" else -1
        if self.theta.shape != (q,) or self.cov.matrix.shape != (kept, kept):
            raise DataError(
                f"the estimates are {self.theta.dtype} numbers of shape {self.theta.shape} with a covariance of shape "
                f"{self.cov.matrix.shape}, for {q} terms"
            )

    # --- estimates and their precision --------------------------------------------------------------------

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

        return pd.Series(self._p_values(), index=list(self.terms), name="p_value")

    def _p_values(self) -> np.ndarray:
        return np.asarray(two_sided_p(self.statistics, self._df()))

    def conf_int(
        self,
        level: float = 0.95,
        *,
        interval: str | None = None,
        simultaneous: bool = False,
        seed: int = 0,
        bootstrap: str | None = None,
        **options: Any,
    ) -> pd.DataFrame:
        """Confidence limits.

        Parameters
        ----------
        level : float
            Confidence in (0, 1).
        interval : {"percentile", "basic", "studentized", "bca", "normal", "profile"}, optional
            Which bootstrap interval, after `bootstrap`; "percentile" by default. Without a bootstrap the
            limits are the estimate plus and minus a quantile times the standard error; generalised linear models also have
            "profile", limits of the profile likelihood (penalised with `penalty="firth"`).
        simultaneous : bool
            Limits that hold for all coefficients at once (sup-t, from the joint normal or t distribution).
        seed : int
            Of the Monte Carlo draws behind simultaneous limits, and of `bootstrap`.
        bootstrap : {"wild"}, optional
            Limits of each coefficient by inversion of its wild bootstrap test, "symmetric" (default) or "equal-tailed" by
            `interval`.
        **options
            Of that test, such as `replicas` and `law`; see `test`.

        Returns
        -------
        pandas.DataFrame
            Columns conf_low and conf_high, indexed by coefficient name.
        """
        import pandas as pd

        if bootstrap is not None:
            from statinf.results.wild import read_options, wild_intervals

            one_of("bootstrap", bootstrap, ("wild",))
            if simultaneous:
                raise OptionError("simultaneous=True makes limits from the covariance; leave bootstrap= out.")
            how = {} if interval is None else {"interval": interval}
            return wild_intervals(self, read_options({"level": level, "seed": seed, **how, **options}))
        if options:
            from statinf.results.wild import refuse_without

            refuse_without(options, ("level", "simultaneous", "interval"))
        if simultaneous:
            if interval is not None:
                raise OptionError("simultaneous=True makes limits from the covariance; leave interval= out.")
            half = sup_t_critical(self.cov.matrix, level, df=self.cov.df, seed=seed) * self._se()
            low, high = self.theta - half, self.theta + half
        else:
            low, high = self._limits(level, interval)
        return pd.DataFrame({"conf_low": low, "conf_high": high}, index=list(self.terms))

    def _limits(self, level: float, interval: str | None) -> tuple[np.ndarray, np.ndarray]:
        check_level(level)
        low, high = np.full(len(self.theta), np.nan), np.full(len(self.theta), np.nan)
        ok = self.estimable
        if self.draws is not None:
            base = self._studentised
            se = None if base is None else np.sqrt(np.diag(base.matrix))
            low[ok], high[ok] = self.draws.interval(self.theta[ok], level, interval or "percentile", se)
            if interval == "bca":
                warn_bca(self.nobs)
            return low, high
        if interval == "profile":
            raise OptionError("interval='profile' follows the likelihood of a fit by si.glm; leave interval= out here.")
        if interval is not None:
            raise OptionError(f"interval={interval!r} is a bootstrap interval; call fit.bootstrap() first.")
        half = t_quantile(0.5 + level / 2.0, self._df()) * self._se()
        return self.theta - half, self.theta + half

    @property
    def _studentised(self) -> Covariance | None:
        """The covariance that studentised limits start from; a file may have it in the place of that of before the draws."""
        return self.kept_covariances.get("studentised", self.kept_covariances.get("before bootstrap"))

    def _df(self) -> Any:
        """Degrees of freedom of the tables: one number, or one per coefficient, shape (q,)."""
        if self.cov.each is None or len(self.cov.each) == len(self.theta):
            return self.cov.df_each
        out = np.full(len(self.theta), np.nan)
        out[self.estimable] = self.cov.each
        return out

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

    @internal
    def glance_items(self) -> dict[str, Any]:
        """Statistics of the whole fit, by name."""
        return {"nobs": self.nobs}

    def glance(self, *, style: str = "statinf") -> Any:
        """One row of statistics of the whole fit, in the caller's kind of data frame.

        Parameters
        ----------
        style : {"statinf", "broom"}
            "broom" uses the names of R's broom, such as r.squared, logLik, AIC and df.residual.
        """
        import pandas as pd

        one_of("style", style, ("statinf", "broom"))
        items = self.glance_items() | {"vcov": self.cov.label, "method": self.method}
        if style == "broom":
            items = {coefficients.broom_name(k): v for k, v in items.items()}
        return to_caller(pd.DataFrame({k: [v] for k, v in items.items()}), self.kind)

    def summary(self, level: float = 0.95) -> Table:
        """Coefficients with the covariance's name, the rows left out and the paper."""
        return coefficients.summary(self, level)

    @property
    @internal
    def title(self) -> str:
        """Heading of the summary."""
        return self.method

    @internal
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

    def to_arviz(self) -> Any:
        """Bootstrap draws as arviz's own container: InferenceData before 1.0, a DataTree since."""
        from statinf.results.to_arviz import to_arviz

        return to_arviz(self)

    def plot(self, kind: str = "coefficients", **options: Any) -> Any:
        """Coefficients with their intervals, those of other fits beside them.

        Parameters
        ----------
        kind : {"coefficients"}
        **options
            `others`, a list of fits; `names`, one for each fit, this one first; `level`, one or several such as [0.9, 0.95];
            `rename`, `keep`, `drop` and `order`, as in `statinf.table`; `panels`, a panel with its own scale for each
            coefficient, by default where a fit is drawn alone and some coefficient would be a dot at zero;
            `intercept` (False), `ax` and `label`, the text below.

        Returns
        -------
        matplotlib axes
            An array of them with ``panels=True``; the first panel's where panels are drawn by default.
        """
        from statinf.results.plotted import coefficients_of

        if kind != "coefficients":
            raise OptionError(f"plot kind={kind!r} is not known for '{self.method}'; there is 'coefficients'.")
        return coefficients_of(self, **options)

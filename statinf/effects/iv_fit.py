"""The result of linear instrumental-variable estimation."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from statinf.effects import overid, weak_iv
from statinf.effects.instruments import System, structural_rss
from statinf.effects.iv_rows import Rows, Units, rows_of
from statinf.errors import NotIdentifiedError, OptionError, check_level, one_of
from statinf.inference.distributions import t_quantile
from statinf.inference.hypotheses import WaldTest
from statinf.inference.sandwich import Covariance, Moments, check_kind, covariance
from statinf.results import Fit, stack_scores, to_caller

STRONG = 23.1
"""Effective F above which one instrument's worst-case bias is below a tenth (Montiel Olea and Pflueger 2013)."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class IVFit(Fit):
    """A linear model with endogenous columns, estimated with instruments.

    Attributes
    ----------
    system : System
        Small blocks that hold all classical statistics, of centred and scaled columns.
    units : Units
        What carries coefficients of those columns to the columns as given.
    scaled : ndarray, shape (k,)
        Coefficients of the centred and scaled columns that are not aliased, endogenous ones first.
    kappa : float
        Member of the k-class; NaN for GMM.
    endogenous, instruments : tuple of str
        Column names; instruments that are aliased are left out.
    kept : ndarray of bool, shape (a + b,)
        Covariates and instruments that are not aliased.
    combine, bread : ndarray
        Of GMM: which combination of moments identifies each coefficient, shape (l, k), and the inverse
        bread, shape (k, k); of the k-class the bread alone. In centred and scaled columns.
    diagnostics : mapping of str to float
        Statistics that the summary prints, with the covariance of the fit.
    """

    system: System
    units: Units
    scaled: np.ndarray
    kappa: float
    endogenous: tuple[str, ...]
    instruments: tuple[str, ...]
    kept: np.ndarray
    combine: np.ndarray
    bread: np.ndarray
    j: float = np.nan
    diagnostics: dict[str, float] = field(default_factory=dict)

    # --- what Fit needs -----------------------------------------------------------------------------------

    @property
    def title(self) -> str:
        return {"2sls": "Two-stage least squares", "liml": "Limited-information maximum likelihood"}.get(
            self.method, "Generalised method of moments"
        )

    @property
    def beta(self) -> np.ndarray:
        """Coefficients of the centred and scaled endogenous columns, shape (c,)."""
        return self.scaled[: self.system.c]

    @property
    def sigma(self) -> float:
        """Residual standard deviation with n - k degrees of freedom."""
        return self.units.outcome_scale * self._sigma

    @property
    def _sigma(self) -> float:
        return float(np.sqrt(structural_rss(self.system, self.beta) / self.df_resid))

    def _rows(self, what: str, kind: Any = None) -> Rows:
        return rows_of(self._need_rows(what), self.system, self.kept, kind)

    @property
    def residuals(self) -> np.ndarray:
        """Outcome less x'b, with the treatment as recorded, shape (rows used,)."""
        return self.units.outcome_scale * self._residual(self._rows("residuals"))

    def _residual(self, rows: Rows) -> np.ndarray:
        c = self.system.c
        return rows.y - rows.endogenous @ self.scaled[:c] - rows.exogenous @ self.scaled[c:]

    def _scaled_moments(self) -> Moments:
        rows = self._rows("standard errors")
        made = self._need_rows("standard errors")
        e = self._residual(rows)
        if self.combine.size:
            columns = rows.basis @ self.combine
        else:
            columns = np.column_stack([rows.fitted_first, rows.exogenous])
        stacked = {}
        if made.weights_object is not None:
            stacked = stack_scores(made.weights_object, made.rows, columns * e[:, None])
        model = None if self.combine.size else self.bread * self._sigma**2
        # Hat values exist where the second stage is a least-squares fit.
        shape = {"columns": columns, "working": made.weights} if self.kappa == 1.0 else {}
        scores = columns * (made.weights * e)[:, None]
        return Moments(scores, self.bread, self.nobs, self.df_resid, model, **shape, **stacked)

    def moments(self) -> Moments:
        own, carry = self._scaled_moments(), self.units.carry
        bread = carry @ own.bread
        return Moments(
            own.total @ bread.T,
            np.eye(own.q),
            own.nobs,
            own.df_resid,
            outside=None if own.outside is None else own.outside @ bread.T,
            outside_rows=own.outside_rows,
            weights_fixed=own.weights_fixed,
        )

    def _covariance(self, kind: Any) -> Covariance:
        names = [] if not isinstance(kind, dict) else kind["cluster"]
        made = self._need_rows("standard errors")
        clusters = {n: made.cluster_codes(n) for n in ([names] if isinstance(names, str) else names)}
        found = covariance(self._scaled_moments(), kind, clusters)
        carry = self.units.carry
        return replace(found, matrix=carry @ found.matrix @ carry.T)

    def lean(self) -> Self:
        if self.design is None:
            return self
        kept = dict(self.kept_covariances)
        for kind in ("iid", "HC0", "HC1", "HC2", "HC3"):
            try:
                kept[kind] = self._covariance(kind).matrix
            except NotIdentifiedError:
                continue
        return replace(self, design=None, kept_covariances=kept)

    # --- instruments --------------------------------------------------------------------------------------

    def first_stage(self, vcov: Any = None) -> Any:
        """Strength of the instruments, one row an endogenous column, in the caller's kind of data frame.

        Parameters
        ----------
        vcov : str or mapping, optional
            For the robust and the effective F; the fit's own by default.

        Returns
        -------
        data frame
            Columns term, f (homoskedastic), robust_f, df1, df2, p_value, effective_f, partial_r2, shea_r2
            and cragg_donald. With several endogenous columns one instrument may serve them all: judge by
            shea_r2 and cragg_donald, not by each F.
        """
        import pandas as pd

        kind = self._kind(vcov)
        rows = self._rows("first stages", kind)
        weakest = weak_iv.cragg_donald(self.system)
        out = []
        for j, name in enumerate(self.endogenous):
            found = rows.reduced_form(np.eye(self.system.c + 1)[j], kind)
            s = weak_iv.first_stage(self.system, j, found.matrix, found.df)
            out.append(
                {
                    "term": name,
                    "f": s.f,
                    "robust_f": s.robust_f,
                    "df1": self.system.b,
                    "df2": found.df,
                    "p_value": s.p_value,
                }
                | {
                    "effective_f": s.effective_f,
                    "partial_r2": s.partial_r2,
                    "shea_r2": s.shea_r2,
                    "cragg_donald": weakest,
                }
            )
        return to_caller(pd.DataFrame(out), self.kind)

    def anderson_rubin(self, null: Any = 0.0, *, level: float = 0.95, vcov: Any = None) -> weak_iv.AndersonRubin:
        """Inference on the effect that holds however weak the instruments are.

        Parameters
        ----------
        null : float or array of shape (c,)
            Value to test.
        level : float
            Of the confidence set, which has `pieces`: one interval, two half-lines, the whole line, or none.
        vcov : str or mapping, optional
            Covariance of the reduced form, "iid" for the classical test; the fit's own by default.

        Examples
        --------
        >>> import statinf as si
        >>> fit = si.iv("lwage ~ educ | exper + expersq + black + south + smsa | nearc4", si.datasets.load("card"))
        >>> print(fit.anderson_rubin(vcov="iid"))
        Anderson-Rubin test of 0 (iid): F(1, 3003) = 6.8811, p = 0.008755
        95% confidence set: [0.0383985, 0.261184]
        """
        check_level(level)
        kind = self._kind(vcov)
        rows = self._rows("Anderson-Rubin tests", kind)
        made = self.system
        given = np.broadcast_to(np.asarray(null, dtype=np.float64), (made.c,))
        unit = self.units.outcome_scale / self.units.scale[: made.c]
        value = given / unit
        found = rows.reduced_form(np.append(-value, 1.0), kind)
        f = weak_iv.statistic(made, rows.at_null(kind), value)
        pieces = None
        if made.c == 1:
            critical = _f_quantile(level, made.b, found.df)
            found_pieces = weak_iv.kept_values(made, rows.at_null(kind), critical, float(self.beta[0]))
            pieces = tuple((float(low * unit[0]), float(high * unit[0])) for low, high in found_pieces)
        p = weak_iv.f_sf(f, made.b, found.df)
        return weak_iv.AndersonRubin(tuple(given.tolist()), f, p, made.b, found.df, level, pieces, found.label)

    def overid(self, test: str = "hansen") -> WaldTest:
        """Test of the instruments beyond those needed.

        Parameters
        ----------
        test : {"hansen", "sargan", "basmann"}
            "hansen" is robust to heteroskedasticity, or to clusters if the fit's covariance is clustered;
            the others assume equal variances.

        Raises
        ------
        NotIdentifiedError
            If there are no more instruments than endogenous columns.
        """
        one_of("test", test, ("hansen", "sargan", "basmann"))
        if self.system.b == self.system.c:
            raise NotIdentifiedError(
                "there are exactly as many instruments as endogenous columns: nothing is left to test."
            )
        if test != "hansen":
            return (overid.sargan if test == "sargan" else overid.basmann)(self.system, self.beta)
        kind = self.cov.kind
        rows = self._rows("Hansen's test", kind)
        return overid.hansen(rows, next(iter(rows.clusters.values()), None))

    def wu_hausman(self, vcov: Any = "iid") -> WaldTest:
        """Test whether least squares would do: are the endogenous columns exogenous.

        Parameters
        ----------
        vcov : str or mapping
            "iid" for the classical F; any other covariance for the robust version.
        """
        kind = self._kind(vcov)
        if kind == "iid":
            return overid.wu_hausman(self.system)
        return overid.robust_hausman(self._rows("a robust Wu-Hausman test", kind), kind)

    def _kind(self, vcov: Any) -> Any:
        if vcov is not None:
            return check_kind(vcov)
        own = self.cov.kind
        return own if isinstance(own, dict) or own in ("iid", "HC0", "HC1") else "HC1"

    # --- tables and predictions ---------------------------------------------------------------------------

    def glance_items(self) -> dict[str, Any]:
        own = {"nobs": self.nobs, "df_resid": self.df_resid, "sigma": self.sigma, "instruments": self.system.b}
        return own | self.diagnostics

    def summary_facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"Observations": self.nobs, "Instruments": ", ".join(self.instruments)}
        if self.method == "liml":
            facts["kappa"] = f"{self.kappa:.6f}"
        named = {
            "first_stage_f": "First-stage F (robust)",
            "effective_f": "Effective F",
            "cragg_donald": "Cragg-Donald F",
            "wu_hausman_p": "Wu-Hausman p",
            "sargan_p": "Sargan p",
            "hansen_p": "Hansen J p",
        }
        return facts | {label: self.diagnostics[key] for key, label in named.items() if key in self.diagnostics}

    def _notes(self) -> tuple[str, ...]:
        notes = super()._notes()
        if self.diagnostics.get("effective_f", np.inf) < STRONG:
            notes = (
                *notes,
                f"Effective F below {STRONG}: the intervals above may be far off; use anderson_rubin(), which is valid.",
            )
        return notes

    def predict(self, newdata: Any = None, *, interval: str | None = None, level: float = 0.95) -> Any:
        """Structural prediction x'b for rows with the treatment set as they record it.

        Parameters
        ----------
        newdata : data frame, optional
        interval : {None, "confidence"}
        level : float

        Returns
        -------
        data frame
            Columns fit, std_error and, with an interval, lower and upper.
        """
        import pandas as pd

        check_level(level)
        if interval is not None:
            one_of("interval", interval, ("confidence",))
        frame = self._need_rows("predictions without newdata").frame if newdata is None else newdata
        if self.recipe is None:
            raise OptionError("this fit cannot predict from a data frame.")
        rows = self.recipe.new_rows(frame, ("treatment", "covariates"))
        x = np.column_stack([rows.parts["treatment"].rest.values, rows.parts["covariates"].values])[:, self.estimable]
        fit = x @ self.theta[self.estimable] + (0.0 if rows.offset is None else rows.offset)
        se = np.sqrt(np.maximum(np.einsum("ij,ij->i", x @ self.cov.matrix, x), 0.0))
        columns = {"fit": fit, "std_error": se}
        if interval:
            half = t_quantile(0.5 + level / 2.0, self.cov.df) * se
            columns |= {"lower": fit - half, "upper": fit + half}
        return to_caller(pd.DataFrame(columns), rows.kind, rows.index)


def _f_quantile(p: float, df1: float, df2: float) -> float:
    from scipy import special

    if np.isinf(df2):
        return float(special.chdtri(df1, 1.0 - p)) / df1
    return float(special.fdtri(df1, df2, p))

"""The result of linear instrumental-variable estimation."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from statinf.effects import overid, weak_iv
from statinf.effects.instruments import System
from statinf.effects.iv_diagnostics import diagnostics
from statinf.effects.iv_rows import IVColumns, IVRows, as_indicator
from statinf.effects.linear_iv import LinearIV
from statinf.errors import NotIdentifiedError, check_level, one_of
from statinf.formula.matrix import Matrix
from statinf.formula.part_sides import PartSide
from statinf.inference.dependent import is_dependent
from statinf.inference.distributions import t_quantile
from statinf.inference.hypotheses import WaldTest
from statinf.inference.vcov import VcovKinds, VcovSpec
from statinf.numerics.linear.aliases import alias_map
from statinf.results import Estimate, Fit, augmented, prediction_frame, predictor, predictor_se, to_caller, unsupported
from statinf.results.margins.mean import MeanModel, linear_mean
from statinf.results.margins.mixin import MarginVerbs

if TYPE_CHECKING:
    from statinf.effects.iv_pass_rows import PassForms
    from statinf.formula.design import Design
    from statinf.results.estimate import Passage

STRONG = 23.1
"""Effective F above which one instrument's worst-case bias is below a tenth (Montiel Olea and Pflueger 2013)."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class IVFit(MarginVerbs, Fit):
    """A linear model with endogenous columns, estimated with instruments.

    Attributes
    ----------
    heading : str
        Title of the summary.
    solution : LinearIV
        The model in centred and scaled columns.
    endogenous, instruments : tuple of str
        Column names; instruments that are aliased are left out.
    j : float
        Hansen's criterion where the method minimises it; NaN otherwise.
    aliases : ndarray, shape (k, a - k)
        How the k covariates that have a coefficient make the others.
    diagnostics : mapping of str to float
        Statistics that the summary prints, with the covariance of the fit.
    columns : IVColumns or None
        Centred and scaled columns while the fit is born; None afterwards, when they are made as they are asked for.
    forms : PassForms or None
        Of data that are read in blocks: what makes the covariance of the reduced form.
    """

    heading: str
    solution: LinearIV
    endogenous: tuple[str, ...]
    instruments: tuple[str, ...]
    j: float = np.nan
    diagnostics: dict[str, float] = field(default_factory=dict)
    aliases: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    columns: IVColumns | None = field(default=None, metadata={"saved": False})
    forms: PassForms | None = field(default=None, metadata={"saved": False})

    vcov_kinds = VcovKinds()
    beside = ("first_stage", "anderson_rubin", "overid", "wu_hausman")

    @classmethod
    def of(cls, design: Design, estimate: Estimate, vcov: Any = None, *, method: Any, cluster: Any = None) -> Self:
        solution: LinearIV = estimate.extra["solution"]
        rows = solution.rows(design, estimate.extra["columns"])
        fit = super().of(
            design,
            replace(estimate, covary=partial(solution.covariance, design, rows=rows)),
            vcov,
            method=method,
            cluster=cluster,
        )
        names = [t for t, kept in zip(fit.terms, fit.estimable, strict=True) if kept]
        solution.warn_alone(design, rows, fit.cov.kind, names)
        covariates = design.part("covariates")
        assert covariates is not None
        aliases = alias_map(covariates.values, fit.estimable[len(fit.endogenous) :], design.weights)
        told = diagnostics(solution, rows, fit.cov.kind, fit.j)
        return replace(fit, aliases=aliases, covary=estimate.covary, diagnostics=told, columns=None)

    @classmethod
    def of_passes(
        cls,
        passage: Passage,
        estimate: Estimate,
        vcov: Any,
        *,
        method: Any,
        cluster: Any,
        forms: PassForms,
        aliases: np.ndarray,
    ) -> Self:
        """The fit of data that are read in blocks."""
        fit = super().of(passage, estimate, vcov, method=method, cluster=cluster)
        told = diagnostics(fit.solution, forms, fit.cov.kind, fit.j)
        return replace(fit, aliases=aliases, diagnostics=told, forms=forms)

    @property
    def title(self) -> str:
        return self.heading

    @property
    def system(self) -> System:
        """Small blocks that hold all classical statistics, of centred and scaled columns."""
        return self.solution.system

    @property
    def kappa(self) -> float:
        """Member of the k-class; NaN for GMM."""
        return self.solution.kappa

    @property
    def sigma(self) -> float:
        """Residual standard deviation with n - k degrees of freedom."""
        return self.solution.units.outcome_scale * self.solution.sigma

    @property
    def residuals(self) -> np.ndarray:
        """Outcome less x'b, with the treatment as recorded, shape (rows used,)."""
        return self.solution.units.outcome_scale * self.solution.residual(self._rows("residuals"))

    def _rows(self, what: str) -> IVRows:
        return self.solution.rows(self._need_rows(what))

    def _forms(self, what: str) -> IVRows | PassForms:
        return self._rows(what) if self.forms is None else self.forms

    # --- instruments --------------------------------------------------------------------------------------

    def first_stage(self, vcov: Any = None) -> Any:
        """Strength of the instruments, one row per endogenous column, in the caller's kind of data frame.

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
        rows = self._forms("first stages")
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
        rows = self._forms("Anderson-Rubin tests")
        made = self.system
        given = np.broadcast_to(np.asarray(null, dtype=np.float64), (made.c,))
        unit = self.solution.units.outcome_scale / self.solution.units.scale[: made.c]
        value = given / unit
        found = rows.reduced_form(np.append(-value, 1.0), kind)
        f = weak_iv.statistic(made, rows.at_null(kind), value)
        pieces = None
        if made.c == 1:
            critical = weak_iv.f_quantile(level, made.b, found.df)
            found_pieces = weak_iv.kept_values(made, rows.at_null(kind), critical, float(self.solution.beta[0]))
            pieces = tuple((float(low * unit[0]), float(high * unit[0])) for low, high in found_pieces)
        p = weak_iv.f_sf(f, made.b, found.df)
        answer = weak_iv.AndersonRubin(tuple(given.tolist()), f, p, made.b, found.df, level, pieces, found.label)
        return answer.handed(self.kind)

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
            classical = overid.sargan if test == "sargan" else overid.basmann
            return classical(self.system, self.solution.beta).handed(self.kind)
        kind = self.cov.kind
        if is_dependent(kind):
            raise NotIdentifiedError(
                "Hansen's test weights its moments by their covariance between rows, or clusters, that are independent; ask for it "
                "with fit.with_vcov('HC1').overid(), or for test='sargan'."
            )
        rows = self._rows("Hansen's test")
        return overid.hansen(rows, next(iter(rows.clusters(kind).values()), None)).handed(self.kind)

    def wu_hausman(self, vcov: Any = "iid") -> WaldTest:
        """Test whether least squares would do: are the endogenous columns exogenous.

        Parameters
        ----------
        vcov : str or mapping
            "iid" for the classical F; any other covariance for the robust version.
        """
        kind = self._kind(vcov)
        if kind == "iid":
            return overid.wu_hausman(self.system).handed(self.kind)
        return overid.robust_hausman(self._rows("a robust Wu-Hausman test"), kind).handed(self.kind)

    def _kind(self, vcov: Any) -> Any:
        if vcov is not None:
            return VcovSpec.read(vcov, kinds=self.vcov_kinds).asked
        own = self.cov.kind
        return own if isinstance(own, dict) or own in ("iid", "HC0", "HC1") else "HC1"

    # --- tables and predictions ---------------------------------------------------------------------------

    def glance_items(self) -> dict[str, Any]:
        own = {"nobs": self.nobs, "df_resid": self.df_resid, "sigma": self.sigma, "instruments": self.system.b}
        return own | self.diagnostics

    def summary_facts(self) -> dict[str, Any]:
        named = {
            "first_stage_f": "First-stage F (robust)",
            "effective_f": "Effective F",
            "cragg_donald": "Cragg-Donald F",
            "wu_hausman_p": "Wu-Hausman p",
            "sargan_p": "Sargan p",
            "hansen_p": "Hansen J p",
        }
        found = {label: self.diagnostics[key] for key, label in named.items() if key in self.diagnostics}
        return super().summary_facts() | found

    def _notes(self) -> tuple[str, ...]:
        notes = super()._notes()
        if self.diagnostics.get("effective_f", np.inf) < STRONG:
            notes = (
                *notes,
                f"Effective F below {STRONG}: the intervals above may be far off; use anderson_rubin(), which is valid.",
            )
        return notes

    def augment(self) -> Any:
        """The caller's data with columns fitted, x'b with the treatment as recorded, and residual."""
        design, residual = self._need_rows("row-wise diagnostics"), self.residuals
        return augmented(design, {"fitted": design.y - residual, "residual": residual})

    def mean_model(self, promise: str = "slopes") -> MeanModel:
        assert self.recipe is not None
        covariates = len(self.aliases) + self.aliases.shape[1]
        first = len(self.theta) - covariates
        sides = (PartSide("treatment", False, *self.solution.indicator), PartSide("covariates"))
        aliased = (self.estimable[first:], self.aliases)
        return linear_mean(self.recipe, self.theta, sides=sides, aliased=aliased, first=first)

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
            Columns estimate, std_error and, with an interval, conf_low and conf_high.
        """
        check_level(level)
        if interval is not None:
            one_of("interval", interval, ("confidence",))
        frame = self._need_rows("predictions without newdata").frame if newdata is None else newdata
        rows = self.new_rows(frame, roles=("treatment", "covariates"))
        treatment, covariates = rows.parts["treatment"].rest, rows.parts["covariates"]
        values = np.column_stack([as_indicator(treatment.values, self.solution.indicator), covariates.values])
        matrix = Matrix(values, self.terms, {}, False)
        estimate = predictor(matrix, self.theta, rows.offset)
        broken = unsupported(covariates, self.estimable[len(self.endogenous) :], self.aliases)
        se = np.where(broken, np.nan, predictor_se(matrix, self.theta, self.cov))
        columns = {"estimate": np.where(broken, np.nan, estimate), "std_error": se}
        if interval:
            half = t_quantile(0.5 + level / 2.0, self.cov.df) * se
            columns |= {"conf_low": columns["estimate"] - half, "conf_high": columns["estimate"] + half}
        return prediction_frame(rows, columns)

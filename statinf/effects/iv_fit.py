"""The result of linear instrumental-variable estimation."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from statinf.effects.iv_columns import IVColumns, as_indicator
from statinf.effects.iv_diagnostics import diagnostics
from statinf.effects.iv_tests import InstrumentTests
from statinf.effects.linear_iv import LinearIV
from statinf.errors import check_level, one_of
from statinf.formula.matrix import Matrix
from statinf.formula.part_sides import PartSide
from statinf.inference.distributions import t_quantile
from statinf.inference.vcov import VcovKinds
from statinf.internal import internal
from statinf.numerics.linear.aliases import alias_map
from statinf.results import Estimate, augmented, prediction_frame, predictor, predictor_se, unsupported
from statinf.results.margins.mean import MeanModel, linear_mean
from statinf.results.margins.mixin import MarginVerbs

if TYPE_CHECKING:
    from statinf.effects.iv_pass_rows import PassForms
    from statinf.formula.design import Design
    from statinf.results.estimate import Passage

STRONG = 23.1
"""Effective F above which one instrument's worst-case bias is below a tenth (Montiel Olea and Pflueger 2013)."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class IVFit(MarginVerbs, InstrumentTests):
    """A linear model with endogenous columns, estimated with instruments.

    Attributes
    ----------
    heading : str
        Title of the summary.
    j : float
        Hansen's criterion where the method minimises it; NaN otherwise.
    aliases : ndarray, shape (k, a - k)
        How the k covariates that have a coefficient make the others.
    diagnostics : mapping of str to float
        Statistics that the summary prints, with the covariance of the fit.
    columns : IVColumns or None
        Centred and scaled columns while the fit is born; None afterwards, when they are made as they are asked for.
    """

    heading: str
    j: float = np.nan
    diagnostics: dict[str, float] = field(default_factory=dict)
    aliases: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    columns: IVColumns | None = field(default=None, metadata={"saved": False})

    vcov_kinds = VcovKinds()

    @classmethod
    def of(cls, design: Design, estimate: Estimate, vcov: Any = None, *, method: Any, cluster: Any = None) -> Self:
        solution: LinearIV = estimate.extra["solution"]
        rows = solution.rows(design, estimate.extra["columns"])
        residual = solution.residual(rows)
        fit = super().of(
            design,
            replace(estimate, covary=partial(solution.covariance, design, rows=rows, residual=residual)),
            vcov,
            method=method,
            cluster=cluster,
        )
        names = [t for t, kept in zip(fit.terms, fit.estimable, strict=True) if kept]
        solution.warn_alone(design, rows, fit.cov.kind, names, residual)
        covariates = design.part("covariates")
        assert covariates is not None
        aliases = alias_map(covariates.values, fit.estimable[len(fit.endogenous) :], design.weights)
        told = diagnostics(solution, rows, fit.cov.kind, fit.j)
        return replace(fit, aliases=aliases, covary=estimate.covary, diagnostics=told, columns=None)

    @classmethod
    @internal
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

    def with_vcov(self, vcov: Any) -> Self:
        made = super().with_vcov(vcov)
        if self.design is None and self.forms is None:
            return made
        # What the summary tells of the first stage has the covariance of the table.
        forms = self._forms("first stages")
        return replace(made, diagnostics=diagnostics(self.solution, forms, made.cov.kind, self.j))

    @property
    def title(self) -> str:
        return self.heading

    @property
    def sigma(self) -> float:
        """Residual standard deviation with n - k degrees of freedom."""
        return self.solution.units.outcome_scale * self.solution.sigma

    @property
    def residuals(self) -> np.ndarray:
        """Outcome less x'b, with the treatment as recorded, shape (rows used,)."""
        return self.solution.units.outcome_scale * self.solution.residual(self._rows("residuals"))

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

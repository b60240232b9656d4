"""Results of `cate`: a linear conditional effect with standard errors, or a curve by any learner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from statinf.effects.cate_problem import Problem
from statinf.effects.estimate import Splits
from statinf.effects.heterogeneity import Heterogeneity
from statinf.errors import DataError, check_level
from statinf.formula.recipe import NewRows, Recipe
from statinf.inference.distributions import t_quantile
from statinf.inference.sandwich import Covariance, Moments
from statinf.results import Fit, Result, to_caller
from statinf.results.table import Table, format_number


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CATEFit(Heterogeneity, Fit):
    """A conditional effect that is linear in given columns, with standard errors of an orthogonal score.

    Attributes
    ----------
    treatment : str
    target : str
        Population over which the linear effect is the best approximation.
    phi_names : tuple of str
    effect_recipe : Recipe or None
        Makes the columns of `effect` for new rows; the covariates' own by default.
    thetas : ndarray, shape (splits, q)
    problem : Problem or None
        Nuisances and pseudo-outcomes; not saved.
    """

    treatment: str
    target: str
    phi_names: tuple[str, ...]
    thetas: np.ndarray
    effect_recipe: Recipe | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)
    final_learner: Any = field(default=None, metadata={"saved": False})
    splits: Splits | None = field(default=None, metadata={"saved": False})
    problem: Problem | None = field(default=None, metadata={"saved": False})

    normal_reference = True

    @property
    def title(self) -> str:
        return f"Conditional effect of {self.treatment}, {self.method}-learner with a linear final stage"

    def _phi_names(self) -> tuple[str, ...]:
        return self.phi_names

    def moments(self) -> Moments:
        self._need_rows("standard errors")
        assert self.splits is not None
        return self.splits.together()

    def _covariance(self, kind: Any) -> Covariance:
        design = self._need_rows("standard errors")
        assert self.splits is not None
        return self.splits.covariance(design, kind)

    def lean(self) -> CATEFit:
        made = super().lean()
        return replace(made, problem=None, splits=None, final_learner=None)

    def summary_facts(self) -> dict[str, Any]:
        return {"Observations": self.nobs} | dict(self.notes)

    def _notes(self) -> tuple[str, ...]:
        return (*super()._notes(), f"Where the effect is not linear, this is its best approximation {self.target}.")

    def predict(self, newdata: Any = None, *, interval: str | None = None, level: float = 0.95) -> Any:
        """Effect for each row, with pointwise limits of the linear approximation.

        Returns
        -------
        data frame
            Columns estimate, std_error, conf_low and conf_high; rows that cannot be predicted are NaN.
        """
        import pandas as pd

        check_level(level)
        frame = self._need_rows("predictions without newdata").frame if newdata is None else newdata
        phi, _, rows = columns_for(self, frame, covariates=False)
        phi = phi[:, self.estimable]
        estimate = phi @ self.theta[self.estimable]
        se = np.sqrt(np.maximum(np.einsum("ij,ij->i", phi @ self.cov.matrix, phi), 0.0))
        half = t_quantile(0.5 + level / 2.0, self.cov.df) * se
        columns = {"estimate": estimate, "std_error": se, "conf_low": estimate - half, "conf_high": estimate + half}
        return to_caller(pd.DataFrame(columns), rows.kind, rows.index)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CATECurve(Heterogeneity, Result):
    """A conditional effect by a learner without large-sample theory; its evaluations have standard errors.

    Attributes
    ----------
    treatment : str
    functions : tuple of callable
        One second stage a split; predictions are their median.
    coefficients : ndarray, shape (k,), or None
        Of a linear final stage.
    """

    treatment: str
    phi_names: tuple[str, ...]
    recipe: Recipe
    effect_recipe: Recipe | None = None
    kind: str = "pandas"
    notes: Mapping[str, Any] = field(default_factory=dict)
    coefficients: np.ndarray | None = None
    functions: Any = field(default=None, metadata={"saved": False})
    final_learner: Any = field(default=None, metadata={"saved": False})
    problem: Problem | None = field(default=None, metadata={"saved": False})

    offers: ClassVar[str] = "predict(), ate(), blp(), gate(), gates(), rate() and curve(), which have standard errors"

    def _phi_names(self) -> tuple[str, ...]:
        return self.phi_names

    @property
    def params(self) -> Any:
        """Coefficients of a linear final stage, by name."""
        import pandas as pd

        if self.coefficients is None:
            raise self._no_standard_errors("coefficients, as its final stage is not linear")
        names = [self.treatment if n == "Intercept" else f"{self.treatment}:{n}" for n in self.phi_names]
        return pd.Series(self.coefficients, index=names, name="estimate")

    @property
    def std_errors(self) -> Any:
        """Not known for this learner."""
        raise self._no_standard_errors("standard errors of its predictions")

    @property
    def vcov(self) -> Any:
        """Not known for this learner."""
        raise self._no_standard_errors("a covariance")

    def conf_int(self, level: float = 0.95) -> Any:
        """Not known for this learner."""
        raise self._no_standard_errors("confidence limits")

    def predict(self, newdata: Any = None) -> Any:
        """Effect for each row, one row out per row in.

        Returns
        -------
        data frame
            Column estimate; rows that cannot be predicted are NaN.
        """
        import pandas as pd

        if self.functions is None:
            raise DataError("predictions need the fitted learner, which a saved result leaves out; fit again.")
        frame = self._problem().rows.design.frame if newdata is None else newdata
        phi, x, rows = columns_for(self, frame, covariates=True)
        ok = np.isfinite(phi).all(axis=1) & np.isfinite(x).all(axis=1)
        out = np.full(len(phi), np.nan)
        if ok.any():
            out[ok] = np.median([f(phi[ok], x[ok]) for f in self.functions], axis=0)
        return to_caller(pd.DataFrame({"estimate": out}), rows.kind, rows.index)

    def summary(self) -> Table:
        """Spread of the predicted effects, and how well they sort rows."""
        facts = [
            ("Formula", self.formula),
            ("Observations", str(self.nobs)),
            *((k, format_number(v)) for k, v in self.notes.items()),
        ]
        notes = (f"Method: {self.citation}.", f"It has no standard errors of its own; it offers {self.offers}.")
        rows: list[tuple[str, str]] = []
        if self.problem is not None:
            quantiles = np.quantile(self.cate, [0.1, 0.25, 0.5, 0.75, 0.9])
            rows = [(f"{q}% quantile", format_number(v)) for q, v in zip((10, 25, 50, 75, 90), quantiles, strict=True)]
        title = f"Conditional effect of {self.treatment}, {self.method}-learner"
        return Table(
            ("predicted effect, out of fold", "value"), tuple(rows), title=title, facts=tuple(facts), notes=notes
        )

    def plot(self, **options: Any) -> Any:
        """Average effects in quarters of the predicted effect; returns the matplotlib axes."""
        return plot_gates(self, **options)


def plot_gates(fit: Any, *, groups: int = 4, level: float = 0.95, **options: Any) -> Any:
    """Average effects with intervals in groups of the predicted effect."""
    from statinf.plotting.effects import plot_groups

    found = fit.gates(groups)
    limits = found.conf_int(level).to_numpy()
    overall = float(fit.ate().theta[0])
    return plot_groups(
        [f"G{g + 1}" for g in range(groups)], found.theta, limits[:, 0], limits[:, 1], overall, **options
    )


def columns_for(fit: Any, frame: Any, *, covariates: bool) -> tuple[np.ndarray, np.ndarray, NewRows]:
    """Columns of the final stage (m, k), covariates (m, p) where they are asked for, and the new rows."""
    if fit.effect_recipe is not None:
        made = fit.effect_recipe.new_rows(frame, ("covariates",))
        phi = made.parts["covariates"].with_intercept().values
        if not covariates:
            return phi, np.empty((len(phi), 0)), made
    rows = fit.recipe.new_rows(frame, ("covariates",))
    x = rows.parts["covariates"].rest.values
    return (np.column_stack([np.ones(len(x)), x]) if fit.effect_recipe is None else phi), x, rows

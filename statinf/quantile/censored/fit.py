"""`CensoredQuantileFit`: linear quantile regressions of a censored outcome at one or many levels, jointly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from statinf.errors import OptionError, one_of
from statinf.inference.vcov import VcovKinds, VcovSpec
from statinf.quantile import bootstraps
from statinf.quantile.censored.solved import SolvedCensored
from statinf.results import levels_process as process
from statinf.results import levels_tables as shown
from statinf.results.levels_fit import LevelsFit

KINDS = VcovKinds(
    default="HC0",
    names=("HC0", "HC1", "fixed"),
    robust="HC0",
    clustered=("HC0", "HC1"),
    structured={"boot": ("replicas", "seed", "cluster")},
    shorthand={"boot": {"boot": "bayesian"}},
)
DRAWS = ("pairs", "bayesian", "multiplier")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CensoredQuantileFit(LevelsFit):
    """Linear quantile regressions of a censored outcome at k levels.

    Predictions are quantiles of the outcome as it would be without censoring.

    Attributes
    ----------
    aliases : ndarray, shape (p kept, p aliased)
        How the columns that are not aliased make those that are.
    side : {"right", "left"}
        Where outcomes are hidden: above or below what was seen.
    censored : int
        Rows whose outcome is.
    """

    aliases: np.ndarray
    side: str
    censored: int
    solved: SolvedCensored | None = field(default=None, metadata={"saved": False})

    vcov_kinds: ClassVar[VcovKinds] = KINDS
    heading = "Censored quantile regression"
    figures = ("process", "coefficients", "lines")

    def lean(self) -> Self:
        return replace(super().lean(), solved=None)

    def glance_items(self) -> dict[str, Any]:
        return {"nobs": self.nobs, "df_resid": self.df_resid, "censored": self.censored}

    def level_items(self) -> dict[str, Any]:
        return {"censored": self.censored}

    def summary_facts(self) -> dict[str, Any]:
        return {"Observations": self.nobs, "Residual df": int(self.df_resid), **self.facts}

    # --- covariances --------------------------------------------------------------------------------------

    def with_vcov(self, vcov: Any) -> Self:
        """The same fit with other standard errors.

        Parameters
        ----------
        vcov : {"HC0", "HC1", "fixed", "boot"} or mapping
            As in `si.crq`.
        """
        spec = VcovSpec.read(vcov, kinds=self.vcov_kinds)
        if spec.kind == "boot" and self.design is not None:
            check_draws(spec.settings)
            options = {key: spec.settings[key] for key in ("seed", "cluster") if key in spec.settings}
            return self.bootstrap(spec.settings.get("replicas", 500), spec.settings["boot"], **options)
        return super().with_vcov(spec)

    def refit_solver(self, studentize: bool) -> Callable[[np.ndarray], np.ndarray]:
        if studentize:
            raise OptionError("studentize=True is for linear regressions; use percentile or basic intervals.")
        self._need_rows("bootstrap draws")
        solved = self.solved
        assert solved is not None
        problem = solved.problem

        def solve(weights: np.ndarray) -> np.ndarray:
            w = weights[:, problem.rows.used] * problem.rows.w
            return problem.carried(solved.replicate(w)).reshape(len(w), -1)

        return solve

    # --- predictions --------------------------------------------------------------------------------------

    def predict(
        self, newdata: Any = None, *, interval: str | None = None, level: float = 0.95, noncrossing: str | None = None
    ) -> Any:
        """Quantiles of the outcome without censoring, one row out per row in.

        Parameters
        ----------
        newdata : data frame, optional
            The data of the fit by default.
        interval : {None, "confidence"}
            Limits for the prediction at each level.
        level : float
        noncrossing : {None, "sort", "isotonic", "sweep"}
            Make the predictions of each row nondecreasing in the level.

        Returns
        -------
        data frame
            One column per level, named "q0.1"; with an interval also "q0.1_std_error", "q0.1_conf_low" and
            "q0.1_conf_high".
        """
        rows = self.new_rows(self._need_rows("predictions without newdata").frame if newdata is None else newdata)
        matrix = rows.parts["covariates"]
        return shown.prediction_table(self, rows, matrix, self.aliases, interval, level, noncrossing)

    def augment(self) -> Any:
        """The data of the fit with columns fitted and residual, by level where there are several.

        Residuals of censored rows are those of the point at which they were censored.
        """
        return shown.augmented_frame(self)  # type: ignore[arg-type]

    def plot(self, kind: str | None = None, **options: Any) -> Any:
        """A figure.

        Parameters
        ----------
        kind : {"process", "coefficients", "lines"}, optional
            Coefficients against the level with pointwise limits and uniform bands (the default with several levels);
            intervals of the coefficients; or the fitted lines over the outcomes as they were seen, with one numerical
            regressor.
        """
        from statinf.plotting import quantile as drawn

        if kind == "lines":
            return drawn.plot_lines(*process.line_data(self), self.tau, **options)  # type: ignore[arg-type]
        return super().plot(kind, **options)


def check_draws(settings: Any) -> None:
    """Refuse a spelling such as `{"boot": "pairs", "replicas": 500}` that names no bootstrap of a censored fit."""
    bootstraps.check_settings(settings)
    one_of("vcov boot", settings["boot"], DRAWS)

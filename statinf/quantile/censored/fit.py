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
from statinf.results.levels_fit import LevelLinesFit

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
class CensoredQuantileFit(LevelLinesFit):
    """Linear quantile regressions of a censored outcome at k levels.

    Predictions are quantiles of the outcome as it would be without censoring; residuals of censored rows are those of the
    point at which they were censored.

    Attributes
    ----------
    side : {"right", "left"}
        Where outcomes are hidden: above or below what was seen.
    censored : int
        Rows whose outcome is.
    """

    side: str
    censored: int
    solved: SolvedCensored | None = field(default=None, metadata={"saved": False})

    vcov_kinds: ClassVar[VcovKinds] = KINDS
    heading = "Censored quantile regression"

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
            return bootstraps.as_asked(self, spec.settings)
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


def check_draws(settings: Any) -> None:
    """Refuse a spelling such as `{"boot": "pairs", "replicas": 500}` that names no bootstrap of a censored fit."""
    bootstraps.check_settings(settings)
    one_of("vcov boot", settings["boot"], DRAWS)

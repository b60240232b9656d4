"""The result of `effect(method="qte")`: quantile treatment effects at one or many levels, jointly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from statinf.effects.effect_fit import EffectFit
from statinf.effects.estimate import cluster_codes
from statinf.errors import NotIdentifiedError, OptionError, check_level
from statinf.inference.distributions import t_quantile
from statinf.inference.sandwich import covariance
from statinf.results import to_caller
from statinf.results.levels_fit import LevelsFit

if TYPE_CHECKING:
    from statinf.effects.qte_solved import SolvedEffects

_WHAT = {
    "ATE": "Quantile treatment effect",
    "ATT": "Quantile effect on the treated",
    "ATC": "Quantile effect on the controls",
    "ATO": "Quantile effect in the overlap population",
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class QuantileEffectFit(LevelsFit, EffectFit):
    """Differences of the quantiles of the outcome with and without treatment; tables use the normal distribution.

    Attributes
    ----------
    solved : SolvedEffects or None
        Quantiles and densities of the arms; not saved.
    """

    solved: SolvedEffects | None = field(default=None, metadata={"saved": False})

    figures = ("process", "coefficients", "overlap")
    beside = ("quantiles", "process", "equal_slopes")

    @property
    def title(self) -> str:
        shown = ", ".join(f"{t:g}" for t in self.tau[:9]) + (", ..." if len(self.tau) > 9 else "")
        return f"{_WHAT.get(self.estimand, self.estimand)}, tau = {shown}"

    def lean(self) -> Self:
        return replace(super().lean(), solved=None)

    def level_items(self) -> dict[str, Any]:
        return {"estimand": self.estimand}

    def quantiles(self, level: float = 0.95) -> Any:
        """Quantiles of the outcome in either arm, in the population of the estimand.

        Parameters
        ----------
        level : float

        Returns
        -------
        data frame
            Columns tau, term, arm ("treated", "control"), estimate, std_error, conf_low, conf_high, one row per level, group
            and arm. Errors are of the kind of the fit's covariance, before a bootstrap if it has one; of repeated splits, of the
            first.
        """
        import pandas as pd

        check_level(level)
        design = self._need_rows("quantiles of the arms")
        assert self.solved is not None
        own = self._undrawn_kind
        kind = own if isinstance(own, dict) or own in ("HC1", "fixed") else "HC0"
        parts = []
        for place, (arm, moments) in enumerate(zip(("treated", "control"), self.solved.arm_moments(), strict=True)):
            error = np.sqrt(np.diag(covariance(moments, kind, cluster_codes(design, kind), normal=True).matrix))
            values = np.stack([pair[place].value for pair in self.solved.arms[0]], axis=1).ravel()
            parts.append(
                pd.DataFrame(
                    {
                        "tau": np.repeat(self.tau, len(self.columns)),
                        "term": list(self.columns) * len(self.tau),
                        "arm": arm,
                        "estimate": values,
                        "std_error": error,
                    }
                )
            )
        out = pd.concat(parts, ignore_index=True)
        half = t_quantile(0.5 + level / 2.0, np.inf) * out["std_error"]
        return to_caller(out.assign(conf_low=out["estimate"] - half, conf_high=out["estimate"] + half), self.kind)

    def refit_solver(self, studentize: bool) -> Callable[[np.ndarray], np.ndarray]:
        if studentize:
            raise OptionError("studentize=True is for linear regressions; use percentile or basic intervals.")
        solved = self.solved
        if solved is None or (solved.logit is None and not solved.known):
            raise NotIdentifiedError("learnt propensities are not refitted; use kind='multiplier'.")
        return lambda weights: np.stack([solved.refitted(w) for w in weights])

    def sensitivity(self, *args: Any, **options: Any) -> Any:
        """Quantile effects have no omitted-variable bounds."""
        self.refuse("omitted-variable bounds")

    def e_value(self, *args: Any, **options: Any) -> Any:
        """Quantile effects have no E-values."""
        self.refuse("E-values", "these are of differences of means and ratios of risks")

    def plot(self, kind: str | None = None, **options: Any) -> Any:
        """A figure.

        Parameters
        ----------
        kind : {"process", "coefficients", "overlap"}, optional
            Effects against the level with pointwise limits and uniform bands (the default with several levels); their
            intervals; propensities by arm.
        """
        if kind == "overlap":
            return EffectFit.plot(self, "overlap", **options)
        return super().plot(kind, **options)

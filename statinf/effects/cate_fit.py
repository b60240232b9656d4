"""A conditional effect that is linear in given columns, with standard errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from statinf.effects.cate_columns import columns_for
from statinf.effects.conditional import ConditionalEffect
from statinf.effects.heterogeneity import Heterogeneity
from statinf.errors import OptionError, check_level
from statinf.formula.part_sides import PartSide
from statinf.formula.recipe import Recipe
from statinf.inference.distributions import t_quantile
from statinf.inference.vcov import VcovKinds
from statinf.results import Fit, prediction_frame, predictor, predictor_se, unsupported
from statinf.results.margins.mean import MeanModel, linear_mean
from statinf.results.margins.mixin import MarginVerbs


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CATEFit(Heterogeneity, MarginVerbs, Fit):
    """A conditional effect that is linear in given columns, with standard errors of an orthogonal score.

    Attributes
    ----------
    treatment : str
    target : str
        Population over which the linear effect is the best approximation.
    phi_names : tuple of str
        Columns of the final model.
    effect_recipe : Recipe or None
        Makes the columns of `effect` for new rows; the covariates' own by default.
    thetas : ndarray, shape (splits, q)
    aliases : ndarray, shape (k, q - k)
        How the columns with an estimate make those without.
    learnt : ConditionalEffect or None
        Nuisances, scores and predicted effects of the rows; not saved.
    """

    treatment: str
    target: str
    phi_names: tuple[str, ...]
    thetas: np.ndarray
    aliases: np.ndarray
    effect_recipe: Recipe | None = None
    learnt: ConditionalEffect | None = field(default=None, metadata={"saved": False})

    normal_reference = True
    vcov_kinds = VcovKinds(default="HC1", stacked="HC1")

    @property
    def title(self) -> str:
        return f"Conditional effect of {self.treatment}, {self.method}-learner with a linear final stage"

    def lean(self) -> Self:
        return replace(super().lean(), learnt=None)

    def _clusters(self) -> tuple[str, ...]:
        """Those of the covariance, which may have been chosen after the fit; else those that whole folds hold."""
        kind = self._undrawn_kind
        chosen = kind.get("cluster", ()) if isinstance(kind, Mapping) else ()
        return ((chosen,) if isinstance(chosen, str) else tuple(chosen)) or super()._clusters()

    def _notes(self) -> tuple[str, ...]:
        return (*super()._notes(), f"Where the effect is not linear, this is its best approximation {self.target}.")

    def mean_model(self, promise: str = "slopes") -> MeanModel:
        recipe = self.effect_recipe or self.recipe
        if recipe is None:
            self.refuse(promise, "it was made from arrays, without a formula")
        return linear_mean(
            recipe,
            self.theta,
            sides=(PartSide("covariates", True),),
            aliased=(self.estimable, self.aliases),
            what=f"effect of {self.treatment}",
        )

    def predict(self, newdata: Any = None, *, interval: str | None = None, level: float = 0.95) -> Any:
        """Effect for each row, with pointwise limits of the linear approximation.

        Parameters
        ----------
        newdata : data frame, optional
            The data of the fit by default.
        interval : {"confidence"}, optional
            Limits are there in any case.
        level : float

        Returns
        -------
        data frame
            Columns estimate, std_error, conf_low and conf_high; rows that cannot be predicted are NaN.
        """
        check_level(level)
        if interval not in (None, "confidence"):
            raise OptionError(
                f"interval={interval!r}: effects have confidence limits; give 'confidence' or leave it out."
            )
        frame = self._need_rows("predictions without newdata").frame if newdata is None else newdata
        phi, _, rows = columns_for(self, frame, covariates=False)
        broken = unsupported(phi, self.estimable, self.aliases)
        estimate = np.where(broken, np.nan, predictor(phi, self.theta, None))
        se = np.where(broken, np.nan, predictor_se(phi, self.theta, self.cov))
        half = t_quantile(0.5 + level / 2.0, self.cov.df) * se
        columns = {"estimate": estimate, "std_error": se, "conf_low": estimate - half, "conf_high": estimate + half}
        return prediction_frame(rows, columns)

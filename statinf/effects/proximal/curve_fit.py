"""The result of the P-learner: an effect that varies with its modifiers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from statinf.effects.cate_columns import columns_for
from statinf.effects.proximal.bridges import Bridges
from statinf.effects.proximal.scores import Averages, averages
from statinf.effects.proximal.strength import WEAK
from statinf.errors import DataError, OptionError, check_level
from statinf.formula.recipe import Recipe
from statinf.inference.distributions import t_quantile
from statinf.inference.vcov import VcovKinds
from statinf.results import Fit, augmented, prediction_frame, predictor, predictor_se, to_caller, unsupported


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PLearnerFit(Fit):
    """The best linear approximation of a conditional effect, from scores of two bridges; tables use the normal distribution.

    Attributes
    ----------
    treatment : str
    phi_names : tuple of str
        Modifiers, a constant first.
    aliases : ndarray, shape (k, q - k)
    averages : Averages
        The average effect by "pdr", "por" and "pipw".
    proxy_strength : float
        Cragg-Donald F of the proxies.
    learner : str
        Of predicted effects.
    effect_recipe : Recipe or None
        Makes the modifiers for new rows; the covariates' own by default.
    bridges : Bridges or None
        h0, h1, q and psi of the rows; not saved.
    learnt : object or None
        Fitted learner of the effect where it is not least squares; not saved.
    """

    treatment: str
    phi_names: tuple[str, ...]
    aliases: np.ndarray
    averages: Averages
    proxy_strength: float = np.nan
    learner: str = "lm"
    effect_recipe: Recipe | None = None
    bridges: Bridges | None = field(default=None, metadata={"saved": False})
    learnt: Any = field(default=None, metadata={"saved": False})

    normal_reference = True
    vcov_kinds = VcovKinds(default="HC1", names=("HC0", "HC1"), clustered=("HC0", "HC1"), stacked="HC1")
    beside = ("ate", "psi")

    @property
    def title(self) -> str:
        return f"Conditional effect of {self.treatment} with proxies, P-learner with a linear final stage"

    @property
    def psi(self) -> np.ndarray:
        """The doubly robust score of each row used, shape (n,)."""
        if self.bridges is None:
            raise DataError("scores need the rows of the fit, which a saved or lean fit leaves out; fit again.")
        return self.bridges.psi

    def with_vcov(self, vcov: Any) -> Self:
        made = super().with_vcov(vcov)
        if self.bridges is None or self.design is None:
            return made
        names = made.cov.kind["cluster"] if isinstance(made.cov.kind, Mapping) else ()
        told = averages(self.design, self.bridges, (names,) if isinstance(names, str) else tuple(names))
        return replace(made, averages=told, facts={**self.facts, **told.facts()})

    def lean(self) -> Self:
        return replace(super().lean(), bridges=None, learnt=None)

    def _notes(self) -> tuple[str, ...]:
        notes = (*super()._notes(), "Where the effect is not linear, this is its best approximation over all rows.")
        if self.proxy_strength < WEAK:
            notes = (*notes, f"Weak proxies (Cragg-Donald F below {WEAK:g}): the intervals above may be far off.")
        return notes

    def ate(self, level: float = 0.95) -> Any:
        """The average effect in three ways, in the caller's kind of data frame.

        Returns
        -------
        data frame
            Columns term ("pdr": doubly robust, "por": outcome bridge, "pipw": treatment bridge), estimate, std_error,
            conf_low, conf_high. With cross-fitted bridges the last two have no standard error.
        """
        import pandas as pd

        half = t_quantile(0.5 + check_level(level) / 2.0, np.inf)
        rows = []
        for name, value in self.averages.estimates.items():
            se = self.averages.errors.get(name, np.nan)
            limits = {"conf_low": value - half * se, "conf_high": value + half * se}
            rows.append({"term": name, "estimate": value, "std_error": se, **limits})
        return to_caller(pd.DataFrame(rows), self.kind)

    def augment(self) -> Any:
        """The caller's data with columns h0, h1, q and psi."""
        design = self._need_rows("row-wise bridges")
        assert self.bridges is not None
        b = self.bridges
        return augmented(design, {"h0": b.h0, "h1": b.h1, "q": b.q, "psi": b.psi})

    def predict(self, newdata: Any = None, *, interval: str | None = None, level: float = 0.95) -> Any:
        """Effect for each row.

        Parameters
        ----------
        newdata : data frame, optional
            The data of the fit by default.
        interval : {"confidence"}, optional
            Limits are there in any case where the effect is linear.
        level : float

        Returns
        -------
        data frame
            Columns estimate, std_error, conf_low and conf_high (NaN with a final stage other than least squares); rows that
            cannot be predicted are NaN.
        """
        check_level(level)
        if interval not in (None, "confidence"):
            raise OptionError(
                f"interval={interval!r}: effects have confidence limits; give 'confidence' or leave it out."
            )
        frame = self._need_rows("predictions without newdata").frame if newdata is None else newdata
        phi, _, rows = columns_for(self, frame, covariates=False)
        if self.learner != "lm":
            if self.learnt is None:
                raise DataError(
                    f"effects by {self.learner!r} need the rows of the fit, which a saved or lean fit leaves out."
                )
            estimate = np.full(len(phi.values), np.nan)
            whole = np.isfinite(phi.values).all(axis=1)
            estimate[whole] = self.learnt.predict(phi.rest.values[whole])
            nothing = np.full(len(estimate), np.nan)
            limits = {"std_error": nothing, "conf_low": nothing, "conf_high": nothing}
            return prediction_frame(rows, {"estimate": estimate, **limits})
        broken = unsupported(phi, self.estimable, self.aliases)
        estimate = np.where(broken, np.nan, predictor(phi, self.theta, None))
        se = np.where(broken, np.nan, predictor_se(phi, self.theta, self.cov))
        half = t_quantile(0.5 + level / 2.0, self.cov.df) * se
        columns = {"estimate": estimate, "std_error": se, "conf_low": estimate - half, "conf_high": estimate + half}
        return prediction_frame(rows, columns)

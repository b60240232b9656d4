"""The result of proximal two-stage least squares: a linear outcome bridge, and the effect in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from statinf.effects.iv_columns import as_indicator
from statinf.effects.iv_fit import IVFit
from statinf.effects.proximal.strength import WEAK
from statinf.effects.proximal.weak_proxies import GivenProxy, WeakProxySet, united
from statinf.errors import NotIdentifiedError, check_level, one_of
from statinf.formula.matrix import Matrix
from statinf.formula.recipe import Recipe
from statinf.inference.distributions import t_quantile
from statinf.results import prediction_frame, predictor, predictor_se, to_caller, unsupported


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ProximalFit(IVFit):
    """A linear outcome bridge h(w, a, x); outcome proxies come first among the terms, then treatment and covariates.

    Attributes
    ----------
    exposure : str
        The treatment, whose coefficient is its average effect where no modifiers were named.
    modifiers : tuple of str
    modifier_means : ndarray, shape (m,)
    effect_recipe : Recipe or None
        Makes the modifiers for new rows.
    proxy_strength : float
        Cragg-Donald F.
    coded : tuple of float
        Values of the treatment's column at the reference and the treated level, which became 0 and 1.
    """

    exposure: str = ""
    modifiers: tuple[str, ...] = ()
    modifier_means: np.ndarray = field(default_factory=lambda: np.empty(0))
    effect_recipe: Recipe | None = None
    proxy_strength: float = np.nan
    coded: tuple[float, float] = (0.0, 1.0)

    beside = ("ate", "robust_set", "first_stage", "anderson_rubin", "overid", "wu_hausman")

    def _notes(self) -> tuple[str, ...]:
        notes = tuple(n for n in super()._notes() if not n.startswith("Effective F"))
        if self.proxy_strength < WEAK:
            told = "; robust_set() is valid." if len(self.endogenous) == 1 else "."
            notes = (*notes, f"Weak proxies (Cragg-Donald F below {WEAK:g}): the intervals above may be far off{told}")
        return notes

    def _contrast(self) -> np.ndarray:
        """What the average effect is of the coefficients that have an estimate: the treatment's, at the modifiers' means."""
        kept = [t for t, k in zip(self.terms, self.estimable, strict=True) if k]
        at = dict(zip([f"{self.exposure}:{m}" for m in self.modifiers], self.modifier_means, strict=True))
        return np.array([1.0 if t == self.exposure else at.get(t, 0.0) for t in kept])

    def ate(self, level: float = 0.95) -> Any:
        """The average effect over the rows of the fit, at the modifiers' means, in the caller's kind of data frame.

        Returns
        -------
        data frame
            Columns term, estimate, std_error, conf_low and conf_high. The modifiers' means are taken as known.
        """
        import pandas as pd

        check_level(level)
        c = self._contrast()
        value = float(c @ self.theta[self.estimable])
        se = float(np.linalg.norm(c @ self.cov.root))
        half = t_quantile(0.5 + level / 2.0, self.cov.df) * se
        row = {
            "term": self.exposure,
            "estimate": value,
            "std_error": se,
            "conf_low": value - half,
            "conf_high": value + half,
        }
        return to_caller(pd.DataFrame([row]), self.kind)

    def robust_set(self, *, level: float = 0.95, vcov: Any = None) -> WeakProxySet:
        """A confidence set of the average effect that holds however weak the proxies are, for one outcome proxy.

        Parameters
        ----------
        level : float
        vcov : str or mapping, optional
            As in `anderson_rubin`; the fit's own by default.
        """
        check_level(level)
        if len(self.endogenous) > 1:
            raise NotIdentifiedError("the set that is robust to weak proxies is for one outcome proxy; name one.")
        half_error = 0.5 * (1.0 - level)
        kept = self.anderson_rubin(level=1.0 - half_error, vcov=vcov)
        rows, units = self._rows("robust sets"), self.solution.units
        codes = next(iter(rows.clusters(self._kind(vcov)).values()), None)
        contrast = self._contrast()[1:] * units.outcome_scale / units.scale[1:]
        made = GivenProxy.of(rows.exogenous, rows.y, rows.endogenous[:, 0], rows.weights, contrast, codes)
        unit = units.outcome_scale / units.scale[0]
        pieces = united(
            made,
            tuple((lo / unit, hi / unit) for lo, hi in kept.pieces or ()),
            t_quantile(1.0 - half_error / 2.0, np.inf),
        )
        low, high = (pieces[0][0], pieces[-1][1]) if pieces else (np.nan, np.nan)
        return WeakProxySet(low, high, level, pieces, kept.label).handed(self.kind)

    def predict(self, newdata: Any = None, *, interval: str | None = None, level: float = 0.95) -> Any:
        """The outcome bridge h(w, a, x) of rows, with treatment and outcome proxies as they record them.

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
        rows = self.new_rows(frame, roles=("treatment", "covariates", "outcome_proxies"))
        treatment = as_indicator(rows.parts["treatment"].rest.values, self.coded)
        parts = [treatment]
        if self.effect_recipe is not None:
            made = self.effect_recipe.new_rows(frame, ("covariates",)).parts["covariates"].rest
            parts.append(treatment * made.values)
        rest = rows.parts["covariates"].rest.values
        exogenous = np.column_stack([np.ones(len(rest)), *parts, rest])
        w = rows.parts["outcome_proxies"].rest.values
        own = Matrix(exogenous, self.terms[w.shape[1] :], {}, False)
        matrix = Matrix(np.column_stack([w, exogenous]), self.terms, {}, False)
        broken = unsupported(own, self.estimable[w.shape[1] :], self.aliases)
        estimate = np.where(broken, np.nan, predictor(matrix, self.theta, rows.offset))
        se = np.where(broken, np.nan, predictor_se(matrix, self.theta, self.cov))
        columns = {"estimate": estimate, "std_error": se}
        if interval:
            half = t_quantile(0.5 + level / 2.0, self.cov.df) * se
            columns |= {"conf_low": estimate - half, "conf_high": estimate + half}
        return prediction_frame(rows, columns)

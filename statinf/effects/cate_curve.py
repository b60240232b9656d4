"""A conditional effect by a learner without large-sample theory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from statinf.effects.cate_columns import columns_for, known_for
from statinf.effects.conditional import ConditionalEffect
from statinf.effects.heterogeneity import Heterogeneity
from statinf.errors import DataError, OptionError
from statinf.formula.frame import as_frame
from statinf.formula.recipe import Recipe
from statinf.results import Predictive, prediction_frame, unsupported
from statinf.results.predicting import scatter
from statinf.results.table import Table, format_number

SPREAD = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Levels of the quantiles that the summary shows."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CATECurve(Heterogeneity, Predictive):
    """A conditional effect by a learner without large-sample theory; its evaluations have standard errors.

    Attributes
    ----------
    treatment : str
    phi_names : tuple of str
        Columns of the final model.
    effect_recipe : Recipe or None
        Makes the columns of `effect` for new rows; the covariates' own by default.
    facts : mapping of str to object
        What the summary prints above the table.
    coefficients : ndarray, shape (splits, k), or None
        Of a linear effect.
    kept : ndarray of bool, shape (k,), or None
        Independent columns of the final model, where a linear effect is that of least squares.
    aliases : ndarray, shape (k kept, k left out), or None
        How these make the others.
    spread : ndarray, shape (5,)
        Quantiles of the predicted effects of the fit's rows, at the levels `SPREAD`.
    learnt : ConditionalEffect or None
        Nuisances, scores and predicted effects of the rows; not saved.
    """

    treatment: str
    phi_names: tuple[str, ...]
    effect_recipe: Recipe | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    coefficients: np.ndarray | None = None
    kept: np.ndarray | None = None
    aliases: np.ndarray | None = None
    spread: np.ndarray
    learnt: ConditionalEffect | None = field(default=None, metadata={"saved": False})

    def lean(self) -> Self:
        return replace(self, learnt=None)

    @property
    def params(self) -> Any:
        """Coefficients of a linear effect, by name: what its median over splits rises by from zero to one in a column."""
        import pandas as pd

        if self.coefficients is None:
            self.refuse("params", "its effect is not linear in the columns of the final model")
        names = [self.treatment if n == "Intercept" else f"{self.treatment}:{n}" for n in self.phi_names]
        level = np.median(self.coefficients[:, 0])
        rise = np.median(self.coefficients[:, :1] + self.coefficients[:, 1:], axis=0) - level
        return pd.Series(np.append(level, rise), index=names, name="estimate")

    def predict(self, newdata: Any = None, *, interval: str | None = None, propensity: Any = None) -> Any:
        """Effect for each row: the median over splits.

        Parameters
        ----------
        newdata : data frame, optional
            The data of the fit by default.
        interval : None
            The learner has no intervals: anything else is refused.
        propensity : float, str or array of shape (rows,), optional
            Known propensities of the new rows, for the X-learner, which mixes with them. By default those of the fit, if
            these were a number or a column, or the rows are some of the fit's.

        Returns
        -------
        data frame
            Column estimate; rows that cannot be predicted are NaN.
        """
        if interval is not None:
            self.refuse(f"interval={interval!r}", "its learner has no large-sample theory")
        if self.coefficients is None and self.learnt is None:
            raise DataError("predictions need the fitted learner, which a saved or lean result leaves out; fit again.")
        frame = self._learnt("predictions without newdata").rows.design.frame if newdata is None else newdata
        phi, x, rows = columns_for(self, frame, covariates=self.coefficients is None)
        known = self._known(frame, propensity, len(x))
        ok = np.isfinite(phi.values).all(axis=1) & np.isfinite(x).all(axis=1)
        if known is not None:
            ok &= np.isfinite(known)
        if self.kept is not None and self.aliases is not None:
            ok &= ~unsupported(phi, self.kept, self.aliases)
        out = np.full(len(x), np.nan)
        if ok.any():
            out[ok] = np.median(self._effects(phi.values[ok], x[ok], None if known is None else known[ok]), axis=0)
        return prediction_frame(rows, {"estimate": out})

    def _effects(self, phi: np.ndarray, x: np.ndarray, known: np.ndarray | None) -> np.ndarray:
        """Effect of rows by the second stage of every split, shape (splits, m)."""
        if self.coefficients is not None:
            return self.coefficients @ phi.T
        return np.stack([f(phi, x, known) for f in self._learnt("predictions").functions])

    def _known(self, frame: Any, given: Any, n: int) -> np.ndarray | None:
        """Known propensities of new rows, shape (n,), where the effect depends on them."""
        if self.learnt is None or not self.learnt.mixes_known:
            if given is not None:
                raise OptionError("propensity= is for effects that are mixed by known propensities (method='x').")
            return None
        given = self.learnt.propensity if given is None else given
        if given is not None:
            return known_for(given, frame, n)
        design, known = self.learnt.rows.design, self.learnt.how.known
        assert known is not None
        try:
            found = design.identity.locate(as_frame(frame, design.recipe.columns), "the known propensities")
        except DataError as error:
            raise OptionError(
                "the known propensities were given as an array, which says nothing of new rows: give propensity= to "
                f"predict() as well, or name a column at the fit ({error})"
            ) from None
        every = scatter(known, design)
        return every if found is None else every[found.position]

    def summary(self) -> Table:
        """Spread of the predicted effects, and what can be asked of them."""
        facts = [
            ("Formula", self.formula),
            ("Observations", str(self.nobs)),
            *((k, format_number(v)) for k, v in self.facts.items()),
        ]
        notes = [f"Method: {self.citation}.", f"It has no standard errors of its own; it offers {self.offers}."]
        if self.dropped:
            notes.insert(0, self.dropped_note())
        rows = [(f"{100 * q:g}% quantile", format_number(v)) for q, v in zip(SPREAD, self.spread, strict=True)]
        title = f"Conditional effect of {self.treatment}, {self.method}-learner"
        return Table(
            ("predicted effect, rows of the fit", "value"),
            tuple(rows),
            title=title,
            facts=tuple(facts),
            notes=tuple(notes),
        )

    def plot(self, **options: Any) -> Any:
        """Average effects in quarters of the predicted effect; returns the matplotlib axes."""
        return self.plot_gates(**options)

"""What regressions with absorbed effects have beside others: the effects, predictions with them, and their covariances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from statinf.errors import DroppedRowsWarning, NotIdentifiedError, OptionError, issue_warning
from statinf.formula.frame import as_frame
from statinf.formula.matrix import Matrix
from statinf.formula.recipe import NewRows
from statinf.frames import to_caller
from statinf.inference.covariance import Covariance
from statinf.inference.lone import warn_lone
from statinf.inference.moments import Moments
from statinf.models.absorbed_covariance import (
    adjusted,
    check_equal,
    check_exists,
    cluster_names,
    needs_equal_variances,
    nested_effects,
)
from statinf.models.absorbed_effects import AbsorbedEffects
from statinf.models.absorbing import Absorption
from statinf.results import Fit
from statinf.results.margins.mean import MeanModel
from statinf.results.margins.mixin import MarginVerbs
from statinf.results.predicting import prediction_rows


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class AbsorbedFit(MarginVerbs, Fit):
    """A fit with absorbed effects.

    Attributes
    ----------
    absorbed : AbsorbedEffects
        Effects of the levels.
    absorption : Absorption or None
        Their levels on the rows; not saved.
    """

    absorbed: AbsorbedEffects
    absorption: Absorption | None = field(default=None, metadata={"saved": False})

    beside = ("fixed_effects", "r2_within")

    def fixed_effects(self, factor: str | None = None) -> Any:
        """Estimated effects of the absorbed levels.

        Within every set of levels that rows connect, the effects of each factor but the first have mean zero over the rows,
        and those of the first carry the level of the outcome (of its linear predictor). With three factors or more further
        sums may be free; the sum of a row's effects never is.

        Parameters
        ----------
        factor : str, optional
            One of the absorbed factors; all by default.

        Returns
        -------
        data frame
            Columns factor, level, estimate and rows; levels of several factors as text.
        """
        import pandas as pd

        held = self._named()
        assert held.names is not None
        known = [term.name for term in held.terms]
        if factor is not None and factor not in known:
            raise OptionError(f"factor={factor!r} is not absorbed; there are {', '.join(map(repr, known))}.")
        frames = []
        for name, labels, effect, rows in zip(known, held.names, held.effects, held.counts, strict=True):
            if factor is None or factor == name:
                frames.append(pd.DataFrame({"factor": name, "level": labels.text, "estimate": effect, "rows": rows}))
        if len(frames) > 1:
            frames = [frame.assign(level=frame["level"].astype(str)) for frame in frames]
        return to_caller(pd.concat(frames, ignore_index=True), self.kind)

    def _named(self) -> AbsorbedEffects:
        """The effects with the names of their levels."""
        if self.absorbed.names is not None or self.absorption is None:
            return self.absorbed
        return self.absorbed.named(self.absorption.names(self._need_rows("names of levels")))

    # --- covariance ---------------------------------------------------------------------------------------

    def _covariance(self, kind: Any) -> Covariance:
        design, absorption = self.design, self.absorption
        if design is None or absorption is None:
            return super()._covariance(kind)
        check_exists(kind, design, absorption)
        if needs_equal_variances(kind):
            check_equal(self.moments().variance, kind, design)
        return self._counted(super()._covariance(kind), kind, self.moments)

    def _counted(self, found: Covariance, kind: Any, moments: Callable[[], Moments]) -> Covariance:
        design, absorption = self.design, self.absorption
        if design is None or absorption is None:
            return found
        several = len(cluster_names(kind)) > 1
        return adjusted(found, kind, design, absorption, self.df_resid, moments() if several else None)

    def mean_model(self, promise: str = "slopes") -> MeanModel:
        """The mean without the effects, which differences of linear means are free of."""
        why = "the errors of the absorbed effects are not known; write the factors as C() in the formula"
        if self.recipe is None or getattr(self, "link", "identity") != "identity":
            self.refuse(promise, why)
        # Of the kind of fit that has the effects besides, whose columns are not of the covariates alone.
        model = super().mean_model(promise)
        sides = tuple(replace(side, constant=False) if side.role == "covariates" else side for side in model.sides)
        return replace(model, sides=sides, differences=why)

    def linear_moments(self, what: str) -> Moments:
        self._check_refits()
        return super().linear_moments(what)

    linear_moments.__doc__ = Fit.linear_moments.__doc__

    def _check_refits(self) -> None:
        """Refuse a bootstrap of residuals whose replicas would need the effects to be estimated again."""
        names = cluster_names(self._undrawn_kind)
        design, absorption = self._need_rows("bootstrap tests"), self.absorption
        assert absorption is not None
        nested = nested_effects(design, absorption, names)
        if len(names) != 1 or not all(nested):
            listed = ", ".join(t.name for t, inside in zip(absorption.terms, nested, strict=True) if not inside)
            raise NotIdentifiedError(
                f"a wild bootstrap test would have to estimate the effects of {listed or 'all factors'} in every replica: "
                "cluster by one column that holds their levels whole, or write factors of few levels as C() in the formula."
            )

    def refit_solver(self, studentize: bool) -> Callable[[np.ndarray], np.ndarray]:
        raise NotIdentifiedError(
            "replicas would have to estimate the absorbed effects again; use kind='multiplier', or C() in the formula."
        )

    # --- predictions --------------------------------------------------------------------------------------

    def lean(self) -> Self:
        if self.design is None:
            return self
        return replace(super().lean(), absorbed=self._named(), absorption=None)

    def new_rows(self, newdata: Any, *args: Any, **options: Any) -> NewRows:
        """The formula's columns for new rows, without a constant; the sum of the rows' effects is part of the offset.

        Rows whose levels the fit has no effect of are NaN, and one warning counts them.
        """
        assert self.recipe is not None
        held = self._named()
        frame = as_frame(newdata, [*self.recipe.columns, *held.columns])
        rows = super().new_rows(frame, *args, **options)
        total, aliases, causes = held.on(frame)
        if causes and options.get("warn", True):
            listed = "; ".join(f"{count} {'row' if count == 1 else 'rows'}: {cause}" for cause, count in causes.items())
            issue_warning(f"rows of {frame.n} that cannot be predicted and are NaN: {listed}.", DroppedRowsWarning)
        offset = total if rows.offset is None else rows.offset + total
        return AbsorbedRows(
            {role: part.rest for role, part in rows.parts.items()},
            rows.ok & ~np.isnan(total),
            offset,
            rows.response,
            rows.n,
            rows.kind,
            rows.frame,
            {**rows.causes, **causes},
            aliases,
        )

    def _predicted(self, newdata: Any) -> tuple[Any, np.ndarray, np.ndarray]:
        """New rows and their linear predictor with the effects, whose standard errors are not computed."""
        rows = prediction_rows(self, newdata)
        matrix = rows.parts["covariates"]
        eta = _with_effects(self, rows, matrix)
        return rows, eta, np.full(len(eta), np.nan)

    def _leverages(self) -> np.ndarray:
        """Leverages of the rows used with the effects' share, shape (rows used,); NaN with several factors."""
        if len(self.absorbed.terms) > 1:
            return np.full(self._need_rows("leverages").n, np.nan)
        return self.moments().leverage

    def _no_interval(self) -> None:
        raise NotIdentifiedError(
            "predictions with absorbed effects have no intervals, since the effects' errors are not computed; write the factors "
            "as C() in the formula, or use si.conformal."
        )

    def _examine(self) -> None:
        moments, design = self.moments(), self._need_rows("leverages")
        if moments.columns is None or moments.working is None or moments.residual is None:
            return
        warn_lone(
            self.cov.kind,
            moments.columns,
            moments.working,
            moments.residual,
            lambda: moments.split[0],
            [name for name, kept in zip(self.terms, self.estimable, strict=True) if kept],
            numbers=design.rows,
            codes=design.cluster_codes,
        )


@dataclass(frozen=True)
class AbsorbedRows(NewRows):
    """New rows whose offset holds the effects of their levels.

    Attributes
    ----------
    aliases : ndarray, shape (n, p - k)
        What the effects make of each column that was left out.
    """

    aliases: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))


def _with_effects(fit: Any, rows: Any, matrix: Matrix) -> np.ndarray:
    """Linear predictor of new rows; NaN where a column that was left out is not what columns and effects made of it."""
    kept = fit.estimable
    eta = matrix.values[:, kept] @ fit.theta[kept] + rows.offset
    return np.where(unbroken(rows, matrix, kept, fit.aliases), eta, np.nan)


def unbroken(rows: Any, matrix: Matrix, kept: np.ndarray, aliases: np.ndarray) -> np.ndarray:
    """New rows, shape (n,), in which columns left out are what kept ones and effects make of them; others are warned of."""
    if kept.all():
        return np.ones(len(matrix.values), dtype=bool)
    left = matrix.values[:, ~kept] - matrix.values[:, kept] @ aliases - rows.aliases
    size = np.abs(matrix.values[:, ~kept]) + np.abs(rows.aliases)
    broken: np.ndarray = np.max(np.abs(left) - 1e-6 * (size + 1.0), axis=1) > 0.0
    if broken.any():
        names = ", ".join(f"'{n}'" for n, k in zip(matrix.names, kept, strict=True) if not k)
        issue_warning(
            f"rows of {len(broken)} that cannot be predicted and are NaN: {int(broken.sum())}: they depend on coefficients "
            f"that have no estimate ({names}), because effects and other columns determined these in the data of the fit.",
            DroppedRowsWarning,
        )
    return ~broken

"""Linear regression with absorbed effects of many levels.

The estimand is that of the regression with a dummy for every level (Frisch and Waugh 1933; Lovell 1963): columns and outcome
are projected off the effects, and what is left is regressed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from statinf.errors import DataError, NotIdentifiedError, OptionError
from statinf.formula.design import Design
from statinf.formula.scale import check_columns
from statinf.inference.moments import Moments
from statinf.inference.vcov import VcovSpec
from statinf.internal import internal
from statinf.models import regression as common
from statinf.models.absorbed import AbsorbedFit
from statinf.models.absorbed_covariance import group_leverages
from statinf.models.absorbed_effects import AbsorbedEffects
from statinf.models.absorbing import Absorption, absorbed_design, demeaned_columns
from statinf.models.linear_fit import LinearFit
from statinf.models.row_counts import ONE_EACH
from statinf.numerics.absorb.demean import Demeaned, effect_sums
from statinf.numerics.linear.factors import inverse_gram, leverages
from statinf.numerics.linear.least_squares import LeastSquaresSolution, solve
from statinf.results import Estimate, stack_scores


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class AbsorbedLinearFit(AbsorbedFit, LinearFit):
    """A linear regression with absorbed effects.

    Attributes
    ----------
    tss : float
        Weighted sum of squares of the outcome about its mean; `mss` is what the columns explain beside the effects.
    """

    tss: float

    @property
    def r_squared(self) -> float:
        """Share of the weighted variation that columns and effects explain."""
        return 1.0 - self.rss / self.tss if self.tss > 0 else np.nan

    @property
    def r2_within(self) -> float:
        """Share of the variation beside the effects that the columns explain."""
        total = self.mss + self.rss
        return self.mss / total if total > 0 else np.nan

    @property
    @internal
    def coefficients_used(self) -> float:
        """Columns and effects that the rows identify."""
        return self.nobs - self.df_resid

    def glance_items(self) -> dict[str, Any]:
        items = LinearFit.glance_items(self)
        k, loglik = self.coefficients_used + 1, items["loglik"]
        return items | {
            "r2_within": self.r2_within,
            "aic": -2 * loglik + 2 * k,
            "bic": -2 * loglik + np.log(self.nobs) * k,
        }

    def _adjusted(self) -> float:
        return 1.0 - (1.0 - self.r_squared) * (self.nobs - 1) / self.df_resid if self.df_resid > 0 else np.nan

    def summary_facts(self) -> dict[str, Any]:
        facts = LinearFit.summary_facts(self)
        return self.absorbed.facts() | facts | {"R2 within": self.r2_within}

    def predict(self, newdata: Any = None, *, interval: str | None = None, level: float = 0.95) -> Any:
        if interval is not None:
            self._no_interval()
        return LinearFit.predict(self, newdata, level=level)

    predict.__doc__ = LinearFit.predict.__doc__

    def wild_influence(self) -> np.ndarray:
        if len(self.absorbed.terms) > 1:
            raise NotIdentifiedError(
                "the wild bootstrap scales residuals by leverages, which the effects of several factors have no closed form "
                "of; use kind='multiplier', or C() in the formula for all but one."
            )
        return LinearFit.wild_influence(self)

    def _columns(self, what: str) -> tuple[Design, np.ndarray]:
        made = self._need_rows(what)
        columns = self.moments().columns
        assert columns is not None
        return made, columns

    def _leverage(self) -> np.ndarray:
        return self._leverages()

    def _diagnostics(self) -> dict[str, np.ndarray]:
        made = LinearFit._diagnostics(self)
        return made | {"cooks_distance": made["cooks_distance"] * self.rank / self.coefficients_used}


def estimate(made: Design, absorption: Absorption, options: Any) -> tuple[Design, Estimate]:
    """Least squares of what the effects leave of outcome and columns; the design's offset then holds the effects."""
    matrix, name = made.parts[0], made.response_names[0]
    check_absorbable(made, matrix.p, absorption)
    outcome = made.y if made.offset is None else made.y - made.offset
    weights = None if bool((made.weights == 1.0).all()) else made.weights
    projected = demeaned_columns(made, absorption, matrix, weights, outcome)
    if projected.spanned[-1]:
        raise DataError(f"the absorbed effects determine the outcome '{name}'; nothing is left to explain.")
    x, y = projected.columns[:, :-1], projected.columns[:, -1]
    solution = solve(x, y, weights, tolerance=absorption.resolution(options.tol))
    nobs, effects_rank = made.n, absorption.factors.rank[0]
    df = float(nobs - solution.rank - effects_rank)
    check_df(df, nobs, matrix.p, effects_rank)
    check_left(made, solution.kept, projected.spanned[:-1], solution.condition, absorption)
    theta = np.where(solution.kept, solution.coef, 0.0)
    effects = [e[:, -1] - e[:, :-1] @ theta for e in projected.effects]
    held = AbsorbedEffects.of(
        absorption.terms, absorption.factors, effects, aliases_of(projected, solution.kept, solution.aliases)
    )
    sums = effect_sums(absorption.factors, effects)
    fitted = x @ theta
    mean = np.average(outcome, weights=weights)
    made = replace(made, offset=sums if made.offset is None else made.offset + sums)
    shifts = tuple(e[:, :-1][:, solution.kept] for e in projected.effects)
    return made, Estimate(
        terms=matrix.names,
        theta=solution.coef,
        moments=partial(moments, made, absorption, shifts, solution, df),
        nobs=nobs,
        df_resid=df,
        extra={
            "factor": solution.factor,
            "aliases": solution.aliases,
            "rss": float(solution.rss),
            "mss": float(np.sum(made.weights * fitted**2)),
            "tss": float(np.sum(made.weights * (outcome - mean) ** 2)),
            "intercept": False,
            "log_weights": 0.0 if weights is None else float(np.sum(np.log(weights))),
            "absorbed": held,
            "absorption": absorption,
        },
    )


def absorbed_lm(
    formula: str, data: Any, absorb: Any, method: Any, settings: Any, spec: VcovSpec, cluster: Any, **reading: Any
) -> AbsorbedLinearFit:
    """The fit of `si.lm` with `absorb=`; `reading` goes to the design."""
    check_kind(settings.weights_kind)
    made, absorption = absorbed_design(
        formula, data, absorb=absorb, options=settings, vcov=spec, cluster=cluster, **reading
    )
    made, found = estimate(made, absorption, settings)
    return AbsorbedLinearFit.of(made, found, spec if spec.explicit else None, method=method, cluster=cluster)


def within(made: Design, absorption: Absorption, shifts: Sequence[np.ndarray], kept: np.ndarray) -> np.ndarray:
    """Columns less their projection, shape (n, k), from the effects in them that the fit found."""
    x = np.array(made.parts[0].values[:, kept], order="F")
    for code, shift in zip(absorption.factors.codes, shifts, strict=True):
        for j in range(x.shape[1]):
            x[:, j] -= shift[:, j][code]
    return x


def moments(
    made: Design, absorption: Absorption, shifts: Sequence[np.ndarray], solution: LeastSquaresSolution, df: float
) -> Moments:
    """Scores and bread of the normal equations beside the effects."""
    x = within(made, absorption, shifts, solution.kept)
    residual = made.y - common.predictor(made.parts[0], solution.coef, made.offset)
    bread = inverse_gram(solution.factor)
    return absorbed_moments(
        made,
        absorption,
        x,
        residual,
        made.weights,
        solution.factor,
        df,
        bread * (float(solution.rss) / df),
        ONE_EACH.variances(made.weights),
    )


def absorbed_moments(
    made: Design,
    absorption: Absorption,
    x: np.ndarray,
    residual: np.ndarray,
    working: np.ndarray,
    factor: np.ndarray,
    df: float,
    model: np.ndarray,
    variance: np.ndarray,
) -> Moments:
    """Moments of a regression on projected columns (n, k), with the effects' share in the leverages.

    The variances (n,) are those of single outcomes under the model behind the weights.
    """
    unit = x * residual[:, None]
    stacked = {}
    if made.weights_object is not None:
        # Effects that move with the weights leave no trace: they multiply sums of scores by level, which are zero.
        stacked = stack_scores(made.weights_object, made.rows, unit)
    hats = None
    if len(absorption.terms) == 1:
        hats = partial(_hats, absorption, x, factor, working)
    return Moments(
        unit if (made.weights == 1.0).all() else unit * made.weights[:, None],
        inverse_gram(factor),
        made.n,
        df,
        model,
        columns=x,
        working=working,
        residual=residual,
        factor=factor,
        present=np.ones(made.n, dtype=bool),
        hats=hats,
        variance=variance,
        **stacked,
    )


def _hats(absorption: Absorption, x: np.ndarray, factor: np.ndarray, working: np.ndarray) -> np.ndarray:
    share = group_leverages(absorption, working)
    assert share is not None
    # A row that is alone in its level is fitted exactly, and tells nothing of the coefficients.
    return np.minimum(share + leverages(x, factor, working), 1.0)


def check_kind(weights_kind: str) -> None:
    """Refuse kinds of weights whose degrees of freedom are not counted beside effects."""
    if weights_kind != "precision":
        raise OptionError(
            f"weights_kind={weights_kind!r} is not taken with absorb=; write the effects as C() in the formula, or repeat the rows."
        )


def check_absorbable(made: Design, p: int, absorption: Absorption) -> None:
    """Refuse designs that leave nothing to estimate beside the effects."""
    if p == 0:
        raise DataError(
            f"the formula has no term beside the absorbed effects of {', '.join(t.name for t in absorption.terms)}."
        )
    common.check_outcome(made.y, made.weights, made.response_names[0])
    check_columns(made.parts[0])


def check_left(made: Design, kept: np.ndarray, spanned: np.ndarray, condition: float, absorption: Absorption) -> None:
    """Warn of columns that effects, or effects and other columns, determine; refuse if none is left."""
    matrix = made.parts[0]
    names = [f"'{n}'" for n, gone in zip(matrix.names, spanned, strict=True) if gone]
    if not kept.any():
        raise DataError(
            f"the absorbed effects of {', '.join(t.name for t in absorption.terms)} determine every column "
            f"({', '.join(names[:8])}); nothing is left to estimate."
        )
    common.warn_spanned(names, [t.name for t in absorption.terms])
    seen = ~spanned
    if not seen.all():
        matrix = replace(matrix, names=tuple(n for n, s in zip(matrix.names, seen, strict=True) if s))
    common.warn_aliased(matrix.names, kept[seen], condition)


def check_df(df: float, nobs: int, columns: int, effects: int) -> None:
    """Refuse fits whose rows are all spent."""
    if df <= 0:
        raise DataError(
            f"{nobs} rows cannot determine {columns} coefficients beside {effects} absorbed effects; absorb fewer levels."
        )


def aliases_of(projected: Demeaned, kept: np.ndarray, aliases: np.ndarray) -> list[np.ndarray]:
    """By factor, the effects in each column left out less those in what the kept columns make of it."""
    p = len(kept)
    return [e[:, :p][:, ~kept] - e[:, :p][:, kept] @ aliases for e in projected.effects]

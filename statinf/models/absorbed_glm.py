"""Generalised linear models with absorbed effects of many levels.

The estimand is that of the model with a dummy for every level. Effects of few rows each are inconsistent, and in families
other than the gaussian and the Poisson their errors reach the coefficients (Neyman and Scott 1948): the bias shrinks with
the rows per level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from statinf.errors import ConvergenceError, NotIdentifiedError, OptionError
from statinf.formula.design import Design
from statinf.inference.moments import Moments
from statinf.inference.vcov import VcovSpec
from statinf.models.absorbed import AbsorbedFit
from statinf.models.absorbed_effects import AbsorbedEffects
from statinf.models.absorbed_lm import (
    absorbed_moments,
    check_absorbable,
    check_df,
    check_kind,
    check_left,
    within,
)
from statinf.models.absorbing import Absorption, absorbed_design, informative
from statinf.models.existence import at_bounds, check_range, check_whole, null_deviance
from statinf.models.generalized_fit import GeneralizedFit
from statinf.models.row_counts import ONE_EACH
from statinf.numerics.absorb.demean import effect_sums
from statinf.numerics.glm.absorbed import AbsorbedGlm, fit_absorbed, separated_rows
from statinf.numerics.glm.families import Family, log_likelihood
from statinf.numerics.linear.factors import inverse_gram
from statinf.numerics.linear.reduction import TOLERANCE
from statinf.results import Estimate


class _SettledError(Exception):
    """Rows, shape (n,) bool, whose outcomes the effects alone separate."""

    def __init__(self, rows: np.ndarray) -> None:
        super().__init__()
        self.rows = rows


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class AbsorbedGeneralizedFit(AbsorbedFit, GeneralizedFit):
    """A generalised linear model with absorbed effects."""

    beside = ("fixed_effects",)

    def summary_facts(self) -> dict[str, Any]:
        return self.absorbed.facts() | GeneralizedFit.summary_facts(self) | {"Iterations": self.iterations}

    def glance_items(self) -> dict[str, Any]:
        items, k = GeneralizedFit.glance_items(self), self.nobs - self.df_resid
        k += 0 if self._family.known_dispersion else 1
        return items | {"aic": -2 * self.loglik + 2 * k, "bic": -2 * self.loglik + np.log(self.nobs) * k}

    def predict(
        self, newdata: Any = None, *, interval: str | None = None, level: float = 0.95, scale: str = "response"
    ) -> Any:
        if interval is not None:
            self._no_interval()
        return GeneralizedFit.predict(self, newdata, level=level, scale=scale)

    predict.__doc__ = GeneralizedFit.predict.__doc__

    def _leverage(self) -> np.ndarray:
        return self._leverages()


def absorbed_glm(
    formula: str, data: Any, absorb: Any, method: Any, settings: Any, spec: VcovSpec, cluster: Any, **reading: Any
) -> AbsorbedGeneralizedFit:
    """The fit of `si.glm` with `absorb=`; `reading` goes to the design."""
    family = settings.model
    _check_options(settings, family)
    made, absorption = absorbed_design(
        formula,
        data,
        absorb=absorb,
        options=settings,
        vcov=spec,
        cluster=cluster,
        ends=partial(ends_of, family),
        shares=family.law.shares,
        **reading,
    )
    while True:
        try:
            made, found = estimate(made, absorption, settings)
            break
        except _SettledError as settled:
            # As the rows of a level without a count: their effects run off, and the coefficients are those without them.
            cause = f"the effects alone separate their {_ends(family)}"
            count = made.dropped.get(cause, 0) + int(settled.rows.sum())
            made = replace(made, dropped={**made.dropped, cause: count})
            made, absorption = informative(made, absorption, ~settled.rows, partial(ends_of, family))
    return AbsorbedGeneralizedFit.of(made, found, spec if spec.explicit else None, method=method, cluster=cluster)


def _check_options(settings: Any, family: Family) -> None:
    """Refuse what is not taken beside absorbed effects."""
    if settings.start is not None:
        raise OptionError("start= is not taken with absorb=: the effects would need values to begin with, too.")
    if settings.penalty is not None:
        raise OptionError(
            f"penalty={settings.penalty!r} is not taken with absorb=; write the effects as C() in the formula."
        )
    if family.law.overdispersed and settings.alpha is None:
        raise OptionError(
            "family='negative_binomial' takes absorb= with a given alpha= only: an estimated overdispersion is inconsistent beside "
            "effects of few rows. family='poisson' with clustered standard errors allows for any overdispersion."
        )
    check_kind(settings.weights_kind)


def ends_of(family: Family, y: np.ndarray) -> Sequence[np.ndarray]:
    """Rows at each end of a family's range, where a level with nothing else has no finite effect."""
    if family.law.shares:
        return (y == 0.0, y == 1.0)
    return (y == 0.0,) if family.separable else ()


def _ends(family: Family) -> str:
    """Outcomes that can be separated, in words."""
    return "outcomes" if family.law.shares else "zero outcomes"


def estimate(made: Design, absorption: Absorption, options: Any) -> tuple[Design, Estimate]:
    """Maximum likelihood beside the effects; the design's offset then holds their sums."""
    family, name = options.model, made.response_names[0]
    check_range(made.y, made.weights, family, name)
    check_absorbable(made, made.parts[0].p, absorption)
    if not absorption.trials:
        check_whole(made.y, made.weights, made.weights_object is not None, family, name)
    matrix, nobs = made.parts[0], made.n
    solution = _solve(made, absorption, family, options)
    inner = solution.solution
    effects_rank = absorption.factors.rank[0]
    df = float(nobs - inner.rank - effects_rank)
    check_df(df, nobs, matrix.p, effects_rank)
    check_left(made, inner.kept, solution.spanned, inner.condition, absorption)
    aliases = [s[:, ~inner.kept] - s[:, inner.kept] @ inner.aliases for s in solution.shifts]
    held = AbsorbedEffects.of(absorption.terms, absorption.factors, solution.effects, aliases)
    mean = family.link.inverse(solution.eta)
    dispersion = 1.0
    if not family.known_dispersion:
        dispersion = float(np.sum(made.weights * (made.y - mean) ** 2 / family.variance(mean))) / df
    baseline = null_deviance(made, family, True)
    sums = effect_sums(absorption.factors, solution.effects)
    made = replace(made, offset=sums if made.offset is None else made.offset + sums)
    shifts = tuple(s[:, inner.kept] for s in solution.shifts)
    return made, Estimate(
        terms=matrix.names,
        theta=solution.coef,
        moments=partial(moments, made, absorption, shifts, family, solution, dispersion, df),
        nobs=nobs,
        df_resid=df,
        extra={
            "family": family.name,
            "link": family.link.name,
            "factor": inner.factor,
            "aliases": inner.aliases,
            "deviance": solution.deviance,
            "null_deviance": baseline,
            "dispersion": dispersion,
            "loglik": log_likelihood(family, made.y, mean, made.weights, solution.deviance),
            "iterations": solution.iterations,
            "df_null": float(nobs - 1),
            "absorbed": held,
            "absorption": absorption,
        },
    )


def moments(
    made: Design,
    absorption: Absorption,
    shifts: Sequence[np.ndarray],
    family: Family,
    solution: AbsorbedGlm,
    dispersion: float,
    df: float,
) -> Moments:
    """Scores and information beside the effects, at dispersion one."""
    inner = solution.solution
    slope, information, _ = family.terms(solution.eta, made.y)
    x = within(made, absorption, shifts, inner.kept)
    model = inverse_gram(inner.factor) * dispersion
    variance = family.variance(family.link.inverse(solution.eta)) * ONE_EACH.variances(made.weights)
    working = made.weights * information
    return absorbed_moments(made, absorption, x, slope, working, inner.factor, df, model, variance)


def _solve(made: Design, absorption: Absorption, family: Family, options: Any) -> AbsorbedGlm:
    """The maximum, or what keeps it from existing, by name."""
    try:
        found = fit_absorbed(
            made.parts[0].values,
            made.y,
            family,
            absorption.factors,
            weights=made.weights,
            offset=made.offset,
            tolerance=options.tol,
            max_iterations=options.max_iter,
            absorb_tol=options.absorb_tol,
            absorb_max_iter=options.absorb_max_iter,
            alias_tolerance=absorption.resolution(TOLERANCE),
        )
    except ConvergenceError:
        _check_separation(made, absorption, family)
        raise
    if at_bounds(made.y, family, found.eta).any():
        _check_separation(made, absorption, family)
    return found


def _check_separation(made: Design, absorption: Absorption, family: Family) -> None:
    """Refuse outcomes that columns and effects separate, naming the columns that do."""
    if not family.separable:
        return
    matrix = made.parts[0]
    found = separated_rows(matrix.values, made.y, absorption.factors, made.weights, family.law.upper)
    if found is None or not found[0].any():
        return
    rows, direction = found
    reach = np.abs(direction) * np.abs(matrix.values - matrix.values.mean(axis=0)).max(axis=0)
    guilty = [matrix.names[j] for j in np.argsort(-reach) if reach[j] > 1e-3]
    if not guilty:
        raise _SettledError(rows)
    first = made.rows[np.flatnonzero(rows)[0]]
    named, factors = ", ".join(map(repr, guilty[:5])), ", ".join(term.name for term in absorption.terms)
    raise NotIdentifiedError(
        f"separation: the {_ends(family)} of {int(rows.sum())} of {made.n} rows (first: row {first}) are predicted perfectly by "
        f"{named} and the effects of {factors}, so the likelihood has no finite maximum. Leave these rows out, which tell "
        "nothing of the other coefficients, or remove or merge what separates."
    )

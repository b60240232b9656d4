"""Linear models with instruments and absorbed effects: outcome, treatments, covariates and instruments projected off them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, partial
from typing import Any, Self

import numpy as np

from statinf.effects.iv_columns import ROLES, IVColumns, as_indicator, columns_of, side_by_side
from statinf.effects.iv_fit import IVFit
from statinf.effects.iv_problem import IVProblem
from statinf.effects.iv_rows import IVRows, rows_of
from statinf.effects.linear_iv import LinearIV
from statinf.errors import OptionError
from statinf.formula.design import Design
from statinf.formula.matrix import Matrix
from statinf.formula.scale import check_sizes
from statinf.inference.moments import Moments
from statinf.inference.vcov import VcovSpec
from statinf.models.absorb_options import AbsorbOptions
from statinf.models.absorbed import AbsorbedFit, unbroken
from statinf.models.absorbed_covariance import group_leverages
from statinf.models.absorbed_effects import AbsorbedEffects
from statinf.models.absorbing import Absorption, absorbed_design, demeaned_columns
from statinf.numerics.absorb.demean import Demeaned, effect_sums
from statinf.numerics.linear.aliases import alias_map
from statinf.numerics.linear.factors import leverages, triangular_factor
from statinf.numerics.linear.reduction import TOLERANCE
from statinf.results import Estimate, prediction_frame


@dataclass(frozen=True)
class AbsorbedIVProblem(IVProblem):
    """A model with instruments and absorbed effects.

    Attributes
    ----------
    absorption : Absorption
    """

    absorption: Absorption = None  # type: ignore[assignment]

    @property
    def absorbed(self) -> int:
        return self.absorption.factors.rank[0]

    @property
    def tolerance(self) -> float:
        return self.absorption.resolution(TOLERANCE)

    @cached_property
    def projected(self) -> Demeaned:
        """Treatments, covariates, instruments and outcome, in this order, less their projection."""
        return projected(self.design, self.absorption, self.indicator)

    @cached_property
    def columns(self) -> IVColumns:
        return _columns(self.design, self.projected)


def projected(made: Design, absorption: Absorption, indicator: tuple[float, float]) -> Demeaned:
    """All columns of a model side by side, less their projection on the effects."""
    treatment, covariates, instruments = (_part(made, role) for role in ROLES)
    values = side_by_side(as_indicator(treatment.values, indicator), covariates.values, instruments.values)
    names = (*treatment.names, *covariates.names, *instruments.names)
    outcome = made.y if made.offset is None else made.y - made.offset
    return demeaned_columns(made, absorption, Matrix(values, names, {}, False), made.weights, outcome)


def _part(made: Design, role: str) -> Matrix:
    found = made.part(role)
    assert found is not None
    return found


def _columns(made: Design, found: Demeaned) -> IVColumns:
    """Scaled columns of what the effects leave."""
    sizes = [_part(made, role).p for role in ROLES]
    cuts = np.cumsum(sizes)
    parts = np.split(found.columns[:, :-1], cuts[:-1], axis=1)
    matrices = tuple(
        Matrix(values, _part(made, role).names, {}, False) for role, values in zip(ROLES, parts, strict=True)
    )
    return columns_of(replace(made, parts=matrices, response=found.columns[:, -1], offset=None))


@dataclass(frozen=True, repr=False)
class AbsorbedLinearIV(LinearIV):
    """A solved model; the effects' levels on its rows are not saved."""

    absorption: Absorption | None = field(default=None, metadata={"saved": False})

    def rows(self, made: Design, columns: IVColumns | None = None) -> IVRows:
        if columns is None:
            assert self.absorption is not None
            columns = _columns(made, projected(made, self.absorption, self.indicator))
        return rows_of(made, columns, self.system, self.kept)

    def scaled_moments(self, made: Design, rows: IVRows | None = None, residual: np.ndarray | None = None) -> Moments:
        own = super().scaled_moments(made, rows, residual)
        if own.columns is None or self.absorption is None or len(self.absorption.terms) > 1:
            return own
        return replace(own, hats=partial(_hats, own.columns, made.weights, self.absorption))


def _hats(columns: np.ndarray, weights: np.ndarray, absorption: Absorption) -> np.ndarray:
    share = group_leverages(absorption, weights)
    assert share is not None
    return np.minimum(share + leverages(columns, triangular_factor(columns, weights), weights), 1.0)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class AbsorbedIVFit(AbsorbedFit, IVFit):
    """A linear model with instruments and absorbed effects."""

    beside = (*IVFit.beside, "fixed_effects")

    @classmethod
    def of(cls, design: Design, estimate: Estimate, vcov: Any = None, *, method: Any, cluster: Any = None) -> Self:
        fit = super().of(design, estimate, vcov, method=method, cluster=cluster)
        return replace(fit, aliases=estimate.extra["aliases"])

    def _examine(self) -> None:
        """Rows that determine a coefficient alone are looked for when the fit is complete."""

    def summary_facts(self) -> dict[str, Any]:
        return self.absorbed.facts() | IVFit.summary_facts(self)

    def predict(self, newdata: Any = None, *, interval: str | None = None, level: float = 0.95) -> Any:
        if interval is not None:
            self._no_interval()
        frame = self._need_rows("predictions without newdata").frame if newdata is None else newdata
        rows = self.new_rows(frame, roles=("treatment", "covariates"))
        treatment, covariates = rows.parts["treatment"], rows.parts["covariates"]
        c, kept = treatment.p, self.estimable
        estimate = as_indicator(treatment.values, self.solution.indicator) @ self.theta[:c] + rows.offset
        estimate += covariates.values[:, kept[c:]] @ self.theta[c:][kept[c:]]
        estimate = np.where(unbroken(rows, covariates, kept[c:], self.aliases), estimate, np.nan)
        return prediction_frame(rows, {"estimate": estimate, "std_error": np.full(len(estimate), np.nan)})

    predict.__doc__ = IVFit.predict.__doc__


def absorbed_iv(
    formula: str,
    data: Any,
    absorb: Any,
    method: Any,
    settings: Any,
    spec: Any,
    *,
    treated: Any,
    cluster: Any,
    seed: int,
    progress: bool | None,
    reading: Mapping[str, Any],
) -> AbsorbedIVFit:
    """The fit of `si.iv` with `absorb=`; `reading` goes to the design."""
    if not isinstance(settings, AbsorbOptions):
        raise OptionError(
            f"si.iv(method={method.name!r}) absorbs no effects; write them as C() in the formula, or use method='2sls', "
            "'liml' or 'gmm'."
        )
    made, absorption = absorbed_design(
        formula, data, absorb=absorb, options=settings, vcov=spec, cluster=cluster, roles=ROLES, **reading
    )
    check_sizes(made)
    spec = VcovSpec.read(
        spec if spec.explicit else None, cluster, IVFit.vcov_kinds, stacked=made.weights_object is not None
    )
    clusters = {name: made.cluster_codes(name) for name in spec.clusters}
    problem = AbsorbedIVProblem(made, spec, clusters, treated, seed, progress, absorption=absorption)
    made, found = _with_effects(problem, method.estimate(problem, settings))
    return AbsorbedIVFit.of(made, found, spec, method=method)


def _with_effects(problem: AbsorbedIVProblem, found: Estimate) -> tuple[Design, Estimate]:
    """The estimate with the effects that go with it; the design's offset then holds their sums."""
    made, absorption = problem.design, problem.absorption
    theta = np.where(np.isnan(found.theta), 0.0, found.theta)
    k, c = len(theta), len(problem.names)
    effects = [e[:, -1] - e[:, :k] @ theta for e in problem.projected.effects]
    kept = ~np.isnan(found.theta[c:])
    aliases = alias_map(problem.projected.columns[:, c:k], kept, made.weights)
    others = [e[:, c:k][:, ~kept] - e[:, c:k][:, kept] @ aliases for e in problem.projected.effects]
    held = AbsorbedEffects.of(absorption.terms, absorption.factors, effects, others)
    sums = effect_sums(absorption.factors, effects)
    made = replace(made, offset=sums if made.offset is None else made.offset + sums)
    own: LinearIV = found.extra["solution"]
    given = {f.name: getattr(own, f.name) for f in fields(own)}
    solution = AbsorbedLinearIV(**given, absorption=absorption)
    return made, replace(
        found,
        moments=partial(solution.moments, made),
        covary=partial(solution.covariance, made),
        extra={
            **found.extra,
            "solution": solution,
            "columns": problem.columns,
            "absorbed": held,
            "absorption": absorption,
            "aliases": aliases,
        },
    )

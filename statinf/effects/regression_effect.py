"""`RegressionEffect`: effects that are coefficients of a regression."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from statinf.effects.arm_means_fit import RegressionMeans
from statinf.effects.effect_fit import EffectFit
from statinf.formula.design import Design
from statinf.inference.vcov import VcovKinds, VcovSpec
from statinf.results import Estimate, Fit


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RegressionEffect(EffectFit):
    """Effects that are coefficients of a regression; tables use Student's t.

    Attributes
    ----------
    stacked : bool
        Whether scores count the estimation of weights or of the covariates' mean.
    """

    stacked: bool = False

    normal_reference = False
    vcov_kinds = VcovKinds(default="HC2", robust="HC2")
    means_kind: ClassVar[type[Fit]] = RegressionMeans

    @classmethod
    def of(cls, design: Design, estimate: Estimate, vcov: Any = None, *, method: Any, cluster: Any = None) -> Self:
        spec = VcovSpec.read(vcov, cluster, cls.vcov_kinds)
        if not spec.explicit and estimate.extra["stacked"]:
            spec = replace(spec, kind=cls.vcov_kinds.stacked)
        return super().of(design, estimate, spec, method=method)

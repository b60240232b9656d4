"""The result of `effect`: an average effect, or one per group, with influence values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from statinf.effects import sensitivity as bounds
from statinf.effects.arm_means_fit import ArmMeans
from statinf.errors import NotIdentifiedError, one_of
from statinf.inference.hypotheses import WaldTest, wald
from statinf.inference.vcov import VcovKinds
from statinf.results import Estimate, Fit, augmented

if TYPE_CHECKING:
    from statinf.effects.estimate import Pieces, Splits

_WHAT = {
    "ATE": "Average treatment effect",
    "ATT": "Average effect on the treated",
    "ATC": "Average effect on the controls",
    "LATE": "Local average treatment effect",
    "variance-weighted": "Variance-weighted effect",
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class EffectFit(Fit):
    """Average effects from scores with estimated nuisances; tables use the normal distribution.

    Attributes
    ----------
    estimand : str
    treatment : str
    thetas : ndarray, shape (splits, q)
        The estimate of every repeated split; `theta` is their median.
    nuisance : mapping of str to ndarray, shape (n,)
        Predictions of the first split; not saved.
    treated : ndarray of bool, shape (n,), or None
        Rows of the treated arm; not saved.
    splits : Splits or None
        Scores of every split; not saved.
    pieces : callable or None
        What bounds on omitted variables are made of, for methods that have them; not saved.
    levels : tuple of str
        The arms, the reference first; empty for doses and for methods without means of arms.
    outcomes : callable or None
        Makes the estimate of the arms' means; not saved.
    without : callable or None
        Makes the estimate with some covariates only, for methods that have bounds on omitted variables; not saved.
    """

    estimand: str
    treatment: str
    thetas: np.ndarray
    nuisance: Mapping[str, np.ndarray] = field(default_factory=dict, metadata={"saved": False})
    treated: np.ndarray | None = field(default=None, metadata={"saved": False})
    splits: Splits | None = field(default=None, metadata={"saved": False})
    pieces: Callable[[], list[Pieces]] | None = field(default=None, metadata={"saved": False})
    levels: tuple[str, ...] = ()
    outcomes: Callable[[], Estimate] | None = field(default=None, metadata={"saved": False})
    without: Callable[[np.ndarray], Estimate] | None = field(default=None, metadata={"saved": False})

    normal_reference = True
    vcov_kinds = VcovKinds(default="HC0", robust="HC0")
    beside = ("sensitivity", "benchmark", "e_value", "means", "pairs")
    means_kind: ClassVar[type[Fit]] = ArmMeans

    @property
    def title(self) -> str:
        return f"{_WHAT.get(self.estimand, f'Average effect ({self.estimand})')}, {self.method}"

    @property
    def repeats(self) -> int:
        """Number of random splits."""
        return len(self.thetas)

    def lean(self) -> Self:
        return replace(super().lean(), nuisance={}, treated=None, splits=None, pieces=None, outcomes=None, without=None)

    def glance_items(self) -> dict[str, Any]:
        return {"nobs": self.nobs, "estimand": self.estimand, "repeats": self.repeats}

    def summary_facts(self) -> dict[str, Any]:
        more: dict[str, Any] = {"Repeated splits": self.repeats} if self.repeats > 1 else {}
        if len(self.levels) > 2 and np.isfinite(self.cov.matrix).all():
            more["All arms alike"] = str(self.arms_test()).split(": ", 1)[1]
        return super().summary_facts() | more

    def means(self, *, vcov: Any = None) -> Fit:
        """Means of the outcome if all rows of the estimand's population were in one arm, for every arm.

        Parameters
        ----------
        vcov : str or mapping, optional
            That of the effects by default.

        Returns
        -------
        ArmMeans
            One coefficient per arm, the reference first, with their joint covariance: functions of them, such as ratios,
            come from `transform`.

        Examples
        --------
        >>> import statinf as si
        >>> fit = si.effect("re78 ~ treat | age + educ", si.datasets.load("nsw"))
        >>> means = fit.means()
        >>> means.terms
        ('treat[0]', 'treat[1]')
        >>> ratio = means.transform(lambda m: {"ratio": m["treat[1]"] / m["treat[0]"]})
        >>> round(float(ratio.theta[0]), 2)
        1.36
        """
        design = self._need_rows("means of the arms")
        if self.outcomes is None:
            raise NotIdentifiedError(f"'{self.method}' estimates no means of the outcome by arm.")
        from statinf.effects.table import EFFECT

        made = self.outcomes()
        kept = {k: made.extra[k] for k in ("estimand", "treatment")}
        own = self._undrawn_kind
        kind = own if vcov is None and own != "none" else vcov
        return self.means_kind.of(design, replace(made, extra=kept), kind, method=EFFECT[self.method])

    def arms_test(self) -> WaldTest:
        """Wald test that the outcome's mean is the same in all arms, in all groups of `by`."""
        return wald(
            self.theta,
            self.cov,
            np.eye(len(self.theta)),
            np.zeros(len(self.theta)),
            self.cov.df,
            f"all effects of {self.treatment} = 0",
        ).handed(self.kind)

    def pairs(self) -> Fit:
        """Differences between all pairs of arms, with their joint covariance.

        Returns
        -------
        Fit
            Terms such as `c - b`; `conf_int(simultaneous=True)` for all pairs at once.
        """
        if len(self.levels) < 2 or len(self.theta) != len(self.levels) - 1:
            raise NotIdentifiedError(
                "pairs of arms are compared for arms, without by=; use transform for other contrasts."
            )
        return self.transform(partial(_all_pairs, self.terms, self.levels))

    def augment(self) -> Any:
        """The caller's data with the nuisance predictions and each row's influence on the (first) effect."""
        design = self._need_rows("row-wise predictions")
        return augmented(design, {**self.nuisance, "influence": self.influence[:, 0]})

    def sensitivity(
        self, cf_y: float = 0.03, cf_d: float = 0.03, *, rho: float = 1.0, null: float = 0.0, level: float = 0.95
    ) -> bounds.OmittedVariableBounds:
        """Bounds on the effect under an omitted confounder of given strength (arXiv 2112.13398).

        Parameters
        ----------
        cf_y : float
            Share of the outcome's residual variance that the confounder would explain.
        cf_d : float
            Share of the treatment's residual variation (of its Riesz representer) that it would explain.
        rho : float
            Correlation of the two, between -1 and 1.
        null : float
            Value that robustness values refer to.
        level : float
            One-sided confidence of each bound.

        Raises
        ------
        NotIdentifiedError
            For methods without this theory; `plr`, and `aipw` and `irm` of two arms without groups, have it.

        Examples
        --------
        >>> import statinf as si
        >>> fit = si.effect("nettfa ~ e401k | inc + age + fsize + marr", si.datasets.load("k401ksubs"), method="plr")
        >>> found = fit.sensitivity(0.03, 0.03)
        >>> bool(found.lower < fit.theta[0] < found.upper)
        True
        """
        design = self._need_rows("sensitivity bounds")
        splits, pieces = self._bounded()
        found = bounds.from_splits(splits, pieces(), design, self._undrawn_kind, (cf_y, cf_d, rho), null, level)
        return found.handed(self.kind)

    def benchmark(self, *covariates: str | Sequence[str]) -> Any:
        """How strong an omitted confounder would be that is as strong as observed covariates (arXiv 2112.13398).

        The effect is estimated again, on the same folds, without them.

        Parameters
        ----------
        *covariates : str or sequence of str
            Covariates as the formula names them; a sequence is left out together. Each of all covariates by default.

        Returns
        -------
        data frame
            One row per covariate or set: `cf_y`, `cf_d` and `rho` as `sensitivity` takes them, `estimate` without it,
            `change` by leaving it out, and the bounds `lower`, `upper` under a confounder of that strength.

        Examples
        --------
        >>> import statinf as si
        >>> fit = si.effect("nettfa ~ e401k | inc + age + fsize + marr", si.datasets.load("k401ksubs"), method="plr")
        >>> fit.benchmark("inc", ["fsize", "marr"])[["covariates", "cf_y", "cf_d"]].round(3)
             covariates   cf_y  cf_d
        0           inc  0.129  0.07
        1  fsize + marr  0.006  0.00
        """
        from statinf.effects.benchmarking import benchmarks

        design = self._need_rows("benchmarks of the bounds")
        splits, pieces = self._bounded()
        assert self.without is not None
        return benchmarks(design, splits, pieces(), self.without, covariates)

    def _bounded(self) -> tuple[Splits, Callable[[], list[Pieces]]]:
        if self.pieces is None or self.splits is None:
            raise NotIdentifiedError(
                f"'{self.method}' ({self.estimand}, {len(self.theta)} effects) has no omitted-variable bounds; use "
                "method='plr', or 'irm' or 'aipw' of two arms without by=."
            )
        return self.splits, self.pieces

    def e_value(self, *, sd: float | None = None, level: float = 0.95) -> Any:
        """E-values: how strong confounding would have to be, on the risk-ratio scale, to explain each effect.

        Parameters
        ----------
        sd : float, optional
            Standard deviation that turns the effect into a standardised difference; the outcome's by default.
        level : float

        Returns
        -------
        data frame
            Columns term, risk_ratio, e_value, e_value_limit (of the interval's limit nearer to no effect).
        """
        from statinf.results import to_caller

        if sd is None:
            design = self._need_rows("E-values without sd")
            mean = np.average(design.y, weights=design.weights)
            sd = float(np.sqrt(np.average((design.y - mean) ** 2, weights=design.weights)))
        return to_caller(bounds.e_values(self.terms, self.theta, *self._limits(level, None), sd), self.kind)

    def plot(self, kind: str = "coefficients", **options: Any) -> Any:
        """A figure.

        Parameters
        ----------
        kind : {"coefficients", "overlap", "sensitivity"}
            Effects with intervals; propensities by arm; the effect's lower bound over confounder strengths.
        """
        one_of("kind", kind, ("coefficients", "overlap", "sensitivity"))
        if kind == "overlap":
            from statinf.plotting.effects import plot_overlap

            design = self._need_rows("an overlap plot")
            if "propensity" not in self.nuisance:
                raise NotIdentifiedError(f"'{self.method}' estimates no propensity; use 'ipw', 'aipw' or 'irm'.")
            assert self.treated is not None
            return plot_overlap(self.nuisance["propensity"], self.treated, design.weights, **options)
        if kind == "sensitivity":
            from statinf.plotting.effects import plot_sensitivity

            found = self.sensitivity()
            return plot_sensitivity(found.strength_at, self.theta[0], **options)
        return super().plot(kind, **options)


def _all_pairs(terms: tuple[str, ...], levels: tuple[str, ...], effects: Mapping[str, Any]) -> dict[str, Any]:
    """Differences of later and earlier arms, of which the first has the effect zero."""
    values = [0.0, *(effects[term] for term in terms)]
    return {
        f"{levels[j]} - {levels[i]}": values[j] - values[i]
        for i in range(len(levels))
        for j in range(i + 1, len(levels))
    }

"""The result of `effect`: an average effect, or one a group, with influence values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from statinf.effects import sensitivity as bounds
from statinf.effects.estimate import Estimate
from statinf.effects.rows import EffectRows
from statinf.errors import NotIdentifiedError
from statinf.inference.sandwich import Covariance, Moments, covariance
from statinf.models.regression import augmented
from statinf.results import Fit


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class EffectFit(Fit):
    """Average effects from scores with estimated nuisances; tables use the normal distribution.

    Attributes
    ----------
    estimand : str
    treatment : str
    thetas : ndarray, shape (splits, q)
        The estimate of every repeated split; `theta` is their median.
    notes : mapping of str to object
        What the summary prints above the effects.
    estimate : Estimate or None
        Scores and nuisances; not saved.
    """

    estimand: str
    treatment: str
    thetas: np.ndarray
    notes: Mapping[str, Any] = field(default_factory=dict)
    estimate: Estimate | None = field(default=None, metadata={"saved": False})

    normal_reference = True

    @property
    def title(self) -> str:
        what = {
            "ATE": "Average treatment effect",
            "ATT": "Average effect on the treated",
            "ATC": "Average effect on the controls",
            "LATE": "Local average treatment effect",
        }
        name = (
            "Variance-weighted effect"
            if self.method == "plr"
            else what.get(self.estimand, f"Average effect ({self.estimand})")
        )
        return f"{name}, {self.method}"

    @property
    def repeats(self) -> int:
        """Number of random splits."""
        return len(self.thetas)

    def _estimate(self, what: str) -> Estimate:
        self._need_rows(what)
        assert self.estimate is not None
        return self.estimate

    def moments(self) -> Moments:
        made = self._estimate("influence values")
        if len(made.moments) == 1:
            return made.moments[0]
        influence = np.mean([m.total @ m.bread.T for m in made.moments], axis=0)
        first = made.moments[0]
        return Moments(influence, np.eye(len(self.theta)), first.nobs, first.df_resid)

    def _covariance(self, kind: Any) -> Covariance:
        made = self._estimate("standard errors")
        return split_covariance(self, made, kind, self.theta)

    def lean(self) -> Self:
        if self.design is None:
            return self
        kept = dict(self.kept_covariances)
        for kind in ("iid", "HC0", "HC1", "HC2", "HC3"):
            try:
                kept[kind] = self._covariance(kind).matrix
            except NotIdentifiedError:
                continue
        return replace(self, design=None, estimate=None, kept_covariances=kept)

    def glance_items(self) -> dict[str, Any]:
        return {"nobs": self.nobs, "estimand": self.estimand, "repeats": self.repeats}

    def summary_facts(self) -> dict[str, Any]:
        facts = {"Observations": self.nobs} | dict(self.notes)
        return facts | ({"Repeated splits": self.repeats} if self.repeats > 1 else {})

    def augment(self) -> Any:
        """The caller's data with the nuisance predictions and each row's influence on the (first) effect."""
        made = self._estimate("row-wise predictions")
        columns = {**made.nuisance, "influence": self.moments().influence[:, 0]}
        return augmented(self._need_rows("row-wise predictions"), columns)

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
            For methods without this theory; `plr` and the ATE of `aipw` and `irm` have it.

        Examples
        --------
        >>> import statinf as si
        >>> fit = si.effect("nettfa ~ e401k | inc + age + fsize + marr", si.datasets.load("k401ksubs"), method="plr")
        >>> found = fit.sensitivity(0.03, 0.03)
        >>> bool(found.lower < fit.theta[0] < found.upper)
        True
        """
        made = self._estimate("sensitivity bounds")
        if made.sensitivity is None:
            raise NotIdentifiedError(
                f"'{self.method}' ({self.estimand}, {len(self.theta)} effects) has no omitted-variable bounds; use method='plr', "
                "or the ATE of 'irm' or 'aipw' without by=."
            )
        w = self._need_rows("sensitivity bounds").weights
        return bounds.from_splits(made, w, cf_y, cf_d, rho, null, level)

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
        import pandas as pd

        from statinf.results import to_caller

        if sd is None:
            design = self._need_rows("E-values without sd")
            mean = np.average(design.y, weights=design.weights)
            sd = float(np.sqrt(np.average((design.y - mean) ** 2, weights=design.weights)))
        low, high = self._limits(level, None)
        rows = []
        for i, term in enumerate(self.terms):
            ratio, lower, upper = (float(np.exp(0.91 * v / sd)) for v in (self.theta[i], low[i], high[i]))
            near = 1.0 if lower <= 1.0 <= upper else lower if lower > 1.0 else upper
            rows.append(
                {
                    "term": term,
                    "risk_ratio": ratio,
                    "e_value": bounds.e_value(ratio),
                    "e_value_limit": bounds.e_value(near),
                }
            )
        return to_caller(pd.DataFrame(rows), self.kind)

    def plot(self, kind: str = "coefficients", **options: Any) -> Any:
        """A figure.

        Parameters
        ----------
        kind : {"coefficients", "overlap", "sensitivity"}
            Effects with intervals; propensities by arm; the effect's lower bound over confounder strengths.
        """
        if kind == "overlap":
            from statinf.plotting.effects import plot_overlap

            made = self._estimate("an overlap plot")
            if "propensity" not in made.nuisance:
                raise NotIdentifiedError(f"'{self.method}' estimates no propensity; use 'ipw', 'aipw' or 'irm'.")
            design = self._need_rows("an overlap plot")
            assert made.treated is not None
            return plot_overlap(made.nuisance["propensity"], made.treated, design.weights, **options)
        if kind == "sensitivity":
            from statinf.plotting.effects import plot_sensitivity

            found = self.sensitivity()
            return plot_sensitivity(found.strength_at, self.theta[0], **options)
        return super().plot(kind, **options)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RegressionEffect(EffectFit):
    """Effects that are combinations of regression coefficients; tables use Student's t.

    Attributes
    ----------
    welch : float
        Welch's degrees of freedom, for a difference in means with HC2; NaN otherwise.
    """

    welch: float = np.nan

    normal_reference = False

    def moments(self) -> Moments:
        made = self._estimate("influence values")
        full, pick = made.moments[0], made.pick
        assert pick is not None
        bread = pick @ full.bread
        outside = None if full.outside is None else full.outside @ bread.T
        return Moments(
            full.total @ bread.T,
            np.eye(len(pick)),
            full.nobs,
            full.df_resid,
            outside=outside,
            outside_rows=full.outside_rows,
        )

    def _covariance(self, kind: Any) -> Covariance:
        made = self._estimate("standard errors")
        assert made.pick is not None
        found = super()._covariance(kind)
        df = self.welch if kind == "HC2" and np.isfinite(self.welch) else found.df
        estimated = "weights" if self._need_rows("standard errors").weights_object is not None else "covariates' mean"
        label = found.label.replace("weights estimated", f"{estimated} estimated")
        return Covariance(made.pick @ found.matrix @ made.pick.T, kind, label, df)


def split_covariance(fit: Fit, made: Estimate, kind: Any, theta: np.ndarray) -> Covariance:
    """Covariance of one estimate, or of the median over repeated splits."""
    clusters: dict[str, np.ndarray] = {}
    if isinstance(kind, dict):
        names = [kind["cluster"]] if isinstance(kind["cluster"], str) else list(kind["cluster"])
        clusters = {name: fit._need_rows("clusters").cluster_codes(name) for name in names}
    found = [covariance(m, kind, clusters, normal=fit.normal_reference) for m in made.moments]
    label = found[0].label + made.label
    if len(found) == 1:
        return replace(found[0], label=label)
    matrix = combine_splits(np.stack([f.matrix for f in found]), made.thetas - theta)
    return replace(found[0], matrix=matrix, square_root=None, label=f"{label}, median of {len(found)} splits")


def combine_splits(matrices: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """Covariance of a median over splits (Chernozhukov et al. 2018): each variance is median(V_r + deviation_r^2).

    Parameters
    ----------
    matrices : ndarray, shape (splits, q, q)
    deviations : ndarray, shape (splits, q)
        Of each split's estimate from the median.
    """
    variances = np.median(np.diagonal(matrices, axis1=1, axis2=2) + deviations**2, axis=0)
    mean = matrices.mean(axis=0)
    root = np.sqrt(variances / np.diag(mean))
    return mean * np.outer(root, root)


def fit_fields(rows: EffectRows, method: str, estimand: str, made: Estimate, citation: str) -> dict[str, Any]:
    """The fields that every fit of an effect takes from its rows and its estimate; the covariance is still to come."""
    design = rows.design
    return {
        "method": method,
        "formula": design.recipe.formula,
        "citation": citation,
        "nobs": made.moments[0].nobs,
        "terms": rows.terms,
        "theta": made.theta,
        "cov": Covariance(np.empty((0, 0)), "", "", np.inf),
        "df_resid": made.moments[0].df_resid,
        "recipe": design.recipe,
        "kind": design.kind,
        "dropped": design.dropped,
        "design": design,
        "estimand": estimand,
        "treatment": rows.treatment,
        "thetas": made.thetas,
        "notes": ({} if rows.arms is None else rows.arms.facts) | dict(made.notes),
        "estimate": replace(made, treated=rows.treated),
    }

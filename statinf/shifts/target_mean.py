"""The mean outcome of the target population from source outcomes.

Robins, Rotnitzky and Zhao (1994, Journal of the American Statistical Association 89) for the doubly robust form; Dahabreh,
Robertson, Steingrimsson, Stuart and Hernan (2020, Statistics in Medicine 39) for targets sampled separately. The estimand
is E_T[y] where only the source records y. It is identified if y given x has the same law in both populations and the
source covers the target. "aipw" averages the outcome model over the target and adds the weighted mean residual of the
source: it is right if the outcome model or the density ratio is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from statinf.errors import NotIdentifiedError, OptionError, one_of
from statinf.inference.sandwich import Covariance, Moments, check_kind, covariance
from statinf.numerics.glm.families import family_of
from statinf.results import Fit
from statinf.shifts import mle
from statinf.shifts.samples import Target, target_rows
from statinf.shifts.verb import as_weights, find_ratio, ratio_settings

CITATION = "doubly robust mean of a target population (Robins, Rotnitzky and Zhao 1994; Dahabreh et al. 2020)"
ESTIMATORS = ("aipw", "ipw", "gcomp")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TargetMean(Fit):
    """The mean outcome of the target.

    Attributes
    ----------
    on_source, on_target : ndarray, shape (n,) and (m,)
        Influence of the rows of either sample, estimated models included; not saved.
    ess : float
        Effective sample size of the weighted source; NaN without weights.
    parts : mapping of str to float
        The outcome model's mean over the target, and the weighted mean residual.
    target_rows : int
    """

    on_source: np.ndarray = field(metadata={"saved": False}, default_factory=lambda: np.empty(0))
    on_target: np.ndarray = field(metadata={"saved": False}, default_factory=lambda: np.empty(0))
    ess: float = np.nan
    parts: Mapping[str, float] = field(default_factory=dict)
    target_rows: int = 0

    normal_reference = True

    def moments(self) -> Moments:
        # Rows of either sample enter as scores with a bread of one; the target is a sample of its own.
        return Moments(self.on_source[:, None], np.eye(1), self.nobs, self.df_resid, outside=self.on_target[:, None])

    def with_vcov(self, vcov: Any) -> TargetMean:
        if check_kind(vcov) == "fixed":
            raise NotIdentifiedError(
                "the mean of the target has one stacked covariance; use 'HC0', or clusters of the source."
            )
        changed: TargetMean = super().with_vcov(vcov)
        return replace(changed, cov=_labelled(changed.cov))

    @property
    def title(self) -> str:
        return f"Mean outcome of the target population: {self.method}"

    def summary_facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"Source rows": self.nobs, "Target rows": self.target_rows}
        if np.isfinite(self.ess):
            facts["Effective sample size"] = self.ess
        return facts | {name.capitalize(): value for name, value in self.parts.items()}

    def glance_items(self) -> dict[str, Any]:
        return {"nobs": self.nobs, "target_rows": self.target_rows, "ess": self.ess}


def target_mean(
    formula: str,
    source: Any,
    target: Any,
    *,
    method: str = "aipw",
    family: str = "gaussian",
    link: str | None = None,
    ratio: Any = None,
    ratio_formula: str | None = None,
    normalize: bool = True,
    vcov: Any = "HC0",
    weights: Any = None,
    target_weights: Any = None,
    cluster: Any = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
) -> TargetMean:
    """Estimate the mean outcome of the target population from source outcomes.

    Parameters
    ----------
    formula : str
        `outcome ~ terms` of the outcome model, read against the source.
    source, target : data frame
        The target needs the covariates only.
    method : {"aipw", "ipw", "gcomp"}
        Doubly robust, weighted outcomes, or the outcome model averaged over the target.
    family, link
        Of the outcome model, as in `statinf.glm`.
    ratio, ratio_formula
        Of the density ratio, as in `statinf.shift`.
    normalize : bool
        Divide weighted sums by the sum of the weights (Hajek) instead of the number of source rows (Horvitz and
        Thompson).
    vcov : str or mapping
        "HC0" or `{"cluster": "column of the source"}`; both account for the estimated models.
    weights, target_weights, cluster, seed, na_action, context
        As in `statinf.shift`.

    Returns
    -------
    TargetMean
        A `Fit` with the one coefficient "mean".

    Raises
    ------
    DataError, NotIdentifiedError, OptionError
        As `statinf.shift` does.

    References
    ----------
    Robins, Rotnitzky and Zhao (1994), JASA 89; Dahabreh et al. (2020), Statistics in Medicine 39.

    Examples
    --------
    >>> import statinf as si
    >>> data = si.datasets.simulate("covariate_shift", 500, seed=3)
    >>> source, target = data[data["sample"] == "source"], data[data["sample"] == "target"]
    >>> fit = si.target_mean("y ~ x1 + x2", source, target)
    >>> low, high = fit.conf_int().loc["mean"]
    >>> bool(low < data.attrs["truth"]["mean_y_target"] < high)
    True
    """
    one_of("method", method, ESTIMATORS)
    chosen = family_of(family, link)
    options = {"family": chosen.name, "link": chosen.link.name, "weights": weights, "vcov": "HC0", "cluster": cluster}
    model = mle.regress(formula, source, na_action=na_action, context=context, **options)
    design = model.design
    assert design is not None and model.recipe is not None
    other = target_rows(model.recipe, target, target_weights, na_action)
    found = None
    if method != "gcomp":
        settings = ratio_settings(
            formula, ratio, ratio_formula, weights=weights, target_weights=target_weights, seed=seed, na_action=na_action,
            context=context,
        )  # fmt: skip
        given = find_ratio(settings, source, target)
        found = as_weights(given, design)
        if not np.isin(design.rows, found.used).all():
            raise OptionError(
                "the ratio lacks rows of the outcome model; make both from columns without missing values."
            )
    elif ratio is not None or ratio_formula is not None:
        raise OptionError("method='gcomp' uses no density ratio; leave ratio= out, or use 'aipw'.")
    value, on_source, on_target, parts = _estimate(method, model, other, found, normalize)
    made = TargetMean(
        method=method,
        formula=model.formula,
        citation=CITATION,
        nobs=model.nobs,
        terms=("mean",),
        theta=np.array([value]),
        cov=model.cov,
        recipe=model.recipe,
        kind=model.kind,
        dropped=model.dropped,
        design=design,
        on_source=on_source,
        on_target=on_target,
        ess=np.nan if found is None else found.ess,
        parts=parts,
        target_rows=len(other.rows),
    )
    kind: Any = vcov if cluster is None else {"cluster": cluster}
    clusters = {} if not isinstance(kind, dict) else {kind["cluster"]: design.cluster_codes(kind["cluster"])}
    return replace(made, cov=_labelled(covariance(made.moments(), check_kind(kind), clusters, normal=True)))


def _labelled(cov: Covariance) -> Covariance:
    return replace(cov, label=cov.label.replace("weights estimated", "estimated models included"))


def _estimate(
    method: str, model: Fit, target: Target, ratio: Any, normalize: bool
) -> tuple[float, np.ndarray, np.ndarray, dict[str, float]]:
    """The mean with the influence of every row of both samples, through the estimated models where they matter."""
    design = model.design
    assert design is not None
    family = family_of(getattr(model, "family", "gaussian"), getattr(model, "link", None))
    ok = model.estimable

    def means(x: np.ndarray, offset: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        eta = x[:, ok] @ model.theta[ok] + (0.0 if offset is None else offset)
        return family.link.inverse(eta), x[:, ok] * family.link.slope(eta)[:, None]

    fitted, slope_s = means(design.parts[0].values, design.offset)
    at_target, slope_t = means(target.x, target.offset)
    share_t = target.weights / target.weights.sum()
    over_target = float(share_t @ at_target)
    on_source, on_target = np.zeros(design.n), np.zeros(len(at_target))
    by_model = np.zeros(int(ok.sum()))
    value, parts = 0.0, {}
    if method != "ipw":
        value += over_target
        on_target += share_t * (at_target - over_target)
        by_model += share_t @ slope_t
        parts["model over the target"] = over_target
    if method != "gcomp":
        position = np.searchsorted(ratio.used, design.rows)
        w = ratio.values[position]
        total = float(w.sum()) if normalize else float(design.weights.sum())
        rest = design.y - fitted if method == "aipw" else design.y
        average = float(w @ rest) / total
        centre = average if normalize else 0.0
        value += average
        parts["weighted residual" if method == "aipw" else "weighted mean"] = average
        on_source += w * (rest - centre) / total - (0.0 if normalize else average / design.n)
        if method == "aipw":
            by_model -= (w / total) @ slope_s
        if ratio.derivative is not None:
            pull = ((rest - centre) / total) @ ratio.derivative[position]
            on_source += ratio.influence[position] @ pull
            if ratio.other_influence is not None:
                on_target += _spread(ratio.other_influence @ pull, ratio, target)
    return value, on_source + model.moments().influence @ by_model, on_target, parts


def _spread(values: np.ndarray, ratio: Any, target: Target) -> np.ndarray:
    """Influence of the ratio's target rows, on the target rows of the outcome model."""
    samples = getattr(getattr(ratio, "origin", ratio), "samples", None)
    if samples is None or len(values) == len(target.rows):
        return values
    full = np.zeros(target.n_total)
    full[samples.target.rows] = values
    missing = np.setdiff1d(samples.target.rows, target.rows)
    if len(missing):
        raise OptionError("the ratio uses target rows that the outcome model cannot; make both from the same columns.")
    return full[target.rows]
